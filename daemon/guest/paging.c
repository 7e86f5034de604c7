/*
 * paging.c - see paging.h
 *
 * Boot tables are the single mapping of GPA [0, map_bytes) at gva_offset; where a
 * definition wants it, the lower rows of the PML4 show the same at 0. They stand in one run of memory, level by level, and each level's entries are
 * consecutive across its pages, so that a level is filled in one sweep:
 *
 *	PML4 | PDPT PDPT ... | PD PD PD ... | PT PT PT PT ...
 */
#include "guest/paging.h"

#include <assert.h>

#include "abi/hrt.h"
#include "abi/x86.h"
#include "base/checked.h"
#include "guest/access.h"
#include "guest/memory.h"
#include "guest/plan.h"

#define ENTRIES 512u /* in a table; SDM volume 3A, 4.5 */

/* Bytes that one entry maps, from the PML4 (0) down to the PT (3). */
static const uint64_t reach[] = {512 * GiB, 1 * GiB, 2 * MiB, 4 * KiB};

/* The level whose entries are leaves. */
static unsigned leaf_level(uint64_t flags)
{
	switch (flags) {
	case HVM_FLAG_MAP_1GB:
		return 1;
	case HVM_FLAG_MAP_2MB:
		return 2;
	default:
		assert(flags == HVM_FLAG_MAP_4KB);
		return 3;
	}
}

/* Pages of tables at a level, 1 or deeper; a PML4 is always one. */
static uint64_t level_pages(uint64_t map_bytes, unsigned level)
{
	return div_up(div_up(map_bytes, reach[level]), ENTRIES);
}

uint64_t paging_table_pages(uint64_t map_bytes, uint64_t flags)
{
	uint64_t pages = 1;

	for (unsigned level = 1; level <= leaf_level(flags); level++)
		pages += level_pages(map_bytes, level);
	return pages;
}

/* Writes entries that point at `first`, first + step, ... */
static void fill(uint64_t *table, uint64_t n, uint64_t first, uint64_t step, uint64_t bits)
{
	for (uint64_t i = 0; i < n; i++)
		table[i] = (first + i * step) | bits;
}

void paging_write(const struct plan *plan, struct memory *memory)
{
	uint64_t *table = memory_at(memory, plan->page_tables, plan->page_table_pages * PAGE_SIZE);
	unsigned leaf = leaf_level(plan->flags);
	uint64_t next = plan->page_tables + PAGE_SIZE; /* GPA of the level below the one being filled */

	assert(table);
	fill(table + (plan->gva_offset / reach[0]) % ENTRIES, level_pages(plan->map_bytes, 1), next,
		PAGE_SIZE, PTE_PRESENT | PTE_WRITABLE);
	if (plan->identity)
		fill(table, level_pages(plan->map_bytes, 1), next, PAGE_SIZE, PTE_PRESENT | PTE_WRITABLE);
	table += ENTRIES;
	for (unsigned level = 1; level < leaf; level++) {
		next += level_pages(plan->map_bytes, level) * PAGE_SIZE;
		fill(table, level_pages(plan->map_bytes, level + 1), next, PAGE_SIZE,
			PTE_PRESENT | PTE_WRITABLE);
		table += level_pages(plan->map_bytes, level) * ENTRIES;
	}
	fill(table, plan->map_bytes / reach[leaf], 0, reach[leaf],
		PTE_PRESENT | PTE_WRITABLE | (leaf == 3 ? 0 : PTE_LARGE));
}

int paging_walk(const struct memory *memory, uint64_t cr3, uint64_t gva, uint64_t *ret_gpa)
{
	const struct access access = {.memory = memory, .cr3 = cr3};

	return access_translate(&access, gva, ret_gpa);
}

int paging_read(const struct memory *memory, uint64_t cr3, uint64_t gva, void *data, uint64_t size)
{
	const struct access access = {.memory = memory, .cr3 = cr3};

	return access_read(&access, gva, data, size);
}
