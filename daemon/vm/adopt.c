/*
 * adopt.c - what an earlier hvmd has left running, into the registry
 *
 * A run is found by its name in the folder for runs (runs.h). Its monitor is asked for nothing: it
 * tells by itself how things are, and until it has, the VM counts as running. What
 * it was started with stands beside its socket, since the definition in the store may be another
 * by now, or gone.
 */
#include <errno.h>
#include <event2/event.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/macro.h"
#include "spec/definition.h"
#include "vm/internal.h"
#include "vm/runs.h"
#include "vm/store.h"

#define TRIES      3
#define ANSWER_SEC 1 /* monitors that have not answered then go on being waited for by the event loop */

static bool same_definition(const struct vm_spec *a, const struct vm_spec *b)
{
	_cleanup_free_ char *a_text = definition_format(a), *b_text = definition_format(b);

	return a_text && b_text && strcmp(a_text, b_text) == 0;
}

/* A VM whose definition in the store is gone or faulty has the one that it runs with. Takes over spec. */
static struct vm *add_vm(struct registry *registry, struct vm_spec *spec, struct error *e)
{
	struct vm *vm = vm_new(&registry->context, spec);

	if (!vm) {
		error_set_errno(e, -ENOMEM, "VM %s", spec->name);
		vm_spec_free(spec);
		return NULL;
	}
	if (registry_insert(registry, vm, e) < 0)
		return vm_free(vm);
	log_warning("vm %s: it runs, but its definition in the store is gone or faulty; define it again", spec->name);
	return vm;
}

/* The process goes on whatever happens here. */
static int adopt(struct registry *registry, const char *name, struct run_found *found, struct error *e)
{
	_cleanup_(vm_spec_freep) struct vm_spec *spec = runs_definition(registry->context.runs, name, e);
	struct vm *vm = registry_lookup(registry, name);
	int r;

	if (!vm && !spec)
		return -EIO;
	if (!vm) {
		vm = add_vm(registry, take_ptr(spec), e);
		return vm ? vm_adopt(vm, found, NULL, e) : -EIO;
	}
	if (!spec)
		log_warning("vm %s: %s; it is taken to be what is stored", name, error_text(e, -EIO));
	else if (same_definition(spec, vm->stored))
		spec = vm_spec_free(spec);
	r = vm_adopt(vm, found, spec, e);
	if (r == 0)
		take_ptr(spec);
	return r;
}

static void forget(struct registry *registry, const char *name)
{
	struct vm *vm = registry_lookup(registry, name);

	if (vm)
		vm_note_lost(vm);
	else
		runs_end(registry->context.runs, name);
}

static int try_to_adopt(struct registry *registry, const char *name, struct error *e)
{
	struct run_found found = {.link = -1, .pidfd = -1};
	int r = runs_connect(registry->context.runs, name, &found, e);

	if (r == 0)
		r = adopt(registry, name, &found, e);
	close_fd(found.link);
	close_fd(found.pidfd);
	return r;
}

/* Who listens but is no monitor (-EPERM) will not become one; all else may have passed a moment later. */
static int adopt_one(struct registry *registry, const char *name)
{
	struct error e = {};
	struct vm *vm;
	int r = 0;

	for (int i = 0; i < TRIES; i++) {
		r = try_to_adopt(registry, name, &e);
		if (r == 0 || r == -ESRCH || r == -EPERM)
			break;
	}
	vm = registry_lookup(registry, name);
	if (r < 0 && r != -ESRCH)
		log_error("vm %s runs, and cannot be controlled: %s", name, error_text(&e, r));
	if (r < 0 && r != -ESRCH && r != -EPERM && vm && !vm_is_active(vm))
		vm_note_uncontrolled(vm, error_text(&e, r));
	return r;
}

static bool any_adopting(const struct registry *registry)
{
	for (size_t i = 0; i < registry->n_vms; i++)
		if (registry->vms[i]->adopting)
			return true;
	return false;
}

static void on_patience_ends(evutil_socket_t fd, short what, void *userdata)
{
	bool *over = userdata;

	(void)fd, (void)what;
	*over = true;
}

/* So that nobody is told "running" of what has crashed. */
static void await_answers(struct registry *registry)
{
	const struct timeval patience = {.tv_sec = ANSWER_SEC};
	struct event_base *base = registry->context.base;
	bool over = !any_adopting(registry);
	struct event *timer = over ? NULL : evtimer_new(base, on_patience_ends, &over);

	if (!timer)
		return;
	over = evtimer_add(timer, &patience) < 0;
	while (any_adopting(registry) && !over && event_base_loop(base, EVLOOP_ONCE) == 0)
		;
	event_free(timer);
	for (size_t i = 0; i < registry->n_vms; i++)
		if (registry->vms[i]->adopting)
			log_warning("vm %s: its monitor (PID %d) does not answer", registry->vms[i]->stored->name,
				(int)registry->vms[i]->pid);
}

int registry_adopt(struct registry *registry, const char *run_dir, struct error *e)
{
	struct store_names names _cleanup_(store_names_fini) = {};
	int r;

	r = runs_open(run_dir, &registry->context.runs, e);
	if (r == 0)
		r = runs_list(registry->context.runs, &names, e);
	if (r < 0)
		return r;
	for (size_t i = 0; i < names.n; i++)
		if (adopt_one(registry, names.items[i]) == -ESRCH)
			forget(registry, names.items[i]);
	await_answers(registry);
	return 0;
}

void registry_adopt_rest(struct registry *registry)
{
	struct store_names names _cleanup_(store_names_fini) = {};
	struct error e = {};
	int r = registry->context.runs < 0 ? 0 : runs_list(registry->context.runs, &names, &e);

	if (r < 0)
		log_error("%s", error_text(&e, r));
	for (size_t i = 0; i < names.n; i++) {
		const struct vm *vm = registry_lookup(registry, names.items[i]);

		if ((!vm || !vm_is_active(vm)) && adopt_one(registry, names.items[i]) == -ESRCH)
			runs_end(registry->context.runs, names.items[i]);
	}
}
