/* vms.c - see vms.h; one call of SummarizeVMs, so that what is shown was true all at once */
#include "client/vms.h"

#include <stdio.h>
#include <string.h>

#include "base/macro.h"
#include "client/json.h"
#include "client/message.h"

/* The fields of a summary in their order, org.hvmd1(5): their names are those of the properties. */
static const char *const vm_fields[] = {"name", "uuid", "state", "state_reason", "state_details",
	"state_change_timestamp", "exit_reason", "definition_file", "leader", "vcpus", "memory_bytes",
	"autostart", "definition_changed", "n_resets", "partitions"};
static const char *const partition_fields[] = {
	"role", "state", "first_vcpu", "n_vcpus", "memory_start", "memory_bytes", "n_resets"};

/* Makes an object of the first n of an array of values. */
static struct json *name_fields(struct json *values, const char *const *names, size_t n)
{
	struct json *object = json_new(JSON_OBJECT);

	for (size_t i = 0; i < n && i < json_length(values); i++) {
		json_set(object, names[i], values->items[i]);
		values->items[i] = NULL; /* it has gone */
	}
	return object;
}

/* 32 hexadecimal digits become five groups; anything else stays as it is. */
static void format_uuid(struct json *vm)
{
	const char *hex = json_get_string(vm, "uuid");
	char uuid[37];

	if (strlen(hex) != 32)
		return;
	snprintf(uuid, sizeof(uuid), "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16, hex + 20);
	json_set(vm, "uuid", json_string(uuid));
}

static struct json *make_vm(struct json *values)
{
	struct json *vm = name_fields(values, vm_fields, ARRAY_SIZE(vm_fields));
	struct json *partitions = json_get(vm, "partitions");

	if (json_length(values) > ARRAY_SIZE(vm_fields)) /* the last has what only some VMs have, by its names */
		properties_move(vm, values->items[ARRAY_SIZE(vm_fields)]);
	format_uuid(vm);
	for (size_t i = 0; i < json_length(partitions); i++) {
		struct json *partition = partitions->items[i];

		partitions->items[i] = name_fields(partition, partition_fields, ARRAY_SIZE(partition_fields));
		json_free(partition);
	}
	return vm;
}

enum exit_status vms_load(struct client *c, char **names, struct json **ret)
{
	_cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
	struct json *vms;
	enum exit_status status;
	int r;

	status = manager_message(c, "SummarizeVMs", &m);
	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_append_strv(m, names);
	if (r >= 0)
		r = sd_bus_message_append(m, "t", (uint64_t)0);
	if (r < 0)
		return say_bad_arguments(NULL, r);
	status = client_send(c, NULL, m, &reply);
	if (status != STATUS_OK)
		return status;
	r = message_read_json(reply, &vms);
	if (r < 0)
		return say_bad_reply(NULL, r);
	for (size_t i = 0; i < json_length(vms); i++) {
		struct json *values = vms->items[i];

		vms->items[i] = make_vm(values);
		json_free(values);
	}
	*ret = vms;
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
