/*
 * xml.h - well-formed XML into libxml2's tree, nothing else
 *
 * What is refused here, before any meaning: a document type (and with it every
 * entity but the five of XML itself), elements nested deeper than any definition
 * needs, more attributes than any definition needs. Nothing outside
 * the text is ever opened. The text is UTF-8 whatever it declares. A closing tag
 * may differ from its opening one in case (tags.h).
 */
#pragma once

#include <stddef.h>
#include <libxml/tree.h>

#include "base/cleanup.h"
#include "spec/diagnostic.h"

DEFINE_CLEANUP(xmlDoc *, xmlFreeDoc);

#define XML_DEPTH_MAX  32
#define XML_EQUALS_MAX 4096 /* '=' in a whole text: each attribute has one */

/*
 * Reads a text. Returns the tree, which the caller frees with xmlFreeDoc(), or
 * NULL after adding at least one error to *diagnostics (or marking it out of memory).
 */
xmlDoc *xml_read(const char *text, size_t size, struct diagnostics *diagnostics);

/* Where an element's start tag begins; for an attribute that of its element; for a text its first letter. */
struct position xml_position(const xmlNode *node);
