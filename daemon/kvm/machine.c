/* machine.c - a KVM machine: its memory and its interrupt fabric; see kvm.h */
#include "kvm/internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/error.h"
#include "base/macro.h"

/*
 * VMX needs four pages of GPA that no memory slot covers (4.13, 4.33). They lie
 * in the device hole (abi/x86.h), between the LAPIC and the firmware's place.
 */
#define IDENTITY_MAP_GPA 0xFEFFC000ull
#define TSS_GPA          0xFEFFD000ull

#define IRQCHIP_PINS 24 /* routes reserved for an IOAPIC in user space, as many as the real one has pins */

int kvm_ioctl(int fd, unsigned long request, unsigned long argument)
{
	int r;

	do
		r = ioctl(fd, request, argument);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

static const struct {
	unsigned long number;
	const char *name;
} needed[] = {
	{KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY"},
	{KVM_CAP_SET_TSS_ADDR, "KVM_CAP_SET_TSS_ADDR"},
	{KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID"},
	{KVM_CAP_MP_STATE, "KVM_CAP_MP_STATE"},
	{KVM_CAP_SET_BOOT_CPU_ID, "KVM_CAP_SET_BOOT_CPU_ID"},
	{KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP"},
	{KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT"},
	{KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS"},
};

int kvm_check(int kvm_fd, struct error *e)
{
	int version = kvm_ioctl(kvm_fd, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return error_set_errno(e, -ENODEV, "/dev/kvm does not answer KVM_GET_API_VERSION");
	if (version != KVM_API_VERSION)
		return error_set(e, -ENODEV, "this KVM has API version %d; version %d is needed", version, KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (kvm_ioctl(kvm_fd, KVM_CHECK_EXTENSION, needed[i].number) <= 0)
			return error_set(e, -ENODEV, "this kernel's KVM lacks %s; Linux 5.10 or newer has it", needed[i].name);
	return 0;
}

static int load_supported_cpuid(struct kvm_machine *machine, int kvm_fd, struct error *e)
{
	int r;

	machine->cpuid = calloc(1, sizeof(*machine->cpuid) + CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2));
	if (!machine->cpuid)
		return error_set_errno(e, -ENOMEM, "reading the supported CPUID");
	machine->cpuid->nent = CPUID_ENTRIES_MAX;
	r = kvm_ioctl(kvm_fd, KVM_GET_SUPPORTED_CPUID, (unsigned long)machine->cpuid);
	return r < 0 ? error_set_errno(e, r, "KVM_GET_SUPPORTED_CPUID") : 0;
}

static int place_fixed_pages(struct kvm_machine *machine, uint32_t boot_cpu, struct error *e)
{
	uint64_t identity = IDENTITY_MAP_GPA;
	int r;

	r = kvm_ioctl(machine->fd, KVM_SET_TSS_ADDR, TSS_GPA);
	if (r < 0)
		return error_set_errno(e, r, "KVM_SET_TSS_ADDR");
	r = kvm_ioctl(machine->fd, KVM_SET_IDENTITY_MAP_ADDR, (unsigned long)&identity);
	if (r < 0)
		return error_set_errno(e, r, "KVM_SET_IDENTITY_MAP_ADDR");
	r = kvm_ioctl(machine->fd, KVM_SET_BOOT_CPU_ID, boot_cpu);
	return r < 0 ? error_set_errno(e, r, "KVM_SET_BOOT_CPU_ID %u", boot_cpu) : 0;
}

int kvm_machine_new(int kvm_fd, uint32_t boot_cpu, struct kvm_machine **ret, struct error *e)
{
	_cleanup_(kvm_machine_freep) struct kvm_machine *machine = calloc(1, sizeof(*machine));
	int r;

	if (!machine)
		return error_set_errno(e, -ENOMEM, "creating a KVM machine");
	machine->stats.fd = -1;
	machine->fd = kvm_ioctl(kvm_fd, KVM_CREATE_VM, 0);
	if (machine->fd < 0)
		return error_set_errno(e, machine->fd, "KVM_CREATE_VM");
	r = kvm_ioctl(kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (r < 0)
		return error_set_errno(e, r, "KVM_GET_VCPU_MMAP_SIZE");
	machine->run_size = (size_t)r;
	r = load_supported_cpuid(machine, kvm_fd, e);
	if (r < 0)
		return r;
	r = place_fixed_pages(machine, boot_cpu, e);
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
	free(machine->cpuid);
	close_fd(machine->fd);
	free(machine);
	return NULL;
}

int kvm_machine_map(struct kvm_machine *machine, uint64_t gpa, uint64_t size, void *host, struct error *e)
{
	struct kvm_userspace_memory_region region = {
		.slot = machine->n_slots,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (uintptr_t)host,
	};
	int r = kvm_ioctl(machine->fd, KVM_SET_USER_MEMORY_REGION, (unsigned long)&region);

	if (r < 0)
		return error_set_errno(e, r, "KVM_SET_USER_MEMORY_REGION of %llu bytes at GPA 0x%llx",
			(unsigned long long)size, (unsigned long long)gpa);
	machine->n_slots++;
	return 0;
}

int kvm_machine_add_irqchip(struct kvm_machine *machine, struct error *e)
{
	struct kvm_enable_cap cap = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {IRQCHIP_PINS}};
	int r = kvm_ioctl(machine->fd, KVM_ENABLE_CAP, (unsigned long)&cap);

	return r < 0 ? error_set_errno(e, r, "KVM_ENABLE_CAP of KVM_CAP_SPLIT_IRQCHIP") : 0;
}

void kvm_machine_stats(struct kvm_machine *machine, kvm_stat_fn fn, void *data)
{
	kvm_stats_each(&machine->stats, fn, data);
}
