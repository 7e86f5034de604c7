/*
 * definition.c - see definition.h; reading (format.c writes)
 *
 * The order of faults: what the text is not (xml.h), what does not belong or is
 * no right value (element.h, field.h), what does not fit together (rules.h, as
 * far as the fields that a rule needs have been read), and last the schema. Each
 * step but the first goes on after a fault, so that all are found in one go.
 */
#include "spec/definition.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "base/macro.h"
#include "spec/field.h"
#include "spec/rules.h"
#include "spec/schema.h"
#include "spec/value.h"
#include "spec/xml.h"

/* A field of the definition as it was found: where to point when a rule blames it. */
struct origin {
	struct element element; /* the group it stands in */
	enum grammar_id id;
};

struct reader {
	struct diagnostics *d; /* borrowed */
	struct vm_spec *spec;  /* borrowed */
	unsigned known;        /* SPEC_FIELD_BIT()s of what has been read and found right */
	struct origin origins[N_SPEC_FIELDS];
	char *hrt_file_id; /* owned */
};

static void know(struct reader *r, enum spec_field field, const struct element *element, enum grammar_id id)
{
	r->known |= SPEC_FIELD_BIT(field);
	r->origins[field] = (struct origin){.element = *element, .id = id};
}

static bool read_number(struct reader *r, const struct element *element, enum grammar_id id,
	enum spec_field field, uint64_t *ret)
{
	if (!field_number(element, id, r->d, ret))
		return false;
	know(r, field, element, id);
	return true;
}

static void read_memory(struct reader *r, const struct element *vm)
{
	uint64_t value;

	if (read_number(r, vm, GRAMMAR_MEMORY, SPEC_FIELD_MEMORY, &value))
		r->spec->memory = value * MiB;
}

static void read_cores(struct reader *r, const struct element *vm)
{
	struct element cores;
	uint64_t value;

	if (!element_group(vm, GRAMMAR_CORES, &cores, r->d))
		field_missing(vm, GRAMMAR_CORES, r->d);
	else if (read_number(r, &cores, GRAMMAR_CORES_COUNT, SPEC_FIELD_CORES, &value))
		r->spec->cores = (uint32_t)value;
}

/* Takes over what the file owns. */
static void append_file(struct reader *r, struct spec_file file)
{
	struct spec_file *files = reallocarray(r->spec->files, r->spec->n_files + 1, sizeof(*files));

	if (!files) {
		r->d->out_of_memory = true;
		free(file.id);
		free(file.filename);
		return;
	}
	files[r->spec->n_files++] = file;
	r->spec->files = files;
}

static void read_file(struct reader *r, const xmlNode *node)
{
	struct element element;
	struct spec_file file = {};

	element_survey(&element, node, GRAMMAR_FILE, r->d);
	field_text(&element, GRAMMAR_FILE_ID, r->d, &file.id);
	field_text(&element, GRAMMAR_FILE_FILENAME, r->d, &file.filename);
	file.stored = field_sha256(&element, GRAMMAR_FILE_SHA256, r->d, file.sha256);
	if (element.places[GRAMMAR_FILE_FILENAME].n == 0 && element.places[GRAMMAR_FILE_SHA256].n == 0)
		element_fault(&element, GRAMMAR_FILE_FILENAME, r->d, SEVERITY_ERROR,
			"filename is missing; write filename=\"...\" (%s)",
			grammar[GRAMMAR_FILE_FILENAME].about);
	if (file.id && spec_file_find(r->spec, file.id))
		element_fault(&element, GRAMMAR_FILE_ID, r->d, SEVERITY_ERROR,
			"id: \"%s\" is the id of a file above; give each file its own",
			value_quote(file.id).text);
	append_file(r, file);
}

static void read_files(struct reader *r, const struct element *vm)
{
	struct element files;
	size_t n_errors = r->d->n_errors;
	unsigned n = 0;

	if (!element_group(vm, GRAMMAR_FILES, &files, r->d)) {
		know(r, SPEC_FIELD_FILES, vm, GRAMMAR_FILES);
		return;
	}
	for (const xmlNode *node = element_next(&files, GRAMMAR_FILE, NULL); node && n < SPEC_FILES_MAX;
		n++) {
		read_file(r, node);
		node = element_next(&files, GRAMMAR_FILE, node);
	}
	if (files.places[GRAMMAR_FILE].n > SPEC_FILES_MAX)
		element_fault(vm, GRAMMAR_FILES, r->d, SEVERITY_ERROR,
			"%u files are more than the %d that a VM may have", files.places[GRAMMAR_FILE].n,
			SPEC_FILES_MAX);
	if (r->d->n_errors == n_errors)
		know(r, SPEC_FIELD_FILES, vm, GRAMMAR_FILES);
}

static void read_ros(struct reader *r, const struct element *hvm)
{
	struct element ros;
	uint64_t value;

	if (!element_group(hvm, GRAMMAR_ROS, &ros, r->d)) {
		if (r->spec->hybrid)
			field_missing(hvm, GRAMMAR_ROS, r->d);
		return;
	}
	if (read_number(r, &ros, GRAMMAR_ROS_CORES, SPEC_FIELD_ROS_CORES, &value))
		r->spec->ros_cores = (uint32_t)value;
	if (read_number(r, &ros, GRAMMAR_ROS_MEM, SPEC_FIELD_ROS_MEMORY, &value))
		r->spec->ros_memory = value * MiB;
}

static void read_cmdline(struct reader *r, const struct element *hrt)
{
	char *text = NULL;

	if (!field_text(hrt, GRAMMAR_HRT_CMDLINE, r->d, &text))
		return;
	know(r, SPEC_FIELD_HRT_CMDLINE, hrt, GRAMMAR_HRT_CMDLINE);
	if (text[0])
		r->spec->hrt_cmdline = text;
	else
		free(text); /* an empty one is none */
}

static void read_hrt(struct reader *r, const struct element *hvm)
{
	struct element hrt;
	uint64_t value;

	if (!element_group(hvm, GRAMMAR_HRT, &hrt, r->d)) {
		if (r->spec->hybrid)
			field_missing(hvm, GRAMMAR_HRT, r->d);
		return;
	}
	if (field_text(&hrt, GRAMMAR_HRT_FILE_ID, r->d, &r->hrt_file_id))
		r->origins[SPEC_FIELD_HRT_FILE] = (struct origin){.element = hrt, .id = GRAMMAR_HRT_FILE_ID};
	read_cmdline(r, &hrt);
	if (read_number(r, &hrt, GRAMMAR_HRT_STACK, SPEC_FIELD_HRT_STACK, &value))
		r->spec->hrt_stack = (uint32_t)value;
}

/* Palacios ignores such a block silently; here its author hears of it. */
static void warn_of_unused_hvm(struct reader *r, const struct element *hvm)
{
	if (hvm->places[GRAMMAR_HVM_ENABLE].n == 0)
		element_fault(hvm, GRAMMAR_HVM_ENABLE, r->d, SEVERITY_WARNING,
			"enable is missing, so the VM has no HRT; write enable=\"y\" for a hybrid, "
			"enable=\"n\" for none");
	else if (hvm->places[GRAMMAR_ROS].n > 0 || hvm->places[GRAMMAR_HRT].n > 0)
		element_fault(hvm, GRAMMAR_HVM_ENABLE, r->d, SEVERITY_NOTICE,
			"enable: it is n, so ros and hrt are not used and not kept");
}

static void read_hvm(struct reader *r, const struct element *vm)
{
	struct element hvm;

	if (!element_group(vm, GRAMMAR_HVM, &hvm, r->d))
		return;
	if (!field_switch(&hvm, GRAMMAR_HVM_ENABLE, r->d, &r->spec->hybrid))
		r->spec->hybrid =
			hvm.places[GRAMMAR_ROS].n > 0 || hvm.places[GRAMMAR_HRT].n > 0; /* probably meant */
	else if (!r->spec->hybrid)
		warn_of_unused_hvm(r, &hvm);
	read_ros(r, &hvm);
	read_hrt(r, &hvm);
}

static void read_vm(struct reader *r, const xmlNode *root)
{
	struct element vm;

	element_survey(&vm, root, GRAMMAR_VM, r->d);
	if (field_text(&vm, GRAMMAR_VM_NAME, r->d, &r->spec->name))
		know(r, SPEC_FIELD_NAME, &vm, GRAMMAR_VM_NAME);
	field_word(&vm, GRAMMAR_VM_CLASS, r->d);
	r->spec->has_uuid = field_uuid(&vm, GRAMMAR_VM_UUID, r->d, r->spec->uuid);
	read_memory(r, &vm);
	read_cores(r, &vm);
	read_files(r, &vm);
	read_hvm(r, &vm);
}

/* The names of all files for a sentence: "a", "b". */
static void list_files(const struct vm_spec *spec, char *ret, size_t size)
{
	size_t used = 0;

	ret[0] = '\0';
	for (size_t i = 0; i < spec->n_files && used < size; i++)
		used += (size_t)snprintf(ret + used, size - used, "%s\"%s\"", i > 0 ? ", " : "",
			value_quote(spec->files[i].id).text);
}

/* Palacios' name for the image becomes its place among the files. */
static void resolve_hrt_file(struct reader *r)
{
	const struct origin *origin = &r->origins[SPEC_FIELD_HRT_FILE];
	struct spec_file *file = r->hrt_file_id ? spec_file_find(r->spec, r->hrt_file_id) : NULL;
	char list[SPEC_FILES_MAX * (VALUE_QUOTE_MAX + 4)];

	if (file) {
		r->spec->hrt_file = (size_t)(file - r->spec->files);
		r->known |= SPEC_FIELD_BIT(SPEC_FIELD_HRT_FILE);
		return;
	}
	if (!r->hrt_file_id || !(r->known & SPEC_FIELD_BIT(SPEC_FIELD_FILES)))
		return; /* its file may be among those with faults of their own */
	list_files(r->spec, list, sizeof(list));
	element_fault(&origin->element, origin->id, r->d, SEVERITY_ERROR,
		"file_id: no file has the id \"%s\"; %s%s", value_quote(r->hrt_file_id).text,
		list[0] ? "there is " : "files is missing or empty", list);
}

/* Without an HRT everything is the ROS's, whatever stands in a disabled hvm. */
static void settle_partitions(struct reader *r)
{
	struct vm_spec *spec = r->spec;

	if (spec->hybrid) {
		resolve_hrt_file(r);
		return;
	}
	spec->ros_cores = spec->cores;
	spec->ros_memory = spec->memory;
	spec->hrt_stack = 0;
	free(take_ptr(spec->hrt_cmdline));
}

static void apply_rules(struct reader *r)
{
	for (size_t i = 0; i < n_spec_rules; i++) {
		const struct spec_rule *rule = &spec_rules[i];
		const struct origin *origin = &r->origins[rule->blame];
		struct error e = {};

		if ((rule->needs & ~r->known) == 0 && rule->check(r->spec, &e) < 0)
			element_fault(&origin->element, origin->id, r->d, SEVERITY_ERROR, "%s",
				error_text(&e, -EBADMSG));
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

static void read_document(const xmlNode *root, struct diagnostics *d, struct vm_spec *spec)
{
	_cleanup_free_ struct reader *r = calloc(1, sizeof(*r));

	if (!r) {
		d->out_of_memory = true;
		return;
	}
	r->d = d;
	r->spec = spec;
	read_vm(r, root);
	settle_partitions(r);
	apply_rules(r);
	free(r->hrt_file_id);
}

static void read_text(const char *text, size_t size, struct diagnostics *d, struct vm_spec *spec)
{
	_cleanup_(xmlFreeDocp) xmlDoc *doc = NULL;
	const xmlNode *root;

	if (size > DEFINITION_SIZE_MAX) {
		diagnostics_add(d, 0, "", SEVERITY_ERROR,
			"the definition has %zu bytes; %u are the most allowed", size, DEFINITION_SIZE_MAX);
		return;
	}
	doc = xml_read(text, size, d);
	if (!doc)
		return;
	root = xmlDocGetRootElement(doc);
	if (grammar_child(GRAMMAR_NONE, (const char *)root->name) != GRAMMAR_VM)
		diagnostics_add(d, (unsigned)xmlGetLineNo(root), "", SEVERITY_ERROR,
			"the outermost element is \"%s\"; a definition is a <vm>",
			value_quote((const char *)root->name).text);
	else
		read_document(root, d, spec);
}

/*
 * Tour 310: Three times the same text is judged: as XML, by our table of elements and the rules across
 * them (these make the sentences that people read), and in its canonical form by the published schema,
 * which must agree with us.
 */
int definition_parse(const char *text, size_t size, struct diagnostics *d, struct vm_spec **ret)
{
	_cleanup_(vm_spec_freep) struct vm_spec *spec = calloc(1, sizeof(*spec));

	if (!spec)
		return -ENOMEM;
	read_text(text, size, d, spec);
	if (d->n_errors == 0 && !d->out_of_memory)
		check_against_schema(spec, d);
	diagnostics_sort(d);
	if (d->out_of_memory)
		return -ENOMEM;
	if (d->n_errors > 0)
		return -EBADMSG;
	*ret = take_ptr(spec);
	return 0;
}
