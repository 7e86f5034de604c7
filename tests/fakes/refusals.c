/* refusals.c - see refusals.h */
#include "refusals.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct refusals *refusals;

__attribute__((constructor)) static void find_shared_memory(void)
{
	const char *path = getenv("HVMD_REFUSALS");
	long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	long at;

	if (fd < 0)
		return;
	at = syscall(SYS_mmap, NULL, sizeof(*refusals), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at > 0)
		refusals = (struct refusals *)at;
	syscall(SYS_close, fd);
}

/* Counts a call; its errno when it is the one that fails, otherwise 0. */
static int refuse(const char *what, unsigned long number)
{
	if (!refusals || atomic_fetch_add(&refusals->calls, 1) + 1 != atomic_load(&refusals->nth))
		return 0;
	snprintf(refusals->what, sizeof(refusals->what), "%s 0x%lx", what, number);
	return refusals->error;
}

#define REFUSE(what, number, failed)           \
	do {                                   \
		int e_ = refuse(what, number); \
		if (e_) {                      \
			errno = e_;            \
			return failed;         \
		}                              \
	} while (0)

int ioctl(int fd, unsigned long request, ...)
{
	va_list ap;
	void *argument;

	va_start(ap, request);
	argument = va_arg(ap, void *);
	va_end(ap);
	REFUSE("ioctl", request, -1);
	return (int)syscall(SYS_ioctl, fd, request, argument);
}

void *mmap(void *at, size_t size, int access, int flags, int fd, off_t offset)
{
	REFUSE("mmap", size, MAP_FAILED);
	return (void *)syscall(SYS_mmap, at, size, access, flags, fd, offset);
}

int madvise(void *at, size_t size, int advice)
{
	REFUSE("madvise", (unsigned long)advice, -1);
	return (int)syscall(SYS_madvise, at, size, advice);
}

int memfd_create(const char *name, unsigned flags)
{
	REFUSE("memfd_create", flags, -1);
	return (int)syscall(SYS_memfd_create, name, flags);
}

int ftruncate(int fd, off_t size)
{
	REFUSE("ftruncate", (unsigned long)size, -1);
	return (int)syscall(SYS_ftruncate, fd, size);
}

int eventfd(unsigned value, int flags)
{
	REFUSE("eventfd", value, -1);
	return (int)syscall(SYS_eventfd2, value, flags);
}

ssize_t pread(int fd, void *to, size_t size, off_t offset)
{
	REFUSE("pread", size, -1);
	return syscall(SYS_pread64, fd, to, size, offset);
}

int listen(int fd, int backlog)
{
	REFUSE("listen", (unsigned long)backlog, -1);
	return (int)syscall(SYS_listen, fd, backlog);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	REFUSE("accept4", (unsigned long)flags, -1);
	return (int)syscall(SYS_accept4, fd, address, size, flags);
}
