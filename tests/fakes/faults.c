/*
 * faults.c - see faults.h
 *
 * What a program defines itself comes before what the C library has, for the
 * libraries that it is linked with, too. Nothing here may allocate.
 */
#include "faults.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_SIZE 512

struct faults *faults;

static struct faults *map(int fd)
{
	void *at = mmap(NULL, sizeof(*faults), PROT_READ | PROT_WRITE,
		fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	return at == MAP_FAILED ? NULL : at;
}

void faults_reset(const char *folder)
{
	if (!faults)
		faults = map(-1);
	if (!faults)
		abort();
	memset(faults, 0, offsetof(struct faults, log));
	snprintf(faults->folder, sizeof(faults->folder), "%s", folder);
}

__attribute__((constructor)) static void find_shared_memory(void)
{
	const char *path = getenv("HVMD_FAULTS");
	long fd = path ? syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;

	if (fd >= 0) {
		faults = map((int)fd);
		syscall(SYS_close, (int)fd);
	}
}

/* Counts down; true when it is the turn of this one. */
static bool is_due(atomic_long *until, bool for_good)
{
	long left = atomic_load(until);

	if (left <= 0)
		return false;
	if (left == 1)
		return for_good || atomic_exchange(until, 0) == 1;
	return atomic_fetch_sub(until, 1) == 1;
}

/* Paths */

static bool is_inside(const char *path)
{
	size_t n = faults ? strlen(faults->folder) : 0;

	return n > 0 && strncmp(path, faults->folder, n) == 0 && (path[n] == '/' || path[n] == '\0');
}

/* The path of a descriptor; "" when it has none. */
static void path_of(int fd, char ret[PATH_SIZE])
{
	char link[32];
	long n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = syscall(SYS_readlinkat, AT_FDCWD, link, ret, PATH_SIZE - 1);
	ret[n < 0 ? 0 : n] = '\0';
}

/* The path of a name in a folder: "." is the folder itself. */
static void path_in(int dirfd, const char *name, char ret[PATH_SIZE])
{
	size_t n;

	ret[0] = '\0';
	if (name[0] != '/' && dirfd != AT_FDCWD)
		path_of(dirfd, ret);
	n = strlen(ret);
	if (strcmp(name, ".") != 0)
		snprintf(ret + n, PATH_SIZE - n, "%s%s", n ? "/" : "", name);
}

/* Recording */

static void append(const void *data, size_t size)
{
	if (faults->log_size + size > FAULTS_LOG_SIZE)
		abort();
	memcpy(faults->log + faults->log_size, data, size);
	faults->log_size += size;
}

/* hvmd works in several threads, but never on the same thing: what matters is that records stay whole. */
static void record(enum record_type type, const char *path, uint64_t offset, const void *data, size_t size)
{
	static atomic_flag busy = ATOMIC_FLAG_INIT;
	struct record r = {.type = type,
		.path_size = (uint32_t)strlen(path) + 1,
		.data_size = (uint32_t)size,
		.offset = offset};

	if (!faults->recording)
		return;
	while (atomic_flag_test_and_set(&busy))
		;
	append(&r, sizeof(r));
	append(path, r.path_size);
	append(data, size);
	atomic_flag_clear(&busy);
}

void faults_mark(const char *text)
{
	record(RECORD_MARK, text, 0, "", 0);
}

/* Failing */

/* Whether the call fails; errno is set then. */
static bool call_fails(const char *path, bool changes)
{
	if (!is_inside(path) || (!changes && !faults->reads))
		return false;
	faults->calls++;
	if (!is_due(&faults->calls_until, faults->for_good))
		return false;
	if (faults->action == FAULT_KILL)
		syscall(SYS_kill, getpid(), SIGKILL);
	errno = faults->action;
	return true;
}

/* Calls */

static int do_open(int dirfd, const char *name, int flags, mode_t mode)
{
	char path[PATH_SIZE];
	bool changes = flags & (O_CREAT | O_TRUNC), there;
	int fd;

	path_in(dirfd, name, path);
	there = syscall(SYS_faccessat, dirfd, name, F_OK) == 0;
	if (call_fails(path, changes))
		return -1;
	fd = (int)syscall(SYS_openat, dirfd, name, flags, mode);
	if (fd >= 0 && is_inside(path) && (there ? flags & O_TRUNC : flags & O_CREAT))
		record(there ? RECORD_TRUNCATE : RECORD_CREATE, path, 0, "", 0);
	return fd;
}

static mode_t mode_argument(int flags, va_list ap)
{
	return flags & (O_CREAT | O_TMPFILE) ? (mode_t)va_arg(ap, int) : 0;
}

int openat(int dirfd, const char *name, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_argument(flags, ap);
	va_end(ap);
	return do_open(dirfd, name, flags, mode);
}

int open(const char *name, int flags, ...)
{
	va_list ap;
	mode_t mode;

	va_start(ap, flags);
	mode = mode_argument(flags, ap);
	va_end(ap);
	return do_open(AT_FDCWD, name, flags, mode);
}

ssize_t write(int fd, const void *data, size_t size)
{
	char path[PATH_SIZE];
	long offset, n;

	path_of(fd, path);
	if (call_fails(path, true))
		return -1;
	offset = is_inside(path) ? syscall(SYS_lseek, fd, 0, SEEK_CUR) : 0;
	n = syscall(SYS_write, fd, data, size);
	if (n > 0 && is_inside(path))
		record(RECORD_WRITE, path, (uint64_t)offset, data, (size_t)n);
	return n;
}

int fsync(int fd)
{
	char path[PATH_SIZE];
	long r;

	path_of(fd, path);
	if (call_fails(path, true))
		return -1;
	r = syscall(SYS_fsync, fd);
	if (r == 0 && is_inside(path))
		record(RECORD_SYNC, path, 0, "", 0);
	return (int)r;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	char path[PATH_SIZE], to_path[PATH_SIZE];
	long r;

	path_in(from_fd, from, path);
	path_in(to_fd, to, to_path);
	if (call_fails(path, true))
		return -1;
	r = syscall(SYS_renameat, from_fd, from, to_fd, to);
	if (r == 0 && is_inside(path))
		record(RECORD_RENAME, path, 0, to_path, strlen(to_path) + 1);
	return (int)r;
}

int unlinkat(int dirfd, const char *name, int flags)
{
	char path[PATH_SIZE];
	long r;

	path_in(dirfd, name, path);
	if (call_fails(path, true))
		return -1;
	r = syscall(SYS_unlinkat, dirfd, name, flags);
	if (r == 0 && is_inside(path))
		record(RECORD_UNLINK, path, 0, "", 0);
	return (int)r;
}

int mkdir(const char *name, mode_t mode)
{
	char path[PATH_SIZE];
	long r;

	path_in(AT_FDCWD, name, path);
	if (call_fails(path, true))
		return -1;
	r = syscall(SYS_mkdirat, AT_FDCWD, name, mode);
	if (r == 0 && is_inside(path))
		record(RECORD_MKDIR, path, 0, "", 0);
	return (int)r;
}

ssize_t pread(int fd, void *data, size_t size, off_t offset)
{
	char path[PATH_SIZE];

	path_of(fd, path);
	return call_fails(path, false) ? -1 : syscall(SYS_pread64, fd, data, size, offset);
}

int fstat(int fd, struct stat *ret)
{
	char path[PATH_SIZE];

	path_of(fd, path);
	return call_fails(path, false) ? -1 : (int)syscall(SYS_fstat, fd, ret);
}

int fstatat(int dirfd, const char *restrict name, struct stat *restrict ret, int flags)
{
	char path[PATH_SIZE];

	path_in(dirfd, name, path);
	return call_fails(path, false) ? -1 : (int)syscall(SYS_newfstatat, dirfd, name, ret, flags);
}

struct dirent *readdir(DIR *dir)
{
	static struct dirent *(*real)(DIR *);
	char path[PATH_SIZE];

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "readdir");
	path_of(dirfd(dir), path);
	return call_fails(path, false) ? NULL : real(dir);
}

/* The heap. ASan has one of its own, and does not let go of it. */

#ifndef BUILT_WITH_SANITIZERS

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t size);

static bool malloc_fails(void)
{
	if (!faults)
		return false;
	faults->mallocs++;
	if (!is_due(&faults->mallocs_until, false))
		return false;
	errno = ENOMEM;
	return true;
}

void *malloc(size_t size)
{
	return malloc_fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
	return malloc_fails() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
	return malloc_fails() ? NULL : __libc_realloc(p, size);
}

#endif
