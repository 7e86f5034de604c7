/* reader.c - see reader.h; what belongs to the whole VM */
#include "spec/reader.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "spec/value.h"

void reader_know(struct reader *r, enum spec_field field, const struct element *element, enum grammar_id id)
{
	r->known |= SPEC_FIELD_BIT(field);
	r->origins[field] = element_origin(element, id);
}

bool reader_number(struct reader *r, const struct element *element, enum grammar_id id, enum spec_field field,
	uint64_t *ret)
{
	if (!field_number(element, id, r->d, ret))
		return false;
	reader_know(r, field, element, id);
	return true;
}

void reader_text(struct reader *r, const struct element *element, enum grammar_id id, enum spec_field field,
	char **ret)
{
	char *text = NULL;

	if (!field_text(element, id, r->d, &text))
		return;
	reader_know(r, field, element, id);
	if (text[0])
		*ret = text;
	else
		free(text);
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

static void report_no_file(struct reader *r, const struct element *element, enum grammar_id id, const char *text)
{
	char list[SPEC_FILES_MAX * (VALUE_QUOTE_MAX + 4)];

	if (!reader_knows(r, SPEC_FIELD_FILES) || r->d->out_of_memory)
		return; /* it may be among those with faults of their own, or that memory was too short for */
	list_files(r->spec, list, sizeof(list));
	element_fault(element, id, r->d, SEVERITY_ERROR, "%s: no file has the id \"%s\"; %s%s", grammar[id].name,
		value_quote(text).text, list[0] ? "there is " : "files is missing or empty", list);
}

bool reader_file(struct reader *r, const struct element *element, enum grammar_id id, size_t *ret)
{
	_cleanup_free_ char *text = NULL;
	const struct spec_file *file;

	if (!field_text(element, id, r->d, &text))
		return false;
	file = spec_file_find(r->spec, text);
	if (!file) {
		report_no_file(r, element, id, text);
		return false;
	}
	*ret = (size_t)(file - r->spec->files);
	return true;
}

static void take_name(struct reader *r, const struct element *vm, const char *name)
{
	r->spec->name = strdup(name);
	if (r->spec->name)
		reader_know(r, SPEC_FIELD_NAME, vm, GRAMMAR_VM_NAME);
	else
		r->d->out_of_memory = true;
}

/* A name that is given beside the text goes before that in it, and one to fall back on behind it. */
static void read_name(struct reader *r, const struct element *vm)
{
	const char *fallback = r->options->fallback_name;

	if (r->options->name)
		take_name(r, vm, r->options->name);
	else if (vm->places[GRAMMAR_VM_NAME].n > 0 || !fallback) {
		if (field_text(vm, GRAMMAR_VM_NAME, r->d, &r->spec->name))
			reader_know(r, SPEC_FIELD_NAME, vm, GRAMMAR_VM_NAME);
	} else if (spec_name_valid(fallback))
		take_name(r, vm, fallback);
	else
		element_fault(vm, GRAMMAR_VM_NAME, r->d, SEVERITY_ERROR,
			"name is missing, and what the file is called, \"%s\", cannot be the name of a VM; write %s",
			value_quote(fallback).text, grammar[GRAMMAR_VM_NAME].example);
}

static void read_memory(struct reader *r, const struct element *vm)
{
	const xmlNode *place = vm->places[GRAMMAR_MEMORY].first;
	struct element memory;
	uint64_t value;

	if (reader_number(r, vm, GRAMMAR_MEMORY, SPEC_FIELD_MEMORY, &value))
		r->spec->memory = value * MiB;
	if (!place || place->type != XML_ELEMENT_NODE)
		return;
	element_survey(&memory, place, GRAMMAR_MEMORY, r->d);
	if (field_switch(&memory, GRAMMAR_MEMORY_HUGEPAGES, r->d, &r->spec->hugepages))
		reader_know(r, SPEC_FIELD_HUGEPAGES, &memory, GRAMMAR_MEMORY_HUGEPAGES);
}

static void read_core(struct reader *r, const xmlNode *node, struct spec_core *ret)
{
	struct element element;
	uint64_t cpu;

	element_survey(&element, node, GRAMMAR_CORE, r->d);
	if (field_number(&element, GRAMMAR_CORE_TARGET_CPU, r->d, &cpu))
		*ret = (struct spec_core){.pinned = true, .cpu = (uint32_t)cpu};
}

static void read_each_core(struct reader *r, const struct element *cores)
{
	const xmlNode *node = element_next(cores, GRAMMAR_CORE, NULL);

	for (unsigned i = 0; node && i < SPEC_CORES_MAX; i++) {
		read_core(r, node, &r->spec->core[i]);
		node = element_next(cores, GRAMMAR_CORE, node);
	}
	if (reader_knows(r, SPEC_FIELD_CORES) && cores->places[GRAMMAR_CORE].n > r->spec->cores)
		element_fault(cores, GRAMMAR_CORE, r->d, SEVERITY_ERROR,
			"%u core elements are more than the %" PRIu32 " cores; the first is core 0",
			cores->places[GRAMMAR_CORE].n, r->spec->cores);
}

static void read_cores(struct reader *r, const struct element *vm)
{
	struct element cores;
	uint64_t value;

	if (!element_group(vm, GRAMMAR_CORES, &cores, r->d)) {
		field_missing(vm, GRAMMAR_CORES, r->d);
		return;
	}
	if (reader_number(r, &cores, GRAMMAR_CORES_COUNT, SPEC_FIELD_CORES, &value))
		r->spec->cores = (uint32_t)value;
	if (field_number(&cores, GRAMMAR_CORES_CPU_WEIGHT, r->d, &value))
		r->spec->cpu_weight = (uint32_t)value;
	if (field_number(&cores, GRAMMAR_CORES_NODES, r->d, &value))
		r->spec->nodes = (uint32_t)value;
	read_each_core(r, &cores);
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

static void read_index(struct reader *r, const struct element *element, struct spec_file *file)
{
	uint64_t index;

	if (!field_number(element, GRAMMAR_FILE_INDEX, r->d, &index))
		return;
	file->packed = r->options->packed;
	file->index = file->packed ? (uint32_t)index : 0;
	if (!file->packed)
		element_fault(element, GRAMMAR_FILE_INDEX, r->d, SEVERITY_NOTICE,
			"index is ignored: it is a place within an image container, and this text is in none");
}

/* Each file comes from somewhere: its name, the container, or the store. */
static void check_source(struct reader *r, const struct element *element, const struct spec_file *file)
{
	if (element->places[GRAMMAR_FILE_SHA256].n > 0)
		return;
	if (r->options->packed && element->places[GRAMMAR_FILE_INDEX].n == 0)
		element_fault(element, GRAMMAR_FILE_INDEX, r->d, SEVERITY_ERROR,
			"index is missing, so the container does not say which of its files this is");
	else if (!file->packed && element->places[GRAMMAR_FILE_FILENAME].n == 0)
		element_fault(element, GRAMMAR_FILE_FILENAME, r->d, SEVERITY_ERROR,
			"filename is missing; write filename=\"...\" (%s)", grammar[GRAMMAR_FILE_FILENAME].about);
}

static void read_file(struct reader *r, const xmlNode *node)
{
	struct element element;
	struct spec_file file = {};

	element_survey(&element, node, GRAMMAR_FILE, r->d);
	field_text(&element, GRAMMAR_FILE_ID, r->d, &file.id);
	field_text(&element, GRAMMAR_FILE_FILENAME, r->d, &file.filename);
	file.stored = field_sha256(&element, GRAMMAR_FILE_SHA256, r->d, file.sha256);
	read_index(r, &element, &file);
	check_source(r, &element, &file);
	if (file.id && spec_file_find(r->spec, file.id))
		element_fault(&element, GRAMMAR_FILE_ID, r->d, SEVERITY_ERROR,
			"id: \"%s\" is the id of a file above; give each file its own",
			value_quote(file.id).text);
	r->places.files[r->spec->n_files] = element.at; /* fewer than SPEC_FILES_MAX: see read_files() */
	append_file(r, file);
}

static void read_files(struct reader *r, const struct element *vm)
{
	size_t n_errors = r->d->n_errors;
	struct element files;
	const xmlNode *node;

	if (!element_group(vm, GRAMMAR_FILES, &files, r->d)) {
		reader_know(r, SPEC_FIELD_FILES, vm, GRAMMAR_FILES);
		return;
	}
	node = element_next(&files, GRAMMAR_FILE, NULL);
	for (unsigned n = 0; node && n < SPEC_FILES_MAX; n++) {
		read_file(r, node);
		node = element_next(&files, GRAMMAR_FILE, node);
	}
	if (files.places[GRAMMAR_FILE].n > SPEC_FILES_MAX)
		element_fault(vm, GRAMMAR_FILES, r->d, SEVERITY_ERROR,
			"%u files are more than the %d that a VM may have", files.places[GRAMMAR_FILE].n,
			SPEC_FILES_MAX);
	if (r->d->n_errors == n_errors)
		reader_know(r, SPEC_FIELD_FILES, vm, GRAMMAR_FILES);
}

void reader_read_vm(struct reader *r, const xmlNode *root)
{
	struct element vm;
	unsigned class;

	element_survey(&vm, root, GRAMMAR_VM, r->d);
	r->places.vm = vm.at;
	r->places.memory = element_origin(&vm, GRAMMAR_MEMORY).at;
	read_name(r, &vm);
	field_word(&vm, GRAMMAR_VM_CLASS, r->d, &class);
	r->spec->has_uuid = field_uuid(&vm, GRAMMAR_VM_UUID, r->d, r->spec->uuid);
	read_memory(r, &vm);
	read_cores(r, &vm);
	read_files(r, &vm);
	reader_read_partitions(r, &vm);
	reader_read_devices(r, &vm);
}
