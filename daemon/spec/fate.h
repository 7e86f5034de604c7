/*
 * fate.h - says what becomes of the parts of Palacios' language that are not honoured
 *
 * The reasons stand in the grammar's table.
 */
#pragma once

#include "spec/element.h"

/* Tells the fate of the group `id` at `origin`; false when it is honoured, or looked into. */
bool fate_of_group(enum grammar_id id, struct origin origin, struct diagnostics *diagnostics);

/* Tells the fate of a word that stands in the text; false when it is honoured. */
bool fate_of_word(const struct grammar_word *word, struct origin origin, struct diagnostics *diagnostics);

/* Tells that `text` is no word of the value `id`. */
void fate_of_unknown_word(
	enum grammar_id id, const char *text, struct origin origin, struct diagnostics *diagnostics);

/* Tells the fates of all values of a surveyed element that are not kept. */
void fate_of_values(const struct element *element, struct diagnostics *diagnostics);
