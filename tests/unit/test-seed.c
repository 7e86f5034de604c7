/* test-seed.c - the seed layout: what it takes for an image, where all stands, and what a core finds [spec 2.2, 3.2, 3.3, 4.3] */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "guest/boot.h"
#include "guest/hrt-info.h"
#include "guest/paging.h"
#include "image-builder.h"
#include "plans.h"

#define END (256 * MiB)

static struct wish wish;
static struct plan plan;
static struct memory memory;
static struct boot_registers registers;
static struct recipe recipe;
static struct buffer file;
static struct hrt_image image;
static struct hrt_seed seed;
static struct error e;
static const char big[0x1010] = "anything";

static void set_up(void)
{
	wish = (struct wish)WISH_EXAMPLE;
	wish.layout = SPEC_LAYOUT_SEED;
	wish.gva_offset = 0;
	wish.comm_page = 0;
	memory = (struct memory){0};
	e = (struct error){};
	seed = (struct hrt_seed){.flags = HVM_FLAG_MAP_2MB, .entry = HRT_BLOB_ENTRY};
	recipe_example(&recipe);
}

static void tear_down(void)
{
	buffer_fini(&file);
	free(memory.windows[0].host);
}

TestSuite(seed, .init = set_up, .fini = tear_down);

static void make_plan(void)
{
	cr_assert(eq(int, wish_plan(&wish, &plan, &e), 0), "%s", e.text);
}

static void write_state(void)
{
	make_plan();
	plan_memory(&plan, &memory);
	cr_assert(eq(int, boot_write_state(&plan, &wished.source, 2300000, &memory, &e), 0), "%s", e.text);
}

/* --- Where all stands ------------------------------------------------------- */

Test(seed, stands_as_in_the_table_of_its_variant_a)
{
	make_plan();
	cr_assert(eq(u64, plan.handler, END - 0x1000));
	cr_assert(eq(u64, plan.idt, END - 0x2000));
	cr_assert(eq(u64, plan.gdt, END - 0x3000));
	cr_assert(eq(u64, plan.tss, END - 0x4000));
	cr_assert(eq(u64, plan.page_tables, END - 0x7000));
	cr_assert(eq(u64, plan.page_table_pages, 3));
	cr_assert(eq(u64, plan.boundary, END - 0x8000));
	cr_assert(eq(u64, plan.stacks, END - 0xC000));
	cr_assert(eq(u64, plan.stacks_end, END - 0x8000));
	cr_assert(eq(u64, plan.map_bytes, GiB));
	cr_assert(eq(u64, plan_seed_image_end(&wished.spec), END - 0xC000));
	cr_assert_str_eq(plan_find(&plan, plan.boundary)->name, "boundary page");
	cr_assert_str_eq(plan_find(&plan, plan.stacks)->name, "stack");
}

Test(seed, stays_below_1_gib)
{
	wish.memory = 6 * GiB;
	make_plan();
	cr_assert(eq(u64, plan.end, GiB));
	cr_assert(eq(u64, plan.handler, GiB - 0x1000));
	cr_assert_str_eq(plan_find(&plan, GiB)->name, "hrt memory");
	cr_assert_str_eq(plan_find(&plan, 4 * GiB)->name, "hrt memory");
	cr_assert(eq(u64, plan_find(&plan, 4 * GiB)->size, 6 * GiB - 0xFEC00000));
}

Test(seed, has_no_comm_page)
{
	make_plan();
	for (size_t i = 0; i < plan.n_regions; i++)
		cr_assert_str_neq(plan.regions[i].name, "comm page");
}

Test(seed, may_have_a_larger_stack)
{
	wish.stack = 0x10000;
	make_plan();
	cr_assert(eq(u64, plan.boundary - plan.stacks, 0x10000));
}

Test(seed, refuses_a_ros_that_has_all_below_1_gib)
{
	wish.memory = 6 * GiB;
	wish.ros_memory = GiB;
	cr_assert(eq(int, wish_plan(&wish, &plan, &e), -EADDRINUSE));
	cr_assert_str_eq(e.text,
		"the boot state needs 0xc000 bytes below 0x40000000, 0x3000 of them for page tables that map 0x40000000 bytes "
		"by pages of 0x200000; the HRT's memory there, [0x40000000, 0x40000000), has only 0x0: give the VM more memory, "
		"or let the image ask for larger pages");
}

/* --- Its bytes -------------------------------------------------------------- */

static uint64_t word(uint64_t gpa)
{
	uint64_t value;

	memcpy(&value, memory_at(&memory, gpa, 8), 8);
	return value;
}

Test(seed, boundary_page_is_all_ones)
{
	write_state();
	for (uint64_t gpa = plan.boundary; gpa < plan.page_tables; gpa += 8)
		cr_assert(eq(u64, word(gpa), UINT64_MAX));
}

Test(seed, maps_1_gib_at_0)
{
	uint64_t gpa;

	write_state();
	for (uint64_t gva = 0; gva < GiB; gva += 0x1FF000) {
		cr_assert(eq(int, paging_walk(&memory, plan.page_tables, gva, &gpa), 0));
		cr_assert(eq(u64, gpa, gva));
	}
	cr_assert(eq(int, paging_walk(&memory, plan.page_tables, GiB, &gpa), -EFAULT));
}

Test(seed, pushes_the_information_block_on_the_stack)
{
	uint64_t size;

	wish.cmdline = "hello";
	write_state();
	size = word(plan.info) & 0xFFFFFFFF;
	cr_assert(eq(u64, size, hrt_info_size(&plan, &wished.source)));
	cr_assert(eq(u64, plan.info + size, plan.boundary));
	cr_assert(eq(u64, word(plan.info + 8), 24ull << 32 | 0xF00DF00D)); /* the seed's HRT tag */
	cr_assert(eq(u64, word(plan.info + 16), 2ull << 32 | 4)); /* four cores, two of them the ROS's */
	cr_assert(eq(u64, word(plan.info + 24), 0));
	cr_assert(eq(u64, word(plan.info - 8), 0)); /* a return address */
}

Test(seed, map_reserves_stack_and_boot_state_and_nothing_above_1_gib)
{
	static const struct memory_map_entry expected[] = {
		{0, 0xA0000, 1}, {0xA0000, 0x60000, 2}, {0x100000, GiB - 0xC000 - MiB, 1}, {GiB - 0xC000, 0xC000, 2},
		{GiB, 0xFEC00000 - GiB, 1}, {0xFEC00000, 0x1400000, 2}, {4 * GiB, 6 * GiB - 0xFEC00000, 1}};
	struct memory_map_entry map[MEMORY_MAP_MAX];

	wish.memory = 6 * GiB;
	make_plan();
	cr_assert(eq(uint, memory_map_hrt(&plan, map), ARRAY_SIZE(expected)));
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		cr_assert(eq(u64, map[i].gpa, expected[i].gpa));
		cr_assert(eq(u64, map[i].size, expected[i].size));
		cr_assert(eq(u32, map[i].type, expected[i].type));
	}
}

Test(seed, refuses_an_information_block_that_leaves_no_stack)
{
	char cmdline[0x2000];

	memset(cmdline, 'x', sizeof(cmdline) - 1);
	cmdline[sizeof(cmdline) - 1] = '\0';
	wish.cmdline = cmdline;
	cr_assert(eq(int, wish_plan(&wish, &plan, &e), -ENOEXEC));
	cr_assert(strstr(e.text, "in the seed layout stands on the stack of 16384: at most 8192 would be right") != NULL, "%s", e.text);
}

/* --- Registers -------------------------------------------------------------- */

Test(seed, first_core_finds_the_block_and_the_others_do_not)
{
	wish.hrt_cores = 3;
	make_plan();
	for (uint32_t n = 0; n < 3; n++) {
		boot_registers_hrt(&plan, n, &registers);
		cr_assert(eq(u64, registers.rax, 0x36D76289));
		cr_assert(eq(u64, registers.rbx, n == 0 ? plan.info : 0));
		cr_assert(eq(u64, registers.rsp, plan.info - 8));
		cr_assert(eq(u64, registers.rbp, plan.boundary));
		cr_assert(eq(u64, registers.rdi, plan.boundary));
		cr_assert(eq(u64, registers.rcx | registers.rdx | registers.rsi, 0));
		cr_assert(eq(u64, registers.idt_base, plan.idt));
		cr_assert(eq(u64, registers.cr3, plan.page_tables));
	}
}

Test(seed, plain_image_finds_the_boundary_page_only)
{
	wish.plain = true;
	write_state();
	boot_registers_hrt(&plan, 0, &registers);
	cr_assert(eq(u64, registers.rax | registers.rbx | registers.rcx | registers.rdx, 0));
	cr_assert(eq(u64, registers.rsp, plan.boundary));
	cr_assert(eq(u64, registers.rbp, plan.boundary));
	cr_assert(eq(u64, registers.rdi, plan.boundary));
	cr_assert(eq(u64, word(plan.boundary - 8), 0));
}

/* --- Images ----------------------------------------------------------------- */

static int parse(void)
{
	buffer_fini(&file);
	recipe_build(&recipe, &file);
	return hrt_image_parse_seed(file.data, file.size, 32 * MiB, 64 * MiB, &seed, &image, &e);
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

Test(seed, takes_any_file_for_a_blob_that_is_entered_at_0x40)
{
	static const char blob[0x41] = "anything";

	cr_assert(eq(int, hrt_image_parse_seed(blob, sizeof(blob), 32 * MiB, 64 * MiB, &seed, &image, &e), 0), "%s", e.text);
	cr_assert(not(image.multiboot));
	cr_assert(eq(sz, image.n_segments, 1));
	cr_assert(eq(u64, image.segments[0].gpa, 32 * MiB));
	cr_assert(eq(u64, image.segments[0].offset, 0));
	cr_assert(eq(u64, image.segments[0].file_size, sizeof(blob)));
	cr_assert(eq(u64, image.entry_gva, 32 * MiB + 0x40));
	cr_assert(eq(int, hrt_image_parse_seed(blob, 0x40, 32 * MiB, 64 * MiB, &seed, &image, &e), -ENOEXEC));
	cr_assert_str_eq(e.text, "the file has 64 bytes; what is no ELF file is entered at 0x40");
	cr_assert(eq(int, hrt_image_parse_seed(blob, 0x41, 32 * MiB, 32 * MiB + 0x40, &seed, &image, &e), -ENOEXEC));
	cr_assert_str_eq(
		e.text, "the file has 0x41 bytes; from 0x2000000 to the boot state at 0x2000040 there are fewer");
	cr_assert(eq(int, hrt_image_parse_seed(blob, 0x41, 64 * MiB, 32 * MiB, &seed, &image, &e), -ENOEXEC));
}

Test(seed, loads_a_blob_and_enters_it_where_the_definition_says)
{
	static const char blob[0x41] = "anything";

	seed.load = 33 * MiB;
	seed.entry = 0;
	cr_assert(eq(int, hrt_image_parse_seed(blob, sizeof(blob), 32 * MiB, 64 * MiB, &seed, &image, &e), 0), "%s", e.text);
	cr_assert(eq(u64, image.segments[0].gpa, 33 * MiB));
	cr_assert(eq(u64, image.entry_gva, 33 * MiB));
	seed.entry = 0x41;
	cr_assert(eq(int, hrt_image_parse_seed(blob, sizeof(blob), 32 * MiB, 64 * MiB, &seed, &image, &e), -ENOEXEC));
	cr_assert_str_eq(e.text, "the file has 65 bytes; what is no ELF file is entered at 0x41");
	seed = (struct hrt_seed){.load = 64 * MiB - 0x1000, .entry = 0x1001};
	cr_assert(eq(int, hrt_image_parse_seed(big, sizeof(big), 32 * MiB, 64 * MiB, &seed, &image, &e), -ENOEXEC));
	cr_assert_str_eq(e.text, "the file has 0x1010 bytes; from 0x3fff000 to the boot state at 0x4000000 there are fewer");
	seed.load = 31 * MiB;
	cr_assert(eq(int, hrt_image_parse_seed(big, sizeof(big), 32 * MiB, 64 * MiB, &seed, &image, &e), -ENOEXEC));
}

Test(seed, refuses_a_place_for_an_elf_file)
{
	recipe.entry = EXAMPLE_ENTRY;
	seed.load = 33 * MiB;
	cr_refuses("it is an ELF file, which says itself where it stands and is entered; load= and entry= are for a file that is none: "
		   "take them out of the definition");
	seed = (struct hrt_seed){.flags = HVM_FLAG_MAP_2MB};
	cr_assert(eq(int, parse(), -ENOEXEC));
}

/* [spec 2.2], the other variant: by pages of 1 GiB. */
Test(seed, stands_as_in_the_table_of_its_variant_b_where_pages_have_1_gib)
{
	wish.flags = HVM_FLAG_MAP_1GB;
	wish.granule = SPEC_GRANULE_1G;
	make_plan();
	cr_assert(eq(u64, plan.page_tables, END - 0x6000));
	cr_assert(eq(u64, plan.page_table_pages, 2));
	cr_assert(eq(u64, plan.boundary, END - 0x7000));
	cr_assert(eq(u64, plan_seed_image_end(&wished.spec), END - 0xB000));
	cr_assert(eq(u64, plan.map_bytes, GiB));
}

Test(seed, maps_by_small_pages_where_the_definition_says_so)
{
	uint64_t gpa;

	wish.flags = HVM_FLAG_MAP_4KB;
	wish.granule = SPEC_GRANULE_4K;
	write_state();
	cr_assert(eq(u64, plan.page_table_pages, 3 + 512));
	cr_assert(eq(u64, plan_seed_image_end(&wished.spec), plan.stacks));
	for (uint64_t gva = 0; gva < GiB; gva += 0x1FF000) {
		cr_assert(eq(int, paging_walk(&memory, plan.page_tables, gva, &gpa), 0));
		cr_assert(eq(u64, gpa, gva));
	}
}

/* Palacios' own never read a program header, and entered them [spec 3.3]. */
Test(seed, loads_a_plain_elf_file_by_its_program_headers)
{
	recipe.magic = 0;
	recipe.entry = EXAMPLE_ENTRY;
	cr_accepts();
	cr_assert(not(image.multiboot));
	cr_assert(eq(u64, image.segments[0].gpa, EXAMPLE_GPA));
	cr_assert(eq(u64, image.segments[0].memory_size, EXAMPLE_LOADED + EXAMPLE_BSS));
	cr_assert(eq(u64, image.entry_gva, EXAMPLE_ENTRY));
	recipe.segments[0].physical_address = recipe.segments[0].virtual_address = 64 * MiB - 1;
	cr_refuses("program header 0: its 0x1200 bytes do not lie in the HRT's memory [0x2000000, 0x4000000), neither by "
		   "p_paddr 0x3ffffff nor by p_vaddr 0x3ffffff less gva_offset 0x0");
}

Test(seed, needs_no_hrt_tag)
{
	recipe_bare(&recipe);
	recipe_tag_address(&recipe, EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, 0);
	recipe_tag_entry(&recipe, EXAMPLE_ENTRY);
	recipe_tag_end(&recipe);
	cr_accepts();
	cr_assert(image.multiboot);
	cr_assert(eq(u64, image.entry_gva, EXAMPLE_ENTRY));
}

Test(seed, takes_the_hrt_tag_of_its_time)
{
	recipe_bare(&recipe);
	recipe_tag(&recipe, 0xF00D, 1, (uint32_t[]){0x201}, 1);
	recipe_tag_address(&recipe, EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, 0);
	recipe_tag_entry(&recipe, EXAMPLE_ENTRY);
	recipe_tag_end(&recipe);
	cr_accepts();
	cr_assert(image.multiboot);
	cr_assert(eq(int, hrt_image_parse(file.data, file.size, 32 * MiB, 64 * MiB, &image, &e), -ENOEXEC));
	cr_assert_str_eq(e.text,
		"HRT tag: size is 12, as it was in 2015; 56 would be right, or layout=\"seed\" in the definition");
}

Test(seed, refuses_an_image_for_the_high_half)
{
	cr_refuses("HRT tag: gva_offset is 0xffff800000000000; the seed layout maps memory at 0: layout=\"final\" would be "
		   "right");
}

Test(seed, loads_by_the_header_wherever_that_is_in_the_file_L18)
{
	for (uint64_t at = 0x100; at < 0x8000; at += 0x1238) {
		recipe_bare(&recipe);
		recipe.size = 0x9000;
		recipe.header_offset = at;
		recipe_tag_address(&recipe, EXAMPLE_GPA, EXAMPLE_GPA + 0x100, EXAMPLE_GPA + 0x200, EXAMPLE_GPA + 0x300);
		recipe_tag_entry(&recipe, EXAMPLE_GPA + 0x100);
		recipe_tag_end(&recipe);
		cr_accepts();
		cr_assert(eq(u64, image.segments[0].offset, at + 0x100));
		cr_assert(eq(u64, image.segments[0].file_size, 0x100));
		cr_assert(eq(u64, image.segments[0].memory_size, 0x200)); /* and a bss */
	}
}
