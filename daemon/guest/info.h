/* info.h - the Multiboot2 information block [spec 5.3, 5.4] that an HRT core finds in rbx */
#pragma once

#include <stdint.h>

struct buffer;
struct plan;

struct memory_map_entry {
	uint64_t gpa;
	uint64_t size; /* bytes */
	uint32_t type; /* MULTIBOOT2_MEMORY_... */
};

#define MEMORY_MAP_MAX 8

/*
 * The memory map an HRT core is told: RAM up to plan->end with the boot state
 * reserved, and the device hole reserved; memory of the ROS that it may not see
 * is reserved, too. Returns the number of entries.
 */
unsigned memory_map_hrt(const struct plan *plan, struct memory_map_entry ret[MEMORY_MAP_MAX]);

/*
 * Appends the whole block: HRT tag, command line (where not NULL), loader name,
 * basic memory, memory map, end. Fails as buffers do: give it one with the
 * limit of a page.
 */
void info_append(const struct plan *plan, const char *cmdline, uint64_t cpu_khz, struct buffer *b);
