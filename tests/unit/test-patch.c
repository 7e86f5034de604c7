/* test-patch.c - which bytes become hypercalls by port, and which do not */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <string.h>

#include "guest/patch.h"
#include "image/segment.h"
#include "spec/sites.h"
#include "spec/spec.h"

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

static void three_calls_near_markers(void)
{
	marker_at(0);
	marker_at(20);
	call_at(30, 0xC1);
	call_at(33, 0xD9);
	marker_at(60);
	call_at(60 + 128, 0xC1);
}

Test(patch, counts_each_call_once_where_markers_are_near)
{
	three_calls_near_markers();
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

Test(patch, knows_a_site_by_what_stands_before_it)
{
	marker_at(50);
	call_at(50 + 128, 0xC1);
	call_at(300, 0xC1);
	cr_expect(site_is_at(code, SIZE, 50 + 128));
	cr_expect(not(site_is_at(code, SIZE, 300)), "no marker before it");
	cr_expect(not(site_is_at(code, SIZE, 50 + 127)));
	cr_expect(not(site_is_at(code, 50 + 128 + 2, 50 + 128)), "a byte of it is missing");
	cr_expect(not(site_is_at(code, SIZE, UINT64_MAX)));
	cr_expect(not(site_is_at(code, 0, 0)));
}

/* Each site of the file, and no other offset of it, is one that a search tells of. */
Test(patch, a_search_and_a_look_agree)
{
	struct spec_sites sites;
	uint32_t n = 0;

	three_calls_near_markers();
	call_at(400, 0xC1);
	sites_find(code, SIZE, &sites);
	cr_assert(sites.known);
	cr_assert(eq(u32, sites.n, 3));
	for (uint32_t at = 0; at < SIZE; at++)
		if (site_is_at(code, SIZE, at))
			cr_expect(eq(u32, sites.at[n++], at));
	cr_expect(eq(u32, n, 3));
}

Test(patch, nothing_is_known_of_a_file_with_too_many)
{
	enum { N = SPEC_SITES_MAX + 1 };
	static uint8_t many[N * 16];
	struct spec_sites sites;

	for (unsigned i = 0; i < N; i++) {
		memcpy(many + i * 16, "\x48\xBB" "dddddddd" "\x0F\x01\xC1", 13);
	}
	sites_find(many, sizeof(many), &sites);
	cr_expect(not(sites.known));
	sites_find(many, sizeof(many) - 16, &sites);
	cr_expect(sites.known);
	cr_expect(eq(u32, sites.n, SPEC_SITES_MAX));
}

/* What is claimed of a file is looked at again, and within the segment. */
Test(patch, finds_a_site_only_in_code_that_a_segment_loads)
{
	struct image_segment segment = {.gpa = 0x100000, .offset = 32, .file_size = 200, .memory_size = 4096, .executable = true};
	uint64_t gpa;

	marker_at(10);
	call_at(40, 0xC1);
	marker_at(50);
	call_at(70, 0xC1);
	cr_expect(patch_find(&segment, code, 70, &gpa));
	cr_expect(eq(u64, gpa, 0x100000 + 70 - 32));
	cr_expect(not(patch_find(&segment, code, 40, &gpa)), "its marker is not in the segment");
	cr_expect(not(patch_find(&segment, code, 20, &gpa)), "before the segment");
	cr_expect(not(patch_find(&segment, code, 300, &gpa)), "behind it");
	cr_expect(not(patch_find(&segment, code, UINT32_MAX, &gpa)));
	segment.file_size = 70 - 32 + 2;
	cr_expect(not(patch_find(&segment, code, 70, &gpa)), "it is cut short");
	segment.file_size = 200;
	segment.executable = false;
	cr_expect(not(patch_find(&segment, code, 70, &gpa)), "it is data");
}
