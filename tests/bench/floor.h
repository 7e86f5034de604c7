/*
 * floor.h - what a reset costs without us: a KVM machine of our own that does nothing else
 *
 * A core spins; it is kicked out of the guest, pages are copied back, its registers are set through the run
 * area, and it runs again.
 */
#pragma once

/* Makes the machine; the core spins from now on. */
void floor_start(unsigned max_pages);

/* Resets it, copying back so many pages that have been written to. Microseconds until it runs again. */
double floor_reset(unsigned pages);
