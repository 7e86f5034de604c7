/* test-unknown.c - what a guest touches where nothing is is logged once, and only so much of it */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "monitor/unknown.h"

static struct unknown unknown;

static void set_up(void)
{
	unknown_init(&unknown, "test", "hrt");
}

static void tear_down(void)
{
	unknown_fini(&unknown);
}

static int note(enum unknown_kind kind, uint64_t place)
{
	unknown.limit.begin = 0; /* time has passed */
	return unknown_note(&unknown, kind, place);
}

TestSuite(unknown, .init = set_up, .fini = tear_down);

Test(unknown, a_place_is_news_once)
{
	cr_expect(eq(int, note(UNKNOWN_PORT, 0x3F8), UNKNOWN_NEW));
	cr_expect(eq(int, note(UNKNOWN_PORT, 0x3F8), UNKNOWN_OLD));
	cr_expect(eq(int, note(UNKNOWN_PORT, 0x3F9), UNKNOWN_NEW));
	cr_expect(eq(int, note(UNKNOWN_PORT, 0x3F8), UNKNOWN_OLD));
}

Test(unknown, the_same_number_is_another_place_for_each_kind)
{
	cr_expect(eq(int, note(UNKNOWN_PORT, 0x10), UNKNOWN_NEW));
	cr_expect(eq(int, note(UNKNOWN_PAGE, 0x10), UNKNOWN_NEW));
	cr_expect(eq(int, note(UNKNOWN_MSR, 0x10), UNKNOWN_NEW));
}

Test(unknown, of_each_kind_so_many_are_news_and_the_last_is_known_as_such)
{
	for (uint64_t i = 0; i < UNKNOWN_PLACES_MAX - 1; i++)
		cr_assert(eq(int, note(UNKNOWN_MSR, i), UNKNOWN_NEW));
	cr_expect(eq(int, note(UNKNOWN_MSR, 1000), UNKNOWN_LAST));
	for (uint64_t i = 1001; i < 2000; i++)
		cr_assert(eq(int, note(UNKNOWN_MSR, i), UNKNOWN_OLD));
	cr_expect(eq(int, note(UNKNOWN_PORT, 0), UNKNOWN_NEW), "another kind has room of its own");
}

Test(unknown, what_comes_too_fast_is_news_another_time)
{
	uint64_t place = 0;

	while (unknown_note(&unknown, UNKNOWN_PORT, place) != UNKNOWN_OLD)
		cr_assert(lt(u64, ++place, 32));
	cr_expect(lt(u64, place, UNKNOWN_PLACES_MAX), "so many lines at once are too many");
	cr_expect(eq(int, note(UNKNOWN_PORT, place), UNKNOWN_NEW));
}
