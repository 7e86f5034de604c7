/* log-control.c - org.freedesktop.LogControl1, by which systemctl and hvmctl read and change the log level */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "bus/objects.h"

/* Ours and syslog's, which the interface wants; org.freedesktop.LogControl1(5). What is worse than an error we never say. */
static const struct {
	const char *word;
	enum log_level level;
} levels[] = {
	{"err", LOG_LEVEL_ERROR},
	{"warning", LOG_LEVEL_WARNING},
	{"notice", LOG_LEVEL_NOTICE},
	{"info", LOG_LEVEL_INFO},
	{"debug", LOG_LEVEL_DEBUG},
	{"emerg", LOG_LEVEL_ERROR},
	{"alert", LOG_LEVEL_ERROR},
	{"crit", LOG_LEVEL_ERROR},
};

GETTER(get_level)
{
	const char *word = "";

	GETTER_UNUSED;
	for (size_t i = ARRAY_SIZE(levels); i-- > 0;)
		if (levels[i].level == log_get_level())
			word = levels[i].word;
	return sd_bus_message_append(reply, "s", word);
}

static int set_level(sd_bus *sd, const char *path, const char *interface, const char *property, sd_bus_message *value,
	void *userdata, sd_bus_error *error)
{
	struct error e;
	const char *word;
	int r = sd_bus_message_read(value, "s", &word);

	(void)sd, (void)path, (void)interface, (void)property, (void)userdata;
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		if (strcmp(word, levels[i].word) == 0) {
			log_set_level(levels[i].level);
			return 0;
		}
	error_set(&e, -EINVAL, "log level \"%.32s\" is not known; err, warning, notice, info and debug are", word);
	return bus_fail(error, -EINVAL, &e);
}

/* Standard error, wherever systemd has it lead to. */
GETTER(get_target)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", log_to_journal() ? "journal" : "console");
}

static int set_target(sd_bus *sd, const char *path, const char *interface, const char *property, sd_bus_message *value,
	void *userdata, sd_bus_error *error)
{
	struct error e;

	(void)sd, (void)path, (void)interface, (void)property, (void)value, (void)userdata;
	error_set(&e, -EOPNOTSUPP, "hvmd writes its log where it was told at its start; only the level can be changed");
	return bus_fail(error, -EOPNOTSUPP, &e);
}

GETTER(get_identifier)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", "hvmd");
}

const sd_bus_vtable log_control_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_WRITABLE_PROPERTY("LogLevel", "s", get_level, set_level, 0, 0),
	SD_BUS_WRITABLE_PROPERTY("LogTarget", "s", get_target, set_target, 0, 0),
	SD_BUS_PROPERTY("SyslogIdentifier", "s", get_identifier, 0, 0),
	SD_BUS_VTABLE_END,
};
