/* SPDX-License-Identifier: MIT */
/* hvm-linux.c - how a Linux process comes to make hypercalls; see hvm.h */
#define _GNU_SOURCE
#include <cpuid.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hvm.h"

#define PAGE 4096

int hvm_open_port(struct hvm *h)
{
	*h = (struct hvm){.way = HVM_BY_PORT, .syscall = hvm_linux_syscall};
	return ioperm(HVM_PORT, 4, 1);
}

/* Strict kernels give user space only what no driver has: CONFIG_STRICT_DEVMEM allows our pages, being no RAM. */
static void *map(uint64_t gpa, int flags, int protection)
{
	int fd = open("/dev/mem", flags | O_CLOEXEC);
	void *page = fd < 0 ? MAP_FAILED : mmap(NULL, PAGE, protection, MAP_SHARED, fd, (off_t)gpa);

	if (fd >= 0)
		close(fd);
	return page;
}

int hvm_open_doorbell(struct hvm *h)
{
	void *page = map(HVM_DOORBELL_GPA, O_RDWR | O_SYNC, PROT_READ | PROT_WRITE);

	*h = (struct hvm){.way = HVM_BY_DOORBELL, .syscall = hvm_linux_syscall};
	if (page == MAP_FAILED)
		return -1;
	if (*(volatile uint32_t *)page != HVM_DOORBELL_MAGIC) {
		munmap(page, PAGE);
		errno = ENODEV;
		return -1;
	}
	h->doorbell = page;
	return 0;
}

struct registers {
	unsigned eax, ebx, ecx, edx;
};

/* What CPUID says of the HVM: HVM_CPUID_PAGE; all 0 where there is none. */
static struct registers find_hvm(void)
{
	const unsigned base = HVM_CPUID_ROS_OFFSET;
	struct registers r;

	__cpuid(base + HVM_CPUID_SIGNATURE, r.eax, r.ebx, r.ecx, r.edx);
	if (r.ebx != HVM_CPUID_NAME || r.ecx != HVM_CPUID_NAME || r.edx != HVM_CPUID_NAME || r.eax < base + HVM_CPUID_PAGE)
		return (struct registers){0};
	__cpuid(base + HVM_CPUID_PAGE, r.eax, r.ebx, r.ecx, r.edx);
	return r;
}

#define HYGON 0x6F677948 /* "Hygo": processors of AMD's design */

static enum hvm_way find_instruction(void)
{
	unsigned eax, ebx, ecx, edx;

	__cpuid(0, eax, ebx, ecx, edx);
	return ebx == signature_AMD_ebx || ebx == HYGON ? HVM_BY_VMMCALL : HVM_BY_VMCALL;
}

int hvm_open_instruction(struct hvm *h)
{
	*h = (struct hvm){.way = find_instruction(), .syscall = hvm_linux_syscall};
	if (find_hvm().ecx & HVM_CPUID_INTERCEPTS)
		return 0;
	errno = ENODEV;
	return -1;
}

int hvm_open_page(struct hvm *h)
{
	struct registers hvm = find_hvm();
	uint64_t gpa = hvm.eax | (uint64_t)hvm.ebx << 32;
	void *page = gpa ? map(gpa, O_RDONLY, PROT_READ) : MAP_FAILED;

	if (!gpa)
		errno = ENODEV;
	if (page == MAP_FAILED)
		return -1;
	h->page = page;
	return 0;
}

void hvm_close(struct hvm *h)
{
	if (h->page)
		munmap((void *)h->page, PAGE);
	h->page = NULL;
	if (h->doorbell)
		munmap((void *)h->doorbell, PAGE);
	h->doorbell = NULL;
	if (h->way == HVM_BY_PORT)
		ioperm(HVM_PORT, 4, 0);
}

/* As syscall(2), with the kernel's way to tell of errors: -errno. */
uint64_t hvm_linux_syscall(void *data, const uint64_t args[8])
{
	long r;

	(void)data;
	r = syscall((long)args[0], args[1], args[2], args[3], args[4], args[5], args[6]);
	return r < 0 ? (uint64_t)-errno : (uint64_t)r;
}
