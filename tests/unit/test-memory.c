/* test-memory.c - windows into guest memory, and where RAM lies */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include "base/macro.h"
#include "guest/memory.h"

static uint8_t bytes[0x3000];

static const struct memory memory = {
	.windows = {{0x1000, 0x1000, bytes}, {0x2000, 0x1000, bytes + 0x1000},
		{UINT64_MAX - 0xFFF, 0xFFF, bytes + 0x2000}},
	.n_windows = 3,
};

Test(memory, is_found_within_a_window)
{
	cr_assert(eq(ptr, memory_at(&memory, 0x1000, 0x1000), bytes));
	cr_assert(eq(ptr, memory_at(&memory, 0x1FFF, 1), bytes + 0xFFF));
	cr_assert(eq(ptr, memory_at(&memory, 0x2010, 0xFF0), bytes + 0x1010));
}

Test(memory, is_not_there_outside_or_across_windows)
{
	cr_assert(eq(ptr, memory_at(&memory, 0xFFF, 1), NULL));
	cr_assert(eq(ptr, memory_at(&memory, 0xFFF, 2), NULL));
	cr_assert(eq(ptr, memory_at(&memory, 0x1FFF, 2), NULL));
	cr_assert(eq(ptr, memory_at(&memory, 0x3000, 1), NULL));
}

Test(memory, does_not_wrap)
{
	cr_assert(eq(ptr, memory_at(&memory, 0x1000, UINT64_MAX), NULL));
	cr_assert(eq(ptr, memory_at(&memory, UINT64_MAX - 0xFFF, 0x1001), NULL));
	cr_assert(eq(ptr, memory_at(&memory, UINT64_MAX - 0xFFF, 0xFFF), bytes + 0x2000));
}

Test(memory, adds_windows)
{
	struct memory added = {0};

	memory_add(&added, 0, 0x1000, bytes);
	memory_add(&added, 0x1000, 0x1000, bytes + 0x2000);
	cr_assert(eq(ptr, memory_at(&added, 0x1001, 1), bytes + 0x2001));
}

Test(memory, moves_the_window_of_some_host_memory_and_no_other)
{
	static uint8_t low[16], page[16];
	struct memory moved = {};

	memory_add(&moved, 0, sizeof(low), low);
	memory_add(&moved, 0x1000, sizeof(page), page);
	memory_move(&moved, page, 0x2000);
	cr_expect_eq(memory_at(&moved, 0x2000, sizeof(page)), page);
	cr_expect_null(memory_at(&moved, 0x1000, 1));
	cr_expect_eq(memory_at(&moved, 0, 1), low);
}

Test(ram, is_flat_up_to_the_device_hole)
{
	struct ram_range ranges[2];

	cr_assert(eq(sz, ram_layout(4076 * MiB, ranges), 1));
	cr_assert(eq(u64, ranges[0].gpa, 0));
	cr_assert(eq(u64, ranges[0].size, 0xFEC00000));
	cr_assert(eq(u64, ram_end(4076 * MiB), 0xFEC00000));
	cr_assert(eq(u64, ram_end(2 * MiB), 2 * MiB));
}

Test(ram, goes_on_at_4_gib)
{
	struct ram_range ranges[2];

	cr_assert(eq(sz, ram_layout(4077 * MiB, ranges), 2));
	cr_assert(eq(u64, ranges[0].gpa, 0));
	cr_assert(eq(u64, ranges[0].size, 0xFEC00000));
	cr_assert(eq(u64, ranges[0].offset, 0));
	cr_assert(eq(u64, ranges[1].gpa, 4 * GiB));
	cr_assert(eq(u64, ranges[1].size, 1 * MiB));
	cr_assert(eq(u64, ranges[1].offset, 0xFEC00000));
	cr_assert(eq(u64, ram_end(4077 * MiB), 4 * GiB + 1 * MiB));
	cr_assert(eq(u64, ram_end(8 * GiB), 8 * GiB + 20 * MiB));
}
