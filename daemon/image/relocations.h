/*
 * relocations.h - what has to be added to, in the bytes of an image that may run anywhere
 *
 * A static position independent executable has relocations of one type only,
 * R_X86_64_RELATIVE: a word that holds a GVA as linked, and is to hold the one
 * where that lies now. Whoever was linked with others wants a dynamic linker,
 * and there is none here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;
struct executable;
struct image_segment;

struct image_relocations {
	uint64_t offset; /* of the table in the file; all of it within the file */
	uint64_t n;
};

/*
 * Finds and checks the relocations of an image. Its segments count from
 * `link_base`, are sorted and share no byte. Returns 0, or -ENOEXEC with a
 * sentence.
 */
int relocations_read(const struct executable *x, const void *data, uint64_t size, const struct image_segment *segments,
	size_t n_segments, uint64_t link_base, struct image_relocations *ret, struct error *e);

/* The i-th: the eight bytes at GVA *ret_address (as linked) are to hold the GVA *ret_value (as linked), moved. */
void relocation_at(const void *data, const struct image_relocations *relocations, uint64_t i, uint64_t *ret_address,
	uint64_t *ret_value);
