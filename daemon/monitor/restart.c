/* restart.c - see restart.h */
#include "monitor/restart.h"

uint64_t restart_wait(struct restart *restart, uint64_t ran_usec)
{
	uint64_t wait = 1000000;

	if (ran_usec >= RESTART_CALM_USEC)
		restart->short_runs = 0;
	else if (restart->short_runs < UINT32_MAX)
		restart->short_runs++;
	if (restart->short_runs <= RESTART_FREE)
		return 0;
	for (unsigned i = RESTART_FREE + 1; i < restart->short_runs && wait < RESTART_WAIT_MAX_USEC; i++)
		wait *= 2;
	return wait < RESTART_WAIT_MAX_USEC ? wait : RESTART_WAIT_MAX_USEC;
}
