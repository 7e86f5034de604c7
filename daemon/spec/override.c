/* override.c - see override.h */
#include "spec/override.h"

#include <strings.h>

#include "spec/grammar.h"
#include "spec/value.h"

static bool has_tag(const xmlNode *node, const char *tag)
{
	for (const xmlAttr *a = node->properties; a; a = a->next) {
		const xmlNode *text = a->children;

		if (a->ns || strcasecmp((const char *)a->name, grammar[GRAMMAR_OPT_TAG].name) != 0)
			continue;
		if (text && text->type == XML_TEXT_NODE && strcasecmp((const char *)text->content, tag) == 0)
			return true;
	}
	return false;
}

/* Its text and nothing else: elements within stay. */
static void replace_text(xmlNode *node, const char *value, struct diagnostics *d)
{
	xmlNode *text = xmlNewText((const xmlChar *)value), *next;

	for (xmlNode *child = node->children; child; child = next) {
		next = child->next;
		if (child->type != XML_TEXT_NODE)
			continue;
		xmlUnlinkNode(child);
		xmlFreeNode(child);
	}
	if (!text || !xmlAddChild(node, text)) {
		xmlFreeNode(text);
		d->out_of_memory = true;
	}
}

/* How many elements have the tag; the tree is no deeper than XML_DEPTH_MAX. */
static unsigned replace_all(xmlNode *node, const struct definition_override *o, struct diagnostics *d)
{
	unsigned n = 0;

	if (has_tag(node, o->tag)) {
		replace_text(node, o->value, d);
		n++;
	}
	for (xmlNode *child = xmlFirstElementChild(node); child; child = xmlNextElementSibling(child))
		n += replace_all(child, o, d);
	return n;
}

void override_apply(
	xmlNode *root, const struct definition_override *overrides, size_t n, struct diagnostics *d)
{
	for (size_t i = 0; i < n; i++) {
		const struct definition_override *o = &overrides[i];

		if (!xmlCheckUTF8((const xmlChar *)o->value))
			diagnostics_add(d, NOWHERE, "", SEVERITY_ERROR, "the value for %s, \"%s\", is no UTF-8",
				value_quote(o->tag).text, value_quote(o->value).text);
		else if (replace_all(root, o, d) == 0)
			diagnostics_add(d, NOWHERE, "", SEVERITY_ERROR,
				"no element has opt_tag=\"%s\", so there is nothing that \"%s\" could replace",
				value_quote(o->tag).text, value_quote(o->value).text);
	}
}
