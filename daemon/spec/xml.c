/* xml.c - see xml.h */
#include "spec/xml.h"

#include <limits.h>
#include <stdbool.h>
#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <libxml/parserInternals.h>

#include "spec/diagnostic.h"
#include "spec/value.h"

DEFINE_CLEANUP(xmlParserCtxt *, xmlFreeParserCtxt);

#define COMPLAINT_MAX 240 /* bytes of libxml2's own words */

/* What a parser carries with it (its _private). */
struct reading {
	struct diagnostics *d; /* borrowed */
	bool stopped;          /* one fault has been told; those behind it follow from it */
};

static unsigned line_of(const xmlParserCtxt *parser)
{
	return parser->input ? (unsigned)parser->input->line : 0;
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

	if (error->code == XML_ERR_NO_MEMORY)
		reading->d->out_of_memory = true;
	if (error->level == XML_ERR_WARNING || error->code == XML_ERR_NO_MEMORY || reading->stopped)
		return;
	reading->stopped = true;
	value_quote_into(error->message ? error->message : "no reason given", words, sizeof(words));
	diagnostics_add(reading->d, error->line > 0 ? (unsigned)error->line : 0, "", SEVERITY_ERROR,
		"not well-formed XML: %s", value_trim(words));
}

/* A fault that we find ourselves in the middle of libxml2's work. */
static void stop(xmlParserCtxt *parser, const char *sentence)
{
	struct reading *reading = parser->_private;

	if (!reading->stopped)
		diagnostics_add(reading->d, line_of(parser), "", SEVERITY_ERROR, "%s", sentence);
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
		diagnostics_add(d, 0, "", SEVERITY_ERROR,
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
	return parser;
}

xmlDoc *xml_read(const char *text, size_t size, struct diagnostics *d)
{
	_cleanup_(xmlFreeParserCtxtp) xmlParserCtxt *parser = NULL;
	_cleanup_(xmlFreeDocp) xmlDoc *doc = NULL;
	struct reading reading = {.d = d};

	if (size == 0 || size > INT_MAX) {
		diagnostics_add(
			d, 0, "", SEVERITY_ERROR, "the definition is %s", size ? "too long" : "empty");
		return NULL;
	}
	if (!attributes_are_few(text, size, d))
		return NULL;
	parser = parser_new(&reading);
	if (!parser)
		return NULL;
	doc = xmlCtxtReadMemory(parser, text, (int)size, NULL, "UTF-8",
		XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_BIG_LINES);
	if (reading.stopped || d->out_of_memory)
		return NULL;
	if (!doc || !xmlDocGetRootElement(doc)) {
		diagnostics_add(d, 0, "", SEVERITY_ERROR, "not well-formed XML: there is no element");
		return NULL;
	}
	return take_ptr(doc);
}
