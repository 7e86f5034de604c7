/*
 * definition.c - see definition.h; reading (format.c writes)
 *
 * The order of faults: what the text is not (xml.h), what does not belong or is
 * no right value (element.h, field.h, reader.h), what does not fit together
 * (rules.h, as far as the fields that a rule needs have been read), and last the
 * schema. Each step but the first goes on after a fault, so that all are found in
 * one go.
 */
#include "spec/definition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "spec/override.h"
#include "spec/reader.h"
#include "spec/schema.h"
#include "spec/value.h"
#include "spec/xml.h"

static void apply_rules(struct reader *r)
{
	for (size_t i = 0; i < n_spec_rules; i++) {
		const struct spec_rule *rule = &spec_rules[i];
		struct error e = {};

		if ((rule->needs & ~r->known) == 0 && rule->check(r->spec, &e) < 0)
			origin_fault(r->origins[rule->blame], r->d, SEVERITY_ERROR, "%s", error_text(&e, -EBADMSG));
	}
}

static void check_against_schema(const struct vm_spec *spec, struct diagnostics *d)
{
	_cleanup_free_ char *text = definition_format(spec);

	if (!text)
		d->out_of_memory = true;
	else
		schema_check(text, strlen(text), d);
}

static void read_document(
	xmlDoc *doc, const struct definition_options *options, struct diagnostics *d, struct vm_spec *spec)
{
	struct reader r = {.d = d, .spec = spec, .options = options};
	xmlNode *root = xmlDocGetRootElement(doc);

	if (grammar_child(GRAMMAR_NONE, (const char *)root->name) != GRAMMAR_VM) {
		diagnostics_add(d, xml_position(root), "", SEVERITY_ERROR,
			"the outermost element is \"%s\"; a definition is a <vm>",
			value_quote((const char *)root->name).text);
		return;
	}
	override_apply(root, options->overrides, options->n_overrides, d);
	reader_read_vm(&r, root);
	apply_rules(&r);
	if (options->places)
		*options->places = r.places;
}

static void read_text(const char *text, size_t size, const struct definition_options *options,
	struct diagnostics *d, struct vm_spec *spec)
{
	_cleanup_(xmlFreeDocp) xmlDoc *doc = NULL;

	if (size > DEFINITION_SIZE_MAX) {
		diagnostics_add(d, NOWHERE, "", SEVERITY_ERROR,
			"the definition has %zu bytes; %u are the most allowed", size, DEFINITION_SIZE_MAX);
		return;
	}
	doc = xml_read(text, size, d);
	if (doc)
		read_document(doc, options, d, spec);
}

/*
 * Tour 222: Three times the same text is judged: as XML, by our table of elements and the rules across
 * them (these make the sentences that people read), and in its canonical form by the published schema,
 * which must agree with us.
 */
int definition_parse(const char *text, size_t size, const struct definition_options *options,
	struct diagnostics *d, struct vm_spec **ret)
{
	static const struct definition_options none;
	_cleanup_(vm_spec_freep) struct vm_spec *spec = calloc(1, sizeof(*spec));

	if (!spec)
		return -ENOMEM;
	if (!options)
		options = &none;
	d->unknown = options->unknown_warns ? SEVERITY_WARNING : SEVERITY_ERROR;
	read_text(text, size, options, d, spec);
	if (d->n_errors == 0 && !d->out_of_memory && !options->stored)
		check_against_schema(spec, d);
	diagnostics_sort(d);
	if (d->out_of_memory)
		return -ENOMEM;
	if (d->n_errors > 0)
		return -EBADMSG;
	*ret = take_ptr(spec);
	return 0;
}
