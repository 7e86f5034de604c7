/*
 * scope.c - a unit of systemd's for each monitor: hvm-NAME.scope in hvmd.slice
 *
 * Without one a monitor stays in the unit of its hvmd, from which hvmd.service does not clear it away
 * (KillMode=process). With one it has its own line in systemctl(1), its own limit of memory, and
 * no restart of hvmd concerns it.
 *
 * Making units is for root, and hvmd is not: it asks the registrar (registrar/main.c), which the bus starts, and
 * which tells machined as well. Where there is none (another bus than the system's), hvmd asks systemd itself.
 * Nobody waits for either: where both refuse, VMs run all the same.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/names.h"
#include "base/log.h"
#include "base/macro.h"
#include "bus/objects.h"
#include "bus/transient.h"

#define ANSWER_USEC (60 * 1000000ull) /* of the registrar, which takes one after the other */

/*
 * HRT memory may be there twice, as it was and as it is (monitor/hrt-memory.h), and images are read whole. It is
 * a fence against a monitor that has gone mad, not a price.
 */
#define BESIDE_MEMORY (512 * MiB)

char *scope_of(const struct bus *bus, const struct vm *vm)
{
	char *name;

	if (!bus->has_scopes || vm_leader(vm) <= 0)
		return strdup("");
	return asprintf(&name, TRANSIENT_NAME, vm->stored->name) < 0 ? NULL : name;
}

static struct transient transient_of(const struct vm *vm)
{
	const struct vm_spec *spec = vm_spec_in_force(vm);

	return (struct transient){.vm = vm->stored->name,
		.leader = vm_leader(vm),
		.memory_max = 2 * spec->memory + BESIDE_MEMORY,
		.cpu_weight = spec->cpu_weight};
}

static void note(struct bus *bus, const sd_bus_error *refusal)
{
	bool had = bus->has_scopes;

	bus->has_scopes = !refusal;
	if (bus->has_scopes && !had)
		log_debug("monitors are in scopes of their own");
	if (refusal && !bus->scopes_refused) {
		bus->scopes_refused = true; /* it is the same for all: said once */
		log_info("monitors stay in the unit of hvmd: there is no scope for them: %s", refusal->message);
	}
}

/* A monitor that we have taken over is in its scope already. */
static int on_systemd(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);

	(void)ret_error;
	note(userdata, error && sd_bus_error_has_name(error, SYSTEMD_NAME ".UnitExists") ? NULL : error);
	return 0;
}

static int ask_systemd(struct bus *bus, const struct vm *vm)
{
	const struct transient t = transient_of(vm);
	sd_bus_message *m = NULL;
	int r = transient_new(bus->sd, &t, &m);

	if (r >= 0)
		r = sd_bus_call_async(bus->sd, NULL, m, on_systemd, bus, 0);
	sd_bus_message_unref(m);
	return r;
}

/* Who asked the registrar; the VM may be gone by the time of the answer. */
struct question {
	struct bus *bus; /* borrowed */
	char vm[SPEC_NAME_MAX + 1];
};

static bool is_absent(const sd_bus_error *error)
{
	return sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED);
}

static int on_registrar(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	struct question *q = userdata;
	struct vm *vm;

	(void)ret_error;
	if (!error || !is_absent(error)) {
		note(q->bus, error);
		return 0;
	}
	vm = registry_find(q->bus->registry, q->vm, NULL);
	if (vm && vm_leader(vm) > 0 && ask_systemd(q->bus, vm) < 0)
		log_warning("vm %s: systemd could not be asked for a scope", q->vm);
	return 0;
}

static int append_registration(sd_bus_message *m, const struct vm *vm)
{
	const struct transient t = transient_of(vm);
	int r = sd_bus_message_append(m, "s", t.vm);

	if (r >= 0)
		r = sd_bus_message_append_array(m, 'y', vm->stored->uuid, sizeof(vm->stored->uuid));
	return r < 0 ? r : sd_bus_message_append(m, "utt", (uint32_t)t.leader, t.memory_max, t.cpu_weight);
}

/* Takes over the question. */
static int send_registration(struct bus *bus, sd_bus_message *m, struct question *q)
{
	sd_bus_slot *slot = NULL;
	int r = sd_bus_call_async(bus->sd, &slot, m, on_registrar, q, ANSWER_USEC);

	if (r < 0) {
		free(q);
		return r;
	}
	sd_bus_slot_set_destroy_callback(slot, free);
	sd_bus_slot_set_floating(slot, 1);
	sd_bus_slot_unref(slot);
	return 0;
}

static int ask_registrar(struct bus *bus, const struct vm *vm)
{
	struct question *q = malloc(sizeof(*q));
	sd_bus_message *m = NULL;
	int r;

	if (!q)
		return -ENOMEM;
	q->bus = bus;
	snprintf(q->vm, sizeof(q->vm), "%s", vm->stored->name);
	r = sd_bus_message_new_method_call(
		bus->sd, &m, HVMD_REGISTRAR_NAME, HVMD_REGISTRAR_PATH, HVMD_REGISTRAR_NAME, "Register");
	if (r >= 0)
		r = append_registration(m, vm);
	if (r >= 0)
		r = send_registration(bus, m, take_ptr(q));
	free(q);
	sd_bus_message_unref(m);
	return r;
}

void scope_begin(struct bus *bus, const struct vm *vm)
{
	if (vm_leader(vm) > 0 && ask_registrar(bus, vm) < 0)
		log_warning("vm %s: nobody could be asked for a scope", vm->stored->name);
}
