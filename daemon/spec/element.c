/* element.c - see element.h */
#include "spec/element.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "spec/fate.h"
#include "spec/value.h"
#include "spec/xml.h"

#define PATH_BYTES (GRAMMAR_PATH_MAX + VALUE_QUOTE_MAX)

/* The name as written, with its prefix. */
static struct quote name_of(const xmlNode *node)
{
	_cleanup_free_ char *whole = NULL;

	if (!node->ns || !node->ns->prefix)
		return value_quote((const char *)node->name);
	if (asprintf(&whole, "%s:%s", (const char *)node->ns->prefix, (const char *)node->name) < 0)
		whole = NULL;
	return value_quote(whole ? whole : (const char *)node->name);
}

/* A name with a prefix is none of ours. */
static enum grammar_id lookup(enum grammar_id parent, const xmlNode *node)
{
	return node->ns && node->ns->prefix ? GRAMMAR_NONE : grammar_child(parent, (const char *)node->name);
}

/* An attribute that means the same in each element. */
static bool is_taken_anywhere(const xmlNode *node)
{
	return node->type == XML_ATTRIBUTE_NODE && lookup(GRAMMAR_ANY, node) != GRAMMAR_NONE;
}

static const char *kind_of(const xmlNode *node)
{
	return node->type == XML_ELEMENT_NODE ? "element" : "attribute";
}

static void path_of_child(enum grammar_id id, const xmlNode *node, char ret[static PATH_BYTES])
{
	grammar_path(id, ret);
	if (node->type == XML_ELEMENT_NODE)
		snprintf(ret + strlen(ret), PATH_BYTES - strlen(ret), "/%s", name_of(node).text);
}

/* What to do about a name that a group does not have: "did you mean ...?" */
#define ADVICE_MAX (GRAMMAR_PATH_MAX + 32)

static void advise(const struct element *element, const char *name, char ret[static ADVICE_MAX])
{
	enum grammar_id near = grammar_suggest(element->id, name);
	enum grammar_id elsewhere = grammar_elsewhere(element->id, name);
	char other[GRAMMAR_PATH_MAX];

	if (near != GRAMMAR_NONE) {
		snprintf(ret, ADVICE_MAX, "did you mean \"%s\"?", grammar[near].name);
	} else if (elsewhere != GRAMMAR_NONE) {
		grammar_path(grammar[elsewhere].parent, other);
		snprintf(ret, ADVICE_MAX, "it belongs in %s", other);
	} else {
		snprintf(ret, ADVICE_MAX, "take it out (hvm.xml(5) lists what hvmd knows)");
	}
}

static void report_unknown(const struct element *element, const xmlNode *node, struct diagnostics *d)
{
	char path[PATH_BYTES], advice[ADVICE_MAX] = "";

	path_of_child(element->id, node, path);
	if (!diagnostics_full(d))
		advise(element, (const char *)node->name, advice);
	diagnostics_add(d, xml_position(node), path, d->unknown, "%s has no %s \"%s\"; %s", grammar[element->id].name,
		kind_of(node), name_of(node).text, advice);
}

static const char *manner(const xmlNode *node)
{
	return node->type == XML_ELEMENT_NODE ? "an element" : "an attribute";
}

static void report_twice(
	const struct element *element, enum grammar_id id, const xmlNode *node, struct diagnostics *d)
{
	const xmlNode *first = element->places[id].first;
	char path[PATH_BYTES];

	path_of_child(element->id, node, path);
	if (first->type != node->type)
		diagnostics_add(d, xml_position(node), path, SEVERITY_ERROR,
			"%s is given as %s and, on line %u, as %s; write it once", grammar[id].name,
			manner(node), xml_position(first).line, manner(first));
	else
		diagnostics_add(d, xml_position(node), path, SEVERITY_ERROR,
			"%s is given a second time; the first is on line %u; write it once", grammar[id].name,
			xml_position(first).line);
}

static void report_group_as_attribute(
	const struct element *element, enum grammar_id id, const xmlNode *node, struct diagnostics *d)
{
	char path[GRAMMAR_PATH_MAX];

	grammar_path(element->id, path);
	diagnostics_add(d, xml_position(node), path, SEVERITY_ERROR,
		"%s is an element, not an attribute of %s; write <%s ...>", grammar[id].name,
		grammar[element->id].name, grammar[id].name);
}

/* Counts a known thing; a second one of what does not repeat is a fault. */
static void remember(struct element *element, enum grammar_id id, const xmlNode *node, struct diagnostics *d)
{
	if (element->places[id].n++ == 0)
		element->places[id].first = node;
	else if (!grammar[id].repeats)
		report_twice(element, id, node, d);
}

static void take_group(enum grammar_id id, const xmlNode *node, struct diagnostics *d)
{
	struct element element;

	if (!fate_of_group(id, (struct origin){xml_position(node), id}, d) && grammar[id].kind == GRAMMAR_FOREIGN)
		element_survey(&element, node, id, d);
}

static const xmlNode *first_within(const xmlNode *leaf)
{
	for (const xmlAttr *a = leaf->properties; a; a = a->next)
		if (!is_taken_anywhere((const xmlNode *)a)) /* the two are laid out alike up to `ns` */
			return (const xmlNode *)a;
	return xmlFirstElementChild((xmlNode *)leaf);
}

/* A value that is written as an element, and has no values of its own, has text and nothing else. */
static void check_leaf(const struct element *element, const xmlNode *leaf, struct diagnostics *d)
{
	const xmlNode *inner = first_within(leaf);
	char path[PATH_BYTES];

	if (!inner)
		return;
	path_of_child(element->id, leaf, path);
	diagnostics_add(d, xml_position(inner), path, SEVERITY_ERROR, "%s takes text only, no %s \"%s\"",
		name_of(leaf).text, kind_of(inner), name_of(inner).text);
}

static bool has_values(enum grammar_id id)
{
	for (enum grammar_id child = 0; child < N_GRAMMAR; child++)
		if (grammar[child].parent == id)
			return true;
	return false;
}

static void take(struct element *element, const xmlNode *node, struct diagnostics *d)
{
	enum grammar_id id = lookup(element->id, node);

	if (id == GRAMMAR_NONE) {
		report_unknown(element, node, d);
		return;
	}
	if (node->type == XML_ATTRIBUTE_NODE && grammar_is_group(id)) {
		report_group_as_attribute(element, id, node, d);
		return;
	}
	remember(element, id, node, d);
	if (grammar_is_group(id))
		take_group(id, node, d);
	else if (node->type == XML_ELEMENT_NODE && !has_values(id))
		check_leaf(element, node, d);
}

static void report_text(const struct element *element, const xmlNode *node, struct diagnostics *d)
{
	_cleanup_free_ char *copy = strdup((const char *)node->content);
	struct position at = xml_position(node);
	char path[GRAMMAR_PATH_MAX], *text;

	if (!copy) {
		d->out_of_memory = true;
		return;
	}
	text = value_trim(copy);
	if (!*text)
		return;
	grammar_path(element->id, path);
	diagnostics_add(d, at.line > 0 ? at : element->at, path, SEVERITY_ERROR,
		"%s holds elements, not text; take out \"%s\"", grammar[element->id].name, value_quote(text).text);
}

static void survey_attributes(struct element *element, struct diagnostics *d)
{
	for (const xmlAttr *a = element->node->properties; a; a = a->next)
		if (!is_taken_anywhere((const xmlNode *)a))
			take(element, (const xmlNode *)a, d);
}

static void survey_children(struct element *element, struct diagnostics *d)
{
	for (const xmlNode *node = element->node->children; node; node = node->next) {
		if (node->type == XML_TEXT_NODE && grammar_is_group(element->id))
			report_text(element, node, d);
		if (node->type == XML_ELEMENT_NODE)
			take(element, node, d);
	}
}

void element_survey(struct element *ret, const xmlNode *node, enum grammar_id id, struct diagnostics *d)
{
	char path[GRAMMAR_PATH_MAX];

	*ret = (struct element){.id = id, .at = xml_position(node), .node = node};
	grammar_path(id, path);
	if (node->nsDef)
		diagnostics_add(d, ret->at, path, SEVERITY_ERROR, "%s has no namespace; take out xmlns",
			grammar[id].name);
	survey_attributes(ret, d);
	survey_children(ret, d);
	fate_of_values(ret, d);
}

bool element_group(
	const struct element *element, enum grammar_id id, struct element *ret, struct diagnostics *d)
{
	if (element->places[id].n == 0)
		return false;
	element_survey(ret, element->places[id].first, id, d);
	return true;
}

const xmlNode *element_next(const struct element *element, enum grammar_id id, const xmlNode *after)
{
	const xmlNode *node = after ? after->next : element->places[id].first;

	while (node && (node->type != XML_ELEMENT_NODE || lookup(element->id, node) != id))
		node = node->next;
	return node;
}

/* Its own text, not that of elements within; comments and the like may stand in between. */
static char *text_within(const xmlNode *node)
{
	struct buffer b = BUFFER_INIT(SIZE_MAX);

	for (const xmlNode *child = node->children; child; child = child->next)
		if (child->type == XML_TEXT_NODE && child->content)
			buffer_append_string(&b, (const char *)child->content);
	return buffer_take_string(&b);
}

char *element_text(const struct element *element, enum grammar_id id)
{
	_cleanup_free_ char *text = text_within(element->places[id].first);

	return text ? strdup(value_trim(text)) : NULL;
}

struct origin element_origin(const struct element *element, enum grammar_id id)
{
	const xmlNode *place = element->places[id].first;

	return (struct origin){
		.at = place ? xml_position(place) : element->at,
		.path = place && place->type == XML_ELEMENT_NODE ? id : element->id,
	};
}

void origin_fault(
	struct origin origin, struct diagnostics *d, enum severity severity, const char *format, ...)
{
	_cleanup_free_ char *message = NULL;
	char path[GRAMMAR_PATH_MAX];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&message, format, ap);
	va_end(ap);
	if (n < 0) {
		message = NULL;
		d->out_of_memory = true;
		return;
	}
	grammar_path(origin.path, path);
	diagnostics_add(d, origin.at, path, severity, "%s", message);
}
