/*
 * news.c - what happens to VMs, as signals
 *
 * A signal that cannot be sent (memory is short, the connection is going) is
 * dropped: the properties are the truth, and bus_dispatch() sees a lost
 * connection.
 */
#include <stdio.h>

#include "abi/names.h"
#include "bus/objects.h"

/* Names of properties, for sd_bus_emit_properties_changed_strv(). */
static const char *const state_properties[] = {"State", "StateReason", "StateDetails", "StateChangeTimestamp",
	"StateChangeTimestampMonotonic", "Leader", "Responsive", "ExitReason", "ExitStatus", NULL};
static const char *const definition_properties[] = {
	"UUID", "DefinitionChanged", "VCPUs", "MemoryBytes", "BootProtocol", "Partitions", "Consoles", NULL};
static const char *const autostart_properties[] = {"Autostart", NULL};
static const char *const launch_properties[] = {"LaunchDigest", NULL};
static const char *const reset_properties[] = {"NResets", NULL};
static const char *const partition_properties[] = {"State", "StateReason", "StateDetails", "NResets", NULL};
static const char *const extent_properties[] = {
	"FirstVCPU", "NVCPUs", "MemoryStart", "MemoryBytes", "VisibleMemoryBytes", "BootProtocol", "Image", NULL};
static const char *const hrt_properties[] = {
	"Flags", "GVAOffset", "GVAEntry", "CommPage", "InterruptVector", NULL};
static const char *const entry_properties[] = {"EntryAddress", NULL};
static const char *const kernel_properties[] = {"BootProtocol", "EntryAddress", NULL};
static const char *const protocol_properties[] = {"BootProtocol", NULL};
static const char *const kvm_properties[] = {"KVMAvailable", "KVMAPIVersion", "MaxVCPUs", NULL};

static void tell_properties(
	struct bus *bus, const char *path, const char *interface, const char *const *names)
{
	if (path)
		sd_bus_emit_properties_changed_strv(bus->sd, path, interface, (char **)names);
}

static void tell_partition(
	struct bus *bus, struct vm_partition *p, const char *interface, const char *const *names)
{
	_cleanup_free_ char *path = NULL;

	if (!p->present)
		return;
	path = partition_path(p);
	tell_properties(bus, path, interface, names);
}

static void on_changed(void *userdata, struct vm *vm, unsigned changes)
{
	_cleanup_free_ char *path = vm_path(vm);
	struct vm_partition *ros = &vm->partitions[PARTITION_ROS], *hrt = &vm->partitions[PARTITION_HRT];

	if (changes & VM_CHANGED_STATE)
		tell_properties(userdata, path, HVMD_IFACE_VM, state_properties);
	if (changes & VM_CHANGED_AUTOSTART)
		tell_properties(userdata, path, HVMD_IFACE_VM, autostart_properties);
	if (changes & VM_CHANGED_LAUNCH)
		tell_properties(userdata, path, HVMD_IFACE_VM, launch_properties);
	if (changes & VM_CHANGED_RESETS)
		tell_properties(userdata, path, HVMD_IFACE_VM, reset_properties);
	if (changes & VM_CHANGED_ROS)
		tell_partition(userdata, ros, HVMD_IFACE_PARTITION, partition_properties);
	if (changes & VM_CHANGED_HRT)
		tell_partition(userdata, hrt, HVMD_IFACE_PARTITION, partition_properties);
	if (changes & VM_CHANGED_HRT_IMAGE) {
		tell_partition(userdata, hrt, HVMD_IFACE_HRT, hrt_properties);
		tell_partition(userdata, hrt, HVMD_IFACE_PARTITION, entry_properties);
	}
	if (changes & VM_CHANGED_ROS_IMAGE) {
		tell_properties(userdata, path, HVMD_IFACE_VM, protocol_properties);
		tell_partition(userdata, ros, HVMD_IFACE_PARTITION, kernel_properties);
	}
	if (changes & VM_CHANGED_DEFINITION) {
		tell_properties(userdata, path, HVMD_IFACE_VM, definition_properties);
		tell_partition(userdata, ros, HVMD_IFACE_PARTITION, extent_properties);
		tell_partition(userdata, hrt, HVMD_IFACE_PARTITION, extent_properties);
	}
}

static void on_partition_added(void *userdata, struct vm_partition *p)
{
	_cleanup_free_ char *path = partition_path(p);
	struct bus *bus = userdata;

	if (path)
		sd_bus_emit_object_added(bus->sd, path);
}

static void on_partition_removed(void *userdata, struct vm_partition *p)
{
	_cleanup_free_ char *path = partition_path(p);
	struct bus *bus = userdata;

	if (path)
		sd_bus_emit_object_removed(bus->sd, path);
}

static void on_added(void *userdata, struct vm *vm)
{
	_cleanup_free_ char *path = vm_path(vm);
	struct bus *bus = userdata;

	if (!path)
		return;
	sd_bus_emit_object_added(bus->sd, path);
	for (int i = 0; i < N_PARTITION_ROLES; i++)
		if (vm->partitions[i].present)
			on_partition_added(bus, &vm->partitions[i]);
	sd_bus_emit_signal(bus->sd, HVMD_PATH, HVMD_IFACE_MANAGER, "VMNew", "so", vm->stored->name, path);
}

static void on_removed(void *userdata, struct vm *vm)
{
	_cleanup_free_ char *path = vm_path(vm);
	struct bus *bus = userdata;

	if (!path)
		return;
	for (int i = 0; i < N_PARTITION_ROLES; i++)
		if (vm->partitions[i].present)
			on_partition_removed(bus, &vm->partitions[i]);
	sd_bus_emit_object_removed(bus->sd, path);
	sd_bus_emit_signal(bus->sd, HVMD_PATH, HVMD_IFACE_MANAGER, "VMRemoved", "so", vm->stored->name, path);
}

static void send(sd_bus_message *signal, int r)
{
	if (r >= 0)
		sd_bus_send(NULL, signal, NULL);
	sd_bus_message_unref(signal);
}

/* The a{sv} of both signals below; vcpu is there where a core is to blame, address where it is known. */
static int append_details(
	sd_bus_message *signal, const char *role, int32_t vcpu, uint64_t address, const char *message)
{
	int r;

	r = sd_bus_message_open_container(signal, 'a', "{sv}");
	if (r >= 0)
		r = sd_bus_message_append(signal, "{sv}", "message", "s", message);
	if (r >= 0 && role)
		r = sd_bus_message_append(signal, "{sv}", "partition", "s", role);
	if (r >= 0 && vcpu >= 0)
		r = sd_bus_message_append(signal, "{sv}", "vcpu", "u", (uint32_t)vcpu);
	if (r >= 0 && vcpu >= 0 && address)
		r = sd_bus_message_append(signal, "{sv}", "address", "t", address);
	return r < 0 ? r : sd_bus_message_close_container(signal);
}

/* A signal of a VM, empty; NULL when memory is short. */
static sd_bus_message *vm_signal(struct bus *bus, const struct vm *vm, const char *member)
{
	_cleanup_free_ char *path = vm_path(vm);
	sd_bus_message *signal = NULL;

	if (path)
		sd_bus_message_new_signal(bus->sd, &signal, path, HVMD_IFACE_VM, member);
	return signal;
}

static void on_state_changed(
	void *userdata, struct vm *vm, enum vm_state before, int32_t vcpu, uint64_t address)
{
	sd_bus_message *signal = vm_signal(userdata, vm, "StateChanged");
	int r;

	if (!signal)
		return;
	r = sd_bus_message_append(signal, "sss", vm_state_to_string(before),
		vm_state_to_string(vm->life.state), vm_reason_to_string(vm->life.reason));
	if (r >= 0)
		r = append_details(signal, NULL, vcpu, address, vm->life.details.text);
	send(signal, r);
}

static void on_guest_crashed(void *userdata, struct vm *vm, const struct monitor_news *news)
{
	sd_bus_message *signal = vm_signal(userdata, vm, "GuestCrashed");
	int r;

	if (!signal)
		return;
	/* a crash that is no core's fault names the partition's first */
	r = sd_bus_message_append(signal, "us",
		news->vcpu >= 0 ? (uint32_t)news->vcpu
				: vm_partition_extent(&vm->partitions[news->role]).first_vcpu,
		vm_reason_to_string(news->reason));
	if (r >= 0)
		r = append_details(signal, partition_role_to_string(news->role), news->vcpu, news->address,
			news->details);
	send(signal, r);
}

static const char *scope_word(enum link_scope scope)
{
	switch (scope) {
	case LINK_SCOPE_ALL:
		return "all";
	case LINK_SCOPE_ROS:
		return "ros";
	case LINK_SCOPE_HRT:
		return "hrt";
	}
	return "unknown";
}

static void on_reset_done(
	void *userdata, struct vm *vm, enum link_scope scope, uint32_t first_vcpu, uint32_t n_vcpus)
{
	sd_bus_message *signal = vm_signal(userdata, vm, "ResetDone");

	if (signal)
		send(signal, sd_bus_message_append(signal, "suu", scope_word(scope), first_vcpu, n_vcpus));
}

static void on_host_changed(void *userdata)
{
	tell_properties(userdata, HVMD_PATH, HVMD_IFACE_MANAGER, kvm_properties);
}

static void on_reloading(void *userdata, bool begins)
{
	struct bus *bus = userdata;

	sd_bus_emit_signal(bus->sd, HVMD_PATH, HVMD_IFACE_MANAGER, "Reloading", "b", (int)begins);
}

static bool on_place(void *userdata, struct vm *vm)
{
	return scope_begin(userdata, vm);
}

const struct vm_listener bus_listener = {
	.added = on_added,
	.removed = on_removed,
	.changed = on_changed,
	.state_changed = on_state_changed,
	.guest_crashed = on_guest_crashed,
	.reset_done = on_reset_done,
	.partition_added = on_partition_added,
	.partition_removed = on_partition_removed,
	.host_changed = on_host_changed,
	.reloading = on_reloading,
	.place = on_place,
};
