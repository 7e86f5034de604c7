/* setup.c - see setup.h */
#include "vm/setup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "spec/append.h"
#include "spec/wire.h"
#include "vm/images.h"
#include "vm/move.h"
#include "vm/sealed.h"
#include "vm/store.h"

struct vm_setup {
	struct buffer message;
	int fds[1 + N_PARTITION_ROLES + SPEC_FILES_MAX]; /* in the order of LINK_SETUP */
	size_t n;
};

struct vm_setup *vm_setup_free(struct vm_setup *setup)
{
	if (!setup)
		return NULL;
	while (setup->n > 0)
		close_fd(setup->fds[--setup->n]);
	buffer_fini(&setup->message);
	free(setup);
	return NULL;
}

int vm_open_images(struct vm *vm, int ret_fds[SPEC_FILES_MAX], struct error *e)
{
	struct vm_spec *spec = vm->stored;

	for (size_t n = 0; n < spec->n_files; n++) {
		int r = 0;

		ret_fds[n] = sealed_open(vm->context->sealed, spec->files[n].sha256, &spec->files[n].sites);
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

/* The last thing that can fail: a start that does not come to pass leaves the log of the last run alone. */
static int begin_logs(struct vm *vm, struct vm_setup *setup, struct error *e)
{
	int *fds = setup->fds + 1, r = 0;

	for (int role = 0; role < N_PARTITION_ROLES && r == 0; role++)
		if (spec_has_console(vm->stored, (enum partition_role)role))
			r = store_console_begin(vm->context->store, vm_name(vm),
				partition_role_to_string((enum partition_role)role), fds++, e);
	return r;
}

static int collect_fds(struct vm *vm, struct vm_setup *setup, struct error *e)
{
	int r = host_kvm_open(vm->context->kvm_path, &setup->fds[0], e);

	if (r < 0)
		return r;
	setup->n = 1;
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		if (spec_has_console(vm->stored, (enum partition_role)role))
			setup->fds[setup->n++] = -1;
	r = vm_open_images(vm, setup->fds + setup->n, e);
	if (r == 0)
		setup->n += vm->stored->n_files;
	return r;
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

/* The definition as it is told to the monitor. What is known of its images has been noted. */
static int encode(const struct vm *vm, const struct cmdlines *cmdlines, struct buffer *b, struct error *e)
{
	struct vm_spec spec = *vm->stored;

	spec.ros_cmdline = cmdlines->of[PARTITION_ROS];
	spec.hrt_cmdline = cmdlines->of[PARTITION_HRT];
	spec_encode(&spec, b);
	return buffer_ok(b) ? 0 : error_set(e, -ENOMEM, "VM %s: its definition does not fit into a message", vm_name(vm));
}

int vm_setup_new(struct vm *vm, const struct vm_start_options *options, struct vm_setup **ret, struct error *e)
{
	struct cmdlines cmdlines _cleanup_(cmdlines_fini) = {};
	_cleanup_(vm_setup_freep) struct vm_setup *setup = calloc(1, sizeof(*setup));
	int r;

	if (!setup)
		return error_set_errno(e, -ENOMEM, "VM %s", vm_name(vm));
	setup->message = (struct buffer)BUFFER_INIT(LINK_MESSAGE_MAX);
	r = cmdlines_init(&cmdlines, vm, options, e);
	if (r == 0)
		r = collect_fds(vm, setup, e);
	if (r == 0)
		r = encode(vm, &cmdlines, &setup->message, e);
	if (r == 0)
		r = begin_logs(vm, setup, e);
	if (r < 0)
		return r;
	*ret = take_ptr(setup);
	return 0;
}

int vm_setup_send(const struct vm_setup *setup, struct monitor *m, monitor_reply_fn fn, void *userdata, struct error *e)
{
	return monitor_ask(m, LINK_SETUP, setup->message.data, setup->message.size, setup->fds, setup->n, fn, userdata, e);
}
