/* start.c - how a run of a VM begins: by a start, or as one that an earlier hvmd began; vm.h has the contract */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/io.h"
#include "spec/append.h"
#include "spec/support.h"
#include "spec/wire.h"
#include "vm/images.h"
#include "vm/move.h"
#include "vm/runs.h"
#include "vm/sealed.h"
#include "vm/store.h"

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
	r = monitor_spawn(vm->context->base, vm->context->monitor_path, &vm_hooks, vm, &vm->monitor, e);
	if (r < 0)
		return r;
	r = ask_listen(vm, e);
	if (r == 0)
		r = ask_setup(vm, &setup, cmdlines, e);
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
	vm_move(vm, VM_STARTING, REASON_HOST_REQUEST, NULL, NULL);
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
