/* wait.c - see wait.h */
#include "client/wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/names.h"
#include "base/macro.h"
#include "client/options.h"
#include "client/say.h"

/* A signal is only the news that it is time to look: the properties are the truth. */
static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)m, (void)userdata, (void)error;
	return 0;
}

static char *path_of(const char *name)
{
	char *path = NULL;

	return sd_bus_path_encode(HVMD_VM_PREFIX, name, &path) < 0 ? NULL : path;
}

static int listen_to(struct client *c, const char *name)
{
	_cleanup_free_ char *path = path_of(name);

	if (!path)
		return -ENOMEM;
	return sd_bus_match_signal(c->bus, NULL, HVMD_BUS_NAME, path, HVMD_IFACE_VM, "StateChanged", on_signal, NULL);
}

enum exit_status wait_listen(struct client *c, char **names)
{
	enum exit_status status = client_connect(c);
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_add_match(c->bus, NULL,
		"type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" HVMD_BUS_NAME "'", on_signal,
		NULL);
	for (; r >= 0 && *names; names++)
		r = listen_to(c, *names);
	if (r >= 0)
		return STATUS_OK;
	say_error(NULL, "cannot listen to hvmd: %s", strerrordesc_np(-r));
	return STATUS_FAILED;
}

/* What counts of a VM, as it is now. */
struct ending {
	char *state, *reason, *details; /* owned */
	int32_t status;
};

static void ending_fini(struct ending *ending)
{
	free(ending->state);
	free(ending->reason);
	free(ending->details);
}

static int get_string(struct client *c, const char *path, const char *property, char **ret, sd_bus_error *error)
{
	return sd_bus_get_property_string(c->bus, HVMD_BUS_NAME, path, HVMD_IFACE_VM, property, error, ret);
}

static int look(struct client *c, const char *name, struct ending *ret, sd_bus_error *error)
{
	_cleanup_free_ char *path = path_of(name);
	int r;

	if (!path)
		return sd_bus_error_set_errno(error, -ENOMEM);
	r = get_string(c, path, "State", &ret->state, error);
	if (r >= 0)
		r = get_string(c, path, "ExitReason", &ret->reason, error);
	if (r >= 0)
		r = get_string(c, path, "StateDetails", &ret->details, error);
	if (r >= 0)
		r = sd_bus_get_property_trivial(
			c->bus, HVMD_BUS_NAME, path, HVMD_IFACE_VM, "ExitStatus", error, 'i', &ret->status);
	return r;
}

static bool is_over(const struct ending *ending)
{
	static const char *const over[] = {"inactive", "crashed", "failed"};

	for (size_t i = 0; i < ARRAY_SIZE(over); i++)
		if (strcmp(ending->state, over[i]) == 0)
			return true;
	return false;
}

static enum exit_status judge(struct client *c, const char *name, const struct ending *ending)
{
	if (ending->status == 0)
		return STATUS_OK;
	if (ending->status < 0)
		say_error(name, "it was stopped (%s) before the guest had ended", ending->reason);
	else if (!c->options->quiet)
		say_error(name, "it has ended (%s)%s%s", ending->reason, ending->details[0] ? ": " : "", ending->details);
	return ending->status < 0 ? STATUS_FAILED : (enum exit_status)(ending->status & 0xFF);
}

/* Sleeps until there may be news. */
static int doze(struct client *c)
{
	int r = sd_bus_wait(c->bus, UINT64_MAX);

	while (r >= 0 && (r = sd_bus_process(c->bus, NULL)) > 0)
		;
	return r;
}

static enum exit_status wait_for_one(struct client *c, const char *name)
{
	for (;;) {
		_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
		_cleanup_(ending_fini) struct ending ending = {};
		int r = look(c, name, &ending, &error);

		if (r < 0)
			return client_failed(c, name, &error);
		if (is_over(&ending))
			return judge(c, name, &ending);
		r = doze(c);
		if (r < 0) {
			say_error(name, "the bus is gone: %s", strerrordesc_np(-r));
			return STATUS_FAILED;
		}
	}
}

enum exit_status wait_for_end(struct client *c, char **names)
{
	enum exit_status status = STATUS_OK;

	for (; *names; names++)
		status = status_first(status, wait_for_one(c, *names));
	return status;
}
