/* vm.c - org.hvmd1.VM at /org/hvmd1/vm/NAME */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/names.h"
#include "bus/objects.h"
#include "spec/definition.h"
#include "vm/plan.h"
#include "vm/store.h"

#define DEFINITION_IN_FORCE 1u
#define PLAN_IN_FORCE       1u
#define CONSOLE_FORCE       1u /* whoever writes now only watches from here on */
#define CONSOLE_READ_ONLY   2u

static int method_start(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return call_start(m, userdata, error);
}

static int method_start_with_options(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return call_start_with_options(m, userdata, error);
}

static int method_shutdown(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return call_shutdown(m, userdata, error);
}

static int method_terminate(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return call_terminate(m, userdata, error);
}

static int method_reset(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return call_reset(m, userdata, error);
}

static int method_undefine(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct vm *vm = userdata;

	return call_undefine(m, vm->context->registry, vm, error);
}

static int method_get_definition(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	_cleanup_free_ char *text = NULL;
	struct vm *vm = userdata;
	uint64_t flags;
	int r;

	r = sd_bus_message_read(m, "t", &flags);
	if (r >= 0)
		r = bus_check_flags(flags, DEFINITION_IN_FORCE, error);
	if (r < 0)
		return r;
	text = definition_format(flags & DEFINITION_IN_FORCE ? vm_spec_in_force(vm) : vm->stored);
	return text ? sd_bus_reply_method_return(m, "s", text) : bus_fail(error, -ENOMEM, NULL);
}

/* Both of these answer from a plan, of the next start or of the run in force. */
static int plan_call(sd_bus_message *m, struct vm *vm, vm_plan_fn done, sd_bus_error *error)
{
	_cleanup_(job_freep) struct job *job = NULL;
	struct error e = {};
	uint64_t flags;
	int r;

	r = sd_bus_message_read(m, "t", &flags);
	if (r >= 0)
		r = bus_check_flags(flags, PLAN_IN_FORCE, error);
	if (r < 0)
		return r;
	job = job_new(m);
	if (!job)
		return bus_fail(error, -ENOMEM, NULL);
	r = flags & PLAN_IN_FORCE ? vm_plan_running(vm, done, job, &e) : vm_plan_next(vm, done, job, &e);
	if (r < 0)
		return bus_fail(error, r, &e);
	take_ptr(job);
	return 1;
}

static int method_get_memory_plan(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return plan_call(m, userdata, job_done_plan, error);
}

static int method_get_launch_record(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return plan_call(m, userdata, job_done_record, error);
}

static int method_telemetry(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	return call_telemetry(m, userdata, NULL, error);
}

/* Reads "st" and checks them; *ret is the console's name. */
static int read_console(sd_bus_message *m, const struct vm *vm, uint64_t known_flags, const char **ret,
	uint64_t *ret_flags, sd_bus_error *error)
{
	struct error e = {};
	const char *name;
	int r;

	r = sd_bus_message_read(m, "st", &name, ret_flags);
	if (r >= 0)
		r = bus_check_flags(*ret_flags, known_flags, error);
	if (r < 0)
		return r;
	*ret = vm_console_name(vm, name, &e);
	return *ret ? 0 : bus_fail(error, -ENOTTY, &e);
}

static enum link_console console_mode(uint64_t flags)
{
	if (flags & CONSOLE_READ_ONLY)
		return LINK_CONSOLE_WATCH;
	return flags & CONSOLE_FORCE ? LINK_CONSOLE_TAKE_OVER : LINK_CONSOLE_WRITE;
}

static int method_open_console(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	_cleanup_(job_freep) struct job *job = NULL;
	struct error e = {};
	const char *console;
	uint64_t flags;
	int r;

	r = read_console(m, userdata, CONSOLE_FORCE | CONSOLE_READ_ONLY, &console, &flags, error);
	if (r < 0)
		return r;
	job = job_new(m);
	if (!job)
		return bus_fail(error, -ENOMEM, NULL);
	r = vm_console(userdata, console, console_mode(flags), job_done_console, job, &e);
	if (r < 0)
		return bus_fail(error, r, &e);
	take_ptr(job);
	return 1;
}

static int method_open_console_log(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	_cleanup_close_ int fd = -1;
	struct vm *vm = userdata;
	struct error e = {};
	const char *console;
	uint64_t flags;
	int r;

	r = read_console(m, vm, 0, &console, &flags, error);
	if (r < 0)
		return r;
	r = store_console_open(vm->context->store, vm->stored->name, console, &fd, &e);
	return r < 0 ? bus_fail(error, r, &e) : sd_bus_reply_method_return(m, "h", fd);
}

GETTER(get_name)
{
	struct vm *vm = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", vm->stored->name);
}

GETTER(get_uuid)
{
	struct vm *vm = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append_array(reply, 'y', vm->stored->uuid, SPEC_UUID_SIZE);
}

GETTER(get_state)
{
	struct vm *vm = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", vm_state_to_string(vm->life.state));
}

GETTER(get_reason)
{
	struct vm *vm = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", vm_reason_to_string(vm->life.reason));
}

GETTER(get_details)
{
	struct vm *vm = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", vm->life.details.text);
}

GETTER(get_since)
{
	struct vm *vm = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "t", vm->life.since_realtime);
}

GETTER(get_since_monotonic)
{
	struct vm *vm = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "t", vm->life.since_monotonic);
}

/* Every VM of this version has its definition in the store. */
GETTER(get_persistent)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "b", 1);
}

GETTER(get_autostart)
{
	struct vm *vm = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "b", vm->autostart);
}

static int set_autostart(sd_bus *sd, const char *path, const char *interface, const char *property,
	sd_bus_message *value, void *userdata, sd_bus_error *error)
{
	struct vm *vm = userdata;
	struct error e = {};
	int on, r;

	(void)sd, (void)path, (void)interface, (void)property;
	r = sd_bus_message_read(value, "b", &on);
	if (r < 0)
		return r;
	r = registry_set_autostart(vm->context->registry, vm, on, &e);
	return r < 0 ? bus_fail(error, r, &e) : 1;
}

GETTER(get_definition_file)
{
	struct vm *vm = userdata;
	_cleanup_free_ char *file = store_definition_path(vm->context->store, vm->stored->name);

	GETTER_UNUSED;
	return file ? sd_bus_message_append(reply, "s", file) : -ENOMEM;
}

GETTER(get_definition_changed)
{
	struct vm *vm = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "b", vm->replaced != NULL);
}

GETTER(get_vcpus)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "u", vm_spec_in_force(userdata)->cores);
}

GETTER(get_memory)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "t", vm_spec_in_force(userdata)->memory);
}

/* Of a hybrid, that of the HRT. */
GETTER(get_boot_protocol)
{
	struct vm *vm = userdata;
	enum partition_role role = vm_spec_in_force(vm)->hybrid ? PARTITION_HRT : PARTITION_ROS;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", vm_partition_protocol(&vm->partitions[role]));
}

GETTER(get_partitions)
{
	struct vm *vm = userdata;
	int r;

	GETTER_UNUSED;
	r = sd_bus_message_open_container(reply, 'a', "o");
	for (int i = 0; r >= 0 && i < N_PARTITION_ROLES; i++) {
		_cleanup_free_ char *object = NULL;

		if (!vm->partitions[i].present)
			continue;
		object = partition_path(&vm->partitions[i]);
		r = object ? sd_bus_message_append(reply, "o", object) : -ENOMEM;
	}
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_consoles)
{
	const char *names[N_PARTITION_ROLES];
	size_t n;
	int r;

	GETTER_UNUSED;
	n = vm_consoles(userdata, names);
	r = sd_bus_message_open_container(reply, 'a', "s");
	for (size_t i = 0; i < n && r >= 0; i++)
		r = sd_bus_message_append(reply, "s", names[i]);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

GETTER(get_leader)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "u", (uint32_t)vm_leader(userdata));
}

GETTER(get_responsive)
{
	struct vm *vm = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "b", vm->monitor && !vm->unresponsive);
}

GETTER(get_launch_digest)
{
	struct vm *vm = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", vm->launch_digest);
}

GETTER(get_cage)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", vm_cage(userdata));
}

GETTER(get_unit)
{
	struct vm *vm = userdata;
	_cleanup_free_ char *unit = scope_of(vm->context->userdata, vm);

	GETTER_UNUSED;
	return unit ? sd_bus_message_append(reply, "s", unit) : -ENOMEM;
}

GETTER(get_exit_reason)
{
	struct vm *vm = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(
		reply, "s", vm->has_exit_reason ? vm_reason_to_string(vm->exit_reason) : "");
}

GETTER(get_exit_status)
{
	struct vm *vm = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "i", vm->has_exit_reason ? vm->exit_status : -1);
}

GETTER(get_n_resets)
{
	struct vm *vm = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "u", vm->n_resets);
}

const sd_bus_vtable vm_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_NAMES("Start", "t", SD_BUS_PARAM(flags), NULL, , method_start, 0),
	SD_BUS_METHOD_WITH_NAMES("StartWithOptions", "ta{sv}", SD_BUS_PARAM(flags) SD_BUS_PARAM(options), NULL, ,
		method_start_with_options, 0),
	SD_BUS_METHOD_WITH_NAMES(
		"Shutdown", "tt", SD_BUS_PARAM(timeout_usec) SD_BUS_PARAM(flags), NULL, , method_shutdown, 0),
	SD_BUS_METHOD("Terminate", NULL, NULL, method_terminate, 0),
	SD_BUS_METHOD_WITH_NAMES("Reset", "suu",
		SD_BUS_PARAM(scope) SD_BUS_PARAM(first_vcpu) SD_BUS_PARAM(n_vcpus), NULL, , method_reset, 0),
	SD_BUS_METHOD_WITH_NAMES("Undefine", "t", SD_BUS_PARAM(flags), NULL, , method_undefine, 0),
	SD_BUS_METHOD_WITH_NAMES("GetDefinition", "t", SD_BUS_PARAM(flags), "s", SD_BUS_PARAM(definition),
		method_get_definition, READ),
	SD_BUS_METHOD_WITH_NAMES("GetMemoryPlan", "t", SD_BUS_PARAM(flags), "a(sttsa{sv})", SD_BUS_PARAM(plan),
		method_get_memory_plan, READ),
	SD_BUS_METHOD_WITH_NAMES("GetLaunchRecord", "t", SD_BUS_PARAM(flags), "ss",
		SD_BUS_PARAM(digest) SD_BUS_PARAM(record), method_get_launch_record, READ),
	SD_BUS_METHOD_WITH_NAMES("GetTelemetry", "ast", SD_BUS_PARAM(groups) SD_BUS_PARAM(flags), "a{sv}",
		SD_BUS_PARAM(telemetry), method_telemetry, READ),
	SD_BUS_METHOD_WITH_NAMES("OpenConsole", "st", SD_BUS_PARAM(console) SD_BUS_PARAM(flags), "hs",
		SD_BUS_PARAM(fd) SD_BUS_PARAM(console_name), method_open_console, 0),
	SD_BUS_METHOD_WITH_NAMES("OpenConsoleLog", "st", SD_BUS_PARAM(console) SD_BUS_PARAM(flags), "h",
		SD_BUS_PARAM(fd), method_open_console_log, 0),
	SD_BUS_SIGNAL_WITH_NAMES("StateChanged", "sssa{sv}",
		SD_BUS_PARAM(old_state) SD_BUS_PARAM(new_state) SD_BUS_PARAM(reason) SD_BUS_PARAM(details),
		0),
	SD_BUS_SIGNAL_WITH_NAMES(
		"GuestCrashed", "usa{sv}", SD_BUS_PARAM(vcpu) SD_BUS_PARAM(reason) SD_BUS_PARAM(details), 0),
	SD_BUS_SIGNAL_WITH_NAMES(
		"ResetDone", "suu", SD_BUS_PARAM(scope) SD_BUS_PARAM(first_vcpu) SD_BUS_PARAM(n_vcpus), 0),
	SD_BUS_PROPERTY("Name", "s", get_name, 0, CONST),
	SD_BUS_PROPERTY("UUID", "ay", get_uuid, 0, EMITS),
	SD_BUS_PROPERTY("State", "s", get_state, 0, EMITS),
	SD_BUS_PROPERTY("StateReason", "s", get_reason, 0, EMITS),
	SD_BUS_PROPERTY("StateDetails", "s", get_details, 0, EMITS),
	SD_BUS_PROPERTY("StateChangeTimestamp", "t", get_since, 0, EMITS),
	SD_BUS_PROPERTY("StateChangeTimestampMonotonic", "t", get_since_monotonic, 0, EMITS),
	SD_BUS_WRITABLE_PROPERTY("Autostart", "b", get_autostart, set_autostart, 0, EMITS),
	SD_BUS_PROPERTY("Persistent", "b", get_persistent, 0, CONST),
	SD_BUS_PROPERTY("DefinitionChanged", "b", get_definition_changed, 0, EMITS),
	SD_BUS_PROPERTY("DefinitionFile", "s", get_definition_file, 0, CONST),
	SD_BUS_PROPERTY("VCPUs", "u", get_vcpus, 0, EMITS),
	SD_BUS_PROPERTY("MemoryBytes", "t", get_memory, 0, EMITS),
	SD_BUS_PROPERTY("BootProtocol", "s", get_boot_protocol, 0, EMITS),
	SD_BUS_PROPERTY("Partitions", "ao", get_partitions, 0, EMITS),
	SD_BUS_PROPERTY("Consoles", "as", get_consoles, 0, EMITS),
	SD_BUS_PROPERTY("Leader", "u", get_leader, 0, EMITS),
	SD_BUS_PROPERTY("Responsive", "b", get_responsive, 0, EMITS),
	SD_BUS_PROPERTY("LaunchDigest", "s", get_launch_digest, 0, EMITS),
	SD_BUS_PROPERTY("Cage", "s", get_cage, 0, 0),
	SD_BUS_PROPERTY("Unit", "s", get_unit, 0, 0),
	SD_BUS_PROPERTY("ExitReason", "s", get_exit_reason, 0, EMITS),
	SD_BUS_PROPERTY("ExitStatus", "i", get_exit_status, 0, EMITS),
	SD_BUS_PROPERTY("NResets", "u", get_n_resets, 0, EMITS),
	SD_BUS_VTABLE_END,
};
