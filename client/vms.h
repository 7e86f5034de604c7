/* vms.h - all VMs as hvmd sees them at one moment */
#pragma once

#include <stdbool.h>

#include "client/bus.h"

struct json;

/*
 * An array of objects, one a VM: what hvmd's summary of it says, under the names of the D-Bus properties in
 * lower_snake_case; "uuid" in the usual form; "partitions" is an array of objects. All VMs in the order of
 * their names, or those of these names that there are.
 */
enum exit_status vms_load(struct client *c, char **names, struct json **ret);

/* The VM of that name; NULL when there is none. Borrowed from the array. */
const struct json *vms_find(const struct json *vms, const char *name);

/* The states that `status` reports success for: the guest is there, if only paused. */
bool vm_runs(const struct json *vm);
