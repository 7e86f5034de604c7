/* registry.c - see registry.h */
#include "vm/registry.h"

#include <errno.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "vm/images.h"
#include "vm/internal.h"
#include "vm/plan.h"
#include "vm/sealed.h"
#include "vm/store.h"
#include "vm/work.h"

static_assert(SPEC_SHA256_SIZE == IMAGE_DIGEST_SIZE, "a definition names images by their digest");

/* Finding */

/* Where `name` is, or would have to be. */
static size_t position(const struct registry *registry, const char *name)
{
	size_t low = 0, high = registry->n_vms;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (strcmp(registry->vms[middle]->stored->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct vm *registry_lookup(const struct registry *registry, const char *name)
{
	size_t i = position(registry, name);

	if (i < registry->n_vms && strcmp(registry->vms[i]->stored->name, name) == 0)
		return registry->vms[i];
	return NULL;
}

struct vm *registry_find(const struct registry *registry, const char *name, struct error *e)
{
	struct vm *vm = registry_lookup(registry, name);

	if (!vm)
		error_set(e, -ENOENT, "there is no VM \"%.*s\"", SPEC_NAME_MAX, name);
	return vm;
}

struct owner {
	uint8_t uuid[SPEC_UUID_SIZE]; /* first: what is looked for is a UUID alone */
	struct vm *vm;                /* borrowed */
};

static int compare_uuids(const void *a, const void *b)
{
	return memcmp(a, b, SPEC_UUID_SIZE);
}

static struct owner *lookup_uuid(const struct registry *registry, const uint8_t uuid[SPEC_UUID_SIZE])
{
	struct owner **node = tfind(uuid, &registry->uuids, compare_uuids);

	return node ? *node : NULL;
}

struct vm *registry_find_uuid(
	const struct registry *registry, const uint8_t uuid[SPEC_UUID_SIZE], struct error *e)
{
	const struct owner *owner = lookup_uuid(registry, uuid);

	if (!owner)
		error_set(e, -ENOENT, "there is no VM of this UUID");
	return owner ? owner->vm : NULL;
}

struct vm *registry_find_pid(const struct registry *registry, pid_t pid, struct error *e)
{
	for (size_t i = 0; i < registry->n_vms; i++)
		if (pid > 0 && vm_leader(registry->vms[i]) == pid)
			return registry->vms[i];
	error_set(e, -ENOENT, "process %d is no monitor of a VM", (int)pid);
	return NULL;
}

/* UUIDs */

int registry_check_uuid(
	const struct registry *registry, const struct vm_spec *spec, const struct vm *vm, struct error *e)
{
	const struct owner *owner = lookup_uuid(registry, spec->uuid);

	if (!owner || owner->vm == vm)
		return 0;
	return error_set(e, -EADDRINUSE, "VM %s: its UUID is that of VM %s; leave it out or choose another",
		spec->name, owner->vm->stored->name);
}

/* The UUID of `spec` is that of `vm` from now on. */
static int claim_uuid(struct registry *registry, const struct vm_spec *spec, struct vm *vm, struct error *e)
{
	struct owner *owner;
	int r;

	r = registry_check_uuid(registry, spec, vm, e);
	if (r < 0 || lookup_uuid(registry, spec->uuid))
		return r;
	owner = malloc(sizeof(*owner));
	if (!owner)
		return error_set_errno(e, -ENOMEM, "VM %s", spec->name);
	memcpy(owner->uuid, spec->uuid, SPEC_UUID_SIZE);
	owner->vm = vm;
	if (!tsearch(owner, &registry->uuids, compare_uuids)) {
		free(owner);
		return error_set_errno(e, -ENOMEM, "VM %s", spec->name);
	}
	return 0;
}

static void give_up_uuid(struct registry *registry, const struct vm_spec *spec)
{
	struct owner *owner = lookup_uuid(registry, spec->uuid);

	if (owner)
		tdelete(spec->uuid, &registry->uuids, compare_uuids);
	free(owner);
}

static bool same_uuid(const struct vm_spec *a, const struct vm_spec *b)
{
	return memcmp(a->uuid, b->uuid, SPEC_UUID_SIZE) == 0;
}

/* Images */

static void release_images(struct registry *registry, const struct vm_spec *spec, size_t n)
{
	for (size_t i = 0; i < n; i++)
		digests_remove(&registry->images, spec->files[i].sha256);
}

/* A stored definition has the digest of every file. */
static int hold_images(struct registry *registry, const struct vm_spec *spec, struct error *e)
{
	for (size_t i = 0; i < spec->n_files; i++)
		if (digests_add(&registry->images, spec->files[i].sha256) < 0) {
			release_images(registry, spec, i);
			return error_set_errno(e, -ENOMEM, "VM %s", spec->name);
		}
	return 0;
}

/* What a definition that we could not read, or one that may be on disk, refers to must stay. */
static bool may_remove_images(const struct registry *registry)
{
	return !registry->skipped && !registry->store->in_doubt;
}

/* What is in memory goes in any case. */
static void remove_image(struct registry *registry, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	sealed_forget(registry->context.sealed, digest);
	if (may_remove_images(registry))
		image_remove(registry->store->images, digest);
}

void registry_remove_unused(struct registry *registry, const struct vm_spec *spec)
{
	for (size_t i = 0; i < spec->n_files; i++)
		if (spec->files[i].stored && !digests_have(&registry->images, spec->files[i].sha256))
			remove_image(registry, spec->files[i].sha256);
}

static bool image_used(const void *userdata, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	return digests_have(userdata, digest);
}

void registry_sweep(struct registry *registry)
{
	if (may_remove_images(registry))
		image_sweep(registry->store->images, image_used, &registry->images);
}

/* Adding, changing, removing */

static int make_room(struct registry *registry)
{
	size_t capacity = registry->capacity ? 2 * registry->capacity : 16;
	struct vm **vms;

	if (registry->n_vms < registry->capacity)
		return 0;
	vms = reallocarray(registry->vms, capacity, sizeof(struct vm *));
	if (!vms)
		return -ENOMEM;
	registry->vms = vms;
	registry->capacity = capacity;
	return 0;
}

int registry_insert(struct registry *registry, struct vm *vm, struct error *e)
{
	struct vm **at;
	int r;

	if (make_room(registry) < 0)
		return error_set_errno(e, -ENOMEM, "VM %s", vm->stored->name);
	r = claim_uuid(registry, vm->stored, vm, e);
	if (r < 0)
		return r;
	r = hold_images(registry, vm->stored, e);
	if (r < 0) {
		give_up_uuid(registry, vm->stored);
		return r;
	}
	at = registry->vms + position(registry, vm->stored->name);
	memmove(at + 1, at, (size_t)(registry->vms + registry->n_vms++ - at) * sizeof(*at));
	*at = vm;
	return 0;
}

void registry_take_out(struct registry *registry, struct vm *vm)
{
	struct vm **at = registry->vms + position(registry, vm->stored->name);

	give_up_uuid(registry, vm->stored);
	release_images(registry, vm->stored, vm->stored->n_files);
	memmove(at, at + 1, (size_t)(registry->vms + --registry->n_vms - at) * sizeof(*at));
}

void registry_drop(struct registry *registry, struct vm *vm)
{
	if (registry->context.listener)
		registry->context.listener->removed(registry->context.userdata, vm);
	registry_take_out(registry, vm);
	registry_remove_unused(registry, vm->stored);
	vm_free(vm);
}

int registry_prepare(
	struct registry *registry, const struct vm *vm, const struct vm_spec *spec, struct error *e)
{
	int r;

	r = claim_uuid(registry, spec, (struct vm *)vm, e);
	if (r < 0)
		return r;
	r = hold_images(registry, spec, e);
	if (r < 0 && !same_uuid(spec, vm->stored))
		give_up_uuid(registry, spec);
	return r;
}

void registry_cancel(struct registry *registry, const struct vm *vm, const struct vm_spec *spec)
{
	release_images(registry, spec, spec->n_files);
	if (!same_uuid(spec, vm->stored))
		give_up_uuid(registry, spec);
}

void registry_commit(struct registry *registry, struct vm *vm, struct vm_spec *spec)
{
	release_images(registry, vm->stored, vm->stored->n_files);
	if (!same_uuid(spec, vm->stored))
		give_up_uuid(registry, vm->stored);
	registry_remove_unused(registry, vm->stored);
	vm_redefine(vm, spec);
}

/* The whole */

int registry_new(struct event_base *base, const char *state_dir, const char *monitor_path,
	const char *kvm_path, struct registry **ret, struct error *e)
{
	_cleanup_(registry_freep) struct registry *registry = calloc(1, sizeof(*registry));
	int r;

	if (registry)
		registry->workers = workers_new(base);
	if (!registry || !registry->workers)
		return error_set_errno(e, -ENOMEM, "the registry");
	r = store_open(state_dir, &registry->store, e);
	if (r < 0)
		return r;
	registry->context = (struct vm_context){.base = base,
		.store = registry->store,
		.sealed = sealed_new(registry->workers, registry->store->images),
		.registry = registry,
		.monitor_path = monitor_path,
		.runs = -1,
		.kvm_path = kvm_path};
	if (!registry->context.sealed)
		return error_set_errno(e, -ENOMEM, "the registry");
	host_probe(kvm_path, &registry->context.host);
	r = registry_load(registry, e);
	if (r < 0)
		return r;
	*ret = take_ptr(registry);
	return 0;
}

struct registry *registry_free(struct registry *registry)
{
	if (!registry)
		return NULL;
	registry->context.listener = NULL;
	workers_free(registry->workers);
	autostart_stop(registry->autostart);
	plan_cancel_all(&registry->context);
	for (size_t i = 0; i < registry->n_vms; i++)
		vm_free(registry->vms[i]);
	autostart_free(registry->autostart);
	free(registry->vms);
	tdestroy(registry->uuids, free);
	digests_fini(&registry->images);
	sealed_free(registry->context.sealed);
	close_fd(registry->context.runs);
	store_free(registry->store);
	free(registry);
	return NULL;
}

void registry_listen(struct registry *registry, const struct vm_listener *listener, void *userdata)
{
	registry->context.listener = listener;
	registry->context.userdata = userdata;
}

const struct host *registry_probe_host(struct registry *registry)
{
	vm_context_probe_host(&registry->context);
	return &registry->context.host;
}

int registry_undefine(struct registry *registry, struct vm *vm, struct error *e)
{
	int r;

	if (vm_is_active(vm))
		return error_set(e, -EBUSY, "VM %s is %s; stop it first", vm->stored->name,
			vm_state_to_string(vm->life.state));
	r = store_remove(registry->store, vm->stored->name, e);
	if (r < 0)
		return r;
	registry_drop(registry, vm);
	return 0;
}

static bool is_unsettled(const struct vm *vm)
{
	return vm_is_active(vm) && (!vm->survives || vm->life.state == VM_STOPPING);
}

void registry_settle(struct registry *registry, enum vm_reason reason)
{
	autostart_stop(registry->autostart);
	workers_close(registry->workers);
	for (size_t i = 0; i < registry->n_vms; i++)
		if (is_unsettled(registry->vms[i]))
			vm_stop(registry->vms[i], VM_STOP_USEC, reason, NULL, NULL, NULL);
}

void registry_end_jobs(struct registry *registry)
{
	workers_drain(registry->workers);
}

size_t registry_n_active(const struct registry *registry)
{
	size_t n = 0;

	for (size_t i = 0; i < registry->n_vms; i++)
		n += vm_is_active(registry->vms[i]);
	return n;
}

size_t registry_n_unsettled(const struct registry *registry)
{
	size_t n = 0;

	for (size_t i = 0; i < registry->n_vms; i++)
		n += is_unsettled(registry->vms[i]);
	return n;
}

int registry_set_autostart(struct registry *registry, struct vm *vm, bool on, struct error *e)
{
	int r = store_set_autostart(registry->store, vm->stored->name, on, e);

	if (r == 0)
		vm_set_autostart(vm, on);
	return r;
}
