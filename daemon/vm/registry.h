/*
 * registry.h - all VMs of this hvmd, and their definitions on disk
 *
 * A VM is here as long as its definition is in the store. VMs are kept sorted by
 * name.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "spec/spec.h"
#include "vm/vm.h"

struct diagnostics;

/* An image that came with a definition. */
struct registry_file {
	const char *id; /* borrowed */
	int fd;         /* borrowed */
};

struct registry {
	struct vm **vms; /* owned, sorted by name */
	size_t n_vms;
	struct store *store; /* owned */
	struct vm_context context;
	bool skipped; /* a definition on disk could not be read: what it refers to is not known, and not swept
		       */
};

/*
 * Opens the state folder and loads what it has. A definition that is faulty is
 * named in the log and skipped. base, monitor_path and kvm_path are borrowed.
 */
int registry_new(struct event_base *base, const char *state_dir, const char *monitor_path,
	const char *kvm_path, struct registry **ret, struct error *e);

/* Ends every run at once. Takes NULL; returns NULL. */
struct registry *registry_free(struct registry *registry);
DEFINE_CLEANUP(struct registry *, registry_free);

/* Who wants the news from now on; borrowed. */
void registry_listen(struct registry *registry, const struct vm_listener *listener, void *userdata);

/* What the host can do, looked at anew. */
const struct host *registry_probe_host(struct registry *registry);

/* Each returns a borrowed VM, or NULL and a sentence for -ENOENT. */
struct vm *registry_find(const struct registry *registry, const char *name, struct error *e);
struct vm *registry_find_uuid(
	const struct registry *registry, const uint8_t uuid[SPEC_UUID_SIZE], struct error *e);
struct vm *registry_find_pid(const struct registry *registry, pid_t pid, struct error *e);

/*
 * Defines a VM, or replaces the definition of the VM of this name, which holds
 * from its next start on. Each file of the definition comes as a descriptor or is
 * in the store already. Everything or nothing happens. Adds the faults of the
 * text to *diagnostics; returns 0 and the borrowed VM, or
 * -EBADMSG   the text is faulty; *diagnostics has the sentences
 * -EINVAL    a file is missing, not asked for, or of no use
 * -EADDRINUSE its UUID is another VM's
 * -EIO, -ENOMEM
 */
int registry_define(struct registry *registry, const char *text, size_t size,
	const struct registry_file *files, size_t n_files, struct diagnostics *diagnostics, struct vm **ret,
	struct error *e);

/* Removes a VM that does not run, and the images that only it has. Frees vm. -EBUSY when it runs. */
int registry_undefine(struct registry *registry, struct vm *vm, struct error *e);

/* Asks every VM that runs to end; the caller watches registry_n_active(). */
void registry_stop_all(struct registry *registry, enum vm_reason reason);

/* How many VMs have a monitor. */
size_t registry_n_active(const struct registry *registry);
