/*
 * define.c - from a caller into the store and the registry
 *
 *	check --> [ images are copied, in a thread ] --> check again --> keep --> write --> commit
 *
 * Between the two checks the loop goes on, and others may define and undefine.
 * What depends on them (whose UUID it is, which image is in the store) is therefore
 * decided in the second; the first is there to refuse before anything is copied.
 *
 * Whatever fails, fails before store_write() has put the definition in place, and
 * is undone; nothing after it can fail. So the order on disk is: the images and
 * their names, the definition, and only then is what was replaced removed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "spec/definition.h"
#include "vm/images.h"
#include "vm/internal.h"
#include "vm/sealed.h"
#include "vm/store.h"
#include "vm/work.h"

struct copying {
	struct spec_file *file; /* of the definition */
	int fd;                 /* borrowed */
	char what[SPEC_FILE_ID_MAX + sizeof("file \"\"")];
	struct image_copy copy;
	struct sealed_image sealed; /* the same, for the next start; or none, where memory is short */
};

struct define {
	struct vm_spec *spec;    /* owned */
	struct copying *copying; /* owned */
	size_t n_copying;
	bool has_uuid; /* the text has one */
	int dirfd;     /* of the images */
	int error;     /* of the copying */
	struct error e;
	/* borrowed */
	struct registry *registry;
	registry_defined_fn done;
	void *userdata;
};

static void drop_copies(struct define *d)
{
	for (size_t i = 0; i < d->n_copying; i++) {
		image_drop(d->dirfd, &d->copying[i].copy);
		sealed_image_fini(&d->copying[i].sealed);
	}
}

static void define_free(struct define *d)
{
	if (!d)
		return;
	drop_copies(d);
	free(d->copying);
	vm_spec_free(d->spec);
	free(d);
}
DEFINE_CLEANUP(struct define *, define_free);

/* Checking */

static bool is_copied(const struct define *d, const struct spec_file *file)
{
	for (size_t i = 0; i < d->n_copying; i++)
		if (d->copying[i].file == file)
			return true;
	return false;
}

/* Each file comes with the call or is in the store. */
static int check_files(const struct define *d, struct error *e)
{
	for (size_t i = 0; i < d->spec->n_files; i++) {
		const struct spec_file *file = &d->spec->files[i];
		int r;

		if (is_copied(d, file))
			continue;
		if (!file->stored)
			return error_set(e, -EINVAL,
				"file \"%s\": no descriptor was passed and the definition has no sha256 of a stored image",
				file->id);
		r = image_find(d->dirfd, file->sha256, e);
		if (r == -ENOENT)
			return error_set(e, -EINVAL,
				"file \"%s\": no descriptor was passed and the image of its sha256 is not in the store",
				file->id);
		if (r < 0)
			return error_prefix(e, r, "file \"%s\"", file->id);
	}
	return 0;
}

static int check_first(const struct define *d, struct error *e)
{
	int r = check_files(d, e);

	if (r == 0 && d->has_uuid)
		r = registry_check_uuid(d->registry, d->spec, registry_lookup(d->registry, d->spec->name), e);
	for (size_t i = 0; r == 0 && i < d->n_copying; i++)
		r = image_check(d->copying[i].fd, d->copying[i].what, e);
	return r;
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

/* A VM that is there keeps its UUID unless the text has another. */
static int settle_uuid(const struct define *d, const struct vm *present, struct error *e)
{
	int r = 0;

	if (!d->has_uuid && present)
		memcpy(d->spec->uuid, present->stored->uuid, SPEC_UUID_SIZE);
	else if (!d->has_uuid)
		r = make_uuid(d->spec->uuid, e);
	d->spec->has_uuid = true;
	return r < 0 ? r : registry_check_uuid(d->registry, d->spec, present, e);
}

/* Images */

static int keep_images(const struct define *d, struct error *e)
{
	bool fresh = d->registry->store->in_doubt;

	for (size_t i = 0; i < d->n_copying; i++) {
		struct copying *c = &d->copying[i];
		int r;

		fresh |= !c->copy.stored;
		r = image_keep(d->dirfd, &c->copy, c->what, e);
		if (r < 0)
			return r;
		memcpy(c->file->sha256, c->copy.digest, IMAGE_DIGEST_SIZE);
		c->file->stored = true;
	}
	return fresh ? image_flush(d->dirfd, e) : 0;
}

/* No start of this VM shall have to read its images. */
static void hold_in_memory(struct define *d, const struct vm *vm)
{
	struct sealed *sealed = d->registry->context.sealed;

	for (size_t i = 0; i < d->n_copying; i++)
		if (d->copying[i].sealed.fd >= 0)
			sealed_keep(sealed, d->copying[i].copy.digest, &d->copying[i].sealed);
	for (size_t i = 0; i < vm->stored->n_files; i++)
		sealed_expect(sealed, vm->stored->files[i].sha256);
}

/* Putting it in place */

/* Asks the disk, not our memory: what an administrator has spoilt there is written again. */
static bool is_stored(const struct define *d, const char *text)
{
	_cleanup_free_ char *there = NULL;
	size_t size;

	return !d->registry->store->in_doubt &&
		store_read(d->registry->store, d->spec->name, &there, &size, NULL) == 0 &&
		strcmp(text, there) == 0;
}

/* Whether the VM has this definition. */
static bool is_held(const struct vm *vm, const char *text)
{
	_cleanup_free_ char *held = definition_format(vm->stored);

	return held && strcmp(text, held) == 0;
}

static int change_vm(struct define *d, struct vm *present, const char *text, struct error *e)
{
	int r;

	if (is_held(present, text) && is_stored(d, text))
		return 0;
	r = registry_prepare(d->registry, present, d->spec, e);
	if (r < 0)
		return r;
	r = store_write(d->registry->store, d->spec->name, text, e);
	if (r < 0)
		registry_cancel(d->registry, present, d->spec);
	else
		registry_commit(d->registry, present, take_ptr(d->spec));
	return r;
}

/* A VM that is not there yet is not started with hvmd, whatever an interrupted undefine has left. */
static int write_new(const struct define *d, const char *text, struct error *e)
{
	int r = store_set_autostart(d->registry->store, d->spec->name, false, e);

	return r < 0 ? r : store_write(d->registry->store, d->spec->name, text, e);
}

static int add_vm(struct define *d, const char *text, struct vm **ret, struct error *e)
{
	struct registry *registry = d->registry;
	struct vm *vm = vm_new(&registry->context, d->spec);
	int r;

	if (!vm)
		return error_set_errno(e, -ENOMEM, "VM %s", d->spec->name);
	r = registry_insert(registry, vm, e);
	if (r == 0) {
		r = write_new(d, text, e);
		if (r < 0)
			registry_take_out(registry, vm);
	}
	if (r < 0) {
		vm->stored = NULL; /* still ours */
		vm_free(vm);
		return r;
	}
	take_ptr(d->spec);
	*ret = vm;
	if (registry->context.listener)
		registry->context.listener->added(registry->context.userdata, vm);
	return 0;
}

static int put_in_place(struct define *d, struct vm *present, struct vm **ret, struct error *e)
{
	_cleanup_free_ char *text = definition_format(d->spec);

	if (!text)
		return error_set_errno(e, -ENOMEM, "VM %s", d->spec->name);
	*ret = present;
	return present ? change_vm(d, present, text, e) : add_vm(d, text, ret, e);
}

static int store_and_add(struct define *d, struct vm **ret, struct error *e)
{
	struct vm *present = registry_lookup(d->registry, d->spec->name);
	int r;

	r = settle_uuid(d, present, e);
	if (r == 0)
		r = check_files(d, e);
	if (r == 0)
		r = keep_images(d, e);
	if (r == 0)
		r = put_in_place(d, present, ret, e);
	if (d->spec) /* it failed, or changed nothing */
		registry_remove_unused(d->registry, d->spec);
	return r;
}

static int begin_copying(struct define *d, struct error *e);

/*
 * In the loop: takes over d. An image that was in the store when it was compared, and that an undefine has
 * removed since then, has to be copied after all.
 */
static void finish(void *userdata)
{
	_cleanup_(define_freep) struct define *d = userdata;
	struct vm *vm = NULL;
	struct error e = d->e;
	int r = d->error;

	if (r == 0)
		r = store_and_add(d, &vm, &e);
	if (r == -EAGAIN) {
		r = begin_copying(d, &e);
		if (r == 0) {
			take_ptr(d);
			return;
		}
	}
	if (r == 0)
		hold_in_memory(d, vm);
	d->done(d->userdata, r, &e, r < 0 ? NULL : vm);
}

/* Into the store, and into memory as long as there is `room` (bytes) for it. */
static int copy_image(struct define *d, struct copying *c, uint64_t *room, const atomic_bool *cancelled)
{
	_cleanup_close_ int memory = -1;
	struct stat st;
	int r;

	if (fstat(c->fd, &st) == 0 && (uint64_t)st.st_size <= *room)
		memory = sealed_image_begin();
	r = image_copy(d->dirfd, c->fd, c->what, memory, cancelled, &c->copy, &d->e);
	if (r == 0 && c->copy.in_memory && sealed_image_init(&c->sealed, memory, NULL) == 0)
		*room -= c->sealed.size < *room ? c->sealed.size : *room;
	return r;
}

/* In a thread */
static void copy_images(void *userdata, const atomic_bool *cancelled)
{
	struct define *d = userdata;
	uint64_t room = SEALED_BYTES_MAX;

	d->error = 0;
	drop_copies(d);
	for (size_t i = 0; d->error == 0 && i < d->n_copying; i++)
		d->error = copy_image(d, &d->copying[i], &room, cancelled);
}

/* d->error is -ECANCELED until a thread has done the work; when this returns 0, the thread has it. */
static int begin_copying(struct define *d, struct error *e)
{
	d->error = error_set(&d->e, -ECANCELED,
		"VM %s: its images were not copied: no thread could be had, or hvmd is stopping",
		d->spec->name);
	return workers_start(d->registry->workers, copy_images, finish, d, e);
}

static int add_copying(struct define *d, const struct registry_file *given, struct error *e)
{
	struct copying *c = &d->copying[d->n_copying];

	c->file = spec_file_find(d->spec, given->id);
	if (!c->file)
		return error_set(e, -EINVAL,
			"file \"%.*s\": a descriptor was passed, but the definition has no such file",
			SPEC_FILE_ID_MAX, given->id);
	c->fd = given->fd;
	c->sealed.fd = -1;
	snprintf(c->what, sizeof(c->what), "file \"%s\"", c->file->id);
	d->n_copying++;
	return 0;
}

static int define_init(struct define *d, struct registry *registry, const struct registry_file *files,
	size_t n_files, struct error *e)
{
	d->registry = registry;
	d->dirfd = registry->store->images;
	d->has_uuid = d->spec->has_uuid;
	d->copying = calloc(n_files + 1, sizeof(*d->copying));
	if (!d->copying)
		return error_set_errno(e, -ENOMEM, "VM %s", d->spec->name);
	for (size_t i = 0; i < n_files; i++) {
		int r = add_copying(d, &files[i], e);

		if (r < 0)
			return r;
	}
	return check_first(d, e);
}

/*
 * Tour 225: A definition comes in. Text becomes a struct, files become copies named by their SHA-256,
 * and only then is anything put in place of what was there; a fault on the way leaves the old
 * definition as it is.
 */
int registry_define(struct registry *registry, const char *text, size_t size,
	const struct registry_file *files, size_t n_files, struct diagnostics *diagnostics,
	registry_defined_fn done, void *userdata, struct error *e)
{
	_cleanup_(define_freep) struct define *d = calloc(1, sizeof(*d));
	int r;

	if (!d)
		return error_set_errno(e, -ENOMEM, "defining a VM");
	r = definition_parse(text, size, NULL, diagnostics, &d->spec);
	if (r < 0)
		return error_set(e, r, "the definition is faulty");
	r = define_init(d, registry, files, n_files, e);
	if (r < 0)
		return r;
	d->done = done;
	d->userdata = userdata;
	if (d->n_copying == 0) {
		finish(take_ptr(d));
		return 0;
	}
	r = begin_copying(d, e);
	if (r == 0)
		take_ptr(d);
	return r;
}
