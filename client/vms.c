/* vms.c - see vms.h; one call of the ObjectManager, so that what is shown was true all at once */
#include "client/vms.h"

#include <string.h>

#include "abi/names.h"
#include "base/macro.h"
#include "client/json.h"
#include "client/memory.h"
#include "client/message.h"

/* 32 hexadecimal digits in five groups; anything else stays as it is. */
static void format_uuid(struct json *vm)
{
	const char *hex = json_get_string(vm, "uuid");

	if (strlen(hex) == 32) {
		_cleanup_free_ char *uuid = memory_printf(
			"%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);

		json_set(vm, "uuid", json_string(uuid));
	}
}

static struct json *make_partition(const struct json *objects, const char *path)
{
	struct json *partition = json_new(JSON_OBJECT);
	const struct json *interfaces = json_get(objects, path);

	json_set(partition, "path", json_string(path));
	properties_move(partition, json_get(interfaces, HVMD_IFACE_PARTITION));
	properties_move(partition, json_get(interfaces, HVMD_IFACE_HRT));
	return partition;
}

static struct json *make_vm(const struct json *objects, const char *path)
{
	_cleanup_json_ struct json *partitions = json_new(JSON_ARRAY);
	struct json *vm = json_new(JSON_OBJECT);
	const struct json *paths;

	properties_move(vm, json_get(json_get(objects, path), HVMD_IFACE_VM));
	format_uuid(vm);
	json_set(vm, "path", json_string(path));
	paths = json_get(vm, "partitions");
	for (size_t i = 0; i < json_length(paths); i++)
		if (paths->items[i]->type == JSON_STRING)
			json_append(partitions, make_partition(objects, paths->items[i]->text));
	json_set(vm, "partitions", take_ptr(partitions));
	return vm;
}

static struct json *make_vms(const struct json *objects)
{
	struct json *vms = json_new(JSON_ARRAY);

	for (size_t i = 0; i < json_length(objects); i++)
		if (json_get(objects->items[i], HVMD_IFACE_VM))
			json_append(vms, make_vm(objects, objects->keys[i]));
	json_sort(vms, "name");
	return vms;
}

enum exit_status vms_load(struct client *c, struct json **ret)
{
	_cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
	_cleanup_json_ struct json *objects = NULL;
	enum exit_status status;
	int r;

	status = object_message(c, HVMD_PATH, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", &m);
	if (status == STATUS_OK)
		status = client_send(c, NULL, m, &reply);
	if (status != STATUS_OK)
		return status;
	r = message_read_json(reply, &objects);
	if (r < 0)
		return say_bad_reply(NULL, r);
	*ret = make_vms(objects);
	return STATUS_OK;
}

const struct json *vms_find(const struct json *vms, const char *name)
{
	for (size_t i = 0; i < json_length(vms); i++)
		if (strcmp(json_get_string(vms->items[i], "name"), name) == 0)
			return vms->items[i];
	return NULL;
}

bool vm_runs(const struct json *vm)
{
	const char *state = json_get_string(vm, "state");

	return strcmp(state, "running") == 0 || strcmp(state, "paused") == 0;
}
