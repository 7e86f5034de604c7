/*
 * element.h - an element of the text, held against the grammar
 *
 * A survey walks once over what stands directly within an element, reports what
 * does not belong there or stands there twice and what becomes of things that are
 * not honoured (fate.h), and remembers where each group and value is, so that
 * reading them afterwards cannot meet a surprise.
 */
#pragma once

#include <stdbool.h>
#include <libxml/tree.h>

#include "spec/diagnostic.h"
#include "spec/grammar.h"

struct element {
	enum grammar_id id;
	struct position at;
	const xmlNode *node; /* borrowed */
	struct {
		unsigned n;           /* how often it stands here */
		const xmlNode *first; /* borrowed; an element or an attribute */
	} places[N_GRAMMAR]; /* of what may stand directly within */
};

/* Where something of a definition stands, or where it should: what a diagnostic begins with. */
struct origin {
	struct position at;
	enum grammar_id path;
};

/* Surveys the element `node`, which is the group, or the value with values of its own, `id`. */
void element_survey(struct element *ret, const xmlNode *node, enum grammar_id id, struct diagnostics *diagnostics);

/* The group `id` within, surveyed; false when it is not there. */
bool element_group(
	const struct element *element, enum grammar_id id, struct element *ret, struct diagnostics *diagnostics);

/* The first of the repeating groups `id` behind `after` (NULL: of all), or NULL. */
const xmlNode *element_next(const struct element *element, enum grammar_id id, const xmlNode *after);

/* The trimmed text of `id`, which stands here at least once; the caller frees it. NULL when memory is short. */
char *element_text(const struct element *element, enum grammar_id id);

/* Where `id` stands first within, or should. */
struct origin element_origin(const struct element *element, enum grammar_id id);

/* Adds a fault there. */
void origin_fault(struct origin origin, struct diagnostics *diagnostics, enum severity severity, const char *format,
	...) __attribute__((format(printf, 4, 5)));

/* Adds a fault about `id` where it stands within, or should. */
#define element_fault(element, id, diagnostics, severity, ...) \
	origin_fault(element_origin(element, id), diagnostics, severity, __VA_ARGS__)
