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

/* What guest/hrt-info.c says of every HRT. */
#define INFO_OFFERED                                                                                           \
	(IMAGE_INFO(MULTIBOOT2_INFO_COMMAND_LINE) | IMAGE_INFO(MULTIBOOT2_INFO_LOADER_NAME) |                    \
		IMAGE_INFO(MULTIBOOT2_INFO_MODULE) | IMAGE_INFO(MULTIBOOT2_INFO_BASIC_MEMORY) |                    \
		IMAGE_INFO(MULTIBOOT2_INFO_MEMORY_MAP) | IMAGE_INFO(MULTIBOOT2_INFO_ELF_SECTIONS) | IMAGE_INFO_HRT)

#define INT_VECTOR_MIN  32          /* below are the processor's exceptions: SDM volume 3A, 6.2 */

/* --- The HRT tag ---------------------------------------------------------- */

static int check_flags(uint64_t flags, struct error *e)
{
	if (flags & HVM_FLAG_EXE)
		return error_set(e, -ENOEXEC,
			"HRT tag: hrt_flags 0x%llx has EXE (0x2): this is a program to run under Nautilus, not an HRT",
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
	if (tag->size < sizeof(*tag))
		return error_set(e, -ENOEXEC,
			"HRT tag: size is %u, as it was in 2015; 56 would be right, or layout=\"seed\" in the definition", tag->size);
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
	ret->relocatable = tag->hrt_flags & HVM_FLAG_RELOC || header->relocatable;
	ret->flags = granule(tag->hrt_flags);
	ret->max_mem_to_map = tag->max_mem_to_map;
	ret->gva_offset = tag->gva_offset;
	ret->comm_page_gpa = tag->comm_page_gpa;
	ret->int_vector = tag->hrt_int_vector;
	return 0;
}

/* --- Segments that stay where they are linked ------------------------------ */

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

/* --- Segments that may stand anywhere -------------------------------------- */

/* As they are linked, in relation to each other; GPAs are GVAs as yet. */
static int place_as_linked(const struct executable_segment *s, uint64_t *align, uint64_t *ret_gpa, struct error *e)
{
	if (s->alignment & (s->alignment - 1))
		return error_set(e, -ENOEXEC, "program header %u: p_align is 0x%llx; a power of two would be right", s->index,
			ULL(s->alignment));
	if (!range_within(s->virtual_address, s->memory_size, UINT64_MAX))
		return error_set(e, -ENOEXEC, "program header %u: 0x%llx bytes at p_vaddr 0x%llx go beyond the last address",
			s->index, ULL(s->memory_size), ULL(s->virtual_address));
	if (s->alignment > *align)
		*align = s->alignment;
	*ret_gpa = s->virtual_address;
	return 0;
}

/* Sorted segments count from link_base on: the first one's address, aligned. */
static void count_from_base(uint64_t gva_of_0, struct hrt_image *ret)
{
	ret->link_base = round_down(ret->segments[0].gpa + gva_of_0, ret->align);
	for (size_t i = 0; i < ret->n_segments; i++)
		ret->segments[i].gpa += gva_of_0 - ret->link_base;
}

/* The Multiboot2 relocatable tag, for who has one; else anywhere below 2^64. */
static void take_relocatable_tag(const struct image_header *h, struct hrt_image *ret)
{
	ret->align = PAGE_SIZE;
	ret->max_gpa = UINT64_MAX;
	if (h->relocatable) {
		ret->align = h->align > PAGE_SIZE ? h->align : PAGE_SIZE;
		ret->min_gpa = h->min_addr;
		ret->max_gpa = h->max_addr;
		ret->preference = h->preference;
	}
	if (h->info_wanted & IMAGE_INFO(MULTIBOOT2_INFO_LOAD_BASE) && ret->max_gpa > UINT32_MAX)
		ret->max_gpa = UINT32_MAX; /* that tag has 32 bits */
}

const char *hrt_image_kind(const struct hrt_image *image)
{
	return image->multiboot ? "mb64" : image->elf ? "elf64" : "blob";
}

uint64_t hrt_image_span(const struct hrt_image *image)
{
	const struct image_segment *last = &image->segments[image->n_segments - 1];

	return last->gpa + last->memory_size - image->segments[0].gpa;
}

/* --- Either kind ------------------------------------------------------------ */

static int take_address_tag(const struct image_header *h, const struct executable *x, uint64_t size,
	struct hrt_image *ret, struct error *e)
{
	int r;

	ret->by_address_tag = true;
	ret->n_segments = 1;
	if (executable_is_pie(x))
		return error_set(e, -ENOEXEC,
			"the ELF file is position independent (e_type 3), and the Multiboot2 header has an address tag, which "
			"knows nothing of relocations: leave the address tag out, or link the image with -no-pie");
	r = image_header_segment(h, size, &ret->segments[0], e);
	if (r == 0 && ret->relocatable)
		count_from_base(ret->gva_offset, ret);
	return r;
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
		r = ret->relocatable ? place_as_linked(&s, &ret->align, &gpa, e) : place(&s, w, ret->gva_offset, &gpa, e);
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

static int take_relocations(const struct executable *x, const void *data, uint64_t size, struct hrt_image *ret,
	struct error *e)
{
	if (executable_has_interpreter(x))
		return error_set(e, -ENOEXEC,
			"the image wants to be started by a program interpreter (PT_INTERP), and there is none here: "
			"link it with -static-pie, or with --no-dynamic-linker");
	count_from_base(0, ret);
	return relocations_read(x, data, size, ret->segments, ret->n_segments, ret->link_base, &ret->relocations, e);
}

static int take_segments(const void *data, uint64_t size, const struct window *w, const struct image_header *header,
	const struct executable *x, struct hrt_image *ret, struct error *e)
{
	int r;

	if (executable_is_pie(x) && !ret->relocatable)
		return error_set(e, -ENOEXEC,
			"the ELF file is position independent (e_type 3), and the HRT tag does not say so: "
			"set RELOC (0x1) in hrt_flags, or link it with -no-pie, for e_type 2");
	if (ret->relocatable)
		take_relocatable_tag(header, ret);
	if (header->has_address)
		return take_address_tag(header, x, size, ret, e);
	r = take_program_headers(x, w, ret, e);
	return r < 0 || !ret->relocatable ? r : take_relocations(x, data, size, ret, e);
}

/* --- The entry ------------------------------------------------------------ */

static bool canonical(uint64_t gva)
{
	return (uint64_t)((int64_t)(gva << 16) >> 16) == gva;
}

/* A segment's place, from an address as linked. */
static uint64_t place_of(const struct hrt_image *image, uint64_t gva)
{
	return gva - (image->relocatable ? image->link_base : image->gva_offset);
}

static bool loads(const struct hrt_image *image, uint64_t gva)
{
	return segments_load(image->segments, image->n_segments, place_of(image, gva));
}

/* The entry tag has a GPA. An image that may stand anywhere may be linked from 0 on, and have no other kind. */
static uint64_t entry_of_tag(const struct hrt_image *image, uint32_t address)
{
	uint64_t gva = address + image->gva_offset;

	return image->relocatable && !loads(image, gva) ? address : gva;
}

static int check_entry(const struct hrt_image *image, const char *source, struct error *e)
{
	const struct image_segment *first = &image->segments[0];

	if (loads(image, image->entry_gva))
		return 0;
	if (image->relocatable)
		return error_set(e, -ENOEXEC,
			"entry point 0x%llx (%s) lies in no segment's bytes of the file; the first is [0x%llx, 0x%llx)",
			ULL(image->entry_gva), source, ULL(image->link_base + first->gpa),
			ULL(image->link_base + first->gpa + first->file_size));
	return error_set(e, -ENOEXEC,
		"entry point 0x%llx (%s) less gva_offset 0x%llx lies in no segment's bytes of the file; the first is [0x%llx, 0x%llx)",
		ULL(image->entry_gva), source, ULL(image->gva_offset), ULL(first->gpa), ULL(first->gpa + first->file_size));
}

static int take_entry(
	const struct image_header *header, const struct executable *x, struct hrt_image *ret, struct error *e)
{
	const char *source;

	if (header->hrt.gva_entry) {
		ret->entry_gva = header->hrt.gva_entry;
		source = "gva_entry of the HRT tag";
	} else if (header->has_entry) {
		ret->entry_gva = entry_of_tag(ret, header->entry_addr);
		source = "the entry tag's address and gva_offset";
	} else if (!header->has_address) {
		ret->entry_gva = executable_entry(x);
		source = "e_entry of the ELF header";
	} else {
		return error_set(e, -ENOEXEC,
			"no entry point: with an address tag, either gva_entry of the HRT tag or a Multiboot2 entry tag is needed");
	}
	if (!ret->relocatable && !canonical(ret->entry_gva))
		return error_set(e, -ENOEXEC, "entry point 0x%llx (%s) is not a canonical address",
			ULL(ret->entry_gva), source);
	return check_entry(ret, source, e);
}

static uint64_t offered(const struct image_header *header)
{
	bool moves = header->relocatable || (header->has_hrt && header->hrt.hrt_flags & HVM_FLAG_RELOC);

	return INFO_OFFERED | (moves ? IMAGE_INFO(MULTIBOOT2_INFO_LOAD_BASE) : 0);
}

static int read_header(const void *data, uint64_t size, struct image_header *header, struct hrt_image *ret, struct error *e)
{
	int r = image_header_read(data, size, header, e);

	if (r == 0)
		r = image_header_check(header, offered(header), "an HRT", e);
	if (r < 0)
		return r;
	ret->multiboot = true;
	ret->header_offset = header->offset;
	return header->info_wanted & IMAGE_INFO(MULTIBOOT2_INFO_ELF_SECTIONS) ? sections_read(data, size, &ret->sections, e) : 0;
}

int hrt_image_parse(const void *data, uint64_t size, uint64_t window_start, uint64_t window_end,
	struct hrt_image *ret, struct error *e)
{
	_cleanup_(executable_freep) struct executable *x = NULL;
	struct window window = {window_start, window_end};
	struct image_header header;
	int r;

	*ret = (struct hrt_image){.elf = true};
	r = executable_open(data, size, EXECUTABLE_HRT, &x, e);
	if (r == 0)
		r = read_header(data, size, &header, ret, e);
	if (r == 0)
		r = take_hrt_tag(&header, ret, e);
	if (r == 0)
		r = take_segments(data, size, &window, &header, x, ret, e);
	if (r == 0)
		r = take_entry(&header, x, ret, e);
	return r == -ENOENT ? -ENOEXEC : r;
}

/* --- The seed's kinds of images --------------------------------------------- */

static int take_blob(uint64_t size, const struct window *w, const struct hrt_seed *seed, struct hrt_image *ret,
	struct error *e)
{
	uint64_t start = seed->load ? seed->load : w->start;

	if (size <= seed->entry)
		return error_set(e, -ENOEXEC, "the file has %llu bytes; what is no ELF file is entered at 0x%llx", ULL(size),
			ULL(seed->entry));
	if (start < w->start || start > w->end || size > w->end - start)
		return error_set(e, -ENOEXEC, "the file has 0x%llx bytes; from 0x%llx to the boot state at 0x%llx there are fewer",
			ULL(size), ULL(start), ULL(w->end));
	ret->segments[0] = (struct image_segment){
		.gpa = start, .memory_size = size, .file_size = size, .writable = true, .executable = true};
	ret->n_segments = 1;
	ret->entry_gva = start + seed->entry;
	return 0;
}

/* An ELF file says itself where it goes; a definition that says otherwise was meant for another file. */
static int check_not_blob(const struct hrt_seed *seed, struct error *e)
{
	if (seed->load || seed->entry != HRT_BLOB_ENTRY)
		return error_set(e, -ENOEXEC,
			"it is an ELF file, which says itself where it stands and is entered; load= and entry= are for a file that is none: "
			"take them out of the definition");
	return 0;
}

/* Nothing of the tag counts, but what the image cannot do without. */
static int forget_hrt_tag(struct image_header *header, struct error *e)
{
	if (header->hrt.gva_offset != 0)
		return error_set(e, -ENOEXEC,
			"HRT tag: gva_offset is 0x%llx; the seed layout maps memory at 0: layout=\"final\" would be right",
			ULL(header->hrt.gva_offset));
	header->hrt = (struct hvm_header_tag){0};
	return 0;
}

int hrt_image_parse_seed(const void *data, uint64_t size, uint64_t window_start, uint64_t window_end,
	const struct hrt_seed *seed, struct hrt_image *ret, struct error *e)
{
	_cleanup_(executable_freep) struct executable *x = NULL;
	struct window window = {window_start, window_end};
	struct image_header header = {0};
	int r;

	*ret = (struct hrt_image){.flags = seed->flags};
	if (!executable_claims(data, size))
		return take_blob(size, &window, seed, ret, e);
	ret->elf = true;
	r = check_not_blob(seed, e);
	if (r == 0)
		r = executable_open(data, size, EXECUTABLE_HRT, &x, e);
	if (r < 0)
		return r;
	r = read_header(data, size, &header, ret, e);
	if (r == -ENOENT) /* plain ELF: its program headers say all */
		r = 0;
	if (r == 0)
		r = forget_hrt_tag(&header, e);
	ret->relocatable = header.relocatable;
	if (r == 0)
		r = take_segments(data, size, &window, &header, x, ret, e);
	return r < 0 ? r : take_entry(&header, x, ret, e);
}
