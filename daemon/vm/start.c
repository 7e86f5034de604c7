/* start.c - how a run of a VM begins: by a start, or as one that an earlier hvmd began; vm.h has the contract */
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "spec/support.h"
#include "vm/move.h"
#include "vm/runs.h"
#include "vm/setup.h"

#define PLACE_SEC 5u /* for a monitor's scope to come */

/* A monitor that is gone cancels what was asked of it; vm_gone() comes next, and knows more. */
static bool monitor_is_gone(const struct vm *vm)
{
	return monitor_pid(vm->monitor) == 0;
}

static void start_refused(struct vm *vm, int error, const struct error *e)
{
	if (!monitor_is_gone(vm))
		vm_end(vm, error == -ENOMEM ? REASON_OUT_OF_MEMORY : REASON_START_FAILED, error,
			error_text(e, error));
}

static bool start_answered(void *userdata, int error, const struct error *e, struct cursor *body)
{
	struct vm *vm = userdata;

	if (error < 0) {
		start_refused(vm, error, e);
		return true;
	}
	vm->survives = vm->context->runs >= 0;
	if (vm->life.state == VM_STARTING)
		vm_move(vm, VM_RUNNING, REASON_BOOTED, NULL, NULL);
	if (vm->life.state != VM_STOPPING)
		vm_finish_start(vm, 0, NULL);
	return body->left == 0;
}

static bool setup_answered(void *userdata, int error, const struct error *e, struct cursor *body)
{
	struct vm *vm = userdata;
	struct error why;

	if (error == 0 && body->left > 0)
		return false;
	if (error == 0) {
		e = &why;
		error = monitor_ask(vm->monitor, LINK_START, NULL, 0, NULL, 0, start_answered, vm, &why);
	}
	if (error < 0)
		start_refused(vm, error, e);
	return true;
}

static bool listen_answered(void *userdata, int error, const struct error *e, struct cursor *body)
{
	if (error < 0)
		start_refused(userdata, error, e);
	return !body || body->left == 0;
}

/* Where a later hvmd will find it. */
static int ask_listen(struct vm *vm, struct error *e)
{
	_cleanup_close_ int listener = -1;
	int r;

	if (vm->context->runs < 0)
		return 0;
	r = runs_begin(vm->context->runs, vm->stored, &listener, e);
	return r < 0 ? r : monitor_ask(vm->monitor, LINK_LISTEN, NULL, 0, &listener, 1, listen_answered, vm, e);
}

static int spawn(struct vm *vm, struct error *e)
{
	int r = monitor_spawn(vm->context->base, vm->context->monitor_path, &vm_hooks, vm, &vm->monitor, e);

	if (r < 0)
		return r;
	r = ask_listen(vm, e);
	if (r < 0) {
		vm->monitor = monitor_free(vm->monitor);
		vm_forget_run(vm);
	}
	return r;
}

/* Forgets the last run. */
static void begin_run(struct vm *vm)
{
	memset(&vm->end, 0, sizeof(vm->end));
	vm->pid = monitor_pid(vm->monitor);
	vm->hrt = (struct monitor_hrt){};
	vm->talk = (struct vm_talk){.state = "idle"};
	vm->ros = (struct monitor_ros){};
	vm->launch_digest[0] = '\0';
	vm->n_resets = 0;
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		vm_partition_clear(&vm->partitions[role]);
	vm_tell(vm, changed, vm, VM_CHANGED_RESETS | VM_CHANGED_ROS | VM_CHANGED_HRT | VM_CHANGED_HRT_IMAGE |
		VM_CHANGED_ROS_IMAGE | VM_CHANGED_LAUNCH);
}

static int check_startable(const struct vm *vm, struct error *e)
{
	const char *state = vm_state_to_string(vm->life.state);

	switch (vm->life.state) {
	case VM_INACTIVE:
	case VM_FAILED:
		return 0;
	case VM_STARTING:
	case VM_STOPPING:
		return error_set(e, -EBUSY, "VM %s is %s; wait until it is done", vm_name(vm), state);
	case VM_RUNNING:
	case VM_PAUSED:
		return error_set(e, -EALREADY, "VM %s is already %s", vm_name(vm), state);
	case VM_CRASHED:
		return error_set(e, -EALREADY,
			"VM %s has been started and has crashed; reset it, or stop it first", vm_name(vm));
	case N_VM_STATES:
		break;
	}
	assert(false);
	return -EINVAL;
}

/* A monitor with a place of its own touches memory there only. */
static void go_on(struct vm *vm)
{
	_cleanup_(vm_setup_freep) struct vm_setup *setup = take_ptr(vm->setup);
	struct error e = {};
	int r = vm_setup_send(setup, vm->monitor, setup_answered, vm, &e);

	if (r < 0)
		start_refused(vm, r, &e);
}

static void on_patience_ends(evutil_socket_t fd, short what, void *userdata)
{
	struct vm *vm = userdata;

	(void)fd, (void)what;
	log_warning("vm %s: it is not in a place of its own after %u s, and starts where it is", vm_name(vm), PLACE_SEC);
	go_on(vm);
}

void vm_placed(struct vm *vm)
{
	if (!vm->setup)
		return;
	event_del(vm->on_patience_ends);
	go_on(vm);
}

static bool waits_for_place(struct vm *vm)
{
	const struct vm_listener *listener = vm->context->listener;

	return listener && listener->place && listener->place(vm->context->userdata, vm);
}

static int begin(struct vm *vm, const struct vm_start_options *options, struct error *e)
{
	_cleanup_(vm_setup_freep) struct vm_setup *setup = NULL;
	int r;

	if (!vm->on_patience_ends)
		vm->on_patience_ends = evtimer_new(vm->context->base, on_patience_ends, vm);
	if (!vm->on_patience_ends)
		return error_set_errno(e, -ENOMEM, "starting VM %s", vm_name(vm));
	r = vm_setup_new(vm, options, &setup, e);
	if (r == 0)
		r = spawn(vm, e);
	if (r < 0)
		return r;
	vm->setup = take_ptr(setup);
	return 0;
}

/*
 * Tour 235: A start has four steps, and a callback between them: spawn a monitor, have it put into a place of
 * its own (its scope, where there is systemd), tell it what to build (LINK_SETUP), tell it to run (LINK_START).
 * hvmd serves everybody else meanwhile. The states on the way are in vm/state.h.
 */
int vm_start(struct vm *vm, const struct vm_start_options *options, vm_done_fn done, void *userdata, struct error *e)
{
	int r;

	r = check_startable(vm, e);
	if (r == 0)
		r = spec_check_supported(vm->stored, e);
	if (r < 0)
		return r;
	vm_context_probe_host(vm->context);
	if (vm->context->runs >= 0)
		r = runs_check_ended(vm->context->runs, vm_name(vm), e);
	if (r == 0)
		r = begin(vm, options, e);
	if (r < 0)
		return r;
	begin_run(vm);
	vm->start_done = done;
	vm->start_userdata = userdata;
	vm_move(vm, VM_STARTING, REASON_HOST_REQUEST, NULL, NULL);
	if (waits_for_place(vm))
		evtimer_add(vm->on_patience_ends, &(struct timeval){.tv_sec = PLACE_SEC});
	else
		go_on(vm);
	return 0;
}

/* The states on the way, which nobody saw, are gone through: what runs has been started. */
int vm_adopt(struct vm *vm, struct run_found *found, struct vm_spec *spec, struct error *e)
{
	int r = monitor_adopt(vm->context->base, found, &vm_hooks, vm, &vm->monitor, e);

	if (r < 0)
		return r;
	begin_run(vm);
	vm->replaced = spec;
	vm->survives = vm->adopting = true;
	vm_update_partitions(vm);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		vm->partitions[role].state = PARTITION_PARKED; /* until it says otherwise */
	vm_move(vm, VM_STARTING, REASON_BOOTED, NULL, NULL);
	vm_move(vm, VM_RUNNING, REASON_BOOTED, NULL, NULL);
	return 0;
}
