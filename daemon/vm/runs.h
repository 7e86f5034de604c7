/*
 * runs.h - the folder by which a hvmd finds what an earlier one has started
 *
 *	RUN/vms/NAME.link    the socket on which the monitor of this VM listens (LINK_LISTEN)
 *	RUN/vms/NAME.xml     the definition that the VM was started with, in its canonical form
 *
 * It goes with a reboot, as what it tells of does. Nobody but hvmd's user can
 * look into it, so whoever listens there is a monitor that a hvmd has put there,
 * and whoever connects to it is a hvmd. Failures are -EIO with a sentence.
 */
#pragma once

#include <sys/types.h>

struct error;
struct store_names;
struct vm_spec;

/*
 * Opens the folder in `run_dir`, making it where it is missing. Returns a descriptor for the caller, or -EBUSY while
 * another hvmd has it.
 */
int runs_open(const char *run_dir, int *ret_dirfd, struct error *e);

/*
 * Notes that a VM is about to run, in place of what was noted of it. Returns 0
 * and a bound socket for the caller, for its monitor to listen on.
 */
int runs_begin(int dirfd, const struct vm_spec *spec, int *ret_socket, struct error *e);

/* Forgets a run. */
void runs_end(int dirfd, const char *name);

/* The names of all VMs that are noted, sorted. */
int runs_list(int dirfd, struct store_names *ret, struct error *e);

/* The definition a VM was started with; the caller frees it. NULL with a sentence when it cannot be read. */
struct vm_spec *runs_definition(int dirfd, const char *name, struct error *e);

struct run_found {
	int link;  /* the caller's; does not block */
	int pidfd; /* the caller's */
	pid_t pid;
};

/*
 * Connects to the monitor of a VM and finds out which process that is. Returns 0, or with a
 * sentence -ESRCH when there is none any more, -EPERM when it is not one of ours, -EIO.
 */
int runs_connect(int dirfd, const char *name, struct run_found *ret, struct error *e);

/*
 * Whether no monitor runs of what has been noted of a VM: 0, or -EALREADY with a sentence when its monitor listens, which
 * then nobody could take over, or -EIO when that cannot be found out.
 */
int runs_check_ended(int dirfd, const char *name, struct error *e);
