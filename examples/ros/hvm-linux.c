/* SPDX-License-Identifier: MIT */
/* hvm-linux.c - how a Linux process comes to make hypercalls; see hvm.h */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/io.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hvm.h"

#define PAGE 4096

int hvm_open_port(struct hvm *h)
{
	*h = (struct hvm){.syscall = hvm_linux_syscall};
	return ioperm(HVM_PORT, 4, 1);
}

/* Strict kernels give user space only what no driver has: CONFIG_STRICT_DEVMEM allows this page, being no RAM. */
int hvm_open_doorbell(struct hvm *h)
{
	int fd = open("/dev/mem", O_RDWR | O_SYNC | O_CLOEXEC);
	void *page;

	*h = (struct hvm){.syscall = hvm_linux_syscall};
	if (fd < 0)
		return -1;
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)HVM_DOORBELL_GPA);
	close(fd);
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

void hvm_close(struct hvm *h)
{
	if (h->doorbell)
		munmap((void *)h->doorbell, PAGE);
	else
		ioperm(HVM_PORT, 4, 0);
	h->doorbell = NULL;
}

/* As syscall(2), with the kernel's way to tell of errors: -errno. */
uint64_t hvm_linux_syscall(void *data, const uint64_t args[8])
{
	long r;

	(void)data;
	r = syscall((long)args[0], args[1], args[2], args[3], args[4], args[5], args[6]);
	return r < 0 ? (uint64_t)-errno : (uint64_t)r;
}
