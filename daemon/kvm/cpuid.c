/*
 * cpuid.c - what a vCPU is told about itself
 *
 * The table is what KVM supports on this processor, with the changes that a
 * hybrid machine needs [spec 11.6]: the topology is one package of single-thread
 * cores; what an HRT must not see is hidden; the hypervisor leaves are ours.
 */
#include "kvm/internal.h"

#include <string.h>

#include "abi/hrt.h"

/* Bits by their leaf; SDM volume 2A, CPUID. */
#define LEAF1_EDX_HTT        (1u << 28)
#define LEAF1_ECX_MONITOR    (1u << 3)  /* KVM would exit or hang on mwait */
#define LEAF1_ECX_PCID       (1u << 17) /* breaks address-space merging */
#define LEAF1_ECX_X2APIC     (1u << 21) /* guests that see it switch to it; Palacios never had it */
#define LEAF1_ECX_HYPERVISOR (1u << 31)
#define LEAF7_EBX_SMEP       (1u << 7)
#define LEAF7_EBX_SMAP       (1u << 20)
#define LEAF7_ECX_LA57       (1u << 16)

#define TOPOLOGY_LEVEL_SMT  (1u << 8) /* leaf 0xB, ECX[15:8] */
#define TOPOLOGY_LEVEL_CORE (2u << 8)

/* Leaves that we write anew, or that are KVM's own paravirtual interface. */
static bool is_ours(uint32_t leaf)
{
	return leaf == 0xB || leaf == 0x1F || (leaf >= 0x40000000 && leaf < 0x50000000);
}

static void add(struct kvm_cpuid2 *table, struct kvm_cpuid_entry2 entry)
{
	if (table->nent < CPUID_ENTRIES_MAX)
		table->entries[table->nent++] = entry;
}

/* Bits of an APIC id that tell `n` cores apart. */
static uint32_t core_bits(uint32_t n)
{
	return n > 1 ? 32 - (uint32_t)__builtin_clz(n - 1) : 0;
}

static void add_topology(struct kvm_cpuid2 *table, const struct vcpu_topology *topology)
{
	add(table, (struct kvm_cpuid_entry2){.function = 0xB, .index = 0, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = 0, .ebx = 1, .ecx = 0 | TOPOLOGY_LEVEL_SMT, .edx = topology->id});
	add(table, (struct kvm_cpuid_entry2){.function = 0xB, .index = 1, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = core_bits(topology->n_cores), .ebx = topology->n_cores, .ecx = 1 | TOPOLOGY_LEVEL_CORE,
		.edx = topology->id});
	add(table, (struct kvm_cpuid_entry2){.function = 0xB, .index = 2, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.ecx = 2, .edx = topology->id});
}

static void add_hypervisor(struct kvm_cpuid2 *table, const struct vcpu_topology *topology)
{
	add(table, (struct kvm_cpuid_entry2){.function = HVM_CPUID_SIGNATURE, .eax = HVM_CPUID_ABI,
		.ebx = HVM_CPUID_NAME, .ecx = HVM_CPUID_NAME, .edx = HVM_CPUID_NAME});
	add(table, (struct kvm_cpuid_entry2){.function = HVM_CPUID_ABI, .eax = HVM_PORT, .ecx = topology->role,
		.edx = HVM_ABI_VERSION});
}

static void adapt(struct kvm_cpuid_entry2 *entry, const struct vcpu_topology *topology)
{
	switch (entry->function) {
	case 1:
		entry->ebx = (entry->ebx & 0xFFFF) | topology->n_cores << 16 | topology->id << 24;
		entry->ecx &= ~(LEAF1_ECX_MONITOR | LEAF1_ECX_PCID | LEAF1_ECX_X2APIC);
		entry->ecx |= LEAF1_ECX_HYPERVISOR;
		entry->edx = topology->n_cores > 1 ? entry->edx | LEAF1_EDX_HTT : entry->edx & ~LEAF1_EDX_HTT;
		break;
	case 4: /* EAX[31:26]: cores of the package - 1; [25:14]: threads that share this cache - 1 */
		if (entry->eax & 0x1F)
			entry->eax = (entry->eax & 0x3FFF) | (topology->n_cores - 1) << 26;
		break;
	case 7:
		if (entry->index == 0) {
			entry->ebx &= ~(LEAF7_EBX_SMEP | LEAF7_EBX_SMAP);
			entry->ecx &= ~LEAF7_ECX_LA57;
		}
		break;
	}
}

void kvm_cpuid_build(const struct kvm_cpuid2 *supported, const struct vcpu_topology *topology, struct kvm_cpuid2 *ret)
{
	ret->nent = 0;
	for (uint32_t i = 0; i < supported->nent; i++)
		if (!is_ours(supported->entries[i].function)) {
			struct kvm_cpuid_entry2 entry = supported->entries[i];

			adapt(&entry, topology);
			add(ret, entry);
		}
	add_topology(ret, topology);
	add_hypervisor(ret, topology);
}
