/*
 * measure.h - the launch digest of a definition and its files, without a machine
 *
 * What we write into guest memory is written once more, into memory of our own,
 * and digested (guest/launch.h). So nothing of the host gets in: the clock is not
 * known here, and pages of 1 GiB are granted wherever an image asks for them.
 */
#pragma once

#include "base/buffer.h"
#include "base/cleanup.h"
#include "guest/file.h"
#include "guest/launch.h"
#include "guest/plan.h"

struct error;
struct vm_spec;

struct measure {
	struct plan plan;     /* with the digest of each region */
	struct buffer record; /* owned */
	uint8_t digest[LAUNCH_DIGEST_SIZE];
};

/*
 * Measures what prepare() accepts. `files` are borrowed. Returns 0 and what the
 * caller frees, or a negative errno with a sentence.
 */
int measure_new(
	const struct vm_spec *spec, const struct guest_file *files, struct measure **ret, struct error *e);

/* Takes NULL; returns NULL. */
struct measure *measure_free(struct measure *measure);
DEFINE_CLEANUP(struct measure *, measure_free);

/* Appends a plan as LINK_PLAN has it (abi/link.h), with digests and record of `measure`; NULL: they are not known. */
void measure_append_plan(
	const struct plan *plan, const struct vm_spec *spec, const struct measure *measure, struct buffer *b);
