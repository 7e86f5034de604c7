/* machine.c - a KVM machine: and its memory; see kvm.h */
#include "kvm/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "base/error.h"

/*
 * VMX needs four pages of GPA that no memory slot covers (4.13, 4.33). They lie
 * in the device hole (abi/x86.h), between the LAPIC and the firmware's place.
 */
#define IDENTITY_MAP_GPA 0xFEFFC000ull
#define TSS_GPA          0xFEFFD000ull

static int place_fixed_pages(struct kvm_machine *machine, uint32_t boot_cpu, struct error *e)
{
	uint64_t identity = IDENTITY_MAP_GPA;
	int r;

	r = kvm_ioctl(machine->fd, KVM_SET_TSS_ADDR, TSS_GPA); /* cage(build): KVM_SET_TSS_ADDR */
	if (r < 0)
		return error_set_errno(e, r, "KVM_SET_TSS_ADDR");
	r = kvm_ioctl(machine->fd, KVM_SET_IDENTITY_MAP_ADDR, (unsigned long)&identity); /* cage(build): KVM_SET_IDENTITY_MAP_ADDR */
	if (r < 0)
		return error_set_errno(e, r, "KVM_SET_IDENTITY_MAP_ADDR");
	r = kvm_ioctl(machine->fd, KVM_SET_BOOT_CPU_ID, boot_cpu); /* cage(build): KVM_SET_BOOT_CPU_ID */
	return r < 0 ? error_set_errno(e, r, "KVM_SET_BOOT_CPU_ID %u", boot_cpu) : 0;
}

int kvm_machine_new(const struct kvm_host *host, uint32_t boot_cpu, struct kvm_machine **ret, struct error *e)
{
	_cleanup_(kvm_machine_freep) struct kvm_machine *machine = calloc(1, sizeof(*machine));
	int r;

	if (!machine)
		return error_set_errno(e, -ENOMEM, "creating a KVM machine");
	machine->stats.fd = -1;
	machine->host = host;
	machine->fd = kvm_ioctl(host->fd, KVM_CREATE_VM, 0); /* cage(build): KVM_CREATE_VM */
	if (machine->fd < 0)
		return error_set_errno(e, machine->fd, "KVM_CREATE_VM");
	r = place_fixed_pages(machine, boot_cpu, e);
	if (r < 0)
		return r;
	r = kvm_msrs_ask_us(machine, e);
	if (r < 0)
		return r;
	kvm_stats_init(&machine->stats, machine->fd);
	*ret = take_ptr(machine);
	return 0;
}

struct kvm_machine *kvm_machine_free(struct kvm_machine *machine)
{
	if (!machine)
		return NULL;
	kvm_stats_fini(&machine->stats);
	close_fd(machine->fd);
	free(machine);
	return NULL;
}

int kvm_machine_track(struct kvm_machine *machine, struct error *e)
{
	int r = kvm_ring_enable(machine->fd, e);

	machine->tracks = r == 0;
	return r;
}

int kvm_machine_map(struct kvm_machine *machine, uint64_t gpa, uint64_t size, void *host, enum kvm_mapping mapping,
	struct error *e)
{
	static const uint32_t flags[] = {
		[KVM_MAPPING_PLAIN] = 0,
		[KVM_MAPPING_TRACKED] = KVM_MEM_LOG_DIRTY_PAGES,
		[KVM_MAPPING_READONLY] = KVM_MEM_READONLY,
	};
	struct kvm_userspace_memory_region region = {
		.slot = machine->n_slots,
		.flags = flags[mapping],
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};
	int r;

	assert(machine->n_slots < SLOTS_MAX && (mapping != KVM_MAPPING_TRACKED || machine->tracks));
	r = kvm_ioctl(machine->fd, KVM_SET_USER_MEMORY_REGION, (unsigned long)&region); /* cage(build): KVM_SET_USER_MEMORY_REGION */
	if (r < 0)
		return error_set_errno(e, r, "KVM_SET_USER_MEMORY_REGION of %llu bytes at GPA 0x%llx",
			(unsigned long long)size, (unsigned long long)gpa);
	machine->slot_gpa[machine->n_slots++] = gpa;
	return 0;
}

/* A slot can move, but for its GPA nothing of it may change (KVM API, 4.35). */
int kvm_machine_move(struct kvm_machine *machine, uint64_t from, uint64_t to, uint64_t size, void *host, struct error *e)
{
	struct kvm_userspace_memory_region region = {
		.guest_phys_addr = to, .memory_size = size, .userspace_addr = (uintptr_t)host};
	int r;

	while (region.slot < machine->n_slots && machine->slot_gpa[region.slot] != from)
		region.slot++;
	assert(region.slot < machine->n_slots);
	r = kvm_ioctl(machine->fd, KVM_SET_USER_MEMORY_REGION, (unsigned long)&region); /* cage(run): KVM_SET_USER_MEMORY_REGION */
	if (r < 0)
		return error_set_errno(e, r, "KVM_SET_USER_MEMORY_REGION, moving GPA 0x%llx to 0x%llx",
			(unsigned long long)from, (unsigned long long)to);
	machine->slot_gpa[region.slot] = to;
	return 0;
}

#define XEN_PAGE_MSR 0x40000000u /* writing it would fill in Xen's hypercall page: there is none */

int kvm_machine_intercept_hypercalls(struct kvm_machine *machine, struct error *e)
{
	struct kvm_xen_hvm_config config = {.flags = KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL, .msr = XEN_PAGE_MSR};
	int r = kvm_ioctl(machine->fd, KVM_XEN_HVM_CONFIG, (unsigned long)&config); /* cage(build): KVM_XEN_HVM_CONFIG */

	return r < 0 ? error_set_errno(e, r, "KVM_XEN_HVM_CONFIG") : 0;
}

#define MSI_ADDRESS 0xFEE00000u /* SDM volume 3A, 11.11.1: destination in bits 19 to 12 */

bool kvm_machine_interrupt(struct kvm_machine *machine, uint32_t apic_id, uint8_t vector)
{
	struct kvm_msi msi = {.address_lo = MSI_ADDRESS | apic_id << 12, .data = vector};

	return kvm_ioctl(machine->fd, KVM_SIGNAL_MSI, (unsigned long)&msi) > 0; /* cage(run): KVM_SIGNAL_MSI */
}

void kvm_machine_stats(struct kvm_machine *machine, kvm_stat_fn fn, void *data)
{
	kvm_stats_each(&machine->stats, fn, data);
}
