/*
 * images.h - the files of a definition, as a monitor has them
 *
 * A memfd that is sealed against writing and shrinking stays as it is, whoever
 * else has it: it is mapped, and costs nothing until a page of it is touched. Any
 * other file can be changed or cut off under our eyes, and touching what has gone
 * would kill us (SIGBUS): it is read.
 *
 * Where bytes of a mapped file fill whole pages of the HRT's memory, and lie in the
 * file as they do there, those pages are mapped, too (images_overlay()), and
 * monitors of one image share them until a guest writes to them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "guest/file.h"
#include "spec/spec.h"

struct error;
struct hrt_memory;
struct memory;
struct plan;

struct images {
	struct guest_file files[SPEC_FILES_MAX]; /* owned: mapped or on the heap; none: nobody needs it */
	bool mapped[SPEC_FILES_MAX];
	bool changed[SPEC_FILES_MAX]; /* what stands in memory is not what the file has: it is copied there */
};

/* Reads or maps a file (borrowed). Returns 0, or a negative errno with a sentence that calls it `what`. */
int images_take(struct images *images, size_t file, int fd, const char *what, struct error *e);

void images_fini(struct images *images);

/* Another content for a file; takes over data (heap). All files are copied from here on, not mapped. */
void images_replace(struct images *images, size_t file, uint8_t *data, size_t size);

/*
 * The memory of an HRT as far as its bytes are not a mapped file's; what is written
 * at boot goes there. The plan's regions become the windows of *ret.
 */
void images_rest(
	const struct images *images, const struct plan *plan, const struct memory *memory, struct memory *ret);

/* Copies the bytes of mapped files that fill no whole page. Before the memory is sealed. */
void images_write_edges(const struct images *images, const struct plan *plan, const struct memory *memory);

/* Maps the whole pages, `fds` being the files (borrowed). Once the memory is sealed. 0, or a negative errno with a sentence. */
int images_overlay(const struct images *images, const struct plan *plan, const int fds[SPEC_FILES_MAX],
	const struct memory *memory, struct hrt_memory *hrt_memory, struct error *e);
