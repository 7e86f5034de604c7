/*
 * floor-exit.h - what an exit costs without us: a KVM machine of our own that does nothing but enter again
 *
 * Its core is in 64-bit mode and makes the same exits as a hypercall: a store to the
 * doorbell's page at CPL 3, or an `out` of four bytes at CPL 0.
 */
#pragma once

#include <stdbool.h>

struct floor_exit;

/* A machine that stays. At CPL 3 by the page, or at CPL 0 by the port. */
struct floor_exit *floor_exit_start(bool user);

/* So many exits; microseconds for each. */
double floor_exit_run(struct floor_exit *f, unsigned n);
