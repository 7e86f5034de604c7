/* vms.h - all VMs as hvmd sees them at one moment */
#pragma once

#include <stdbool.h>

#include "client/bus.h"

struct json;

/*
 * An array of objects, one a VM, in the order of their names: its D-Bus
 * properties under their names in lower_snake_case; "uuid" in the usual form;
 * "partitions" with the properties of each, those of the HRT among them.
 */
enum exit_status vms_load(struct client *c, struct json **ret);

/* The VM of that name; NULL when there is none. Borrowed from the array. */
const struct json *vms_find(const struct json *vms, const char *name);

/* The states that `status` reports success for: the guest is there, if only paused. */
bool vm_runs(const struct json *vm);
