/* vcpu.c - a vCPU: making it, giving it a boot state, running it; see kvm.h */
#include "kvm/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "abi/x86.h"
#include "base/error.h"
#include "base/macro.h"
#include "guest/boot.h"

/* Our registers are KVM's, so that an exit costs one copy. */
assert_size(struct vcpu_registers, sizeof(struct kvm_regs));
assert_offset(struct vcpu_registers, rsp, offsetof(struct kvm_regs, rsp));
assert_offset(struct vcpu_registers, rip, offsetof(struct kvm_regs, rip));
assert_offset(struct vcpu_registers, rflags, offsetof(struct kvm_regs, rflags));

#define FCW_RESET   0x037F /* as FNINIT leaves it; SDM volume 1, 8.1.5 */
#define MXCSR_RESET 0x1F80 /* SDM volume 1, 10.2.3 */
#define RIP_RESET   0xFFF0 /* SDM volume 3A, table 10-1 */

static int set_cpuid(struct kvm_vcpu *vcpu, const struct kvm_cpuid2 *supported, const struct vcpu_topology *topology,
	struct error *e)
{
	_cleanup_free_ struct kvm_cpuid2 *table = NULL;
	int r;

	table = calloc(1, sizeof(*table) + CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2));
	if (!table)
		return error_set_errno(e, -ENOMEM, "building the CPUID table");
	kvm_cpuid_build(supported, topology, table);
	vcpu->paravirt = kvm_cpuid_paravirt(table);
	r = kvm_ioctl(vcpu->fd, KVM_SET_CPUID2, (unsigned long)table); /* cage(build): KVM_SET_CPUID2 */
	return r < 0 ? error_set_errno(e, r, "KVM_SET_CPUID2 of core %u", topology->id) : 0;
}

static int map_run_area(struct kvm_vcpu *vcpu, size_t size, struct error *e)
{
	void *run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);

	if (run == MAP_FAILED)
		return error_set_errno(e, -errno, "mapping a vCPU's run area");
	vcpu->run = run;
	vcpu->run_size = size;
	vcpu->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	return 0;
}

static int remember_reset_state(struct kvm_vcpu *vcpu, struct error *e)
{
	int r = kvm_ioctl(vcpu->fd, KVM_GET_SREGS, (unsigned long)&vcpu->reset_sregs); /* cage(build): KVM_GET_SREGS */

	if (r < 0)
		return error_set_errno(e, r, "KVM_GET_SREGS");
	r = kvm_ioctl(vcpu->fd, KVM_GET_LAPIC, (unsigned long)&vcpu->reset_lapic); /* cage(build): KVM_GET_LAPIC */
	return r < 0 ? error_set_errno(e, r, "KVM_GET_LAPIC") : 0;
}

int kvm_vcpu_new(struct kvm_machine *machine, const struct vcpu_topology *topology, struct kvm_vcpu **ret,
	struct error *e)
{
	_cleanup_(kvm_vcpu_freep) struct kvm_vcpu *vcpu = calloc(1, sizeof(*vcpu));
	int r;

	if (!vcpu)
		return error_set_errno(e, -ENOMEM, "creating core %u", topology->id);
	vcpu->stats.fd = -1;
	vcpu->machine = machine;
	vcpu->fd = kvm_ioctl(machine->fd, KVM_CREATE_VCPU, topology->id); /* cage(build): KVM_CREATE_VCPU */
	if (vcpu->fd < 0)
		return error_set_errno(e, vcpu->fd, "KVM_CREATE_VCPU %u", topology->id);
	r = map_run_area(vcpu, machine->host->run_size, e);
	if (r < 0)
		return r;
	r = machine->tracks ? kvm_ring_map(vcpu, e) : 0;
	if (r < 0)
		return r;
	r = set_cpuid(vcpu, machine->host->cpuid, topology, e);
	if (r < 0)
		return r;
	r = kvm_msrs_keep_to_cpuid(vcpu, e);
	if (r < 0)
		return r;
	r = remember_reset_state(vcpu, e);
	if (r < 0)
		return r;
	kvm_stats_init(&vcpu->stats, vcpu->fd);
	*ret = take_ptr(vcpu);
	return 0;
}

struct kvm_vcpu *kvm_vcpu_free(struct kvm_vcpu *vcpu)
{
	if (!vcpu)
		return NULL;
	kvm_stats_fini(&vcpu->stats);
	kvm_ring_unmap(vcpu);
	if (vcpu->run)
		munmap(vcpu->run, vcpu->run_size);
	close_fd(vcpu->fd);
	free(vcpu);
	return NULL;
}

uint64_t kvm_vcpu_tsc_khz(struct kvm_vcpu *vcpu)
{
	int r = kvm_ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0); /* cage(build): KVM_GET_TSC_KHZ */

	return r < 0 ? 0 : (uint64_t)r;
}

static struct kvm_segment to_kvm_segment(const struct boot_segment *s)
{
	return (struct kvm_segment){
		.base = s->base, .limit = s->limit, .selector = s->selector, .type = s->type, .present = s->present,
		.dpl = s->dpl, .db = s->db, .s = s->s, .l = s->l, .g = s->g, .unusable = s->unusable,
	};
}

/* The APIC base keeps what KVM gave this vCPU: enabled, BSP flag on the first; everything else is ours. */
static int boot_sregs(struct kvm_vcpu *vcpu, const struct boot_registers *b, struct error *e)
{
	struct kvm_sregs sregs = {
		.cs = to_kvm_segment(&b->cs),
		.ds = to_kvm_segment(&b->data),
		.es = to_kvm_segment(&b->data),
		.fs = to_kvm_segment(&b->data),
		.gs = to_kvm_segment(&b->data),
		.ss = to_kvm_segment(&b->data),
		.tr = to_kvm_segment(&b->tr),
		.ldt = to_kvm_segment(&b->ldt),
		.gdt = {.base = b->gdt_base, .limit = b->gdt_limit},
		.idt = {.base = b->idt_base, .limit = b->idt_limit},
		.cr0 = b->cr0, .cr2 = b->cr2, .cr3 = b->cr3, .cr4 = b->cr4, .cr8 = 0,
		.efer = b->efer,
		.apic_base = vcpu->reset_sregs.apic_base,
	};
	int r = kvm_ioctl(vcpu->fd, KVM_SET_SREGS, (unsigned long)&sregs); /* cage(run): KVM_SET_SREGS */

	return r < 0 ? error_set_errno(e, r, "KVM_SET_SREGS") : 0;
}

/* With the next KVM_RUN, behind what the ioctls here have set: nothing that was pending gets through. */
static void boot_regs(struct kvm_vcpu *vcpu, const struct boot_registers *b)
{
	vcpu->run->s.regs.regs = (struct kvm_regs){
		.rax = b->rax, .rbx = b->rbx, .rcx = b->rcx, .rdx = b->rdx, .rsi = b->rsi, .rdi = b->rdi,
		.rsp = b->rsp, .rbp = b->rbp, .r8 = b->r8, .r9 = b->r9, .r10 = b->r10, .r11 = b->r11,
		.r12 = b->r12, .r13 = b->r13, .r14 = b->r14, .r15 = b->r15, .rip = b->rip, .rflags = b->rflags,
	};
	vcpu->run->s.regs.events = (struct kvm_vcpu_events){};
	vcpu->run->kvm_dirty_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_EVENTS;
}

static int boot_fpu(struct kvm_vcpu *vcpu, struct error *e)
{
	struct kvm_fpu fpu = {.fcw = FCW_RESET, .mxcsr = MXCSR_RESET};
	struct kvm_debugregs debug = {.dr6 = DR6_RESET, .dr7 = DR7_RESET};
	int r;

	r = kvm_ioctl(vcpu->fd, KVM_SET_FPU, (unsigned long)&fpu); /* cage(run): KVM_SET_FPU */
	if (r < 0)
		return error_set_errno(e, r, "KVM_SET_FPU");
	r = kvm_ioctl(vcpu->fd, KVM_SET_DEBUGREGS, (unsigned long)&debug); /* cage(run): KVM_SET_DEBUGREGS */
	return r < 0 ? error_set_errno(e, r, "KVM_SET_DEBUGREGS") : 0;
}

/* Where the processor has XSAVE: x87 state alone is enabled (SDM volume 1, 13.3). */
static int boot_xcr0(struct kvm_vcpu *vcpu, struct error *e)
{
	struct kvm_xcrs xcrs = {.nr_xcrs = 1, .xcrs = {{.xcr = 0, .value = 1}}};
	int r;

	if (!vcpu->machine->host->has_xcrs)
		return 0;
	r = kvm_ioctl(vcpu->fd, KVM_SET_XCRS, (unsigned long)&xcrs); /* cage(run): KVM_SET_XCRS */
	return r < 0 ? error_set_errno(e, r, "KVM_SET_XCRS") : 0;
}

/* A timer armed by the last boot must not fire into this one: the LAPIC goes back first, events after it, in boot_regs(). */
static int boot_interrupts(struct kvm_vcpu *vcpu, uint32_t state, struct error *e)
{
	struct kvm_mp_state mp_state = {.mp_state = state};
	int r;

	r = kvm_ioctl(vcpu->fd, KVM_SET_LAPIC, (unsigned long)&vcpu->reset_lapic); /* cage(run): KVM_SET_LAPIC */
	if (r < 0)
		return error_set_errno(e, r, "KVM_SET_LAPIC");
	r = kvm_ioctl(vcpu->fd, KVM_SET_MP_STATE, (unsigned long)&mp_state); /* cage(run): KVM_SET_MP_STATE */
	return r < 0 ? error_set_errno(e, r, "KVM_SET_MP_STATE") : 0;
}

int kvm_vcpu_boot(struct kvm_vcpu *vcpu, const struct boot_registers *registers, struct error *e)
{
	int r;

	r = boot_sregs(vcpu, registers, e);
	if (r < 0)
		return r;
	r = boot_interrupts(vcpu, KVM_MP_STATE_RUNNABLE, e);
	if (r < 0)
		return r;
	r = kvm_msrs_boot(vcpu, e);
	if (r < 0)
		return r;
	r = boot_fpu(vcpu, e);
	if (r < 0)
		return r;
	r = boot_xcr0(vcpu, e);
	if (r < 0)
		return r;
	boot_regs(vcpu, registers);
	return 0;
}

/*
 * General registers and pending events are as the last boot left them until the guest's INIT, which it takes to leave
 * this state, puts them back itself (SDM volume 3A, table 10-1). What waits to be synchronised at the next run must
 * not come over that.
 */
int kvm_vcpu_wait_for_startup(struct kvm_vcpu *vcpu, struct error *e)
{
	int r;

	r = kvm_ioctl(vcpu->fd, KVM_SET_SREGS, (unsigned long)&vcpu->reset_sregs);
	if (r < 0)
		return error_set_errno(e, r, "KVM_SET_SREGS");
	vcpu->run->kvm_dirty_regs = 0;
	r = boot_interrupts(vcpu, KVM_MP_STATE_UNINITIALIZED, e);
	if (r == 0)
		r = kvm_msrs_boot(vcpu, e);
	if (r == 0)
		r = boot_fpu(vcpu, e);
	return r == 0 ? boot_xcr0(vcpu, e) : r;
}

static const char *const exit_names[] = {
	[VCPU_EXIT_INTERRUPTED] = "interrupted",
	[VCPU_EXIT_IO] = "io",
	[VCPU_EXIT_MMIO] = "mmio",
	[VCPU_EXIT_MSR] = "msr",
	[VCPU_EXIT_HLT] = "hlt",
	[VCPU_EXIT_SHUTDOWN] = "shutdown",
	[VCPU_EXIT_EMULATION] = "emulation-failure",
	[VCPU_EXIT_FAIL_ENTRY] = "fail-entry",
	[VCPU_EXIT_RING_FULL] = "ring-full",
	[VCPU_EXIT_HYPERCALL] = "hypercall",
	[VCPU_EXIT_OTHER] = "other",
};
static_assert(ARRAY_SIZE(exit_names) == N_VCPU_EXIT_KINDS, "an exit has no name");

const char *vcpu_exit_kind_to_string(enum vcpu_exit_kind kind)
{
	assert(kind < N_VCPU_EXIT_KINDS);
	return exit_names[kind];
}

static void read_emulation_failure(const struct kvm_run *run, struct vcpu_exit *ret)
{
	const __typeof__(run->emulation_failure) *f = &run->emulation_failure;

	ret->kind = VCPU_EXIT_EMULATION;
	/* The bytes are there when ndata covers flags and the two words behind them. */
	if (f->suberror != KVM_INTERNAL_ERROR_EMULATION || f->ndata < 3 ||
		!(f->flags & KVM_INTERNAL_ERROR_EMULATION_FLAG_INSTRUCTION_BYTES))
		return;
	ret->emulation.n_bytes = f->insn_size < sizeof(ret->emulation.bytes) ? f->insn_size : sizeof(ret->emulation.bytes);
	memcpy(ret->emulation.bytes, f->insn_bytes, ret->emulation.n_bytes);
}

static void translate_exit(struct kvm_run *run, struct vcpu_exit *ret)
{
	*ret = (struct vcpu_exit){.kind = VCPU_EXIT_OTHER, .code = run->exit_reason};
	switch (run->exit_reason) {
	case KVM_EXIT_INTR:
		ret->kind = VCPU_EXIT_INTERRUPTED;
		break;
	case KVM_EXIT_IO:
		ret->kind = VCPU_EXIT_IO;
		ret->io.port = run->io.port;
		ret->io.size = run->io.size;
		ret->io.in = run->io.direction == KVM_EXIT_IO_IN;
		ret->io.count = run->io.count;
		ret->io.data = (uint8_t *)run + run->io.data_offset;
		break;
	case KVM_EXIT_MMIO:
		ret->kind = VCPU_EXIT_MMIO;
		ret->mmio.gpa = run->mmio.phys_addr;
		ret->mmio.size = run->mmio.len;
		ret->mmio.write = run->mmio.is_write;
		ret->mmio.data = run->mmio.data;
		break;
	case KVM_EXIT_X86_RDMSR:
	case KVM_EXIT_X86_WRMSR:
		ret->kind = VCPU_EXIT_MSR;
		ret->msr.index = run->msr.index;
		ret->msr.write = run->exit_reason == KVM_EXIT_X86_WRMSR;
		ret->msr.value = (uint64_t *)&run->msr.data;
		ret->msr.fault = &run->msr.error;
		break;
	case KVM_EXIT_HLT:
		ret->kind = VCPU_EXIT_HLT;
		break;
	case KVM_EXIT_SHUTDOWN:
		ret->kind = VCPU_EXIT_SHUTDOWN;
		break;
	case KVM_EXIT_XEN:
		if (run->xen.type == KVM_EXIT_XEN_HCALL)
			ret->kind = VCPU_EXIT_HYPERCALL;
		break;
	case KVM_EXIT_DIRTY_RING_FULL:
		ret->kind = VCPU_EXIT_RING_FULL;
		break;
	case KVM_EXIT_INTERNAL_ERROR:
		if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION)
			read_emulation_failure(run, ret);
		break;
	case KVM_EXIT_FAIL_ENTRY:
		ret->kind = VCPU_EXIT_FAIL_ENTRY;
		ret->code = (uint32_t)run->fail_entry.hardware_entry_failure_reason;
		break;
	}
}

/* Whether a shutdown has cost the guest's registers: AMD's manual, volume 2, 15.14.3. We ask, since no exit says. */
static bool is_after_init(struct kvm_vcpu *vcpu)
{
	struct vcpu_state state;

	if (vcpu->run->s.regs.regs.rip != RIP_RESET)
		return false;
	kvm_vcpu_settle(vcpu, &state);
	return !(state.cr0 & CR0_PE);
}

int kvm_vcpu_run(struct kvm_vcpu *vcpu, struct vcpu_exit *ret)
{
	if (ioctl(vcpu->fd, KVM_RUN, 0) < 0) { /* cage(run): KVM_RUN */
		if (errno != EINTR && errno != EAGAIN)
			return -errno;
		*ret = (struct vcpu_exit){.kind = VCPU_EXIT_INTERRUPTED, .code = KVM_EXIT_INTR};
		return 0;
	}
	translate_exit(vcpu->run, ret);
	if (ret->kind == VCPU_EXIT_SHUTDOWN)
		ret->shutdown.lost = is_after_init(vcpu);
	return 0;
}

/* A kick that comes meanwhile is not forgotten: its two stores, and ours, are in opposite order. */
void kvm_vcpu_complete(struct kvm_vcpu *vcpu)
{
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
	ioctl(vcpu->fd, KVM_RUN, 0); /* EINTR, always: that is what immediate_exit is for */
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&vcpu->kicked, __ATOMIC_SEQ_CST))
		__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}

void kvm_vcpu_kick(struct kvm_vcpu *vcpu)
{
	__atomic_store_n(&vcpu->kicked, true, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vcpu->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
}

void kvm_vcpu_unkick(struct kvm_vcpu *vcpu)
{
	__atomic_store_n(&vcpu->kicked, false, __ATOMIC_SEQ_CST);
	__atomic_store_n(&vcpu->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
}

const struct vcpu_registers *kvm_vcpu_registers(struct kvm_vcpu *vcpu)
{
	memcpy(&vcpu->registers, &vcpu->run->s.regs.regs, sizeof(vcpu->registers));
	return &vcpu->registers;
}

static struct boot_segment from_kvm_segment(const struct kvm_segment *s)
{
	return (struct boot_segment){
		.base = s->base, .limit = s->limit, .selector = s->selector, .type = s->type, .present = s->present,
		.dpl = s->dpl, .db = s->db, .s = s->s, .l = s->l, .g = s->g, .unusable = s->unusable,
	};
}

static bool unsettled(const struct kvm_vcpu_events *events)
{
	return events->exception.injected || events->exception.pending || events->interrupt.injected ||
	       events->interrupt.shadow || events->nmi.injected || events->smi.smm;
}

void kvm_vcpu_settle(struct kvm_vcpu *vcpu, struct vcpu_state *ret)
{
	const struct kvm_sregs *sregs = &vcpu->run->s.regs.sregs;

	vcpu->run->s.regs.sregs.cr0 = 0; /* a vCPU that waits for its startup is not read: it stays in no mode */
	vcpu->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS | KVM_SYNC_X86_EVENTS;
	kvm_vcpu_complete(vcpu);
	vcpu->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	*ret = (struct vcpu_state){
		.cr0 = sregs->cr0, .cr2 = sregs->cr2, .cr3 = sregs->cr3, .cr4 = sregs->cr4, .efer = sregs->efer,
		.cs = from_kvm_segment(&sregs->cs), .ds = from_kvm_segment(&sregs->ds),
		.es = from_kvm_segment(&sregs->es), .fs = from_kvm_segment(&sregs->fs),
		.gs = from_kvm_segment(&sregs->gs), .ss = from_kvm_segment(&sregs->ss),
		.tr = from_kvm_segment(&sregs->tr),
		.gdt_base = sregs->gdt.base, .gdt_limit = sregs->gdt.limit,
		.idt_base = sregs->idt.base, .idt_limit = sregs->idt.limit,
		.unsettled = unsettled(&vcpu->run->s.regs.events),
	};
}

void kvm_vcpu_set_registers(struct kvm_vcpu *vcpu, const struct vcpu_registers *registers)
{
	memcpy(&vcpu->run->s.regs.regs, registers, sizeof(*registers));
	vcpu->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

void kvm_vcpu_divert(struct kvm_vcpu *vcpu, const struct vcpu_registers *registers, const struct vcpu_state *state)
{
	struct kvm_mp_state mp_state = {.mp_state = KVM_MP_STATE_RUNNABLE};

	kvm_vcpu_set_registers(vcpu, registers);
	vcpu->run->s.regs.sregs.cr2 = state->cr2;
	vcpu->run->s.regs.sregs.cs = to_kvm_segment(&state->cs);
	vcpu->run->kvm_dirty_regs |= KVM_SYNC_X86_SREGS;
	kvm_ioctl(vcpu->fd, KVM_SET_MP_STATE, (unsigned long)&mp_state);
}

#define LAPIC_ISR 0x100u /* eight registers, 16 bytes apart; SDM volume 3A, table 11-1 */

void kvm_vcpu_retire_interrupt(struct kvm_vcpu *vcpu, uint8_t vector)
{
	struct kvm_lapic_state lapic;
	uint32_t in_service, bit = 1u << vector % 32;
	char *at = lapic.regs + LAPIC_ISR + vector / 32 * 16;

	if (kvm_ioctl(vcpu->fd, KVM_GET_LAPIC, (unsigned long)&lapic) < 0) /* cage(run): KVM_GET_LAPIC */
		return;
	memcpy(&in_service, at, 4);
	if (!(in_service & bit))
		return; /* the guest has said so itself */
	in_service &= ~bit;
	memcpy(at, &in_service, 4);
	kvm_ioctl(vcpu->fd, KVM_SET_LAPIC, (unsigned long)&lapic);
}

bool vcpu_in_long_mode(const struct vcpu_state *state)
{
	return state->cr0 & CR0_PG && state->efer & EFER_LMA && state->cs.l && !(state->cr4 & CR4_LA57);
}

void kvm_vcpu_set_rax(struct kvm_vcpu *vcpu, uint64_t rax)
{
	if (vcpu->run->exit_reason == KVM_EXIT_XEN)
		vcpu->run->xen.u.hcall.result = rax; /* KVM sets rax from it behind the registers */
	vcpu->run->s.regs.regs.rax = rax;
	vcpu->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

void kvm_vcpu_stats(struct kvm_vcpu *vcpu, kvm_stat_fn fn, void *data)
{
	kvm_stats_each(&vcpu->stats, fn, data);
}
