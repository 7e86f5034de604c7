/*
 * pvh.h - the PVH boot protocol
 *
 * Xen's docs/misc/pvh.pandoc, xen/include/public/arch-x86/hvm/start_info.h and
 * xen/include/public/elfnote.h.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"

/* The note of an ELF file that offers it: its descriptor is the entry, 4 or 8 bytes */
#define PVH_NOTE_NAME         "Xen"
#define PVH_NOTE_PHYS32_ENTRY 18u

#define PVH_START_MAGIC   0x336EC578u /* "xEn3" with the highest bit of the 'E' */
#define PVH_START_VERSION 1u

struct pvh_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_paddr;
	uint64_t cmdline_paddr;
	uint64_t rsdp_paddr;
	uint64_t memmap_paddr; /* from version 1 on, as all that follows */
	uint32_t memmap_entries;
	uint32_t reserved;
};
assert_size(struct pvh_start_info, 56);
assert_offset(struct pvh_start_info, modlist_paddr, 16);
assert_offset(struct pvh_start_info, rsdp_paddr, 32);
assert_offset(struct pvh_start_info, memmap_paddr, 40);
assert_offset(struct pvh_start_info, memmap_entries, 48);

struct pvh_module {
	uint64_t paddr;
	uint64_t size; /* bytes */
	uint64_t cmdline_paddr;
	uint64_t reserved;
};
assert_size(struct pvh_module, 32);

/* Types are those of E820. */
struct pvh_memory {
	uint64_t addr;
	uint64_t size; /* bytes */
	uint32_t type;
	uint32_t reserved;
};
assert_size(struct pvh_memory, 24);
