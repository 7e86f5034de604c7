/*
 * floor-exit.h - what an exit costs without us: a KVM machine of our own that does nothing but enter again
 *
 * Its core is in 64-bit mode and makes the same exits as a hypercall: a store to the
 * doorbell's page at CPL 3, or an `out` of four bytes at CPL 0. Or the store reaches an
 * eventfd, and no exit is made (KVM_IOEVENTFD).
 */
#pragma once

#include <stdbool.h>

struct floor_exit;

enum floor_exit_kind {
	FLOOR_PORT,    /* CPL 0 */
	FLOOR_PAGE,    /* CPL 3 */
	FLOOR_EVENTFD, /* CPL 3, by the page, and one exit by the port after the last */
};

/* A machine that stays, or until it is closed. */
struct floor_exit *floor_exit_start(enum floor_exit_kind kind);

/* How long it took to close it, in microseconds. */
double floor_exit_close(struct floor_exit *f);

/* So many exits, or stores; microseconds for each. */
double floor_exit_run(struct floor_exit *f, unsigned n);
