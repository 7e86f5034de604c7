/* lists.c - what the Manager says of many VMs in one reply */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/names.h"
#include "bus/objects.h"
#include "vm/store.h"

static int append_listed(sd_bus_message *reply, const struct vm *vm)
{
	_cleanup_free_ char *path = vm_path(vm);
	int r;

	if (!path)
		return -ENOMEM;
	r = sd_bus_message_open_container(reply, 'r', "saysuo");
	if (r >= 0)
		r = sd_bus_message_append(reply, "s", vm->stored->name);
	if (r >= 0)
		r = sd_bus_message_append_array(reply, 'y', vm->stored->uuid, SPEC_UUID_SIZE);
	if (r >= 0)
		r = sd_bus_message_append(
			reply, "suo", vm_state_to_string(vm->life.state), (uint32_t)vm_leader(vm), path);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

int call_list(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *bus = userdata;
	sd_bus_message *reply = NULL;
	int r;

	(void)error;
	r = sd_bus_message_new_method_return(m, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(saysuo)");
	for (size_t i = 0; r >= 0 && i < bus->registry->n_vms; i++)
		r = append_listed(reply, bus->registry->vms[i]);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

/* org.hvmd1(5) has the fields, "SummarizeVMs". */
static int append_partitions(sd_bus_message *reply, const struct vm *vm)
{
	int r;

	r = sd_bus_message_open_container(reply, 'a', "(ssuuttu)");
	for (int i = 0; r >= 0 && i < N_PARTITION_ROLES; i++) {
		const struct vm_partition *p = &vm->partitions[i];
		struct vm_extent extent;

		if (!p->present)
			continue;
		extent = vm_partition_extent(p);
		r = sd_bus_message_append(reply, "(ssuuttu)", partition_role_to_string(p->role),
			partition_state_to_string(p->state), extent.first_vcpu, extent.n_vcpus,
			extent.memory_start, extent.memory_bytes, p->n_resets);
	}
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* How the HRT that runs talks, if there is one. */
static int append_talk(sd_bus_message *reply, const struct vm *vm)
{
	if (!vm_is_active(vm) || !vm->partitions[PARTITION_HRT].present || !vm->hrt.hypercall[0])
		return 0;
	return sd_bus_message_append(reply, "{sv}{sv}{sv}", "HypercallTransport", "s", vm->hrt.hypercall,
		"NPatchedHypercalls", "u", vm->hrt.n_patched, "UpcallKind", "s", vm->hrt.upcall);
}

/* What is there only for some, and what will come: properties by their names. */
static int append_more(sd_bus_message *reply, const struct vm *vm)
{
	_cleanup_free_ char *unit = scope_of(vm->context->userdata, vm);
	int r;

	r = unit ? sd_bus_message_open_container(reply, 'a', "{sv}") : -ENOMEM;
	if (r >= 0 && unit[0])
		r = sd_bus_message_append(reply, "{sv}", "Unit", "s", unit);
	if (r >= 0 && vm_is_active(vm))
		r = sd_bus_message_append(reply, "{sv}", "Responsive", "b", (int)!vm->unresponsive);
	if (r >= 0 && vm_is_active(vm))
		r = sd_bus_message_append(reply, "{sv}", "Cage", "s", vm_cage(vm));
	if (r >= 0)
		r = append_talk(reply, vm);
	if (r >= 0 && vm->launch_digest[0])
		r = sd_bus_message_append(reply, "{sv}", "LaunchDigest", "s", vm->launch_digest);
	if (r >= 0 && vm->has_exit_reason)
		r = sd_bus_message_append(reply, "{sv}", "ExitStatus", "i", vm->exit_status);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_summary(sd_bus_message *reply, const struct vm *vm)
{
	_cleanup_free_ char *file = store_definition_path(vm->context->store, vm->stored->name);
	const struct vm_spec *spec = vm_spec_in_force(vm);
	int r;

	r = file ? sd_bus_message_open_container(reply, 'r', VM_SUMMARY_FIELDS) : -ENOMEM;
	if (r >= 0)
		r = sd_bus_message_append(reply, "s", vm->stored->name);
	if (r >= 0)
		r = sd_bus_message_append_array(reply, 'y', vm->stored->uuid, SPEC_UUID_SIZE);
	if (r >= 0)
		r = sd_bus_message_append(reply, "ssstssuutbbu", vm_state_to_string(vm->life.state),
			vm_reason_to_string(vm->life.reason), vm->life.details.text, vm->life.since_realtime,
			vm->has_exit_reason ? vm_reason_to_string(vm->exit_reason) : "", file,
			(uint32_t)vm_leader(vm), spec->cores, spec->memory, (int)vm->autostart,
			(int)(vm->replaced != NULL), vm->n_resets);
	if (r >= 0)
		r = append_partitions(reply, vm);
	if (r >= 0)
		r = append_more(reply, vm);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* All VMs, or those of these names that there are. */
static int append_summaries(sd_bus_message *reply, const struct registry *registry, char *const *names)
{
	int r = 0;

	if (!names || !names[0])
		for (size_t i = 0; r >= 0 && i < registry->n_vms; i++)
			r = append_summary(reply, registry->vms[i]);
	for (; r >= 0 && names && *names; names++) {
		const struct vm *vm = registry_find(registry, *names, NULL);

		if (vm)
			r = append_summary(reply, vm);
	}
	return r;
}

static void names_free(char **names)
{
	for (size_t i = 0; names && names[i]; i++)
		free(names[i]);
	free(names);
}
DEFINE_CLEANUP(char **, names_free);

int call_summarize(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	_cleanup_(names_freep) char **names = NULL;
	sd_bus_message *reply = NULL;
	struct bus *bus = userdata;
	uint64_t flags;
	int r;

	r = sd_bus_message_read_strv(m, &names);
	if (r >= 0)
		r = sd_bus_message_read(m, "t", &flags);
	if (r >= 0)
		r = bus_check_flags(flags, 0, error);
	if (r >= 0)
		r = sd_bus_message_new_method_return(m, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', VM_SUMMARY_TYPE);
	if (r >= 0)
		r = append_summaries(reply, bus->registry, names);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

/*
 * sd-bus answers GetManagedObjects with all properties of all objects: some 4 KiB for each VM, and a tenth
 * of a millisecond in which nobody else is served. dbus-daemon throws out who sends more than 32 MiB.
 */
int refuse_managed_objects(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *bus = userdata;

	if (bus->registry->n_vms <= MANAGED_MAX ||
		!sd_bus_message_is_method_call(m, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects"))
		return 0;
	return sd_bus_error_setf(error, SD_BUS_ERROR_LIMITS_EXCEEDED,
		"%zu VMs are more than GetManagedObjects tells of, which is %d; ask org.hvmd1.Manager.SummarizeVMs",
		bus->registry->n_vms, MANAGED_MAX);
}
