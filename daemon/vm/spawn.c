/*
 * spawn.c - see spawn.h
 *
 * The child runs on hvmd's memory until it calls execve(), as after vfork(): hvmd
 * is stopped so long, and the child touches nothing but its own stack and *attempt.
 *
 * In a user namespace of its own, where it is mapped to root, a process has all
 * capabilities over its other namespaces and none over anything else; the
 * monitor's cage gives these up, too.
 */
#include "vm/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/link.h"
#include "base/io.h"
#include "base/macro.h"

#ifdef BUILT_WITH_SANITIZERS
#define NAMESPACES (CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) /* LeakSanitizer looks itself up in /proc */
#else
#define NAMESPACES (CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)
#endif
#define STACK_SIZE (64 * KiB)

/*
 * Users for monitors: 2^24 of a range that systemd's list of users and groups leaves free. Drawn, so that
 * they need not be remembered; two monitors that draw the same are still kept apart by their namespaces.
 */
#define USERS_FIRST 0x70000000u
#define USERS_MASK  0x00FFFFFFu

/* Ways to make the process, best first. */
static const struct way {
	int namespaces;
	bool user_namespace;
	bool for_root;
} ways[] = {
	{NAMESPACES, false, true},
	{NAMESPACES | CLONE_NEWUSER, true, false},
	{0, false, false},
};

struct attempt {
	const char *path;
	char *const *argv;
	int link;
	bool user_namespace;
	char uid_map[32], gid_map[32];
	sigset_t no_signals;
	int error; /* negative errno of the child; 0 after execve() */
};

static int write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), r;

	if (fd < 0)
		return -errno;
	r = write_full(fd, text, strlen(text));
	close(fd);
	return r;
}

static int map_to_root(const struct attempt *attempt)
{
	int r = write_file("/proc/self/setgroups", "deny");

	if (r == 0)
		r = write_file("/proc/self/gid_map", attempt->gid_map);
	return r == 0 ? write_file("/proc/self/uid_map", attempt->uid_map) : r;
}

static int place_descriptors(int link)
{
	int null = open("/dev/null", O_RDONLY);

	if (null < 0 || (null != STDIN_FILENO && dup2(null, STDIN_FILENO) < 0))
		return -errno;
	if (null > STDERR_FILENO)
		close(null);
	if (link == LINK_FD)
		return fcntl(link, F_SETFD, 0) < 0 ? -errno : 0;
	return dup2(link, LINK_FD) < 0 ? -errno : 0;
}

/* It never returns, so it has no objects on its stack: a sanitizer would mark what lies around them for good. */
static int child(void *data)
{
	struct attempt *attempt = data;

	setsid();
	attempt->error = attempt->user_namespace ? map_to_root(attempt) : 0;
	if (attempt->error == 0)
		attempt->error = place_descriptors(attempt->link);
	if (attempt->error < 0)
		_exit(127);
	sigprocmask(SIG_SETMASK, &attempt->no_signals, NULL);
	execve(attempt->path, attempt->argv, environ);
	attempt->error = -errno;
	_exit(127);
}

/* Handlers of ours must not run in the child, which shares our memory: no signal is taken meanwhile. */
static int start(struct attempt *attempt, int flags, struct spawned *ret)
{
	_Alignas(16) char stack[STACK_SIZE];
	sigset_t all, before;

	sigemptyset(&attempt->no_signals);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret->pid = clone(child, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD | flags, attempt,
		&ret->pidfd);
	if (ret->pid < 0)
		attempt->error = -errno;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (attempt->error < 0 && ret->pid > 0) {
		waitpid(ret->pid, NULL, 0);
		close(ret->pidfd);
	}
	return attempt->error;
}

static int try(const struct way *way, const char *path, int link, struct spawned *ret)
{
	struct attempt attempt = {.path = path, .link = link, .user_namespace = way->user_namespace};
	char user[32];
	const char *argv[4] = {"hvm-monitor"};
	uint32_t drawn = 0;
	size_t n = 1;

	snprintf(attempt.uid_map, sizeof(attempt.uid_map), "0 %u 1", (unsigned)geteuid());
	snprintf(attempt.gid_map, sizeof(attempt.gid_map), "0 %u 1", (unsigned)getegid());
	if (way->namespaces)
		argv[n++] = "--namespaces";
	if (geteuid() == 0 && !way->user_namespace && getrandom(&drawn, sizeof(drawn), 0) == sizeof(drawn)) {
		snprintf(user, sizeof(user), "--user=%u", USERS_FIRST + (drawn & USERS_MASK));
		argv[n++] = user;
	}
	attempt.argv = (char *const *)argv;
	return start(&attempt, way->namespaces, ret);
}

/* What a host says that forbids namespaces, in a kernel or in a filter. */
static bool is_forbidden(int error)
{
	return error == -EPERM || error == -EACCES || error == -ENOSPC || error == -EINVAL || error == -ENOSYS ||
		error == -EUSERS || error == -EROFS;
}

bool spawn_gives_user(uid_t user)
{
	return geteuid() == 0 && user >= USERS_FIRST && user <= USERS_FIRST + USERS_MASK;
}

int spawn_monitor(const char *path, int link, struct spawned *ret)
{
	static size_t best; /* what did not work once is not tried again */
	int r = 0;

	for (size_t i = best; i < ARRAY_SIZE(ways); i++) {
		if (ways[i].for_root && geteuid() != 0)
			continue;
		r = try(&ways[i], path, link, ret);
		if (r == 0)
			best = i;
		if (r == 0 || !is_forbidden(r))
			break;
	}
	return r;
}
