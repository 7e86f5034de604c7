/* test-paging.c - boot page tables, walked; and walks of tables that are wrong */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>

#include "base/macro.h"
#include "guest/paging.h"
#include "plans.h"

#define HIGH HVM_GVA_OFFSET_HIGH

/* --- How many pages ------------------------------------------------------- */

Test(paging, counts_its_pages_as_specified)
{
	/* The table in [spec 2.4] */
	cr_assert(eq(u64, paging_table_pages(4 * GiB, HVM_FLAG_MAP_1GB), 2));
	cr_assert(eq(u64, paging_table_pages(4 * GiB, HVM_FLAG_MAP_2MB), 6));
	cr_assert(eq(u64, paging_table_pages(4 * GiB, HVM_FLAG_MAP_4KB), 2054));
	cr_assert(eq(u64, paging_table_pages(8 * GiB, HVM_FLAG_MAP_1GB), 2));
	cr_assert(eq(u64, paging_table_pages(8 * GiB, HVM_FLAG_MAP_2MB), 10));
	cr_assert(eq(u64, paging_table_pages(8 * GiB, HVM_FLAG_MAP_4KB), 4106));
	cr_assert(eq(u64, paging_table_pages(4096 * GiB, HVM_FLAG_MAP_1GB), 9));
	cr_assert(eq(u64, paging_table_pages(4096 * GiB, HVM_FLAG_MAP_2MB), 4105));
	cr_assert(eq(u64, paging_table_pages(4096 * GiB, HVM_FLAG_MAP_4KB), 2101257));
}

/* --- Boot tables ---------------------------------------------------------- */

static struct plan plan;
static struct memory memory;
static struct error e;

static void write_tables(uint64_t flags, uint64_t map, uint64_t gva_offset)
{
	struct wish wish = WISH_EXAMPLE;

	wish.flags = flags;
	wish.map = map;
	wish.gva_offset = gva_offset;
	wish.comm_page = 1 * GiB;
	cr_assert(eq(int, wish_plan(&wish, &plan, &e), 0), "%s", e.text);
	plan_memory(&plan, &memory);
	paging_write(&plan, &memory);
}

static void cr_maps(uint64_t gpa)
{
	uint64_t found;

	cr_assert(eq(int, paging_walk(&memory, plan.page_tables, gpa + plan.gva_offset, &found), 0),
		"at %llx", (unsigned long long)gpa);
	cr_assert(eq(u64, found, gpa));
}

static void cr_does_not_map(uint64_t gva)
{
	uint64_t found;

	cr_assert(eq(int, paging_walk(&memory, plan.page_tables, gva, &found), -EFAULT), "at %llx",
		(unsigned long long)gva);
}

Test(paging, shows_memory_at_0_too_where_the_definition_wants_it)
{
	struct wish wish = WISH_EXAMPLE;

	for (int flags = HVM_FLAG_MAP_4KB; flags <= (int)HVM_FLAG_MAP_1GB; flags *= 2) {
		wish.flags = (uint64_t)flags;
		wish.identity = true;
		wish.memory = 1 * GiB; /* room for the tables */
		cr_assert(eq(int, wish_plan(&wish, &plan, &e), 0), "%s", e.text);
		plan_memory(&plan, &memory);
		paging_write(&plan, &memory);
		for (uint64_t gpa = 0; gpa < plan.map_bytes; gpa += 0x3FF1000) {
			uint64_t low;

			cr_maps(gpa);
			cr_assert(eq(int, paging_walk(&memory, plan.page_tables, gpa, &low), 0));
			cr_assert(eq(u64, low, gpa));
		}
		cr_does_not_map(plan.map_bytes);
		cr_does_not_map(plan.gva_offset - 1);
		free(memory.windows[0].host);
	}
}

Test(paging, shows_memory_at_0_once_where_the_image_has_it_there)
{
	struct wish wish = WISH_EXAMPLE;

	wish.identity = true;
	wish.gva_offset = 0;
	cr_assert(eq(int, wish_plan(&wish, &plan, &e), 0), "%s", e.text);
	cr_assert(not(plan.identity));
}

static void walk_all_over(void)
{
	uint64_t state = 20260719;

	for (unsigned i = 0; i < 10000; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
		cr_maps((state >> 8) % plan.map_bytes);
	}
	cr_maps(0);
	cr_maps(plan.map_bytes - 1);
	cr_does_not_map(plan.gva_offset + plan.map_bytes);
	cr_does_not_map(HIGH - plan.gva_offset); /* the other half */
}

static void walk_both(uint64_t flags, uint64_t map)
{
	static const uint64_t offsets[] = {0, HIGH};

	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		write_tables(flags, map, offsets[i]);
		walk_all_over();
		free(memory.windows[0].host);
	}
}

Test(paging, maps_all_that_was_asked_for_and_no_more_by_4_kib)
{
	walk_both(HVM_FLAG_MAP_4KB, 4 * GiB);
	walk_both(HVM_FLAG_MAP_4KB, 5 * GiB + 12 * KiB);
}

Test(paging, maps_all_that_was_asked_for_and_no_more_by_2_mib)
{
	walk_both(HVM_FLAG_MAP_2MB, 4 * GiB);
	walk_both(HVM_FLAG_MAP_2MB, 8 * GiB);
	walk_both(HVM_FLAG_MAP_2MB, 1030 * GiB + 6 * MiB);
}

Test(paging, maps_all_that_was_asked_for_and_no_more_by_1_gib)
{
	walk_both(HVM_FLAG_MAP_1GB, 4 * GiB);
	walk_both(HVM_FLAG_MAP_1GB, 513 * GiB);
	walk_both(HVM_FLAG_MAP_1GB, UINT64_MAX);
}

Test(paging, maps_half_of_all_there_is_by_1_gib)
{
	write_tables(HVM_FLAG_MAP_1GB, UINT64_MAX, 0);
	walk_all_over();
	free(memory.windows[0].host);
	write_tables(HVM_FLAG_MAP_1GB, UINT64_MAX, HIGH);
	for (uint64_t gpa = 0; gpa < plan.map_bytes; gpa += 1023 * GiB)
		cr_maps(gpa);
	cr_maps(plan.map_bytes - 1);
	free(memory.windows[0].host);
}

Test(paging, writes_the_bits_that_the_specification_has)
{
	uint64_t *table;

	write_tables(HVM_FLAG_MAP_2MB, 8 * GiB, HIGH);
	table = memory_at(&memory, plan.page_tables, 10 * 4096);
	cr_assert(eq(u64, table[0], 0));
	cr_assert(eq(u64, table[256], (plan.page_tables + 0x1000) | 3));
	cr_assert(eq(u64, table[257], 0));
	cr_assert(eq(u64, table[512], (plan.page_tables + 0x2000) | 3));
	cr_assert(eq(u64, table[519], (plan.page_tables + 0x9000) | 3));
	cr_assert(eq(u64, table[520], 0));
	cr_assert(eq(u64, table[1024], 0x83));
	cr_assert(eq(u64, table[1025], 0x200083));
	cr_assert(eq(u64, table[1024 + 4095], 0x1FFE00083));
	free(memory.windows[0].host);

	write_tables(HVM_FLAG_MAP_4KB, 4 * GiB, 0);
	table = memory_at(&memory, plan.page_tables, 2054 * 4096);
	cr_assert(eq(u64, table[0], (plan.page_tables + 0x1000) | 3));
	cr_assert(eq(u64, table[6 * 512], 3));
	cr_assert(eq(u64, table[2054 * 512 - 1], 0xFFFFF003));
	free(memory.windows[0].host);
}

Test(paging, writes_nothing_outside_its_pages)
{
	const uint8_t *bytes;

	write_tables(HVM_FLAG_MAP_2MB, 8 * GiB, HIGH);
	bytes = memory.windows[0].host;
	for (uint64_t gpa = plan.stacks; gpa < plan.end; gpa++)
		if (gpa < plan.page_tables || gpa >= plan.tss)
			cr_assert(eq(u8, bytes[gpa - plan.stacks], 0));
	free(memory.windows[0].host);
}

/* --- Other people's tables ------------------------------------------------ */

/* Four tables at 0x1000, 0x2000, 0x3000, 0x4000 and a page at 0x5000, in one window from 0x1000 on. */
static _Alignas(4096) uint64_t pages[5 * 512];
#define PML4 0x1000ull
#define GVA  0x123456789ull

static const struct memory small = {.windows = {{PML4, sizeof(pages), (uint8_t *)pages}}, .n_windows = 1};

static uint64_t *entry_of(unsigned level)
{
	return &pages[level * 512 + (GVA >> (39 - 9 * level) & 511)];
}

static void link_tables(void)
{
	memset(pages, 0, sizeof(pages));
	for (unsigned level = 0; level < 4; level++)
		*entry_of(level) = (0x2000 + 0x1000 * level) | 7;
}

TestSuite(walk, .init = link_tables);

Test(walk, follows_four_levels)
{
	uint64_t gpa;

	cr_assert(eq(int, paging_walk(&small, PML4, GVA, &gpa), 0));
	cr_assert(eq(u64, gpa, 0x5789));
}

Test(walk, minds_no_bits_that_are_no_address)
{
	uint64_t gpa;

	for (unsigned level = 0; level < 4; level++)
		*entry_of(level) |= 0xFFF0000000000E60; /* NX, available, accessed, dirty */
	cr_assert(eq(int, paging_walk(&small, PML4 | 0x8000000000000018, GVA, &gpa), 0));
	cr_assert(eq(u64, gpa, 0x5789));
}

Test(walk, stops_at_large_pages)
{
	uint64_t gpa;

	*entry_of(2) = 0x40001083; /* bit 12 is PAT there */
	cr_assert(eq(int, paging_walk(&small, PML4, GVA, &gpa), 0));
	cr_assert(eq(u64, gpa, 0x40000000 + (GVA & 0x1FFFFF)));
	*entry_of(1) = 0x80001083;
	cr_assert(eq(int, paging_walk(&small, PML4, GVA, &gpa), 0));
	cr_assert(eq(u64, gpa, 0x80000000 + (GVA & 0x3FFFFFFF)));
}

Test(walk, fails_where_an_entry_is_not_present)
{
	uint64_t gpa;

	for (unsigned level = 0; level < 4; level++) {
		link_tables();
		*entry_of(level) &= ~1ull;
		cr_assert(eq(int, paging_walk(&small, PML4, GVA, &gpa), -EFAULT));
	}
}

Test(walk, fails_where_a_table_is_not_in_memory)
{
	uint64_t gpa;

	for (unsigned level = 0; level < 3; level++) {
		link_tables();
		*entry_of(level) = 0x000FFFFFFFFFF003;
		cr_assert(eq(int, paging_walk(&small, PML4, GVA, &gpa), -EFAULT));
	}
	link_tables();
	cr_assert(eq(int, paging_walk(&small, 0, GVA, &gpa), -EFAULT));
}

Test(walk, fails_at_a_large_page_in_the_pml4)
{
	uint64_t gpa;

	*entry_of(0) |= 0x80;
	cr_assert(eq(int, paging_walk(&small, PML4, GVA, &gpa), -EFAULT));
}

Test(walk, fails_for_addresses_that_are_not_canonical)
{
	uint64_t gpa;

	cr_assert(eq(int, paging_walk(&small, PML4, GVA | 0x1000000000000, &gpa), -EFAULT));
	cr_assert(eq(int, paging_walk(&small, PML4, GVA | 0x8000000000000000, &gpa), -EFAULT));
}

Test(walk, reads_across_pages)
{
	uint64_t first[2] = {0x1111111111111111, 0x2222222222222222}, read[2];

	/* The page behind GVA's is the first table: any page in memory does. */
	*(entry_of(3) + 1) = 0x5003;
	*entry_of(3) = 0x4003;
	memcpy((uint8_t *)pages + 0x3FF8, first, 8);
	memcpy((uint8_t *)pages + 0x4000, first + 1, 8);
	cr_assert(eq(int, paging_read(&small, PML4, (GVA & ~0xFFFull) + 0xFF8, read, 16), 0));
	cr_assert(eq(u64, read[0], first[0]));
	cr_assert(eq(u64, read[1], first[1]));
}

Test(walk, does_not_read_into_what_is_not_mapped_or_not_in_memory)
{
	uint64_t read[2];

	cr_assert(eq(int, paging_read(&small, PML4, (GVA & ~0xFFFull) + 0xFF8, read, 8), 0));
	cr_assert(eq(int, paging_read(&small, PML4, (GVA & ~0xFFFull) + 0xFF8, read, 9), -EFAULT));
	*(entry_of(3) + 1) = 0x6003;
	cr_assert(eq(int, paging_read(&small, PML4, (GVA & ~0xFFFull) + 0xFF8, read, 9), -EFAULT));
	cr_assert(eq(int, paging_read(&small, PML4, UINT64_MAX, read, 2), -EFAULT));
	cr_assert(eq(int, paging_read(&small, PML4, 1, read, 0), 0));
}
