/* segment.h - runs of an image's bytes and where they go: what every format of image comes down to */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

/* Copy [offset, offset + file_size) of the file to gpa; the rest, up to memory_size, is zero. */
struct image_segment {
	uint64_t gpa;
	uint64_t memory_size; /* bytes, > 0; gpa + memory_size does not overflow */
	uint64_t offset;      /* into the file */
	uint64_t file_size;   /* bytes, <= memory_size; all within the file */
	bool writable;
	bool executable;
};

/* Sorts by GPA. Returns 0, or -ENOEXEC with a sentence when two of them share a byte of memory. */
int segments_sort(struct image_segment *segments, size_t n, struct error *e);

/* Whether the byte at `gpa` comes from the file. */
bool segments_load(const struct image_segment *segments, size_t n, uint64_t gpa);
