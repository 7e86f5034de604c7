/*
 * element.h - an element of the text, held against the grammar
 *
 * A survey walks once over what stands directly within an element, reports what
 * does not belong there or stands there twice, and remembers where each group and
 * value is, so that reading them afterwards cannot meet a surprise.
 */
#pragma once

#include <stdbool.h>
#include <libxml/tree.h>

#include "spec/diagnostic.h"
#include "spec/grammar.h"

struct element {
	enum grammar_id id;
	unsigned line;
	const xmlNode *node; /* borrowed */
	struct {
		unsigned n;           /* how often it stands here */
		const xmlNode *first; /* borrowed; an element or an attribute */
	} places[N_GRAMMAR]; /* of what may stand directly within */
};

/* Surveys the element `node`, which is the group `id`. */
void element_survey(struct element *ret, const xmlNode *node, enum grammar_id id, struct diagnostics *diagnostics);

/* The group `id` within, surveyed; false when it is not there. */
bool element_group(
	const struct element *element, enum grammar_id id, struct element *ret, struct diagnostics *diagnostics);

/* The first of the repeating groups `id` behind `after` (NULL: of all), or NULL. */
const xmlNode *element_next(const struct element *element, enum grammar_id id, const xmlNode *after);

/* The trimmed text of `id`, which stands here at least once; the caller frees it. NULL when memory is short. */
char *element_text(const struct element *element, enum grammar_id id);

/* Adds a fault about `id` at the line where it stands, or where it should. */
void element_fault(const struct element *element, enum grammar_id id, struct diagnostics *diagnostics,
	enum severity severity, const char *format, ...) __attribute__((format(printf, 5, 6)));
