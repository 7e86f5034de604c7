/*
 * fuzz-protocol.c - guests with any registers and any memory talk to the protocol
 *
 * The input is a row of steps: who does what with which registers, and bytes that go
 * into page tables, stacks, IDTs and GDTs. What has to hold after each step is checked.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "../unit/guest-space.h"
#include "base/cursor.h"
#include "fuzz.h"
#include "monitor/protocol.h"

#define N_CORES 4u

static struct protocol p;
static struct hvm_comm_page page;
static struct space spaces[2];

/* An address that is worth trying: mostly within the space. */
static uint64_t address(struct cursor *c)
{
	uint64_t raw = cursor_u64(c);

	return raw % 4 ? SPACE_GVA + (raw >> 2) % (SPACE_SIZE + 64) : raw;
}

static struct vcpu_state any_state(struct cursor *c)
{
	uint8_t bits = cursor_u8(c);
	struct vcpu_state s = space_state(bits & 1 ? 3 : 0);

	s.idt_base = address(c);
	s.gdt_base = address(c);
	s.tr.base = address(c);
	s.idt_limit = cursor_u16(c);
	s.gdt_limit = cursor_u16(c);
	s.tr.limit = cursor_u16(c);
	s.unsettled = bits >> 1 & 1;
	if ((bits & 0xF0) == 0xF0)
		s.cr3 = cursor_u64(c);
	return s;
}

static struct vcpu_registers any_registers(struct cursor *c)
{
	struct vcpu_registers r = {.rax = HVM_HYPERCALL, .rbx = HVM_MARKER, .rcx = cursor_u8(c)};

	r.rdx = address(c);
	r.rsi = address(c);
	r.rsp = address(c);
	r.rip = cursor_u64(c);
	r.rflags = cursor_u32(c);
	return r;
}

static void spoil_memory(struct cursor *c)
{
	uint8_t *bytes = (uint8_t *)&spaces[cursor_u8(c) & 1];
	uint32_t at = cursor_u16(c) * 8u % offsetof(struct space, memory);
	const uint8_t *from = cursor_bytes(c, 8);

	if (from)
		memcpy(bytes + at, from, 8);
}

static void check(void)
{
	assert(p.state <= HVM_STATE_GDTSYNC);
	assert((p.undelivered & ~p.outstanding) == 0);
	assert(p.outstanding >> N_CORES == 0);
	assert((p.transaction != NULL) == (p.outstanding != 0));
	assert(p.published.state == p.state && p.published.event == p.event.type);
	assert(page.sequence == p.published.sequence && page.sequence % 2 == 0);
}

static void step(struct cursor *c, uint64_t *now)
{
	uint8_t what = cursor_u8(c), core = cursor_u8(c) % N_CORES;
	struct vcpu_state state = any_state(c);
	struct vcpu_registers registers = any_registers(c);
	enum partition_role role = what & 0x80 ? PARTITION_HRT : PARTITION_ROS;
	struct protocol_effects effects;
	struct protocol_caller caller = {.role = role, .core = role == PARTITION_HRT ? core : 0, .registers = &registers,
		.state = &state, .access = {.memory = &spaces[role].memory}};

	*now += what;
	switch (what & 0xF) {
	case 0:
		protocol_tick(&p, *now += 1000000, &effects);
		break;
	case 1:
		protocol_hrt_gone(&p);
		protocol_hrt_booted(&p);
		break;
	case 2:
		protocol_ros_reset(&p);
		break;
	case 3:
		protocol_hrt_crashed(&p, registers.rip, core);
		protocol_hrt_booted(&p);
		break;
	case 4:
	case 5:
	case 6:
		protocol_deliver(&p, core, &caller.access, &state, &registers, *now, &effects);
		break;
	case 7:
		caller.access.memory = &spaces[PARTITION_ROS].memory;
		protocol_deliver_signal(&p, &caller.access, &state, &registers, *now, &effects);
		break;
	case 8:
		spoil_memory(c);
		break;
	default:
		protocol_call(&p, &caller, *now, &effects);
	}
	check();
}

const char *const fuzz_corpus[] = {"tests/fuzz/corpus/protocol", NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_init(data, size);
	struct protocol_config config = {.n_hrt_cores = N_CORES, .hrt_sees_ros = true, .hrt_changes_ros = true, .vector = 32,
		.upcall = (enum upcall_kind)(cursor_u8(&c) % 3), .other_usec = 1000};
	uint64_t now = 1;

	memset(&page, 0, sizeof(page));
	space_init(&spaces[0]);
	space_init(&spaces[1]);
	protocol_init(&p, &config, &page);
	protocol_hrt_booted(&p);
	while (c.left > 0)
		step(&c, &now);
	return 0;
}
