/* test-container.c - the image containers of Palacios: what is taken, and every way they may be wrong */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/macro.h"
#include "spec/container.h"

#define XML   "<vm/>"
#define FIRST "the first file"
#define OTHER "and another"

static struct container container;
static struct error e;
static struct buffer b; /* the container under test */

/* Where things stand in it [spec 1.1]. */
static size_t count_at, table_at, row_size, contents_at;

static void append_row(uint32_t index, const char *data, size_t offset, bool hash)
{
	buffer_append_uint(&b, index, 4);
	buffer_append_uint(&b, strlen(data), 4);
	buffer_append_uint(&b, offset, 8);
	if (hash)
		buffer_append_uint(&b, container_hash(data, strlen(data)), 8);
}

static void build(unsigned version)
{
	buffer_fini(&b);
	b = (struct buffer)BUFFER_INIT(65536);
	buffer_append(&b, "v3vee\0\0", 7);
	buffer_append_uint(&b, version, 1);
	buffer_append_uint(&b, strlen(XML), 4);
	buffer_append_string(&b, XML);
	buffer_append_zeros(&b, 8);
	count_at = b.size;
	buffer_append_uint(&b, 2, 8);
	table_at = b.size;
	row_size = version ? 24 : 16;
	contents_at = table_at + 2 * row_size + 8;
	append_row(0, FIRST, contents_at, version);
	append_row(1, OTHER, contents_at + strlen(FIRST), version);
	buffer_append_zeros(&b, 8);
	buffer_append_string(&b, FIRST OTHER);
	cr_assert(buffer_ok(&b));
}

static void tear_down(void)
{
	buffer_fini(&b);
}

/* Of the first `size` bytes, in memory of their own, so that a sanitizer sees any read past the end. */
static int parse(size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	int r;

	memcpy(copy, b.data, size);
	e = (struct error){};
	r = container_parse(copy, size, &container, &e);
	free(copy);
	return r;
}

static void cr_refuses(const char *sentence)
{
	cr_assert(eq(int, parse(b.size), -EBADMSG));
	cr_assert_str_eq(e.text, sentence);
}

TestSuite(container, .fini = tear_down);

Test(container, is_told_from_xml_by_its_first_bytes)
{
	cr_assert(container_recognise("v3vee\0\0\1", 8));
	cr_assert(container_recognise("v3vee", 5)); /* and then refused as one */
	cr_assert(not(container_recognise("v3ve", 4)));
	cr_assert(not(container_recognise("<vm/>", 5)));
	cr_assert(not(container_recognise("", 0)));
}

/* Computed by tests/tools/pack-container.py. The last one has bits above 31, which are never masked. */
Test(container, hash_is_that_of_the_specification)
{
	static const uint8_t tail[] = {0x3A, 0xBC, 0xFE, 0xB6, 0xF8, 0x84, 0xB2, 0xDC, 0xF3, 0xAA};
	static uint8_t pattern[MiB + sizeof(tail)];

	for (size_t i = 0; i < MiB; i++)
		pattern[i] = (uint8_t)(i * 7);
	memcpy(pattern + MiB, tail, sizeof(tail));
	cr_assert(eq(u64, container_hash("", 0), 0));
	cr_assert(eq(u64, container_hash("abc", 3), 0x6795));
	cr_assert(eq(u64, container_hash(pattern, 4096), 0xFEF0C48));
	cr_assert(eq(u64, container_hash(pattern, sizeof(pattern)), 0x10000046575B3));
}

Test(container, of_both_versions_is_taken)
{
	for (unsigned version = 0; version <= 1; version++) {
		build(version);
		cr_assert(eq(int, container_parse(b.data, b.size, &container, &e), 0), "%s", e.text);
		cr_assert(eq(u32, container.version, version));
		cr_assert(eq(u32, container.xml_size, strlen(XML)));
		cr_assert(eq(int, memcmp(container.xml, XML, strlen(XML)), 0));
		cr_assert(eq(u32, container.n_files, 2));
		cr_assert(eq(u64, container.files[0].offset, contents_at));
		cr_assert(eq(u32, container.files[0].size, strlen(FIRST)));
		cr_assert(eq(u64, container.files[1].offset, contents_at + strlen(FIRST)));
		cr_assert(eq(u32, container.files[1].size, strlen(OTHER)));
	}
}

Test(container, cut_at_any_byte_is_refused_with_a_sentence)
{
	for (unsigned version = 0; version <= 1; version++) {
		build(version);
		for (size_t size = 0; size < b.size; size++) {
			cr_assert(eq(int, parse(size), -EBADMSG), "version %u cut to %zu bytes", version, size);
			cr_assert(eq(int, strncmp(e.text, "image container: ", 17), 0), "%s", e.text);
		}
	}
}

Test(container, with_any_bit_changed_is_refused_or_stays_within_bounds)
{
	for (unsigned version = 0; version <= 1; version++) {
		build(version);
		for (size_t i = 0; i < 8 * b.size; i++) {
			b.data[i / 8] ^= (uint8_t)(1u << i % 8);
			if (parse(b.size) == 0)
				for (uint32_t k = 0; k < container.n_files; k++)
					cr_assert(container.files[k].offset + container.files[k].size <= b.size);
			b.data[i / 8] ^= (uint8_t)(1u << i % 8);
		}
	}
}

Test(container, with_any_bit_of_a_content_changed_has_another_hash)
{
	build(1);
	for (size_t i = 8 * contents_at; i < 8 * b.size; i++) {
		b.data[i / 8] ^= (uint8_t)(1u << i % 8);
		cr_assert(eq(int, parse(b.size), -EBADMSG), "bit %zu", i);
		cr_assert(strstr(e.text, "it is damaged") != NULL, "%s", e.text);
		b.data[i / 8] ^= (uint8_t)(1u << i % 8);
	}
}

Test(container, says_both_hashes)
{
	build(1);
	buffer_put_uint(&b, table_at + 16, 0xBAD, 8);
	cr_refuses("image container: file 0 has the hash 0xe8a6992, and its table says 0xbad: it is damaged");
}

Test(container, of_another_version_is_refused)
{
	build(1);
	b.data[7] = 2;
	cr_refuses("image container: it has version 2; known are 0 and 1");
	b.data[6] = 1;
	cr_refuses("image container: it does not begin with \"v3vee\", two zeros and a version");
}

Test(container, with_too_long_a_text_is_refused)
{
	build(1);
	buffer_put_uint(&b, 8, 0xFFFFFFFF, 4);
	cr_refuses("image container: its text has 4294967295 bytes; 1048576 are the most allowed");
	buffer_put_uint(&b, 8, 4096, 4);
	cr_refuses("image container: it ends within its text");
}

Test(container, without_the_zeros_between_its_parts_is_refused)
{
	build(0);
	b.data[count_at - 1] = 1;
	cr_refuses("image container: there are no 8 zeros behind its text");
	build(0);
	b.data[contents_at - 1] = 1;
	cr_refuses("image container: there are no 8 zeros behind its table of files");
}

Test(container, with_files_without_number_is_refused)
{
	build(0);
	buffer_put_uint(&b, count_at, UINT64_MAX, 8);
	cr_refuses("image container: it has 18446744073709551615 files; 256 are the most allowed");
	buffer_put_uint(&b, count_at, 1ull << 60, 8); /* times 16 is 0 */
	cr_refuses("image container: it has 1152921504606846976 files; 256 are the most allowed");
	buffer_put_uint(&b, count_at, 256, 8);
	cr_assert(eq(int, parse(b.size), -EBADMSG));
}

Test(container, whose_rows_are_out_of_order_is_refused)
{
	build(0);
	buffer_put_uint(&b, table_at + row_size, 7, 4);
	cr_refuses("image container: row 1 of its table of files says that it is file 7");
}

Test(container, with_a_file_outside_is_refused)
{
	char sentence[160];

	build(0);
	snprintf(sentence, sizeof(sentence),
		"image container: file 0 has 14 bytes from 0x%zx on; contents lie between 0x%zx and 0x%zx", contents_at - 1,
		contents_at, b.size);
	buffer_put_uint(&b, table_at + 8, contents_at - 1, 8);
	cr_refuses(sentence);
	buffer_put_uint(&b, table_at + 8, UINT64_MAX - 4, 8);
	cr_assert(eq(int, parse(b.size), -EBADMSG));
	buffer_put_uint(&b, table_at + 8, b.size - strlen(FIRST) + 1, 8);
	cr_assert(eq(int, parse(b.size), -EBADMSG));
	buffer_put_uint(&b, table_at + 8, contents_at, 8);
	buffer_put_uint(&b, table_at + 4, UINT32_MAX, 4);
	cr_assert(eq(int, parse(b.size), -EBADMSG));
}

Test(container, with_files_that_overlap_is_refused)
{
	build(0);
	buffer_put_uint(&b, table_at + row_size + 8, contents_at + strlen(FIRST) - 1, 8);
	cr_refuses("image container: files 0 and 1 overlap");
	buffer_put_uint(&b, table_at + row_size + 8, contents_at, 8);
	cr_assert(eq(int, parse(b.size), -EBADMSG));
}

Test(container, may_have_no_files_and_files_of_no_bytes)
{
	build(0);
	buffer_put_uint(&b, table_at + 4, 0, 4);
	cr_assert(eq(int, parse(b.size), 0), "%s", e.text);
	cr_assert(eq(u32, container.files[0].size, 0));
	buffer_put_uint(&b, count_at, 0, 8);
	buffer_put_uint(&b, table_at, 0, 8);
	cr_assert(eq(int, parse(b.size), 0), "%s", e.text);
	cr_assert(eq(u32, container.n_files, 0));
}
