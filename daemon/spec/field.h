/*
 * field.h - a value of an element, read as the grammar says
 *
 * Each returns true and the value, given or default. Otherwise false: a fault has
 * been reported, or the value is not there, need not be, and has no default.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "spec/element.h"
#include "spec/spec.h"

bool field_number(
	const struct element *element, enum grammar_id id, struct diagnostics *diagnostics, uint64_t *ret);
bool field_switch(
	const struct element *element, enum grammar_id id, struct diagnostics *diagnostics, bool *ret);

/* Also for names. The caller frees the text. */
bool field_text(
	const struct element *element, enum grammar_id id, struct diagnostics *diagnostics, char **ret);

/* A number that may also be hexadecimal, with 0x. */
bool field_address(
	const struct element *element, enum grammar_id id, struct diagnostics *diagnostics, uint64_t *ret);

/* What an honoured word stands for. */
bool field_word(
	const struct element *element, enum grammar_id id, struct diagnostics *diagnostics, unsigned *ret);

bool field_uuid(const struct element *element, enum grammar_id id, struct diagnostics *diagnostics,
	uint8_t ret[static SPEC_UUID_SIZE]);
bool field_sha256(const struct element *element, enum grammar_id id, struct diagnostics *diagnostics,
	uint8_t ret[static SPEC_SHA256_SIZE]);

/* Reports that `id`, which is required here, is missing. */
void field_missing(const struct element *element, enum grammar_id id, struct diagnostics *diagnostics);
