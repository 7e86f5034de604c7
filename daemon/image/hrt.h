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

#include "image/segment.h"

struct error;

#define HRT_SEGMENTS_MAX 32

struct hrt_image {
	uint64_t header_offset; /* of the Multiboot2 header in the file */
	bool by_address_tag;    /* segments come from the address tag, not from ELF program headers */
	struct image_segment segments[HRT_SEGMENTS_MAX]; /* sorted by GPA; no two share a byte */
	size_t n_segments;      /* at least 1 */
	/* From the HRT tag; what is granted is the planner's business (guest/plan.h). */
	uint64_t flags;         /* exactly one HVM_FLAG_MAP_... bit, no other */
	uint64_t max_mem_to_map; /* bytes, as asked for */
	uint64_t gva_offset;    /* 0 or HVM_GVA_OFFSET_HIGH */
	uint64_t entry_gva;     /* canonical; entry_gva - gva_offset lies within the file bytes of a segment */
	uint64_t comm_page_gpa; /* page aligned */
	uint8_t int_vector;     /* 32 to 255 */
};

/*
 * Parses an image whose memory will be the GPAs [window_start, window_end)
 * (needed to choose between p_paddr and p_vaddr where there is no address tag).
 * Returns 0, or -ENOEXEC with a sentence that says what in the file is wrong
 * and what would be right.
 */
int hrt_image_parse(const void *data, uint64_t size, uint64_t window_start, uint64_t window_end,
	struct hrt_image *ret, struct error *e);
