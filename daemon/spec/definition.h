/*
 * definition.h - XML to definition and back
 *
 * Reads the Palacios dialect: a value is an attribute or a child element (both
 * is an error), names compare without case, text is trimmed. All faults of a
 * text are found in one go. Takes no DTD, no external entity, no network.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "spec/diagnostic.h"
#include "spec/spec.h"

#define DEFINITION_SIZE_MAX (1u << 20) /* bytes of XML */

/* VALUE takes the place of the text of each element with opt_tag="TAG", compared without case [spec 1.1]. */
struct definition_override {
	const char *tag, *value;
};

/* Where those parts stand of which more is known only when the files have been looked at. */
struct definition_places {
	struct position vm, memory, files[SPEC_FILES_MAX];
};

/* Everything is borrowed. */
struct definition_options {
	bool unknown_warns;        /* a name that hvmd does not know is a warning, and left out */
	bool stored;               /* hvmd wrote the text, when it had been held against the schema: not again, it takes half the time */
	bool packed;               /* the text came in an image container: each file's index says which it is there */
	const char *name;          /* of the VM, whatever the text says; NULL: as the text says */
	const char *fallback_name; /* of the VM where the text has none; NULL: that is an error */
	const struct definition_override *overrides; /* one that matches nothing is an error */
	size_t n_overrides;
	struct definition_places *places; /* written where the definition is right; NULL: nobody wants to know */
};

/*
 * Reads a definition. Adds every fault to *diagnostics; returns 0 and what the
 * caller frees when none of them is an error, otherwise -EBADMSG, or -ENOMEM.
 * options may be NULL: none of them.
 */
int definition_parse(const char *text, size_t size, const struct definition_options *options,
	struct diagnostics *diagnostics, struct vm_spec **ret);

/*
 * The canonical form: lower case, attributes, every default written out, the
 * digests of stored files. Parsing it gives the same definition and the same
 * bytes again. NULL when memory is short; the caller frees it.
 */
char *definition_format(const struct vm_spec *spec);
