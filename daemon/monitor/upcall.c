/* upcall.c - see upcall.h; gates, IST and frames are those of SDM volume 3A, 6.14 */
#include "monitor/upcall.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>

#include "abi/hrt.h"
#include "abi/x86.h"
#include "base/error.h"
#include "base/macro.h"
#include "guest/access.h"
#include "kvm/kvm.h"

struct gate {
	uint64_t handler;
	uint16_t selector;
	uint8_t ist;
	uint8_t type;
};

static const char *const names[] = {[UPCALL_PF] = "pf", [UPCALL_GPF] = "gpf", [UPCALL_VECTOR] = "vector"};

const char *upcall_kind_to_string(enum upcall_kind kind)
{
	assert((size_t)kind < ARRAY_SIZE(names));
	return names[kind];
}

static bool canonical(uint64_t gva)
{
	return (uint64_t)((int64_t)(gva << 16) >> 16) == gva;
}

static int check_state(const struct vcpu_state *state, struct error *e)
{
	if (!vcpu_in_long_mode(state))
		return error_set(e, -ENOEXEC, "it is not in 64-bit mode with four levels of page tables");
	if (state->cs.selector & SELECTOR_RPL)
		return error_set(e, -ENOEXEC, "it runs at CPL %u; an HRT runs at CPL 0", state->cs.selector & SELECTOR_RPL);
	return state->unsettled ? -EAGAIN : 0;
}

static int read_gate(const struct access *access, const struct vcpu_state *state, unsigned vector, struct gate *ret,
	struct error *e)
{
	uint64_t words[2];

	if (state->idt_limit < vector * 16 + 15)
		return error_set(e, -ENOEXEC, "its IDT ends (limit 0x%x) below vector %u", state->idt_limit, vector);
	if (access_read(access, state->idt_base + vector * 16, words, sizeof(words)) < 0)
		return error_set(e, -ENOEXEC, "its IDT at 0x%" PRIx64 " is not mapped", state->idt_base);
	*ret = (struct gate){
		.handler = (words[0] & 0xFFFF) | (words[0] >> 32 & 0xFFFF0000) | words[1] << 32,
		.selector = (uint16_t)(words[0] >> 16),
		.ist = words[0] >> 32 & 7,
		.type = words[0] >> 40 & 0x1F,
	};
	if (!(words[0] >> 47 & 1) || (ret->type != GATE_INTERRUPT && ret->type != GATE_TRAP))
		return error_set(e, -ENOEXEC, "its gate for vector %u is none that is present", vector);
	if (!canonical(ret->handler))
		return error_set(e, -ENOEXEC, "its gate for vector %u leads to 0x%" PRIx64 ", which is no address", vector,
			ret->handler);
	return 0;
}

int upcall_check_gate(unsigned vector, uint64_t null_handler, const struct access *access,
	const struct vcpu_state *state, struct error *e)
{
	struct gate gate = {};
	int r = check_state(state, e);

	if (r == 0)
		r = read_gate(access, state, vector, &gate, e);
	if (r == 0 && gate.handler - null_handler < PAGE_SIZE)
		return error_set(e, -ENOEXEC, "it has no handler for vector %u yet", vector);
	return r;
}

unsigned upcall_exception(enum upcall_kind kind)
{
	assert(kind != UPCALL_VECTOR);
	return kind == UPCALL_PF ? VECTOR_PF : VECTOR_GP;
}

/* The code segment of the gate: 64-bit, DPL 0, present. Mostly it is the one that is loaded already. */
static int load_cs(const struct access *access, const struct vcpu_state *state, uint16_t selector,
	struct boot_segment *ret, struct error *e)
{
	unsigned index = selector & ~7u;
	uint64_t d;

	if (selector == state->cs.selector) {
		*ret = state->cs;
		return 0;
	}
	if (index == 0 || selector & SELECTOR_LDT || index + 7 > state->gdt_limit)
		return error_set(e, -ENOEXEC, "its gate names the code segment 0x%x, which its GDT has not", selector);
	if (access_read(access, state->gdt_base + index, &d, sizeof(d)) < 0)
		return error_set(e, -ENOEXEC, "its GDT at 0x%" PRIx64 " is not mapped", state->gdt_base);
	*ret = (struct boot_segment){
		.limit = UINT32_MAX,
		.selector = (uint16_t)(selector & ~SELECTOR_RPL),
		.type = (d >> 40 & 0xF) | 1, /* accessed */
		.s = d >> 44 & 1, .dpl = d >> 45 & 3, .present = d >> 47 & 1,
		.l = d >> 53 & 1, .db = d >> 54 & 1, .g = 1,
	};
	if (!ret->s || !(ret->type & 8) || ret->dpl || !ret->present || !ret->l || ret->db)
		return error_set(e, -ENOEXEC, "its gate names segment 0x%x, which is no 64-bit code for CPL 0", selector);
	return 0;
}

static int find_stack(const struct access *access, const struct vcpu_state *state, const struct gate *gate,
	uint64_t rsp, uint64_t *ret, struct error *e)
{
	uint64_t at = TSS_IST1 + 8u * (gate->ist - 1u);

	*ret = rsp;
	if (gate->ist && (at + 7 > state->tr.limit || access_read(access, state->tr.base + at, ret, 8) < 0))
		return error_set(e, -ENOEXEC, "its TSS at 0x%" PRIx64 " has no stack for IST %u", state->tr.base, gate->ist);
	*ret &= ~15ull;
	return 0;
}

static int push_frame(const struct access *access, const struct vcpu_state *state,
	const struct vcpu_registers *registers, uint64_t *sp, struct error *e)
{
	const uint64_t frame[] = {HVM_UPCALL_ERROR, registers->rip, state->cs.selector, registers->rflags,
		registers->rsp, state->ss.selector};
	uint64_t at = *sp - sizeof(frame);

	if (access_write(access, at, frame, sizeof(frame)) < 0)
		return error_set(e, -ENOEXEC, "its stack at 0x%" PRIx64 " takes no frame", *sp);
	*sp = at;
	return 0;
}

int upcall_build(enum upcall_kind kind, const struct access *access, struct vcpu_state *state,
	struct vcpu_registers *registers, struct error *e)
{
	unsigned vector = upcall_exception(kind);
	struct boot_segment cs = {};
	struct gate gate = {};
	uint64_t sp = 0;
	int r;

	r = check_state(state, e);
	if (r < 0)
		return r;
	r = read_gate(access, state, vector, &gate, e);
	if (r < 0)
		return r;
	r = load_cs(access, state, gate.selector, &cs, e);
	if (r < 0)
		return r;
	r = find_stack(access, state, &gate, registers->rsp, &sp, e);
	if (r < 0)
		return r;
	r = push_frame(access, state, registers, &sp, e);
	if (r < 0)
		return r;
	registers->rip = gate.handler;
	registers->rsp = sp;
	registers->rflags &= ~(RFLAGS_TF | RFLAGS_NT | RFLAGS_RF | RFLAGS_VM);
	if (gate.type == GATE_INTERRUPT)
		registers->rflags &= ~RFLAGS_IF;
	state->cs = cs;
	if (kind == UPCALL_PF)
		state->cr2 = HVM_UPCALL_CR2;
	return 0;
}
