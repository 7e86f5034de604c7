/*
 * test-header.c - the Multiboot2 header: which bytes are one, and what its tags say
 *
 * "L3" and the like: tests/data/loader-bugs.txt, [spec 3.7].
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi/multiboot2.h"
#include "base/error.h"
#include "base/macro.h"
#include "image-builder.h"
#include "image/header.h"
#include "image/segment.h"

static struct recipe recipe;
static struct buffer file;
static struct image_header header;
static struct error e;

static void set_up(void)
{
	recipe_example(&recipe);
	e = (struct error){};
}

static void tear_down(void)
{
	buffer_fini(&file);
}

/* Starts over without tags; tests of single tags add their own. */
static void without_tags(void)
{
	recipe_bare(&recipe);
}

static int read_header(void)
{
	buffer_fini(&file);
	recipe_build(&recipe, &file);
	return image_header_read(file.data, file.size, &header, &e);
}

static void cr_accepts(void)
{
	cr_assert(eq(int, read_header(), 0), "%s", e.text);
}

static void cr_refuses(const char *sentence)
{
	cr_assert(eq(int, read_header(), -ENOEXEC));
	cr_assert_str_eq(e.text, sentence);
}

static void cr_finds_none(const char *sentence)
{
	cr_assert(eq(int, read_header(), -ENOENT));
	cr_assert_str_eq(e.text, sentence);
}

/* The example and one tag more, before the others. */
static void with_tag(uint16_t type, uint16_t flags, const uint32_t *words, size_t n_words)
{
	without_tags();
	recipe_tag(&recipe, type, flags, words, n_words);
	recipe_tag_hrt(&recipe, &recipe_hrt_example);
	recipe_tag_address(&recipe, EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, 0);
	recipe_tag_entry(&recipe, EXAMPLE_ENTRY);
	recipe_tag_end(&recipe);
}

TestSuite(header, .init = set_up, .fini = tear_down);

/* --- Finding the header --------------------------------------------------- */

Test(header, refuses_a_file_without_a_header)
{
	recipe.magic = 0;
	cr_finds_none("no Multiboot2 header (0xe85250d6, 8-byte aligned) in the first 32768 bytes of the file");
}

Test(header, finds_a_header_that_ends_with_the_first_32768_bytes)
{
	uint64_t size = 16 + recipe.tags_size;

	recipe.header_offset = 32768 - size;
	recipe.size = 0x9000;
	cr_accepts();
	cr_assert(eq(u64, header.offset, 32768 - size));
	recipe.header_offset += 8;
	cr_finds_none(
		"no Multiboot2 header: what looks like one at 0x7f90 has length 120 and does not end within the first "
		"32768 bytes");
}

Test(header, finds_a_header_at_a_multiple_of_four_where_there_is_no_other)
{
	recipe_example_elf(&recipe);
	recipe.header_offset = EXAMPLE_HEADER + 4;
	cr_accepts();
	cr_assert(eq(u64, header.offset, EXAMPLE_HEADER + 4));
	recipe.header_offset = EXAMPLE_HEADER + 2;
	cr_finds_none("no Multiboot2 header (0xe85250d6, 8-byte aligned) in the first 32768 bytes of the file");
}

Test(header, says_what_is_wrong_with_a_header_it_does_not_take)
{
	recipe.checksum_off = 1;
	cr_finds_none(
		"no Multiboot2 header: what looks like one at 0x100 has checksum 0x17adaeb3 where 0x17adaeb2 would be right");
	recipe.checksum_off = 0;
	recipe.arch = 4;
	cr_finds_none(
		"no Multiboot2 header: what looks like one at 0x100 is for architecture 4; 0 (i386) would be right");
	recipe.arch = 0;
	recipe.length_off = 16u - (16u + (uint32_t)recipe.tags_size);
	cr_finds_none(
		"no Multiboot2 header: what looks like one at 0x100 has length 16; the shortest header has 24");
}

Test(header, passes_over_a_stray_magic)
{
	static const uint8_t magic[] = {0xD6, 0x50, 0x52, 0xE8};

	recipe_build(&recipe, &file);
	memcpy(file.data + 0x80, magic, 4); /* between program headers and header */
	cr_assert(eq(int, image_header_read(file.data, file.size, &header, &e), 0),
		"%s", e.text);
	cr_assert(eq(u64, header.offset, EXAMPLE_HEADER));
}

Test(header, takes_no_magic_in_the_last_word_for_a_header_L4)
{
	static const uint8_t magic[] = {0xD6, 0x50, 0x52, 0xE8};

	recipe.magic = 0;
	recipe_build(&recipe, &file);
	memcpy(file.data + EXAMPLE_SIZE - 8, magic, 4);
	cr_assert(eq(
		int, image_header_read(file.data, file.size, &header, &e), -ENOENT));
	cr_assert_str_eq(
		e.text, "no Multiboot2 header: what looks like one at 0x3f8 is cut off after 0x8 bytes");
}

/* --- Tags ----------------------------------------------------------------- */

#define GIVEN (IMAGE_INFO(1) | IMAGE_INFO(2) | IMAGE_INFO(4) | IMAGE_INFO(6) | IMAGE_INFO_HRT)

static void cr_demands(const char *sentence)
{
	cr_accepts();
	cr_assert(eq(int, image_header_check(&header, GIVEN, "a test", &e), -ENOEXEC));
	cr_assert_str_eq(e.text, sentence);
}

static void cr_content(void)
{
	cr_accepts();
	cr_assert(eq(int, image_header_check(&header, GIVEN, "a test", &e), 0), "%s", e.text);
}

Test(header, reads_an_information_request_L1)
{
	with_tag(1, 0, (uint32_t[]){4, 6}, 2);
	cr_content();
	cr_assert(eq(u64, header.info_required, IMAGE_INFO(4) | IMAGE_INFO(6)));
	with_tag(1, 0, (uint32_t[]){1, 2, 4, 6, 0xF00DF00D}, 5);
	cr_content();
	cr_assert(eq(u64, header.info_required, GIVEN));
	with_tag(1, 0, NULL, 0);
	cr_content();
	cr_assert(eq(u64, header.info_wanted, 0));
}

Test(header, adds_up_information_requests)
{
	with_tag(1, 1, (uint32_t[]){4, 9, 99}, 3);
	recipe.tags_size -= 8; /* the end tag */
	recipe_tag(&recipe, 1, 0, (uint32_t[]){6}, 1);
	recipe_tag_end(&recipe);
	cr_content();
	cr_assert(eq(u64, header.info_required, IMAGE_INFO(6)));
	cr_assert(eq(u64, header.info_wanted, IMAGE_INFO(4) | IMAGE_INFO(6) | IMAGE_INFO(9)));
}

Test(header, demands_required_information_only)
{
	with_tag(1, 0, (uint32_t[]){4, 8}, 2);
	cr_demands("the Multiboot2 header at 0x100 requires information 8 (framebuffer), which a test is not given; "
		   "set bit 0 of the information request tag's flags if the image can do without");
	with_tag(1, 1, (uint32_t[]){4, 8}, 2);
	cr_content();
	with_tag(1, 0, (uint32_t[]){22}, 1);
	cr_demands("the Multiboot2 header at 0x100 requires information 22 (0x16), which nobody has: "
		   "the standard has 1 to 21, an HRT is given 0xf00df00d too");
	with_tag(1, 1, (uint32_t[]){22}, 1);
	cr_content();
	with_tag(1, 0, (uint32_t[]){0xF00DF00D}, 1);
	cr_accepts();
	cr_assert(eq(int, image_header_check(&header, 0, "a ROS", &e), -ENOEXEC));
	cr_assert_str_eq(e.text,
		"the Multiboot2 header at 0x100 requires information 4027445261 (HRT), which a ROS is not given; "
		"set bit 0 of the information request tag's flags if the image can do without");
}

Test(header, demands_no_efi_that_is_optional)
{
	static const char *const names[] = {"EFI boot services", "EFI i386 entry", "EFI amd64 entry"};
	char sentence[256];

	for (uint16_t i = 0; i < ARRAY_SIZE(names); i++) {
		snprintf(sentence, sizeof(sentence),
			"the Multiboot2 header at 0x100 has an %s tag (type %u) that is not optional, and there is no EFI here; "
			"set bit 0 of its flags if the image can do without",
			names[i], 7u + i);
		with_tag(7 + i, 0, (uint32_t[]){0x1234}, i ? 1 : 0);
		cr_demands(sentence);
		with_tag(7 + i, 1, (uint32_t[]){0x1234}, i ? 1 : 0);
		cr_content();
	}
	cr_assert(header.has_efi64_entry && !header.has_efi32_entry);
	cr_assert(eq(u32, header.efi64_entry, 0x1234));
	with_tag(8, 1, (uint32_t[]){0x5678}, 1);
	cr_accepts();
	cr_assert(header.has_efi32_entry && !header.has_efi64_entry);
	cr_assert(eq(u32, header.efi32_entry, 0x5678));
}

Test(header, steps_from_tag_to_tag_by_multiples_of_eight_L2)
{
	without_tags();
	recipe_tag_entry(&recipe, EXAMPLE_ENTRY); /* 12 bytes */
	recipe_tag_hrt(&recipe, &recipe_hrt_example);
	recipe_tag_address(&recipe, EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, 0);
	recipe_tag_end(&recipe);
	cr_accepts();
}

Test(header, takes_an_entry_tag_of_16_bytes_as_nautilus_has_it)
{
	without_tags();
	recipe_tag(&recipe, 3, 0, (uint32_t[]){EXAMPLE_ENTRY, 0}, 2);
	recipe_tag_hrt(&recipe, &recipe_hrt_example);
	recipe_tag_address(&recipe, EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, 0);
	recipe_tag_end(&recipe);
	cr_accepts();
	cr_assert(eq(u32, header.entry_addr, EXAMPLE_ENTRY));
}

Test(header, refuses_a_tag_of_size_0_L3)
{
	recipe.tags[4] = 0; /* size of the HRT tag */
	cr_refuses("Multiboot2 header tag of type 61453 at 0x110: size is 0; a tag has at least 8 bytes");
}

Test(header, refuses_a_tag_that_leaves_the_header)
{
	recipe.tags[recipe.tags_size - 4] = 9; /* size of the end tag */
	cr_refuses(
		"Multiboot2 header tag of type 0 at 0x170: size is 9; only 8 bytes of the header are left");
	recipe.tags[recipe.tags_size - 1] = 0xFF;
	cr_refuses(
		"Multiboot2 header tag of type 0 at 0x170: size is 4278190089; only 8 bytes of the header are left");
}

Test(header, refuses_a_missing_end_tag_L3)
{
	recipe.tags_size -= 8;
	cr_refuses("the Multiboot2 header at 0x100 has no end tag within its 112 bytes");
}

Test(header, does_not_look_behind_the_end_tag)
{
	recipe_tag(&recipe, 0x7777, 0, NULL, 0);
	cr_accepts();
}

Test(header, refuses_tags_of_a_wrong_size)
{
	static const struct {
		uint16_t type;
		size_t n_words;
		const char *sentence;
	} wrong[] = {
		{2, 3, "Multiboot2 address tag at 0x110: size is 20; 24 would be right"},
		{3, 0, "Multiboot2 entry tag at 0x110: size is 8; 12 would be right"},
		{4, 2, "Multiboot2 console flags tag at 0x110: size is 16; 12 would be right"},
		{5, 4, "Multiboot2 framebuffer tag at 0x110: size is 24; 20 would be right"},
		{6, 3, "Multiboot2 module alignment tag at 0x110: size is 20; 8 would be right"},
		{7, 1, "Multiboot2 EFI boot services tag at 0x110: size is 12; 8 would be right"},
		{8, 0, "Multiboot2 EFI i386 entry tag at 0x110: size is 8; 12 would be right"},
		{9, 3, "Multiboot2 EFI amd64 entry tag at 0x110: size is 20; 12 would be right"},
		{10, 3, "Multiboot2 relocatable tag at 0x110: size is 20; 24 would be right"},
		{0, 1, "Multiboot2 end tag at 0x110: size is 12; 8 would be right"},
		{0xF00D, 2, "Multiboot2 HRT tag at 0x110: size is 16; 56 would be right"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		with_tag(wrong[i].type, 0, (uint32_t[8]){0}, wrong[i].n_words);
		cr_refuses(wrong[i].sentence);
	}
}

Test(header, refuses_a_request_list_of_a_broken_size)
{
	with_tag(1, 0, (uint32_t[]){4}, 1);
	recipe.tags[4] = 11;
	cr_refuses(
		"Multiboot2 information request tag at 0x110: size is 11; 8 and 4 for each request would be right");
}

Test(header, reads_console_framebuffer_and_module_alignment)
{
	with_tag(4, 0, (uint32_t[1]){3}, 1);
	cr_accepts();
	cr_assert(header.has_console);
	cr_assert(eq(u32, header.console_flags, 3));
	with_tag(5, 1, (uint32_t[3]){80, 25, 32}, 3);
	cr_accepts();
	cr_assert(header.has_framebuffer && !header.has_console);
	cr_assert(eq(u32, header.width, 80));
	cr_assert(eq(u32, header.height, 25));
	cr_assert(eq(u32, header.depth, 32));
	with_tag(6, 0, NULL, 0);
	cr_accepts();
	cr_assert(header.aligns_modules);
	with_tag(6, 0, (uint32_t[1]){0}, 1); /* as Palacios reads it */
	cr_accepts();
	cr_assert(header.aligns_modules);
}

Test(header, remembers_which_tags_are_not_optional)
{
	with_tag(5, 1, (uint32_t[3]){80, 25, 32}, 3);
	cr_accepts();
	cr_assert(eq(u32, header.required, 1u << 2 | 1u << 3));
	with_tag(5, 0, (uint32_t[3]){80, 25, 32}, 3);
	cr_accepts();
	cr_assert(eq(u32, header.required, 1u << 2 | 1u << 3 | 1u << 5));
}

Test(header, reads_where_an_image_would_like_to_be)
{
	with_tag(10, 0, (uint32_t[4]){0x100000, 0xFFFFFFFF, 0x200000, 2}, 4);
	cr_accepts();
	cr_assert(header.relocatable);
	cr_assert(eq(u32, header.min_addr, 0x100000));
	cr_assert(eq(u32, header.max_addr, 0xFFFFFFFF));
	cr_assert(eq(u32, header.align, 0x200000));
	cr_assert(eq(u32, header.preference, MULTIBOOT2_PREFER_HIGHEST));
	with_tag(10, 0, (uint32_t[4]){5, 5, 0, 0}, 4);
	cr_accepts();
	cr_assert(eq(u32, header.align, 1));
}

Test(header, refuses_a_relocatable_tag_that_makes_no_sense)
{
	with_tag(10, 0, (uint32_t[4]){0x2000, 0x1FFF, 1, 0}, 4);
	cr_refuses("Multiboot2 relocatable tag: min_addr 0x2000 is above max_addr 0x1fff");
	with_tag(10, 0, (uint32_t[4]){0, 0, 0x3000, 0}, 4);
	cr_refuses("Multiboot2 relocatable tag: align is 0x3000; a power of two would be right");
	with_tag(10, 0, (uint32_t[4]){0, 0, 1, 3}, 4);
	cr_refuses("Multiboot2 relocatable tag: preference is 3; 0 (none), 1 (lowest) or 2 (highest) would be right");
}

Test(header, takes_a_longer_hrt_tag)
{
	uint32_t words[14] = {0x200, 0, 0, 2, 0, 0, 0, 0, 0xFFFFF000, 1, 255};

	without_tags();
	recipe_tag(&recipe, 0xF00D, 1, words, ARRAY_SIZE(words));
	recipe_tag_address(&recipe, EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, 0);
	recipe_tag_entry(&recipe, EXAMPLE_ENTRY);
	recipe_tag_end(&recipe);
	cr_accepts();
	cr_assert(eq(u64, header.hrt.comm_page_gpa, EXAMPLE_COMM));
}

Test(header, refuses_an_unknown_tag_unless_it_is_optional)
{
	with_tag(0x1234, 0, NULL, 0);
	cr_refuses("Multiboot2 header tag of type 4660 at 0x110 is unknown and not optional; "
		   "set bit 0 of its flags (0x0) if the image can do without");
	with_tag(0x1234, 1, (uint32_t[3]){1, 2, 3}, 3);
	cr_accepts();
}

Test(header, refuses_a_second_tag_where_they_could_contradict)
{
	with_tag(2, 0, (uint32_t[4]){0}, 4);
	cr_refuses("a second Multiboot2 address tag at 0x160; an image has one");
	with_tag(3, 0, (uint32_t[1]){0}, 1);
	cr_refuses("a second Multiboot2 entry tag at 0x170; an image has one");
	with_tag(0xF00D, 0, (uint32_t[12]){0}, 12);
	cr_refuses("a second Multiboot2 HRT tag at 0x148; an image has one");
	with_tag(10, 0, (uint32_t[4]){0}, 4);
	recipe.tags_size -= 8;
	recipe_tag(&recipe, 10, 0, (uint32_t[4]){0}, 4);
	recipe_tag_end(&recipe);
	cr_refuses("a second Multiboot2 relocatable tag at 0x188; an image has one");
}
