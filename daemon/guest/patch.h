/*
 * patch.h - hypercalls by instruction, rewritten to hypercalls by port [spec 11.3 B]
 *
 * No stock KVM hands us a vmcall; so the three bytes of `vmcall` and `vmmcall` become
 * `out %eax, $HVM_PORT; nop` as an image is loaded, at each site (spec/sites.h) of an
 * executable segment.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct hrt_image;
struct image_segment;
struct memory;
struct plan;

/* Rewrites the site at `at`. */
void patch_site(uint8_t *at);

/* Rewrites the sites within `bytes`. Returns their number. */
uint32_t patch_bytes(uint8_t *bytes, uint64_t size);

/* The same in an image that boot_write_image() has written. */
uint32_t patch_image(const struct plan *plan, const struct hrt_image *image, struct memory *memory);

/* How many sites patch_bytes() would rewrite. */
uint32_t patch_count(const uint8_t *bytes, uint64_t size);

/*
 * Whether there is a site at offset `at` of the image's file, in code that this segment of it
 * loads: *ret_gpa is where, from the image's base on. Any offset may be asked for.
 */
bool patch_find(const struct image_segment *segment, const uint8_t *file, uint64_t at, uint64_t *ret_gpa);
