/*
 * exits.c - what a core does when its guest stops at something that is ours
 *
 * Ports and addresses where nothing is read all ones and swallow writes, as on a
 * PC. MSRs that KVM does not know read 0 and swallow writes in an HRT, which looks
 * for them without a net; in a ROS they fault, as on a processor, since that is how
 * Linux finds out which there are. All of it is counted, and each place logged
 * once. Whatever a guest does wrong ends in a crash report: a sentence with the
 * core, the exit and the address.
 *
 * Tour 460: Everything a guest can do to us comes through do_exit(). A guest
 * that does wrong ends with a sentence: the core, the exit, the address. The
 * other partition does not notice.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "abi/hrt.h"
#include "abi/x86.h"
#include "base/checked.h"
#include "base/cursor.h"
#include "guest/paging.h"
#include "monitor/machine.h"

#define PORT_DELAY 0x80 /* written by guests only to pass time */

static void report(struct core *core, enum vm_reason reason, bool ours, uint64_t address, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

static void report(struct core *core, enum vm_reason reason, bool ours, uint64_t address, const char *format, ...)
{
	struct crash crash = {.valid = true, .ours = ours, .reason = reason, .core = core->id, .address = address,
		.vector = reason == REASON_TRIPLE_FAULT ? VECTOR_DF : HVM_VECTOR_EXCEPTION};
	int n = snprintf(crash.text, sizeof(crash.text), "core %u: ", core->id);
	va_list ap;

	va_start(ap, format);
	vsnprintf(crash.text + n, sizeof(crash.text) - (size_t)n, format, ap);
	va_end(ap);
	machine_report_crash(core->partition, &crash);
}

static const char *const exception_names[32] = {
	[0] = "divide error", [1] = "debug exception", [2] = "non-maskable interrupt", [3] = "breakpoint",
	[4] = "overflow", [5] = "bound range exceeded", [6] = "invalid opcode", [7] = "device not available",
	[8] = "double fault", [10] = "invalid TSS", [11] = "segment not present", [12] = "stack fault",
	[13] = "general protection fault", [14] = "page fault", [16] = "x87 floating-point error",
	[17] = "alignment check", [18] = "machine check", [19] = "SIMD floating-point exception",
	[20] = "virtualization exception", [21] = "control protection exception",
};

static const char *vector_name(uint64_t vector)
{
	if (vector < 32)
		return exception_names[vector] ? exception_names[vector] : "reserved exception";
	return "interrupt";
}

/* The stack as the null handler leaves it; see HVM_REQ_UNHANDLED. */
void machine_report_unhandled(struct core *core)
{
	const struct vcpu_registers *registers = kvm_vcpu_registers(core->vcpu);
	struct vcpu_state state;
	uint8_t stack[6 * 8] = {}; /* rcx, rbx, rax, vector, then error code and RIP, or RIP */
	struct cursor c = cursor_init(stack, sizeof(stack));
	uint64_t vector, error = 0, rip;
	bool has_error;
	char code[48] = "";

	kvm_vcpu_settle(core->vcpu, &state);
	if (paging_read(&core->partition->machine->memory, state.cr3, registers->rsp, stack, sizeof(stack)) < 0) {
		report(core, REASON_GUEST_PANIC, false, registers->rip,
			"the null handler was entered with a stack (0x%" PRIx64 ") that is not mapped", registers->rsp);
		return;
	}
	cursor_bytes(&c, 3 * 8);
	vector = cursor_u64(&c);
	has_error = vector < 32 && (VECTORS_WITH_ERROR_CODE >> vector & 1);
	if (has_error)
		error = cursor_u64(&c);
	rip = cursor_u64(&c);
	if (has_error)
		snprintf(code, sizeof(code), ", error code 0x%" PRIx64, error);
	if (vector == VECTOR_PF)
		report(core, REASON_GUEST_PANIC, false, rip,
			"page fault (vector 14%s) at RIP 0x%" PRIx64 ", address 0x%" PRIx64
			": the guest has no handler for it", code, rip, state.cr2);
	else
		report(core, REASON_GUEST_PANIC, false, rip,
			"%s (vector %" PRIu64 "%s) at RIP 0x%" PRIx64 ": the guest has no handler for it",
			vector_name(vector), vector, code, rip);
}

static bool do_msr(struct core *core, const struct vcpu_exit *exit)
{
	counter_add(&core->counters.unknown_msrs, 1);
	unknown_met(&core->partition->unknown, UNKNOWN_MSR, exit->msr.index, core->id);
	*exit->msr.fault = core->partition->role == PARTITION_ROS;
	if (!exit->msr.write)
		*exit->msr.value = 0;
	return true;
}

static void heartbeat(struct core *core, const struct vcpu_exit *exit)
{
	struct cursor c = cursor_init(exit->io.data, (uint64_t)exit->io.size * exit->io.count);
	uint64_t value = 0;

	while (c.left > 0)
		value = cursor_uint(&c, exit->io.size);
	__atomic_store_n(&core->counters.heartbeat, value, __ATOMIC_RELAXED);
	counter_add(&core->counters.heartbeats, exit->io.count);
}

/* Ports that are a core's own, or a hypercall; the others are on the bus of its partition. */
enum answer { ANSWER_NOBODY, ANSWER_GO_ON, ANSWER_PARK };

static enum answer do_own_port(struct core *core, const struct vcpu_exit *exit)
{
	switch (exit->io.port) {
	case HVM_PORT:
		if (exit->io.size == 4 && exit->io.count == 1)
			return talk_hypercall(core) ? ANSWER_GO_ON : ANSWER_PARK;
		return ANSWER_NOBODY;
	case HVM_PORT_CONSOLE:
		if (exit->io.size != 1)
			return ANSWER_NOBODY;
		machine_note_sign(core->partition);
		debug_port_write(&core->port, exit->io.data, exit->io.count);
		return ANSWER_GO_ON;
	case HVM_PORT_HEARTBEAT:
		heartbeat(core, exit);
		return ANSWER_GO_ON;
	case PORT_DELAY:
		return ANSWER_GO_ON;
	}
	return ANSWER_NOBODY;
}

/* Whether somebody answered; where nobody does, reads are all ones. */
static bool on_bus(const struct bus *bus, uint64_t address, bool write, uint8_t *bytes, unsigned size)
{
	return write ? bus_write(bus, address, bytes, size) : bus_read(bus, address, bytes, size);
}

static void note_unknown(struct core *core, enum unknown_kind kind, uint64_t place, bool write)
{
	counter_add(write ? &core->counters.unknown_writes : &core->counters.unknown_reads, 1);
	unknown_met(&core->partition->unknown, kind, place, core->id);
}

/* A guest that has turned itself off, or ended the VM, does nothing more. */
static bool goes_on(const struct core *core)
{
	return !__atomic_load_n(&core->partition->ending, __ATOMIC_RELAXED) &&
		!__atomic_load_n(&core->partition->machine->over, __ATOMIC_RELAXED);
}

static bool do_io(struct core *core, const struct vcpu_exit *exit)
{
	enum answer answer = exit->io.in ? ANSWER_NOBODY : do_own_port(core, exit);
	bool known = false;

	if (answer != ANSWER_NOBODY)
		return answer == ANSWER_GO_ON;
	for (uint32_t i = 0; i < exit->io.count; i++)
		known |= on_bus(&core->partition->ports, exit->io.port, !exit->io.in,
			exit->io.data + (size_t)i * exit->io.size, exit->io.size);
	if (!known)
		note_unknown(core, UNKNOWN_PORT, exit->io.port, !exit->io.in);
	return goes_on(core);
}

/* A hypercall from any privilege level, or a look whether there is one. */
static bool do_doorbell(struct core *core, const struct vcpu_exit *exit)
{
	static const uint32_t magic = HVM_DOORBELL_MAGIC;
	uint64_t offset = exit->mmio.gpa - HVM_DOORBELL_GPA;

	if (exit->mmio.write)
		return offset || exit->mmio.size != 4 || talk_hypercall(core);
	memset(exit->mmio.data, 0xFF, exit->mmio.size);
	for (uint32_t i = 0; i < exit->mmio.size && offset + i < sizeof(magic); i++)
		exit->mmio.data[i] = ((const uint8_t *)&magic)[offset + i];
	return true;
}

static bool do_mmio(struct core *core, const struct vcpu_exit *exit)
{
	if (exit->mmio.gpa - HVM_DOORBELL_GPA < PAGE_SIZE)
		return do_doorbell(core, exit);
	if (!on_bus(&core->partition->mmio, exit->mmio.gpa, exit->mmio.write, exit->mmio.data, exit->mmio.size))
		note_unknown(core, UNKNOWN_PAGE, round_down(exit->mmio.gpa, PAGE_SIZE), exit->mmio.write);
	return true;
}

static void report_emulation(struct core *core, const struct vcpu_exit *exit)
{
	uint64_t rip = kvm_vcpu_registers(core->vcpu)->rip;
	char bytes[3 * sizeof(exit->emulation.bytes) + 1] = "";

	for (unsigned i = 0; i < exit->emulation.n_bytes; i++)
		snprintf(bytes + 3 * i, 4, " %02x", exit->emulation.bytes[i]);
	report(core, REASON_EMULATION_FAILURE, false, rip,
		"KVM cannot emulate the instruction at RIP 0x%" PRIx64 " (bytes%s)", rip,
		exit->emulation.n_bytes ? bytes : " unknown");
}

static bool do_ring_full(struct core *core)
{
	struct error e = {};
	int r;

	machine_harvest(core, true);
	r = kvm_vcpu_rearm(core->vcpu, &e);
	if (r < 0)
		report(core, REASON_UNKNOWN, true, 0, "%s", error_text(&e, r));
	return r == 0;
}

static void report_shutdown(struct core *core, const struct vcpu_exit *exit, uint64_t rip)
{
	if (exit->shutdown.lost)
		report(core, REASON_TRIPLE_FAULT, false, 0, "triple fault; this processor does not keep where");
	else
		report(core, REASON_TRIPLE_FAULT, false, rip, "triple fault at RIP 0x%" PRIx64, rip);
}

static bool do_exit(struct core *core, const struct vcpu_exit *exit)
{
	uint64_t rip = kvm_vcpu_registers(core->vcpu)->rip;

	switch (exit->kind) {
	case VCPU_EXIT_INTERRUPTED:
		return true;
	case VCPU_EXIT_IO:
		return do_io(core, exit);
	case VCPU_EXIT_MMIO:
		return do_mmio(core, exit);
	case VCPU_EXIT_MSR:
		return do_msr(core, exit);
	case VCPU_EXIT_HYPERCALL:
		return talk_hypercall(core);
	case VCPU_EXIT_SHUTDOWN:
		report_shutdown(core, exit, rip);
		return false;
	case VCPU_EXIT_EMULATION:
		report_emulation(core, exit);
		return false;
	case VCPU_EXIT_FAIL_ENTRY:
		report(core, REASON_UNKNOWN, false, rip,
			"the processor refused to enter the guest at RIP 0x%" PRIx64 ", reason 0x%x", rip, exit->code);
		return false;
	case VCPU_EXIT_RING_FULL:
		return do_ring_full(core);
	case VCPU_EXIT_HLT: /* LAPICs are in the kernel: it waits there */
	case VCPU_EXIT_OTHER:
	case N_VCPU_EXIT_KINDS:
		break;
	}
	report(core, REASON_UNKNOWN, false, rip, "KVM stopped the guest at RIP 0x%" PRIx64 " with exit reason %u", rip,
		exit->code);
	return false;
}

static void do_failed(struct core *core, int error)
{
	report(core, error == -ENOMEM ? REASON_OUT_OF_MEMORY : REASON_UNKNOWN, true, 0, "KVM_RUN failed: %s",
		strerrordesc_np(-error));
}

const struct core_listener machine_core_listener = {
	.exit = do_exit,
	.enter = talk_deliver,
	.failed = do_failed,
};
