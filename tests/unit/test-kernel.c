/* test-kernel.c - which boot protocol a kernel speaks, and what is read out of it */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <string.h>

#include "image-builder.h"
#include "image/kernel.h"

static struct recipe recipe;
static struct buffer file;
static struct kernel_image image;
static struct error e;

/* An ELF64 kernel of one segment with a header of no tags but the end. */
static void set_up(void)
{
	recipe_bare(&recipe);
	recipe.n_segments = 1;
	recipe.segments[0] = (struct recipe_segment){.type = 1, .flags = 5, .offset = EXAMPLE_OFFSET,
		.virtual_address = EXAMPLE_GPA, .physical_address = EXAMPLE_GPA, .file_size = EXAMPLE_LOADED,
		.memory_size = EXAMPLE_LOADED + EXAMPLE_BSS};
	recipe.entry = EXAMPLE_ENTRY;
	e = (struct error){};
}

static void tear_down(void)
{
	buffer_fini(&file);
}

TestSuite(kernel, .init = set_up, .fini = tear_down);

static int parse(void)
{
	buffer_fini(&file);
	recipe_tag_end(&recipe);
	recipe_build(&recipe, &file);
	return kernel_image_parse(file.data, file.size, KERNEL_PROTOCOLS_ALL, &image, &e);
}

static void cr_refuses(const char *sentence)
{
	cr_assert(eq(int, parse(), -ENOEXEC));
	cr_assert_str_eq(e.text, sentence);
}

Test(kernel, multiboot2_takes_the_program_headers)
{
	cr_assert(eq(int, parse(), 0), "%s", e.text);
	cr_assert_str_eq(kernel_protocol_to_string(image.protocol), "multiboot2");
	cr_assert(eq(u64, image.multiboot2.offset, EXAMPLE_HEADER));
	cr_assert(eq(sz, image.n_segments, 1));
	cr_assert(eq(u64, image.segments[0].gpa, EXAMPLE_GPA));
	cr_assert(eq(u64, image.segments[0].memory_size, EXAMPLE_LOADED + EXAMPLE_BSS));
	cr_assert(eq(u64, image.entry, EXAMPLE_ENTRY));
}

Test(kernel, multiboot2_prefers_the_entry_tag)
{
	recipe_tag_entry(&recipe, EXAMPLE_GPA + 0x20);
	cr_assert(eq(int, parse(), 0), "%s", e.text);
	cr_assert(eq(u64, image.entry, EXAMPLE_GPA + 0x20));
}

Test(kernel, multiboot2_takes_the_address_tag_of_a_file_that_is_no_elf)
{
	recipe.elf_class = 77;
	recipe.n_segments = 0;
	recipe_tag_address(&recipe, EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, EXAMPLE_GPA + 0x3000);
	recipe_tag_entry(&recipe, EXAMPLE_ENTRY);
	cr_assert(eq(int, parse(), 0), "%s", e.text);
	cr_assert(eq(u64, image.segments[0].gpa, EXAMPLE_GPA));
	cr_assert(eq(u64, image.segments[0].file_size, EXAMPLE_LOADED));
	cr_assert(eq(u64, image.segments[0].memory_size, 0x3000));
}

Test(kernel, multiboot2_with_addresses_needs_an_entry)
{
	recipe_tag_address(&recipe, EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, 0);
	cr_refuses("multiboot2: the Multiboot2 header at 0x100 has an address tag and no entry tag");
}

Test(kernel, multiboot2_may_require_what_every_kernel_is_told)
{
	recipe_tag(&recipe, 1, 0, (uint32_t[]){1, 2, 3, 4, 6, 14, 15}, 7);
	cr_assert(eq(int, parse(), 0), "%s", e.text);
}

Test(kernel, multiboot2_may_require_a_load_base_where_it_has_one)
{
	recipe_tag(&recipe, 1, 0, (uint32_t[]){21}, 1);
	recipe_tag(&recipe, 10, 0, (uint32_t[]){0, 0xFFFFFFFF, 0x1000, 0}, 4);
	cr_assert(eq(int, parse(), 0), "%s", e.text);
}

Test(kernel, multiboot2_that_stays_where_it_is_has_no_load_base)
{
	recipe_tag(&recipe, 1, 0, (uint32_t[]){21}, 1);
	cr_refuses("multiboot2: the Multiboot2 header at 0x100 requires information 21 (load base), which a kernel is not given; "
		   "set bit 0 of the information request tag's flags if the image can do without");
}

Test(kernel, multiboot2_console_that_must_be_there_is_refused)
{
	recipe_tag(&recipe, 4, 0, (uint32_t[]){3}, 1);
	cr_refuses("multiboot2: the Multiboot2 header at 0x100 requires a console of EGA text or a framebuffer (console "
		   "flags 0x3), and there is none here; clear bit 0 if the kernel can do with a serial port");
}

Test(kernel, without_any_header_is_told_why_nothing_takes_it)
{
	recipe.magic = 0;
	cr_refuses("no boot protocol takes it: multiboot2: no Multiboot2 header (0xe85250d6, 8-byte aligned) in the first "
		   "32768 bytes of the file; multiboot: no Multiboot header (0x1badb002, 4-byte aligned) in the first "
		   "8192 bytes of the file; pvh: the ELF file has no PVH note (XEN_ELFNOTE_PHYS32_ENTRY); linux: the ELF file has no "
		   "note of Linux's (\"Linux\"), as a vmlinux has");
}

Test(kernel, is_entered_where_a_virtual_entry_was_loaded)
{
	recipe.segments[0].virtual_address = 0xFFFFFFFF80000000;
	recipe.entry = 0xFFFFFFFF80000010;
	cr_assert(eq(int, parse(), 0), "%s", e.text);
	cr_assert(eq(u64, image.entry, EXAMPLE_ENTRY));
}

Test(kernel, entry_outside_its_bytes_is_refused)
{
	recipe.entry = EXAMPLE_GPA + EXAMPLE_LOADED;
	cr_refuses("multiboot2: the entry point 0x2000200 lies in no segment's bytes of the file; "
		   "the first is [0x2000000, 0x2000200)");
}

Test(kernel, multiboot2_lies_below_4_gib)
{
	recipe.segments[0].physical_address = 0xFFFFF000;
	recipe_tag_entry(&recipe, 0xFFFFF000);
	cr_refuses("multiboot2: a segment ends at 0x100000200; a Multiboot2 kernel is entered in 32-bit mode and lies "
		   "below 4 GiB: link it (p_paddr) lower");
}

Test(kernel, segments_that_overlap_are_refused)
{
	recipe.n_segments = 2;
	recipe.segments[1] = recipe.segments[0];
	recipe.segments[1].physical_address += 0x100;
	cr_refuses("multiboot2: two segments of the ELF file overlap in memory: [0x2000000, 0x2001200) and [0x2000100, 0x2001300)");
}

Test(kernel, segment_that_wraps_is_refused)
{
	recipe.segments[0].physical_address = UINT64_MAX - 8;
	cr_refuses("multiboot2: program header 0: 0x1200 bytes at p_paddr 0xfffffffffffffff7 go beyond the last address");
}

Test(kernel, of_no_segment_is_refused)
{
	recipe.n_segments = 0;
	cr_refuses("multiboot2: the ELF file has no segment to load (PT_LOAD)");
}

Test(kernel, for_another_machine_is_refused)
{
	recipe.machine = 183;
	cr_refuses("multiboot2: ELF machine (e_machine) is 183; hvmd runs x86-64, 62");
}

/* --- Multiboot 1 -------------------------------------------------------------- */

static uint32_t words[8];
static size_t n_words, cut; /* cut: the file's size; 0: as it is */

/* Puts a Multiboot header of `flags`, and five addresses, where the Multiboot2 header was. */
static void multiboot(uint32_t flags)
{
	static const uint32_t addresses[] = {EXAMPLE_GPA - 0x100, EXAMPLE_GPA, 0, 0, EXAMPLE_ENTRY};

	recipe.magic = 0;
	words[0] = 0x1BADB002;
	words[1] = flags;
	words[2] = -(0x1BADB002 + flags);
	memcpy(words + 3, addresses, sizeof(addresses));
	n_words = flags & 0x10000 ? 8 : 3;
	cut = 0;
}

static int parse1(void)
{
	buffer_fini(&file);
	recipe_tag_end(&recipe);
	recipe_build(&recipe, &file);
	memcpy(file.data + EXAMPLE_HEADER, words, n_words * 4);
	return kernel_image_parse_as(file.data, cut ? cut : file.size, KERNEL_MULTIBOOT1, &image, &e);
}

static void cr_refuses1(int error, const char *sentence)
{
	cr_assert(eq(int, parse1(), error), "%s", e.text);
	cr_assert_str_eq(e.text, sentence);
}

Test(kernel, multiboot_takes_the_program_headers)
{
	multiboot(3);
	cr_assert(eq(int, parse1(), 0), "%s", e.text);
	cr_assert(eq(sz, image.n_segments, 1));
	cr_assert(eq(u64, image.entry, EXAMPLE_ENTRY));
	cr_assert(image.is_elf);
}

Test(kernel, multiboot_takes_its_addresses_whatever_the_file_is)
{
	multiboot(0x10000);
	words[6] = EXAMPLE_GPA + 0x3000;
	recipe.elf_class = 77;
	cr_assert(eq(int, parse1(), 0), "%s", e.text);
	cr_assert(eq(u64, image.segments[0].offset, EXAMPLE_OFFSET));
	cr_assert(eq(u64, image.segments[0].gpa, EXAMPLE_GPA));
	cr_assert(eq(u64, image.segments[0].file_size, EXAMPLE_LOADED));
	cr_assert(eq(u64, image.segments[0].memory_size, 0x3000));
	cr_assert(eq(u64, image.entry, EXAMPLE_ENTRY));
}

Test(kernel, multiboot_loads_up_to_where_it_says)
{
	multiboot(0x10000);
	words[5] = EXAMPLE_GPA + 0x40;
	cr_assert(eq(int, parse1(), 0), "%s", e.text);
	cr_assert(eq(u64, image.segments[0].file_size, 0x40));
	cr_assert(eq(u64, image.segments[0].memory_size, 0x40));
}

Test(kernel, multiboot_header_that_is_not_there_is_said)
{
	multiboot(3);
	words[2]++;
	cr_refuses1(-ENOENT, "no Multiboot header (0x1badb002, 4-byte aligned) in the first 8192 bytes of the file");
}

Test(kernel, multiboot_flags_that_nobody_knows_are_refused)
{
	multiboot(0x23);
	cr_refuses1(-ENOEXEC,
		"the Multiboot header at 0x100 requires what the standard does not know (flags 0x23, of them 0x20)");
}

Test(kernel, multiboot_video_mode_is_refused)
{
	multiboot(5);
	cr_refuses1(-ENOEXEC, "the Multiboot header at 0x100 requires a video mode (flags 0x5), and there is no screen here; clear bit "
			      "2 if the kernel can do with a serial port");
}

Test(kernel, multiboot_addresses_that_are_cut_off_are_refused)
{
	multiboot(0x10000);
	cut = EXAMPLE_HEADER + 31;
	cr_refuses1(-ENOEXEC, "the Multiboot header at 0x100 has addresses (flags 0x10000) and is cut off after 0x1f bytes");
}

Test(kernel, multiboot_addresses_before_the_file_are_refused)
{
	multiboot(0x10000);
	words[4] = EXAMPLE_GPA - 0x300;
	cr_refuses1(-ENOEXEC, "Multiboot addresses: header_addr 0x1ffff00 and load_addr 0x1fffd00 put the first byte at offset -256 of "
			      "the file, which has its header at 0x100 and 0x400 bytes");
}

Test(kernel, multiboot_addresses_beyond_the_file_are_refused)
{
	multiboot(0x10000);
	words[5] = EXAMPLE_GPA + EXAMPLE_LOADED + 1;
	cr_refuses1(-ENOEXEC, "Multiboot addresses: load_addr 0x2000000 to load_end_addr 0x2000201; from offset 0x200 on the file has "
			      "0x200 bytes");
}

Test(kernel, multiboot_bss_below_what_is_loaded_is_refused)
{
	multiboot(0x10000);
	words[6] = EXAMPLE_GPA + EXAMPLE_LOADED - 1;
	cr_refuses1(-ENOEXEC, "Multiboot addresses: bss_end_addr 0x20001ff is below the end of the loaded bytes, 0x2000200, or nothing "
			      "is loaded");
}

Test(kernel, multiboot_entry_outside_its_bytes_is_refused)
{
	multiboot(0x10000);
	words[7] = 0x100;
	cr_refuses1(-ENOEXEC, "the entry point 0x100 lies in no segment's bytes of the file; the first is [0x2000000, 0x2000200)");
}

Test(kernel, multiboot_lies_below_4_gib)
{
	multiboot(3);
	recipe.segments[0].physical_address = recipe.segments[0].virtual_address = 0xFFFFF000;
	recipe.entry = 0xFFFFF000;
	cr_refuses1(-ENOEXEC, "a segment ends at 0x100000200; a Multiboot kernel is entered in 32-bit mode and lies below 4 GiB: link "
			      "it (p_paddr) lower");
}

Test(kernel, with_both_headers_is_taken_by_multiboot2)
{
	static const uint32_t header[] = {0x1BADB002, 0, -0x1BADB002u};

	recipe_tag_end(&recipe);
	recipe_build(&recipe, &file);
	memcpy(file.data + EXAMPLE_OFFSET + 0x80, header, sizeof(header));
	cr_assert(eq(int, kernel_image_parse(file.data, file.size, KERNEL_PROTOCOLS_ALL, &image, &e), 0));
	cr_assert(eq(int, image.protocol, KERNEL_MULTIBOOT2));
	cr_assert(eq(int, kernel_image_parse(file.data, file.size, KERNEL_PROTOCOL_BIT(KERNEL_MULTIBOOT1), &image, &e), 0));
	cr_assert(eq(int, image.protocol, KERNEL_MULTIBOOT1));
}

Test(kernel, that_multiboot2_cannot_boot_is_taken_by_the_next_that_can)
{
	static const uint32_t header[] = {0x1BADB002, 0, -0x1BADB002u};

	recipe_tag(&recipe, 7, 0, NULL, 0); /* wants EFI's boot services */
	recipe_tag_end(&recipe);
	recipe_build(&recipe, &file);
	cr_assert(eq(int, kernel_image_parse(file.data, file.size, KERNEL_PROTOCOLS_ALL, &image, &e), -ENOEXEC));
	cr_assert(strncmp(e.text, "multiboot2: the Multiboot2 header at 0x100 has an EFI boot services tag (type 7)", 80) == 0, "%s",
		e.text);
	memcpy(file.data + EXAMPLE_OFFSET + 0x80, header, sizeof(header));
	cr_assert(eq(int, kernel_image_parse(file.data, file.size, KERNEL_PROTOCOLS_ALL, &image, &e), 0));
	cr_assert(eq(int, image.protocol, KERNEL_MULTIBOOT1));
}
