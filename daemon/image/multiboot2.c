/*
 * multiboot2.c - a kernel by the Multiboot2 Specification 2.0: chapter 3
 *
 * Its header has been read by header.c; this says whether we can boot what it
 * asks for, and where its bytes go. All information that the standard has for a
 * machine without EFI, VBE and APM can be had (guest/ros-multiboot2.c).
 */
#include <errno.h>

#include "abi/multiboot2.h"
#include "image/executable.h"
#include "image/kernel.h"

#define OFFERED                                                                                              \
	(IMAGE_INFO(MULTIBOOT2_INFO_COMMAND_LINE) | IMAGE_INFO(MULTIBOOT2_INFO_LOADER_NAME) |                  \
		IMAGE_INFO(MULTIBOOT2_INFO_MODULE) | IMAGE_INFO(MULTIBOOT2_INFO_BASIC_MEMORY) |                \
		IMAGE_INFO(MULTIBOOT2_INFO_MEMORY_MAP) | IMAGE_INFO(MULTIBOOT2_INFO_ACPI_OLD) |                \
		IMAGE_INFO(MULTIBOOT2_INFO_ACPI_NEW))

#define ADDRESS_END (1ull << 32) /* it is entered in 32-bit protected mode: 3.3 */

/* 3.6.23: only a relocatable kernel has a load base. */
static uint64_t offered(const struct kernel_image *image)
{
	return OFFERED | (image->multiboot2.relocatable ? IMAGE_INFO(MULTIBOOT2_INFO_LOAD_BASE) : 0) |
		(image->sections.n ? IMAGE_INFO(MULTIBOOT2_INFO_ELF_SECTIONS) : 0);
}

/* 3.6.7: of a kernel that is loaded as the ELF file that it is. Those that make no sense matter to who asks for them. */
static int take_sections(const void *data, uint64_t size, struct kernel_image *ret, struct error *e)
{
	_cleanup_(executable_freep) struct executable *x = NULL;
	const struct image_header *header = &ret->multiboot2;
	int r;

	if (header->has_address || executable_open(data, size, EXECUTABLE_KERNEL, &x, NULL) < 0)
		return 0;
	r = sections_read(data, size, &ret->sections, e);
	if (r == 0 || header->info_required & IMAGE_INFO(MULTIBOOT2_INFO_ELF_SECTIONS))
		return r;
	ret->sections = (struct image_sections){0};
	return 0;
}

static int check_console(const struct image_header *header, struct error *e)
{
	if (header->required >> MULTIBOOT2_TAG_CONSOLE_FLAGS & 1 &&
		header->console_flags & MULTIBOOT2_CONSOLE_REQUIRED)
		return error_set(e, -ENOEXEC,
			"the Multiboot2 header at 0x%llx requires a console of EGA text or a framebuffer (console flags 0x%x), "
			"and there is none here; clear bit 0 if the kernel can do with a serial port",
			(unsigned long long)header->offset, header->console_flags);
	return 0;
}

static int take_segments(const void *data, uint64_t size, struct kernel_image *ret, struct error *e)
{
	const struct image_header *header = &ret->multiboot2;

	if (!header->has_address)
		return kernel_take_elf(data, size, ret, e);
	ret->n_segments = 1;
	if (!header->has_entry)
		return error_set(e, -ENOEXEC, "the Multiboot2 header at 0x%llx has an address tag and no entry tag",
			(unsigned long long)header->offset);
	return image_header_segment(header, size, &ret->segments[0], e);
}

static int check_addresses(const struct kernel_image *image, struct error *e)
{
	const struct image_segment *last = &image->segments[image->n_segments - 1];

	if (last->gpa + last->memory_size > ADDRESS_END)
		return error_set(e, -ENOEXEC,
			"a segment ends at 0x%llx; a Multiboot2 kernel is entered in 32-bit mode and lies below 4 GiB: "
			"link it (p_paddr) lower",
			(unsigned long long)(last->gpa + last->memory_size));
	return 0;
}

static void take_relocation(struct kernel_image *ret)
{
	const struct image_header *header = &ret->multiboot2;

	ret->relocatable = header->relocatable;
	ret->min_gpa = header->min_addr;
	ret->max_gpa = header->max_addr;
	ret->align = header->align;
	ret->preference = header->preference;
}

int kernel_parse_multiboot2(const void *data, uint64_t size, struct kernel_image *ret, struct error *e)
{
	int r;

	r = image_header_read(data, size, &ret->multiboot2, e);
	if (r == 0)
		r = take_sections(data, size, ret, e);
	if (r == 0)
		r = image_header_check(&ret->multiboot2, offered(ret), "a kernel", e);
	if (r == 0)
		r = check_console(&ret->multiboot2, e);
	if (r == 0)
		r = take_segments(data, size, ret, e);
	if (r < 0)
		return r;
	if (ret->multiboot2.has_entry)
		ret->entry = ret->multiboot2.entry_addr;
	take_relocation(ret);
	r = kernel_check(ret, e);
	return r < 0 ? r : check_addresses(ret, e);
}
