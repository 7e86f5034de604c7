/*
 * spawn.h - making the process of a monitor
 *
 * It gets no arguments but what its cage is to know, no files but its end of the
 * link and standard output and error, a session of its own, which keeps the
 * terminal away from it, and what it cannot give itself: new namespaces
 * (mount, pid, network, IPC, host name; with a user namespace where hvmd is not
 * root), of which it is the first process, and, from an hvmd that is root, a
 * user that nobody else is. hvmd's address space is not copied.
 *
 * A host may forbid namespaces (user.max_user_namespaces, a container's filter).
 * Then a monitor starts without, and says so: LINK_HELLO.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct spawned {
	pid_t pid;
	int pidfd; /* the caller's */
};

/* Whether this may be the user of a monitor that a hvmd of ours has made, beside our own. */
bool spawn_gives_user(uid_t user);

/* Runs `path` with `link` (borrowed) as LINK_FD. Returns 0, or a negative errno. */
int spawn_monitor(const char *path, int link, struct spawned *ret);
