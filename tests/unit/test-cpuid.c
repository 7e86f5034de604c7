/* test-cpuid.c - what a vCPU is told about itself, from a table that no KVM gave us */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "abi/hrt.h"
#include "base/macro.h"
#include "kvm/internal.h"

static struct kvm_cpuid2 *table(void)
{
	return calloc(1, sizeof(struct kvm_cpuid2) + CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2));
}

static const struct kvm_cpuid_entry2 *find(const struct kvm_cpuid2 *t, uint32_t function, uint32_t index)
{
	for (uint32_t i = 0; i < t->nent; i++)
		if (t->entries[i].function == function && t->entries[i].index == index)
			return &t->entries[i];
	cr_assert_fail("leaf 0x%x, %u is not there", function, index);
	return NULL;
}

static const struct kvm_cpuid_entry2 intel[] = {
	{.function = 0, .eax = 0x1F, .ebx = 0x756E6547},
	{.function = 1, .ebx = 0xAA10BB08, .ecx = 0xFFFFFFFF, .edx = 0xFFFFFFFF},
	{.function = 4, .index = 0, .eax = 0xFFFFFF21},
	{.function = 4, .index = 1, .eax = 0xFFFFFF63},
	{.function = 4, .index = 2, .eax = 0},
	{.function = 7, .index = 0, .ebx = 0xFFFFFFFF, .ecx = 0xFFFFFFFF},
	{.function = 7, .index = 1, .ebx = 0xFFFFFFFF, .ecx = 0xFFFFFFFF},
	{.function = 0xB, .index = 0, .edx = 77},
	{.function = 0x1F, .index = 0, .edx = 77},
	{.function = 0x40000000, .eax = 0x40000001, .ebx = 0x4B4D564B},
	{.function = 0x40000001, .eax = 0xFFFFFFFF},
	{.function = 0x80000001, .ecx = 0xFFFFFFFF, .edx = 0xFFFFFFFF},
	{.function = 0x80000008, .eax = 0x302E, .ecx = 0},
};

static const struct kvm_cpuid_entry2 amd[] = {
	{.function = 0, .eax = 0x7, .ebx = 0x68747541},
	{.function = 1, .ebx = 0xAA10BB08, .ecx = 0xFFFFFFFF, .edx = 0xFFFFFFFF},
	{.function = 7, .index = 0, .ebx = 0xFFFFFFFF, .ecx = 0xFFFFFFFF},
	{.function = 0x40000000, .eax = 0x40000001, .ebx = 0x4B4D564B},
	{.function = 0x80000001, .ecx = 0xFFFFFFFD, .edx = 0xFFFFFFFF},
	{.function = 0x80000008, .eax = 0x3030, .ecx = 0xF0AF7},
	{.function = 0x8000001D, .index = 0, .eax = 0xFFFFC121},
	{.function = 0x8000001D, .index = 3, .eax = 0xFFFFC163},
	{.function = 0x8000001E, .eax = 77, .ebx = 0x177, .ecx = 0x301, .edx = 1},
	{.function = 0x80000026, .index = 0, .edx = 77},
};

static struct kvm_cpuid2 *build_from(const struct kvm_cpuid_entry2 *supported, size_t n, const struct vcpu_topology *topology)
{
	struct kvm_cpuid2 *from = table(), *to = table();

	for (from->nent = 0; from->nent < n; from->nent++)
		from->entries[from->nent] = supported[from->nent];
	kvm_cpuid_build(from, topology, to);
	free(from);
	return to;
}

/* Of a VM with 2 cores of the ROS and `n_hrt` of the HRT. */
static struct vcpu_topology hrt_core(uint32_t id, uint32_t n_hrt)
{
	return (struct vcpu_topology){.id = id, .first = 2, .n_cores = n_hrt, .role = HVM_CPUID_ROLE_HRT, .hybrid = true};
}

static struct vcpu_topology ros_core(uint32_t id, uint32_t n_ros)
{
	return (struct vcpu_topology){.id = id, .n_cores = n_ros, .role = HVM_CPUID_ROLE_ROS, .hybrid = true,
		.comm_page = 0x312345000};
}

#define ON_INTEL(topology) build_from(intel, ARRAY_SIZE(intel), &(topology))
#define ON_AMD(topology)   build_from(amd, ARRAY_SIZE(amd), &(topology))

static unsigned bit(uint32_t word, unsigned n)
{
	return word >> n & 1;
}

Test(cpuid, tells_an_hrt_core_its_apic_id_and_a_package_that_holds_it)
{
	struct vcpu_topology core = hrt_core(4, 3);
	struct kvm_cpuid2 *t = ON_INTEL(core);

	cr_expect_eq(find(t, 1, 0)->ebx, 0x0405BB08, "APIC id 4 of the ids 0 to 4");
	cr_expect_eq(find(t, 0xB, 0)->edx, 4);
	cr_expect_eq(find(t, 0xB, 0)->ebx, 1, "one thread a core");
	cr_expect_eq(find(t, 0xB, 1)->edx, 4);
	cr_expect_eq(find(t, 0xB, 1)->ebx, 3, "the HRT has 3 cores");
	cr_expect_eq(find(t, 0xB, 1)->eax, 3, "5 ids need 3 bits of APIC id");
	cr_expect_eq(find(t, 0xB, 2)->ecx, 2, "no further level");
	cr_expect_eq(find(t, 4, 0)->eax >> 26, 4);
}

Test(cpuid, tells_a_ros_core_of_the_ros_alone)
{
	struct vcpu_topology core = ros_core(1, 2);
	struct kvm_cpuid2 *t = ON_INTEL(core);

	cr_expect_eq(find(t, 1, 0)->ebx, 0x0102BB08);
	cr_expect_eq(find(t, 0xB, 1)->ebx, 2);
	cr_expect_eq(find(t, 0xB, 1)->eax, 1);
	cr_expect_eq(find(t, 4, 0)->eax >> 26, 1);
}

Test(cpuid, has_every_core_of_the_largest_vm_in_one_package)
{
	struct vcpu_topology core = {.id = 63, .first = 1, .n_cores = 63, .role = HVM_CPUID_ROLE_HRT, .hybrid = true};
	struct kvm_cpuid2 *t = ON_INTEL(core);

	cr_expect_eq(find(t, 1, 0)->ebx, 0x3F40BB08);
	cr_expect_eq(find(t, 0xB, 1)->eax, 6);
	cr_expect_eq(63u >> find(t, 0xB, 1)->eax, 0, "package 0");
	cr_expect_eq(find(t, 4, 0)->eax >> 26, 63);
}

Test(cpuid, lets_the_package_share_the_third_cache_and_no_other)
{
	struct vcpu_topology core = hrt_core(2, 2);
	struct kvm_cpuid2 *t = ON_INTEL(core);

	cr_expect_eq(find(t, 4, 0)->eax >> 14 & 0xFFF, 0);
	cr_expect_eq(find(t, 4, 1)->eax >> 14 & 0xFFF, 3);
	cr_expect_eq(find(t, 4, 0)->eax & 0x3FFF, 0x3F21, "the cache stays what it is");
	cr_expect_eq(find(t, 4, 2)->eax, 0, "the end of leaf 4 stays the end");
	t = ON_AMD(core);
	cr_expect_eq(find(t, 0x8000001D, 0)->eax >> 14, 0);
	cr_expect_eq(find(t, 0x8000001D, 3)->eax >> 14, 3);
}

Test(cpuid, says_it_in_the_leaves_of_amd_on_amd_only)
{
	struct vcpu_topology core = hrt_core(4, 3);
	struct kvm_cpuid2 *t = ON_AMD(core);

	cr_expect_eq(find(t, 0x80000008, 0)->ecx, 0xF3A04, "5 ids of 3 bits; the rest as it was");
	cr_expect_eq(find(t, 0x80000008, 0)->eax, 0x3030);
	cr_expect_eq(find(t, 0x8000001E, 0)->eax, 4);
	cr_expect_eq(find(t, 0x8000001E, 0)->ebx, 4, "core 4, of one thread");
	cr_expect_eq(find(t, 0x8000001E, 0)->ecx, 0, "node 0 of one");
	cr_expect_eq(bit(find(t, 0x80000001, 0)->ecx, 1), 1, "cores, not threads");
	cr_expect_eq(find(ON_INTEL(core), 0x80000008, 0)->ecx, 0);
}

Test(cpuid, has_leaf_b_within_the_leaves_that_there_are)
{
	struct vcpu_topology core = hrt_core(2, 1);

	cr_expect_eq(find(ON_AMD(core), 0, 0)->eax, 0xB);
	cr_expect_eq(find(ON_INTEL(core), 0, 0)->eax, 0x1F);
}

Test(cpuid, a_single_core_is_no_package_of_several)
{
	struct vcpu_topology core = ros_core(0, 1);
	struct kvm_cpuid2 *t = ON_INTEL(core);

	cr_expect_eq(bit(find(t, 1, 0)->edx, 28), 0);
	cr_expect_eq(find(t, 0xB, 1)->eax, 0);
	cr_expect_eq(bit(find(ON_AMD(core), 0x80000001, 0)->ecx, 1), 0);
}

Test(cpuid, hides_what_an_hrt_must_not_use)
{
	struct vcpu_topology core = hrt_core(2, 2);
	struct kvm_cpuid2 *t = ON_INTEL(core);

	cr_expect_eq(bit(find(t, 1, 0)->ecx, 3), 0, "monitor/mwait");
	cr_expect_eq(bit(find(t, 1, 0)->ecx, 5), 0, "VMX");
	cr_expect_eq(bit(find(t, 1, 0)->ecx, 17), 0, "PCID");
	cr_expect_eq(bit(find(t, 1, 0)->ecx, 21), 0, "x2APIC");
	cr_expect_eq(bit(find(t, 1, 0)->ecx, 24), 0, "TSC deadline");
	cr_expect_eq(find(t, 7, 0)->ebx, ~(1u << 7 | 1u << 20), "SMEP, SMAP and nothing else");
	cr_expect_eq(bit(find(t, 7, 0)->ecx, 16), 0, "LA57");
	cr_expect_eq(find(t, 7, 1)->ebx, 0xFFFFFFFF, "another page of leaf 7");
	cr_expect_eq(bit(find(t, 0x80000001, 0)->ecx, 2), 0, "SVM");
	cr_expect_eq(bit(find(t, 1, 0)->ecx, 31), 1, "hypervisor");
}

Test(cpuid, keeps_what_a_runtime_cannot_do_without)
{
	struct vcpu_topology core = hrt_core(2, 2);
	struct kvm_cpuid2 *t = ON_INTEL(core);
	static const unsigned needed[] = {4, 5, 9, 12, 13, 16, 24, 25, 26}; /* TSC MSR APIC MTRR PGE PAT FXSR SSE SSE2 */

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		cr_expect_eq(bit(find(t, 1, 0)->edx, needed[i]), 1, "leaf 1, EDX bit %u", needed[i]);
	cr_expect_eq(bit(find(t, 0x80000001, 0)->edx, 20), 1, "NX");
	cr_expect_eq(bit(find(t, 0x80000001, 0)->edx, 26), 1, "1 GiB pages");
	cr_expect_eq(bit(find(t, 0x80000001, 0)->edx, 29), 1, "long mode");
}

Test(cpuid, lets_a_ros_have_its_interrupt_controller_but_not_what_breaks_merging)
{
	struct vcpu_topology core = ros_core(0, 2);
	struct kvm_cpuid2 *t = ON_INTEL(core);

	cr_expect_eq(bit(find(t, 1, 0)->ecx, 21), 1, "x2APIC");
	cr_expect_eq(bit(find(t, 1, 0)->ecx, 24), 1, "TSC deadline");
	cr_expect_eq(bit(find(t, 1, 0)->ecx, 17), 0, "PCID");
	cr_expect_eq(bit(find(t, 7, 0)->ebx, 7), 0, "SMEP");
	cr_expect_eq(bit(find(t, 7, 0)->ecx, 16), 0, "LA57");
}

Test(cpuid, takes_nothing_of_its_protection_from_a_ros_without_hrt)
{
	struct vcpu_topology core = {.n_cores = 2, .role = HVM_CPUID_ROLE_ROS};
	struct kvm_cpuid2 *t = ON_INTEL(core);

	cr_expect_eq(find(t, 7, 0)->ebx, 0xFFFFFFFF);
	cr_expect_eq(find(t, 7, 0)->ecx, 0xFFFFFFFF);
	cr_expect_eq(bit(find(t, 1, 0)->ecx, 17), 1);
	cr_expect_eq(bit(find(t, 1, 0)->ecx, 3), 0, "monitor/mwait");
}

Test(cpuid, speaks_to_an_hrt_of_hvmd_instead_of_kvm)
{
	struct vcpu_topology core = hrt_core(2, 2);
	struct kvm_cpuid2 *t = ON_INTEL(core);

	cr_expect_eq(find(t, HVM_CPUID_SIGNATURE, 0)->ebx, HVM_CPUID_NAME);
	cr_expect_eq(find(t, HVM_CPUID_SIGNATURE, 0)->eax, HVM_CPUID_PAGE);
	cr_expect_eq(find(t, HVM_CPUID_ABI, 0)->eax, HVM_PORT);
	cr_expect_eq(find(t, HVM_CPUID_ABI, 0)->ecx, HVM_CPUID_ROLE_HRT);
	cr_expect_eq(find(t, HVM_CPUID_ABI, 0)->edx, HVM_ABI_VERSION);
	cr_expect_eq(t->nent, ARRAY_SIZE(intel) - 2 + 4, "leaf 0xB is anew and 0x1F is gone; no leaf twice");
}

Test(cpuid, speaks_to_a_ros_of_kvm_first_and_of_hvmd_behind_it)
{
	struct vcpu_topology core = ros_core(0, 1);
	struct kvm_cpuid2 *t = ON_INTEL(core);

	cr_expect_eq(find(t, 0x40000000, 0)->ebx, 0x4B4D564B);
	cr_expect_eq(find(t, 0x40000001, 0)->eax, 0xFFFFFFFF);
	cr_expect_eq(find(t, 0x40000100, 0)->eax, 0x40000102);
	cr_expect_eq(find(t, 0x40000100, 0)->edx, HVM_CPUID_NAME);
	cr_expect_eq(find(t, 0x40000101, 0)->eax, HVM_PORT);
	cr_expect_eq(find(t, 0x40000101, 0)->ecx, HVM_CPUID_ROLE_ROS);
	cr_expect_eq(find(t, 0x40000102, 0)->eax, 0x12345000, "the comm page");
	cr_expect_eq(find(t, 0x40000102, 0)->ebx, 3);
}

/* IPIs, kicks, yields and shared pages, each of which a Linux does by KVM's hypercalls where they are offered. */
Test(cpuid, offers_a_ros_nothing_that_kvm_no_longer_answers)
{
	static const uint32_t by_hypercall = 1u << 7 | 1u << 11 | 1u << 13 | 1u << 16;
	struct vcpu_topology core = ros_core(0, 1), hrt = hrt_core(2, 1);

	cr_expect_eq(find(ON_INTEL(core), 0x40000102, 0)->ecx, 0);
	cr_expect_eq(find(ON_INTEL(hrt), 0x40000002, 0)->ecx, 0);
	core.intercepted = hrt.intercepted = true;
	cr_expect_eq(find(ON_INTEL(core), 0x40000001, 0)->eax, ~by_hypercall);
	cr_expect_eq(find(ON_INTEL(core), 0x40000102, 0)->ecx, HVM_CPUID_INTERCEPTS);
	cr_expect_eq(find(ON_INTEL(hrt), 0x40000002, 0)->ecx, HVM_CPUID_INTERCEPTS);
}

Test(cpuid, speaks_of_no_comm_page_where_there_is_none)
{
	struct vcpu_topology core = {.n_cores = 2, .role = HVM_CPUID_ROLE_ROS};
	struct kvm_cpuid2 *t = ON_INTEL(core);

	cr_expect_eq(find(t, 0x40000100, 0)->eax, 0x40000101);
	for (uint32_t i = 0; i < t->nent; i++)
		cr_expect_neq(t->entries[i].function, 0x40000102);
}

Test(cpuid, never_outgrows_its_table)
{
	struct kvm_cpuid_entry2 many[CPUID_ENTRIES_MAX] = {};
	struct vcpu_topology core = hrt_core(2, 1);
	struct kvm_cpuid2 *t;

	for (uint32_t i = 0; i < CPUID_ENTRIES_MAX; i++)
		many[i].function = 0x100 + i;
	t = build_from(many, CPUID_ENTRIES_MAX, &core);
	cr_expect_eq(t->nent, CPUID_ENTRIES_MAX);
}
