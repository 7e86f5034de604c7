/*
 * replace.c - another image for the HRT of a VM that runs
 *
 * The caller's file is copied in a thread, since reading it takes as long as its file system
 * likes. The monitor gets the copy, looks at it, and answers. The store has no part in
 * this: the next start has the image of the definition again.
 */
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/macro.h"
#include "vm/images.h"
#include "vm/internal.h"
#include "vm/work.h"

#define WHAT "the image"

struct replacement {
	char *name;   /* owned: of the VM, which may be another one when the copy is there */
	pid_t pid;    /* the monitor that is meant */
	int copy;     /* owned; -1: there is none */
	uint64_t size;
	int error;
	struct error e;
	/* borrowed */
	int fd;
	struct registry *registry;
	vm_done_fn done;
	void *userdata;
};

static void replacement_free(struct replacement *r)
{
	if (!r)
		return;
	close_fd(r->copy);
	free(r->name);
	free(r);
}
DEFINE_CLEANUP(struct replacement *, replacement_free);

/* In a thread */
static void copy_image(void *userdata, const atomic_bool *cancelled)
{
	struct replacement *r = userdata;

	r->error = image_copy_to_memory(r->fd, WHAT, cancelled, &r->copy, &r->size, &r->e);
}

static bool answered(void *userdata, int error, const struct error *e, struct cursor *body)
{
	_cleanup_(replacement_freep) struct replacement *r = userdata;

	r->done(r->userdata, error, e);
	return !body || body->left == 0;
}

/* The run that was meant, if it is still there. */
static struct vm *find_run(struct replacement *r)
{
	struct vm *vm = registry_lookup(r->registry, r->name);

	if (vm && vm->pid == r->pid && vm_check_running(vm, NULL) == 0)
		return vm;
	r->error = error_set(&r->e, -ESRCH, "VM %s has stopped while the image was copied", r->name);
	return NULL;
}

/* In the loop: takes over r. */
static void offer(void *userdata)
{
	_cleanup_(replacement_freep) struct replacement *r = userdata;
	struct vm *vm = r->error == 0 ? find_run(r) : NULL;
	uint64_t size = htole64(r->size);

	if (vm)
		r->error = monitor_ask(vm->monitor, LINK_LOAD, &size, sizeof(size), &r->copy, 1, answered, r, &r->e);
	if (r->error < 0)
		r->done(r->userdata, r->error, &r->e);
	else
		take_ptr(r);
}

static int check(const struct vm *vm, int fd, struct error *e)
{
	int r = vm_check_running(vm, e);

	if (r == 0 && !vm->partitions[PARTITION_HRT].present)
		r = error_set(e, -ECHRNG, "VM %s has no HRT: its definition has no <hvm enable=\"y\">", vm->stored->name);
	return r < 0 ? r : image_check(fd, WHAT, e);
}

int registry_replace_image(
	struct registry *registry, struct vm *vm, int fd, vm_done_fn done, void *userdata, struct error *e)
{
	_cleanup_(replacement_freep) struct replacement *replacement = NULL;
	int r = check(vm, fd, e);

	if (r < 0)
		return r;
	replacement = malloc(sizeof(*replacement));
	if (!replacement)
		return error_set_errno(e, -ENOMEM, "replacing an image");
	*replacement = (struct replacement){.name = strdup(vm->stored->name), .pid = vm->pid, .copy = -1, .fd = fd,
		.registry = registry, .done = done, .userdata = userdata};
	replacement->error = error_set(&replacement->e, -ECANCELED,
		"no image was copied: no thread could be had, or hvmd is stopping");
	r = replacement->name ? workers_start(registry->workers, copy_image, offer, replacement, e) :
				error_set_errno(e, -ENOMEM, "replacing an image");
	if (r == 0)
		take_ptr(replacement);
	return r;
}
