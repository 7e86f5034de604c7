/*
 * scope.c - a unit of systemd's for each monitor: hvm-NAME.scope in hvmd.slice
 *
 * Without one a monitor stays in the unit of its hvmd, from which hvmd.service does not clear it away
 * (KillMode=process). With one it has its own line in systemctl(1), its own limit of memory, and
 * no restart of hvmd concerns it. systemd is asked and not waited for: where there is none on this bus, or it
 * refuses (making units is for root, unless polkit has a rule), VMs run all the same.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "bus/objects.h"

#define SYSTEMD "org.freedesktop.systemd1"

/*
 * HRT memory may be there twice, as it was and as it is (monitor/hrt-memory.h), and images are read whole. It is
 * a fence against a monitor that has gone mad, not a price.
 */
#define BESIDE_MEMORY (512 * MiB)

static uint64_t memory_max(const struct vm *vm)
{
	return 2 * vm_spec_in_force(vm)->memory + BESIDE_MEMORY;
}

static char *scope_name(const struct vm *vm)
{
	char *name;

	return asprintf(&name, "hvm-%s.scope", vm->stored->name) < 0 ? NULL : name;
}

char *scope_of(const struct bus *bus, const struct vm *vm)
{
	return bus->has_scopes && vm_leader(vm) > 0 ? scope_name(vm) : strdup("");
}

/* A monitor that we have taken over is in its scope already. */
static bool is_done(const sd_bus_error *error)
{
	return !error || sd_bus_error_has_name(error, SYSTEMD ".UnitExists");
}

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	struct bus *bus = userdata;
	bool had = bus->has_scopes;

	(void)ret_error;
	bus->has_scopes = is_done(error);
	if (bus->has_scopes && !had)
		log_debug("monitors are in scopes of their own");
	if (!bus->has_scopes && !bus->scopes_refused) {
		bus->scopes_refused = true; /* it is the same for all: said once */
		log_info("monitors stay in the unit of hvmd: systemd gives them no scope: %s", error->message);
	}
	return 0;
}

static int append_property(sd_bus_message *m, const char *name, const char *type, ...)
{
	va_list ap;
	int r;

	r = sd_bus_message_open_container(m, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", name);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', type);
	va_start(ap, type);
	if (r >= 0)
		r = sd_bus_message_appendv(m, type, ap);
	va_end(ap);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_properties(sd_bus_message *m, const struct vm *vm)
{
	_cleanup_free_ char *description = NULL;
	int r;

	if (asprintf(&description, "Virtual machine %s", vm->stored->name) < 0) {
		description = NULL;
		return -ENOMEM;
	}
	r = sd_bus_message_open_container(m, 'a', "(sv)");
	if (r >= 0)
		r = append_property(m, "Description", "s", description);
	if (r >= 0)
		r = append_property(m, "Slice", "s", "hvmd.slice");
	if (r >= 0)
		r = append_property(m, "PIDs", "au", 1, (uint32_t)vm_leader(vm));
	if (r >= 0)
		r = append_property(m, "MemoryMax", "t", memory_max(vm));
	if (r >= 0)
		r = append_property(m, "CollectMode", "s", "inactive-or-failed");
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int ask(struct bus *bus, const struct vm *vm)
{
	_cleanup_free_ char *name = scope_name(vm);
	sd_bus_message *m = NULL;
	int r;

	if (!name)
		return -ENOMEM;
	r = sd_bus_message_new_method_call(
		bus->sd, &m, SYSTEMD, "/org/freedesktop/systemd1", SYSTEMD ".Manager", "StartTransientUnit");
	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, 0);
	if (r >= 0)
		r = sd_bus_message_append(m, "ss", name, "fail");
	if (r >= 0)
		r = append_properties(m, vm);
	if (r >= 0)
		r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r >= 0)
		r = sd_bus_call_async(bus->sd, NULL, m, on_answer, bus, 0);
	sd_bus_message_unref(m);
	return r;
}

void scope_begin(struct bus *bus, const struct vm *vm)
{
	if (vm_leader(vm) > 0 && ask(bus, vm) < 0)
		log_warning("vm %s: systemd could not be asked for a scope", vm->stored->name);
}
