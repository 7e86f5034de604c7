/* test-patch.c - which bytes become hypercalls by port, and which do not */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <string.h>

#include "guest/patch.h"

#define SIZE 512

static uint8_t code[SIZE], before[SIZE];

static void marker_at(unsigned at)
{
	code[at] = 0x48;
	code[at + 1] = 0xBB;
	memset(code + at + 2, 0x64, 8);
}

static void call_at(unsigned at, uint8_t last)
{
	code[at] = 0x0F;
	code[at + 1] = 0x01;
	code[at + 2] = last;
}

static void expect(uint32_t n)
{
	memcpy(before, code, SIZE);
	cr_expect(eq(u32, patch_count(code, SIZE), n));
	cr_expect(eq(u32, patch_bytes(code, SIZE), n));
}

Test(patch, rewrites_marked_calls_of_either_vendor)
{
	static const uint8_t out[] = {0xE7, 0xE5, 0x90};

	marker_at(10);
	call_at(40, 0xD9);
	call_at(60, 0xC1);
	expect(2);
	cr_expect(eq(int, memcmp(code + 40, out, 3), 0));
	cr_expect(eq(int, memcmp(code + 60, out, 3), 0));
	memcpy(before + 40, out, 3);
	memcpy(before + 60, out, 3);
	cr_expect(eq(int, memcmp(code, before, SIZE), 0));
}

Test(patch, leaves_alone_what_is_not_marked)
{
	call_at(5, 0xC1);
	marker_at(50);
	call_at(50 + 129, 0xC1);
	call_at(300, 0xD9);
	expect(0);
	cr_expect(eq(int, memcmp(code, before, SIZE), 0));
}

Test(patch, reaches_128_bytes_behind_the_begin_of_the_marker)
{
	marker_at(50);
	call_at(50 + 128, 0xC1);
	expect(1);
}

Test(patch, knows_no_other_instruction)
{
	marker_at(0);
	call_at(20, 0xC2); /* vmlaunch */
	call_at(30, 0xD8); /* vmrun */
	call_at(40, 0xF9); /* rdtscp */
	expect(0);
}

Test(patch, counts_each_call_once_where_markers_are_near)
{
	marker_at(0);
	marker_at(20);
	call_at(30, 0xC1);
	call_at(33, 0xD9);
	marker_at(60);
	call_at(60 + 128, 0xC1);
	expect(3);
}

Test(patch, does_not_look_beyond_the_end)
{
	marker_at(SIZE - 40);
	code[SIZE - 2] = 0x0F;
	code[SIZE - 1] = 0x01;
	expect(0);
	marker_at(SIZE - 10);
	expect(0);
	cr_expect(eq(u32, patch_bytes(code, 0), 0));
}
