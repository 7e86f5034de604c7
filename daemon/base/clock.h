/* clock.h - the two clocks, in microseconds unless a name says otherwise */
#pragma once

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_read_usec(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts); /* cannot fail for the ids below */
	return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* Since boot of the host, not counting sleep, in nanoseconds. */
static inline uint64_t clock_nsec(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/* Since boot of the host, not counting sleep (CLOCK_MONOTONIC). */
static inline uint64_t clock_usec(void)
{
	return clock_read_usec(CLOCK_MONOTONIC);
}

/* Since 1970, UTC (CLOCK_REALTIME). */
static inline uint64_t clock_realtime_usec(void)
{
	return clock_read_usec(CLOCK_REALTIME);
}
