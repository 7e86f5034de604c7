/*
 * launch.h - the launch digest: everything that a VM begins with, in one number
 *
 * The SHA-384 of a text, the launch record: a line for each region of the plan,
 * with a digest of its bytes, and a line for each core that begins, with its
 * registers. hvmd-digest(7) has the whole recipe; it is what others recompute, so
 * that a change of it has a new number in the record's first line.
 *
 * Nothing of the host is in it. A file enters by its own SHA-256, which the store
 * knows already, so that no image is read for this. What we write ourselves
 * enters by its bytes, before those are put in that come from the host.
 *
 * Tour 428: Two hosts, one definition: did both start the same thing? This is the
 * text that says so, and its digest.
 */
#pragma once

#include <stdint.h>

#include "base/buffer.h"
#include "guest/boot.h"
#include "spec/spec.h"

struct memory;
struct plan;

#define LAUNCH_DIGEST_SIZE 48 /* SHA-384 */
#define LAUNCH_RECORD_MAX  32768 /* bytes: the most regions, and the most cores, have less */

struct launch {
	struct buffer record;
	struct boot_registers last; /* of the core before */
};

/* An empty record; launch_fini() lets go of it. */
void launch_init(struct launch *launch);
void launch_fini(struct launch *launch);

/*
 * Appends the regions. Those that we write are read from memory, and are there;
 * `files` are the SHA-256 of the definition's files. Notes the digest of each
 * region in the plan.
 */
void launch_add_regions(struct launch *launch, struct plan *plan, const struct memory *memory,
	const uint8_t files[][SPEC_SHA256_SIZE]);

/* Appends a core, in ascending order of `id`. */
void launch_add_core(struct launch *launch, uint32_t id, const struct boot_registers *registers);

/* Returns 0, or -ENOMEM where the record did not come about. */
int launch_digest(const struct launch *launch, uint8_t ret[LAUNCH_DIGEST_SIZE]);
