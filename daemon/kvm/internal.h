/* internal.h - what the files of kvm/ share */
#pragma once

#include <linux/kvm.h>
#include <stddef.h>
#include <stdint.h>

#include "kvm/kvm.h"

struct kvm_stats {
	int fd;             /* -1: KVM has none */
	uint32_t n;         /* statistics */
	uint32_t name_size; /* bytes of a name, with its NUL */
	uint32_t data_offset;
	uint8_t *descriptors; /* owned; n * (sizeof(struct kvm_stats_desc) + name_size) bytes */
};

#define CPUID_ENTRIES_MAX 256

struct kvm_host {
	int fd;
	size_t run_size;          /* bytes of a vCPU's run area */
	bool has_xcrs;            /* KVM_CAP_XCRS: the processor has XSAVE */
	bool tells_msrs;          /* KVM_CAP_X86_USER_SPACE_MSR */
	bool has_dirty_ring;      /* KVM_CAP_DIRTY_LOG_RING; asked once: three decisions have to agree */
	struct kvm_cpuid2 *cpuid; /* owned: what KVM supports, room for CPUID_ENTRIES_MAX */
};

#define SLOTS_MAX    8
#define RING_ENTRIES 4096u /* a power of two; KVM keeps some 600 of them for itself */
#define RING_SIZE    (RING_ENTRIES * sizeof(struct kvm_dirty_gfn))

struct kvm_machine {
	int fd;
	struct kvm_stats stats;
	uint32_t n_slots;
	uint64_t slot_gpa[SLOTS_MAX];
	bool tracks; /* vCPUs have dirty rings */
	struct kvm_irqchip reset_irqchips[KVM_NR_IRQCHIPS]; /* as KVM made them, where it did */
	struct kvm_pit_state2 reset_pit;
	/* borrowed */
	const struct kvm_host *host;
};

struct kvm_vcpu {
	int fd;
	struct kvm_stats stats;
	struct kvm_run *run;
	size_t run_size;
	struct vcpu_registers registers; /* copied at each exit */
	bool kicked;                     /* immediate_exit is to stay; see kvm_vcpu_complete() */
	struct kvm_sregs reset_sregs;    /* as KVM made the vCPU: the APIC base is taken from here */
	struct kvm_lapic_state reset_lapic;
	struct kvm_dirty_gfn *ring; /* RING_ENTRIES; NULL: nothing is tracked */
	uint32_t ring_next;         /* entries read so far */
	bool ring_overrun;          /* it was full to the last entry: see ring.c */
	uint32_t paravirt;          /* which of KVM's own features the guest sees: EAX of leaf 0x40000001 of KVM */
	/* borrowed */
	const struct kvm_machine *machine;
};

/* ioctl() that retries on EINTR; 0 or a positive answer, or a negative errno. */
int kvm_ioctl(int fd, unsigned long request, unsigned long argument);

/* The CPUID table of one vCPU from what KVM supports; room for CPUID_ENTRIES_MAX entries in *ret. */
void kvm_cpuid_build(const struct kvm_cpuid2 *supported, const struct vcpu_topology *topology, struct kvm_cpuid2 *ret);

/* The paravirtual features that a table has; 0 where KVM's leaves are not in it. */
uint32_t kvm_cpuid_paravirt(const struct kvm_cpuid2 *table);

/* msr.c: for each machine; for each vCPU, once it has its CPUID; at each boot. */
int kvm_msrs_ask_us(struct kvm_machine *machine, struct error *e);
int kvm_msrs_keep_to_cpuid(struct kvm_vcpu *vcpu, struct error *e);
int kvm_msrs_boot(struct kvm_vcpu *vcpu, struct error *e);

/* ring.c: before the first vCPU; for each vCPU. */
int kvm_ring_enable(int machine_fd, struct error *e);
int kvm_ring_map(struct kvm_vcpu *vcpu, struct error *e);
void kvm_ring_unmap(struct kvm_vcpu *vcpu);

/* Opens the statistics of a machine or vCPU; leaves fd -1 where there are none. */
void kvm_stats_init(struct kvm_stats *stats, int fd);
void kvm_stats_fini(struct kvm_stats *stats);
void kvm_stats_each(const struct kvm_stats *stats, kvm_stat_fn fn, void *data);
