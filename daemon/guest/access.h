/*
 * access.h - reading and writing a guest's memory by the guest's own addresses
 *
 * What the guest could not do itself at its privilege level, we do not do for
 * it: every page is looked up in its own tables, with their permissions, each
 * time. Only 4-level paging in 64-bit mode is known.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct memory;

struct access {
	const struct memory *memory; /* borrowed; what the guest may reach at all */
	uint64_t cr3;
	bool user; /* CPL 3: pages must be the user's */
	/* Told of each page that we write to; may be NULL. */
	void (*wrote)(void *data, uint64_t gpa);
	void *data;
};

/*
 * Each returns 0, or -EFAULT where a page is not there, not canonical, or not
 * allowed. Writing is refused on read-only pages whatever CR0.WP says, marks
 * pages as accessed and dirty as a processor does (a guest that swaps has to
 * know), and writes all or nothing, unless the guest changes its tables meanwhile.
 */
int access_read(const struct access *access, uint64_t gva, void *to, uint64_t size);
int access_write(const struct access *access, uint64_t gva, const void *from, uint64_t size);

/* Whether these would be done. Nothing is marked. */
int access_check_read(const struct access *access, uint64_t gva, uint64_t size);
int access_check_write(const struct access *access, uint64_t gva, uint64_t size);

/* The GPA behind a GVA, readable; whether there is memory is not asked. */
int access_translate(const struct access *access, uint64_t gva, uint64_t *ret_gpa);

/* The lower half of canonical addresses, which is a process's. */
bool access_is_user_address(uint64_t gva);
