/*
 * refusals.c - see refusals.h
 *
 * The C library's own inside (malloc, stdio, threads) does not come by here. Nothing here may allocate.
 */
#include "refusals.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

static struct refusals *refusals;
static int (*real_pthread_create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
static int (*real_clone)(int (*)(void *), void *, int, void *, ...);

/* syscall(2) is one of those that are taken over. */
static long raw(long number, long a, long b, long c, long d, long e, long f)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
	long r;

	__asm__ volatile("syscall"
		: "=a"(r)
		: "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
		: "rcx", "r11", "memory");
	if (r >= 0 || r < -4095)
		return r;
	errno = (int)-r;
	return -1;
}

#define RAW_(number, a, b, c, d, e, f, ...) \
	raw(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))
#define RAW(...) RAW_(__VA_ARGS__, 0, 0, 0, 0, 0, 0, 0)

__attribute__((constructor)) static void find_shared_memory(void)
{
	const char *path = getenv("HVMD_REFUSALS");
	long fd = path ? RAW(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
	long at;

	*(void **)&real_pthread_create = dlsym(RTLD_NEXT, "pthread_create");
	*(void **)&real_clone = dlsym(RTLD_NEXT, "clone");
	if (fd < 0)
		return;
	at = RAW(SYS_mmap, NULL, sizeof(*refusals), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at > 0)
		refusals = (struct refusals *)at;
	RAW(SYS_close, fd);
}

/* Counts a call; its errno when it is the one that fails, otherwise 0. */
static int refuse(const char *what, unsigned long number)
{
	if (!refusals || atomic_fetch_add(&refusals->calls, 1) + 1 != atomic_load(&refusals->nth))
		return 0;
	snprintf(refusals->what, sizeof(refusals->what), "%s 0x%lx", what, number);
	return refusals->error;
}

#define REFUSE(what, number, failed)                            \
	do {                                                    \
		int e_ = refuse(what, (unsigned long)(number)); \
		if (e_) {                                       \
			errno = e_;                             \
			return failed;                          \
		}                                               \
	} while (0)

/* A call that is no more than the kernel's: its type and name, its parameters, a number that tells it, and the kernel's call. */
#define CALL(type, name, parameters, number, ...)   \
	type name parameters                        \
	{                                           \
		REFUSE(#name, number, (type)-1);    \
		return (type)RAW(__VA_ARGS__);      \
	}

/* Memory */
CALL(void *, mmap, (void *at, size_t size, int access, int flags, int fd, off_t offset), size, SYS_mmap, at, size, access,
	flags, fd, offset)
CALL(int, madvise, (void *at, size_t size, int advice), advice, SYS_madvise, at, size, advice)
CALL(int, memfd_create, (const char *name, unsigned flags), flags, SYS_memfd_create, name, flags)

/* Files */
CALL(int, ftruncate, (int fd, off_t size), size, SYS_ftruncate, fd, size)
CALL(int, eventfd, (unsigned value, int flags), value, SYS_eventfd2, value, flags)
CALL(ssize_t, pread, (int fd, void *to, size_t size, off_t offset), size, SYS_pread64, fd, to, size, offset)
CALL(ssize_t, read, (int fd, void *to, size_t size), size, SYS_read, fd, to, size)
CALL(ssize_t, readv, (int fd, const struct iovec *to, int n), n, SYS_readv, fd, to, n)
CALL(ssize_t, write, (int fd, const void *from, size_t size), size, SYS_write, fd, from, size)
CALL(ssize_t, writev, (int fd, const struct iovec *from, int n), n, SYS_writev, fd, from, n)
CALL(int, fstat, (int fd, struct stat *st), fd, SYS_newfstatat, fd, "", st, AT_EMPTY_PATH)
CALL(int, stat, (const char *path, struct stat *st), 0, SYS_newfstatat, AT_FDCWD, path, st, 0)
CALL(int, fstatat, (int fd, const char *path, struct stat *st, int flags), flags, SYS_newfstatat, fd, path, st, flags)
CALL(int, fsync, (int fd), fd, SYS_fsync, fd)
CALL(int, flock, (int fd, int operation), operation, SYS_flock, fd, operation)
CALL(int, mkdir, (const char *path, mode_t mode), mode, SYS_mkdir, path, mode)
CALL(int, renameat, (int from, const char *old, int to, const char *new), 0, SYS_renameat, from, old, to, new)
CALL(int, unlinkat, (int fd, const char *path, int flags), flags, SYS_unlinkat, fd, path, flags)
CALL(int, dup, (int fd), fd, SYS_dup, fd)
CALL(int, dup2, (int from, int to), to, SYS_dup2, from, to)
CALL(int, pipe2, (int fds[2], int flags), flags, SYS_pipe2, fds, flags)

int fchmodat(int fd, const char *path, mode_t mode, int flags)
{
	(void)flags;
	REFUSE("fchmodat", mode, -1);
	return (int)RAW(SYS_fchmodat, fd, path, mode);
}

/* Sockets */

/* Datagrams go to systemd and its journal. */
int socket(int domain, int type, int protocol)
{
	if (!(type & SOCK_DGRAM))
		REFUSE("socket", type, -1);
	return (int)RAW(SYS_socket, domain, type, protocol);
}

CALL(int, socketpair, (int domain, int type, int protocol, int fds[2]), type, SYS_socketpair, domain, type, protocol, fds)
CALL(int, listen, (int fd, int backlog), backlog, SYS_listen, fd, backlog)
CALL(ssize_t, recvmsg, (int fd, struct msghdr *m, int flags), flags, SYS_recvmsg, fd, m, flags)
CALL(int, getsockopt, (int fd, int level, int option, void *value, socklen_t *size), option, SYS_getsockopt, fd, level,
	option, value, size)
CALL(int, setsockopt, (int fd, int level, int option, const void *value, socklen_t size), option, SYS_setsockopt, fd, level,
	option, value, size)

int bind(int fd, const struct sockaddr *address, socklen_t size)
{
	REFUSE("bind", size, -1);
	return (int)RAW(SYS_bind, fd, address, size);
}

int connect(int fd, const struct sockaddr *address, socklen_t size)
{
	REFUSE("connect", size, -1);
	return (int)RAW(SYS_connect, fd, address, size);
}

int accept4(int fd, struct sockaddr *address, socklen_t *size, int flags)
{
	REFUSE("accept4", flags, -1);
	return (int)RAW(SYS_accept4, fd, address, size, flags);
}

/* With an address it goes to systemd or its journal. */
ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
	if (!m->msg_name)
		REFUSE("sendmsg", flags, -1);
	return RAW(SYS_sendmsg, fd, m, flags);
}

/* Waiting */
CALL(int, poll, (struct pollfd *fds, nfds_t n, int timeout), n, SYS_poll, fds, n, timeout)
CALL(int, epoll_create1, (int flags), flags, SYS_epoll_create1, flags)
CALL(int, epoll_ctl, (int fd, int operation, int of, struct epoll_event *event), operation, SYS_epoll_ctl, fd, operation,
	of, event)
CALL(int, epoll_wait, (int fd, struct epoll_event *events, int n, int timeout), n, SYS_epoll_wait, fd, events, n, timeout)

/* Processes and threads */
CALL(int, execve, (const char *path, char *const argv[], char *const env[]), 0, SYS_execve, path, argv, env)
CALL(ssize_t, getrandom, (void *to, size_t size, unsigned flags), size, SYS_getrandom, to, size, flags)

int waitid(idtype_t type, id_t id, siginfo_t *info, int options)
{
	REFUSE("waitid", options, -1);
	return (int)RAW(SYS_waitid, type, id, info, options, NULL);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *userdata)
{
	int e = refuse("pthread_create", 0);

	return e ? e : real_pthread_create(thread, attributes, run, userdata);
}

int clone(int (*run)(void *), void *stack, int flags, void *userdata, ...)
{
	va_list ap;
	void *pidfd;

	REFUSE("clone", flags, -1);
	va_start(ap, userdata);
	pidfd = va_arg(ap, void *);
	va_end(ap);
	return real_clone(run, stack, flags, userdata, pidfd);
}

/* A cage */
CALL(int, mount, (const char *what, const char *where, const char *type, unsigned long flags, const void *data), flags,
	SYS_mount, what, where, type, flags, data)
CALL(int, umount2, (const char *where, int flags), flags, SYS_umount2, where, flags)
CALL(int, chroot, (const char *path), 0, SYS_chroot, path)
CALL(int, chdir, (const char *path), 0, SYS_chdir, path)
CALL(int, setgroups, (size_t n, const gid_t *groups), n, SYS_setgroups, n, groups)
CALL(int, setresgid, (gid_t real, gid_t effective, gid_t saved), 0, SYS_setresgid, real, effective, saved)
CALL(int, setresuid, (uid_t real, uid_t effective, uid_t saved), 0, SYS_setresuid, real, effective, saved)

int setrlimit(__rlimit_resource_t resource, const struct rlimit *limit)
{
	REFUSE("setrlimit", resource, -1);
	return (int)RAW(SYS_prlimit64, 0, resource, limit, NULL);
}

/* With arguments that vary */

#define ARGUMENTS(last, n, a)                        \
	do {                                         \
		va_list ap_;                         \
		va_start(ap_, last);                 \
		for (int i_ = 0; i_ < (n); i_++)     \
			(a)[i_] = va_arg(ap_, long); \
		va_end(ap_);                         \
	} while (0)

int ioctl(int fd, unsigned long request, ...)
{
	long a[1];

	ARGUMENTS(request, 1, a);
	REFUSE("ioctl", request, -1);
	return (int)RAW(SYS_ioctl, fd, request, a[0]);
}

int fcntl(int fd, int command, ...)
{
	long a[1];

	ARGUMENTS(command, 1, a);
	REFUSE("fcntl", command, -1);
	return (int)RAW(SYS_fcntl, fd, command, a[0]);
}

int prctl(int option, ...)
{
	long a[4];

	ARGUMENTS(option, 4, a);
	REFUSE("prctl", option, -1);
	return (int)RAW(SYS_prctl, option, a[0], a[1], a[2], a[3]);
}

int open(const char *path, int flags, ...)
{
	long a[1];

	ARGUMENTS(flags, 1, a);
	REFUSE("open", flags, -1);
	return (int)RAW(SYS_openat, AT_FDCWD, path, flags, a[0]);
}

int openat(int fd, const char *path, int flags, ...)
{
	long a[1];

	ARGUMENTS(flags, 1, a);
	REFUSE("openat", flags, -1);
	return (int)RAW(SYS_openat, fd, path, flags, a[0]);
}

long syscall(long number, ...)
{
	long a[6];

	ARGUMENTS(number, 6, a);
	REFUSE("syscall", number, -1);
	return raw(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
