/* observe.c - verbs that show numbers: telemetry, capabilities, version */
#include <errno.h>
#include <string.h>

#include "abi/names.h"
#include "base/macro.h"
#include "client/json.h"
#include "client/memory.h"
#include "client/message.h"
#include "client/options.h"
#include "client/table.h"
#include "client/text.h"
#include "client/verbs.h"

/* One row a key. */
static void print_pairs(const struct options *o, const struct json *object)
{
	static const char *const header[] = {"KEY", "VALUE"};
	_cleanup_(table_fini) struct table t = table_init(header, ARRAY_SIZE(header));

	for (size_t i = 0; i < json_length(object); i++) {
		_cleanup_free_ char *value = json_to_text(object->items[i]);

		table_add(&t, object->keys[i]);
		table_add(&t, value);
	}
	table_print(&t, !o->no_legend, stdout);
}

static enum exit_status read_reply(
	const char *subject, sd_bus_message *reply, enum json_type type, struct json **ret)
{
	_cleanup_json_ struct json *j = NULL;
	int r = message_read_json(reply, &j);

	if (r >= 0 && j->type != type)
		r = -EBADMSG;
	if (r < 0)
		return say_bad_reply(subject, r);
	*ret = take_ptr(j);
	return STATUS_OK;
}

static void add_vm(struct json *all, const char *name, struct json *telemetry)
{
	struct json *vm = json_new(JSON_OBJECT);

	json_sort(telemetry, NULL);
	json_set(vm, "name", json_string(name));
	json_set(vm, "telemetry", telemetry);
	json_append(all, vm);
}

/* A reply of the Manager's GetTelemetry: pairs of path and counters. */
static void add_vms(struct json *all, const struct json *pairs)
{
	for (size_t i = 0; i < json_length(pairs); i++) {
		struct json *pair = pairs->items[i];
		_cleanup_free_ char *name = NULL;

		if (json_length(pair) != 2 || pair->items[0]->type != JSON_STRING ||
			pair->items[1]->type != JSON_OBJECT)
			continue;
		if (sd_bus_path_decode(pair->items[0]->text, HVMD_VM_PREFIX, &name) <= 0)
			continue;
		add_vm(all, name, pair->items[1]);
		pair->items[1] = json_new(JSON_NULL);
	}
	json_sort(all, "name");
}

/* Fills a GetTelemetry of the Manager or of a VM, and sends it. */
static enum exit_status ask(
	struct client *c, const char *subject, sd_bus_message *m, enum json_type type, struct json **ret)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	enum exit_status status;
	int r = sd_bus_message_append_strv(m, (char **)c->options->groups);

	if (r >= 0)
		r = sd_bus_message_append(m, "t", UINT64_C(0));
	if (r < 0)
		return say_bad_arguments(subject, r);
	status = client_send(c, subject, m, &reply);
	return status == STATUS_OK ? read_reply(subject, reply, type, ret) : status;
}

static enum exit_status ask_all(struct client *c, struct json *all)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	_cleanup_json_ struct json *pairs = NULL;
	enum exit_status status = manager_message(c, "GetTelemetry", &m);

	if (status == STATUS_OK)
		status = ask(c, NULL, m, JSON_ARRAY, &pairs);
	if (status == STATUS_OK)
		add_vms(all, pairs);
	return status;
}

static enum exit_status ask_one(struct client *c, const char *name, struct json *all)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	enum exit_status status = vm_message(c, name, "GetTelemetry", &m);
	struct json *telemetry = NULL;

	if (status == STATUS_OK)
		status = ask(c, name, m, JSON_OBJECT, &telemetry);
	if (status == STATUS_OK)
		add_vm(all, name, telemetry);
	return status;
}

static void print_telemetry(const struct options *o, const struct json *all)
{
	for (size_t i = 0; i < json_length(all); i++) {
		_cleanup_free_ char *name = text_one_line(json_get_string(all->items[i], "name"));

		if (!o->no_legend)
			printf("%s%s:\n", i > 0 ? "\n" : "", name);
		print_pairs(o, json_get(all->items[i], "telemetry"));
	}
}

enum exit_status verb_telemetry(struct client *c, char **names)
{
	_cleanup_json_ struct json *all = json_new(JSON_ARRAY);
	enum exit_status status = names[0] ? STATUS_OK : ask_all(c, all);

	for (; *names; names++)
		status = status_first(status, ask_one(c, *names, all));
	if (c->options->json != JSON_OFF)
		json_print(all, c->options->json, stdout);
	else
		print_telemetry(c->options, all);
	return status;
}

/* Takes over `object`. */
static void print_object(const struct options *o, struct json *object)
{
	_cleanup_json_ struct json *array = json_new(JSON_ARRAY);

	json_append(array, object);
	if (o->json != JSON_OFF)
		json_print(array, o->json, stdout);
	else
		print_pairs(o, object);
}

enum exit_status verb_capabilities(struct client *c, char **none)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	enum exit_status status = manager_call(c, NULL, &reply, "GetCapabilities", NULL);
	_cleanup_json_ struct json *properties = NULL;
	struct json *capabilities;

	(void)none;
	if (status == STATUS_OK)
		status = read_reply(NULL, reply, JSON_OBJECT, &properties);
	if (status != STATUS_OK)
		return status;
	capabilities = json_new(JSON_OBJECT);
	properties_move(capabilities, properties);
	json_sort(capabilities, NULL);
	print_object(c->options, capabilities);
	return STATUS_OK;
}

static enum exit_status ask_version(struct client *c, struct json **ret)
{
	_cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
	enum exit_status status = object_message(c, HVMD_PATH, "org.freedesktop.DBus.Properties", "Get", &m);
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_append(m, "ss", HVMD_IFACE_MANAGER, "Version");
	if (r < 0)
		return say_bad_arguments(NULL, r);
	status = client_send(c, NULL, m, &reply);
	return status == STATUS_OK ? read_reply(NULL, reply, JSON_STRING, ret) : status;
}

static void print_versions(const struct json *versions)
{
	for (size_t i = 0; i < json_length(versions); i++) {
		_cleanup_free_ char *version = json_to_text(versions->items[i]);

		printf("%s %s\n", versions->keys[i], version);
	}
}

/* That of hvmctl is printed also where hvmd does not answer. */
enum exit_status verb_version(struct client *c, char **none)
{
	_cleanup_json_ struct json *array = json_new(JSON_ARRAY);
	struct json *versions = json_new(JSON_OBJECT), *hvmd = NULL;
	enum exit_status status = ask_version(c, &hvmd);

	(void)none;
	json_append(array, versions);
	json_set(versions, "hvmctl", json_string(PACKAGE_VERSION));
	if (status == STATUS_OK)
		json_set(versions, "hvmd", hvmd);
	if (c->options->json != JSON_OFF)
		json_print(array, c->options->json, stdout);
	else
		print_versions(versions);
	return status;
}
