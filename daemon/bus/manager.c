/* manager.c - org.hvmd1.Manager at /org/hvmd1 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/names.h"
#include "base/buffer.h"
#include "base/macro.h"
#include "bus/objects.h"
#include "spec/definition.h"
#include "vm/images.h"
#include "vm/store.h"

#define FAULTS_MAX (256 * KiB) /* of text in an error message */

static const char *const features[] = {"hybrid", "hrt-reset", "console-log", "telemetry", NULL};
static const char *const boot_protocols[] = {"mb64", "multiboot2", "multiboot", "pvh", "linux", NULL};

static int reply_vm(sd_bus_message *m, const struct vm *vm)
{
	_cleanup_free_ char *path = vm_path(vm);

	return path ? sd_bus_reply_method_return(m, "o", path) : -ENOMEM;
}

/* Reads a name and finds its VM. */
static int read_vm(sd_bus_message *m, struct bus *bus, struct vm **ret, sd_bus_error *error)
{
	struct error e = {};
	const char *name;
	int r;

	r = sd_bus_message_read(m, "s", &name);
	if (r < 0)
		return r;
	*ret = registry_find(bus->registry, name, &e);
	return *ret ? 0 : bus_fail(error, -ENOENT, &e);
}

/* Every error on a line of its own: "LINE:COLUMN: PATH: error: sentence". */
static int reply_faults(const struct diagnostics *diagnostics, sd_bus_error *error)
{
	struct buffer b = BUFFER_INIT(FAULTS_MAX);
	_cleanup_free_ char *text = NULL;

	for (size_t i = 0; i < diagnostics->n; i++) {
		const struct diagnostic *d = &diagnostics->items[i];

		if (d->severity != SEVERITY_ERROR)
			continue; /* ValidateDefinition has them */
		buffer_printf(&b, "%s%u:%u: %s: %s: %s", b.size > 0 ? "\n" : "", d->at.line, d->at.column, d->path,
			severity_to_string(d->severity), d->message);
	}
	text = buffer_take_string(&b);
	if (!text)
		return bus_fail(error, -ENOMEM, NULL);
	return sd_bus_error_set(error, bus_error_name(-EBADMSG), text);
}

static int read_file(sd_bus_message *m, struct registry_file files[], size_t *n, sd_bus_error *error)
{
	struct error e;
	int r;

	if (*n >= SPEC_FILES_MAX) {
		error_set(&e, -EINVAL, "more than %d files were passed", SPEC_FILES_MAX);
		return bus_fail(error, -EINVAL, &e);
	}
	r = sd_bus_message_read(m, "sh", &files[*n].id, &files[*n].fd);
	if (r < 0)
		return r;
	for (size_t i = 0; i < *n; i++)
		if (strcmp(files[i].id, files[*n].id) == 0) {
			error_set(
				&e, -EINVAL, "file \"%.*s\" was passed twice", SPEC_FILE_ID_MAX, files[i].id);
			return bus_fail(error, -EINVAL, &e);
		}
	++*n;
	return 0;
}

/* Reads a{sh}; ids and descriptors stay the message's. */
static int read_files(sd_bus_message *m, struct registry_file files[], size_t *n, sd_bus_error *error)
{
	int r;

	r = sd_bus_message_enter_container(m, 'a', "{sh}");
	if (r < 0)
		return r;
	while ((r = sd_bus_message_enter_container(m, 'e', "sh")) > 0) {
		r = read_file(m, files, n, error);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : sd_bus_message_exit_container(m);
}

struct define_call {
	const char *text;
	struct registry_file files[SPEC_FILES_MAX];
	size_t n;
};

static int read_define(sd_bus_message *m, struct define_call *call, sd_bus_error *error)
{
	uint64_t flags;
	int r;

	r = sd_bus_message_read(m, "s", &call->text);
	if (r >= 0)
		r = read_files(m, call->files, &call->n, error);
	if (r >= 0)
		r = sd_bus_message_read(m, "t", &flags);
	return r < 0 ? r : bus_check_flags(flags, 0, error);
}

/* The job keeps the message, and the message keeps the descriptors. */
static int method_define(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct diagnostics diagnostics _cleanup_(diagnostics_fini) = {};
	_cleanup_(job_freep) struct job *job = NULL;
	struct define_call call = {};
	struct bus *bus = userdata;
	struct error e = {};
	int r;

	r = read_define(m, &call, error);
	if (r < 0)
		return r;
	job = job_new(m);
	if (!job)
		return bus_fail(error, -ENOMEM, NULL);
	r = registry_define(bus->registry, call.text, strlen(call.text), call.files, call.n, &diagnostics,
		job_done_define, job, &e);
	if (r == -EBADMSG && diagnostics.n > 0)
		return reply_faults(&diagnostics, error);
	if (r < 0)
		return bus_fail(error, r, &e);
	take_ptr(job);
	return 1;
}

static int method_verify(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	_cleanup_(job_freep) struct job *job = NULL;
	struct bus *bus = userdata;
	struct error e = {};
	char **names = NULL;
	uint64_t flags;
	size_t n = 0;
	int r;

	r = sd_bus_message_read_strv(m, &names);
	if (r >= 0)
		r = sd_bus_message_read(m, "t", &flags);
	if (r >= 0)
		r = bus_check_flags(flags, 0, error);
	while (names && names[n])
		n++;
	if (r >= 0) {
		job = job_new(m);
		r = job ? registry_verify(bus->registry, names, n, job_done_verify, job, &e) : -ENOMEM;
		if (r == 0)
			take_ptr(job);
		r = r < 0 ? bus_fail(error, r, &e) : 1;
	}
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
	return r;
}

/* The reply that is being written, and what became of writing it. */
struct reload {
	sd_bus_message *reply;
	int error;
};

static void append_fault(void *userdata, const char *file, const char *sentence)
{
	struct reload *reload = userdata;

	if (reload->error >= 0)
		reload->error = sd_bus_message_append(reload->reply, "(ss)", file, sentence);
}

static int method_reload(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct reload reload = {};
	struct bus *bus = userdata;
	struct error e = {};
	int r;

	r = sd_bus_message_new_method_return(m, &reload.reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reload.reply, 'a', "(ss)");
	if (r >= 0) {
		r = registry_reload(bus->registry, append_fault, &reload, &e);
		if (r < 0)
			bus_fail(error, r, &e);
	}
	if (r >= 0)
		r = reload.error;
	if (r >= 0)
		r = sd_bus_message_close_container(reload.reply);
	if (r >= 0)
		r = sd_bus_send(NULL, reload.reply, NULL);
	sd_bus_message_unref(reload.reply);
	return r;
}

static int method_undefine(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *bus = userdata;
	struct vm *vm;
	int r = read_vm(m, bus, &vm, error);

	return r < 0 ? r : call_undefine(m, bus->registry, vm, error);
}

/* The numbers of severities are part of the interface. */
static_assert(
	SEVERITY_ERROR == 0 && SEVERITY_WARNING == 1 && SEVERITY_NOTICE == 2, "org.hvmd1(5) says otherwise");

static int append_diagnostics(sd_bus_message *reply, const struct diagnostics *diagnostics)
{
	int r;

	r = sd_bus_message_open_container(reply, 'a', "(usus)");
	for (size_t i = 0; r >= 0 && i < diagnostics->n; i++) {
		const struct diagnostic *d = &diagnostics->items[i];

		r = sd_bus_message_append(
			reply, "(usus)", (uint32_t)d->at.line, d->path, (uint32_t)d->severity, d->message);
	}
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_validate(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct diagnostics diagnostics _cleanup_(diagnostics_fini) = {};
	_cleanup_(vm_spec_freep) struct vm_spec *spec = NULL;
	sd_bus_message *reply = NULL;
	const char *text;
	uint64_t flags;
	int r;

	(void)userdata;
	r = sd_bus_message_read(m, "st", &text, &flags);
	if (r >= 0)
		r = bus_check_flags(flags, 0, error);
	if (r < 0)
		return r;
	r = definition_parse(text, strlen(text), NULL, &diagnostics, &spec);
	if (r == -ENOMEM || diagnostics.out_of_memory)
		return bus_fail(error, -ENOMEM, NULL);
	r = sd_bus_message_new_method_return(m, &reply);
	if (r >= 0)
		r = append_diagnostics(reply, &diagnostics);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

static int method_get(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct vm *vm;
	int r = read_vm(m, userdata, &vm, error);

	return r < 0 ? r : reply_vm(m, vm);
}

static int method_get_by_uuid(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *bus = userdata;
	struct error e = {};
	const void *uuid;
	struct vm *vm;
	size_t size;
	int r;

	r = sd_bus_message_read_array(m, 'y', &uuid, &size);
	if (r < 0)
		return r;
	if (size != SPEC_UUID_SIZE) {
		error_set(&e, -EINVAL, "a UUID has %d bytes, not %zu", SPEC_UUID_SIZE, size);
		return bus_fail(error, -EINVAL, &e);
	}
	vm = registry_find_uuid(bus->registry, uuid, &e);
	return vm ? reply_vm(m, vm) : bus_fail(error, -ENOENT, &e);
}

static int method_get_by_pid(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *bus = userdata;
	struct error e = {};
	struct vm *vm;
	uint32_t pid;
	int r;

	r = sd_bus_message_read(m, "u", &pid);
	if (r < 0)
		return r;
	vm = registry_find_pid(bus->registry, (pid_t)pid, &e);
	return vm ? reply_vm(m, vm) : bus_fail(error, -ENOENT, &e);
}

static int method_start(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct vm *vm;
	int r = read_vm(m, userdata, &vm, error);

	return r < 0 ? r : call_start(m, vm, error);
}

static int method_start_with_options(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct vm *vm;
	int r = read_vm(m, userdata, &vm, error);

	return r < 0 ? r : call_start_with_options(m, vm, error);
}

static int method_shutdown(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct vm *vm;
	int r = read_vm(m, userdata, &vm, error);

	return r < 0 ? r : call_shutdown(m, vm, error);
}

static int method_terminate(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct vm *vm;
	int r = read_vm(m, userdata, &vm, error);

	return r < 0 ? r : call_terminate(m, vm, error);
}

static int method_reset(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct vm *vm;
	int r = read_vm(m, userdata, &vm, error);

	return r < 0 ? r : call_reset(m, vm, error);
}

static int method_telemetry(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *bus = userdata;

	return call_telemetry_all(m, bus->registry, error);
}

static int append_strv(sd_bus_message *reply, const char *key, const char *const *words)
{
	int r;

	r = sd_bus_message_open_container(reply, 'e', "sv");
	if (r >= 0)
		r = sd_bus_message_append(reply, "s", key);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'v', "as");
	if (r >= 0)
		r = sd_bus_message_append_strv(reply, (char **)words);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_capabilities(sd_bus_message *reply, const struct host *host)
{
	int r;

	r = sd_bus_message_open_container(reply, 'a', "{sv}");
	if (r >= 0)
		r = append_strv(reply, "features", features);
	if (r >= 0)
		r = append_strv(reply, "boot-protocols", boot_protocols);
	if (r >= 0)
		r = sd_bus_message_append(reply, "{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}{sv}",
			"version", "s", PACKAGE_VERSION,
			"kvm.available", "b", host->available,
			"kvm.why-not", "s", host->why.text,
			"kvm.api-version", "i", (int32_t)host->api_version,
			"kvm.max-vcpus", "u", (uint32_t)host->max_vcpus,
			"link-version", "u", (uint32_t)LINK_VERSION,
			"max.cores", "u", (uint32_t)SPEC_CORES_MAX,
			"max.files", "u", (uint32_t)SPEC_FILES_MAX,
			"max.memory-bytes", "t", (uint64_t)SPEC_MEMORY_MAX,
			"max.image-bytes", "t", (uint64_t)IMAGE_SIZE_MAX);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int method_capabilities(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct bus *bus = userdata;
	sd_bus_message *reply = NULL;
	int r;

	(void)error;
	r = sd_bus_message_new_method_return(m, &reply);
	if (r >= 0)
		r = append_capabilities(reply, registry_probe_host(bus->registry));
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

GETTER(get_version)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "s", PACKAGE_VERSION);
}

GETTER(get_features)
{
	GETTER_UNUSED;
	return sd_bus_message_append_strv(reply, (char **)features);
}

GETTER(get_boot_protocols)
{
	GETTER_UNUSED;
	return sd_bus_message_append_strv(reply, (char **)boot_protocols);
}

static const struct host *host_of(void *userdata)
{
	return &((struct bus *)userdata)->registry->context.host;
}

GETTER(get_kvm_available)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "b", host_of(userdata)->available);
}

GETTER(get_kvm_api_version)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "i", (int32_t)host_of(userdata)->api_version);
}

GETTER(get_max_vcpus)
{
	GETTER_UNUSED;
	return sd_bus_message_append(reply, "u", (uint32_t)host_of(userdata)->max_vcpus);
}

GETTER(get_n_vms)
{
	struct bus *bus = userdata;

	GETTER_UNUSED;
	return sd_bus_message_append(reply, "u", (uint32_t)bus->registry->n_vms);
}

GETTER(get_definition_path)
{
	struct bus *bus = userdata;
	_cleanup_free_ char *folder = NULL;

	GETTER_UNUSED;
	if (asprintf(&folder, "%s/definitions", bus->registry->store->path) < 0)
		return -ENOMEM;
	return sd_bus_message_append(reply, "as", 1, folder);
}

const sd_bus_vtable manager_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_NAMES("DefineVM", "sa{sh}t",
		SD_BUS_PARAM(definition) SD_BUS_PARAM(files) SD_BUS_PARAM(flags), "o", SD_BUS_PARAM(vm),
		method_define, 0),
	SD_BUS_METHOD_WITH_NAMES(
		"UndefineVM", "st", SD_BUS_PARAM(name) SD_BUS_PARAM(flags), NULL, , method_undefine, 0),
	SD_BUS_METHOD_WITH_NAMES("Verify", "ast", SD_BUS_PARAM(names) SD_BUS_PARAM(flags), "a(sss)",
		SD_BUS_PARAM(faults), method_verify, 0),
	SD_BUS_METHOD_WITH_NAMES("Reload", NULL, , "a(ss)", SD_BUS_PARAM(faults), method_reload, 0),
	SD_BUS_METHOD_WITH_NAMES("ValidateDefinition", "st", SD_BUS_PARAM(definition) SD_BUS_PARAM(flags),
		"a(usus)", SD_BUS_PARAM(diagnostics), method_validate, READ),
	SD_BUS_METHOD_WITH_NAMES("GetVM", "s", SD_BUS_PARAM(name), "o", SD_BUS_PARAM(vm), method_get, READ),
	SD_BUS_METHOD_WITH_NAMES(
		"GetVMByUUID", "ay", SD_BUS_PARAM(uuid), "o", SD_BUS_PARAM(vm), method_get_by_uuid, READ),
	SD_BUS_METHOD_WITH_NAMES(
		"GetVMByPID", "u", SD_BUS_PARAM(pid), "o", SD_BUS_PARAM(vm), method_get_by_pid, READ),
	SD_BUS_METHOD_WITH_NAMES("ListVMs", NULL, , "a(saysuo)", SD_BUS_PARAM(vms), call_list, READ),
	SD_BUS_METHOD_WITH_NAMES("SummarizeVMs", "ast", SD_BUS_PARAM(names) SD_BUS_PARAM(flags),
		"a" VM_SUMMARY_TYPE, SD_BUS_PARAM(vms), call_summarize, READ),
	SD_BUS_METHOD_WITH_NAMES(
		"StartVM", "st", SD_BUS_PARAM(name) SD_BUS_PARAM(flags), NULL, , method_start, 0),
	SD_BUS_METHOD_WITH_NAMES("StartVMWithOptions", "sta{sv}",
		SD_BUS_PARAM(name) SD_BUS_PARAM(flags) SD_BUS_PARAM(options), NULL, , method_start_with_options, 0),
	SD_BUS_METHOD_WITH_NAMES("ShutdownVM", "stt",
		SD_BUS_PARAM(name) SD_BUS_PARAM(timeout_usec) SD_BUS_PARAM(flags), NULL, , method_shutdown,
		0),
	SD_BUS_METHOD_WITH_NAMES("TerminateVM", "s", SD_BUS_PARAM(name), NULL, , method_terminate, 0),
	SD_BUS_METHOD_WITH_NAMES("ResetVM", "ssuu",
		SD_BUS_PARAM(name) SD_BUS_PARAM(scope) SD_BUS_PARAM(first_vcpu) SD_BUS_PARAM(n_vcpus), NULL, ,
		method_reset, 0),
	SD_BUS_METHOD_WITH_NAMES("GetTelemetry", "ast", SD_BUS_PARAM(groups) SD_BUS_PARAM(flags), "a(oa{sv})",
		SD_BUS_PARAM(telemetry), method_telemetry, READ),
	SD_BUS_METHOD_WITH_NAMES(
		"GetCapabilities", NULL, , "a{sv}", SD_BUS_PARAM(capabilities), method_capabilities, READ),
	SD_BUS_SIGNAL_WITH_NAMES("VMNew", "so", SD_BUS_PARAM(name) SD_BUS_PARAM(vm), 0),
	SD_BUS_SIGNAL_WITH_NAMES("VMRemoved", "so", SD_BUS_PARAM(name) SD_BUS_PARAM(vm), 0),
	SD_BUS_SIGNAL_WITH_NAMES("Reloading", "b", SD_BUS_PARAM(active), 0),
	SD_BUS_PROPERTY("Version", "s", get_version, 0, CONST),
	SD_BUS_PROPERTY("Features", "as", get_features, 0, CONST),
	SD_BUS_PROPERTY("BootProtocols", "as", get_boot_protocols, 0, CONST),
	SD_BUS_PROPERTY("KVMAvailable", "b", get_kvm_available, 0, EMITS),
	SD_BUS_PROPERTY("KVMAPIVersion", "i", get_kvm_api_version, 0, EMITS),
	SD_BUS_PROPERTY("MaxVCPUs", "u", get_max_vcpus, 0, EMITS),
	SD_BUS_PROPERTY("NVMs", "u", get_n_vms, 0, EMITS),
	SD_BUS_PROPERTY("DefinitionPath", "as", get_definition_path, 0, CONST),
	SD_BUS_VTABLE_END,
};
