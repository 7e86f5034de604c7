/* calls.c - what the Manager and the objects themselves offer alike */
#include <errno.h>
#include <string.h>

#include "base/macro.h"
#include "bus/objects.h"

static int no_memory(sd_bus_error *error)
{
	return bus_fail(error, -ENOMEM, NULL);
}

/* Ends a call that began a job: the job is handed over, or its refusal reported. */
static int began(struct job **job, int r, const struct error *e, sd_bus_error *error)
{
	if (r < 0)
		return bus_fail(error, r, e);
	take_ptr(*job);
	return 1;
}

static int start(sd_bus_message *call, struct vm *vm, const struct vm_start_options *options, sd_bus_error *error)
{
	_cleanup_(job_freep) struct job *job = job_new(call);
	struct error e = {};

	if (!job)
		return no_memory(error);
	return began(&job, vm_start(vm, options, job_done, job, &e), &e, error);
}

int call_start(sd_bus_message *call, struct vm *vm, sd_bus_error *error)
{
	uint64_t flags;
	int r;

	r = sd_bus_message_read(call, "t", &flags);
	if (r >= 0)
		r = bus_check_flags(flags, 0, error);
	return r < 0 ? r : start(call, vm, NULL, error);
}

/* One entry of a{sv}; its text stays the message's. */
static int read_start_option(sd_bus_message *call, struct vm_start_options *options, sd_bus_error *error)
{
	const struct {
		const char *name;
		const char **text;
	} known[] = {
		{"append", &options->append},
		{"append-ros", &options->append_to[PARTITION_ROS]},
		{"append-hrt", &options->append_to[PARTITION_HRT]},
	};
	struct error e;
	const char *name;
	int r;

	r = sd_bus_message_read(call, "s", &name);
	if (r < 0)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (strcmp(name, known[i].name) == 0) {
			r = sd_bus_message_read(call, "v", "s", known[i].text);
			if (r != -ENXIO)
				return r;
			error_set(&e, -EINVAL, "option \"%s\" is not a text (s)", name);
			return bus_fail(error, -EINVAL, &e);
		}
	error_set(&e, -EINVAL, "option \"%.32s\" is not known; known are append, append-ros and append-hrt", name);
	return bus_fail(error, -EINVAL, &e);
}

static int read_start_options(sd_bus_message *call, struct vm_start_options *options, sd_bus_error *error)
{
	int r = sd_bus_message_enter_container(call, 'a', "{sv}");

	if (r < 0)
		return r;
	while ((r = sd_bus_message_enter_container(call, 'e', "sv")) > 0) {
		r = read_start_option(call, options, error);
		if (r >= 0)
			r = sd_bus_message_exit_container(call);
		if (r < 0)
			return r;
	}
	return r < 0 ? r : sd_bus_message_exit_container(call);
}

int call_start_with_options(sd_bus_message *call, struct vm *vm, sd_bus_error *error)
{
	struct vm_start_options options = {};
	uint64_t flags;
	int r;

	r = sd_bus_message_read(call, "t", &flags);
	if (r >= 0)
		r = bus_check_flags(flags, 0, error);
	if (r >= 0)
		r = read_start_options(call, &options, error);
	return r < 0 ? r : start(call, vm, &options, error);
}

static int stop(sd_bus_message *call, struct vm *vm, uint64_t timeout_usec, sd_bus_error *error)
{
	_cleanup_(job_freep) struct job *job = job_new(call);
	struct error e = {};

	if (!job)
		return no_memory(error);
	return began(&job, vm_stop(vm, timeout_usec, REASON_HOST_REQUEST, job_done, job, &e), &e, error);
}

int call_shutdown(sd_bus_message *call, struct vm *vm, sd_bus_error *error)
{
	uint64_t timeout_usec, flags;
	int r;

	r = sd_bus_message_read(call, "tt", &timeout_usec, &flags);
	if (r >= 0)
		r = bus_check_flags(flags, 0, error);
	return r < 0 ? r : stop(call, vm, timeout_usec ? timeout_usec : VM_STOP_USEC, error);
}

int call_terminate(sd_bus_message *call, struct vm *vm, sd_bus_error *error)
{
	return stop(call, vm, 0, error);
}

int reset_scope(sd_bus_message *call, struct vm *vm, enum link_scope scope, sd_bus_error *error)
{
	_cleanup_(job_freep) struct job *job = job_new(call);
	struct error e = {};

	if (!job)
		return no_memory(error);
	return began(&job, vm_reset(vm, scope, job_done, job, &e), &e, error);
}

/* A range is fine when it is all the cores of the VM or of one partition. */
static int range_scope(const struct vm *vm, uint32_t first, uint32_t n, enum link_scope *ret, struct error *e)
{
	static const enum link_scope scopes[] = {
		[PARTITION_ROS] = LINK_SCOPE_ROS, [PARTITION_HRT] = LINK_SCOPE_HRT};

	static_assert(ARRAY_SIZE(scopes) == N_PARTITION_ROLES, "a partition has no scope");
	for (int i = 0; i < N_PARTITION_ROLES; i++) {
		struct vm_extent extent;

		if (!vm->partitions[i].present)
			continue;
		extent = vm_partition_extent(&vm->partitions[i]);
		if (first == extent.first_vcpu && n == extent.n_vcpus) {
			*ret = scopes[i];
			return 0;
		}
	}
	if (first == 0 && n == vm_spec_in_force(vm)->cores) {
		*ret = LINK_SCOPE_ALL;
		return 0;
	}
	return error_set(e, -EOPNOTSUPP,
		"VM %s: %u cores from core %u on are not all the cores of a partition; only whole partitions can be reset",
		vm->stored->name, n, first);
}

static int parse_scope(const struct vm *vm, const char *word, uint32_t first, uint32_t n,
	enum link_scope *ret, struct error *e)
{
	if (strcmp(word, "all") == 0)
		*ret = LINK_SCOPE_ALL;
	else if (strcmp(word, "ros") == 0)
		*ret = LINK_SCOPE_ROS;
	else if (strcmp(word, "hrt") == 0)
		*ret = LINK_SCOPE_HRT;
	else if (strcmp(word, "range") == 0)
		return range_scope(vm, first, n, ret, e);
	else
		return error_set(
			e, -EINVAL, "scope \"%.32s\" is not known; known are all, ros, hrt and range", word);
	return 0;
}

int call_reset(sd_bus_message *call, struct vm *vm, sd_bus_error *error)
{
	enum link_scope scope = LINK_SCOPE_ALL;
	struct error e = {};
	const char *word;
	uint32_t first, n;
	int r;

	r = sd_bus_message_read(call, "suu", &word, &first, &n);
	if (r < 0)
		return r;
	r = parse_scope(vm, word, first, n, &scope, &e);
	return r < 0 ? bus_fail(error, r, &e) : reset_scope(call, vm, scope, error);
}

int call_load_image(sd_bus_message *call, struct vm_partition *partition, sd_bus_error *error)
{
	_cleanup_(job_freep) struct job *job = NULL;
	struct vm *vm = partition->vm;
	struct error e = {};
	uint64_t flags;
	int fd, r;

	r = sd_bus_message_read(call, "ht", &fd, &flags);
	if (r >= 0)
		r = bus_check_flags(flags, 0, error);
	if (r < 0)
		return r;
	if (partition->role != PARTITION_HRT) {
		error_set(&e, -EOPNOTSUPP, "VM %s: while it runs, only its HRT can get another image", vm->stored->name);
		return bus_fail(error, -EOPNOTSUPP, &e);
	}
	job = job_new(call); /* it keeps the message, and the message keeps the descriptor */
	if (!job)
		return no_memory(error);
	return began(&job, registry_replace_image(vm->context->registry, vm, fd, job_done, job, &e), &e, error);
}

int call_undefine(sd_bus_message *call, struct registry *registry, struct vm *vm, sd_bus_error *error)
{
	struct error e = {};
	uint64_t flags;
	int r;

	r = sd_bus_message_read(call, "t", &flags);
	if (r >= 0)
		r = bus_check_flags(flags, 0, error);
	if (r < 0)
		return r;
	r = registry_undefine(registry, vm, &e);
	return r < 0 ? bus_fail(error, r, &e) : sd_bus_reply_method_return(call, "");
}
