/*
 * registry.h - all VMs of this hvmd, and their definitions on disk
 *
 * A VM is here as long as its definition is in the store. VMs are kept sorted by
 * name. registry.c keeps them; load.c reads them from the store, define.c puts
 * them there, verify.c checks their images, replace.c
 * gives what runs another, autostart.c starts those that are to be.
 *
 * Copying and hashing of images happen outside the event loop (vm/work.h). What
 * is begun so ends through a callback: when a function below that takes a `done`
 * returns 0, `done` is called exactly once, before that or later from the event
 * loop. When it returns a negative errno with a sentence, `done` is never called.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "spec/spec.h"
#include "vm/digests.h"
#include "vm/vm.h"

struct autostart;
struct diagnostics;
struct workers;

/* An image that came with a definition. */
struct registry_file {
	const char *id; /* borrowed */
	int fd;         /* borrowed */
};

struct registry {
	struct vm **vms; /* owned, sorted by name */
	size_t n_vms, capacity;
	void *uuids;           /* owned; tsearch(3), by UUID */
	struct digests images; /* what the stored definitions refer to */
	struct workers *workers;     /* owned */
	struct autostart *autostart; /* owned: starts still to be made; or NULL */
	struct store *store; /* owned */
	struct vm_context context;
	bool skipped; /* a definition on disk could not be read: what it refers to is not known, and stays */
};

/*
 * Opens the state folder and loads what it has. What is faulty there is named in
 * the log and skipped. base, monitor_path and kvm_path are borrowed.
 */
int registry_new(struct event_base *base, const char *state_dir, const char *monitor_path,
	const char *kvm_path, struct registry **ret, struct error *e);

/*
 * Takes over what an earlier hvmd has left running, as the folder for runs in `run_dir` tells; from now on what
 * is started survives us, too. Waits for the monitors, but not long for one that does
 * not answer. -EIO when the folder cannot be had.
 */
int registry_adopt(struct registry *registry, const char *run_dir, struct error *e);

/* Ends every job at once, and every run that does not survive us. Takes NULL; returns NULL. */
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

/* Tells what is wrong with a file in the store: its path below the state folder, and a sentence. */
typedef void (*registry_fault_fn)(void *userdata, const char *file, const char *sentence);

/*
 * Reads the store again. What has changed there holds from the next start of its VM
 * on; what runs is left alone. A faulty file changes nothing. `fault` is called
 * for each, from within; NULL writes them to the log. Returns 0, or -EIO or -ENOMEM when
 * the store cannot be read at all, and nothing has changed.
 */
int registry_reload(struct registry *registry, registry_fault_fn fault, void *userdata, struct error *e);

/* vm is borrowed, and NULL with an error. */
typedef void (*registry_defined_fn)(void *userdata, int error, const struct error *e, struct vm *vm);

/*
 * Defines a VM, or replaces the definition of the VM of this name, which holds
 * from its next start on. Each file of the definition comes as a descriptor, which has
 * to stay open until `done`, or is in the store already. Everything or nothing
 * happens. Adds the faults of the text to *diagnostics. Fails, now or through `done`, with
 * -EBADMSG   the text is faulty; *diagnostics has the sentences (now only)
 * -EINVAL    a file is missing, not asked for, or of no use
 * -EADDRINUSE its UUID is another VM's
 * -EIO, -ENOMEM, -ENOBUFS, -ECANCELED
 */
int registry_define(struct registry *registry, const char *text, size_t size,
	const struct registry_file *files, size_t n_files, struct diagnostics *diagnostics,
	registry_defined_fn done, void *userdata, struct error *e);

/* Removes a VM that does not run, and the images that only it has. Frees vm. -EBUSY when it runs. */
int registry_undefine(struct registry *registry, struct vm *vm, struct error *e);

/* Whether a VM is started when hvmd is; kept in the store beside the definition. */
int registry_set_autostart(struct registry *registry, struct vm *vm, bool on, struct error *e);

/* Starts every VM that is to be, some at a time. One that cannot be started is named in the log. */
void registry_autostart(struct registry *registry);

/*
 * Gives the HRT of a VM that runs another image, in force from its next reset on and until the VM stops. `fd` is
 * borrowed until `done`. The monitor looks at it in full first: when it is not good, nothing has changed.
 */
int registry_replace_image(
	struct registry *registry, struct vm *vm, int fd, vm_done_fn done, void *userdata, struct error *e);

/* An image that is not what a definition says it is. All borrowed, for as long as the callback. */
struct image_fault {
	const char *vm, *file_id, *sentence;
};

typedef void (*registry_verified_fn)(
	void *userdata, int error, const struct error *e, const struct image_fault *faults, size_t n);

/* Hashes the images of these VMs, or of all where there is no name. -ENOENT when there is no such VM. */
int registry_verify(struct registry *registry, char *const *names, size_t n_names, registry_verified_fn done,
	void *userdata, struct error *e);

/*
 * Asks every VM that would not survive us to end, cancels every job, and begins none any more; the caller
 * watches registry_n_unsettled(), and then waits for the jobs, a second at the most.
 */
void registry_settle(struct registry *registry, enum vm_reason reason);
void registry_end_jobs(struct registry *registry);

/* How many VMs have a monitor; and how many of them do not survive us, or are about to end. */
size_t registry_n_active(const struct registry *registry);
size_t registry_n_unsettled(const struct registry *registry);
