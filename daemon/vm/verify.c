/*
 * verify.c - whether the images are still what the definitions say
 *
 * Each image is hashed once, in a thread, however many definitions refer to it. What
 * that means for whom is found out afterwards, from the definitions that are there then.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "vm/images.h"
#include "vm/internal.h"
#include "vm/store.h"
#include "vm/work.h"

struct check {
	uint8_t digest[IMAGE_DIGEST_SIZE]; /* first: what is looked for is a digest alone */
	int error;
	char *sentence; /* owned; NULL when it is as it should be, or when memory was short */
};

struct verification {
	char **names; /* owned; none: all VMs */
	size_t n_names;
	struct check *checks; /* owned; sorted by digest, each once */
	size_t n_checks;
	struct image_fault *faults; /* owned; what it points to is not */
	size_t n_faults;
	int dirfd; /* of the images */
	int error;
	struct error e;
	/* borrowed */
	struct registry *registry;
	registry_verified_fn done;
	void *userdata;
};

static void verification_free(struct verification *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n_names; i++)
		free(v->names[i]);
	free(v->names);
	for (size_t i = 0; i < v->n_checks; i++)
		free(v->checks[i].sentence);
	free(v->checks);
	free(v->faults);
	free(v);
}
DEFINE_CLEANUP(struct verification *, verification_free);

/* The VMs that are asked for and (still) there, one after the other; *i begins at 0. NULL at the end. */
static struct vm *next_vm(const struct verification *v, size_t *i)
{
	struct vm *vm = NULL;

	if (v->n_names == 0)
		return *i < v->registry->n_vms ? v->registry->vms[(*i)++] : NULL;
	while (!vm && *i < v->n_names)
		vm = registry_lookup(v->registry, v->names[(*i)++]);
	return vm;
}

static size_t count_files(const struct verification *v)
{
	size_t n = 0, i = 0;

	for (struct vm *vm = next_vm(v, &i); vm; vm = next_vm(v, &i))
		n += vm->stored->n_files;
	return n;
}

static int compare(const void *a, const void *b)
{
	return memcmp(a, b, IMAGE_DIGEST_SIZE);
}

/* Sorts the checks and leaves each digest there once. */
static void settle_checks(struct verification *v)
{
	size_t n = 0;

	if (v->n_checks > 0)
		qsort(v->checks, v->n_checks, sizeof(*v->checks), compare);
	for (size_t i = 0; i < v->n_checks; i++)
		if (n == 0 || compare(&v->checks[n - 1], &v->checks[i]) != 0)
			v->checks[n++] = v->checks[i];
	v->n_checks = n;
}

static int collect_checks(struct verification *v)
{
	size_t i = 0;

	v->checks = calloc(count_files(v) + 1, sizeof(*v->checks));
	if (!v->checks)
		return -ENOMEM;
	for (struct vm *vm = next_vm(v, &i); vm; vm = next_vm(v, &i))
		for (size_t k = 0; k < vm->stored->n_files; k++)
			memcpy(v->checks[v->n_checks++].digest, vm->stored->files[k].sha256,
				IMAGE_DIGEST_SIZE);
	settle_checks(v);
	return 0;
}

/* In a thread */
static void check_images(void *userdata, const atomic_bool *cancelled)
{
	struct verification *v = userdata;

	v->error = 0;
	for (size_t i = 0; v->error == 0 && i < v->n_checks; i++) {
		struct check *c = &v->checks[i];

		c->error = image_verify(v->dirfd, c->digest, cancelled, &v->e);
		if (c->error == -ECANCELED || c->error == -ENOMEM)
			v->error = c->error;
		else if (c->error < 0)
			c->sentence = strdup(v->e.text);
	}
}

static void add_faults(struct verification *v, const struct vm *vm)
{
	for (size_t i = 0; i < vm->stored->n_files; i++) {
		const struct spec_file *file = &vm->stored->files[i];
		const struct check *c =
			bsearch(file->sha256, v->checks, v->n_checks, sizeof(*v->checks), compare);

		if (c && c->error < 0)
			v->faults[v->n_faults++] = (struct image_fault){.vm = vm->stored->name,
				.file_id = file->id,
				.sentence = c->sentence ? c->sentence : "its image is faulty"};
	}
}

static int find_faults(struct verification *v)
{
	size_t i = 0;

	v->faults = calloc(count_files(v) + 1, sizeof(*v->faults));
	if (!v->faults)
		return error_set_errno(&v->e, -ENOMEM, "verifying");
	for (struct vm *vm = next_vm(v, &i); v->n_checks > 0 && vm; vm = next_vm(v, &i))
		add_faults(v, vm);
	return 0;
}

/* In the loop: takes over v. */
static void finish(void *userdata)
{
	_cleanup_(verification_freep) struct verification *v = userdata;

	if (v->error == 0)
		v->error = find_faults(v);
	v->done(v->userdata, v->error, &v->e, v->faults, v->n_faults);
}

static int take_names(struct verification *v, char *const *names, size_t n, struct error *e)
{
	v->names = calloc(n + 1, sizeof(*v->names));
	if (!v->names)
		return error_set_errno(e, -ENOMEM, "verifying");
	for (; v->n_names < n; v->n_names++) {
		if (!registry_find(v->registry, names[v->n_names], e))
			return -ENOENT;
		v->names[v->n_names] = strdup(names[v->n_names]);
		if (!v->names[v->n_names])
			return error_set_errno(e, -ENOMEM, "verifying");
	}
	return 0;
}

int registry_verify(struct registry *registry, char *const *names, size_t n_names, registry_verified_fn done,
	void *userdata, struct error *e)
{
	_cleanup_(verification_freep) struct verification *v = calloc(1, sizeof(*v));
	int r;

	if (!v)
		return error_set_errno(e, -ENOMEM, "verifying");
	*v = (struct verification){
		.registry = registry, .dirfd = registry->store->images, .done = done, .userdata = userdata};
	r = take_names(v, names, n_names, e);
	if (r < 0)
		return r;
	if (collect_checks(v) < 0)
		return error_set_errno(e, -ENOMEM, "verifying");
	v->error = error_set(
		&v->e, -ECANCELED, "nothing was verified: no thread could be had, or hvmd is stopping");
	r = workers_start(registry->workers, check_images, finish, v, e);
	if (r == 0)
		take_ptr(v);
	return r;
}
