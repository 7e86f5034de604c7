/*
 * definition.h - XML to definition and back
 *
 * Reads the Palacios dialect: a value is an attribute or a child element (both
 * is an error), names compare without case, text is trimmed. All faults of a
 * text are found in one go. Takes no DTD, no external entity, no network.
 */
#pragma once

#include <stddef.h>

#include "spec/diagnostic.h"
#include "spec/spec.h"

#define DEFINITION_SIZE_MAX (1u << 20) /* bytes of XML */

/*
 * Reads a definition. Adds every fault to *diagnostics; returns 0 and what the
 * caller frees when none of them is an error, otherwise -EBADMSG, or -ENOMEM.
 */
int definition_parse(const char *text, size_t size, struct diagnostics *diagnostics, struct vm_spec **ret);

/*
 * The canonical form: lower case, attributes, every default written out, the
 * digests of stored files. Parsing it gives the same definition and the same
 * bytes again. NULL when memory is short; the caller frees it.
 */
char *definition_format(const struct vm_spec *spec);
