/* define.c - verbs about definitions: define, undefine, cat, validate */
#include <string.h>

#include "client/inspect.h"
#include "client/load.h"
#include "client/memory.h"
#include "client/options.h"
#include "client/say.h"
#include "client/text.h"
#include "client/verbs.h"

/*
 * Tour 110: `define` is the exception: it reads the definition here, on the person's side, because it
 * has to open the images that are named in it. hvmd gets the text and open descriptors, and never
 * opens a path that a caller chose.
 */
static int append_images(sd_bus_message *m, const struct definition_file *f)
{
	int r = sd_bus_message_open_container(m, SD_BUS_TYPE_ARRAY, "{sh}");

	for (size_t i = 0; r >= 0 && i < f->spec->n_files; i++)
		if (f->images[i] >= 0)
			r = sd_bus_message_append(m, "{sh}", f->spec->files[i].id, f->images[i]);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static enum exit_status define_file(struct client *c, const struct definition_file *f)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	enum exit_status status = manager_message(c, "DefineVM", &m);
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_append(m, "s", f->text);
	if (r >= 0)
		r = append_images(m, f);
	if (r >= 0)
		r = sd_bus_message_append(m, "t", UINT64_C(0));
	return r < 0 ? say_bad_arguments(f->path, r) : client_send(c, f->path, m, NULL);
}

/* Loads all; the first status that is not STATUS_OK. */
static enum exit_status load_files(char **paths, const struct options *o, struct definition_file *files)
{
	enum exit_status status = STATUS_OK;

	for (size_t i = 0; paths[i]; i++) {
		status = status_first(status, definition_file_load(paths[i], o, &files[i]));
		if (!o->quiet || files[i].diagnostics.n_errors > 0)
			definition_file_print(&files[i], stderr);
	}
	return status;
}

static enum exit_status define_files(struct client *c, const struct definition_file *files, size_t n)
{
	enum exit_status status = STATUS_OK;

	for (size_t i = 0; i < n; i++)
		status = status_first(status, define_file(c, &files[i]));
	return status;
}

/* A name is for one VM. */
static bool names_one(const struct options *o, size_t n)
{
	if (o->name && n > 1)
		say_error(NULL, "--name names one VM, and %zu files are given", n);
	return !o->name || n == 1;
}

enum exit_status verb_define(struct client *c, char **paths)
{
	struct definition_file *files;
	enum exit_status status;
	size_t n = 0;

	while (paths[n])
		n++;
	if (!names_one(c->options, n))
		return STATUS_USAGE;
	files = memory_zeroed(n, sizeof(*files));
	status = load_files(paths, c->options, files);
	if (status == STATUS_OK)
		status = define_files(c, files, n);
	for (size_t i = 0; i < n; i++)
		definition_file_fini(&files[i]);
	free(files);
	return status;
}

enum exit_status verb_undefine(struct client *c, char **names)
{
	enum exit_status status = STATUS_OK;

	for (; *names; names++)
		status = status_first(
			status, manager_call(c, *names, NULL, "UndefineVM", "st", *names, UINT64_C(0)));
	return status;
}

static void print_definition(const struct options *o, const char *name, const char *text)
{
	if (o->json != JSON_OFF) {
		_cleanup_json_ struct json *array = json_new(JSON_ARRAY);
		struct json *vm = json_new(JSON_OBJECT);

		json_set(vm, "name", json_string(name));
		json_set(vm, "definition", json_string(text));
		json_append(array, vm);
		json_print(array, o->json, stdout);
	} else {
		struct escaper x = escaper_init(stdout);

		escaper_write(&x, text, strlen(text));
		escaper_end(&x);
	}
}

enum exit_status verb_cat(struct client *c, char **names)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	enum exit_status status = vm_call(c, names[0], &reply, "GetDefinition", "t",
		c->options->running ? UINT64_C(1) : UINT64_C(0));
	const char *text;
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_read(reply, "s", &text);
	if (r < 0)
		return say_bad_reply(names[0], r);
	print_definition(c->options, names[0], text);
	return STATUS_OK;
}

static void add_diagnostics(struct json *array, const struct definition_file *f)
{
	for (size_t i = 0; i < f->diagnostics.n; i++) {
		const struct diagnostic *d = &f->diagnostics.items[i];
		struct position at = definition_file_position(d);
		struct json *object = json_new(JSON_OBJECT);

		json_set(object, "file", json_string(f->path));
		json_set(object, "line", json_uint(at.line));
		json_set(object, "column", json_uint(at.column));
		json_set(object, "path", json_string(d->path));
		json_set(object, "severity", json_string(severity_to_string(d->severity)));
		json_set(object, "message", json_string(d->message));
		json_append(array, object);
	}
}

static enum exit_status validate_file(const struct options *o, const char *path, struct json *all)
{
	_cleanup_(definition_file_fini) struct definition_file f = {};
	enum exit_status status = definition_file_load(path, o, &f);

	if (status != STATUS_FAILED)
		status = status_first(status, inspect_diagnose(o, &f));
	add_diagnostics(all, &f);
	if (o->json == JSON_OFF)
		definition_file_print(&f, stdout);
	if (o->json == JSON_OFF && status == STATUS_OK && !o->quiet) {
		_cleanup_free_ char *safe = text_one_line(path);

		printf("%s: valid\n", safe);
	}
	return status;
}

enum exit_status verb_validate(struct client *c, char **paths)
{
	_cleanup_json_ struct json *all = json_new(JSON_ARRAY);
	enum exit_status status = STATUS_OK;

	for (; *paths; paths++)
		status = status_first(status, validate_file(c->options, *paths, all));
	if (c->options->json != JSON_OFF)
		json_print(all, c->options->json, stdout);
	return status;
}
