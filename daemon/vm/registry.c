/* registry.c - see registry.h */
#include "vm/registry.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/macro.h"
#include "spec/definition.h"
#include "vm/images.h"
#include "vm/store.h"

static_assert(SPEC_SHA256_SIZE == IMAGE_DIGEST_SIZE, "a definition names images by their digest");

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

static struct vm *lookup(const struct registry *registry, const char *name)
{
	size_t i = position(registry, name);

	if (i < registry->n_vms && strcmp(registry->vms[i]->stored->name, name) == 0)
		return registry->vms[i];
	return NULL;
}

struct vm *registry_find(const struct registry *registry, const char *name, struct error *e)
{
	struct vm *vm = lookup(registry, name);

	if (!vm)
		error_set(e, -ENOENT, "there is no VM \"%.*s\"", SPEC_NAME_MAX, name);
	return vm;
}

static struct vm *lookup_uuid(const struct registry *registry, const uint8_t uuid[SPEC_UUID_SIZE])
{
	for (size_t i = 0; i < registry->n_vms; i++) {
		const struct vm_spec *spec = registry->vms[i]->stored;

		if (spec->has_uuid && memcmp(spec->uuid, uuid, SPEC_UUID_SIZE) == 0)
			return registry->vms[i];
	}
	return NULL;
}

struct vm *registry_find_uuid(
	const struct registry *registry, const uint8_t uuid[SPEC_UUID_SIZE], struct error *e)
{
	struct vm *vm = lookup_uuid(registry, uuid);

	if (!vm)
		error_set(e, -ENOENT, "there is no VM of this UUID");
	return vm;
}

struct vm *registry_find_pid(const struct registry *registry, pid_t pid, struct error *e)
{
	for (size_t i = 0; i < registry->n_vms; i++)
		if (pid > 0 && vm_leader(registry->vms[i]) == pid)
			return registry->vms[i];
	error_set(e, -ENOENT, "process %d is no monitor of a VM", (int)pid);
	return NULL;
}

static int insert(struct registry *registry, struct vm *vm)
{
	struct vm **vms = reallocarray(registry->vms, registry->n_vms + 1, sizeof(struct vm *));
	size_t i;

	if (!vms)
		return -ENOMEM;
	registry->vms = vms;
	i = position(registry, vm->stored->name);
	memmove(vms + i + 1, vms + i, (registry->n_vms - i) * sizeof(struct vm *));
	vms[i] = vm;
	registry->n_vms++;
	return 0;
}

static void take_out(struct registry *registry, const struct vm *vm)
{
	size_t i = position(registry, vm->stored->name);

	registry->n_vms--;
	memmove(registry->vms + i, registry->vms + i + 1, (registry->n_vms - i) * sizeof(struct vm *));
}

static bool image_used(const void *userdata, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	const struct registry *registry = userdata;

	for (size_t i = 0; i < registry->n_vms; i++) {
		const struct vm_spec *spec = registry->vms[i]->stored;

		for (size_t k = 0; k < spec->n_files; k++)
			if (spec->files[k].stored &&
				memcmp(spec->files[k].sha256, digest, IMAGE_DIGEST_SIZE) == 0)
				return true;
	}
	return false;
}

static void sweep(struct registry *registry)
{
	if (!registry->skipped)
		image_sweep(registry->store->images, image_used, registry);
}

/* Loading */

/* What a definition in the store promises beyond being right. */
static int check_stored(
	const struct registry *registry, const struct vm_spec *spec, const char *name, struct error *e)
{
	const struct vm *other;

	if (strcmp(spec->name, name) != 0)
		return error_set(e, -EBADMSG, "it defines VM \"%s\"", spec->name);
	if (!spec->has_uuid)
		return error_set(e, -EBADMSG, "it has no UUID");
	other = lookup_uuid(registry, spec->uuid);
	if (other)
		return error_set(e, -EBADMSG, "its UUID is that of VM %s", other->stored->name);
	for (size_t i = 0; i < spec->n_files; i++)
		if (!spec->files[i].stored || !image_exists(registry->store->images, spec->files[i].sha256))
			return error_set(e, -EBADMSG, "the image of file \"%s\" is not in the store",
				spec->files[i].id);
	return 0;
}

static int parse_stored(const char *text, size_t size, struct vm_spec **ret, struct error *e)
{
	struct diagnostics diagnostics _cleanup_(diagnostics_fini) = {};
	int r;

	r = definition_parse(text, size, NULL, &diagnostics, ret);
	if (r == -ENOMEM)
		return error_set_errno(e, r, "reading it");
	for (size_t i = 0; r < 0 && i < diagnostics.n; i++)
		if (diagnostics.items[i].severity == SEVERITY_ERROR)
			return error_set(e, r, "line %u: %s: %s", diagnostics.items[i].at.line,
				diagnostics.items[i].path, diagnostics.items[i].message);
	return r;
}

static int add(struct registry *registry, struct vm_spec **spec, struct vm **ret, struct error *e)
{
	struct vm *vm = vm_new(&registry->context, *spec);

	if (!vm)
		return error_set_errno(e, -ENOMEM, "VM %s", (*spec)->name);
	if (insert(registry, vm) < 0) {
		vm->stored = NULL; /* still the caller's */
		vm_free(vm);
		return error_set_errno(e, -ENOMEM, "VM %s", (*spec)->name);
	}
	take_ptr(*spec);
	*ret = vm;
	return 0;
}

static int load_one(struct registry *registry, const char *name, struct error *e)
{
	_cleanup_(vm_spec_freep) struct vm_spec *spec = NULL;
	_cleanup_free_ char *text = NULL;
	struct vm *vm;
	size_t size;
	int r;

	r = store_read(registry->store, name, &text, &size, e);
	if (r == 0)
		r = parse_stored(text, size, &spec, e);
	if (r == 0)
		r = check_stored(registry, spec, name, e);
	return r < 0 ? r : add(registry, &spec, &vm, e);
}

static int load(struct registry *registry, struct error *e)
{
	char **names;
	size_t n;
	int r;

	r = store_list(registry->store, &names, &n, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		struct error why = {};

		r = load_one(registry, names[i], &why);
		if (r == 0)
			continue;
		registry->skipped = true;
		log_error("definition %s/definitions/%s.xml is skipped: %s", registry->store->path, names[i],
			error_text(&why, r));
	}
	store_names_free(names, n);
	if (registry->skipped)
		log_warning("no image is removed from %s/images as long as a definition there is faulty",
			registry->store->path);
	sweep(registry);
	return 0;
}

int registry_new(struct event_base *base, const char *state_dir, const char *monitor_path,
	const char *kvm_path, struct registry **ret, struct error *e)
{
	_cleanup_(registry_freep) struct registry *registry = calloc(1, sizeof(*registry));
	int r;

	if (!registry)
		return error_set_errno(e, -ENOMEM, "the registry");
	r = store_open(state_dir, &registry->store, e);
	if (r < 0)
		return r;
	registry->context = (struct vm_context){.base = base,
		.store = registry->store,
		.registry = registry,
		.monitor_path = monitor_path,
		.kvm_path = kvm_path};
	host_probe(kvm_path, &registry->context.host);
	r = load(registry, e);
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
	for (size_t i = 0; i < registry->n_vms; i++)
		vm_free(registry->vms[i]);
	free(registry->vms);
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

/* Defining */

static const struct registry_file *find_file(const struct registry_file *files, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(files[i].id, id) == 0)
			return &files[i];
	return NULL;
}

static int check_files(const struct registry *registry, const struct vm_spec *spec,
	const struct registry_file *files, size_t n_files, struct error *e)
{
	for (size_t i = 0; i < n_files; i++)
		if (!spec_file_find(spec, files[i].id))
			return error_set(e, -EINVAL,
				"file \"%.*s\": a descriptor was passed, but the definition has no such file",
				SPEC_FILE_ID_MAX, files[i].id);
	for (size_t i = 0; i < spec->n_files; i++) {
		const struct spec_file *file = &spec->files[i];

		if (find_file(files, n_files, file->id))
			continue;
		if (!file->stored)
			return error_set(e, -EINVAL,
				"file \"%s\": no descriptor was passed and the definition has no sha256 of a stored image",
				file->id);
		if (!image_exists(registry->store->images, file->sha256))
			return error_set(e, -EINVAL,
				"file \"%s\": no descriptor was passed and the image of its sha256 is not in the store",
				file->id);
	}
	return 0;
}

static int add_images(const struct registry *registry, struct vm_spec *spec,
	const struct registry_file *files, size_t n_files, struct error *e)
{
	for (size_t i = 0; i < n_files; i++) {
		struct spec_file *file = spec_file_find(spec, files[i].id);
		char what[SPEC_FILE_ID_MAX + sizeof("file \"\"")];
		int r;

		snprintf(what, sizeof(what), "file \"%s\"", file->id);
		r = image_add(registry->store->images, files[i].fd, what, file->sha256, e);
		if (r < 0)
			return r;
		file->stored = true;
	}
	return 0;
}

/* A random UUID: version 4, variant 1 (RFC 4122, 4.4). */
static int make_uuid(uint8_t ret[SPEC_UUID_SIZE], struct error *e)
{
	if (getrandom(ret, SPEC_UUID_SIZE, 0) != SPEC_UUID_SIZE)
		return error_set(e, -EIO, "making a UUID: the kernel gives no random numbers");
	ret[6] = (uint8_t)((ret[6] & 0x0f) | 0x40);
	ret[8] = (uint8_t)((ret[8] & 0x3f) | 0x80);
	return 0;
}

static int settle_uuid(
	const struct registry *registry, struct vm_spec *spec, const struct vm *present, struct error *e)
{
	const struct vm *other;
	int r;

	if (!spec->has_uuid && present)
		memcpy(spec->uuid, present->stored->uuid, SPEC_UUID_SIZE);
	else if (!spec->has_uuid) {
		r = make_uuid(spec->uuid, e);
		if (r < 0)
			return r;
	}
	spec->has_uuid = true;
	other = lookup_uuid(registry, spec->uuid);
	if (other && other != present)
		return error_set(e, -EADDRINUSE,
			"VM %s: its UUID is that of VM %s; leave it out or choose another", spec->name,
			other->stored->name);
	return 0;
}

/* Takes over *spec when it succeeds. */
static int adopt(struct registry *registry, struct vm_spec **spec, struct vm *present, struct vm **ret,
	struct error *e)
{
	_cleanup_free_ char *text = definition_format(*spec);
	_cleanup_free_ char *before = present ? definition_format(present->stored) : NULL;
	struct vm *vm = present;
	int r;

	if (!text)
		return error_set_errno(e, -ENOMEM, "VM %s", (*spec)->name);
	*ret = present;
	if (before && strcmp(text, before) == 0)
		return 0;
	r = store_write(registry->store, (*spec)->name, text, e);
	if (r < 0)
		return r;
	if (present) {
		vm_redefine(present, take_ptr(*spec));
		return 0;
	}
	r = add(registry, spec, &vm, e);
	if (r < 0) {
		store_remove(registry->store, (*spec)->name, NULL);
		return r;
	}
	*ret = vm;
	if (registry->context.listener)
		registry->context.listener->added(registry->context.userdata, vm);
	return 0;
}

/*
 * Tour 300: A definition comes in. Text becomes a struct, files become copies named by their SHA-256,
 * and only then is anything put in place of what was there; a fault on the way leaves the old
 * definition as it is.
 */
int registry_define(struct registry *registry, const char *text, size_t size,
	const struct registry_file *files, size_t n_files, struct diagnostics *diagnostics, struct vm **ret,
	struct error *e)
{
	_cleanup_(vm_spec_freep) struct vm_spec *spec = NULL;
	struct vm *present;
	int r;

	r = definition_parse(text, size, NULL, diagnostics, &spec);
	if (r < 0)
		return error_set(e, r, "the definition is faulty");
	present = lookup(registry, spec->name);
	r = settle_uuid(registry, spec, present, e);
	if (r == 0)
		r = check_files(registry, spec, files, n_files, e);
	if (r == 0)
		r = add_images(registry, spec, files, n_files, e);
	if (r == 0)
		r = adopt(registry, &spec, present, ret, e);
	sweep(registry); /* what was replaced, or was copied in vain */
	return r;
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
	if (registry->context.listener)
		registry->context.listener->removed(registry->context.userdata, vm);
	take_out(registry, vm);
	vm_free(vm);
	sweep(registry);
	return 0;
}

void registry_stop_all(struct registry *registry, enum vm_reason reason)
{
	for (size_t i = 0; i < registry->n_vms; i++)
		if (vm_is_active(registry->vms[i]))
			vm_stop(registry->vms[i], VM_STOP_USEC, reason, NULL, NULL, NULL);
}

size_t registry_n_active(const struct registry *registry)
{
	size_t n = 0;

	for (size_t i = 0; i < registry->n_vms; i++)
		n += vm_is_active(registry->vms[i]);
	return n;
}
