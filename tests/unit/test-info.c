/* test-info.c - the Multiboot2 information block, byte by byte as the standard, section 3.6, has it */
#include <criterion/criterion.h>

#include <string.h>

#include "base/buffer.h"
#include "base/macro.h"
#include "guest/info.h"

static struct buffer block;

static void set_up(void)
{
	block = (struct buffer)BUFFER_INIT(4096);
}

static void tear_down(void)
{
	buffer_fini(&block);
}

TestSuite(info_block, .init = set_up, .fini = tear_down);

static const struct memory_map_entry map[] = {{0, 0xA0000, 1}, {0xFEC00000, 0x1400000, 2}};

/* The least that can be told. */
#define LEAST                                                                                                  \
	.upper_end = 0x200000, .map = map, .n_map = ARRAY_SIZE(map)

static void make(const struct info *info)
{
	buffer_fini(&block);
	info_append(info, &block);
	cr_assert(buffer_ok(&block));
}

/* The tag of this type; NULL: there is none. `skip` of them are passed over. */
static const uint8_t *find(uint32_t type, unsigned skip)
{
	uint32_t head[2];

	for (size_t at = 8; at < block.size; at += (head[1] + 7) & ~7u) {
		cr_assert_leq(at + 8, block.size);
		memcpy(head, block.data + at, sizeof(head));
		cr_assert_leq(at + head[1], block.size);
		if (head[0] == type && skip-- == 0)
			return block.data + at;
	}
	return NULL;
}

static void cr_tag_is(const uint8_t *tag, const void *bytes, size_t size)
{
	cr_assert_not_null(tag);
	cr_assert_arr_eq(tag, bytes, size);
}

Test(info_block, has_the_least_and_says_its_size)
{
	static const uint32_t types[] = {2, 4, 6, 0};
	const uint8_t *last = NULL;
	uint32_t total;

	make(&(struct info){LEAST});
	memcpy(&total, block.data, 4);
	cr_assert_eq(total, block.size);
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		const uint8_t *tag = find(types[i], 0);

		cr_assert_not_null(tag);
		cr_assert_gt(tag, last);
		last = tag;
	}
	cr_assert_eq(last + 8, block.data + block.size);
	for (uint32_t type = 1; type < 64; type++)
		cr_assert_eq(find(type, 0) != NULL, type == 2 || type == 4 || type == 6, "tag %u", type);
	cr_assert_null(find(0xF00DF00D, 0));
}

Test(info_block, counts_memory_in_kib)
{
	make(&(struct info){LEAST});
	cr_tag_is(find(4, 0), (uint32_t[]){4, 16, 640, 1024}, 16);
}

Test(info_block, has_the_memory_map)
{
	static const uint32_t words[] = {6, 16 + 48, 24, 0, /**/ 0, 0, 0xA0000, 0, 1, 0, /**/ 0xFEC00000, 0, 0x1400000, 0, 2, 1};

	make(&(struct info){LEAST});
	cr_tag_is(find(6, 0), words, sizeof(words));
}

Test(info_block, has_each_module_with_its_text)
{
	static const struct info_module modules[] = {
		{.start = 0x300000, .end = 0x300005, .cmdline = "first one"}, {.start = 0x400000, .end = 0x400000}};
	static const uint8_t second[] = {3, 0, 0, 0, 17, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0x40, 0, 0};

	make(&(struct info){LEAST, .modules = modules, .n_modules = 2});
	cr_tag_is(find(3, 0), (uint32_t[]){3, 26, 0x300000, 0x300005}, 16);
	cr_assert_str_eq((const char *)find(3, 0) + 16, "first one");
	cr_tag_is(find(3, 1), second, sizeof(second));
	cr_assert_null(find(3, 2));
	cr_assert(find(3, 0) > find(2, 0) && find(3, 1) < find(4, 0));
}

Test(info_block, has_elf_section_headers)
{
	static const uint8_t headers[128] = {1, 2, 3, [127] = 9};

	make(&(struct info){LEAST, .sections = {.headers = headers, .n = 2, .header_size = 64, .names = 1}});
	cr_tag_is(find(9, 0), (uint32_t[]){9, 20 + 128, 2, 64, 1}, 20);
	cr_tag_is(find(9, 0) + 20, headers, sizeof(headers));
}

Test(info_block, has_the_rsdp_as_it_is_and_as_acpi_1_has_it)
{
	static const uint8_t rsdp[36] = "RSD PTR \x77hvmd  \2\1\2\3\4";
	uint8_t old[20], sum = 0;

	make(&(struct info){LEAST, .rsdp = rsdp});
	cr_tag_is(find(15, 0), (uint32_t[]){15, 44}, 8);
	cr_tag_is(find(15, 0) + 8, rsdp, 36);
	cr_tag_is(find(14, 0), (uint32_t[]){14, 28}, 8);
	memcpy(old, find(14, 0) + 8, sizeof(old));
	for (size_t i = 0; i < sizeof(old); i++)
		sum += old[i];
	cr_assert_eq(sum, 0, "its checksum");
	cr_assert_eq(old[15], 0, "its revision");
	old[8] = rsdp[8];
	old[15] = rsdp[15];
	cr_assert_arr_eq(old, rsdp, sizeof(old));
	cr_assert(find(14, 0) < find(15, 0));
	make(&(struct info){LEAST});
	cr_assert(!find(14, 0) && !find(15, 0));
}

Test(info_block, has_the_load_base_of_an_image_that_was_placed)
{
	make(&(struct info){LEAST, .has_load_base = true, .load_base = 0x1800000});
	cr_tag_is(find(21, 0), (uint32_t[]){21, 12, 0x1800000}, 12);
}

Test(info_block, has_the_command_line_and_the_hrt_tag_in_front)
{
	struct hvm_info_tag hrt = {.type = 0xF00DF00D, .size = 88, .total_num_apics = 5};

	make(&(struct info){LEAST, .hrt = &hrt, .cmdline = "a b"});
	cr_assert_eq(find(0xF00DF00D, 0), block.data + 8);
	cr_tag_is(block.data + 8, &hrt, 88);
	cr_assert_eq(find(1, 0), block.data + 96);
	cr_assert_str_eq((const char *)find(1, 0) + 8, "a b");
	hrt.size = 24;
	make(&(struct info){LEAST, .hrt = &hrt});
	cr_assert_eq(find(2, 0), block.data + 32);
}

Test(info_block, fails_where_it_does_not_fit)
{
	block.limit = 100;
	info_append(&(struct info){LEAST}, &block);
	cr_assert_not(buffer_ok(&block));
}
