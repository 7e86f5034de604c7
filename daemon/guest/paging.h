/* paging.h - boot page tables [spec 2.4], and walking whatever tables a guest has */
#pragma once

#include <stdint.h>

struct memory;
struct plan;

/* How many 4 KiB pages the tables for `map_bytes` take at the granule of `flags` (one HVM_FLAG_MAP_... bit). */
uint64_t paging_table_pages(uint64_t map_bytes, uint64_t flags);

/* Writes the tables at plan->page_tables. Their memory is there and zero. */
void paging_write(const struct plan *plan, struct memory *memory);

/*
 * Translates a GVA through the 4-level tables at cr3. Returns 0, or -EFAULT
 * where an entry is not present, is not in memory, or the GVA is not canonical.
 */
int paging_walk(const struct memory *memory, uint64_t cr3, uint64_t gva, uint64_t *ret_gpa);

/* Reads `size` bytes at a GVA, across pages. 0 or -EFAULT. */
int paging_read(const struct memory *memory, uint64_t cr3, uint64_t gva, void *data, uint64_t size);
