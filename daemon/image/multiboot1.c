/*
 * multiboot1.c - a kernel by the Multiboot Specification 0.6.96: chapter 3.1
 *
 * Its header says how the kernel is loaded: by the addresses in it where it has
 * them, whatever the file is otherwise, and by ELF program headers where not.
 */
#include <errno.h>
#include <stdio.h>

#include "abi/multiboot1.h"
#include "base/checked.h"
#include "base/cursor.h"
#include "image/kernel.h"

#define ADDRESS_END (1ull << 32) /* it is entered in 32-bit protected mode: 3.2 */

#define ULL(x) ((unsigned long long)(x))

struct header {
	uint64_t offset; /* in the file */
	uint32_t flags;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr, entry_addr; /* with MULTIBOOT1_ADDRESSES */
};

/* The first that has magic and checksum: it may promise too much. */
static bool find(const uint8_t *data, uint64_t size, struct header *ret)
{
	uint64_t limit = size < MULTIBOOT1_HEADER_SEARCH ? size : MULTIBOOT1_HEADER_SEARCH;

	for (uint64_t at = 0; range_within(at, MULTIBOOT1_HEADER_HEAD, limit); at += MULTIBOOT1_HEADER_ALIGN) {
		struct cursor c = cursor_init(data + at, MULTIBOOT1_HEADER_HEAD);
		uint32_t magic = cursor_u32(&c), flags = cursor_u32(&c), sum = cursor_u32(&c);

		if (magic == MULTIBOOT1_HEADER_MAGIC && magic + flags + sum == 0) {
			*ret = (struct header){.offset = at, .flags = flags};
			return true;
		}
	}
	return false;
}

static int check_flags(const struct header *h, struct error *e)
{
	uint32_t unknown = h->flags & MULTIBOOT1_REQUIRED &
		~(MULTIBOOT1_PAGE_ALIGN | MULTIBOOT1_MEMORY_INFO | MULTIBOOT1_VIDEO_MODE);

	if (unknown)
		return error_set(e, -ENOEXEC,
			"the Multiboot header at 0x%llx requires what the standard does not know (flags 0x%x, of them 0x%x)",
			ULL(h->offset), h->flags, unknown);
	if (h->flags & MULTIBOOT1_VIDEO_MODE)
		return error_set(e, -ENOEXEC,
			"the Multiboot header at 0x%llx requires a video mode (flags 0x%x), and there is no screen here; clear bit 2 "
			"if the kernel can do with a serial port",
			ULL(h->offset), h->flags);
	return 0;
}

static int read_addresses(const uint8_t *data, uint64_t size, struct header *h, struct error *e)
{
	struct cursor c;

	if (!range_within(h->offset, MULTIBOOT1_HEADER_SIZE, size))
		return error_set(e, -ENOEXEC, "the Multiboot header at 0x%llx has addresses (flags 0x%x) and is cut off after 0x%llx bytes",
			ULL(h->offset), h->flags, ULL(size - h->offset));
	c = cursor_init(data + h->offset + MULTIBOOT1_HEADER_HEAD, MULTIBOOT1_HEADER_SIZE - MULTIBOOT1_HEADER_HEAD);
	h->header_addr = cursor_u32(&c);
	h->load_addr = cursor_u32(&c);
	h->load_end_addr = cursor_u32(&c);
	h->bss_end_addr = cursor_u32(&c);
	h->entry_addr = cursor_u32(&c);
	return 0;
}

/* 3.1.3; an end of 0 stands for the end of the file, and for no bss. All is 64-bit: the fields cannot overflow it. */
static int take_addresses(const struct header *h, uint64_t size, struct image_segment *ret, struct error *e)
{
	int64_t offset = (int64_t)h->offset - ((int64_t)h->header_addr - h->load_addr);
	uint64_t left, load_end, bss_end;

	if (offset < 0 || (uint64_t)offset > size)
		return error_set(e, -ENOEXEC,
			"Multiboot addresses: header_addr 0x%x and load_addr 0x%x put the first byte at offset %lld of the file, "
			"which has its header at 0x%llx and 0x%llx bytes",
			h->header_addr, h->load_addr, (long long)offset, ULL(h->offset), ULL(size));
	left = size - (uint64_t)offset;
	load_end = h->load_end_addr ? h->load_end_addr : h->load_addr + left;
	bss_end = h->bss_end_addr ? h->bss_end_addr : load_end;
	if (load_end < h->load_addr || load_end - h->load_addr > left)
		return error_set(e, -ENOEXEC,
			"Multiboot addresses: load_addr 0x%x to load_end_addr 0x%llx; from offset 0x%llx on the file has 0x%llx bytes",
			h->load_addr, ULL(load_end), ULL(offset), ULL(left));
	if (bss_end < load_end || bss_end == h->load_addr)
		return error_set(e, -ENOEXEC,
			"Multiboot addresses: bss_end_addr 0x%llx is below the end of the loaded bytes, 0x%llx, or nothing is loaded",
			ULL(bss_end), ULL(load_end));
	*ret = (struct image_segment){.gpa = h->load_addr, .memory_size = bss_end - h->load_addr,
		.offset = (uint64_t)offset, .file_size = load_end - h->load_addr, .writable = true, .executable = true};
	return 0;
}

static int check_end(const struct kernel_image *image, struct error *e)
{
	const struct image_segment *last = &image->segments[image->n_segments - 1];

	if (last->gpa + last->memory_size > ADDRESS_END)
		return error_set(e, -ENOEXEC,
			"a segment ends at 0x%llx; a Multiboot kernel is entered in 32-bit mode and lies below 4 GiB: "
			"link it (p_paddr) lower",
			ULL(last->gpa + last->memory_size));
	return 0;
}

int kernel_parse_multiboot1(const void *data, uint64_t size, struct kernel_image *ret, struct error *e)
{
	struct header h;
	int r;

	if (!find(data, size, &h))
		return error_set(e, -ENOENT, "no Multiboot header (0x%08x, 4-byte aligned) in the first %u bytes of the file",
			MULTIBOOT1_HEADER_MAGIC, MULTIBOOT1_HEADER_SEARCH);
	r = check_flags(&h, e);
	if (r < 0)
		return r;
	if (h.flags & MULTIBOOT1_ADDRESSES) {
		r = read_addresses(data, size, &h, e);
		if (r == 0)
			r = take_addresses(&h, size, &ret->segments[ret->n_segments++], e);
		ret->entry = h.entry_addr;
	} else {
		r = kernel_take_elf(data, size, ret, e);
		if (r == 0 && sections_read(data, size, &ret->sections, NULL) < 0)
			ret->sections = (struct image_sections){0}; /* it cannot ask for them, so none is what it gets */
	}
	if (r == 0)
		r = kernel_check(ret, e);
	return r == 0 ? check_end(ret, e) : r;
}
