/* bus.c - see bus.h */
#include "client/bus.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "abi/names.h"
#include "base/macro.h"
#include "client/memory.h"
#include "client/options.h"
#include "client/say.h"

/* Building a large VM or storing a large image takes its time; --timeout comes on top. */
#define CALL_TIMEOUT_USEC (120 * UINT64_C(1000000))

void client_fini(struct client *c)
{
	c->bus = sd_bus_flush_close_unref(c->bus);
}

static int open_address(const char *address, sd_bus **ret)
{
	sd_bus *bus = NULL;
	int r = sd_bus_new(&bus);

	if (r >= 0)
		r = sd_bus_set_address(bus, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(bus, true);
	if (r >= 0)
		r = sd_bus_start(bus);
	if (r < 0)
		bus = sd_bus_unref(bus);
	*ret = bus;
	return r;
}

static int open_bus(const struct options *o, sd_bus **ret)
{
	if (o->host)
		return sd_bus_open_system_remote(ret, o->host);
	if (strcmp(o->bus, "system") == 0)
		return sd_bus_open_system(ret);
	if (strcmp(o->bus, "user") == 0)
		return sd_bus_open_user(ret);
	return open_address(o->bus, ret);
}

static void say_unreachable(const struct options *o, int error)
{
	const char *why = strerrordesc_np(-error);

	if (o->host)
		say_error(NULL, "cannot reach the system bus of %s: %s", o->host, why);
	else if (strcmp(o->bus, "system") == 0)
		say_error(NULL, "cannot reach the system bus: %s (--user and --bus= choose another)", why);
	else if (strcmp(o->bus, "user") == 0)
		say_error(NULL,
			"cannot reach the user bus: %s (is there a login session, and XDG_RUNTIME_DIR set?)",
			why);
	else
		say_error(NULL,
			"cannot reach the bus at \"%s\": %s (an address is like "
			"unix:path=/run/dbus/system_bus_socket)",
			o->bus, why);
}

enum exit_status client_connect(struct client *c)
{
	int r;

	if (c->bus)
		return STATUS_OK;
	r = open_bus(c->options, &c->bus);
	if (r < 0) {
		c->bus = NULL;
		say_unreachable(c->options, r);
		return STATUS_FAILED;
	}
	sd_bus_set_allow_interactive_authorization(c->bus, true);
	return STATUS_OK;
}

static const struct {
	const char *error;
	enum exit_status status;
} statuses[] = {
	{"org.hvmd1.NoSuchVM", STATUS_NO_SUCH_VM},
	{"org.hvmd1.NotRunning", STATUS_NOT_RUNNING},
	{"org.hvmd1.InvalidDefinition", STATUS_INVALID_DEFINITION},
	{SD_BUS_ERROR_ACCESS_DENIED, STATUS_NOT_AUTHORISED},
	{SD_BUS_ERROR_AUTH_FAILED, STATUS_NOT_AUTHORISED},
	{SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, STATUS_NOT_AUTHORISED},
	{SD_BUS_ERROR_TIMEOUT, STATUS_TIMEOUT},
};

static enum exit_status status_of(const sd_bus_error *error)
{
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++)
		if (sd_bus_error_has_name(error, statuses[i].error))
			return statuses[i].status;
	return STATUS_FAILED;
}

static void say_absent(const struct options *o)
{
	if (o->host)
		say_error(NULL, "hvmd is not there: nobody owns %s on the system bus of %s", HVMD_BUS_NAME,
			o->host);
	else if (strcmp(o->bus, "system") == 0)
		say_error(NULL,
			"hvmd is not there: nobody owns %s on the system bus (try \"systemctl start hvmd\")",
			HVMD_BUS_NAME);
	else
		say_error(NULL, "hvmd is not there: nobody owns %s on the bus \"%s\"", HVMD_BUS_NAME, o->bus);
}

enum exit_status client_failed(struct client *c, const char *subject, const sd_bus_error *error)
{
	if (sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))
		say_absent(c->options);
	else if (sd_bus_error_has_name(error, SD_BUS_ERROR_NO_REPLY))
		say_error(subject, "hvmd went away before it had answered");
	else
		say_error(subject, "%s", error->message && error->message[0] ? error->message : error->name);
	return status_of(error);
}

enum exit_status say_bad_reply(const char *subject, int error)
{
	say_error(subject,
		"hvmd's answer is not what this hvmctl (%s) understands: %s; are their versions the same?",
		PACKAGE_VERSION, strerrordesc_np(-error));
	return STATUS_FAILED;
}

int client_try(struct client *c, sd_bus_message *m, sd_bus_error *ret_error, sd_bus_message **ret_reply)
{
	uint64_t usec = c->patient ? UINT64_MAX : CALL_TIMEOUT_USEC + c->options->timeout_usec;
	int r = sd_bus_call(c->bus, m, usec, ret_error, ret_reply);

	if (r < 0 && !sd_bus_error_is_set(ret_error))
		sd_bus_error_set_errno(ret_error, r);
	return r < 0 ? r : 0;
}

enum exit_status client_send(
	struct client *c, const char *subject, sd_bus_message *m, sd_bus_message **ret_reply)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;

	return client_try(c, m, &error, ret_reply) < 0 ? client_failed(c, subject, &error) : STATUS_OK;
}

enum exit_status say_bad_arguments(const char *subject, int error)
{
	say_error(subject, "this cannot be said over D-Bus: %s", strerrordesc_np(-error));
	return STATUS_FAILED;
}

enum exit_status object_message(
	struct client *c, const char *path, const char *interface, const char *method, sd_bus_message **ret)
{
	enum exit_status status = client_connect(c);
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_new_method_call(c->bus, ret, HVMD_BUS_NAME, path, interface, method);
	return r < 0 ? say_bad_arguments(NULL, r) : STATUS_OK;
}

enum exit_status manager_message(struct client *c, const char *method, sd_bus_message **ret)
{
	return object_message(c, HVMD_PATH, HVMD_IFACE_MANAGER, method, ret);
}

static enum exit_status interface_message(struct client *c, const char *name, const char *interface,
	const char *method, sd_bus_message **ret)
{
	_cleanup_message_ sd_bus_message *found = NULL;
	enum exit_status status = manager_call(c, name, &found, "GetVM", "s", name);
	const char *path;
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_read(found, "o", &path);
	return r < 0 ? say_bad_reply(name, r) : object_message(c, path, interface, method, ret);
}

enum exit_status vm_message(struct client *c, const char *name, const char *method, sd_bus_message **ret)
{
	return interface_message(c, name, HVMD_IFACE_VM, method, ret);
}

enum exit_status partition_message(
	struct client *c, const char *name, const char *role, const char *method, sd_bus_message **ret)
{
	_cleanup_message_ sd_bus_message *found = NULL;
	enum exit_status status = manager_call(c, name, &found, "GetVM", "s", name);
	_cleanup_free_ char *path = NULL;
	const char *vm;
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_read(found, "o", &vm);
	if (r < 0)
		return say_bad_reply(name, r);
	path = memory_printf("%s/partition/%s", vm, role);
	return object_message(c, path, HVMD_IFACE_PARTITION, method, ret);
}

enum exit_status vm_set_property(struct client *c, const char *name, const char *property, const char *type, ...)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	enum exit_status status = interface_message(c, name, "org.freedesktop.DBus.Properties", "Set", &m);
	va_list ap;
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_append(m, "ss", HVMD_IFACE_VM, property);
	if (r >= 0)
		r = sd_bus_message_open_container(m, SD_BUS_TYPE_VARIANT, type);
	va_start(ap, type);
	if (r >= 0)
		r = sd_bus_message_appendv(m, type, ap);
	va_end(ap);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? say_bad_arguments(name, r) : client_send(c, name, m, NULL);
}

static enum exit_status fill_and_send(struct client *c, const char *subject, sd_bus_message *m,
	sd_bus_message **ret_reply, const char *types, va_list ap)
{
	int r = types ? sd_bus_message_appendv(m, types, ap) : 0;

	return r < 0 ? say_bad_arguments(subject, r) : client_send(c, subject, m, ret_reply);
}

enum exit_status manager_call(struct client *c, const char *subject, sd_bus_message **ret_reply,
	const char *method, const char *types, ...)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	enum exit_status status = manager_message(c, method, &m);
	va_list ap;

	if (status != STATUS_OK)
		return status;
	va_start(ap, types);
	status = fill_and_send(c, subject, m, ret_reply, types, ap);
	va_end(ap);
	return status;
}

enum exit_status vm_call(struct client *c, const char *name, sd_bus_message **ret_reply, const char *method,
	const char *types, ...)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	enum exit_status status = vm_message(c, name, method, &m);
	va_list ap;

	if (status != STATUS_OK)
		return status;
	va_start(ap, types);
	status = fill_and_send(c, name, m, ret_reply, types, ap);
	va_end(ap);
	return status;
}
