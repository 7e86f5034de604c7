/*
 * cage.h - giving up rights before touching what strangers made
 *
 * A monitor runs what a guest made and parses what an image says. Whoever breaks
 * out of KVM, or of a parser, is in this process, and is to find nothing here:
 * no file, no network, no other process, no right to ask the kernel for either.
 * What is left is what stands in comments of this form beside the code that needs
 * it, collected when hvmd is built (collect-calls.awk):
 *
 *	cage(run): poll                 a system call, at any time
 *	cage(build): memfd_create       until the machine is built
 *	cage(inspect): pread64          in an inspector
 *	cage(run): KVM_RUN              a request of ioctl(2)
 *
 * Whoever adds such a call adds such a comment. A call that nobody wrote down ends
 * the monitor with SIGSYS and a line in the log that has its number. At most
 * CAGE_CALLS_MAX calls and CAGE_REQUESTS_MAX requests may be left once the machine
 * runs; a test counts them.
 *
 * The stages, in this order:
 *
 *	limits        no core file, no locks, no message queues
 *	root          an empty, read-only root; where hvmd gave a mount namespace
 *	bounds        nothing can be gained by exec: the capability bounding set
 *	user          a user of its own; where hvmd may give one
 *	capabilities  none
 *	privileges    no new ones (PR_SET_NO_NEW_PRIVS)
 *	building      the calls that building a machine needs, ioctls by number
 *	running       the calls that a built machine needs; no file may grow, no
 *	              more descriptors than hvmd may still send
 *
 * The namespaces (user, mount, pid, network, IPC, host name) are hvmd's to give: vm/spawn.h.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

#define CAGE_CALLS_MAX    20u
#define CAGE_REQUESTS_MAX 15u

struct cage_gift { /* what hvmd gave */
	bool namespaces;
	uid_t user; /* 0: none */
};

/* All stages up to "building". Before the first byte of a stranger is read. 0, or a negative errno with a sentence. */
int cage_enter(const struct cage_gift *gift, struct error *e);

/* What there is not because the host refuses it: "namespaces", "an empty root", "a user of its own"; empty: nothing. */
const char *cage_lacks(void);

/* "running", for all threads. No file that is written to grows beyond `file_max`. */
int cage_enter_running(uint64_t file_max, struct error *e);

/*
 * For an inspector (inspect.h), behind "building": from here on this process has 60 seconds of processor time,
 * writes no file, holds at most 2 GiB, and can do no more than read images and answer.
 */
int cage_enter_inspector(struct error *e);
