/* guests.h - many VMs on a harness with real monitors: VM number 7 is "g7" */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "vms.h"

#define GUESTS_MAX 1000u

/* harness_start() with real monitors. Skips the test where /dev/kvm cannot be opened. */
void guests_begin(void);

/* Static memory, four of each. */
const char *guest_name(unsigned i);
const char *guest_object(unsigned i);

/* Defines VMs [0, n), whose HRTs have this command line. */
void guests_define(unsigned n, const char *cmdline);

/* What one look at a VM tells. */
struct guest_look {
	char state[16]; /* "" when it was not told of */
	pid_t leader;
	uint64_t resets, heartbeats;
};

/* Looks at VMs [0, n): two calls for all of them. */
void guests_look(unsigned n, struct guest_look *ret);

/* How many monitors there are below this test: those of VMs, and those that nobody knows of. */
unsigned monitors_alive(void);

/* Tells what was measured: in the file that HVMD_FIGURES names, or else on stderr. */
void figure(const char *format, ...) __attribute__((format(printf, 1, 2)));
