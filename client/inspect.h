/*
 * inspect.h - having a monitor look at images, without hvmd
 *
 * hvmctl parses no image itself: a monitor does that, caged, and hvmctl talks to
 * it as hvmd would (abi/link.h). Neither hvmd nor KVM is needed.
 */
#pragma once

#include <stdint.h>

#include "client/status.h"
#include "link/inspection.h"

struct definition_file;
struct error;
struct options;
struct spec_file;
struct vm_spec;

#define INSPECT_USEC 10000000u /* an image of 256 MiB takes a second */

/*
 * Spawns the monitor at `path` and has it look at the definition's images, of
 * which `images` has a descriptor (borrowed) for each file, -1 where there is
 * none; what is found there then means nothing. Returns 0 and what wants
 * inspection_fini(), or a negative errno with a sentence when the monitor cannot
 * be started, dies, answers nonsense, or not within `timeout_usec`. It is gone
 * in any case.
 */
int inspect(const char *path, uint64_t timeout_usec, const struct vm_spec *spec, const int *images,
	struct inspection *ret, struct error *e);

/* The first of its files that a plan needs and that is not at hand, being given by its SHA-256 alone; or NULL. */
const struct spec_file *inspect_missing(const struct definition_file *f);

/*
 * The same for a definition that has been loaded, by the monitor that the options
 * name. STATUS_FAILED when it has said why not.
 */
enum exit_status inspect_definition(
	const struct options *o, const struct definition_file *f, struct inspection *ret);

/*
 * Inspects, and adds what has been found to the diagnostics: a notice for each
 * image unless --quiet is given, and an error for each fault. Returns
 * STATUS_INVALID_DEFINITION when there is one.
 */
enum exit_status inspect_diagnose(const struct options *o, struct definition_file *f);
