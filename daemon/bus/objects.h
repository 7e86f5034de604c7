/*
 * objects.h - what the files of this folder share
 *
 * Each interface has a file with its table; news.c turns what happens to VMs into
 * signals; job.c answers calls that take a while.
 */
#pragma once

#include <stdint.h>
#include <systemd/sd-bus.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "vm/registry.h"

struct fresh;
struct memory_map;
struct policy;
struct telemetry;
struct turns;

struct bus {
	sd_bus *sd;
	struct policy *policy;
	struct turns *turns;
	struct fresh *fresh;
	struct event *readable, *writable, *timer;
	size_t n_vms_told; /* what NVMs was when it was last told */
	struct {
		bool given, refused;     /* what was answered last, and whether there was ever a refusal */
		unsigned n_open;         /* questions without an answer */
		uint64_t heard_usec;     /* CLOCK_MONOTONIC: when one was last answered, or the first of those was asked */
		struct question *jobs;   /* owned: what systemd has not done yet */
		sd_bus_slot *on_job_removed; /* owned */
	} scopes; /* scope.c */
	/* borrowed */
	struct registry *registry;
};

/* The head of a property's getter, sd_bus_property_get_t. */
#define GETTER(name)                                                                               \
	static int name(sd_bus *sd, const char *path, const char *interface, const char *property, \
		sd_bus_message *reply, void *userdata, sd_bus_error *error)
#define GETTER_UNUSED (void)sd, (void)path, (void)interface, (void)property, (void)userdata, (void)error

/* Marks what changes nothing; who may do the rest, policy.c says. */
#define READ  SD_BUS_VTABLE_UNPRIVILEGED
#define EMITS SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE
#define CONST SD_BUS_VTABLE_PROPERTY_CONST

extern const sd_bus_vtable manager_vtable[], vm_vtable[], partition_vtable[], hrt_vtable[], log_control_vtable[];

/* news.c: what a registry tells a bus, its userdata. */
extern const struct vm_listener bus_listener;

/* errors.c */

/* Teaches sd-bus our error names. */
void bus_errors_register(void);

/* The D-Bus name for an errno, positive or negative; "...Error.Failed" for those without one. */
const char *bus_error_name(int error);

/* Sets the D-Bus error for a negative errno and its sentence; returns what a handler returns then. */
int bus_fail(sd_bus_error *ret_error, int error, const struct error *e);

/* Refuses bits that are not in `known`. */
int bus_check_flags(uint64_t flags, uint64_t known, sd_bus_error *ret_error);

/* paths.c; each is fresh memory for the caller, or NULL when that is short. */
char *vm_path(const struct vm *vm);
char *partition_path(const struct vm_partition *partition);

/* The VM or partition of a path, for sd-bus: 1 and *ret_found, or 0. userdata is the bus. */
int find_vm(sd_bus *sd, const char *path, const char *interface, void *userdata, void **ret_found,
	sd_bus_error *error);
int find_partition(sd_bus *sd, const char *path, const char *interface, void *userdata, void **ret_found,
	sd_bus_error *error);
int find_hrt(sd_bus *sd, const char *path, const char *interface, void *userdata, void **ret_found,
	sd_bus_error *error);
int enumerate_vms(sd_bus *sd, const char *prefix, void *userdata, char ***ret_nodes, sd_bus_error *error);

/* job.c: a call that is answered when its job is done. A job is freed by its _done or by job_free(). */
struct job;
struct job *job_new(sd_bus_message *call);
struct job *job_free(struct job *job);
DEFINE_CLEANUP(struct job *, job_free);
void job_done(void *job, int error, const struct error *e);                 /* vm_done_fn */
void job_done_console(void *job, int error, const struct error *e, const char *name, int fd); /* vm_console_fn */
void job_done_define(void *job, int error, const struct error *e, struct vm *vm); /* registry_defined_fn */
void job_done_verify(void *job, int error, const struct error *e, const struct image_fault *faults,
	size_t n); /* registry_verified_fn */
void job_done_plan(void *job, int error, const struct error *e, const struct memory_map *map); /* vm_plan_fn */
void job_done_record(void *job, int error, const struct error *e, const struct memory_map *map); /* the same */

/* calls.c: what the Manager and the objects themselves offer alike. Each reads its arguments from `call`. */
int call_start(sd_bus_message *call, struct vm *vm, sd_bus_error *error);     /* t */
int call_start_with_options(sd_bus_message *call, struct vm *vm, sd_bus_error *error); /* ta{sv} */
int call_shutdown(sd_bus_message *call, struct vm *vm, sd_bus_error *error);  /* tt */
int call_terminate(sd_bus_message *call, struct vm *vm, sd_bus_error *error); /* nothing */
int call_reset(sd_bus_message *call, struct vm *vm, sd_bus_error *error);     /* suu */
int call_load_image(sd_bus_message *call, struct vm_partition *partition, sd_bus_error *error); /* ht */
int call_undefine(
	sd_bus_message *call, struct registry *registry, struct vm *vm, sd_bus_error *error); /* t */
int reset_scope(sd_bus_message *call, struct vm *vm, enum link_scope scope, sd_bus_error *error);

/* scope.c */

/*
 * Asks for a scope of its own for the monitor of a VM, and for an entry in the list of machined's. True: vm_placed()
 * will be called when it is there, or will not be; false: that is not worth waiting for.
 */
bool scope_begin(struct bus *bus, const struct vm *vm);

/* Forgets what it waits for. */
void scope_forget(struct bus *bus);

/* The name of the scope that it is in, "" when in none; the caller frees it. NULL when memory is short. */
char *scope_of(const struct bus *bus, const struct vm *vm);

/* lists.c: methods of the Manager that tell of many VMs; userdata is the bus. */
#define VM_SUMMARY_FIELDS "sayssstssuutbbua(ssuuttu)a{sv}"
#define VM_SUMMARY_TYPE   "(" VM_SUMMARY_FIELDS ")"
#define MANAGED_MAX       2000 /* VMs that GetManagedObjects tells of */
int call_list(sd_bus_message *m, void *userdata, sd_bus_error *error);
int call_summarize(sd_bus_message *m, void *userdata, sd_bus_error *error);
int refuse_managed_objects(sd_bus_message *m, void *userdata, sd_bus_error *error);

/* telemetry.c */

/* Answers GetTelemetry of a VM, or `only` of one of its partitions. */
int call_telemetry(sd_bus_message *call, struct vm *vm, const struct vm_partition *only, sd_bus_error *error);

/* Answers GetTelemetry of the Manager. */
int call_telemetry_all(sd_bus_message *call, struct registry *registry, sd_bus_error *error);
