/*
 * kernel.h - what a ROS kernel is, whoever may boot it: the protocol, its bytes, its entry
 *
 * One parser a boot protocol, each in a file of its own; this one asks them in
 * turn. Parsing is pure, as for HRT images (hrt.h): bytes in, a description out,
 * nothing loaded. Every number in the file is hostile.
 *
 * Where memory is, and whether an image fits there, is the planner's business
 * (guest/ros.h).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "image/header.h"
#include "image/linux.h"
#include "image/sections.h"
#include "image/segment.h"

struct buffer;

#define KERNEL_SEGMENTS_MAX 32

/* In the order in which they are tried: what comes first wins where an image speaks several. */
enum kernel_protocol {
	KERNEL_MULTIBOOT2,
	KERNEL_MULTIBOOT1,
	KERNEL_PVH,
	KERNEL_LINUX,
	N_KERNEL_PROTOCOLS,
};

#define KERNEL_PROTOCOL_BIT(p) (1u << (p))
#define KERNEL_PROTOCOLS_ALL   (KERNEL_PROTOCOL_BIT(N_KERNEL_PROTOCOLS) - 1)

struct kernel_image {
	enum kernel_protocol protocol;
	struct image_segment segments[KERNEL_SEGMENTS_MAX]; /* sorted by GPA; no two share a byte */
	size_t n_segments;  /* at least 1 */
	bool is_elf;        /* segments and entry come from ELF headers */
	struct image_sections sections; /* of those, by either Multiboot; none: n is 0 */
	uint64_t entry;     /* GPA; in the file bytes of a segment */
	/* It may stand elsewhere, all of it by the same distance, at a multiple of `align` within [min_gpa, max_gpa). */
	bool relocatable;
	uint64_t min_gpa, max_gpa;
	uint64_t align;      /* a power of two */
	uint32_t preference; /* MULTIBOOT2_PREFER_... */
	union { /* by protocol */
		struct image_header multiboot2;
		struct linux_image bzimage; /* KERNEL_LINUX, also of a vmlinux */
	};
};

/* "multiboot2", ...; the words of <ros protocol=> */
const char *kernel_protocol_to_string(enum kernel_protocol protocol);

/*
 * Parses an image by one protocol. Returns 0, or with a sentence: -ENOENT where
 * it does not speak the protocol at all, -ENOEXEC where it does and something in
 * it is wrong.
 */
int kernel_image_parse_as(const void *data, uint64_t size, enum kernel_protocol protocol, struct kernel_image *ret,
	struct error *e);

/*
 * Parses an image by the first protocol of `allowed` (bits) that takes it. Returns
 * 0, or -ENOEXEC with a sentence: what is wrong with the first that it speaks, or
 * that it speaks none of them, and why each does not take it.
 */
int kernel_image_parse(const void *data, uint64_t size, unsigned allowed, struct kernel_image *ret, struct error *e);

/*
 * Appends what each protocol makes of an image, in the order in which they are
 * tried: "multiboot2 takes it; multiboot takes it, too; pvh: the ELF file has no
 * PVH note; linux is not what protocol= says".
 */
void kernel_image_explain(const void *data, uint64_t size, unsigned allowed, struct buffer *b);

/* --- The parsers: each as kernel_image_parse_as(), *ret zeroed but for the protocol ------------------------- */

int kernel_parse_multiboot2(const void *data, uint64_t size, struct kernel_image *ret, struct error *e);
int kernel_parse_multiboot1(const void *data, uint64_t size, struct kernel_image *ret, struct error *e);
int kernel_parse_pvh(const void *data, uint64_t size, struct kernel_image *ret, struct error *e);
int kernel_parse_linux(const void *data, uint64_t size, struct kernel_image *ret, struct error *e);

/* --- For parsers --------------------------------------------------------------------------------------------- */

/* Takes the segments of a statically linked ELF32 or ELF64 file, by p_paddr, and the entry, translated as they are. */
int kernel_take_elf(const void *data, uint64_t size, struct kernel_image *ret, struct error *e);

/* Sorts and checks the segments, and that the entry lies in one of them. */
int kernel_check(struct kernel_image *image, struct error *e);
