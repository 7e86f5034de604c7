/* schema.c - see schema.h */
#include "spec/schema.h"

#include <libxml/xmlschemas.h>

#include "base/cleanup.h"
#include "spec/diagnostic.h"
#include "spec/hvm-xsd.h"
#include "spec/value.h"
#include "spec/xml.h"

#define COMPLAINT_MAX 240 /* bytes of libxml2's own words */

DEFINE_CLEANUP(xmlSchemaParserCtxt *, xmlSchemaFreeParserCtxt);
DEFINE_CLEANUP(xmlSchemaValidCtxt *, xmlSchemaFreeValidCtxt);

#if LIBXML_VERSION >= 21200
static void take_complaint(void *data, const xmlError *error)
#else
static void take_complaint(void *data, xmlError *error)
#endif
{
	xmlChar *path = error->node ? xmlGetNodePath(error->node) : NULL;
	char words[COMPLAINT_MAX];

	value_quote_into(error->message ? error->message : "no reason given", words, sizeof(words));
	diagnostics_add(data, NOWHERE, path ? (const char *)path : "", SEVERITY_ERROR, "hvm.xsd refuses it: %s",
		value_trim(words));
	xmlFree(path);
}

/* Compiled at its first use, then kept for the life of the process. NULL when memory is short. */
static xmlSchema *schema_get(struct diagnostics *d)
{
	static xmlSchema *schema;
	_cleanup_(xmlSchemaFreeParserCtxtp) xmlSchemaParserCtxt *parser = NULL;

	if (schema)
		return schema;
	parser = xmlSchemaNewMemParserCtxt(hvm_xsd, sizeof(hvm_xsd) - 1);
	if (!parser)
		return NULL;
	xmlSchemaSetParserStructuredErrors(parser, take_complaint, d);
	schema = xmlSchemaParse(parser);
	return schema;
}

void schema_check(const char *text, size_t size, struct diagnostics *d)
{
	_cleanup_(xmlFreeDocp) xmlDoc *doc = xml_read(text, size, d);
	_cleanup_(xmlSchemaFreeValidCtxtp) xmlSchemaValidCtxt *valid = NULL;
	xmlSchema *schema = doc ? schema_get(d) : NULL;

	if (!doc)
		return;
	if (schema)
		valid = xmlSchemaNewValidCtxt(schema);
	if (!valid) {
		d->out_of_memory = true;
		return;
	}
	xmlSchemaSetValidStructuredErrors(valid, take_complaint, d);
	if (xmlSchemaValidateDoc(valid, doc) < 0)
		d->out_of_memory = true; /* its only failure of its own with a good schema and tree */
}
