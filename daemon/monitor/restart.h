/*
 * restart.h - when a guest that resets itself may boot again
 *
 * At once, as on a PC, unless it makes a habit of it: a guest that has not run
 * for RESTART_CALM_USEC several times in a row waits a second, then two, four,
 * up to a minute. A run that lasts longer forgives all.
 */
#pragma once

#include <stdint.h>

#define RESTART_CALM_USEC 10000000ull /* a boot that lasted so long was no loop */
#define RESTART_FREE      5u          /* short runs in a row that nobody minds */
#define RESTART_WAIT_MAX_USEC 60000000ull

struct restart {
	unsigned short_runs; /* in a row */
};

/* It has reset itself after a run of so long: microseconds until it may boot again. */
uint64_t restart_wait(struct restart *restart, uint64_t ran_usec);
