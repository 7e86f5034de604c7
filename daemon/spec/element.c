/* element.c - see element.h */
#include "spec/element.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "spec/value.h"

#define PATH_BYTES (GRAMMAR_PATH_MAX + VALUE_QUOTE_MAX)

/* Attributes have no line of their own; libxml2 knows the line on which a start tag ends. */
static unsigned line_of(const xmlNode *node)
{
	long line = xmlGetLineNo(node->type == XML_ATTRIBUTE_NODE ? node->parent : node);

	return line > 0 ? (unsigned)line : 0;
}

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

static void path_of_child(enum grammar_id id, const xmlNode *node, char ret[static PATH_BYTES])
{
	grammar_path(id, ret);
	if (node->type == XML_ELEMENT_NODE)
		snprintf(ret + strlen(ret), PATH_BYTES - strlen(ret), "/%s", name_of(node).text);
}

static void report_unknown(const struct element *element, const xmlNode *node, struct diagnostics *d)
{
	const char *kind = node->type == XML_ELEMENT_NODE ? "element" : "attribute";
	const char *group = grammar[element->id].name;
	const char *name = (const char *)node->name;
	enum grammar_id near = grammar_suggest(element->id, name);
	enum grammar_id elsewhere = grammar_elsewhere(element->id, name);
	char path[PATH_BYTES], other[GRAMMAR_PATH_MAX];

	path_of_child(element->id, node, path);
	if (elsewhere != GRAMMAR_NONE && grammar[elsewhere].parent != GRAMMAR_NONE) {
		grammar_path(grammar[elsewhere].parent, other);
		diagnostics_add(d, line_of(node), path, SEVERITY_ERROR,
			"%s has no %s \"%s\"; it belongs in %s", group, kind, name_of(node).text, other);
	} else if (near != GRAMMAR_NONE) {
		diagnostics_add(d, line_of(node), path, SEVERITY_ERROR,
			"%s has no %s \"%s\"; did you mean \"%s\"?", group, kind, name_of(node).text,
			grammar[near].name);
	} else {
		diagnostics_add(d, line_of(node), path, SEVERITY_ERROR,
			"%s has no %s \"%s\"; take it out (hvm.xml(5) lists what hvmd knows)", group, kind,
			name_of(node).text);
	}
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
		diagnostics_add(d, line_of(node), path, SEVERITY_ERROR,
			"%s is given as %s and, on line %u, as %s; write it once", grammar[id].name,
			manner(node), line_of(first), manner(first));
	else
		diagnostics_add(d, line_of(node), path, SEVERITY_ERROR,
			"%s is given a second time; the first is on line %u; write it once", grammar[id].name,
			line_of(first));
}

/* Counts a known thing; a second one of what does not repeat is a fault. */
static void remember(struct element *element, enum grammar_id id, const xmlNode *node, struct diagnostics *d)
{
	if (element->places[id].n++ == 0)
		element->places[id].first = node;
	else if (!grammar[id].repeats)
		report_twice(element, id, node, d);
}

static void take(struct element *element, const xmlNode *node, struct diagnostics *d)
{
	enum grammar_id id = lookup(element->id, node);
	char path[GRAMMAR_PATH_MAX];

	grammar_path(element->id, path);
	if (id == GRAMMAR_NONE)
		report_unknown(element, node, d);
	else if (node->type == XML_ATTRIBUTE_NODE && grammar[id].kind == GRAMMAR_GROUP)
		diagnostics_add(d, line_of(node), path, SEVERITY_ERROR,
			"%s is an element, not an attribute of %s; write <%s ...>", grammar[id].name,
			grammar[element->id].name, grammar[id].name);
	else
		remember(element, id, node, d);
}

/* A value that is written as an element has text and nothing else. */
static void check_leaf(const struct element *element, const xmlNode *leaf, struct diagnostics *d)
{
	const xmlNode *inner =
		leaf->properties ? (const xmlNode *)leaf->properties : xmlFirstElementChild((xmlNode *)leaf);
	char path[PATH_BYTES];

	if (!inner)
		return;
	path_of_child(element->id, leaf, path);
	diagnostics_add(d, line_of(inner), path, SEVERITY_ERROR, "%s takes text only, no %s \"%s\"",
		name_of(leaf).text, inner->type == XML_ELEMENT_NODE ? "element" : "attribute",
		name_of(inner).text);
}

/* A text's line is the one on which it ends. */
static unsigned line_of_text(const xmlNode *node, const char *from)
{
	unsigned end = line_of(node), begin = line_of(node->parent), n = 0;

	for (; *from; from++)
		n += *from == '\n';
	return end > begin + n ? end - n : begin;
}

static void report_text(const struct element *element, const xmlNode *node, struct diagnostics *d)
{
	const char *content = (const char *)node->content;
	unsigned line = line_of_text(node, content + strspn(content, " \t\r\n"));
	_cleanup_free_ char *copy = strdup(content);
	char path[GRAMMAR_PATH_MAX], *text;

	if (!copy) {
		d->out_of_memory = true;
		return;
	}
	text = value_trim(copy);
	if (!*text)
		return;
	grammar_path(element->id, path);
	diagnostics_add(d, line, path, SEVERITY_ERROR, "%s holds elements, not text; take out \"%s\"",
		grammar[element->id].name, value_quote(text).text);
}

static void survey_children(struct element *element, struct diagnostics *d)
{
	for (const xmlNode *node = element->node->children; node; node = node->next) {
		enum grammar_id id;

		if (node->type == XML_TEXT_NODE)
			report_text(element, node, d);
		if (node->type != XML_ELEMENT_NODE)
			continue;
		take(element, node, d);
		id = lookup(element->id, node);
		if (id != GRAMMAR_NONE && grammar[id].kind != GRAMMAR_GROUP)
			check_leaf(element, node, d);
	}
}

void element_survey(struct element *ret, const xmlNode *node, enum grammar_id id, struct diagnostics *d)
{
	char path[GRAMMAR_PATH_MAX];

	*ret = (struct element){.id = id, .line = line_of(node), .node = node};
	grammar_path(id, path);
	if (node->nsDef)
		diagnostics_add(d, ret->line, path, SEVERITY_ERROR, "%s has no namespace; take out xmlns",
			grammar[id].name);
	for (const xmlAttr *a = node->properties; a; a = a->next)
		take(ret, (const xmlNode *)a, d); /* the two are laid out alike up to `ns` */
	survey_children(ret, d);
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

char *element_text(const struct element *element, enum grammar_id id)
{
	xmlChar *content = xmlNodeGetContent(element->places[id].first);
	char *text = content ? strdup(value_trim((char *)content)) : NULL;

	xmlFree(content);
	return text;
}

void element_fault(const struct element *element, enum grammar_id id, struct diagnostics *d,
	enum severity severity, const char *format, ...)
{
	const xmlNode *place = element->places[id].first;
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
	grammar_path(place && place->type == XML_ELEMENT_NODE ? id : element->id, path);
	diagnostics_add(d, place ? line_of(place) : element->line, path, severity, "%s", message);
}
