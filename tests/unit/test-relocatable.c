/* test-relocatable.c - HRT images that may stand anywhere: what is read of them, and where they are put */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi/multiboot2.h"
#include "base/error.h"
#include "base/macro.h"
#include "guest/place.h"
#include "image-builder.h"
#include "image/header.h"
#include "image/hrt.h"

#define HIGH    0xFFFF800000000000ull
#define DYNAMIC 0x300 /* of the file: the dynamic section */
#define TABLE   0x380 /* the relocations */
#define LINKED  0x1000 /* GVA of the first byte, which is at EXAMPLE_OFFSET */

static struct recipe recipe;
static struct buffer file;
static struct hrt_image image;
static struct error e;
static uint64_t dynamic[16], table[15];

/* A static PIE as ld makes it: linked from 0x1000 on, two relocations. */
static void set_up(void)
{
	static const uint64_t usual_dynamic[] = {7, LINKED + TABLE - EXAMPLE_OFFSET, 8, 48, 9, 24, 0x6FFFFFF9, 2, 0, 0};
	static const uint64_t usual_table[] = {LINKED + 0x10, 8, LINKED + 0x20, LINKED + 0x1018, 8, LINKED};
	struct recipe_hrt hrt = recipe_hrt_example;

	e = (struct error){};
	memcpy(dynamic, usual_dynamic, sizeof(usual_dynamic));
	memcpy(table, usual_table, sizeof(usual_table));
	recipe_example_elf(&recipe);
	recipe.type = 3;
	recipe.entry = LINKED + 8;
	recipe.segments[0].virtual_address = recipe.segments[0].physical_address = LINKED;
	recipe.segments[0].alignment = 0x1000;
	recipe.segments[1] = (struct recipe_segment){
		.type = 2, .offset = DYNAMIC, .virtual_address = LINKED + 0x100, .file_size = sizeof(usual_dynamic), .alignment = 8};
	recipe.n_segments = 2;
	recipe.header_offset = EXAMPLE_HEADER + 0x18;
	recipe.tags_size = 0;
	hrt.flags |= 1;
	recipe_tag_hrt(&recipe, &hrt);
	recipe_tag_end(&recipe);
}

static void tear_down(void)
{
	buffer_fini(&file);
}

static int parse(void)
{
	buffer_fini(&file);
	recipe_build(&recipe, &file);
	memcpy(file.data + DYNAMIC, dynamic, sizeof(dynamic));
	memcpy(file.data + TABLE, table, sizeof(table));
	return hrt_image_parse(file.data, file.size, 32 * MiB, 64 * MiB, &image, &e);
}

static void cr_accepts(void)
{
	cr_assert(eq(int, parse(), 0), "%s", e.text);
}

static void cr_refuses(const char *sentence)
{
	cr_assert(eq(int, parse(), -ENOEXEC));
	cr_assert_str_eq(e.text, sentence);
}

TestSuite(relocatable, .init = set_up, .fini = tear_down);

Test(relocatable, counts_its_segments_from_zero)
{
	cr_accepts();
	cr_assert(image.relocatable);
	cr_assert(eq(u64, image.link_base, LINKED));
	cr_assert(eq(u64, image.segments[0].gpa, 0));
	cr_assert(eq(u64, image.entry_gva, LINKED + 8));
	cr_assert(eq(u64, image.align, 0x1000));
	cr_assert(eq(u64, image.min_gpa, 0));
	cr_assert(eq(u64, image.max_gpa, UINT64_MAX));
	cr_assert(eq(u64, hrt_image_span(&image), EXAMPLE_LOADED + EXAMPLE_BSS));
}

Test(relocatable, finds_its_relocations)
{
	uint64_t address, value;

	cr_accepts();
	cr_assert(eq(u64, image.relocations.n, 2));
	relocation_at(file.data, &image.relocations, 0, &address, &value);
	cr_assert(eq(u64, address, LINKED + 0x10));
	cr_assert(eq(u64, value, LINKED + 0x20));
	relocation_at(file.data, &image.relocations, 1, &address, &value);
	cr_assert(eq(u64, address, LINKED + 0x1018)); /* in the bss */
	cr_assert(eq(u64, value, LINKED));
}

Test(relocatable, keeps_the_largest_alignment)
{
	recipe.segments[0].alignment = 0x200000;
	cr_accepts();
	cr_assert(eq(u64, image.align, 0x200000));
	cr_assert(eq(u64, image.link_base, 0));
	cr_assert(eq(u64, image.segments[0].gpa, LINKED));
	recipe.segments[0].alignment = 0x3000;
	cr_refuses("program header 0: p_align is 0x3000; a power of two would be right");
}

Test(relocatable, may_have_nothing_to_relocate)
{
	recipe.n_segments = 1;
	cr_accepts();
	cr_assert(eq(u64, image.relocations.n, 0));
	recipe.n_segments = 2;
	dynamic[3] = 0;
	cr_accepts();
	cr_assert(eq(u64, image.relocations.n, 0));
}

Test(relocatable, may_be_an_executable_with_a_place_of_its_own)
{
	recipe.type = 2;
	recipe.n_segments = 1;
	recipe.segments[0].virtual_address = HIGH + EXAMPLE_GPA;
	recipe.segments[0].physical_address = EXAMPLE_GPA;
	recipe.entry = HIGH + EXAMPLE_GPA;
	cr_accepts();
	cr_assert(eq(u64, image.link_base, HIGH + EXAMPLE_GPA));
	cr_assert(eq(u64, image.segments[0].gpa, 0));
}

Test(relocatable, may_have_an_address_tag_where_nothing_is_to_be_relocated)
{
	struct recipe_hrt hrt = recipe_hrt_example;

	hrt.flags |= 1;
	recipe_bare(&recipe);
	recipe_tag_hrt(&recipe, &hrt);
	recipe_tag_address(&recipe, EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, 0);
	recipe_tag_entry(&recipe, EXAMPLE_GPA + 4);
	recipe_tag_end(&recipe);
	cr_accepts();
	cr_assert(eq(u64, image.link_base, HIGH + EXAMPLE_GPA));
	cr_assert(eq(u64, image.segments[0].gpa, 0));
	cr_assert(eq(u64, image.entry_gva, HIGH + EXAMPLE_GPA + 4));
	recipe.type = 3;
	cr_refuses(
		"the ELF file is position independent (e_type 3), and the Multiboot2 header has an address tag, which knows "
		"nothing of relocations: leave the address tag out, or link the image with -no-pie");
}

Test(relocatable, takes_an_entry_tag_as_the_segments_are_linked)
{
	recipe.tags_size -= 8;
	recipe_tag_entry(&recipe, LINKED + 0x30);
	recipe_tag_end(&recipe);
	cr_accepts();
	cr_assert(eq(u64, image.entry_gva, LINKED + 0x30));
}

Test(relocatable, refuses_an_entry_that_is_nowhere)
{
	recipe.entry = 0xFFF;
	cr_refuses("entry point 0xfff (e_entry of the ELF header) lies in no segment's bytes of the file; "
		   "the first is [0x1000, 0x1200)");
}

Test(relocatable, honours_the_relocatable_tag_of_the_standard)
{
	recipe.tags_size = 0;
	recipe_tag(&recipe, 10, 0, (uint32_t[]){0x100000, 0x8000000, 0x400000, MULTIBOOT2_PREFER_HIGHEST}, 4);
	recipe_tag_hrt(&recipe, &recipe_hrt_example); /* without the flag */
	recipe_tag_end(&recipe);
	cr_accepts();
	cr_assert(image.relocatable);
	cr_assert(eq(u64, image.min_gpa, 0x100000));
	cr_assert(eq(u64, image.max_gpa, 0x8000000));
	cr_assert(eq(u64, image.align, 0x400000));
	cr_assert(eq(u32, image.preference, MULTIBOOT2_PREFER_HIGHEST));
}

Test(relocatable, stays_below_4_gib_where_it_wants_to_know_where_it_is)
{
	recipe.tags_size -= 8;
	recipe_tag(&recipe, 1, 0, (uint32_t[]){21}, 1);
	recipe_tag_end(&recipe);
	cr_accepts();
	cr_assert(eq(u64, image.max_gpa, UINT32_MAX));
}

Test(relocatable, refuses_segments_beyond_the_last_address)
{
	recipe.segments[0].virtual_address = 0ull - 0x1000;
	recipe.segments[0].memory_size = 0x1001;
	cr_refuses("program header 0: 0x1001 bytes at p_vaddr 0xfffffffffffff000 go beyond the last address");
}

Test(relocatable, refuses_what_needs_a_dynamic_linker)
{
	static const struct {
		uint64_t tag;
		const char *what;
	} foreign[] = {
		{1, "shared libraries (DT_NEEDED)"},
		{2, "relocations of a procedure linkage table (DT_PLTRELSZ)"},
		{18, "relocations without addends (DT_RELSZ)"},
		{35, "packed relocations (DT_RELRSZ)"},
	};
	char sentence[200];

	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++) {
		dynamic[6] = foreign[i].tag;
		snprintf(sentence, sizeof(sentence),
			"the image needs %s, and there is no dynamic linker here: link it with -static-pie", foreign[i].what);
		cr_refuses(sentence);
	}
	dynamic[7] = 0; /* none of them, that is */
	cr_accepts();
	recipe.segments[2] = (struct recipe_segment){.type = 3, .offset = DYNAMIC, .file_size = 8};
	recipe.n_segments = 3;
	recipe.header_offset += 56;
	cr_refuses("the image wants to be started by a program interpreter (PT_INTERP), and there is none here: "
		   "link it with -static-pie, or with --no-dynamic-linker");
}

Test(relocatable, refuses_every_other_type_of_relocation)
{
	table[1] = 10;
	cr_refuses("relocation 0 is of type 10, symbol 0; of a static position independent image all are of type 8 "
		   "(R_X86_64_RELATIVE) and without symbol: link it with -static-pie");
	table[1] = 8;
	table[4] = 5ull << 32 | 6;
	cr_refuses("relocation 1 is of type 6, symbol 5; of a static position independent image all are of type 8 "
		   "(R_X86_64_RELATIVE) and without symbol: link it with -static-pie");
}

Test(relocatable, refuses_relocations_outside_the_image)
{
	table[0] = LINKED + EXAMPLE_LOADED + EXAMPLE_BSS - 7;
	cr_refuses("relocation 0 is for 0x21f9, where the image has no eight bytes");
	table[0]--;
	cr_accepts();
	table[0] = LINKED - 1;
	cr_refuses("relocation 0 is for 0xfff, where the image has no eight bytes");
	table[0] = UINT64_MAX;
	cr_refuses("relocation 0 is for 0xffffffffffffffff, where the image has no eight bytes");
}

Test(relocatable, refuses_a_table_outside_the_file)
{
	dynamic[1] = LINKED + EXAMPLE_LOADED - 47;
	cr_refuses(
		"the table of relocations (DT_RELA), 0x30 bytes at 0x11d1, does not lie in the bytes of one segment");
	dynamic[1] = LINKED - 24;
	cr_refuses("the table of relocations (DT_RELA), 0x30 bytes at 0xfe8, does not lie in the bytes of one segment");
	dynamic[1] = LINKED;
	dynamic[3] = UINT64_MAX - 15; /* a multiple of 24 */
	cr_refuses("the table of relocations (DT_RELA), 0xfffffffffffffff0 bytes at 0x1000, does not lie in the bytes of one "
		   "segment");
	dynamic[3] = 47;
	cr_refuses("dynamic section: the relocations have 0x2f bytes (DT_RELASZ); a multiple of 24 would be right");
	dynamic[5] = 16;
	cr_refuses("dynamic section: a relocation has 0x10 bytes (DT_RELAENT); 24 would be right");
	recipe.segments[1].offset = EXAMPLE_SIZE - 8;
	cr_refuses("the dynamic section has 0x50 bytes at offset 0x3f8; the file has only 0x400 bytes");
}

/* --- Its place -------------------------------------------------------------- */

static const struct place_range below[] = {{8 * MiB, 64 * MiB}};
static const struct place_range around[] = {{8 * MiB, 0xFEC00000}, {4 * GiB, 8 * GiB}};

static void cr_placed(const struct place_range *free, size_t n, uint64_t expected)
{
	uint64_t base = 0;

	cr_assert(eq(int, place_image(&image, free, n, &base, &e), 0), "%s", e.text);
	cr_assert(eq(u64, base, expected));
}

/* 1 MiB and a byte, anywhere. */
static void make_image(void)
{
	image = (struct hrt_image){
		.segments = {{.gpa = 0x1000, .memory_size = MiB - 0xFFF}},
		.n_segments = 1,
		.align = 0x1000,
		.max_gpa = UINT64_MAX,
		.gva_offset = HIGH,
	};
}

TestSuite(place, .init = make_image);

Test(place, is_the_lowest_where_nothing_is_preferred)
{
	cr_placed(below, 1, 8 * MiB);
	image.align = 32 * MiB;
	cr_placed(below, 1, 32 * MiB);
}

Test(place, is_where_the_image_is_linked_if_that_is_free)
{
	image.link_base = HIGH + 40 * MiB;
	cr_placed(below, 1, 40 * MiB);
	image.link_base = HIGH + 63 * MiB; /* a byte too much */
	cr_placed(below, 1, 8 * MiB);
	image.link_base = HIGH + 5 * GiB;
	cr_placed(around, 2, 5 * GiB);
	image.gva_offset = 0;
	image.link_base = 20 * MiB;
	cr_placed(below, 1, 20 * MiB);
	image.preference = MULTIBOOT2_PREFER_LOWEST;
	cr_placed(below, 1, 8 * MiB);
}

Test(place, is_the_highest_where_that_is_preferred)
{
	image.preference = MULTIBOOT2_PREFER_HIGHEST;
	cr_placed(below, 1, 63 * MiB - 0x1000);
	cr_placed(around, 2, 8 * GiB - MiB - 0x1000);
	image.max_gpa = UINT32_MAX;
	cr_placed(around, 2, 0xFEC00000 - MiB - 0x1000);
}

Test(place, is_within_what_the_image_asks_for)
{
	image.min_gpa = 10 * MiB + 1;
	cr_placed(below, 1, 10 * MiB + 0x1000);
	image.min_gpa = 4 * GiB - 1;
	cr_placed(around, 2, 4 * GiB);
	image.max_gpa = 4 * GiB + MiB;
	cr_assert(eq(int, place_image(&image, around, 2, &(uint64_t){0}, &e), -EADDRINUSE));
	cr_assert_str_eq(e.text,
		"there is no place for the image: it wants 0x100001 bytes at a multiple of 0x1000, in [0xffffffff, 0x100100000); "
		"free for it is [0x800000, 0xfec00000) and memory above 4 GiB: give the VM more memory, or let the image ask "
		"for less");
}

Test(place, is_found_for_no_absurd_wish)
{
	image.align = 1ull << 63;
	cr_assert(eq(int, place_image(&image, around, 2, &(uint64_t){0}, &e), -EADDRINUSE));
	image.align = 0x1000;
	image.segments[0].memory_size = UINT64_MAX - 0x1000;
	cr_assert(eq(int, place_image(&image, around, 2, &(uint64_t){0}, &e), -EADDRINUSE));
	image.preference = MULTIBOOT2_PREFER_HIGHEST;
	cr_assert(eq(int, place_image(&image, around, 2, &(uint64_t){0}, &e), -EADDRINUSE));
}
