/*
 * cage.c - see cage.h
 *
 * Stages, in this order: limits, no new privileges, the filter of system calls.
 * The filter is a list of what is allowed; beside each call stands who needs it.
 */
#include "monitor/cage.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "base/error.h"
#include "base/macro.h"

#define ALLOW(name)                                                                                            \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_##name, 0, 1), BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

#ifdef BUILT_WITH_SANITIZERS
#define MEMORY_LIMIT RLIM_INFINITY /* ASan maps terabytes of shadow */
#else
#define MEMORY_LIMIT (2 * GiB)
#endif

static int set_limits(struct error *e)
{
	static const struct {
		int resource;
		rlim_t limit;
	} limits[] = {
		{RLIMIT_CPU, 60},
		{RLIMIT_AS, MEMORY_LIMIT},
		{RLIMIT_FSIZE, 0},
		{RLIMIT_CORE, 0},
		{RLIMIT_NPROC, 0},
	};

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		struct rlimit limit = {.rlim_cur = limits[i].limit, .rlim_max = limits[i].limit};

		if (setrlimit((__rlimit_resource_t)limits[i].resource, &limit) < 0)
			return error_set_errno(e, -errno, "limiting resource %d", limits[i].resource);
	}
	return 0;
}

static int set_filter(struct error *e)
{
#ifdef BUILT_WITH_SANITIZERS
	(void)e; /* ASan makes calls of its own, most of all when it has something to say */
	return 0;
#else
	static struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(pread64),    /* file_read() of images */
		ALLOW(newfstatat), /* fstat() in file_read() */
		ALLOW(fstat),      /* the same, by another libc */
		ALLOW(close),      /* images that are done with */
		ALLOW(mmap),       /* malloc() */
		ALLOW(munmap),
		ALLOW(mremap),
		ALLOW(brk),
		ALLOW(madvise),
		ALLOW(sendmsg),    /* the reply */
		ALLOW(write),      /* log lines on standard error */
		ALLOW(exit_group),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	static const struct sock_fprog program = {.len = ARRAY_SIZE(filter), .filter = filter};

	if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
		return error_set_errno(e, -errno, "filtering system calls");
	return 0;
#endif
}

int cage_enter_inspector(struct error *e)
{
	int r = set_limits(e);

	if (r < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return error_set_errno(e, -errno, "giving up new privileges");
	return set_filter(e);
}
