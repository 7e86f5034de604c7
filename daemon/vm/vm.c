/* vm.c - see vm.h and move.h: a VM, the moves of its life, and its end; start.c has the beginning, news.c what happens */
#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "abi/messages.h"
#include "base/error.h"
#include "base/log.h"
#include "base/macro.h"
#include "vm/move.h"
#include "vm/runs.h"
#include "vm/setup.h"

struct vm_waiter {
	struct vm_waiter *next; /* owned */
	vm_done_fn done;
	void *userdata; /* borrowed */
};

const struct vm_spec *vm_spec_in_force(const struct vm *vm)
{
	return vm->replaced ? vm->replaced : vm->stored;
}

bool vm_is_active(const struct vm *vm)
{
	return vm->monitor;
}

pid_t vm_leader(const struct vm *vm)
{
	return vm->monitor ? monitor_pid(vm->monitor) : 0;
}

const char *vm_cage(const struct vm *vm)
{
	return vm->monitor ? monitor_cage(vm->monitor) : "";
}

struct vm *vm_new(struct vm_context *context, struct vm_spec *spec)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return NULL;
	vm->context = context;
	vm->stored = spec;
	vm_life_init(&vm->life);
	vm->talk = (struct vm_talk){.state = "idle"};
	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		vm->partitions[role] = (struct vm_partition){.role = (enum partition_role)role, .vm = vm};
		vm_partition_clear(&vm->partitions[role]);
	}
	vm->partitions[PARTITION_ROS].present = true;
	vm->partitions[PARTITION_HRT].present = spec->hybrid;
	return vm;
}

void vm_finish_start(struct vm *vm, int error, const struct error *e)
{
	vm_done_fn done = take_ptr(vm->start_done);

	if (done)
		done(vm->start_userdata, error, e);
}

static void finish_waiters(struct vm *vm)
{
	struct vm_waiter *waiters = take_ptr(vm->waiters);

	while (waiters) {
		struct vm_waiter *w = waiters;

		waiters = w->next;
		if (w->done)
			w->done(w->userdata, 0, NULL);
		free(w);
	}
}

struct vm *vm_free(struct vm *vm)
{
	if (!vm)
		return NULL;
	if (vm->survives)
		monitor_let_go(vm->monitor);
	else
		monitor_free(vm->monitor);
	vm_finish_start(vm, -ECANCELED, NULL);
	finish_waiters(vm);
	vm_setup_free(vm->setup);
	if (vm->on_patience_ends)
		event_free(vm->on_patience_ends);
	vm_spec_free(vm->replaced);
	vm_spec_free(vm->stored);
	free(vm);
	return NULL;
}

void vm_redefine(struct vm *vm, struct vm_spec *spec)
{
	struct vm_spec *before = vm->stored;

	vm->stored = spec;
	if (vm->monitor && !vm->replaced)
		vm->replaced = before;
	else
		vm_spec_free(before);
	vm_update_partitions(vm);
	vm_tell(vm, changed, vm, VM_CHANGED_DEFINITION);
}

void vm_set_autostart(struct vm *vm, bool on)
{
	if (vm->autostart == on)
		return;
	vm->autostart = on;
	vm_tell(vm, changed, vm, VM_CHANGED_AUTOSTART);
}

/* Why a guest came to its end is kept until it runs again. */
static void note_exit(struct vm *vm, enum vm_state state, enum vm_reason reason)
{
	if (state == VM_STARTING || state == VM_RUNNING)
		vm->has_exit_reason = vm->has_guest_status = false;
	else if ((state == VM_CRASHED || state == VM_FAILED || state == VM_INACTIVE) &&
		!vm->has_exit_reason) {
		vm->has_exit_reason = true;
		vm->exit_reason = reason;
		vm->exit_status = vm->has_guest_status ? vm->guest_status : vm_exit_status(reason);
	}
}

/* A guest can crash and ask to be reset as often as it likes. */
static void log_life(const struct vm *vm, const struct monitor_news *blame)
{
	static const char *const messages[N_VM_STATES] = {[VM_RUNNING] = MESSAGE_VM_RUNNING,
		[VM_INACTIVE] = MESSAGE_VM_STOPPED, [VM_CRASHED] = MESSAGE_GUEST_CRASHED, [VM_FAILED] = MESSAGE_VM_FAILED};
	const struct log_about about = {.vm = vm_name(vm), .message_id = messages[vm->life.state],
		.partition = blame ? partition_role_to_string(blame->role) : NULL};
	static struct ratelimit limit = {.interval_usec = 10000000, .burst = 50};
	const struct vm_life *life = &vm->life;
	enum log_level level = life->state == VM_FAILED ? LOG_LEVEL_ERROR
		: life->state == VM_CRASHED		? LOG_LEVEL_NOTICE
							: LOG_LEVEL_INFO;

	if (log_ratelimit(&limit))
		log_line_about(&about, level, "vm %s: %s (%s)%s%s", vm_name(vm), vm_state_to_string(life->state),
			vm_reason_to_string(life->reason), life->details.text[0] ? ": " : "",
			life->details.text);
}

void vm_move(struct vm *vm, enum vm_state state, enum vm_reason reason, const char *details,
	const struct monitor_news *blame)
{
	enum vm_state before = vm->life.state;

	vm_life_move(&vm->life, state, reason, details);
	note_exit(vm, state, reason);
	log_life(vm, blame);
	vm_tell(vm, state_changed, vm, before, blame ? blame->vcpu : -1, blame ? blame->address : 0);
	vm_tell(vm, changed, vm, VM_CHANGED_STATE);
}

void vm_end(struct vm *vm, enum vm_reason reason, int error, const char *text)
{
	if (!vm->end.decided) {
		vm->end.decided = true;
		vm->end.reason = reason;
		vm->end.error = error_set(&vm->end.text, error, "%s", text);
	}
	monitor_kill(vm->monitor);
}

static void after_stop(struct vm *vm)
{
	struct error e, details = vm->life.details;
	enum vm_reason reason = vm->life.reason;

	error_set(&e, -ECANCELED, "VM %s was stopped while it was starting", vm_name(vm));
	vm_end_partitions(vm, reason);
	vm_move(vm, VM_INACTIVE, reason, details.text, NULL);
	vm_finish_start(vm, -ECANCELED, &e);
}

static void after_failure(struct vm *vm)
{
	vm_end_partitions(vm, vm->end.reason);
	vm_move(vm, VM_FAILED, vm->end.reason, vm->end.text.text, NULL);
	vm_finish_start(vm, vm->end.error, &vm->end.text);
}

void vm_forget_run(struct vm *vm)
{
	vm->survives = vm->adopting = false;
	if (vm->context->runs >= 0)
		runs_end(vm->context->runs, vm_name(vm));
}

/* What it was to be told it needs not know any more. */
static void forget_start(struct vm *vm)
{
	vm->setup = vm_setup_free(vm->setup);
	if (vm->on_patience_ends)
		event_del(vm->on_patience_ends);
}

/*
 * Tour 490: Every run ends here, whoever wanted it: the monitor has left, been killed, or died. If
 * nobody had decided on an end, then its death is the news, and the VM has failed with a reason that
 * is kept for whoever asks.
 */
void vm_gone(void *userdata, const char *how)
{
	struct vm *vm = userdata;

	if (!vm->end.decided) {
		vm->end.reason = REASON_VMM_DIED;
		vm->end.error =
			error_set(&vm->end.text, -ECANCELED, "the monitor (PID %d) %s", (int)vm->pid, how);
	}
	vm->monitor = monitor_free(vm->monitor);
	forget_start(vm);
	strcpy(vm->talk.state, "idle"); /* whatever was in progress */
	vm->unresponsive = false;
	vm_forget_run(vm);
	vm->replaced = vm_spec_free(vm->replaced);
	if (vm->life.state == VM_STOPPING)
		after_stop(vm);
	else
		after_failure(vm);
	vm_update_partitions(vm);
	vm_tell(vm, changed, vm, VM_CHANGED_DEFINITION);
	finish_waiters(vm);
}

void vm_context_probe_host(struct vm_context *context)
{
	struct host host;
	bool changed;

	host_probe(context->kvm_path, &host);
	changed = !host_equal(&host, &context->host);
	context->host = host;
	if (changed && context->listener)
		context->listener->host_changed(context->userdata);
}

void vm_note_lost(struct vm *vm)
{
	vm_forget_run(vm);
	vm_move(vm, VM_STARTING, REASON_BOOTED, NULL, NULL);
	vm_move(vm, VM_FAILED, REASON_VMM_DIED, "its monitor ended while no hvmd was there to see it", NULL);
}

void vm_note_uncontrolled(struct vm *vm, const char *why)
{
	struct error details;

	error_set(&details, -EIO, "it runs, and cannot be controlled: %s", why);
	vm_move(vm, VM_STARTING, REASON_BOOTED, NULL, NULL);
	vm_move(vm, VM_FAILED, REASON_UNKNOWN, details.text, NULL);
}

int vm_stop(struct vm *vm, uint64_t timeout_usec, enum vm_reason reason, vm_done_fn done, void *userdata,
	struct error *e)
{
	struct vm_waiter *w;

	if (!vm->monitor)
		return error_set(e, -ESRCH, "VM %s is not running; it is %s", vm_name(vm),
			vm_state_to_string(vm->life.state));
	w = malloc(sizeof(*w));
	if (!w)
		return error_set_errno(e, -ENOMEM, "stopping VM %s", vm_name(vm));
	*w = (struct vm_waiter){.next = vm->waiters, .done = done, .userdata = userdata};
	vm->waiters = w;
	if (vm->life.state != VM_STOPPING) {
		struct error details = vm->life.details; /* of a crash: it stays known */

		vm_move(vm, VM_STOPPING, reason, details.text, NULL);
	}
	if (timeout_usec > 0)
		monitor_stop(vm->monitor, timeout_usec);
	else
		monitor_kill(vm->monitor);
	return 0;
}

/* Resets, telemetry and consoles are for machines that are built and not about to go. */
int vm_check_running(const struct vm *vm, struct error *e)
{
	const char *state = vm_state_to_string(vm->life.state);

	switch (vm->life.state) {
	case VM_RUNNING:
	case VM_PAUSED:
	case VM_CRASHED:
		return 0;
	case VM_STARTING:
	case VM_STOPPING:
		return error_set(e, -EBUSY, "VM %s is %s; wait until it is done", vm_name(vm), state);
	case VM_INACTIVE:
	case VM_FAILED:
		return error_set(e, -ESRCH, "VM %s is not running; it is %s", vm_name(vm), state);
	case N_VM_STATES:
		break;
	}
	assert(false);
	return -EINVAL;
}
