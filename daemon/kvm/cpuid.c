/*
 * cpuid.c - what a vCPU is told about itself
 *
 * The table is what KVM supports on this processor, with three kinds of changes
 * [spec 11.6]: a few features are hidden, by the table below; the topology is a
 * package of the partition's cores, one thread each; and the hypervisor's leaves
 * say that hvmd is there. An HRT finds those at 0x40000000, where Palacios would
 * have put them. A ROS finds KVM's own there, since Linux takes its clock from
 * them, and ours behind them, at 0x40000100. Where its hypercalls by instruction
 * are ours, KVM answers none, and offers nothing that begins with one: a Linux that
 * relied on it would lose its IPIs.
 *
 * Topology: the APIC ids of an HRT begin where the ROS's end. Software takes the
 * package's number from an id's upper bits, so an HRT's package has room for the
 * ids from 0 on, and only as many cores in it as the HRT has.
 */
#include "kvm/internal.h"

#include <asm/kvm_para.h>

#include "abi/hrt.h"
#include "base/macro.h"

enum output {
	EAX,
	EBX,
	ECX,
	EDX,
};

/* Whose table it is. */
#define HRT    1u
#define ROS    2u /* of a hybrid VM: its page tables may be merged into the HRT's */
#define LONE   4u /* a ROS that has no HRT beside it */
#define HYBRID (HRT | ROS)
#define ALL    (HRT | ROS | LONE)

#define INTERCEPTED 8u /* beside one of the above */

/* SDM volume 2A and AMD's volume 3, appendix E: CPUID. */
static const struct {
	uint32_t leaf, index;
	enum output output;
	uint32_t bit;
	unsigned from; /* whom it is hidden from */
} hidden[] = {
	{1, 0, ECX, 3, ALL},          /* MONITOR: KVM makes a no-op of MWAIT, and a guest that idles with it spins */
	{1, 0, ECX, 5, ALL},          /* VMX: a reset would have to undo a guest of the guest */
	{1, 0, ECX, 17, HYBRID},      /* PCID: address-space merging would leave stale translations */
	{1, 0, ECX, 21, HRT},         /* x2APIC: who sees it switches to it, and Palacios never had it */
	{1, 0, ECX, 24, HRT},         /* TSC deadline: the same */
	{7, 0, EBX, 7, HYBRID},       /* SMEP: an HRT runs and reads the pages of the ROS's processes, at CPL 0 */
	{7, 0, EBX, 20, HYBRID},      /* SMAP: the same */
	{7, 0, ECX, 16, HYBRID},      /* LA57: merging copies rows of a 4-level table */
	{0x80000001, 0, ECX, 2, ALL}, /* SVM: as VMX */
	/* What a guest would do by KVM's hypercalls */
	{KVM_CPUID_FEATURES, 0, EAX, KVM_FEATURE_PV_UNHALT, INTERCEPTED},
	{KVM_CPUID_FEATURES, 0, EAX, KVM_FEATURE_PV_SEND_IPI, INTERCEPTED},
	{KVM_CPUID_FEATURES, 0, EAX, KVM_FEATURE_PV_SCHED_YIELD, INTERCEPTED},
	{KVM_CPUID_FEATURES, 0, EAX, KVM_FEATURE_HC_MAP_GPA_RANGE, INTERCEPTED},
};

#define LEAF1_EDX_HTT        (1u << 28) /* more than one core in the package */
#define LEAF1_ECX_HYPERVISOR (1u << 31)
#define EXT1_ECX_CMP_LEGACY  (1u << 1)  /* AMD: these are cores, not threads */

#define TOPOLOGY_LEVEL_SMT  (1u << 8) /* leaf 0xB, ECX[15:8] */
#define TOPOLOGY_LEVEL_CORE (2u << 8)
#define LEAF_TOPOLOGY       0xBu

static unsigned audience(const struct vcpu_topology *t)
{
	unsigned whose = t->hybrid ? ROS : LONE;

	if (t->role == HVM_CPUID_ROLE_HRT)
		whose = HRT;
	return whose | (t->intercepted ? INTERCEPTED : 0);
}

/* APIC ids of the package that there is room for: all up to the partition's last. */
static uint32_t n_ids(const struct vcpu_topology *t)
{
	return t->first + t->n_cores;
}

/* Bits of an APIC id that tell cores of the package apart. */
static uint32_t core_bits(const struct vcpu_topology *t)
{
	uint32_t n = n_ids(t);

	return n > 1 ? 32 - (uint32_t)__builtin_clz(n - 1) : 0;
}

static void add(struct kvm_cpuid2 *table, struct kvm_cpuid_entry2 entry)
{
	if (table->nent < CPUID_ENTRIES_MAX)
		table->entries[table->nent++] = entry;
}

/* --- Features --------------------------------------------------------------- */

static uint32_t *output_of(struct kvm_cpuid_entry2 *entry, enum output output)
{
	uint32_t *const outputs[] = {[EAX] = &entry->eax, [EBX] = &entry->ebx, [ECX] = &entry->ecx, [EDX] = &entry->edx};

	return outputs[output];
}

static void hide(struct kvm_cpuid_entry2 *entry, unsigned from)
{
	for (size_t i = 0; i < ARRAY_SIZE(hidden); i++)
		if (hidden[i].leaf == entry->function && hidden[i].index == entry->index && (hidden[i].from & from))
			*output_of(entry, hidden[i].output) &= ~(1u << hidden[i].bit);
}

/* --- Topology --------------------------------------------------------------- */

static bool is_amd(const struct kvm_cpuid2 *supported)
{
	for (uint32_t i = 0; i < supported->nent; i++)
		if (supported->entries[i].function == 0)
			return supported->entries[i].ebx == 0x68747541 || /* "Auth"enticAMD */
				supported->entries[i].ebx == 0x6F677948;  /* "Hygo"nGenuine */
	return false;
}

static void set_bit(uint32_t *word, uint32_t bit, bool on)
{
	*word = on ? *word | bit : *word & ~bit;
}

/* Leaves 4 and 0x8000001D, EAX: [7:5] the cache's level, [25:14] who shares it, less 1. The package shares the third. */
static uint32_t sharers(uint32_t eax, const struct vcpu_topology *t)
{
	return (eax >> 5 & 7) >= 3 ? (n_ids(t) - 1) << 14 : 0;
}

static void adapt(struct kvm_cpuid_entry2 *entry, const struct vcpu_topology *t, bool amd)
{
	bool several = n_ids(t) > 1;

	switch (entry->function) {
	case 0: /* EAX: the last leaf */
		if (entry->eax < LEAF_TOPOLOGY)
			entry->eax = LEAF_TOPOLOGY;
		break;
	case 1: /* EBX: [31:24] the APIC id, [23:16] ids of the package */
		entry->ebx = (entry->ebx & 0xFFFF) | n_ids(t) << 16 | t->id << 24;
		entry->ecx |= LEAF1_ECX_HYPERVISOR;
		set_bit(&entry->edx, LEAF1_EDX_HTT, several);
		break;
	case 4: /* EAX[31:26]: core ids of the package, less 1 */
		if (entry->eax & 0x1F)
			entry->eax = (entry->eax & 0x3FFF) | sharers(entry->eax, t) | (n_ids(t) - 1) << 26;
		break;
	case 0x80000001:
		if (amd)
			set_bit(&entry->ecx, EXT1_ECX_CMP_LEGACY, several);
		break;
	case 0x80000008: /* AMD, ECX: [7:0] ids of the package less 1, [15:12] core_bits() */
		if (amd)
			entry->ecx = (entry->ecx & ~0xF0FFu) | (n_ids(t) - 1) | core_bits(t) << 12;
		break;
	case 0x8000001D:
		if (entry->eax & 0x1F)
			entry->eax = (entry->eax & 0x3FFF) | sharers(entry->eax, t);
		break;
	case 0x8000001E: /* EAX: the APIC id; EBX: [7:0] the core, [15:8] its threads less 1; ECX: node 0 of 1 */
		if (amd)
			*entry = (struct kvm_cpuid_entry2){.function = entry->function, .eax = t->id, .ebx = t->id};
		break;
	}
}

static void add_topology(struct kvm_cpuid2 *table, const struct vcpu_topology *t)
{
	const struct kvm_cpuid_entry2 level = {
		.function = LEAF_TOPOLOGY, .flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX, .edx = t->id};
	struct kvm_cpuid_entry2 smt = level, core = level, none = level;

	smt.ebx = 1;
	smt.ecx = 0 | TOPOLOGY_LEVEL_SMT;
	core.index = 1;
	core.eax = core_bits(t);
	core.ebx = t->n_cores;
	core.ecx = 1 | TOPOLOGY_LEVEL_CORE;
	none.index = none.ecx = 2;
	add(table, smt);
	add(table, core);
	add(table, none);
}

/* --- The hypervisor --------------------------------------------------------- */

static void add_hypervisor(struct kvm_cpuid2 *table, const struct vcpu_topology *t)
{
	uint32_t base = t->role == HVM_CPUID_ROLE_HRT ? 0 : HVM_CPUID_ROS_OFFSET;
	uint32_t last = t->hybrid ? HVM_CPUID_PAGE : HVM_CPUID_ABI;

	add(table, (struct kvm_cpuid_entry2){.function = base + HVM_CPUID_SIGNATURE, .eax = base + last,
		.ebx = HVM_CPUID_NAME, .ecx = HVM_CPUID_NAME, .edx = HVM_CPUID_NAME});
	add(table, (struct kvm_cpuid_entry2){.function = base + HVM_CPUID_ABI, .eax = HVM_PORT,
		.ebx = HVM_DOORBELL_GPA, .ecx = t->role, .edx = HVM_ABI_VERSION});
	if (t->hybrid)
		add(table, (struct kvm_cpuid_entry2){.function = base + HVM_CPUID_PAGE, .eax = (uint32_t)t->comm_page,
			.ebx = (uint32_t)(t->comm_page >> 32), .ecx = t->intercepted ? HVM_CPUID_INTERCEPTS : 0});
}

/* Leaves that we write anew, or do not hand on. */
static bool is_replaced(uint32_t leaf, const struct vcpu_topology *t)
{
	if (leaf >= 0x40000000 && leaf < 0x50000000)
		return t->role == HVM_CPUID_ROLE_HRT || leaf >= 0x40000000 + HVM_CPUID_ROS_OFFSET;
	return leaf == LEAF_TOPOLOGY || leaf == 0x1F || leaf == 0x80000026; /* the others say 0xB in more words */
}

void kvm_cpuid_build(const struct kvm_cpuid2 *supported, const struct vcpu_topology *topology, struct kvm_cpuid2 *ret)
{
	bool amd = is_amd(supported);

	ret->nent = 0;
	for (uint32_t i = 0; i < supported->nent; i++)
		if (!is_replaced(supported->entries[i].function, topology)) {
			struct kvm_cpuid_entry2 entry = supported->entries[i];

			hide(&entry, audience(topology));
			adapt(&entry, topology, amd);
			add(ret, entry);
		}
	add_topology(ret, topology);
	add_hypervisor(ret, topology);
}

uint32_t kvm_cpuid_paravirt(const struct kvm_cpuid2 *table)
{
	bool kvm = false;

	for (uint32_t i = 0; i < table->nent; i++) {
		const struct kvm_cpuid_entry2 *entry = &table->entries[i];

		if (entry->function == KVM_CPUID_SIGNATURE)
			kvm = entry->ebx == 0x4B4D564B; /* "KVMK" */
	}
	for (uint32_t i = 0; kvm && i < table->nent; i++)
		if (table->entries[i].function == KVM_CPUID_FEATURES)
			return table->entries[i].eax;
	return 0;
}
