/* keep.c - verbs about what hvmd keeps: enable, disable, verify, reload */
#include <stdio.h>

#include "base/macro.h"
#include "client/json.h"
#include "client/options.h"
#include "client/text.h"
#include "client/verbs.h"

static enum exit_status set_autostart(struct client *c, char **names, int on)
{
	enum exit_status status = STATUS_OK;

	for (; *names; names++)
		status = status_first(status, vm_set_property(c, *names, "Autostart", "b", on));
	return status;
}

enum exit_status verb_enable(struct client *c, char **names)
{
	return set_autostart(c, names, 1);
}

enum exit_status verb_disable(struct client *c, char **names)
{
	return set_autostart(c, names, 0);
}

/* Reads an array of structures of strings, one for each key, into an array of objects. */
static int read_faults(sd_bus_message *reply, const char *const *keys, size_t n_keys, struct json *ret)
{
	const char *const types = n_keys == 2 ? "(ss)" : "(sss)", *const members = n_keys == 2 ? "ss" : "sss";
	const char *word;
	int r;

	r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_ARRAY, types);
	while (r >= 0 && (r = sd_bus_message_enter_container(reply, SD_BUS_TYPE_STRUCT, members)) > 0) {
		struct json *fault = json_new(JSON_OBJECT);

		json_append(ret, fault);
		for (size_t i = 0; r >= 0 && i < n_keys; i++) {
			r = sd_bus_message_read(reply, "s", &word);
			if (r >= 0)
				json_set(fault, keys[i], json_string(word));
		}
		if (r >= 0)
			r = sd_bus_message_exit_container(reply);
	}
	return r;
}

/* "a: hrt: the sentence", the values of each fault in their order */
static void print_faults(const struct json *faults)
{
	for (size_t i = 0; i < json_length(faults); i++)
		for (size_t k = 0; k < json_length(faults->items[i]); k++) {
			_cleanup_free_ char *safe = text_one_line(faults->items[i]->items[k]->text);

			printf("%s%s", safe, k + 1 < json_length(faults->items[i]) ? ": " : "\n");
		}
}

/* Prints what a reply says is wrong; returns `bad` when there is anything. */
static enum exit_status show_faults(
	struct client *c, sd_bus_message *reply, const char *const *keys, size_t n_keys, enum exit_status bad)
{
	_cleanup_json_ struct json *faults = json_new(JSON_ARRAY);
	int r = read_faults(reply, keys, n_keys, faults);

	if (r < 0)
		return say_bad_reply(NULL, r);
	if (c->options->json != JSON_OFF)
		json_print(faults, c->options->json, stdout);
	else
		print_faults(faults);
	return json_length(faults) > 0 ? bad : STATUS_OK;
}

enum exit_status verb_verify(struct client *c, char **names)
{
	static const char *const keys[] = {"name", "file", "message"};
	_cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
	enum exit_status status = manager_message(c, "Verify", &m);
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_append_strv(m, names);
	if (r >= 0)
		r = sd_bus_message_append(m, "t", UINT64_C(0));
	if (r < 0)
		return say_bad_arguments(NULL, r);
	c->patient = true; /* for all there is on a slow disk */
	status = client_send(c, NULL, m, &reply);
	return status == STATUS_OK ? show_faults(c, reply, keys, ARRAY_SIZE(keys), STATUS_FAILED) : status;
}

enum exit_status verb_reload(struct client *c, char **none)
{
	static const char *const keys[] = {"file", "message"};
	_cleanup_message_ sd_bus_message *reply = NULL;
	enum exit_status status = manager_call(c, NULL, &reply, "Reload", NULL);

	(void)none;
	return status == STATUS_OK ? show_faults(c, reply, keys, ARRAY_SIZE(keys), STATUS_INVALID_DEFINITION)
				   : status;
}
