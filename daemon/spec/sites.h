/*
 * sites.h - hypercalls by instruction in the bytes of an image [spec 11.3 B]
 *
 * The three bytes of `vmcall` and `vmmcall` may stand in the middle of another
 * instruction, or in data. A site is where they stand with HVM_MARKER loaded into rbx
 * (`movabs`) within the SITE_REACH bytes before them, as everybody does who calls by
 * the protocol's convention.
 *
 * hvmd searches a file once, when it takes it into memory (vm/sealed.h), and tells the
 * monitor where they are, so that it need not read the file at each start; the monitor
 * rewrites those of executable segments (guest/patch.h).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct spec_sites;

#define SITE_SIZE  3u   /* bytes of either instruction */
#define SITE_REACH 128u /* bytes, from the begin of the marker's instruction */

/* The first site from `from` on; `size` where there is none. */
uint64_t site_find(const uint8_t *bytes, uint64_t size, uint64_t from);

/* Whether there is one at `at`, of which SITE_SIZE bytes lie before `size`. Looks at SITE_REACH bytes at most. */
bool site_is_at(const uint8_t *bytes, uint64_t size, uint64_t at);

/* Searches a whole file. What has more than SPEC_SITES_MAX of them is told as not known. */
void sites_find(const uint8_t *bytes, uint64_t size, struct spec_sites *ret);
