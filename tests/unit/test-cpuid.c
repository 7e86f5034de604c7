/* test-cpuid.c - what a vCPU is told about itself, from a table that no KVM gave us */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "abi/hrt.h"
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

static struct kvm_cpuid2 *build(uint32_t id, uint32_t n_cores)
{
	static const struct kvm_cpuid_entry2 supported[] = {
		{.function = 0, .eax = 0x1F},
		{.function = 1, .ebx = 0xAA10BB08, .ecx = 0xFFFFFFFF, .edx = 0xFFFFFFFF},
		{.function = 4, .index = 0, .eax = 0xFFFFFFE1},
		{.function = 4, .index = 1, .eax = 0},
		{.function = 7, .index = 0, .ebx = 0xFFFFFFFF, .ecx = 0xFFFFFFFF},
		{.function = 0xB, .index = 0, .edx = 77},
		{.function = 0x1F, .index = 0, .edx = 77},
		{.function = 0x40000000, .eax = 0x40000001, .ebx = 0x4B4D564B},
		{.function = 0x40000001, .eax = 0xFFFFFFFF},
	};
	struct vcpu_topology topology = {.id = id, .n_cores = n_cores, .role = HVM_CPUID_ROLE_HRT};
	struct kvm_cpuid2 *from = table(), *to = table();

	from->nent = sizeof(supported) / sizeof(supported[0]);
	for (uint32_t i = 0; i < from->nent; i++)
		from->entries[i] = supported[i];
	kvm_cpuid_build(from, &topology, to);
	return to;
}

Test(cpuid, tells_the_apic_id_and_the_number_of_cores)
{
	struct kvm_cpuid2 *t = build(3, 5);

	cr_expect_eq(find(t, 1, 0)->ebx, 0x0305BB08);
	cr_expect_eq(find(t, 0xB, 0)->edx, 3);
	cr_expect_eq(find(t, 0xB, 1)->edx, 3);
	cr_expect_eq(find(t, 0xB, 1)->ebx, 5);
	cr_expect_eq(find(t, 0xB, 1)->eax, 3, "5 cores need 3 bits of APIC id");
	cr_expect_eq(find(t, 4, 0)->eax >> 26, 4);
	cr_expect_eq(find(t, 4, 1)->eax, 0, "the end of leaf 4 stays the end");
}

Test(cpuid, a_single_core_is_no_multi_threaded_package)
{
	struct kvm_cpuid2 *t = build(0, 1);

	cr_expect_eq(find(t, 1, 0)->edx >> 28 & 1, 0);
	cr_expect_eq(find(t, 0xB, 1)->eax, 0);
}

Test(cpuid, hides_what_an_hrt_must_not_use)
{
	struct kvm_cpuid2 *t = build(1, 2);

	cr_expect_eq(find(t, 1, 0)->ecx >> 3 & 1, 0, "monitor/mwait");
	cr_expect_eq(find(t, 1, 0)->ecx >> 17 & 1, 0, "PCID");
	cr_expect_eq(find(t, 1, 0)->ecx >> 21 & 1, 0, "x2APIC");
	cr_expect_eq(find(t, 7, 0)->ebx >> 7 & 1, 0, "SMEP");
	cr_expect_eq(find(t, 7, 0)->ebx >> 20 & 1, 0, "SMAP");
	cr_expect_eq(find(t, 7, 0)->ecx >> 16 & 1, 0, "LA57");
	cr_expect_eq(find(t, 1, 0)->ecx >> 31 & 1, 1, "hypervisor");
}

Test(cpuid, speaks_of_hvmd_instead_of_kvm)
{
	struct kvm_cpuid2 *t = build(1, 2);

	cr_expect_eq(find(t, HVM_CPUID_SIGNATURE, 0)->ebx, HVM_CPUID_NAME);
	cr_expect_eq(find(t, HVM_CPUID_SIGNATURE, 0)->eax, HVM_CPUID_ABI);
	cr_expect_eq(find(t, HVM_CPUID_ABI, 0)->eax, HVM_PORT);
	cr_expect_eq(find(t, HVM_CPUID_ABI, 0)->ecx, HVM_CPUID_ROLE_HRT);
	cr_expect_eq(find(t, HVM_CPUID_ABI, 0)->edx, HVM_ABI_VERSION);
	cr_expect_eq(t->nent, 10, "no leaf twice");
}
