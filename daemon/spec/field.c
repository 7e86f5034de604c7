/* field.c - see field.h */
#include "spec/field.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "spec/fate.h"
#include "spec/value.h"

#define fault(element, id, d, format, ...) \
	element_fault(element, id, d, SEVERITY_ERROR, "%s: " format, grammar[id].name, __VA_ARGS__)

void field_missing(const struct element *element, enum grammar_id id, struct diagnostics *d)
{
	element_fault(element, id, d, SEVERITY_ERROR, "%s is missing; write %s (%s)", grammar[id].name,
		grammar[id].example, grammar[id].about);
}

/* The text of a value that stands here once, or its default; NULL where there is none to be had. The caller
 * frees it. */
static char *text_of(const struct element *element, enum grammar_id id, struct diagnostics *d)
{
	char *text;

	if (element->places[id].n > 1)
		return NULL; /* the survey has said so */
	if (element->places[id].n == 0 && !grammar[id].fallback) {
		if (grammar[id].required)
			field_missing(element, id, d);
		return NULL;
	}
	text = element->places[id].n == 1 ? element_text(element, id) : strdup(grammar[id].fallback);
	if (!text)
		d->out_of_memory = true;
	return text;
}

/* " MiB", or nothing where the number counts things. */
static const char *unit_of(enum grammar_id id, char ret[static 16])
{
	snprintf(ret, 16, "%s%s", grammar[id].unit ? " " : "", grammar[id].unit ? grammar[id].unit : "");
	return ret;
}

static void no_number(
	const struct element *element, enum grammar_id id, const char *text, struct diagnostics *d)
{
	const struct grammar_rule *rule = &grammar[id];

	fault(element, id, d, "\"%s\" is no whole number%s%s; write %" PRIu64 " to %" PRIu64 ", digits only",
		value_quote(text).text, rule->unit ? " of " : "", rule->unit ? rule->unit : "", rule->min,
		rule->max);
}

bool field_number(const struct element *element, enum grammar_id id, struct diagnostics *d, uint64_t *ret)
{
	const struct grammar_rule *rule = &grammar[id];
	_cleanup_free_ char *text = text_of(element, id, d);
	uint64_t value = 0;
	char unit[16];
	int r;

	if (!text)
		return false;
	r = value_number(text, &value);
	if (r == -EINVAL)
		no_number(element, id, text, d);
	else if (r == -ERANGE || value > rule->max)
		fault(element, id, d, "%s is more than %" PRIu64 "; write %" PRIu64 " to %" PRIu64 "%s",
			value_quote(text).text, rule->max, rule->min, rule->max, unit_of(id, unit));
	else if (value < rule->min)
		fault(element, id, d,
			"%" PRIu64 " is less than %" PRIu64 "; write %" PRIu64 " to %" PRIu64 "%s", value,
			rule->min, rule->min, rule->max, unit_of(id, unit));
	else if (value % rule->step != 0)
		fault(element, id, d,
			"%" PRIu64 " is no multiple of %" PRIu64 "; the next ones are %" PRIu64
			" and %" PRIu64 "%s",
			value, rule->step, value - value % rule->step,
			value - value % rule->step + rule->step, unit_of(id, unit));
	else {
		*ret = value;
		return true;
	}
	return false;
}

static bool is_one_of(const char *text, const char *const *words)
{
	for (; *words; words++)
		if (strcasecmp(text, *words) == 0)
			return true;
	return false;
}

/* What people write for y and n, and Palacios silently takes for n [spec 1.3]. */
bool field_switch(const struct element *element, enum grammar_id id, struct diagnostics *d, bool *ret)
{
	static const char *const yes[] = {"yes", "true", "on", "1", "enable", "enabled", NULL};
	static const char *const no[] = {"no", "false", "off", "0", "disable", "disabled", NULL};
	_cleanup_free_ char *text = text_of(element, id, d);
	const char *name = grammar[id].name;

	if (!text)
		return false;
	if (value_switch(text, ret))
		return true;
	if (is_one_of(text, yes) || is_one_of(text, no))
		fault(element, id, d, "\"%s\" is neither y nor n; write %s=\"%s\"", text, name,
			is_one_of(text, yes) ? "y" : "n");
	else
		fault(element, id, d, "\"%s\" is neither y nor n; write %s=\"y\" or %s=\"n\"",
			value_quote(text).text, name, name);
	return false;
}

static bool name_is_right(
	const struct element *element, enum grammar_id id, const char *text, struct diagnostics *d)
{
	if (spec_name_valid(text))
		return true;
	fault(element, id, d,
		"\"%s\" cannot be the name of a VM; write 1 to %d letters, digits, '_', '-', '.', the first "
		"a letter or a digit",
		value_quote(text).text, SPEC_NAME_MAX);
	return false;
}

static bool text_is_right(
	const struct element *element, enum grammar_id id, const char *text, struct diagnostics *d)
{
	const struct grammar_rule *rule = &grammar[id];
	size_t size = strlen(text);

	if (size == 0 && rule->min > 0)
		fault(element, id, d, "it is empty; write %s", rule->about);
	else if (size > rule->max)
		fault(element, id, d, "%zu bytes are more than %" PRIu64 "; \"%s\" is too long", size,
			rule->max, value_quote(text).text);
	else if (!spec_text_valid(text))
		fault(element, id, d, "\"%s\" holds a control character; write it in one line",
			value_quote(text).text);
	else
		return true;
	return false;
}

bool field_text(const struct element *element, enum grammar_id id, struct diagnostics *d, char **ret)
{
	_cleanup_free_ char *text = text_of(element, id, d);

	if (!text)
		return false;
	if (grammar[id].kind == GRAMMAR_NAME ? !name_is_right(element, id, text, d)
					     : !text_is_right(element, id, text, d))
		return false;
	*ret = take_ptr(text);
	return true;
}

bool field_word(const struct element *element, enum grammar_id id, struct diagnostics *d, unsigned *ret)
{
	_cleanup_free_ char *text = text_of(element, id, d);
	const struct grammar_word *word;

	if (!text)
		return false;
	word = grammar_word(id, text);
	if (!word)
		fate_of_unknown_word(id, text, element_origin(element, id), d);
	else if (!fate_of_word(word, element_origin(element, id), d)) {
		*ret = word->value;
		return true;
	}
	return false;
}

bool field_address(const struct element *element, enum grammar_id id, struct diagnostics *d, uint64_t *ret)
{
	const struct grammar_rule *rule = &grammar[id];
	_cleanup_free_ char *text = text_of(element, id, d);
	uint64_t value = 0;

	if (!text)
		return false;
	if (value_number_or_hex(text, &value) < 0 || value < rule->min || value > rule->max) {
		fault(element, id, d, "\"%s\" is no %s; write 0x%" PRIx64 " to 0x%" PRIx64 ", or the same in decimal",
			value_quote(text).text, rule->unit, rule->min, rule->max);
		return false;
	}
	*ret = value;
	return true;
}

bool field_uuid(const struct element *element, enum grammar_id id, struct diagnostics *d,
	uint8_t ret[static SPEC_UUID_SIZE])
{
	_cleanup_free_ char *text = text_of(element, id, d);

	if (!text)
		return false;
	if (value_uuid(text, ret))
		return true;
	fault(element, id, d, "\"%s\" is no UUID; write 8-4-4-4-12 hexadecimal digits, as uuidgen(1) does",
		value_quote(text).text);
	return false;
}

bool field_sha256(const struct element *element, enum grammar_id id, struct diagnostics *d,
	uint8_t ret[static SPEC_SHA256_SIZE])
{
	_cleanup_free_ char *text = text_of(element, id, d);

	if (!text)
		return false;
	if (value_sha256(text, ret))
		return true;
	fault(element, id, d,
		"\"%s\" is no SHA-256; write 64 hexadecimal digits, as sha256sum(1) does, or leave it out",
		value_quote(text).text);
	return false;
}
