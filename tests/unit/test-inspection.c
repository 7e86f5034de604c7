/* test-inspection.c - what a monitor says of images and memory, read by those who do not trust it */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>

#include "base/cleanup.h"
#include "link/inspection.h"
#include "link/link.h"

static struct buffer body;

static void set_up(void)
{
	body = (struct buffer)BUFFER_INIT(LINK_MESSAGE_MAX);
}

static void tear_down(void)
{
	buffer_fini(&body);
}

TestSuite(map, .init = set_up, .fini = tear_down);
TestSuite(inspection, .init = set_up, .fini = tear_down);

static void append_region(const char *name, uint64_t gpa, uint64_t size, const char *access)
{
	link_append_string(&body, name);
	buffer_append_uint(&body, gpa, 8);
	buffer_append_uint(&body, size, 8);
	link_append_string(&body, access);
	link_append_string(&body, "zero");
}

static void append_digest(size_t size)
{
	for (size_t i = 0; i < size; i++)
		buffer_append_uint(&body, i, 1);
}

static void append_file_region(const char *id, uint64_t bytes)
{
	append_region("image 0", 0x1000, 0x1000, "hrt");
	body.size -= strlen("zero") + 4;
	link_append_string(&body, "file");
	link_append_string(&body, id);
	buffer_append_uint(&body, 0x40, 8);
	buffer_append_uint(&body, bytes, 8);
	append_digest(32);
}

static void append_record(const char *record)
{
	link_append_string(&body, record);
	append_digest(48);
}

static int read_map(struct memory_map *ret)
{
	struct cursor c = cursor_init(body.data, body.size);

	return memory_map_read(&c, ret);
}

static void append_two_regions(void)
{
	buffer_append_uint(&body, 2, 4);
	append_region("ros memory", 0, 0x400000, "both");
	append_region("comm page", 0x1000000, 0x1000, "device");
	append_record("a record\n");
}

Test(map, has_what_the_monitor_said)
{
	struct memory_map map;

	append_two_regions();
	cr_assert(eq(int, read_map(&map), 0));
	cr_assert(eq(sz, map.n, 2));
	cr_expect_str_eq(map.regions[0].name, "ros memory");
	cr_expect_str_eq(map.regions[1].access, "device");
	cr_expect(map.regions[1].gpa == 0x1000000 && map.regions[1].size == 0x1000);
	cr_expect_str_eq(map.regions[1].source, "zero");
	cr_expect(not(map.regions[1].has_sha256));
	cr_expect_str_eq(map.record, "a record\n");
	cr_expect(eq(u8, map.digest[47], 47));
	memory_map_fini(&map);
}

Test(map, has_the_file_and_its_digest)
{
	struct memory_map map;

	buffer_append_uint(&body, 1, 4);
	append_file_region("h\303\244rt", 0x1000);
	append_record("");
	cr_assert(eq(int, read_map(&map), 0));
	cr_expect_str_eq(map.regions[0].source, "file");
	cr_expect_str_eq(map.regions[0].file, "h\303\244rt");
	cr_expect(map.regions[0].offset == 0x40 && map.regions[0].bytes == 0x1000);
	cr_expect(map.regions[0].has_sha256 && map.regions[0].sha256[31] == 31);
	memory_map_fini(&map);
}

static void cr_refuses_file(const char *id, uint64_t bytes)
{
	struct memory_map map;

	body.size = 0;
	buffer_append_uint(&body, 1, 4);
	append_file_region(id, bytes);
	append_record("");
	cr_expect(eq(int, read_map(&map), -EPROTO), "file \"%s\", %llu bytes", id, (unsigned long long)bytes);
}

Test(map, with_a_file_that_cannot_be_is_refused)
{
	cr_refuses_file("", 1);
	cr_refuses_file("a\033[2J", 1);
	cr_refuses_file("a\377", 1);
	cr_refuses_file("a\302\205", 1);
	cr_refuses_file("hrt", 0x1001);
}

Test(map, with_a_record_that_is_no_text_is_refused)
{
	struct memory_map map;

	append_two_regions();
	body.size -= 48 + strlen("a record\n") + 4;
	append_record("a\033[2J");
	cr_expect(eq(int, read_map(&map), -EPROTO));
}

Test(map, cut_anywhere_is_refused)
{
	struct memory_map map;

	append_two_regions();
	for (size_t size = 0; size < body.size; size++) {
		struct cursor c = cursor_init(body.data, size);

		cr_expect(eq(int, memory_map_read(&c, &map), -EPROTO), "%zu bytes", size);
	}
}

Test(map, with_bytes_left_over_is_refused)
{
	struct memory_map map;

	append_two_regions();
	buffer_append_zeros(&body, 1);
	cr_expect(eq(int, read_map(&map), -EPROTO));
}

Test(map, with_more_regions_than_bytes_is_refused_before_memory_is_taken)
{
	struct memory_map map;

	buffer_append_uint(&body, UINT32_MAX, 4);
	append_region("a", 0, 1, "hrt");
	cr_expect(eq(int, read_map(&map), -EPROTO));
}

#define REFUSED(sentence, ...)                                                                                 \
	Test(map, sentence)                                                                                    \
	{                                                                                                      \
		struct memory_map map;                                                                         \
                                                                                                               \
		buffer_append_uint(&body, 2, 4);                                                               \
		append_region("ros memory", 0, 0x1000, "both");                                                \
		append_region(__VA_ARGS__);                                                                    \
		append_record("");                                                                             \
		cr_expect(eq(int, read_map(&map), -EPROTO));                                                   \
	}                                                                                                      \
	struct refused_needs_a_semicolon

REFUSED(an_overlap_is_refused, "hrt memory", 0xfff, 0x1000, "hrt");
REFUSED(an_empty_region_is_refused, "hrt memory", 0x1000, 0, "hrt");
REFUSED(a_region_that_wraps_is_refused, "hrt memory", 0x1000, UINT64_MAX, "hrt");
REFUSED(an_unknown_access_is_refused, "hrt memory", 0x1000, 0x1000, "all");
REFUSED(a_region_without_a_name_is_refused, "", 0x1000, 0x1000, "hrt");
REFUSED(a_name_with_a_control_character_is_refused, "a\033[2J", 0x1000, 0x1000, "hrt");

static void append_finding(const char *what, const char *protocol, const char *why_not)
{
	link_append_string(&body, what);
	link_append_string(&body, protocol);
	link_append_string(&body, why_not);
}

static void append_verdict(int error, const char *why)
{
	buffer_append_uint(&body, (uint32_t)error, 4);
	link_append_string(&body, why);
}

static int read_inspection(size_t n_images, struct inspection *ret)
{
	struct cursor c = cursor_init(body.data, body.size);

	return inspection_read(&c, n_images, ret);
}

Test(inspection, has_findings_and_a_plan)
{
	struct inspection i;

	buffer_append_uint(&body, 1, 4);
	append_finding("ELF64", "mb64", "");
	append_verdict(0, "");
	append_two_regions();
	cr_assert(eq(int, read_inspection(1, &i), 0));
	cr_expect_str_eq(i.images[0].what, "ELF64");
	cr_expect_str_eq(i.images[0].protocol, "mb64");
	cr_expect(eq(int, i.error, 0));
	cr_expect(eq(sz, i.plan.n, 2));
	inspection_fini(&i);
}

Test(inspection, has_the_reason_why_there_is_no_plan)
{
	struct inspection i;

	buffer_append_uint(&body, 0, 4);
	append_verdict(-EADDRINUSE, "two want the same");
	cr_assert(eq(int, read_inspection(0, &i), 0));
	cr_expect(eq(int, i.error, -EADDRINUSE));
	cr_expect_str_eq(i.why.text, "two want the same");
	inspection_fini(&i);
}

Test(inspection, of_another_number_of_images_is_refused)
{
	struct inspection i;

	buffer_append_uint(&body, 1, 4);
	append_finding("ELF64", "mb64", "");
	append_verdict(-ENOEXEC, "no");
	cr_expect(eq(int, read_inspection(2, &i), -EPROTO));
}

Test(inspection, with_an_errno_that_does_not_exist_is_refused)
{
	struct inspection i;

	buffer_append_uint(&body, 0, 4);
	append_verdict(5, "positive");
	cr_expect(eq(int, read_inspection(0, &i), -EPROTO));
}

Test(inspection, that_fails_without_a_sentence_is_refused)
{
	struct inspection i;

	buffer_append_uint(&body, 0, 4);
	append_verdict(-ENOEXEC, "");
	cr_expect(eq(int, read_inspection(0, &i), -EPROTO));
}

Test(inspection, cut_anywhere_is_refused)
{
	struct inspection i;

	buffer_append_uint(&body, 1, 4);
	append_finding("ELF64", "", "no header");
	append_verdict(-ENOEXEC, "no header");
	for (size_t size = 0; size < body.size; size++) {
		struct cursor c = cursor_init(body.data, size);

		cr_expect(eq(int, inspection_read(&c, 1, &i), -EPROTO), "%zu bytes", size);
	}
}
