/* plan.c - verbs that show guest physical memory: plan, memmap */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/macro.h"
#include "client/inspect.h"
#include "client/json.h"
#include "client/load.h"
#include "client/message.h"
#include "client/options.h"
#include "client/say.h"
#include "client/table.h"
#include "client/text.h"
#include "client/verbs.h"
#include "spec/support.h"

#define PLAN_IN_FORCE UINT64_C(1) /* flags of GetMemoryPlan */

static void add_region(struct json *plan, const char *name, uint64_t start, uint64_t size, const char *access)
{
	struct json *region = json_new(JSON_OBJECT);

	json_set(region, "region", json_string(name));
	json_set(region, "start", json_uint(start));
	json_set(region, "end", json_uint(start + size));
	json_set(region, "size", json_uint(size));
	json_set(region, "access", json_string(access));
	json_append(plan, region);
}

/* Hexadecimal digits of the last address, so that all are as wide. */
static int address_width(const struct json *plan)
{
	uint64_t last = 0;

	if (json_length(plan) > 0)
		last = json_get_uint(plan->items[json_length(plan) - 1], "end");
	return snprintf(NULL, 0, "%llx", (unsigned long long)last);
}

static void print_table(const struct options *o, const struct json *plan)
{
	static const char *const header[] = {"REGION", "START", "END", "SIZE", "ACCESS"};
	_cleanup_(table_fini) struct table t = table_init(header, ARRAY_SIZE(header));
	int width = address_width(plan);

	for (size_t i = 0; i < json_length(plan); i++) {
		const struct json *region = plan->items[i];
		_cleanup_free_ char *size = size_format(json_get_uint(region, "size"));

		table_add(&t, json_get_string(region, "region"));
		table_printf(&t, "0x%0*llx", width, (unsigned long long)json_get_uint(region, "start"));
		table_printf(&t, "0x%0*llx", width, (unsigned long long)json_get_uint(region, "end"));
		table_add(&t, size);
		table_add(&t, json_get_string(region, "access"));
	}
	table_print(&t, !o->no_legend, stdout);
}

static void print_plan(const struct options *o, const struct json *plan)
{
	if (o->json != JSON_OFF)
		json_print(plan, o->json, stdout);
	else
		print_table(o, plan);
}

static enum exit_status print_inspection(
	const struct options *o, const struct definition_file *f, const struct inspection *i)
{
	_cleanup_json_ struct json *plan = json_new(JSON_ARRAY);

	if (i->error < 0) {
		say_error(f->path, "%s", i->why.text);
		return i->error == -EOPNOTSUPP ? STATUS_FAILED : STATUS_INVALID_DEFINITION;
	}
	for (size_t n = 0; n < i->plan.n; n++) {
		const struct memory_region *r = &i->plan.regions[n];

		add_region(plan, r->name, r->gpa, r->size, r->access);
	}
	print_plan(o, plan);
	return STATUS_OK;
}

static enum exit_status plan_file(struct client *c, const char *path)
{
	_cleanup_(definition_file_fini) struct definition_file f = {};
	enum exit_status status = definition_file_load(path, c->options, &f);
	struct inspection i = {};
	struct error e = {};

	if (status != STATUS_OK) {
		definition_file_print(&f, stderr);
		return status;
	}
	if (f.spec->hybrid && f.images[f.spec->hrt_file] < 0) {
		say_error(path, "the image \"%s\" of the HRT is given by its SHA-256 alone, so only hvmd has it: define it and "
			"plan %s by its name", f.spec->files[f.spec->hrt_file].id, f.spec->name);
		return STATUS_FAILED;
	}
	if (spec_check_supported(f.spec, &e) < 0) {
		say_error(path, "%s", e.text);
		return STATUS_FAILED;
	}
	status = inspect_definition(c->options, &f, &i);
	if (status == STATUS_OK)
		status = print_inspection(c->options, &f, &i);
	inspection_fini(&i);
	return status;
}

static int read_plan(sd_bus_message *reply, struct json *plan)
{
	const char *name, *access;
	uint64_t start, size;
	int r = sd_bus_message_enter_container(reply, 'a', "(stts)");

	while (r > 0) {
		r = sd_bus_message_read(reply, "(stts)", &name, &start, &size, &access);
		if (r > 0)
			add_region(plan, name, start, size, access);
	}
	return r;
}

/* What is wrong with the definition and its images exits as it does for a file. */
static enum exit_status plan_failed(struct client *c, const char *name, const sd_bus_error *error)
{
	enum exit_status status = client_failed(c, name, error);

	if (sd_bus_error_has_names(error, "org.hvmd1.BadBootImage", "org.hvmd1.UnsupportedBootProtocol",
		    "org.hvmd1.ResourceConflict"))
		return STATUS_INVALID_DEFINITION;
	return status;
}

static enum exit_status get_plan(struct client *c, const char *name, uint64_t flags, sd_bus_message **ret_reply)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *m = NULL;
	enum exit_status status = vm_message(c, name, "GetMemoryPlan", &m);
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_append(m, "t", flags);
	if (r < 0)
		return say_bad_arguments(name, r);
	return client_try(c, m, &error, ret_reply) < 0 ? plan_failed(c, name, &error) : STATUS_OK;
}

static enum exit_status plan_name(struct client *c, const char *name, uint64_t flags)
{
	_cleanup_json_ struct json *plan = json_new(JSON_ARRAY);
	_cleanup_message_ sd_bus_message *reply = NULL;
	enum exit_status status = get_plan(c, name, flags, &reply);
	int r;

	if (status != STATUS_OK)
		return status;
	r = read_plan(reply, plan);
	if (r < 0)
		return say_bad_reply(name, r);
	print_plan(c->options, plan);
	return STATUS_OK;
}

static bool ends_in(const char *word, const char *end)
{
	size_t n = strlen(word), k = strlen(end);

	return n >= k && strcmp(word + n - k, end) == 0;
}

/* Also where it is not there, so that the answer is about the file that was meant. */
static bool is_file(const char *word)
{
	struct stat st;

	return strchr(word, '/') || ends_in(word, ".xml") || ends_in(word, ".pal") ||
		(stat(word, &st) == 0 && !S_ISDIR(st.st_mode));
}

enum exit_status verb_plan(struct client *c, char **words)
{
	return is_file(words[0]) ? plan_file(c, words[0]) : plan_name(c, words[0], 0);
}

enum exit_status verb_memmap(struct client *c, char **names)
{
	return plan_name(c, names[0], PLAN_IN_FORCE);
}
