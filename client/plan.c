/* plan.c - verbs that show what a VM begins with: plan, memmap, digest */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hex.h"
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

#define PLAN_IN_FORCE UINT64_C(1) /* flags of GetMemoryPlan and GetLaunchRecord */

static struct json *make_region(const char *name, uint64_t start, uint64_t size, const char *access)
{
	struct json *region = json_new(JSON_OBJECT);

	json_set(region, "region", json_string(name));
	json_set(region, "start", json_uint(start));
	json_set(region, "end", json_uint(start + size));
	json_set(region, "size", json_uint(size));
	json_set(region, "access", json_string(access));
	return region;
}

/* Hexadecimal digits of the last address, so that all are as wide. */
static int address_width(const struct json *plan)
{
	uint64_t last = 0;

	if (json_length(plan) > 0)
		last = json_get_uint(plan->items[json_length(plan) - 1], "end");
	return snprintf(NULL, 0, "%llx", (unsigned long long)last);
}

/* "zero", "generated", "file hrt+0x1000", or nothing where there is no memory. */
static void add_source(struct table *t, const struct json *region)
{
	const char *source = json_get_string(region, "source");

	if (json_get(region, "file"))
		table_printf(t, "%s %s+0x%llx", source, json_get_string(region, "file"),
			(unsigned long long)json_get_uint(region, "offset"));
	else
		table_add(t, strcmp(source, "none") == 0 ? "-" : source);
}

/* Enough of it to tell two plans apart; JSON and the launch record have all. */
static void add_digest(struct table *t, const struct json *region)
{
	if (json_get(region, "sha256"))
		table_printf(t, "%.16s", json_get_string(region, "sha256"));
	else
		table_add(t, "-");
}

static void print_table(const struct options *o, const struct json *plan)
{
	static const char *const header[] = {"REGION", "START", "END", "SIZE", "ACCESS", "SOURCE", "SHA256"};
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
		add_source(&t, region);
		add_digest(&t, region);
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

static struct json *inspected_region(const struct memory_region *r)
{
	struct json *region = make_region(r->name, r->gpa, r->size, r->access);
	char hex[2 * INSPECTION_SHA256_SIZE + 1];

	json_set(region, "source", json_string(r->source));
	if (r->file) {
		json_set(region, "file", json_string(r->file));
		json_set(region, "offset", json_uint(r->offset));
		json_set(region, "bytes", json_uint(r->bytes));
	}
	hex_format(r->sha256, sizeof(r->sha256), hex);
	if (r->has_sha256)
		json_set(region, "sha256", json_string(hex));
	return region;
}

static enum exit_status print_inspected_plan(const struct options *o, const struct inspection *i)
{
	_cleanup_json_ struct json *plan = json_new(JSON_ARRAY);

	for (size_t n = 0; n < i->plan.n; n++)
		json_append(plan, inspected_region(&i->plan.regions[n]));
	print_plan(o, plan);
	return STATUS_OK;
}

static void print_digest(const struct options *o, const char *name, const char *digest, const char *record)
{
	_cleanup_json_ struct json *all = json_new(JSON_ARRAY), *one = json_new(JSON_OBJECT);

	if (o->json != JSON_OFF) {
		json_set(one, "name", json_string(name));
		json_set(one, "launch_digest", json_string(digest));
		json_set(one, "record", json_string(record));
		json_append(all, one);
		one = NULL;
		json_print(all, o->json, stdout);
	} else if (o->record) {
		fputs(record, stdout);
	} else {
		printf("%s  %s\n", digest, name);
	}
}

static enum exit_status print_inspected_digest(const struct options *o, const char *name, const struct inspection *i)
{
	char hex[2 * INSPECTION_SHA384_SIZE + 1];

	hex_format(i->plan.digest, sizeof(i->plan.digest), hex);
	print_digest(o, name, hex, i->plan.record);
	return STATUS_OK;
}

/* Where a file is inspected: what is printed of it. */
enum aspect { ASPECT_PLAN, ASPECT_DIGEST };

static enum exit_status print_inspection(
	const struct options *o, const struct definition_file *f, const struct inspection *i, enum aspect aspect)
{
	if (i->error < 0) {
		say_error(f->path, "%s", i->why.text);
		return i->error == -EOPNOTSUPP ? STATUS_FAILED : STATUS_INVALID_DEFINITION;
	}
	return aspect == ASPECT_PLAN ? print_inspected_plan(o, i) : print_inspected_digest(o, f->spec->name, i);
}

static enum exit_status inspect_file(struct client *c, const char *path, enum aspect aspect)
{
	_cleanup_(definition_file_fini) struct definition_file f = {};
	enum exit_status status = definition_file_load(path, c->options, &f);
	const struct spec_file *missing;
	struct inspection i = {};
	struct error e = {};

	if (status != STATUS_OK) {
		definition_file_print(&f, stderr);
		return status;
	}
	missing = inspect_missing(&f);
	if (missing) {
		say_error(path, "the image \"%s\" is given by its SHA-256 alone, so only hvmd has it: define it and "
			"plan %s by its name", missing->id, f.spec->name);
		return STATUS_FAILED;
	}
	if (spec_check_supported(f.spec, &e) < 0) {
		say_error(path, "%s", e.text);
		return STATUS_FAILED;
	}
	status = inspect_definition(c->options, &f, &i);
	if (status == STATUS_OK)
		status = print_inspection(c->options, &f, &i, aspect);
	inspection_fini(&i);
	return status;
}

static int read_region(sd_bus_message *reply, struct json *plan)
{
	const char *name, *access;
	struct json *details, *region;
	uint64_t start, size;
	int r = sd_bus_message_read(reply, "stts", &name, &start, &size, &access);

	if (r < 0)
		return r;
	region = make_region(name, start, size, access);
	json_append(plan, region);
	r = message_read_json(reply, &details);
	if (r < 0)
		return r;
	properties_move(region, details);
	json_free(details);
	return sd_bus_message_exit_container(reply);
}

static int read_plan(sd_bus_message *reply, struct json *plan)
{
	int r = sd_bus_message_enter_container(reply, 'a', "(sttsa{sv})");

	while (r >= 0 && (r = sd_bus_message_enter_container(reply, 'r', "sttsa{sv}")) > 0)
		r = read_region(reply, plan);
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

/* What `method` answers from a plan. */
static enum exit_status ask_plan(
	struct client *c, const char *name, const char *method, uint64_t flags, sd_bus_message **ret_reply)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *m = NULL;
	enum exit_status status = vm_message(c, name, method, &m);
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
	enum exit_status status = ask_plan(c, name, "GetMemoryPlan", flags, &reply);
	int r;

	if (status != STATUS_OK)
		return status;
	r = read_plan(reply, plan);
	if (r < 0)
		return say_bad_reply(name, r);
	print_plan(c->options, plan);
	return STATUS_OK;
}

static enum exit_status digest_name(struct client *c, const char *name, uint64_t flags)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	enum exit_status status = ask_plan(c, name, "GetLaunchRecord", flags, &reply);
	const char *digest, *record;
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_read(reply, "ss", &digest, &record);
	if (r < 0)
		return say_bad_reply(name, r);
	print_digest(c->options, name, digest, record);
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
	return is_file(words[0]) ? inspect_file(c, words[0], ASPECT_PLAN) : plan_name(c, words[0], 0);
}

enum exit_status verb_digest(struct client *c, char **words)
{
	if (c->options->running)
		return digest_name(c, words[0], PLAN_IN_FORCE);
	return is_file(words[0]) ? inspect_file(c, words[0], ASPECT_DIGEST) : digest_name(c, words[0], 0);
}

enum exit_status verb_memmap(struct client *c, char **names)
{
	return plan_name(c, names[0], PLAN_IN_FORCE);
}
