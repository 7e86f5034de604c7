/*
 * msr.c - MSRs: what a boot sets, and what a guest may touch
 *
 * KVM answers the MSRs that it knows. One that it does not know comes to us as
 * VCPU_EXIT_MSR (KVM_CAP_X86_USER_SPACE_MSR, 7.21), where the kernel can do that;
 * elsewhere the guest gets a general protection fault. What becomes of it is
 * decided above. A value that a known MSR does not take is a fault, as on a
 * processor.
 *
 * KVM's paravirtual MSRs name guest pages that KVM writes to by itself: the
 * clock, stolen time, ends of interrupts. Who does not see them in CPUID cannot
 * use them, and a boot turns each off, lest KVM go on writing into the memory of
 * a guest that knows nothing of it.
 */
#include "kvm/internal.h"

#include <asm/kvm_para.h>
#include <errno.h>

#include "base/error.h"
#include "base/macro.h"

/* All as after power-on (SDM volume 3A, table 10-1; volume 4, table 2-2). */
static const struct kvm_msr_entry boot_msrs[] = {
	{.index = 0x174, .data = 0},                   /* IA32_SYSENTER_CS */
	{.index = 0x175, .data = 0},                   /* IA32_SYSENTER_ESP */
	{.index = 0x176, .data = 0},                   /* IA32_SYSENTER_EIP */
	{.index = 0x277, .data = 0x0007040600070406},  /* IA32_PAT */
	{.index = 0xC0000081, .data = 0},              /* IA32_STAR */
	{.index = 0xC0000082, .data = 0},              /* IA32_LSTAR */
	{.index = 0xC0000083, .data = 0},              /* IA32_CSTAR */
	{.index = 0xC0000084, .data = 0},              /* IA32_FMASK */
	{.index = 0xC0000102, .data = 0},              /* IA32_KERNEL_GS_BASE */
};

/* KVM's own, each there with its feature (Documentation/virt/kvm/x86/cpuid.rst and msr.rst). */
static const struct {
	uint32_t feature; /* bit of leaf 0x40000001, EAX */
	uint32_t index;
	uint64_t value;
} paravirt_msrs[] = {
	{KVM_FEATURE_CLOCKSOURCE, MSR_KVM_SYSTEM_TIME, 0},
	{KVM_FEATURE_CLOCKSOURCE2, MSR_KVM_SYSTEM_TIME_NEW, 0},
	{KVM_FEATURE_ASYNC_PF, MSR_KVM_ASYNC_PF_EN, 0},
	{KVM_FEATURE_STEAL_TIME, MSR_KVM_STEAL_TIME, 0},
	{KVM_FEATURE_PV_EOI, MSR_KVM_PV_EOI_EN, 0},
	{KVM_FEATURE_POLL_CONTROL, MSR_KVM_POLL_CONTROL, 1},
};

int kvm_msrs_ask_us(struct kvm_machine *machine, struct error *e)
{
	struct kvm_enable_cap cap = {.cap = KVM_CAP_X86_USER_SPACE_MSR, .args = {KVM_MSR_EXIT_REASON_UNKNOWN}};
	int r;

	if (!machine->host->tells_msrs)
		return 0;
	r = kvm_ioctl(machine->fd, KVM_ENABLE_CAP, (unsigned long)&cap); /* cage(build): KVM_ENABLE_CAP */
	return r < 0 ? error_set_errno(e, r, "KVM_ENABLE_CAP of KVM_CAP_X86_USER_SPACE_MSR") : 0;
}

/* KVM_CAP_ENFORCE_PV_FEATURE_CPUID, 8.24: Linux 5.10 has it. */
int kvm_msrs_keep_to_cpuid(struct kvm_vcpu *vcpu, struct error *e)
{
	struct kvm_enable_cap cap = {.cap = KVM_CAP_ENFORCE_PV_FEATURE_CPUID, .args = {1}};
	int r = kvm_ioctl(vcpu->fd, KVM_ENABLE_CAP, (unsigned long)&cap); /* cage(build): KVM_ENABLE_CAP */

	return r < 0 && r != -EINVAL ? error_set_errno(e, r, "KVM_ENABLE_CAP of KVM_CAP_ENFORCE_PV_FEATURE_CPUID") : 0;
}

int kvm_msrs_boot(struct kvm_vcpu *vcpu, struct error *e)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entries[ARRAY_SIZE(boot_msrs) + ARRAY_SIZE(paravirt_msrs)];
	} msrs = {};
	uint32_t n = 0;
	int r;

	for (size_t i = 0; i < ARRAY_SIZE(boot_msrs); i++)
		msrs.entries[n++] = boot_msrs[i];
	for (size_t i = 0; i < ARRAY_SIZE(paravirt_msrs); i++)
		if (vcpu->paravirt >> paravirt_msrs[i].feature & 1)
			msrs.entries[n++] = (struct kvm_msr_entry){
				.index = paravirt_msrs[i].index, .data = paravirt_msrs[i].value};
	msrs.head.nmsrs = n;
	r = kvm_ioctl(vcpu->fd, KVM_SET_MSRS, (unsigned long)&msrs); /* cage(run): KVM_SET_MSRS */
	if (r < 0)
		return error_set_errno(e, r, "KVM_SET_MSRS");
	if ((uint32_t)r != n)
		return error_set(e, -EIO, "KVM_SET_MSRS: KVM refuses MSR 0x%x", msrs.entries[r].index);
	return 0;
}
