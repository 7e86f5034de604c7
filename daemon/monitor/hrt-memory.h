/*
 * hrt-memory.h - the HRT's own memory, and putting it back to what it was at boot
 *
 * It is built once into a template, a sealed memfd, and mapped privately: a start
 * copies nothing, and what the guest writes to becomes a page of its own. To put
 * it back, those pages are copied from the template again: KVM's dirty rings say
 * which they are, so the cost follows what the guest wrote, not the size of the
 * machine. Where there are no rings, or too many pages, the private pages are
 * dropped instead, and the template shows through.
 *
 * Tour 480: Why a reset takes microseconds: memory is never built twice. What
 * the guest wrote is copied back from a template; the rest was never touched.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct error;
struct memory;

#define HRT_MEMORY_LIST_MAX 16384u /* pages; copying more of them one by one costs more than dropping all */

struct hrt_memory {
	uint8_t *host;       /* borrowed: where in our address space it is mapped */
	uint64_t size;       /* bytes */
	uint8_t *pristine;   /* owned mapping of the template, and of what has replaced pages of it */
	uint8_t *replaced;   /* owned; a bit a page of `size`; NULL: no page has been */
	uint64_t first_replaced, end_replaced; /* pages between which they are */
	int template;        /* owned; -1: sealed, and only mapped */
	bool tracked;        /* hrt_memory_dirty() is told of every page */
	pthread_mutex_t lock; /* of the list */
	uint32_t n_dirty;
	bool overflow;       /* there are more than the list has */
	uint32_t dirty[HRT_MEMORY_LIST_MAX]; /* page numbers from `host` */
};

/* Makes the template, empty and writable, and maps it at `host`, which is reserved. */
int hrt_memory_init(struct hrt_memory *m, uint8_t *host, uint64_t size, struct error *e);
void hrt_memory_fini(struct hrt_memory *m);

/* Seals what has been written at `host` as the template, and maps it privately. */
int hrt_memory_seal(struct hrt_memory *m, bool tracked, struct error *e);

/*
 * Puts pages of a file (borrowed) that never changes in the place of the
 * template's at `host`, which lies within. After hrt_memory_seal().
 */
int hrt_memory_overlay(
	struct hrt_memory *m, uint8_t *host, uint64_t size, int fd, uint64_t offset, struct error *e);

/*
 * [offset, offset + size) is about to be written to at `pristine`, in place of what the
 * template has. hrt_memory_put_back() then puts back what stands there. 0 or -ENOMEM.
 */
int hrt_memory_replace(struct hrt_memory *m, uint64_t offset, uint64_t size, struct error *e);

/* Shows the guest all that was replaced. No guest is running. */
void hrt_memory_show_replaced(struct hrt_memory *m);

/* The guest has written to the page at this GPA. From any thread. */
void hrt_memory_dirty(struct hrt_memory *m, const struct memory *memory, uint64_t gpa);

/* The guest has written to pages that nobody knows. From any thread. */
void hrt_memory_lost_track(struct hrt_memory *m);

/* Puts everything back. No guest is running, and hrt_memory_dirty() has been told of all. */
int hrt_memory_put_back(struct hrt_memory *m, struct error *e);
