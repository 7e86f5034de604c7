/*
 * plan.h - the guest memory plan of a VM: of the next start, or of the run in force
 *
 * The first is asked of an inspector, a monitor that looks at the definition and
 * its images in a cage and ends (LINK_INSPECT); the second of the VM's own
 * monitor. Jobs end as those of vm/vm.h do.
 */
#pragma once

struct error;
struct memory_map;
struct vm;
struct vm_context;

#define INSPECTIONS_MAX 8u /* at the same time: anybody may ask for one, and each is a process */

/* map is borrowed, and NULL with an error. */
typedef void (*vm_plan_fn)(void *userdata, int error, const struct error *e, const struct memory_map *map);

/* The plan that a start would use, of whatever state the VM is in. The VM may go before the answer comes. */
int vm_plan_next(struct vm *vm, vm_plan_fn done, void *userdata, struct error *e);

/* The plan of the VM that runs. */
int vm_plan_running(struct vm *vm, vm_plan_fn done, void *userdata, struct error *e);

/* Ends the inspections that are under way; when no loop runs any more. */
void plan_cancel_all(struct vm_context *context);
