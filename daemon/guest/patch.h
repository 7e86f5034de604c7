/*
 * patch.h - hypercalls by instruction, rewritten to hypercalls by port [spec 11.3 B]
 *
 * No stock KVM hands us a vmcall; so the three bytes of `vmcall` and `vmmcall` become
 * `out %eax, $HVM_PORT; nop` as an image is loaded, at each site (spec/sites.h) of an
 * executable segment.
 */
#pragma once

#include <stdint.h>

struct hrt_image;
struct memory;
struct plan;

/* Rewrites the sites within `bytes`. Returns their number. */
uint32_t patch_bytes(uint8_t *bytes, uint64_t size);

/* The same in an image that boot_write_image() has written. */
uint32_t patch_image(const struct plan *plan, const struct hrt_image *image, struct memory *memory);

/* How many sites patch_bytes() would rewrite. */
uint32_t patch_count(const uint8_t *bytes, uint64_t size);
