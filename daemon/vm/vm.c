/*
 * vm.c - see vm.h
 *
 * Two things change a VM: what callers ask for, and what the monitor tells. Both
 * end in move(), the only place that changes the state of a VM and tells it.
 *
 * However a run ends, it ends in on_gone(): who wants it to end says how it shall
 * look afterwards (`end`, or the state `stopping`) and sees to it that the monitor
 * goes.
 */
#include "vm/vm.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "abi/messages.h"
#include "base/buffer.h"
#include "base/cursor.h"
#include "base/hex.h"
#include "base/log.h"
#include "base/macro.h"
#include "spec/append.h"
#include "spec/grammar.h"
#include "spec/support.h"
#include "spec/wire.h"
#include "vm/images.h"
#include "vm/sealed.h"
#include "vm/runs.h"
#include "vm/store.h"

struct vm_waiter {
	struct vm_waiter *next; /* owned */
	vm_done_fn done;
	void *userdata; /* borrowed */
};

#define tell(vm, hook, ...)                                                    \
	do {                                                                   \
		const struct vm_listener *listener_ = (vm)->context->listener; \
		if (listener_)                                                 \
			listener_->hook((vm)->context->userdata, __VA_ARGS__); \
	} while (0)

static const char *vm_name(const struct vm *vm)
{
	return vm->stored->name;
}

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

struct vm_extent vm_partition_extent(const struct vm_partition *partition)
{
	const struct vm_spec *spec = vm_spec_in_force(partition->vm);

	assert(partition->present);
	if (partition->role == PARTITION_ROS)
		return (struct vm_extent){.n_vcpus = spec->ros_cores,
			.memory_bytes = spec->ros_memory,
			.visible_bytes = spec->ros_memory};
	return (struct vm_extent){.first_vcpu = spec->ros_cores,
		.n_vcpus = spec->cores - spec->ros_cores,
		.memory_start = spec->ros_memory,
		.memory_bytes = spec->memory - spec->ros_memory,
		.visible_bytes = spec->memory};
}

const char *vm_partition_protocol(const struct vm_partition *partition)
{
	const struct vm_spec *spec = vm_spec_in_force(partition->vm);

	if (partition->role == PARTITION_HRT)
		return "mb64";
	if (!spec->ros_boots)
		return "none";
	return partition->vm->ros.protocol[0] ? partition->vm->ros.protocol : grammar_word_text(GRAMMAR_ROS_PROTOCOL, spec->ros_protocol);
}

uint64_t vm_partition_entry(const struct vm_partition *partition)
{
	const struct vm *vm = partition->vm;

	return partition->role == PARTITION_HRT ? vm->hrt.gva_entry - vm->hrt.gva_offset : vm->ros.entry;
}

const char *vm_partition_image(const struct vm_partition *partition)
{
	const struct vm_spec *spec = vm_spec_in_force(partition->vm);

	if (partition->role == PARTITION_HRT)
		return spec->files[spec->hrt_file].id;
	return spec->ros_boots ? spec->files[spec->ros_file].id : "";
}

static void partition_clear(struct vm_partition *p)
{
	p->state = PARTITION_INACTIVE;
	p->reason = REASON_DEFINED;
	p->details = (struct error){};
	p->n_resets = 0;
}

struct vm *vm_new(struct vm_context *context, struct vm_spec *spec)
{
	struct vm *vm = calloc(1, sizeof(*vm));

	if (!vm)
		return NULL;
	vm->context = context;
	vm->stored = spec;
	vm_life_init(&vm->life);
	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		vm->partitions[role] = (struct vm_partition){.role = (enum partition_role)role, .vm = vm};
		partition_clear(&vm->partitions[role]);
	}
	vm->partitions[PARTITION_ROS].present = true;
	vm->partitions[PARTITION_HRT].present = spec->hybrid;
	return vm;
}

static void finish_start(struct vm *vm, int error, const struct error *e)
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
	finish_start(vm, -ECANCELED, NULL);
	finish_waiters(vm);
	vm_spec_free(vm->replaced);
	vm_spec_free(vm->stored);
	free(vm);
	return NULL;
}

/* The HRT partition is there when the definition in force has it. */
static void update_partitions(struct vm *vm)
{
	struct vm_partition *hrt = &vm->partitions[PARTITION_HRT];
	bool wanted = vm_spec_in_force(vm)->hybrid;

	if (hrt->present && !wanted)
		tell(vm, partition_removed, hrt);
	if (hrt->present == wanted)
		return;
	hrt->present = wanted;
	partition_clear(hrt);
	if (wanted)
		tell(vm, partition_added, hrt);
}

void vm_redefine(struct vm *vm, struct vm_spec *spec)
{
	struct vm_spec *before = vm->stored;

	vm->stored = spec;
	if (vm->monitor && !vm->replaced)
		vm->replaced = before;
	else
		vm_spec_free(before);
	update_partitions(vm);
	tell(vm, changed, vm, VM_CHANGED_DEFINITION);
}

void vm_set_autostart(struct vm *vm, bool on)
{
	if (vm->autostart == on)
		return;
	vm->autostart = on;
	tell(vm, changed, vm, VM_CHANGED_AUTOSTART);
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

static void move(struct vm *vm, enum vm_state state, enum vm_reason reason, const char *details,
	const struct monitor_news *blame)
{
	enum vm_state before = vm->life.state;

	vm_life_move(&vm->life, state, reason, details);
	note_exit(vm, state, reason);
	log_life(vm, blame);
	tell(vm, state_changed, vm, before, blame ? blame->vcpu : -1, blame ? blame->address : 0);
	tell(vm, changed, vm, VM_CHANGED_STATE);
}

static unsigned role_change(enum partition_role role)
{
	return role == PARTITION_ROS ? VM_CHANGED_ROS : VM_CHANGED_HRT;
}

/* What a partition was accused of stays readable after the end. */
static void partitions_end(struct vm *vm, enum vm_reason reason)
{
	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		struct vm_partition *p = &vm->partitions[role];

		if (p->state != PARTITION_CRASHED && p->state != PARTITION_FAILED) {
			p->reason = reason;
			p->details = (struct error){};
		}
		p->state = PARTITION_INACTIVE;
	}
	tell(vm, changed, vm, VM_CHANGED_ROS | VM_CHANGED_HRT);
}

/* Decides how this run ends, and ends it. The first decision counts. */
static void end(struct vm *vm, enum vm_reason reason, int error, const char *text)
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
	partitions_end(vm, reason);
	move(vm, VM_INACTIVE, reason, details.text, NULL);
	finish_start(vm, -ECANCELED, &e);
}

static void after_failure(struct vm *vm)
{
	partitions_end(vm, vm->end.reason);
	move(vm, VM_FAILED, vm->end.reason, vm->end.text.text, NULL);
	finish_start(vm, vm->end.error, &vm->end.text);
}

/* It is no longer there for a later hvmd to find. */
static void forget_run(struct vm *vm)
{
	vm->survives = vm->adopting = false;
	if (vm->context->runs >= 0)
		runs_end(vm->context->runs, vm_name(vm));
}

/*
 * Tour 490: Every run ends here, whoever wanted it: the monitor has left, been killed, or died. If
 * nobody had decided on an end, then its death is the news, and the VM has failed with a reason that
 * is kept for whoever asks.
 */
static void on_gone(void *userdata, const char *how)
{
	struct vm *vm = userdata;

	if (!vm->end.decided) {
		vm->end.reason = REASON_VMM_DIED;
		vm->end.error =
			error_set(&vm->end.text, -ECANCELED, "the monitor (PID %d) %s", (int)vm->pid, how);
	}
	vm->monitor = monitor_free(vm->monitor);
	vm->unresponsive = false;
	forget_run(vm);
	vm->replaced = vm_spec_free(vm->replaced);
	if (vm->life.state == VM_STOPPING)
		after_stop(vm);
	else
		after_failure(vm);
	update_partitions(vm);
	tell(vm, changed, vm, VM_CHANGED_DEFINITION);
	finish_waiters(vm);
}

/* A partition that was built, or waits for its start, is parked for other reasons. */
static bool is_end_of_guest(const struct monitor_news *news)
{
	return news->state == PARTITION_PARKED && news->reason != REASON_DEFINED && news->reason != REASON_BOOTED;
}

/* The other partition runs on, so that the VM's state has no news of it. */
static void log_crash(const struct vm *vm, const struct monitor_news *news)
{
	static struct ratelimit limit = {.interval_usec = 10000000, .burst = 50};
	const char *role = partition_role_to_string(news->role);
	const struct log_about about = {.vm = vm_name(vm), .partition = role, .message_id = MESSAGE_GUEST_CRASHED};

	if (log_ratelimit(&limit))
		log_line_about(&about, LOG_LEVEL_NOTICE, "vm %s: %s crashed (%s): %s", vm_name(vm), role,
			vm_reason_to_string(news->reason), news->details);
}

/* on_crash="ignore": the VM goes on without the partition. */
static bool is_ignored(const struct vm_partition *p)
{
	return p->state == PARTITION_CRASHED &&
		spec_on_crash(vm_spec_in_force(p->vm), p->role) == SPEC_ON_CRASH_IGNORE;
}

/* on_crash="stop", which a monitor cannot do itself; "reset" it can. */
static void follow_crash(struct vm *vm, const struct monitor_news *news)
{
	const bool stops = spec_on_crash(vm_spec_in_force(vm), news->role) == SPEC_ON_CRASH_STOP;

	if (vm->life.state == VM_RUNNING)
		log_crash(vm, news);
	if (!stops || vm->life.state == VM_STOPPING)
		return;
	snprintf(vm->life.details.text, sizeof(vm->life.details.text), "%s", news->details); /* what a stop keeps */
	vm_stop(vm, VM_STOP_USEC, news->reason, NULL, NULL, NULL);
}

/*
 * What the states of the partitions, one of which is news, mean for the VM. When
 * the last that ran has come to its end by itself, so has the VM.
 */
static void follow_partitions(struct vm *vm, const struct monitor_news *news)
{
	bool any[N_PARTITION_STATES] = {};
	enum vm_state target;

	for (int role = 0; role < N_PARTITION_ROLES; role++)
		if (vm->partitions[role].present && !is_ignored(&vm->partitions[role]))
			any[vm->partitions[role].state] = true;
	if (any[PARTITION_RUNNING])
		target = VM_RUNNING;
	else if (any[PARTITION_PAUSED])
		target = VM_PAUSED;
	else if (any[PARTITION_FAILED]) {
		end(vm, news->reason, -ECANCELED, news->details);
		return;
	} else if (any[PARTITION_CRASHED])
		target = VM_CRASHED;
	else {
		if (is_end_of_guest(news))
			vm_stop(vm, VM_STOP_USEC, news->reason, NULL, NULL, NULL);
		return;
	}
	if (target == vm->life.state && news->reason == REASON_GUEST_RESET) {
		vm_life_note(&vm->life, news->reason);
		tell(vm, changed, vm, VM_CHANGED_STATE);
	}
	if (target != vm->life.state && vm_state_may_follow(vm->life.state, target))
		move(vm, target, news->reason, news->details, news);
}

static void on_partition(void *userdata, const struct monitor_news *news)
{
	struct vm *vm = userdata;
	struct vm_partition *p = &vm->partitions[news->role];

	if (!p->present && news->state == PARTITION_INACTIVE)
		return;
	if (!p->present) {
		end(vm, REASON_VMM_DIED, -ECANCELED,
			"the monitor told news of a partition that the VM does not have");
		return;
	}
	p->state = news->state;
	p->reason = news->reason;
	snprintf(p->details.text, sizeof(p->details.text), "%s", news->details);
	tell(vm, changed, vm, role_change(news->role));
	if (news->state == PARTITION_CRASHED)
		tell(vm, guest_crashed, vm, news);
	follow_partitions(vm, news);
	if (news->state == PARTITION_CRASHED)
		follow_crash(vm, news);
}

static void on_hrt(void *userdata, const struct monitor_hrt *hrt)
{
	struct vm *vm = userdata;

	vm->hrt = *hrt;
	tell(vm, changed, vm, VM_CHANGED_HRT_IMAGE);
}

static void on_ros(void *userdata, const struct monitor_ros *ros)
{
	struct vm *vm = userdata;

	vm->ros = *ros;
	tell(vm, changed, vm, VM_CHANGED_ROS_IMAGE);
}

static void on_launch(void *userdata, const uint8_t digest[LINK_DIGEST_SIZE])
{
	struct vm *vm = userdata;

	hex_format(digest, LINK_DIGEST_SIZE, vm->launch_digest);
	tell(vm, changed, vm, VM_CHANGED_LAUNCH);
}

static void on_reset_done(void *userdata, enum link_scope scope, uint32_t first_vcpu, uint32_t n_vcpus)
{
	struct vm *vm = userdata;
	unsigned changes = VM_CHANGED_RESETS;

	vm->n_resets++;
	if (scope != LINK_SCOPE_HRT) {
		vm->partitions[PARTITION_ROS].n_resets++;
		changes |= VM_CHANGED_ROS;
	}
	if (scope != LINK_SCOPE_ROS && vm->partitions[PARTITION_HRT].present) {
		vm->partitions[PARTITION_HRT].n_resets++;
		changes |= VM_CHANGED_HRT;
	}
	tell(vm, changed, vm, changes);
	tell(vm, reset_done, vm, scope, first_vcpu, n_vcpus);
}

static void on_responsive(void *userdata, bool responsive)
{
	struct vm *vm = userdata;
	const struct log_about about = {.vm = vm_name(vm), .message_id = MESSAGE_UNRESPONSIVE};

	vm->unresponsive = !responsive;
	if (responsive)
		log_line_about(&about, LOG_LEVEL_NOTICE, "vm %s: its monitor (PID %d) answers again", vm_name(vm), (int)vm->pid);
	else
		log_line_about(&about, LOG_LEVEL_WARNING, "vm %s: its monitor (PID %d) is unresponsive: it leaves requests unanswered; "
			"terminating the VM works all the same", vm_name(vm), (int)vm->pid);
	tell(vm, changed, vm, VM_CHANGED_STATE);
}

/* All that happened before we came has been told. */
static bool on_run(void *userdata, const struct monitor_run *run)
{
	struct vm *vm = userdata;

	if (memcmp(run->uuid, vm_spec_in_force(vm)->uuid, SPEC_UUID_SIZE) != 0)
		return false;
	vm_life_date(&vm->life, run->changed);
	vm->n_resets = run->n_resets;
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		vm->partitions[role].n_resets = run->n_resets_of[role];
	vm->adopting = false;
	log_notice("vm %s: adopted, it is %s (PID %d)", vm_name(vm), vm_state_to_string(vm->life.state), (int)vm->pid);
	tell(vm, changed, vm, VM_CHANGED_STATE | VM_CHANGED_RESETS | VM_CHANGED_ROS | VM_CHANGED_HRT);
	return true;
}

/* As if somebody had asked for a stop, but that the guest says why. */
static void on_guest_exit(void *userdata, int32_t status, const char *details)
{
	struct vm *vm = userdata;

	if (!vm_state_may_follow(vm->life.state, VM_STOPPING))
		return; /* somebody was faster */
	vm->has_guest_status = true;
	vm->guest_status = status;
	move(vm, VM_STOPPING, REASON_GUEST_POWEROFF, details, NULL);
	monitor_stop(vm->monitor, VM_STOP_USEC);
}

static const struct monitor_hooks hooks = {
	.responsive = on_responsive,
	.run = on_run,
	.partition = on_partition,
	.hrt = on_hrt,
	.ros = on_ros,
	.launch = on_launch,
	.exit = on_guest_exit,
	.reset_done = on_reset_done,
	.gone = on_gone,
};

/* A monitor that is gone cancels what was asked of it; on_gone() comes next, and knows more. */
static bool monitor_is_gone(const struct vm *vm)
{
	return monitor_pid(vm->monitor) == 0;
}

static void start_refused(struct vm *vm, int error, const struct error *e)
{
	if (!monitor_is_gone(vm))
		end(vm, error == -ENOMEM ? REASON_OUT_OF_MEMORY : REASON_START_FAILED, error,
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
		move(vm, VM_RUNNING, REASON_BOOTED, NULL, NULL);
	if (vm->life.state != VM_STOPPING)
		finish_start(vm, 0, NULL);
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

int vm_open_images(struct vm *vm, int ret_fds[SPEC_FILES_MAX], struct error *e)
{
	struct vm_spec *spec = vm->stored;

	for (size_t n = 0; n < spec->n_files; n++) {
		int r = 0;

		ret_fds[n] = sealed_open(vm->context->sealed, spec->files[n].sha256, &spec->files[n].no_sites);
		if (ret_fds[n] < 0)
			r = image_open(vm->context->store->images, spec->files[n].sha256, &ret_fds[n], e);
		if (r == 0)
			continue;
		error_prefix(e, r, "file \"%s\"", spec->files[n].id);
		while (n > 0)
			close_fd(ret_fds[--n]);
		return r;
	}
	return 0;
}

/* The descriptors of LINK_SETUP, in its order. */
struct setup {
	int fds[1 + N_PARTITION_ROLES + SPEC_FILES_MAX];
	size_t n;
};

static void setup_fini(struct setup *setup)
{
	while (setup->n > 0)
		close_fd(setup->fds[--setup->n]);
}

/* The last thing that can fail: a start that does not come to pass leaves the log of the last run alone. */
static int begin_logs(struct vm *vm, int *fds, struct error *e)
{
	int r = 0;

	for (int role = 0; role < N_PARTITION_ROLES && r == 0; role++)
		if (spec_has_console(vm->stored, (enum partition_role)role))
			r = store_console_begin(vm->context->store, vm_name(vm),
				partition_role_to_string((enum partition_role)role), fds++, e);
	return r;
}

static int setup_collect(struct vm *vm, struct setup *setup, struct error *e)
{
	size_t logs = 1;
	int r;

	r = host_kvm_open(vm->context->kvm_path, &setup->fds[0], e);
	if (r < 0)
		return r;
	setup->n = 1;
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		if (spec_has_console(vm->stored, (enum partition_role)role))
			setup->fds[setup->n++] = -1;
	r = vm_open_images(vm, setup->fds + setup->n, e);
	if (r < 0)
		return r;
	setup->n += vm->stored->n_files;
	return begin_logs(vm, setup->fds + logs, e);
}

/* The command lines of a start. */
struct cmdlines {
	char *of[N_PARTITION_ROLES]; /* owned; NULL: none */
};

static void cmdlines_fini(struct cmdlines *cmdlines)
{
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		free(cmdlines->of[role]);
}

static int cmdlines_init(struct cmdlines *cmdlines, const struct vm *vm, const struct vm_start_options *options,
	struct error *e)
{
	const char *added[N_PARTITION_ROLES] = {};
	enum partition_role only;
	int r = 0;

	if (options)
		memcpy(added, options->append_to, sizeof(added));
	if (options && options->append) {
		r = spec_append_target(vm->stored, &only, e);
		if (r == 0)
			added[only] = options->append;
	}
	for (int role = 0; r == 0 && role < N_PARTITION_ROLES; role++)
		r = spec_append(vm->stored, (enum partition_role)role, added[role] ? added[role] : "",
			&cmdlines->of[role], e);
	return r;
}

/* The definition as it is told to the monitor. */
static void encode(const struct vm *vm, const struct cmdlines *cmdlines, struct buffer *b)
{
	struct vm_spec spec = *vm->stored;

	spec.ros_cmdline = cmdlines->of[PARTITION_ROS];
	spec.hrt_cmdline = cmdlines->of[PARTITION_HRT];
	spec_encode(&spec, b);
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

static int ask_setup(struct vm *vm, const struct setup *setup, const struct cmdlines *cmdlines, struct error *e)
{
	struct buffer b = BUFFER_INIT(LINK_MESSAGE_MAX);
	int r;

	encode(vm, cmdlines, &b);
	r = buffer_ok(&b)
		? 0
		: error_set(e, -ENOMEM, "VM %s: its definition does not fit into a message", vm_name(vm));
	if (r == 0)
		r = monitor_ask(
			vm->monitor, LINK_SETUP, b.data, b.size, setup->fds, setup->n, setup_answered, vm, e);
	buffer_fini(&b);
	return r;
}

static int spawn(struct vm *vm, const struct cmdlines *cmdlines, struct error *e)
{
	struct setup setup _cleanup_(setup_fini) = {};
	int r;

	r = setup_collect(vm, &setup, e);
	if (r < 0)
		return r;
	r = monitor_spawn(vm->context->base, vm->context->monitor_path, &hooks, vm, &vm->monitor, e);
	if (r < 0)
		return r;
	r = ask_listen(vm, e);
	if (r == 0)
		r = ask_setup(vm, &setup, cmdlines, e);
	if (r < 0) {
		vm->monitor = monitor_free(vm->monitor);
		forget_run(vm);
	}
	return r;
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

/* Forgets the last run. */
static void begin_run(struct vm *vm)
{
	memset(&vm->end, 0, sizeof(vm->end));
	vm->pid = monitor_pid(vm->monitor);
	vm->hrt = (struct monitor_hrt){};
	vm->ros = (struct monitor_ros){};
	vm->launch_digest[0] = '\0';
	vm->n_resets = 0;
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		partition_clear(&vm->partitions[role]);
	tell(vm, changed, vm, VM_CHANGED_RESETS | VM_CHANGED_ROS | VM_CHANGED_HRT | VM_CHANGED_HRT_IMAGE |
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

/*
 * Tour 235: A start has three steps, and a callback between them: spawn a monitor, tell it what to
 * build (LINK_SETUP), tell it to run (LINK_START). hvmd serves everybody else meanwhile. The states on
 * the way are in vm/state.h.
 */
int vm_start(struct vm *vm, const struct vm_start_options *options, vm_done_fn done, void *userdata, struct error *e)
{
	struct cmdlines cmdlines _cleanup_(cmdlines_fini) = {};
	int r;

	r = check_startable(vm, e);
	if (r == 0)
		r = spec_check_supported(vm->stored, e);
	if (r == 0)
		r = cmdlines_init(&cmdlines, vm, options, e);
	if (r < 0)
		return r;
	vm_context_probe_host(vm->context);
	r = spawn(vm, &cmdlines, e);
	if (r < 0)
		return r;
	begin_run(vm);
	vm->start_done = done;
	vm->start_userdata = userdata;
	move(vm, VM_STARTING, REASON_HOST_REQUEST, NULL, NULL);
	return 0;
}

/* The states on the way, which nobody saw, are gone through: what runs has been started. */
int vm_adopt(struct vm *vm, struct run_found *found, struct vm_spec *spec, struct error *e)
{
	int r = monitor_adopt(vm->context->base, found, &hooks, vm, &vm->monitor, e);

	if (r < 0)
		return r;
	begin_run(vm);
	vm->replaced = spec;
	vm->survives = vm->adopting = true;
	update_partitions(vm);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		vm->partitions[role].state = PARTITION_PARKED; /* until it says otherwise */
	move(vm, VM_STARTING, REASON_BOOTED, NULL, NULL);
	move(vm, VM_RUNNING, REASON_BOOTED, NULL, NULL);
	return 0;
}

void vm_note_lost(struct vm *vm)
{
	forget_run(vm);
	move(vm, VM_STARTING, REASON_BOOTED, NULL, NULL);
	move(vm, VM_FAILED, REASON_VMM_DIED, "its monitor ended while no hvmd was there to see it", NULL);
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

		move(vm, VM_STOPPING, reason, details.text, NULL);
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
