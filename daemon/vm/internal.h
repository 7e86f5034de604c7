/*
 * internal.h - what the files of the registry share
 *
 * These keep the registry whole: the VMs in their order, whose UUID is whose,
 * and which images are referred to.
 */
#pragma once

#include "vm/registry.h"

struct vm *registry_lookup(const struct registry *registry, const char *name);

/* Adds a VM with its UUID and its images, telling nobody. -EADDRINUSE with a sentence, or -ENOMEM. */
int registry_insert(struct registry *registry, struct vm *vm, struct error *e);

/* The opposite; the VM is the caller's, its images stay. */
void registry_take_out(struct registry *registry, struct vm *vm);

/* Takes a VM out, tells it, frees it, and removes the images that only it had. */
void registry_drop(struct registry *registry, struct vm *vm);

/*
 * A VM gets another definition in two steps, so that storing it can come between
 * them: prepared, it is committed, which cannot fail and takes over the
 * definition, or cancelled, which leaves it the caller's. -EADDRINUSE with a sentence, or -ENOMEM.
 */
int registry_prepare(struct registry *registry, const struct vm *vm, const struct vm_spec *spec, struct error *e);
void registry_commit(struct registry *registry, struct vm *vm, struct vm_spec *spec);
void registry_cancel(struct registry *registry, const struct vm *vm, const struct vm_spec *spec);

/* Removes those images of a definition that no stored definition refers to, unless they may be needed yet. */
void registry_remove_unused(struct registry *registry, const struct vm_spec *spec);

/* Removes all images that no stored definition refers to, unless they may be needed yet. */
void registry_sweep(struct registry *registry);

/* -EADDRINUSE with a sentence when the UUID is another VM's than `vm`, which may be NULL. */
int registry_check_uuid(
	const struct registry *registry, const struct vm_spec *spec, const struct vm *vm, struct error *e);

/* load.c */
int registry_load(struct registry *registry, struct error *e);

/* adopt.c: what registry_adopt() found and could not take over, once more. */
void registry_adopt_rest(struct registry *registry);

/* autostart.c: starts no more, what is under way goes on; and forgets it all. Both take NULL. */
void autostart_stop(struct autostart *autostart);
void autostart_free(struct autostart *autostart);
