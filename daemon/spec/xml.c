/* xml.c - see xml.h */
#include "spec/xml.h"

#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "base/macro.h"
#include "spec/reserve.h"
#include "spec/tags.h"
#include "spec/value.h"

DEFINE_CLEANUP(xmlParserCtxt *, xmlFreeParserCtxt);

#define COMPLAINT_MAX 240 /* bytes of libxml2's own words */

/* What a parser carries with it (its _private). */
struct reading {
	struct diagnostics *d; /* borrowed */
	const char *text;      /* borrowed */
	size_t size;
	bool stopped; /* one fault has been told; those behind it follow from it */
	/* how far lines have been counted: positions are asked for in the order of the text */
	size_t counted, line_begin;
	unsigned line;
};

static struct position position_at(struct reading *reading, size_t offset)
{
	const char *newline;

	while (reading->counted < offset &&
		(newline = memchr(reading->text + reading->counted, '\n', offset - reading->counted))) {
		reading->line_begin = reading->counted = (size_t)(newline - reading->text) + 1;
		reading->line++;
	}
	if (offset > reading->counted)
		reading->counted = offset;
	if (offset < reading->line_begin)
		return (struct position){.line = reading->line};
	return (struct position){reading->line, (unsigned)(offset - reading->line_begin) + 1};
}

/* How far the parser has read, in bytes. */
static size_t offset_of(const xmlParserCtxt *parser)
{
	const struct reading *reading = parser->_private;
	size_t offset = 0;

	if (parser->input)
		offset = parser->input->consumed + (size_t)(parser->input->cur - parser->input->base);
	return offset < reading->size ? offset : reading->size;
}

/* Of the tag whose end the parser has reached: no attribute holds a '<'. */
static struct position position_of_tag(const xmlParserCtxt *parser)
{
	struct reading *reading = parser->_private;
	const char *tag = memrchr(reading->text, '<', offset_of(parser));

	return position_at(reading, tag ? (size_t)(tag - reading->text) : 0);
}

/* A node carries its position in its pointer for applications, line above column: both have 32 bits. */
static_assert(sizeof(void *) == 8, "a position does not fit into a pointer");

static void set_position(xmlNode *node, struct position at)
{
	node->_private = (void *)((uintptr_t)at.line << 32 | at.column);
}

struct position xml_position(const xmlNode *node)
{
	const xmlNode *holder = node->type == XML_ATTRIBUTE_NODE ? node->parent : node;
	uintptr_t packed = (uintptr_t)holder->_private;

	return (struct position){(unsigned)(packed >> 32), (unsigned)packed};
}

/* Libxml2's words, or ours where a person could not act on those: an encoding that is indicated does not help. */
static const char *words_for(const char *message)
{
	if (!message)
		return "no reason given";
	if (strncmp(message, "Input is not proper UTF-8", 25) == 0)
		return "the text is not UTF-8 here; convert it, for example with iconv -f LATIN1 -t UTF-8";
	return message;
}

/* Called by libxml2 with each of its complaints; userData is the parser itself. */
#if LIBXML_VERSION >= 21200
static void take_complaint(void *data, const xmlError *error)
#else
static void take_complaint(void *data, xmlError *error)
#endif
{
	const xmlParserCtxt *parser = data;
	struct reading *reading = parser->_private;
	char words[COMPLAINT_MAX];
	struct position at;

	if (error->code == XML_ERR_NO_MEMORY)
		reading->d->out_of_memory = true;
	if (error->level == XML_ERR_WARNING || error->code == XML_ERR_NO_MEMORY || reading->stopped)
		return;
	reading->stopped = true;
	value_quote_into(words_for(error->message), words, sizeof(words));
	at = (struct position){error->line > 0 ? (unsigned)error->line : 0, error->int2 > 0 ? (unsigned)error->int2 : 0};
	diagnostics_add(reading->d, at, "", SEVERITY_ERROR, "not well-formed XML: %s", value_trim(words));
}

/* A fault that we find ourselves in the middle of libxml2's work. */
static void stop(xmlParserCtxt *parser, const char *sentence)
{
	struct reading *reading = parser->_private;

	if (!reading->stopped)
		diagnostics_add(reading->d, position_of_tag(parser), "", SEVERITY_ERROR, "%s", sentence);
	reading->stopped = true;
	xmlStopParser(parser);
}

static void refuse_document_type(
	void *data, const xmlChar *name, const xmlChar *external, const xmlChar *system)
{
	(void)name;
	(void)external;
	(void)system;
	stop(data,
		"a definition has no document type; take out <!DOCTYPE ...> and every entity that it "
		"declares");
}

static void start_element(void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
	int n_namespaces, const xmlChar **namespaces, int n_attributes, int n_defaulted,
	const xmlChar **attributes)
{
	xmlParserCtxt *parser = data;

	if (parser->nodeNr >= XML_DEPTH_MAX) {
		stop(parser,
			"elements are nested deeper than any definition needs; a closing tag may be missing");
		return;
	}
	xmlSAX2StartElementNs(
		data, name, prefix, uri, n_namespaces, namespaces, n_attributes, n_defaulted, attributes);
	if (parser->node)
		set_position(parser->node, position_of_tag(parser));
}

/* Long texts come in pieces, which libxml2 puts together; the first that is no blank says where. */
static void take_text(void *data, const xmlChar *text, int size)
{
	xmlParserCtxt *parser = data;
	size_t n = (size_t)size, blanks = 0, end = offset_of(parser);
	xmlNode *node;

	xmlSAX2Characters(data, text, size);
	while (blanks < n && strchr(" \t\r\n", text[blanks]))
		blanks++;
	node = parser->node ? parser->node->last : NULL;
	if (blanks < n && n - blanks <= end && node && !node->_private)
		set_position(node, position_at(parser->_private, end - (n - blanks)));
}

/*
 * Before libxml2 sees the text: in its older versions the time to parse a tag
 * grows with the square of its attributes, minutes for a text of 1 MiB. Every
 * attribute has a '='; to count them all needs no parser that could be fooled.
 */
static bool attributes_are_few(const char *text, size_t size, struct diagnostics *d)
{
	size_t n = 0;

	for (size_t i = 0; i < size; i++)
		n += text[i] == '=';
	if (n > XML_EQUALS_MAX)
		diagnostics_add(d, NOWHERE, "", SEVERITY_ERROR,
			"the definition has %zu signs \"=\", so many attributes or so long comments; %d are "
			"the most allowed",
			n, XML_EQUALS_MAX);
	return n <= XML_EQUALS_MAX;
}

static xmlParserCtxt *parser_new(struct reading *reading)
{
	xmlParserCtxt *parser = xmlNewParserCtxt();

	if (!parser) {
		reading->d->out_of_memory = true;
		return NULL;
	}
	parser->_private = reading;
	parser->sax->serror = take_complaint;
	parser->sax->internalSubset = refuse_document_type;
	parser->sax->startElementNs = start_element;
	parser->sax->characters = take_text;
	return parser;
}

/* Reads a text whose closing tags are spelled as the opening ones. */
static xmlDoc *read_spelled(struct reading *reading)
{
	_cleanup_(xmlFreeParserCtxtp) xmlParserCtxt *parser = parser_new(reading);
	_cleanup_(xmlFreeDocp) xmlDoc *doc = NULL;

	if (!parser)
		return NULL;
	doc = xmlCtxtReadMemory(parser, reading->text, (int)reading->size, NULL, "UTF-8",
		XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_BIG_LINES);
	if (reading->stopped || reading->d->out_of_memory)
		return NULL;
	if (!doc || !xmlDocGetRootElement(doc)) {
		diagnostics_add(
			reading->d, NOWHERE, "", SEVERITY_ERROR, "not well-formed XML: there is no element");
		return NULL;
	}
	return take_ptr(doc);
}

xmlDoc *xml_read(const char *text, size_t size, struct diagnostics *d)
{
	struct reading reading = {.d = d, .size = size, .line = 1};
	_cleanup_free_ char *copy = NULL;

	reserve_for_libxml2();
	if (size == 0 || size > INT_MAX) {
		diagnostics_add(
			d, NOWHERE, "", SEVERITY_ERROR, "the definition is %s", size ? "too long" : "empty");
		return NULL;
	}
	if (!attributes_are_few(text, size, d))
		return NULL;
	copy = malloc(size);
	if (!copy) {
		d->out_of_memory = true;
		return NULL;
	}
	memcpy(copy, text, size);
	tags_match_case(copy, size);
	reading.text = copy;
	return read_spelled(&reading);
}
