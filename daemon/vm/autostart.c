/*
 * autostart.c - starting, one after the other, the VMs that are to be started with hvmd
 *
 * A few at a time: a host that starts hundreds at once would have each of them run
 * into the deadline of its start. A VM that is undefined or started by
 * somebody else meanwhile is passed over.
 */
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "vm/internal.h"

#define AT_A_TIME 8u

struct autostart {
	char **names; /* owned */
	size_t n, next;
	size_t n_starting;
	struct registry *registry; /* borrowed */
};

void autostart_stop(struct autostart *autostart)
{
	if (autostart)
		autostart->next = autostart->n;
}

void autostart_free(struct autostart *autostart)
{
	for (size_t i = 0; autostart && i < autostart->n; i++)
		free(autostart->names[i]);
	if (autostart)
		free(autostart->names);
	free(autostart);
}

static void start_more(struct autostart *autostart);

/* How it went has been logged with the state of the VM. */
static void on_started(void *userdata, int error, const struct error *e)
{
	struct autostart *autostart = userdata;

	(void)error, (void)e;
	autostart->n_starting--;
	start_more(autostart);
}

static void start_one(struct autostart *autostart, const char *name)
{
	struct vm *vm = registry_lookup(autostart->registry, name);
	struct error e = {};
	int r;

	if (!vm || !vm->autostart || vm_is_active(vm))
		return;
	r = vm_start(vm, NULL, on_started, autostart, &e);
	if (r < 0)
		log_error("vm %s: autostart: %s", name, error_text(&e, r));
	else
		autostart->n_starting++;
}

static void start_more(struct autostart *autostart)
{
	while (autostart->next < autostart->n && autostart->n_starting < AT_A_TIME)
		start_one(autostart, autostart->names[autostart->next++]);
}

void registry_autostart(struct registry *registry)
{
	struct autostart *autostart = calloc(1, sizeof(*autostart));

	if (autostart)
		autostart->names = calloc(registry->n_vms + 1, sizeof(char *));
	if (!autostart || !autostart->names) {
		log_error("autostart: no VM is started: memory is short");
		free(autostart);
		return;
	}
	autostart->registry = registry;
	for (size_t i = 0; i < registry->n_vms; i++)
		if (registry->vms[i]->autostart &&
			(autostart->names[autostart->n] = strdup(registry->vms[i]->stored->name)))
			autostart->n++;
	registry->autostart = autostart;
	start_more(autostart);
}
