/*
 * header.h - the Multiboot2 header of an image: where it is and what its tags say
 *
 * By the Multiboot2 Specification 2.0, section 3.1, and [spec 3.5, 5.1, 5.2]. It
 * says what the image asks for; whether that can be had is for the caller, who
 * knows what is being booted: see image_header_check().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "hvm-guest-abi.h"

struct error;
struct image_segment;

/* Information that a boot loader hands over, as a set: 3.6. */
#define IMAGE_INFO(type) (1ull << (type)) /* MULTIBOOT2_INFO_... */
#define IMAGE_INFO_HRT   (1ull << 63)     /* HVM_INFO_TAG */

struct image_header {
	uint64_t offset; /* in the file */
	uint32_t length; /* bytes; all of them within the file */
	uint32_t required; /* bit n: there is a tag of type n, 1 to 10, without the optional bit */

	uint64_t info_wanted;   /* information requests of any kind */
	uint64_t info_required; /* those without the optional bit; a subset */
	uint32_t info_unknown;  /* one of those that is in no standard; 0: none is */

	bool has_address;
	uint32_t header_addr, load_addr, load_end_addr, bss_end_addr; /* as the address tag has them */
	bool has_entry;
	uint32_t entry_addr; /* GPA */

	bool has_console;
	uint32_t console_flags; /* MULTIBOOT2_CONSOLE_... */
	bool has_framebuffer;
	uint32_t width, height, depth; /* 0: no preference */
	bool aligns_modules; /* they begin at page boundaries */

	bool has_efi32_entry, has_efi64_entry;
	uint32_t efi32_entry, efi64_entry;

	bool relocatable;
	uint32_t min_addr, max_addr; /* no byte of the image below min_addr, its end at max_addr at most; min_addr <= max_addr */
	uint32_t align;              /* a power of two */
	uint32_t preference;         /* MULTIBOOT2_PREFER_... */

	bool has_hrt;
	struct hvm_header_tag hrt; /* hrt.size is 12, with all but the flags 0, or at least 56 */
};

/*
 * Finds the first valid Multiboot2 header and reads its tags. What looks like
 * one but has a wrong checksum, architecture or length is passed over; where
 * there is none at a multiple of 8 bytes, as the standard has it, multiples of 4
 * are tried too, as Palacios did. Returns 0, or a sentence with -ENOENT (there is
 * no header) or -ENOEXEC (there is one, and it is wrong).
 */
int image_header_read(const void *data, uint64_t size, struct image_header *ret, struct error *e);

/*
 * Whether everything that the header requires can be had without firmware of the
 * EFI kind, by somebody who is told `offered`; `whom` is he, for the sentence:
 * "an HRT". Console and framebuffer are not looked at. Returns 0 or -ENOEXEC with
 * a sentence.
 */
int image_header_check(const struct image_header *header, uint64_t offered, const char *whom, struct error *e);

/*
 * What the address tag loads; there is one. The file has `size` bytes. Returns 0,
 * or -ENOEXEC with a sentence where the tag contradicts the file or itself.
 */
int image_header_segment(const struct image_header *header, uint64_t size, struct image_segment *ret, struct error *e);
