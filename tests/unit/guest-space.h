/*
 * guest-space.h - a small guest for tests of what reaches into one
 *
 * Four pages from SPACE_GVA on, by tables that a test may spoil: space_entry(0)
 * to space_entry(3) are the leaves of these pages; all are a user's and writable.
 */
#pragma once

#include <string.h>

#include "abi/x86.h"
#include "guest/access.h"
#include "guest/memory.h"
#include "kvm/kvm.h"

#define SPACE_GVA   0x0000123456788000ull
#define SPACE_CR3   0x1000ull
#define SPACE_PAGES 4u
#define SPACE_SIZE  (SPACE_PAGES * PAGE_SIZE)

struct space {
	_Alignas(4096) uint64_t tables[4][512]; /* PML4, PDPT, PD, PT at GPA 0x1000 */
	uint8_t pages[SPACE_SIZE];              /* at GPA 0x5000 */
	struct memory memory;
};

static inline uint64_t *space_entry(struct space *space, unsigned page)
{
	return &space->tables[3][((SPACE_GVA >> 12) + page) & 511];
}

static inline void space_init(struct space *space)
{
	static const unsigned shifts[] = {39, 30, 21};

	memset(space, 0, sizeof(*space));
	memory_add(&space->memory, SPACE_CR3, offsetof(struct space, memory), space);
	for (unsigned level = 0; level < 3; level++)
		space->tables[level][SPACE_GVA >> shifts[level] & 511] =
			(SPACE_CR3 + PAGE_SIZE * (level + 1)) | PTE_PRESENT | PTE_WRITABLE | PTE_USER;
	for (unsigned page = 0; page < SPACE_PAGES; page++)
		*space_entry(space, page) = (SPACE_CR3 + PAGE_SIZE * (4 + page)) | PTE_PRESENT | PTE_WRITABLE | PTE_USER;
}

/* The bytes behind a GVA of the space. */
static inline void *space_at(struct space *space, uint64_t gva)
{
	return space->pages + (gva - SPACE_GVA);
}

/* A core in 64-bit mode with this space. */
static inline struct vcpu_state space_state(unsigned cpl)
{
	return (struct vcpu_state){
		.cr0 = CR0_PG | CR0_WP | CR0_PE,
		.cr3 = SPACE_CR3,
		.cr4 = CR4_PAE,
		.efer = EFER_LMA | EFER_LME,
		.cs = {.selector = (uint16_t)(cpl ? 0x33 : 0x8), .type = 0xB, .s = 1, .present = 1, .l = 1, .dpl = (uint8_t)cpl},
		.ss = {.selector = (uint16_t)(cpl ? 0x2B : 0x10)},
	};
}
