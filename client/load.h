/*
 * load.h - a definition as a file of the user's, with the images it names, or
 * both in one image container
 *
 * This is the only place where anybody opens the paths in a definition: hvmd
 * gets descriptors.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "client/status.h"
#include "spec/definition.h"

struct options;

struct definition_file {
	const char *path; /* borrowed */
	char *text;       /* owned: what hvmd gets */
	size_t size;
	struct vm_spec *spec;           /* owned; NULL when the text has errors */
	int images[SPEC_FILES_MAX];     /* owned: one for each file of spec; -1 where none is to be passed */
	struct definition_places places;
	struct diagnostics diagnostics; /* owned: of the text and of the images, in the order of the text */
};

/*
 * Reads a definition as the options say (name, overrides, unknown_warns) and
 * opens its images, those with relative names from the definition's own folder.
 * Where hvmd could not read the same from the text as it is, because of an
 * option, a container, or a name that the file lends, it gets the canonical form.
 * STATUS_FAILED when the file cannot be read, which
 * has been said; STATUS_INVALID_DEFINITION when there are errors among the
 * diagnostics, one of which may be that it is no container or too large. Wants
 * definition_file_fini() whatever it returns.
 */
enum exit_status definition_file_load(const char *path, const struct options *options, struct definition_file *ret);

void definition_file_fini(struct definition_file *f);

/* Where a diagnostic is shown: what is about the whole text, at its beginning. Editors want a line and a column. */
struct position definition_file_position(const struct diagnostic *d);

/* Prints "FILE:LINE:COLUMN: severity: element path: sentence" for each diagnostic. */
void definition_file_print(const struct definition_file *f, FILE *out);
