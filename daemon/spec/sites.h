/*
 * sites.h - hypercalls by instruction in the bytes of an image [spec 11.3 B]
 *
 * The three bytes of `vmcall` and `vmmcall` may stand in the middle of another
 * instruction, or in data. A site is where they stand with HVM_MARKER loaded into rbx
 * (`movabs`) within the SITE_REACH bytes before them, as everybody does who calls by
 * the protocol's convention.
 *
 * hvmd searches a file once, when it takes it into memory (vm/sealed.h), so that a
 * monitor need not read it at each start; where there are any, the monitor rewrites
 * those of executable segments (guest/patch.h).
 */
#pragma once

#include <stdint.h>

#define SITE_SIZE  3u   /* bytes of either instruction */
#define SITE_REACH 128u /* bytes, from the begin of the marker's instruction */

/* The first site from `from` on; `size` where there is none. */
uint64_t site_find(const uint8_t *bytes, uint64_t size, uint64_t from);
