/*
 * hrt.h - what an HRT image asks for
 *
 * An HRT image is an ELF64 file with a Multiboot2 header that carries the HRT
 * tag 0xF00D. Parsing is pure: bytes in, a description out, nothing loaded.
 * Every number in the file is hostile.
 *
 * Tour 400: The image is the most hostile thing we meet: bytes that someone
 * built who knew what they were doing. Parsing is pure, so that it can be
 * fuzzed, and nothing is loaded before everything has been found right.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "image/relocations.h"
#include "image/sections.h"
#include "image/segment.h"

struct error;

#define HRT_SEGMENTS_MAX 32

struct hrt_image {
	bool elf;               /* only in the seed layout may it be no ELF file */
	bool multiboot;         /* it has a Multiboot2 header; only in the seed layout may there be none */
	uint64_t header_offset; /* of that header in the file */
	bool by_address_tag;    /* segments come from the address tag, not from ELF program headers */
	struct image_segment segments[HRT_SEGMENTS_MAX]; /* sorted by GPA; no two share a byte */
	size_t n_segments;      /* at least 1 */
	uint64_t entry_gva;     /* canonical, where it stays as linked; lies within the file bytes of a segment */
	struct image_sections sections; /* where it asks for its ELF sections; otherwise none */

	/*
	 * It may stand anywhere: the segments' GPAs count from 0, and who places it
	 * adds a base to them. GVAs in the image, entry_gva too, are as linked: what
	 * is at link_base then comes to stand at the base.
	 */
	bool relocatable;
	uint64_t link_base;     /* GVA */
	uint64_t align;         /* of the base: a power of two, PAGE_SIZE at least */
	uint64_t min_gpa, max_gpa; /* no byte of the image below, its end not above */
	uint32_t preference;    /* MULTIBOOT2_PREFER_...; none: as linked where that is possible */
	struct image_relocations relocations;

	/* From the HRT tag; what is granted is the planner's business (guest/plan.h). */
	uint64_t flags;         /* exactly one HVM_FLAG_MAP_... bit, no other */
	uint64_t max_mem_to_map; /* bytes, as asked for */
	uint64_t gva_offset;    /* 0 or HVM_GVA_OFFSET_HIGH */
	uint64_t comm_page_gpa; /* page aligned */
	uint8_t int_vector;     /* 32 to 255 */
};

/* What the definition says of an image in the seed layout. */
struct hrt_seed {
	uint64_t flags; /* the granule: one HVM_FLAG_MAP_... bit */
	/* Of what is no ELF file */
	uint64_t load;  /* GPA; 0: the window's start */
	uint64_t entry; /* bytes from there; HRT_BLOB_ENTRY where the definition does not say */
};
#define HRT_BLOB_ENTRY 0x40u /* [spec 3.2] */

/*
 * Parses an image whose memory will be the GPAs [window_start, window_end)
 * (needed to choose between p_paddr and p_vaddr where there is no address tag).
 * Returns 0, or -ENOEXEC with a sentence that says what in the file is wrong
 * and what would be right.
 */
int hrt_image_parse(const void *data, uint64_t size, uint64_t window_start, uint64_t window_end,
	struct hrt_image *ret, struct error *e);

/*
 * The same for the seed layout [spec 3.2, 3.3]: whatever is no ELF file is loaded as
 * it is, where the definition says, and entered there; an ELF file needs no Multiboot2
 * header, and that no HRT tag: of one that is there, nothing counts, but it may not
 * ask for another gva_offset than 0.
 */
int hrt_image_parse_seed(const void *data, uint64_t size, uint64_t window_start, uint64_t window_end,
	const struct hrt_seed *seed, struct hrt_image *ret, struct error *e);

/* In a word, Palacios' own: "mb64", "elf64", "blob" [spec 3]. */
const char *hrt_image_kind(const struct hrt_image *image);

/* The bytes from the first to the last of the segments. */
uint64_t hrt_image_span(const struct hrt_image *image);
