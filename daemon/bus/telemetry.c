/*
 * telemetry.c - GetTelemetry, of one VM and of all
 *
 * A VM without a monitor has only what hvmd itself knows, and is answered at
 * once. The Manager asks all monitors at the same time and answers when the last
 * has answered; a monitor that cannot answer does not spoil the others' answers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/macro.h"
#include "bus/objects.h"
#include "vm/telemetry.h"

static void strv_free(char **words)
{
	for (size_t i = 0; words && words[i]; i++)
		free(words[i]);
	free(words);
}

/* Reads "ast"; *ret_groups is the caller's, for strv_free(). */
static int read_groups(sd_bus_message *call, char ***ret_groups, sd_bus_error *error)
{
	char **groups = NULL;
	uint64_t flags;
	struct error e;
	int r;

	r = sd_bus_message_read_strv(call, &groups);
	if (r >= 0)
		r = sd_bus_message_read(call, "t", &flags);
	if (r >= 0)
		r = bus_check_flags(flags, 0, error);
	for (size_t i = 0; r >= 0 && groups && groups[i]; i++)
		if (!telemetry_group_known(groups[i])) {
			error_set(&e, -EINVAL,
				"telemetry group \"%.32s\" is not known; known are vm, partition, vcpu and kvm",
				groups[i]);
			r = bus_fail(error, -EINVAL, &e);
		}
	if (r < 0) {
		strv_free(groups);
		return r;
	}
	*ret_groups = groups;
	return 0;
}

static int append_record(sd_bus_message *reply, const struct telemetry_record *record)
{
	if (record->text)
		return sd_bus_message_append(reply, "{sv}", record->key, "s", record->text);
	return sd_bus_message_append(reply, "{sv}", record->key, "t", record->number);
}

/*
 * Whether a key is about one partition: "partition.hrt.resets", "kvm.hrt.STAT",
 * and with the number of one of its cores "vcpu.2.exits", "kvm.vcpu.2.STAT".
 */
static bool is_about(const char *key, const struct vm_partition *only)
{
	struct vm_extent extent;
	unsigned core;
	char word[8];

	if (!only)
		return true;
	if (sscanf(key, "vcpu.%u.", &core) == 1 || sscanf(key, "kvm.vcpu.%u.", &core) == 1) {
		extent = vm_partition_extent(only);
		return core >= extent.first_vcpu && core - extent.first_vcpu < extent.n_vcpus;
	}
	return sscanf(key, "%*[a-z].%7[a-z].", word) == 1 &&
		strcmp(word, partition_role_to_string(only->role)) == 0;
}

static int append_telemetry(sd_bus_message *reply, const struct telemetry *t, char *const *groups,
	const struct vm_partition *only)
{
	int r;

	r = sd_bus_message_open_container(reply, 'a', "{sv}");
	for (size_t i = 0; r >= 0 && i < t->n; i++)
		if (telemetry_key_wanted(t->records[i].key, groups) && is_about(t->records[i].key, only))
			r = append_record(reply, &t->records[i]);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* One VM */

struct request {
	sd_bus_message *call; /* owned */
	char **groups;        /* owned */
	const struct vm_partition *only; /* borrowed: all of a VM that runs stays as long as it runs */
};

static void request_free(struct request *request)
{
	if (!request)
		return;
	strv_free(request->groups);
	sd_bus_message_unref(request->call);
	free(request);
}
DEFINE_CLEANUP(struct request *, request_free);

static int answer_one(sd_bus_message *call, const struct telemetry *t, char *const *groups,
	const struct vm_partition *only)
{
	sd_bus_message *reply = NULL;
	int r;

	r = sd_bus_message_new_method_return(call, &reply);
	if (r >= 0)
		r = append_telemetry(reply, t, groups, only);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

static void one_done(void *userdata, int error, const struct error *e, const struct telemetry *t)
{
	_cleanup_(request_freep) struct request *request = userdata;

	if (error == 0)
		error = answer_one(request->call, t, request->groups, request->only);
	if (error < 0)
		(void)sd_bus_reply_method_errorf(
			request->call, bus_error_name(error), "%s", error_text(e, error));
}

static int answer_own(sd_bus_message *call, struct vm *vm, char *const *groups,
	const struct vm_partition *only)
{
	struct telemetry own _cleanup_(telemetry_fini) = {};
	int r = vm_telemetry_own(vm, &own);

	return r < 0 ? r : answer_one(call, &own, groups, only);
}

int call_telemetry(sd_bus_message *call, struct vm *vm, const struct vm_partition *only, sd_bus_error *error)
{
	_cleanup_(request_freep) struct request *request = calloc(1, sizeof(*request));
	struct error e = {};
	int r;

	if (!request)
		return bus_fail(error, -ENOMEM, NULL);
	request->call = sd_bus_message_ref(call);
	request->only = only;
	r = read_groups(call, &request->groups, error);
	if (r < 0)
		return r;
	if (!vm_is_active(vm))
		return answer_own(call, vm, request->groups, only);
	r = vm_telemetry(vm, one_done, request, &e);
	if (r < 0)
		return bus_fail(error, r, &e);
	take_ptr(request);
	return 1;
}

/* All VMs */

struct gathering {
	sd_bus_message *call, *reply; /* owned */
	char **groups;                /* owned */
	size_t n_open; /* VMs that have not answered, and one for the beginning */
	int error;     /* of the reply that is being written */
};

struct part {
	/* borrowed */
	struct gathering *all;
	struct vm *vm;
};

static void gathering_free(struct gathering *all)
{
	if (!all)
		return;
	strv_free(all->groups);
	sd_bus_message_unref(all->reply);
	sd_bus_message_unref(all->call);
	free(all);
}
DEFINE_CLEANUP(struct gathering *, gathering_free);

static void gathering_close_one(struct gathering *all)
{
	int r = all->error;

	if (--all->n_open > 0)
		return;
	if (r >= 0)
		r = sd_bus_message_close_container(all->reply);
	if (r >= 0)
		r = sd_bus_send(NULL, all->reply, NULL);
	if (r < 0)
		(void)sd_bus_reply_method_errorf(all->call, bus_error_name(r), "%s", error_text(NULL, r));
	gathering_free(all);
}

static int append_vm(struct gathering *all, const struct vm *vm, const struct telemetry *t)
{
	_cleanup_free_ char *path = vm_path(vm);
	int r;

	if (!path)
		return -ENOMEM;
	r = sd_bus_message_open_container(all->reply, 'r', "oa{sv}");
	if (r >= 0)
		r = sd_bus_message_append(all->reply, "o", path);
	if (r >= 0)
		r = append_telemetry(all->reply, t, all->groups, NULL);
	return r < 0 ? r : sd_bus_message_close_container(all->reply);
}

static void gather(struct gathering *all, const struct vm *vm, const struct telemetry *t)
{
	struct telemetry own _cleanup_(telemetry_fini) = {};
	int r = 0;

	if (!t)
		r = vm_telemetry_own(vm, &own);
	if (r >= 0 && all->error >= 0)
		r = append_vm(all, vm, t ? t : &own);
	if (r < 0)
		all->error = r;
}

static void part_done(void *userdata, int error, const struct error *e, const struct telemetry *t)
{
	_cleanup_free_ struct part *part = userdata;

	if (error < 0)
		log_warning("vm %s: telemetry: %s", part->vm->stored->name, error_text(e, error));
	gather(part->all, part->vm, t);
	gathering_close_one(part->all);
}

static void gather_one(struct gathering *all, struct vm *vm)
{
	_cleanup_free_ struct part *part = NULL;

	if (vm_is_active(vm))
		part = malloc(sizeof(*part));
	if (part) {
		*part = (struct part){.all = all, .vm = vm};
		all->n_open++;
		if (vm_telemetry(vm, part_done, part, NULL) == 0) {
			take_ptr(part);
			return;
		}
		all->n_open--;
	}
	gather(all, vm, NULL);
}

int call_telemetry_all(sd_bus_message *call, struct registry *registry, sd_bus_error *error)
{
	_cleanup_(gathering_freep) struct gathering *all = calloc(1, sizeof(*all));
	int r;

	if (!all)
		return bus_fail(error, -ENOMEM, NULL);
	all->n_open = 1;
	all->call = sd_bus_message_ref(call);
	r = read_groups(call, &all->groups, error);
	if (r >= 0)
		r = sd_bus_message_new_method_return(call, &all->reply);
	if (r >= 0)
		r = sd_bus_message_open_container(all->reply, 'a', "(oa{sv})");
	if (r < 0)
		return r;
	for (size_t i = 0; i < registry->n_vms; i++)
		gather_one(all, registry->vms[i]);
	gathering_close_one(take_ptr(all));
	return 1;
}
