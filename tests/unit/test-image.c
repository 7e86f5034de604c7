/*
 * test-image.c - what is read out of an HRT image, and every way it may be wrong
 *
 * "L3" and the like: tests/data/loader-bugs.txt, [spec 3.7].
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/macro.h"
#include "image-builder.h"
#include "image/describe.h"
#include "image/hrt.h"

#define WINDOW_START (32 * MiB)
#define WINDOW_END   (64 * MiB)
#define HIGH         0xFFFF800000000000ull

static struct recipe recipe;
static struct buffer file;
static struct hrt_image image;
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

static int parse(void)
{
	buffer_fini(&file);
	recipe_build(&recipe, &file);
	return hrt_image_parse(file.data, file.size, WINDOW_START, WINDOW_END, &image, &e);
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

/* Replaces the example's HRT tag. */
static void with_hrt(const struct recipe_hrt *hrt)
{
	without_tags();
	recipe_tag_hrt(&recipe, hrt);
	recipe_tag_address(&recipe, EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, 0);
	recipe_tag_entry(&recipe, EXAMPLE_ENTRY);
	recipe_tag_end(&recipe);
}

/* Replaces the example's address tag. */
static void with_address(uint32_t header, uint32_t load, uint32_t load_end, uint32_t bss_end)
{
	without_tags();
	recipe_tag_hrt(&recipe, &recipe_hrt_example);
	recipe_tag_address(&recipe, header, load, load_end, bss_end);
	recipe_tag_entry(&recipe, EXAMPLE_ENTRY);
	recipe_tag_end(&recipe);
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

TestSuite(image, .init = set_up, .fini = tear_down);

/* --- A good image --------------------------------------------------------- */

Test(image, reads_the_address_tag)
{
	cr_accepts();
	cr_assert(image.by_address_tag);
	cr_assert(eq(u64, image.header_offset, EXAMPLE_HEADER));
	cr_assert(eq(sz, image.n_segments, 1));
	cr_assert(eq(u64, image.segments[0].gpa, EXAMPLE_GPA));
	cr_assert(eq(u64, image.segments[0].offset, EXAMPLE_OFFSET));
	cr_assert(eq(u64, image.segments[0].file_size, EXAMPLE_LOADED));
	cr_assert(eq(u64, image.segments[0].memory_size, EXAMPLE_LOADED + EXAMPLE_BSS));
}

Test(image, reads_the_hrt_tag)
{
	cr_accepts();
	cr_assert(eq(u64, image.flags, 0x200));
	cr_assert(eq(u64, image.max_mem_to_map, EXAMPLE_MAP));
	cr_assert(eq(u64, image.gva_offset, HIGH));
	cr_assert(eq(u64, image.comm_page_gpa, EXAMPLE_COMM));
	cr_assert(eq(u8, image.int_vector, EXAMPLE_VECTOR));
}

Test(image, adds_the_offset_to_the_entry_tag_once_L10)
{
	cr_accepts();
	cr_assert(eq(u64, image.entry_gva, EXAMPLE_ENTRY + HIGH));
}

Test(image, takes_gva_entry_as_it_is)
{
	struct recipe_hrt hrt = recipe_hrt_example;

	hrt.entry = HIGH + EXAMPLE_GPA + 0x20;
	with_hrt(&hrt);
	cr_accepts();
	cr_assert(eq(u64, image.entry_gva, HIGH + EXAMPLE_GPA + 0x20));
}

Test(image, reads_program_headers_where_there_is_no_address_tag_L9)
{
	recipe_example_elf(&recipe);
	cr_accepts();
	cr_assert(not(image.by_address_tag));
	cr_assert(eq(sz, image.n_segments, 1));
	cr_assert(eq(u64, image.segments[0].gpa, EXAMPLE_GPA));
	cr_assert(eq(u64, image.segments[0].offset, EXAMPLE_OFFSET));
	cr_assert(eq(u64, image.segments[0].file_size, EXAMPLE_LOADED));
	cr_assert(eq(u64, image.segments[0].memory_size, EXAMPLE_LOADED + EXAMPLE_BSS));
	cr_assert(image.segments[0].executable);
	cr_assert(eq(u64, image.entry_gva, EXAMPLE_ENTRY + HIGH));
}

/* --- ELF ------------------------------------------------------------------ */

Test(image, refuses_what_is_no_elf_file)
{
	cr_assert(eq(int, hrt_image_parse("", 0, WINDOW_START, WINDOW_END, &image, &e), -ENOEXEC));
	cr_assert_str_eq(e.text, "the file has 0 bytes; an ELF64 header alone has 64");
	recipe_build(&recipe, &file);
	memcpy(file.data, "#!/b", 4);
	cr_assert(eq(
		int, hrt_image_parse(file.data, file.size, WINDOW_START, WINDOW_END, &image, &e), -ENOEXEC));
	cr_assert_str_eq(e.text,
		"the file begins with 23 21 2f 62; an HRT is an ELF file and begins with 7f 45 4c 46");
}

Test(image, refuses_other_machines)
{
	recipe.elf_class = 1;
	cr_refuses("ELF class (byte 4) is 1; an HRT is ELF64, class 2");
	recipe.elf_class = 2;
	recipe.elf_data = 2;
	cr_refuses("ELF data encoding (byte 5) is 2; an HRT is little endian, 1");
	recipe.elf_data = 1;
	recipe.machine = 183;
	cr_refuses("ELF machine (e_machine) is 183; hvmd runs x86-64, 62");
}

Test(image, refuses_other_kinds_of_elf_files)
{
	recipe.type = 1;
	cr_refuses("ELF type (e_type) is 1; an HRT is an executable, 2");
	recipe.type = 3;
	cr_refuses("the ELF file is position independent (e_type 3), and the HRT tag does not say so: "
		   "set RELOC (0x1) in hrt_flags, or link it with -no-pie, for e_type 2");
}

Test(image, refuses_a_section_table_of_unknown_length)
{
	recipe.section_offset = EXAMPLE_OFFSET;
	cr_refuses(
		"the ELF header has a section table (e_shoff 0x200) of 0 sections (e_shnum); at least 1 would be right");
}

Test(image, refuses_program_headers_outside_the_file)
{
	recipe_example_elf(&recipe);
	recipe.segments[0].offset = EXAMPLE_SIZE - 1;
	recipe.segments[0].file_size = 2;
	cr_refuses("program header 0 wants 0x2 bytes at offset 0x3ff; the file has only 0x400 bytes");
	recipe.segments[0].offset = UINT64_MAX;
	cr_refuses(
		"program header 0 wants 0x2 bytes at offset 0xffffffffffffffff; the file has only 0x400 bytes");
}

Test(image, refuses_more_bytes_in_the_file_than_in_memory)
{
	recipe_example_elf(&recipe);
	recipe.segments[0].memory_size = EXAMPLE_LOADED - 1;
	cr_refuses(
		"program header 0 has 0x200 bytes in the file (p_filesz) and only 0x1ff in memory (p_memsz)");
}

Test(image, prefers_the_physical_address_where_it_is_ours)
{
	recipe_example_elf(&recipe);
	recipe.segments[0].virtual_address = HIGH + 2 * EXAMPLE_GPA;
	cr_accepts();
	cr_assert(eq(u64, image.segments[0].gpa, EXAMPLE_GPA));
}

Test(image, takes_the_virtual_address_where_the_physical_is_not_ours)
{
	recipe_example_elf(&recipe);
	recipe.segments[0].physical_address = 0x1000;
	recipe.segments[0].virtual_address = HIGH + EXAMPLE_GPA;
	cr_accepts();
	cr_assert(eq(u64, image.segments[0].gpa, EXAMPLE_GPA));
}

Test(image, refuses_segments_that_are_not_in_our_memory)
{
	recipe_example_elf(&recipe);
	recipe.segments[0].physical_address = 0x1000;
	recipe.segments[0].virtual_address = 0x1000;
	cr_refuses(
		"program header 0: its 0x1200 bytes do not lie in the HRT's memory [0x2000000, 0x4000000), neither by "
		"p_paddr 0x1000 nor by p_vaddr 0x1000 less gva_offset 0xffff800000000000");
	recipe.segments[0].physical_address = WINDOW_END - 1;
	recipe.segments[0].virtual_address = HIGH + WINDOW_END - 0x11FF;
	cr_refuses(
		"program header 0: its 0x1200 bytes do not lie in the HRT's memory [0x2000000, 0x4000000), neither by "
		"p_paddr 0x3ffffff nor by p_vaddr 0xffff800003ffee01 less gva_offset 0xffff800000000000");
	recipe.segments[0].memory_size = UINT64_MAX;
	cr_assert(eq(int, parse(), -ENOEXEC));
}

static void add_segment(uint64_t gpa, uint64_t memory_size)
{
	struct recipe_segment *s = &recipe.segments[recipe.n_segments++];

	*s = recipe.segments[0];
	s->physical_address = gpa;
	s->file_size = 0;
	s->memory_size = memory_size;
}

Test(image, sorts_segments_and_passes_over_empty_ones)
{
	recipe_example_elf(&recipe);
	recipe.segments[0].physical_address = EXAMPLE_GPA + 0x5000;
	recipe.segments[0].virtual_address = HIGH + EXAMPLE_GPA + 0x5000;
	recipe.entry = HIGH + EXAMPLE_GPA + 0x5000;
	add_segment(EXAMPLE_GPA + 0x4000, 0x1000);
	add_segment(EXAMPLE_GPA, 0);
	add_segment(EXAMPLE_GPA, 0x4000);
	recipe.segments[3].type = 4; /* PT_NOTE */
	add_segment(EXAMPLE_GPA + 0x1000, 0x1000);
	recipe.header_offset = 0x200;
	cr_accepts();
	cr_assert(eq(sz, image.n_segments, 3));
	cr_assert(eq(u64, image.segments[0].gpa, EXAMPLE_GPA + 0x1000));
	cr_assert(eq(u64, image.segments[1].gpa, EXAMPLE_GPA + 0x4000));
	cr_assert(eq(u64, image.segments[2].gpa, EXAMPLE_GPA + 0x5000));
}

Test(image, refuses_segments_that_overlap)
{
	recipe_example_elf(&recipe);
	add_segment(EXAMPLE_GPA + 0x11FF, 1);
	cr_refuses(
		"two segments of the ELF file overlap in memory: [0x2000000, 0x2001200) and [0x20011ff, 0x2001200)");
	recipe.segments[1].physical_address = EXAMPLE_GPA + 0x1200;
	cr_accepts();
}

Test(image, refuses_too_many_segments)
{
	recipe_example_elf(&recipe);
	recipe.header_offset = 0x1000;
	for (unsigned i = 1; i < HRT_SEGMENTS_MAX; i++)
		add_segment(EXAMPLE_GPA + i * 0x10000, 16);
	cr_accepts();
	cr_assert(eq(sz, image.n_segments, HRT_SEGMENTS_MAX));
	add_segment(EXAMPLE_GPA + 0x800000, 16);
	cr_refuses("the ELF file has more than 32 segments to load (PT_LOAD)");
}

Test(image, refuses_an_elf_file_with_nothing_to_load)
{
	recipe_example_elf(&recipe);
	recipe.segments[0].type = 4;
	cr_refuses(
		"nothing to load: the Multiboot2 header has no address tag and the ELF file no segment (PT_LOAD)");
}

Test(image, is_described_with_what_can_be_written_and_executed)
{
	struct buffer text = BUFFER_INIT(1024);
	char *line;

	recipe.segments[0].flags = 7;
	recipe_build(&recipe, &file);
	image_describe(file.data, file.size, &text);
	line = buffer_take_string(&text);
	cr_assert(strstr(line, "; program header 0 is writable and executable;") != NULL, "%s", line);
	free(line);
	buffer_fini(&file);
	recipe.segments[0].flags = 6;
	recipe_build(&recipe, &file);
	image_describe(file.data, file.size, &text);
	line = buffer_take_string(&text);
	cr_assert(strstr(line, "writable") == NULL, "%s", line);
	free(line);
}

/* --- What the header demands ---------------------------------------------- */

Test(image, boots_with_an_information_request_for_what_an_hrt_is_given_L1)
{
	with_tag(1, 0, (uint32_t[]){4, 6}, 2);
	cr_accepts();
}

Test(image, refuses_an_information_request_for_more)
{
	with_tag(1, 0, (uint32_t[]){4, 8}, 2);
	cr_refuses("the Multiboot2 header at 0x100 requires information 8 (framebuffer), which an HRT is not given; "
		   "set bit 0 of the information request tag's flags if the image can do without");
}

Test(image, boots_with_an_entry_tag_of_12_bytes_before_the_hrt_tag_L2)
{
	without_tags();
	recipe_tag_entry(&recipe, EXAMPLE_ENTRY);
	recipe_tag_hrt(&recipe, &recipe_hrt_example);
	recipe_tag_address(&recipe, EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, 0);
	recipe_tag_end(&recipe);
	cr_accepts();
	cr_assert(eq(u64, image.entry_gva, EXAMPLE_ENTRY + HIGH));
}

Test(image, says_that_an_ordinary_kernel_is_no_hrt)
{
	without_tags();
	recipe_tag_address(&recipe, EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, 0);
	recipe_tag_entry(&recipe, EXAMPLE_ENTRY);
	recipe_tag_end(&recipe);
	cr_refuses("the Multiboot2 header at 0x100 has no HRT tag (type 0xf00d): "
		   "this is an ordinary Multiboot2 kernel, not an HRT");
}

/* --- The address tag ------------------------------------------------------ */

Test(image, takes_zero_ends_and_a_load_address_of_all_ones_L5)
{
	with_address(EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, 0);
	cr_accepts();
	cr_assert(eq(u64, image.segments[0].file_size, EXAMPLE_LOADED));
	cr_assert(eq(u64, image.segments[0].memory_size, EXAMPLE_LOADED));
	with_address(EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, EXAMPLE_GPA + 0x9000);
	cr_accepts();
	cr_assert(eq(u64, image.segments[0].file_size, EXAMPLE_LOADED));
	cr_assert(eq(u64, image.segments[0].memory_size, 0x9000));
	with_address(EXAMPLE_GPA + EXAMPLE_HEADER, 0xFFFFFFFF, 0, 0);
	cr_accepts();
	cr_assert(eq(u64, image.segments[0].gpa, EXAMPLE_GPA));
	cr_assert(eq(u64, image.segments[0].offset, 0));
	cr_assert(eq(u64, image.segments[0].file_size, EXAMPLE_SIZE));
}

Test(image, takes_a_header_behind_the_first_loaded_byte)
{
	with_address(EXAMPLE_GPA + 0x80, EXAMPLE_GPA, EXAMPLE_GPA + 0x100, 0);
	cr_accepts();
	cr_assert(eq(u64, image.segments[0].offset, 0x80));
	cr_assert(eq(u64, image.segments[0].file_size, 0x100));
}

Test(image, refuses_ends_below_their_beginnings_L6)
{
	with_address(EXAMPLE_GPA - 0x100, EXAMPLE_GPA, EXAMPLE_GPA - 1, 0);
	cr_refuses("address tag: load_end_addr 0x1ffffff is below load_addr 0x2000000");
	with_address(EXAMPLE_GPA - 0x100, EXAMPLE_GPA, EXAMPLE_GPA + 0x100, EXAMPLE_GPA + 0xFF);
	cr_refuses("address tag: bss_end_addr 0x20000ff is below the end of the loaded bytes, 0x2000100");
}

Test(image, refuses_to_load_what_the_file_does_not_have_L7)
{
	with_address(EXAMPLE_GPA - 0x100, EXAMPLE_GPA, EXAMPLE_GPA + EXAMPLE_LOADED + 1, 0);
	cr_refuses("address tag: load_addr 0x2000000 to load_end_addr 0x2000201 are 0x201 bytes; "
		   "from offset 0x200 on the file has only 0x200");
	with_address(EXAMPLE_GPA - 0x301, EXAMPLE_GPA, 0, 0);
	cr_refuses(
		"address tag: header_addr 0x1fffcff and load_addr 0x2000000 put the first byte at offset 1025 of the file, "
		"which has 1024 bytes");
	with_address(EXAMPLE_GPA + 0x101, EXAMPLE_GPA, 0, 0);
	cr_refuses(
		"address tag: header_addr 0x2000101 and load_addr 0x2000000 put the first byte at offset -1 of the file, "
		"which has 1024 bytes");
}

Test(image, refuses_to_load_from_before_the_beginning)
{
	with_address(0xFF, 0xFFFFFFFF, 0, 0);
	cr_refuses(
		"address tag: load_addr 0xffffffff loads the file from its beginning, but header_addr 0xff is less than "
		"the header's offset 0x100 in the file");
}

Test(image, refuses_to_load_nothing)
{
	with_address(EXAMPLE_GPA - 0x300, EXAMPLE_GPA, 0, 0);
	cr_refuses("address tag: load_addr 0x2000000 to bss_end_addr are 0 bytes; there is nothing to load");
}

/* --- The HRT tag ---------------------------------------------------------- */

static void cr_refuses_hrt_flags(uint64_t flags, const char *sentence)
{
	struct recipe_hrt hrt = recipe_hrt_example;

	hrt.flags = flags;
	with_hrt(&hrt);
	cr_refuses(sentence);
}

Test(image, refuses_flags_we_cannot_serve)
{
	cr_refuses_hrt_flags(0x203,
		"HRT tag: hrt_flags 0x203 has EXE (0x2): this is a program to run under Nautilus, not an HRT");
	cr_refuses_hrt_flags(0x1200, "HRT tag: hrt_flags 0x1200 has unknown bits (0x1000); known are 0xf03");
	cr_refuses_hrt_flags(0xF00,
		"HRT tag: hrt_flags 0xf00 asks for 512 GiB pages (0x800), which no processor has; "
		"ask for 0x400 (1 GiB), 0x200 (2 MiB) or 0x100 (4 KiB)");
	cr_refuses_hrt_flags(0,
		"HRT tag: hrt_flags 0x0 asks for no page size; "
		"one of 0x400 (1 GiB), 0x200 (2 MiB) and 0x100 (4 KiB) is needed");
}

Test(image, keeps_the_largest_page_size_and_no_other_flag_L11)
{
	static const uint64_t asked[] = {0x100, 0x200, 0x300, 0x400, 0x500, 0x600, 0x700};
	static const uint64_t kept[] = {0x100, 0x200, 0x200, 0x400, 0x400, 0x400, 0x400};
	struct recipe_hrt hrt = recipe_hrt_example;

	for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
		hrt.flags = asked[i];
		with_hrt(&hrt);
		cr_accepts();
		cr_assert(eq(u64, image.flags, kept[i]));
	}
}

Test(image, refuses_any_other_offset)
{
	struct recipe_hrt hrt = recipe_hrt_example;

	hrt.gva_offset = 0xFFFFFFFF80000000;
	with_hrt(&hrt);
	cr_refuses("HRT tag: gva_offset is 0xffffffff80000000; 0 or 0xffff800000000000 would be right");
}

Test(image, refuses_the_vectors_of_exceptions)
{
	struct recipe_hrt hrt = recipe_hrt_example;

	hrt.vector = 31;
	with_hrt(&hrt);
	cr_refuses(
		"HRT tag: hrt_int_vector is 31, which belongs to the processor's exceptions; 32 to 255 would be right");
	hrt.vector = 32;
	with_hrt(&hrt);
	cr_accepts();
}

Test(image, refuses_half_a_comm_page)
{
	struct recipe_hrt hrt = recipe_hrt_example;

	hrt.comm_page = 0x1FFFFF800;
	with_hrt(&hrt);
	cr_refuses("HRT tag: comm_page_gpa is 0x1fffff800; a multiple of 0x1000 would be right");
}

/* --- The entry ------------------------------------------------------------ */

static void with_entry(uint64_t gva_offset, uint64_t entry)
{
	struct recipe_hrt hrt = recipe_hrt_example;

	hrt.gva_offset = gva_offset;
	hrt.entry = entry;
	with_hrt(&hrt);
}

Test(image, takes_entries_within_the_bytes_of_the_file_only)
{
	with_entry(0, EXAMPLE_GPA + EXAMPLE_LOADED - 1);
	cr_accepts();
	with_entry(HIGH, HIGH + EXAMPLE_GPA);
	cr_accepts();
	with_entry(0, EXAMPLE_GPA + EXAMPLE_LOADED);
	cr_refuses(
		"entry point 0x2000200 (gva_entry of the HRT tag) less gva_offset 0x0 lies in no segment's bytes of the "
		"file; the first is [0x2000000, 0x2000200)");
	with_entry(HIGH, EXAMPLE_GPA);
	cr_refuses(
		"entry point 0x2000000 (gva_entry of the HRT tag) less gva_offset 0xffff800000000000 lies in no segment's "
		"bytes of the file; the first is [0x2000000, 0x2000200)");
}

Test(image, refuses_entries_that_are_not_canonical)
{
	with_entry(0, 0x800000000000);
	cr_refuses("entry point 0x800000000000 (gva_entry of the HRT tag) is not a canonical address");
}

Test(image, refuses_an_address_tag_without_any_entry)
{
	without_tags();
	recipe_tag_hrt(&recipe, &recipe_hrt_example);
	recipe_tag_address(&recipe, EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, 0);
	recipe_tag_end(&recipe);
	cr_refuses(
		"no entry point: with an address tag, either gva_entry of the HRT tag or a Multiboot2 entry tag is needed");
}

Test(image, names_the_source_of_a_wrong_entry)
{
	recipe_example_elf(&recipe);
	recipe.entry = EXAMPLE_ENTRY; /* a GPA */
	cr_refuses(
		"entry point 0x2000010 (e_entry of the ELF header) less gva_offset 0xffff800000000000 lies in no segment's "
		"bytes of the file; the first is [0x2000000, 0x2000200)");
}

/* --- Anything at all ------------------------------------------------------ */

/* What the header promises, of bytes in a block of exactly that size: ASan watches its end. */
static void parse_exactly(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size ? size : 1);
	int r;

	memcpy(copy, data, size);
	e = (struct error){};
	r = hrt_image_parse(copy, size, WINDOW_START, WINDOW_END, &image, &e);
	cr_assert(eq(int, memcmp(copy, data, size), 0));
	free(copy);
	if (r < 0) {
		cr_assert(eq(int, r, -ENOEXEC));
		cr_assert(ne(chr, e.text[0], '\0'));
		return;
	}
	cr_assert(ge(sz, image.n_segments, 1));
	for (size_t i = 0; i < image.n_segments; i++) {
		cr_assert(gt(u64, image.segments[i].memory_size, 0));
		cr_assert(le(u64, image.segments[i].file_size, image.segments[i].memory_size));
		cr_assert(le(u64, image.segments[i].offset, size));
		cr_assert(le(u64, image.segments[i].file_size, size - image.segments[i].offset));
	}
}

Test(image, survives_every_truncation_L4)
{
	recipe_build(&recipe, &file);
	for (size_t size = 0; size <= file.size; size++)
		parse_exactly(file.data, size);
	recipe_example_elf(&recipe);
	buffer_fini(&file);
	recipe_build(&recipe, &file);
	for (size_t size = 0; size <= file.size; size++)
		parse_exactly(file.data, size);
}

/* Numerical Recipes' generator: the same run each time. */
static uint32_t next_random(uint32_t *state)
{
	return *state = *state * 1664525 + 1013904223;
}

static void mutate(unsigned rounds)
{
	static const uint8_t edges[] = {0, 1, 7, 8, 0x7F, 0x80, 0xFE, 0xFF};
	uint32_t state = 20260719;
	uint8_t *data;

	recipe_build(&recipe, &file);
	data = malloc(file.size);
	for (unsigned i = 0; i < rounds; i++) {
		memcpy(data, file.data, file.size);
		for (unsigned n = 1 + (next_random(&state) >> 16) % 4; n; n--) {
			/* The second half is code: only what comes before it has meaning. */
			size_t at = (next_random(&state) >> 8) % EXAMPLE_OFFSET;

			data[at] = edges[(next_random(&state) >> 16) % sizeof(edges)];
		}
		parse_exactly(data, file.size);
	}
	free(data);
	buffer_fini(&file);
}

Test(image, survives_random_changes)
{
	mutate(50000);
	recipe_example_elf(&recipe);
	mutate(50000);
}
