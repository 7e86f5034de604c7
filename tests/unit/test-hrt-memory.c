/* test-hrt-memory.c - HRT memory is put back to its template, whichever way, without KVM */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/x86.h"
#include "base/error.h"
#include "guest/memory.h"
#include "monitor/hrt-memory.h"

#define GPA   (8ull << 20)
#define PAGES 20000u /* more than are put back one by one */
#define SIZE  (PAGES * PAGE_SIZE)

static struct hrt_memory m;
static struct memory memory;
static uint8_t *host;

/* Every page of the template begins with its own number. */
static void make(bool tracked)
{
	struct error e = {};

	host = mmap(NULL, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	cr_assert_neq(host, MAP_FAILED);
	cr_assert_eq(hrt_memory_init(&m, host, SIZE, &e), 0, "%s", e.text);
	memory_add(&memory, GPA, SIZE, host);
	for (uint32_t i = 0; i < PAGES; i++)
		memcpy(host + i * PAGE_SIZE, &i, sizeof(i));
	cr_assert_eq(hrt_memory_seal(&m, tracked, &e), 0, "%s", e.text);
}

static void dirty(uint32_t page)
{
	memset(host + page * PAGE_SIZE, 0xEE, PAGE_SIZE);
	hrt_memory_dirty(&m, &memory, GPA + page * PAGE_SIZE);
}

static unsigned changed_pages(void)
{
	static const uint8_t zeros[PAGE_SIZE - 4];
	unsigned n = 0;

	for (uint32_t i = 0; i < PAGES; i++)
		n += memcmp(host + i * PAGE_SIZE, &i, 4) != 0 || memcmp(host + i * PAGE_SIZE + 4, zeros, sizeof(zeros)) != 0;
	return n;
}

static void put_back(void)
{
	struct error e = {};

	cr_assert_eq(hrt_memory_put_back(&m, &e), 0, "%s", e.text);
}

static void fini(void)
{
	hrt_memory_fini(&m);
}

TestSuite(hrt_memory, .fini = fini);

Test(hrt_memory, shows_what_was_written_before_the_seal)
{
	make(true);
	cr_expect_eq(changed_pages(), 0);
}

Test(hrt_memory, puts_back_the_pages_it_was_told_of)
{
	make(true);
	for (uint32_t i = 0; i < 1000; i++)
		dirty(i * 7);
	dirty(7); /* twice does no harm */
	cr_expect_eq(changed_pages(), 1000);
	put_back();
	cr_expect_eq(changed_pages(), 0);
}

Test(hrt_memory, puts_back_more_pages_than_its_list_holds)
{
	make(true);
	for (uint32_t i = 0; i < PAGES; i++)
		dirty(i);
	put_back();
	cr_expect_eq(changed_pages(), 0);
	dirty(3);
	put_back();
	cr_expect_eq(changed_pages(), 0, "the list is in use again");
}

Test(hrt_memory, puts_back_everything_when_track_was_lost)
{
	make(true);
	dirty(3);
	memset(host + 5 * PAGE_SIZE, 0xEE, PAGE_SIZE);
	hrt_memory_lost_track(&m);
	put_back();
	cr_expect_eq(changed_pages(), 0);
}

Test(hrt_memory, puts_back_everything_where_nobody_tells)
{
	make(false);
	memset(host + 5 * PAGE_SIZE, 0xEE, 3 * PAGE_SIZE);
	put_back();
	cr_expect_eq(changed_pages(), 0);
}

Test(hrt_memory, passes_over_pages_that_are_not_the_hrts)
{
	make(true);
	hrt_memory_dirty(&m, &memory, 0);
	hrt_memory_dirty(&m, &memory, GPA + SIZE);
	hrt_memory_dirty(&m, &memory, UINT64_MAX);
	cr_expect_eq(m.n_dirty, 0);
}
