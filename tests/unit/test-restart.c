/* test-restart.c - a guest that resets itself all the time waits, and one that lives does not */
#include <criterion/criterion.h>

#include "monitor/restart.h"

#define SECOND 1000000ull

Test(restart, a_few_short_runs_in_a_row_are_free)
{
	struct restart restart = {};

	for (unsigned i = 0; i < RESTART_FREE; i++)
		cr_expect_eq(restart_wait(&restart, SECOND), 0);
	cr_expect_eq(restart_wait(&restart, SECOND), SECOND);
}

Test(restart, the_wait_doubles_up_to_a_minute)
{
	static const uint64_t seconds[] = {1, 2, 4, 8, 16, 32, 60, 60};
	struct restart restart = {.short_runs = RESTART_FREE};

	for (unsigned i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++)
		cr_expect_eq(restart_wait(&restart, 0), seconds[i] * SECOND);
}

Test(restart, no_number_of_resets_is_too_many_to_count)
{
	struct restart restart = {.short_runs = UINT32_MAX - 2};

	for (unsigned i = 0; i < 10; i++)
		cr_expect_eq(restart_wait(&restart, 0), RESTART_WAIT_MAX_USEC);
}

Test(restart, a_run_that_lasts_forgives_all)
{
	struct restart restart = {.short_runs = 100};

	cr_expect_eq(restart_wait(&restart, RESTART_CALM_USEC), 0);
	cr_expect_eq(restart_wait(&restart, SECOND), 0);
}
