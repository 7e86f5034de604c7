/* host.c - what this KVM is and can do; see kvm.h */
#include "kvm/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/error.h"
#include "base/macro.h"

int kvm_ioctl(int fd, unsigned long request, unsigned long argument)
{
	int r;

	do
		r = ioctl(fd, request, argument); /* cage(run): ioctl */
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
	{KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM"},
	{KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS"},
};

static int check(int kvm_fd, struct error *e)
{
	int version = kvm_ioctl(kvm_fd, KVM_GET_API_VERSION, 0); /* cage(build): KVM_GET_API_VERSION */

	if (version < 0)
		return error_set_errno(e, -ENODEV, "/dev/kvm does not answer KVM_GET_API_VERSION");
	if (version != KVM_API_VERSION)
		return error_set(e, -ENODEV, "this KVM has API version %d; version %d is needed", version, KVM_API_VERSION);
	for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
		if (kvm_ioctl(kvm_fd, KVM_CHECK_EXTENSION, needed[i].number) <= 0) /* cage(build): KVM_CHECK_EXTENSION */
			return error_set(e, -ENODEV, "this kernel's KVM lacks %s; Linux 5.10 or newer has it", needed[i].name);
	return 0;
}

#define LEAF1_ECX_TSC_DEADLINE (1u << 24) /* older kernels have it, but not in the table: 4.46 */

static void add_tsc_deadline(struct kvm_host *host)
{
	if (kvm_ioctl(host->fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) <= 0) /* cage(build): KVM_CHECK_EXTENSION */
		return;
	for (uint32_t i = 0; i < host->cpuid->nent; i++)
		if (host->cpuid->entries[i].function == 1)
			host->cpuid->entries[i].ecx |= LEAF1_ECX_TSC_DEADLINE;
}

static int load_supported_cpuid(struct kvm_host *host, struct error *e)
{
	int r;

	host->cpuid = calloc(1, sizeof(*host->cpuid) + CPUID_ENTRIES_MAX * sizeof(struct kvm_cpuid_entry2));
	if (!host->cpuid)
		return error_set_errno(e, -ENOMEM, "reading the supported CPUID");
	host->cpuid->nent = CPUID_ENTRIES_MAX;
	r = kvm_ioctl(host->fd, KVM_GET_SUPPORTED_CPUID, (unsigned long)host->cpuid); /* cage(build): KVM_GET_SUPPORTED_CPUID */
	if (r < 0)
		return error_set_errno(e, r, "KVM_GET_SUPPORTED_CPUID");
	add_tsc_deadline(host);
	return 0;
}

int kvm_host_new(int kvm_fd, struct kvm_host **ret, struct error *e)
{
	_cleanup_close_ int fd = kvm_fd;
	_cleanup_(kvm_host_freep) struct kvm_host *host = NULL;
	int r = check(fd, e);

	if (r < 0)
		return r;
	host = calloc(1, sizeof(*host));
	if (!host)
		return error_set_errno(e, -ENOMEM, "looking at /dev/kvm");
	host->fd = take_fd(fd);
	r = kvm_ioctl(host->fd, KVM_GET_VCPU_MMAP_SIZE, 0); /* cage(build): KVM_GET_VCPU_MMAP_SIZE */
	if (r < 0)
		return error_set_errno(e, r, "KVM_GET_VCPU_MMAP_SIZE");
	host->run_size = (size_t)r;
	host->has_xcrs = kvm_ioctl(host->fd, KVM_CHECK_EXTENSION, KVM_CAP_XCRS) > 0;
	host->tells_msrs = kvm_ioctl(host->fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_USER_SPACE_MSR) > 0;
	host->has_dirty_ring = kvm_ioctl(host->fd, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING) >= (int)RING_SIZE;
	r = load_supported_cpuid(host, e);
	if (r < 0)
		return r;
	*ret = take_ptr(host);
	return 0;
}

struct kvm_host *kvm_host_free(struct kvm_host *host)
{
	if (!host)
		return NULL;
	free(host->cpuid);
	close_fd(host->fd);
	free(host);
	return NULL;
}

bool kvm_host_has_gigabyte_pages(const struct kvm_host *host)
{
	for (uint32_t i = 0; i < host->cpuid->nent; i++)
		if (host->cpuid->entries[i].function == 0x80000001)
			return host->cpuid->entries[i].edx >> 26 & 1;
	return false;
}

bool kvm_host_intercepts_hypercalls(const struct kvm_host *host)
{
	int flags = kvm_ioctl(host->fd, KVM_CHECK_EXTENSION, KVM_CAP_XEN_HVM); /* cage(build): KVM_CHECK_EXTENSION */

	return flags > 0 && flags & KVM_XEN_HVM_CONFIG_INTERCEPT_HCALL;
}

unsigned kvm_host_physical_bits(const struct kvm_host *host)
{
	for (uint32_t i = 0; i < host->cpuid->nent; i++)
		if (host->cpuid->entries[i].function == 0x80000008)
			return host->cpuid->entries[i].eax & 0xFF;
	return 36; /* what every 64-bit processor has: SDM volume 2A, CPUID, 80000008H */
}

bool kvm_host_has_dirty_ring(const struct kvm_host *host)
{
	return host->has_dirty_ring;
}
