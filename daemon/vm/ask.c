/*
 * ask.c - what is asked of the monitor of a VM that runs: resets, telemetry, consoles; vm.h has the contract
 *
 * Nothing here changes the state of a VM: what comes of a reset is news (news.c).
 */
#include <endian.h>
#include <errno.h>
#include <event2/util.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/log.h"
#include "base/macro.h"
#include "vm/telemetry.h"
#include "vm/vm.h"

struct reset {
	vm_done_fn done;
	void *userdata; /* borrowed */
};

static bool reset_answered(void *userdata, int error, const struct error *e, struct cursor *body)
{
	_cleanup_free_ struct reset *reset = userdata;

	if (error == 0) {
		log_debug("a reset took %llu us", (unsigned long long)cursor_u64(body));
		if (!cursor_ok(body) || body->left > 0) {
			struct error why = {.text = "the monitor's answer to a reset has another form"};

			reset->done(reset->userdata, -ECANCELED, &why);
			return false;
		}
	}
	reset->done(reset->userdata, error, e);
	return true;
}

int vm_reset(struct vm *vm, enum link_scope scope, vm_done_fn done, void *userdata, struct error *e)
{
	_cleanup_free_ struct reset *reset = NULL;
	uint8_t payload = (uint8_t)scope;
	int r;

	r = vm_check_running(vm, e);
	if (r < 0)
		return r;
	if (scope == LINK_SCOPE_HRT && !vm->partitions[PARTITION_HRT].present)
		return error_set(e, -ECHRNG, "VM %s has no HRT: its definition has no <hvm enable=\"y\">",
			vm->stored->name);
	reset = malloc(sizeof(*reset));
	if (!reset)
		return error_set_errno(e, -ENOMEM, "resetting VM %s", vm->stored->name);
	*reset = (struct reset){.done = done, .userdata = userdata};
	r = monitor_ask(vm->monitor, LINK_RESET, &payload, 1, NULL, 0, reset_answered, reset, e);
	if (r < 0)
		return r;
	take_ptr(reset);
	return 0;
}

int vm_telemetry_own(const struct vm *vm, struct telemetry *ret)
{
	int r;

	r = telemetry_add(ret, "vm.state", 0, vm_state_to_string(vm->life.state));
	if (r == 0)
		r = telemetry_add(ret, "vm.reason", 0, vm_reason_to_string(vm->life.reason));
	if (r == 0)
		r = telemetry_add(ret, "vm.nresets", vm->n_resets, NULL);
	return r;
}

struct collection {
	struct telemetry telemetry;
	uint32_t first; /* record asked for */
	vm_telemetry_fn done;
	/* borrowed */
	void *userdata;
	struct vm *vm;
};

static void collection_free(struct collection *collection)
{
	telemetry_fini(&collection->telemetry);
	free(collection);
}

static void collection_failed(struct collection *collection, int error, const struct error *e)
{
	collection->done(collection->userdata, error, e, NULL);
	collection_free(collection);
}

static int ask_telemetry(struct collection *collection, struct error *e);

static bool telemetry_answered(void *userdata, int error, const struct error *e, struct cursor *body)
{
	struct collection *collection = userdata;
	struct error why = {.text = "the monitor's answer to a request for telemetry has another form"};
	uint32_t next;

	if (error < 0) {
		collection_failed(collection, error, e);
		return true;
	}
	next = cursor_u32(body);
	error = next > 0 && next <= collection->first ? -EPROTO
						      : telemetry_read(&collection->telemetry, body);
	if (error == 0 && next == 0) {
		collection->done(collection->userdata, 0, NULL, &collection->telemetry);
		collection_free(collection);
		return true;
	}
	if (error == -EPROTO) {
		collection_failed(collection, -ECANCELED, &why);
		return false;
	}
	collection->first = next;
	if (error == 0)
		error = ask_telemetry(collection, &why);
	else
		error_set_errno(&why, error, "collecting telemetry");
	if (error < 0)
		collection_failed(collection, error, &why);
	return true;
}

static int ask_telemetry(struct collection *collection, struct error *e)
{
	uint32_t first = htole32(collection->first);

	return monitor_ask(collection->vm->monitor, LINK_TELEMETRY, &first, sizeof(first), NULL, 0,
		telemetry_answered, collection, e);
}

int vm_telemetry(struct vm *vm, vm_telemetry_fn done, void *userdata, struct error *e)
{
	struct collection *collection;
	int r;

	r = vm_check_running(vm, e);
	if (r < 0)
		return r;
	collection = malloc(sizeof(*collection));
	if (!collection)
		return error_set_errno(e, -ENOMEM, "collecting telemetry");
	*collection = (struct collection){.done = done, .userdata = userdata, .vm = vm};
	r = vm_telemetry_own(vm, &collection->telemetry);
	if (r < 0)
		error_set_errno(e, r, "collecting telemetry");
	else
		r = ask_telemetry(collection, e);
	if (r < 0)
		collection_free(collection);
	return r;
}

/* --- How far the ROS and the HRT are ----------------------------------------------------------------------------- */

struct glance {
	vm_done_fn done;
	/* borrowed */
	void *userdata;
	struct vm *vm;
};

static void note_talk(struct vm_talk *talk, const struct telemetry *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct telemetry_record *record = &t->records[i];

		if (record->text && strcmp(record->key, "partition.hrt.transaction_state") == 0)
			snprintf(talk->state, sizeof(talk->state), "%s", record->text);
		else if (!record->text && strcmp(record->key, "partition.hrt.transactions") == 0)
			talk->n_transactions = record->number;
	}
}

/* The partitions come before all that makes telemetry long: one slice has what we want. */
static bool glance_answered(void *userdata, int error, const struct error *e, struct cursor *body)
{
	_cleanup_free_ struct glance *glance = userdata;
	struct telemetry t _cleanup_(telemetry_fini) = {};

	if (error == 0) {
		cursor_u32(body); /* the next slice */
		error = telemetry_read(&t, body);
	}
	if (error == 0)
		note_talk(&glance->vm->talk, &t);
	glance->done(glance->userdata, error == -EPROTO ? -ECANCELED : error, e);
	return error != -EPROTO;
}

int vm_refresh_talk(struct vm *vm, vm_done_fn done, void *userdata, struct error *e)
{
	const uint32_t first = 0;
	struct glance *glance;
	int r = vm_check_running(vm, e);

	if (r < 0)
		return r;
	glance = malloc(sizeof(*glance));
	if (!glance)
		return error_set_errno(e, -ENOMEM, "asking how far the ROS and the HRT are");
	*glance = (struct glance){.done = done, .userdata = userdata, .vm = vm};
	r = monitor_ask(vm->monitor, LINK_TELEMETRY, &first, sizeof(first), NULL, 0, glance_answered, glance, e);
	if (r < 0)
		free(glance);
	return r;
}

size_t vm_consoles(const struct vm *vm, const char *ret[N_PARTITION_ROLES])
{
	size_t n = 0;

	for (int role = 0; role < N_PARTITION_ROLES; role++)
		if (spec_has_console(vm_spec_in_force(vm), (enum partition_role)role))
			ret[n++] = partition_role_to_string((enum partition_role)role);
	return n;
}

const char *vm_console_name(const struct vm *vm, const char *name, struct error *e)
{
	const char *has[N_PARTITION_ROLES] = {};
	size_t n = vm_consoles(vm, has);

	for (size_t i = 0; i < n; i++)
		if (!name[0] || strcmp(name, has[i]) == 0)
			return has[i];
	if (n == 0)
		error_set(e, -ENOTTY, "VM %s has no console: nothing in it boots", vm->stored->name);
	else
		error_set(e, -ENOTTY, "VM %s has no console \"%s\"; it has \"%s\"%s%s%s", vm->stored->name, name, has[0],
			n > 1 ? " and \"" : "", n > 1 ? has[1] : "", n > 1 ? "\"" : "");
	return NULL;
}

struct console {
	int fd; /* owned: the caller's end */
	const char *name;
	vm_console_fn done;
	void *userdata; /* borrowed */
};

static bool console_answered(void *userdata, int error, const struct error *e, struct cursor *body)
{
	_cleanup_free_ struct console *console = userdata;

	if (error < 0)
		console->fd = close_fd(console->fd);
	console->done(console->userdata, error, e, console->name, console->fd);
	return !body || body->left == 0;
}

/*
 * Where something is typed, a socket; otherwise a pipe. A console that does not
 * read must not hold up the guest: only our end may block.
 */
static int console_ends(enum link_console mode, int *ret_ours, int *ret_guests, struct error *e)
{
	int ends[2], r;

	if (mode == LINK_CONSOLE_WATCH)
		r = pipe2(ends, O_CLOEXEC);
	else
		r = socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends);
	if (r < 0)
		return error_set_errno(e, -ECANCELED, "making a pipe for the console");
	*ret_ours = ends[0];
	*ret_guests = ends[1];
	if (evutil_make_socket_nonblocking(ends[1]) < 0)
		return error_set_errno(e, -ECANCELED, "making a pipe for the console");
	return 0;
}

int vm_console(
	struct vm *vm, const char *name, enum link_console mode, vm_console_fn done, void *userdata, struct error *e)
{
	bool ros = strcmp(name, partition_role_to_string(PARTITION_ROS)) == 0;
	uint8_t payload[2] = {ros ? PARTITION_ROS : PARTITION_HRT, ros ? mode : LINK_CONSOLE_WATCH};
	_cleanup_close_ int from = -1, to = -1;
	_cleanup_free_ struct console *console = NULL;
	int r;

	r = vm_check_running(vm, e);
	if (r == 0)
		r = console_ends(payload[1], &from, &to, e);
	if (r < 0)
		return r;
	console = malloc(sizeof(*console));
	if (!console)
		return error_set_errno(e, -ENOMEM, "opening the console of VM %s", vm->stored->name);
	*console = (struct console){.fd = from, .name = partition_role_to_string(payload[0]), .done = done, .userdata = userdata};
	r = monitor_ask(vm->monitor, LINK_CONSOLE, payload, sizeof(payload), &to, 1, console_answered, console, e);
	if (r < 0)
		return r;
	take_ptr(console);
	take_fd(from);
	return 0;
}
