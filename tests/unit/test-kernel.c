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
		   "32768 bytes of the file; pvh: the ELF file has no PVH note (XEN_ELFNOTE_PHYS32_ENTRY); linux: the ELF file has no "
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
