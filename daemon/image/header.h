/*
 * header.h - the Multiboot2 header of an image: where it is and what its tags say
 *
 * [spec 3.5, 5.1, 5.2]. Only the address, entry and HRT tags change anything;
 * every other tag is checked and passed over.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hvm-guest-abi.h"

struct error;

struct image_header {
	uint64_t offset; /* in the file */
	uint32_t length; /* bytes; all of them within the file */
	bool has_address;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr; /* as the address tag has them */
	bool has_entry;
	uint32_t entry_addr; /* GPA */
	bool has_hrt;
	struct hvm_header_tag hrt;
};

/*
 * Finds the first valid Multiboot2 header and reads its tags. What looks like
 * one but has a wrong checksum, architecture or length is passed over; where
 * there is none at a multiple of 8 bytes, as the standard has it, multiples of 4
 * are tried too, as Palacios did. Returns 0, or -ENOEXEC with a sentence.
 */
int image_header_read(const void *data, uint64_t size, struct image_header *ret, struct error *e);
