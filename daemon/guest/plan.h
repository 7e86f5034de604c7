/*
 * plan.h - where everything stands in guest physical memory at boot
 *
 * The planner knows every region by name and refuses what does not fit before
 * a byte is written. The boot state grows down from the end of RAM [spec 2.1]:
 *
 *	END -> +------------------+		seed layout [spec 2.2]:
 *	       | null handler     |  one page each
 *	       | IDT, GDT, TSS    |
 *	       | page tables      |  PML4 first, then PDPTs, PDs, PTs
 *	MBI -> | info block       |  a page		boundary page, all 0xFF
 *	       | stack of core 0  |  `stack` bytes each	one stack, with the
 *	       | stack of core 1  |			info block at its top
 *	       | ...              |
 *	       +------------------+
 *	       | modules, symbols |  what is handed over
 *	       +------------------+
 *
 * Differences from Palacios: overlaps are refused, not logged; the boot state
 * is reserved in the memory map; there is no blanket reserve of 64 MiB: an
 * image may end right below the lowest stack.
 *
 * Tour 410: Before a byte is written we know where each will stand. If two
 * regions want the same place, this is where you learn it, by name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/spec.h"

struct error;
struct hrt_source;
struct vm_spec;

#define PLAN_REGIONS_MAX 192 /* segments of two images, the gaps between them, modules, and two dozen of ours */
#define PLAN_NAME_MAX    24
#define PLAN_DIGEST_SIZE 32 /* SHA-256 */
/* The most that boot page tables map, 128 TiB: half a PML4. An image that asks for more is told that it got this. */
#define PLAN_MAP_MAX     (1ull << 47)

enum plan_access {
	PLAN_ROS = 1,      /* the ROS VM has it */
	PLAN_HRT = 2,      /* the HRT VM has it */
	PLAN_BOTH = 3,
	PLAN_HRT_READS = 4 | PLAN_ROS, /* the ROS VM has it; what the HRT writes there is lost */
	PLAN_DEVICE = 0,   /* no memory behind it */
};

enum plan_source {
	PLAN_ZERO,      /* nowhere: all of it is zero */
	PLAN_FILE,      /* a file of the definition */
	PLAN_GENERATED, /* we write them, for this VM */
	PLAN_NOWHERE,   /* no memory behind it */
};

/* Where the bytes of a region come from. */
struct plan_origin {
	enum plan_source source;
	/* PLAN_FILE only: [offset, offset + size) of the file stands at the region's start; zero follows it */
	uint32_t file;   /* index into the definition's files */
	uint64_t offset;
	uint64_t size;   /* bytes, up to the region's */
};

struct plan_region {
	char name[PLAN_NAME_MAX];
	uint64_t gpa;
	uint64_t size; /* bytes, > 0 */
	enum plan_access access;
	bool free; /* RAM that nothing has been planned for: "ros memory", "hrt memory" */
	struct plan_origin origin;
	uint8_t digest[PLAN_DIGEST_SIZE]; /* of its bytes, or of the file; zeros until it is launched (guest/launch.h) */
};

struct plan {
	/* Regions in ascending order, no two overlap: RAM left over is there as "ros memory" and "hrt memory". */
	struct plan_region regions[PLAN_REGIONS_MAX];
	size_t n_regions;

	uint64_t ros_bytes; /* R: also the first GPA of the HRT */
	enum plan_access ros_access; /* of [0, R): whether the HRT has it, too */
	uint64_t ram_bytes; /* M */
	uint64_t end;       /* GPA just above the boot state, and in the final layout just above RAM */
	enum spec_layout layout;

	uint32_t n_cores;   /* N */
	uint32_t first_hrt_core; /* k */
	uint32_t n_hrt_cores;

	/* All GPAs */
	uint64_t handler, idt, gdt, tss;
	uint64_t page_tables; /* PML4; page_table_pages pages from here */
	uint64_t page_table_pages;
	uint64_t info;        /* MBI */
	uint64_t stack_size;  /* bytes for each HRT core; seed: for all together */
	uint64_t stacks, stacks_end; /* from the lowest byte of the lowest stack to above the highest */
	uint64_t boundary;    /* seed: the page above the stack; otherwise 0 */

	/* What is handed over beside the image: within [handed, handed_end), pages that are reserved. */
	uint64_t handed, handed_end;
	struct plan_module {
		uint64_t gpa, size; /* bytes */
	} modules[SPEC_MODULES_MAX];
	size_t n_modules;
	uint64_t sections;    /* GPA of those that no segment loads, where the image asks for them */

	bool relocated;       /* the image had no place of its own: its segments count from image_base */
	uint64_t image_base;  /* GPA; 0 where it is not relocated */

	uint64_t comm_page;   /* GPA; 0: there is none (seed) */
	uint64_t flags;       /* granule as granted: exactly one HVM_FLAG_MAP_... bit */
	uint64_t map_bytes;   /* GPA [0, map_bytes) is mapped at gva_offset: whole pages of the granule */
	uint64_t gva_offset;
	bool identity;        /* and at 0, too */
	uint64_t entry_gva;
	bool multiboot;       /* the image has a Multiboot2 header, and is told of its machine */
	uint8_t int_vector;
};

/*
 * Plans the boot of an HRT. An image that asks for the 1 GiB granule where there
 * is none is granted 2 MiB. Returns 0, or a sentence with -ENOEXEC (the image asks
 * for something that cannot be) or -EADDRINUSE (two regions want the same memory;
 * both are named).
 */
int plan_hrt(const struct hrt_source *source, struct plan *ret, struct error *e);

/* GPA at which an image has to end in the seed layout of a definition, if nothing is handed over beside it. */
uint64_t plan_seed_image_end(const struct vm_spec *spec);

/* Plans a VM without an HRT: nothing but the free memory of the ROS. spec is not hybrid. */
void plan_ros_alone(const struct vm_spec *spec, struct plan *ret);

/*
 * Takes [gpa, gpa + size) out of the free memory of the ROS and gives it a name.
 * Returns 0, or a sentence with -ENOEXEC (there is no such memory) or -EADDRINUSE
 * (something is there; it is named).
 */
int plan_take(struct plan *plan, uint64_t gpa, uint64_t size, const struct plan_origin *origin, struct error *e,
	const char *format, ...) __attribute__((format(printf, 6, 7)));

/*
 * The lowest (or highest) GPA from `from` on at which `size` bytes of free memory
 * of the ROS stand at a multiple of `align`, a power of two, and end at `to` at
 * most. False: there is none.
 */
enum plan_side { PLAN_LOWEST, PLAN_HIGHEST };
bool plan_find_room(const struct plan *plan, enum plan_side side, uint64_t size, uint64_t align, uint64_t from,
	uint64_t to, uint64_t *ret);

/* The region that holds this GPA, or NULL. */
const struct plan_region *plan_find(const struct plan *plan, uint64_t gpa);

/* "ros", "hrt", "both", "hrt-reads" or "device". */
const char *plan_access_to_string(enum plan_access access);

/* "zero", "file", "generated" or "none". */
const char *plan_source_to_string(enum plan_source source);
