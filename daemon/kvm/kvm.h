/*
 * kvm.h - KVM, one wrapper for each thing we ask of it
 *
 * The only folder that knows <linux/kvm.h>; above it there are machines, vCPUs
 * and exits in our own words. Section numbers are those of the kernel's
 * Documentation/virt/kvm/api.rst. Functions return 0 or a negative errno with a
 * sentence that names the ioctl.
 *
 * Order matters for speed: with all memory mapped first and the interrupt
 * controllers after it, no call here takes more than a fraction of a millisecond;
 * other orders wait for an SRCU grace period (7 to 20 ms). With the controllers of
 * a PC it is the end that waits for it.
 *
 * Tour 440: Every ioctl stands behind one of these functions. If you port hvmd
 * to another hypervisor, this header is what you write again.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "guest/boot.h"

struct error;

/* --- What the cage leaves (monitor/cage.h): requests of ioctl(2), collected from the comments beside them ------ */

struct kvm_requests {
	const uint32_t *numbers;
	size_t n;
};

extern const struct kvm_requests kvm_build_requests, kvm_run_requests;

/* --- The host: what this KVM is and can do, asked once ----------------------------------------------------- */

struct kvm_host;

/*
 * Takes over an open /dev/kvm in any case. -ENODEV, naming what is missing,
 * where it lacks the API version or a capability that we need.
 */
int kvm_host_new(int kvm_fd, struct kvm_host **ret, struct error *e);
struct kvm_host *kvm_host_free(struct kvm_host *host);
DEFINE_CLEANUP(struct kvm_host *, kvm_host_free);

/* Whether guests can have page-table leaves of 1 GiB (CPUID 0x80000001, EDX bit 26). */
bool kvm_host_has_gigabyte_pages(const struct kvm_host *host);

/* Bits of a guest physical address. */
unsigned kvm_host_physical_bits(const struct kvm_host *host);

/* Whether machines can tell which pages a guest has written to (KVM_CAP_DIRTY_LOG_RING, 8.29). */
bool kvm_host_has_dirty_ring(const struct kvm_host *host);

/* --- A machine: guest memory and an interrupt fabric -------------------------------------------------------- */

struct kvm_machine;

/*
 * A machine without memory and vCPUs. Its first vCPU will be `boot_cpu`, which
 * gets the BSP flag. Borrows the host for its life.
 */
int kvm_machine_new(const struct kvm_host *host, uint32_t boot_cpu, struct kvm_machine **ret, struct error *e);

/* Has the machine note which pages are written to, where they are mapped as tracked. Before everything else. */
int kvm_machine_track(struct kvm_machine *machine, struct error *e);

/* Closes the machine; its vCPUs are freed before. Takes NULL; returns NULL. */
struct kvm_machine *kvm_machine_free(struct kvm_machine *machine);
DEFINE_CLEANUP(struct kvm_machine *, kvm_machine_free);

/*
 * Maps [gpa, gpa + size) to host memory, which stays until the machine is freed.
 * All in pages.
 */
enum kvm_mapping {
	KVM_MAPPING_PLAIN,
	KVM_MAPPING_TRACKED,  /* needs kvm_machine_track() */
	KVM_MAPPING_READONLY, /* a write is an exit by MMIO (KVM_MEM_READONLY, 4.35) */
};

int kvm_machine_map(struct kvm_machine *machine, uint64_t gpa, uint64_t size, void *host, enum kvm_mapping mapping,
	struct error *e);

/* What was mapped plainly at `from` is at `to` instead, also while vCPUs run; `from` is nothing then. All else as mapped. */
int kvm_machine_move(struct kvm_machine *machine, uint64_t from, uint64_t to, uint64_t size, void *host, struct error *e);

/* After the memory, before the vCPUs, one of these: LAPICs in the kernel and nothing else (KVM_CAP_SPLIT_IRQCHIP, 7.5) ... */
int kvm_machine_add_irqchip(struct kvm_machine *machine, struct error *e);

/* ... or all interrupt controllers of a PC and its timer, at ports 0x40 to 0x43 and 0x61 (4.24, 4.71). */
int kvm_machine_add_pc(struct kvm_machine *machine, struct error *e);

/* Of a machine with a PC's: raises or lowers an interrupt line (4.25), from any thread; all as after power-on. */
void kvm_machine_set_irq(struct kvm_machine *machine, uint32_t irq, bool level);
int kvm_machine_reset_pc(struct kvm_machine *machine, struct error *e);

/*
 * Whether this KVM can hand us hypercalls by instruction (KVM_CAP_XEN_HVM, 4.101), and
 * having it do so: of every privilege level. Before the vCPUs.
 */
bool kvm_host_intercepts_hypercalls(const struct kvm_host *host);
int kvm_machine_intercept_hypercalls(struct kvm_machine *machine, struct error *e);

/* --- A vCPU --------------------------------------------------------------------------------------------------- */

struct kvm_vcpu;

/* What a vCPU is told about itself through CPUID; see kvm/cpuid.c. */
struct vcpu_topology {
	uint32_t id;      /* APIC id */
	uint32_t first;   /* lowest APIC id of the partition */
	uint32_t n_cores; /* of the partition: up to 255 with `first` */
	uint32_t role;    /* HVM_CPUID_ROLE_... */
	bool hybrid;      /* the VM has both partitions */
	bool intercepted; /* its machine's hypercalls by instruction are ours, and none is KVM's any more */
	uint64_t comm_page; /* GPA; of a hybrid VM */
};

int kvm_vcpu_new(struct kvm_machine *machine, const struct vcpu_topology *topology, struct kvm_vcpu **ret,
	struct error *e);
struct kvm_vcpu *kvm_vcpu_free(struct kvm_vcpu *vcpu);
DEFINE_CLEANUP(struct kvm_vcpu *, kvm_vcpu_free);

/* The vCPU's TSC frequency in kHz (KVM_GET_TSC_KHZ, 4.56); 0 where KVM does not say. */
uint64_t kvm_vcpu_tsc_khz(struct kvm_vcpu *vcpu);

/*
 * Loads a whole boot state: registers as given, and everything else (FPU, XCR0,
 * MSRs, debug registers, LAPIC, pending events) as after power-on, but for the
 * TSC and the MTRRs, which stay; runnable at once.
 * From any thread while nobody is in kvm_vcpu_run().
 */
int kvm_vcpu_boot(struct kvm_vcpu *vcpu, const struct boot_registers *registers, struct error *e);

/*
 * As after power-on, waiting for another core's INIT and SIPI, which the LAPICs
 * deliver. kvm_vcpu_run() waits for them. From any thread while nobody is there.
 */
int kvm_vcpu_wait_for_startup(struct kvm_vcpu *vcpu, struct error *e);

struct vcpu_registers {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags;
};

/* The rest of a vCPU, as far as anybody but KVM needs it. */
struct vcpu_state {
	uint64_t cr0, cr2, cr3, cr4, efer;
	struct boot_segment cs, ds, es, fs, gs, ss, tr;
	uint64_t gdt_base, idt_base;
	uint16_t gdt_limit, idt_limit;
	/* An event is half delivered, or the next instruction is shielded (STI, MOV SS), or this is SMM: wait. */
	bool unsettled;
};

/* 64-bit mode (not compatibility mode) with 4-level paging. */
bool vcpu_in_long_mode(const struct vcpu_state *state);

enum vcpu_exit_kind {
	VCPU_EXIT_INTERRUPTED, /* a signal, or kvm_vcpu_kick() */
	VCPU_EXIT_IO,
	VCPU_EXIT_MMIO,
	VCPU_EXIT_MSR, /* one that KVM does not know */
	VCPU_EXIT_HLT,
	VCPU_EXIT_SHUTDOWN,       /* triple fault */
	VCPU_EXIT_EMULATION,      /* an instruction KVM cannot emulate */
	VCPU_EXIT_FAIL_ENTRY,     /* the processor refused the guest state */
	VCPU_EXIT_RING_FULL,      /* read it with kvm_vcpu_harvest(), then kvm_vcpu_rearm() */
	VCPU_EXIT_HYPERCALL,      /* vmcall or vmmcall, where kvm_machine_intercept_hypercalls() has been; answer by rax */
	VCPU_EXIT_OTHER,
	N_VCPU_EXIT_KINDS,
};

/* "interrupted", "io", "mmio", ... */
const char *vcpu_exit_kind_to_string(enum vcpu_exit_kind kind);

struct vcpu_exit {
	enum vcpu_exit_kind kind;
	uint32_t code; /* KVM's number for the exit, or its reason for VCPU_EXIT_FAIL_ENTRY */
	union {
		struct {
			uint16_t port;
			uint8_t size;  /* bytes: 1, 2, 4 */
			bool in;       /* the guest reads; fill `data` */
			uint32_t count; /* repetitions of `size` bytes */
			uint8_t *data; /* count * size bytes, valid until the next run */
		} io;
		struct {
			uint64_t gpa;
			uint32_t size; /* bytes, up to 8 */
			bool write;
			uint8_t *data;
		} mmio;
		struct {
			uint32_t index;
			bool write;
			uint64_t *value; /* what is written; fill it for a read */
			uint8_t *fault;  /* 1: the guest gets a general protection fault instead */
		} msr;
		struct {
			bool lost; /* SVM keeps nothing of a guest at a shutdown; KVM has put the vCPU into its state after INIT */
		} shutdown;
		struct {
			uint8_t bytes[15]; /* of the instruction */
			uint8_t n_bytes;   /* 0 where KVM does not say */
		} emulation;
	};
};

/*
 * Runs the guest until something happens that is ours to handle. Returns 0, or a
 * negative errno when KVM itself fails (the host's fault: -ENOMEM, -EFAULT).
 */
int kvm_vcpu_run(struct kvm_vcpu *vcpu, struct vcpu_exit *ret);

/*
 * Finishes an access that the last exit left half done (11.5 of the HVM
 * specification), without running the guest. Before registers are read or
 * written for any purpose but answering a hypercall.
 */
void kvm_vcpu_complete(struct kvm_vcpu *vcpu);

/*
 * From any thread: the run in progress, or the next one, returns at once with
 * VCPU_EXIT_INTERRUPTED, until kvm_vcpu_unkick(). The caller also sends the
 * thread a signal that interrupts system calls.
 */
void kvm_vcpu_kick(struct kvm_vcpu *vcpu);
void kvm_vcpu_unkick(struct kvm_vcpu *vcpu);

/* General registers at the last exit. On the vCPU's thread, or while it is parked. */
const struct vcpu_registers *kvm_vcpu_registers(struct kvm_vcpu *vcpu);

/* The rax that the guest finds at its next instruction. */
void kvm_vcpu_set_rax(struct kvm_vcpu *vcpu, uint64_t rax);

/*
 * Finishes a half-done access as kvm_vcpu_complete() does, and reads everything.
 * On the vCPU's thread, or while it is parked. An rax that was set is there after it.
 */
void kvm_vcpu_settle(struct kvm_vcpu *vcpu, struct vcpu_state *ret);

/* The registers that the guest runs on with, after kvm_vcpu_settle(); all else stays. */
void kvm_vcpu_set_registers(struct kvm_vcpu *vcpu, const struct vcpu_registers *registers);

/* The registers, CR2 and CS that the guest runs on with, after kvm_vcpu_settle(); a core that halts wakes up. */
void kvm_vcpu_divert(struct kvm_vcpu *vcpu, const struct vcpu_registers *registers, const struct vcpu_state *state);

/* An interrupt that the vCPU has in service is over, though the guest does not say so: clears it in its LAPIC. */
void kvm_vcpu_retire_interrupt(struct kvm_vcpu *vcpu, uint8_t vector);

/* Sends an interrupt to the LAPIC with this id, as a device does by a message. Whether it was taken. From any thread. */
bool kvm_machine_interrupt(struct kvm_machine *machine, uint32_t apic_id, uint8_t vector);

/* --- Pages written to (8.29) ------------------------------------------------------------------------------------ */

typedef void (*kvm_dirty_fn)(void *data, uint64_t gpa);

/*
 * Calls fn for each tracked page that this vCPU was the first to write to since
 * the page was last armed. On the vCPU's thread, or while it is parked. `full`
 * says that this is the answer to VCPU_EXIT_RING_FULL. False: there may have
 * been more pages, which nobody knows any longer.
 */
bool kvm_vcpu_harvest(struct kvm_vcpu *vcpu, bool full, kvm_dirty_fn fn, void *data);

/*
 * Arms the harvested pages again: the next write to each will be told. Before the vCPU runs on:
 * what it has read is room in its ring only then. Arms those of the machine's other vCPUs, too.
 * Returns 0, or a negative errno with a sentence when KVM refuses it or takes nothing back: then it cannot run on.
 */
int kvm_vcpu_rearm(struct kvm_vcpu *vcpu, struct error *e);

/* --- Statistics (KVM_GET_STATS_FD, 4.133): read without stopping a core ------------------------------------------ */

typedef void (*kvm_stat_fn)(void *data, const char *name, uint64_t value);

/* Calls fn for every single-valued statistic, always in the same order. Nothing where KVM has none. */
void kvm_machine_stats(struct kvm_machine *machine, kvm_stat_fn fn, void *data);
void kvm_vcpu_stats(struct kvm_vcpu *vcpu, kvm_stat_fn fn, void *data);
