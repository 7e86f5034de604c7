/*
 * hrt.c - see hrt.h
 *
 * Puts together what the two halves of the file say: the Multiboot2 header
 * (header.c) has the wishes and usually the addresses; where it has none, the
 * ELF program headers (executable.c) do. [spec 3.4, 3.6]
 */
#include "image/hrt.h"

#include <errno.h>

#include "abi/hrt.h"
#include "abi/multiboot2.h"
#include "abi/x86.h"
#include "base/checked.h"
#include "base/error.h"
#include "image/executable.h"
#include "image/header.h"

#define ULL(x)          ((unsigned long long)(x))

/* What guest/info.c writes. */
#define INFO_OFFERED                                                                                           \
	(IMAGE_INFO(MULTIBOOT2_INFO_COMMAND_LINE) | IMAGE_INFO(MULTIBOOT2_INFO_LOADER_NAME) |                    \
		IMAGE_INFO(MULTIBOOT2_INFO_BASIC_MEMORY) | IMAGE_INFO(MULTIBOOT2_INFO_MEMORY_MAP) | IMAGE_INFO_HRT)

#define INT_VECTOR_MIN  32          /* below are the processor's exceptions: SDM volume 3A, 6.2 */

/* --- The HRT tag ---------------------------------------------------------- */

static int check_flags(uint64_t flags, struct error *e)
{
	if (flags & HVM_FLAG_EXE)
		return error_set(e, -ENOEXEC,
			"HRT tag: hrt_flags 0x%llx has EXE (0x2): this is a program to run under Nautilus, not an HRT",
			ULL(flags));
	if (flags & HVM_FLAG_RELOC)
		return error_set(e, -ENOEXEC,
			"HRT tag: hrt_flags 0x%llx has RELOC (0x1): relocatable HRTs are not supported; "
			"link the image at a fixed address and clear the flag",
			ULL(flags));
	if (flags & ~HVM_FLAG_KNOWN)
		return error_set(e, -ENOEXEC,
			"HRT tag: hrt_flags 0x%llx has unknown bits (0x%llx); known are 0x%llx", ULL(flags),
			ULL(flags & ~HVM_FLAG_KNOWN), ULL(HVM_FLAG_KNOWN));
	if (flags & HVM_FLAG_MAP_512GB)
		return error_set(e, -ENOEXEC,
			"HRT tag: hrt_flags 0x%llx asks for 512 GiB pages (0x800), which no processor has; "
			"ask for 0x400 (1 GiB), 0x200 (2 MiB) or 0x100 (4 KiB)",
			ULL(flags));
	if (!(flags & HVM_FLAG_MAP_MASK))
		return error_set(e, -ENOEXEC,
			"HRT tag: hrt_flags 0x%llx asks for no page size; one of 0x400 (1 GiB), 0x200 (2 MiB) and 0x100 (4 KiB) is needed",
			ULL(flags));
	return 0;
}

/* The largest page asked for wins [spec 5.2]. */
static uint64_t granule(uint64_t flags)
{
	if (flags & HVM_FLAG_MAP_1GB)
		return HVM_FLAG_MAP_1GB;
	return flags & HVM_FLAG_MAP_2MB ? HVM_FLAG_MAP_2MB : HVM_FLAG_MAP_4KB;
}

static int take_hrt_tag(const struct image_header *header, struct hrt_image *ret, struct error *e)
{
	const struct hvm_header_tag *tag = &header->hrt;
	int r;

	if (!header->has_hrt)
		return error_set(e, -ENOEXEC,
			"the Multiboot2 header at 0x%llx has no HRT tag (type 0x%x): this is an ordinary Multiboot2 kernel, not an HRT",
			ULL(header->offset), HVM_HEADER_TAG);
	r = check_flags(tag->hrt_flags, e);
	if (r < 0)
		return r;
	if (tag->gva_offset != 0 && tag->gva_offset != HVM_GVA_OFFSET_HIGH)
		return error_set(e, -ENOEXEC, "HRT tag: gva_offset is 0x%llx; 0 or 0x%llx would be right",
			ULL(tag->gva_offset), ULL(HVM_GVA_OFFSET_HIGH));
	if (tag->hrt_int_vector < INT_VECTOR_MIN)
		return error_set(e, -ENOEXEC,
			"HRT tag: hrt_int_vector is %u, which belongs to the processor's exceptions; %d to 255 would be right",
			tag->hrt_int_vector, INT_VECTOR_MIN);
	if (tag->comm_page_gpa % PAGE_SIZE != 0)
		return error_set(e, -ENOEXEC,
			"HRT tag: comm_page_gpa is 0x%llx; a multiple of 0x%llx would be right",
			ULL(tag->comm_page_gpa), PAGE_SIZE);
	ret->flags = granule(tag->hrt_flags);
	ret->max_mem_to_map = tag->max_mem_to_map;
	ret->gva_offset = tag->gva_offset;
	ret->comm_page_gpa = tag->comm_page_gpa;
	ret->int_vector = tag->hrt_int_vector;
	return 0;
}

/* --- Segments ------------------------------------------------------------- */

static int take_address_tag(const struct image_header *h, uint64_t size, struct hrt_image *ret, struct error *e)
{
	ret->by_address_tag = true;
	ret->n_segments = 1;
	return image_header_segment(h, size, &ret->segments[0], e);
}

struct window {
	uint64_t start, end; /* GPAs */
};

static bool within(uint64_t gpa, uint64_t size, const struct window *w)
{
	return gpa >= w->start && range_within(gpa, size, w->end);
}

/* p_paddr where that is in the HRT's memory, else p_vaddr - gva_offset [spec 3.6]. */
static int place(const struct executable_segment *s, const struct window *w, uint64_t gva_offset,
	uint64_t *ret_gpa, struct error *e)
{
	uint64_t gpa = s->physical_address;

	if (!within(gpa, 1, w))
		gpa = s->virtual_address - gva_offset; /* a wrapped one is in no window */
	if (within(gpa, s->memory_size, w)) {
		*ret_gpa = gpa;
		return 0;
	}
	return error_set(e, -ENOEXEC,
		"program header %u: its 0x%llx bytes do not lie in the HRT's memory [0x%llx, 0x%llx), neither by p_paddr 0x%llx "
		"nor by p_vaddr 0x%llx less gva_offset 0x%llx",
		s->index, ULL(s->memory_size), ULL(w->start), ULL(w->end), ULL(s->physical_address),
		ULL(s->virtual_address), ULL(gva_offset));
}

static int take_program_headers(
	const struct executable *x, const struct window *w, struct hrt_image *ret, struct error *e)
{
	struct executable_segment s;
	unsigned position = 0;
	uint64_t gpa = 0;
	int r;

	while ((r = executable_next(x, &position, &s, e)) > 0) {
		if (ret->n_segments == HRT_SEGMENTS_MAX)
			return error_set(e, -ENOEXEC,
				"the ELF file has more than %d segments to load (PT_LOAD)", HRT_SEGMENTS_MAX);
		r = place(&s, w, ret->gva_offset, &gpa, e);
		if (r < 0)
			return r;
		ret->segments[ret->n_segments++] = (struct image_segment){
			.gpa = gpa,
			.memory_size = s.memory_size,
			.offset = s.offset,
			.file_size = s.file_size,
			.writable = s.writable,
			.executable = s.executable,
		};
	}
	if (r < 0)
		return r;
	if (ret->n_segments == 0)
		return error_set(e, -ENOEXEC,
			"nothing to load: the Multiboot2 header has no address tag and the ELF file no segment (PT_LOAD)");
	return segments_sort(ret->segments, ret->n_segments, e);
}

/* --- The entry ------------------------------------------------------------ */

static bool canonical(uint64_t gva)
{
	return (uint64_t)((int64_t)(gva << 16) >> 16) == gva;
}

static int take_entry(
	const struct image_header *header, const struct executable *x, struct hrt_image *ret, struct error *e)
{
	const char *source;

	if (header->hrt.gva_entry) {
		ret->entry_gva = header->hrt.gva_entry;
		source = "gva_entry of the HRT tag";
	} else if (header->has_entry) {
		ret->entry_gva = header->entry_addr + ret->gva_offset;
		source = "the entry tag's address and gva_offset";
	} else if (!header->has_address) {
		ret->entry_gva = executable_entry(x);
		source = "e_entry of the ELF header";
	} else {
		return error_set(e, -ENOEXEC,
			"no entry point: with an address tag, either gva_entry of the HRT tag or a Multiboot2 entry tag is needed");
	}
	if (!canonical(ret->entry_gva))
		return error_set(e, -ENOEXEC, "entry point 0x%llx (%s) is not a canonical address",
			ULL(ret->entry_gva), source);
	if (!segments_load(ret->segments, ret->n_segments, ret->entry_gva - ret->gva_offset))
		return error_set(e, -ENOEXEC,
			"entry point 0x%llx (%s) less gva_offset 0x%llx lies in no segment's bytes of the file; the first is [0x%llx, 0x%llx)",
			ULL(ret->entry_gva), source, ULL(ret->gva_offset), ULL(ret->segments[0].gpa),
			ULL(ret->segments[0].gpa + ret->segments[0].file_size));
	return 0;
}

int hrt_image_parse(const void *data, uint64_t size, uint64_t window_start, uint64_t window_end,
	struct hrt_image *ret, struct error *e)
{
	_cleanup_(executable_freep) struct executable *x = NULL;
	struct window window = {window_start, window_end};
	struct image_header header;
	int r;

	*ret = (struct hrt_image){0};
	r = executable_open(data, size, EXECUTABLE_HRT, &x, e);
	if (r < 0)
		return r;
	r = image_header_read(data, size, &header, e);
	if (r == 0)
		r = image_header_check(&header, INFO_OFFERED, "an HRT", e);
	if (r < 0)
		return -ENOEXEC;
	ret->header_offset = header.offset;
	r = take_hrt_tag(&header, ret, e);
	if (r < 0)
		return r;
	r = header.has_address ? take_address_tag(&header, size, ret, e)
			       : take_program_headers(x, &window, ret, e);
	if (r < 0)
		return r;
	return take_entry(&header, x, ret, e);
}
