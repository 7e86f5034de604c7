/* log-level.c - the verb log-level: what hvmd writes to its log */
#include <stdio.h>

#include "abi/names.h"
#include "client/json.h"
#include "client/options.h"
#include "client/text.h"
#include "client/verbs.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"

static enum exit_status show_level(struct client *c, sd_bus_message *reply)
{
	_cleanup_json_ struct json *json = NULL;
	_cleanup_free_ char *safe = NULL;
	const char *level;
	int r = sd_bus_message_read(reply, "v", "s", &level);

	if (r < 0)
		return say_bad_reply(NULL, r);
	safe = text_one_line(level);
	if (c->options->json == JSON_OFF) {
		puts(safe);
		return STATUS_OK;
	}
	json = json_new(JSON_OBJECT);
	json_set(json, "log_level", json_string(safe));
	json_print(json, c->options->json, stdout);
	return STATUS_OK;
}

enum exit_status verb_log_level(struct client *c, char **words)
{
	_cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
	enum exit_status status = object_message(c, HVMD_LOG_CONTROL_PATH, PROPERTIES, *words ? "Set" : "Get", &m);
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_append(m, "ss", HVMD_IFACE_LOG_CONTROL, "LogLevel");
	if (r >= 0 && *words)
		r = sd_bus_message_append(m, "v", "s", *words);
	if (r < 0)
		return say_bad_arguments(NULL, r);
	status = client_send(c, NULL, m, &reply);
	return status == STATUS_OK && !*words ? show_level(c, reply) : status;
}
