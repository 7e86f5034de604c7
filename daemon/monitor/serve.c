/*
 * serve.c - what hvmd may ask of a monitor; see serve.h
 *
 * Each request has a row in the table at the end, and a function, do_...(), that answers it.
 */
#include "monitor/serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/macro.h"
#include "link/link.h"
#include "monitor/cage.h"
#include "monitor/console.h"
#include "monitor/inspect.h"
#include "monitor/measure.h"
#include "monitor/telemetry.h"
#include "monitor/terminate.h"
#include "spec/spec.h"
#include "spec/wire.h"

#define CONSOLE_MARGIN 4096 /* what hvmd says in a console log that is full already */
#define REPLY_ROOM     (LINK_MESSAGE_MAX - 256) /* bytes of body that fit a reply beside its head */

static int setup(struct server *server, struct link_message *m, struct error *e)
{
	_cleanup_(vm_spec_freep) struct vm_spec *spec = NULL;
	size_t needed = 1, at = 0;
	struct machine_fds fds;
	int r;

	if (server->machine)
		return error_set(e, -EBUSY, "this monitor has a machine already");
	r = spec_decode(&m->payload, &spec, e);
	if (r < 0)
		return r;
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		needed += spec_has_console(spec, (enum partition_role)role);
	if (m->n_fds != needed + spec->n_files)
		return error_set(e, -EPROTO, "setup came with %zu descriptors; %zu files need %zu", m->n_fds,
			spec->n_files, needed + spec->n_files);
	fds.kvm = link_message_take_fd(m, at++);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		fds.logs[role] = spec_has_console(spec, (enum partition_role)role) ? link_message_take_fd(m, at++) : -1;
	for (size_t i = 0; i < SPEC_FILES_MAX; i++)
		fds.files[i] = i < spec->n_files ? link_message_take_fd(m, at++) : -1;
	server->started_usec = clock_usec();
	r = machine_new(take_ptr(spec), &fds, &server->machine, e);
	if (r == 0)
		terminate_watch(server->machine->wake_fd);
	return r;
}

static void do_setup(struct server *server, struct link_message *m, struct error *e)
{
	int r = setup(server, m, e);

	if (r == 0)
		r = cage_enter_running(CONSOLE_LOG_MAX + CONSOLE_MARGIN, e);
	tell_reply(server, m, r, e);
	if (r < 0)
		return;
	tell_boots(server);
	tell_states(server);
}

/* What cannot be measured runs as well: then its digest is not known. */
static void measure(struct server *server)
{
	const struct machine *machine = server->machine;
	struct error e = {};
	int r = measure_new(machine->spec, machine->images.files, &server->measure, &e);

	if (r < 0)
		log_warning("vm %s: there is no launch digest: %s", machine->spec->name, error_text(&e, r));
}

static void do_start(struct server *server, struct link_message *m, struct error *e)
{
	int r = machine_start(server->machine, e);

	tell_states(server);
	if (r == 0) {
		measure(server); /* while the guest runs already */
		tell_launch(server);
	}
	server->link.outlives = r == 0 && server->link.listener >= 0;
	tell_reply(server, m, r, e);
}

static void do_listen(struct server *server, struct link_message *m, struct error *e)
{
	int r;

	if (server->machine)
		r = error_set(e, -EBUSY, "this monitor has a machine already");
	else
		r = connection_listen(&server->link, link_message_take_fd(m, 0), e);
	tell_reply(server, m, r, e);
}

static void do_reset(struct server *server, struct link_message *m, struct error *e)
{
	uint8_t scope = cursor_u8(&m->payload);
	uint64_t usec = 0;
	struct buffer b;
	int r;

	if (scope > LINK_SCOPE_HRT)
		r = error_set(e, -EINVAL, "reset scope %u: 0 (all), 1 (ros) and 2 (hrt) are known", scope);
	else
		r = follow_reset(server, scope, REASON_BOOTED, &usec, e);
	b = link_reply_begin(m->header.serial, r, e);
	if (r == 0)
		buffer_append_uint(&b, usec, 8);
	tell(server, &b);
}

/* Before the machine is there, too: then there is just nothing to park. */
static void stop(struct server *server)
{
	if (server->machine && !machine_park(server->machine, SERVE_PARK_USEC))
		log_warning("a core did not leave the guest in time; ending without it");
	if (server->machine)
		machine_flush_console(server->machine, UINT64_MAX);
	server->stopping = true;
}

static void do_stop(struct server *server, struct link_message *m, struct error *e)
{
	stop(server);
	tell_reply(server, m, 0, e);
}

/* As a stop that hvmd asks for; hvmd, if it is there, hears why, and does not have to agree. */
void serve_termination(struct server *server)
{
	struct crash why = {.core = UINT32_MAX};

	snprintf(why.text, sizeof(why.text), "the monitor was told to end by SIGTERM, as when its scope is stopped");
	stop(server);
	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		struct partition *p = &server->machine->partitions[role];

		if (!p->present || p->state == PARTITION_FAILED)
			continue;
		p->state = PARTITION_PARKED;
		p->reason = REASON_HOST_REQUEST;
		tell_state(server, p, &why);
	}
}

static void do_telemetry(struct server *server, struct link_message *m, struct error *e)
{
	uint32_t first = cursor_u32(&m->payload);
	struct buffer b = link_reply_begin(m->header.serial, 0, e);
	size_t at = b.size;

	buffer_append_uint(&b, 0, 4);
	buffer_put_uint(&b, at, telemetry_append(server->machine, server->started_usec, first, REPLY_ROOM, &b), 4);
	tell(server, &b);
}

static const enum console_mode console_modes[] = {
	[LINK_CONSOLE_WATCH] = CONSOLE_WATCH,
	[LINK_CONSOLE_WRITE] = CONSOLE_WRITE,
	[LINK_CONSOLE_TAKE_OVER] = CONSOLE_TAKE_OVER,
};

static void do_console(struct server *server, struct link_message *m, struct error *e)
{
	uint8_t role = cursor_u8(&m->payload), mode = cursor_u8(&m->payload);
	_cleanup_close_ int fd = link_message_take_fd(m, 0);
	int r;

	if (fd < 0)
		r = error_set(e, -EINVAL, "no descriptor came with the request for the console");
	else if (role >= N_PARTITION_ROLES || !server->machine->partitions[role].console)
		r = error_set(e, -ENOTTY, "partition %u has no console", role);
	else if (mode > LINK_CONSOLE_TAKE_OVER)
		r = error_set(e, -EINVAL, "console mode %u: 0 (watch), 1 (write) and 2 (take over) are known", mode);
	else
		r = console_attach(server->machine->partitions[role].console, take_fd(fd), console_modes[mode], e);
	tell_reply(server, m, r, e);
}

static void do_plan(struct server *server, struct link_message *m, struct error *e)
{
	struct buffer b = link_reply_begin(m->header.serial, 0, e);

	measure_append_plan(&server->machine->boot.plan, server->machine->spec, server->measure, &b);
	tell(server, &b);
}

/* The file is hvmd's copy, in memory: reading it waits for nobody. */
static int load(struct server *server, struct link_message *m, struct error *e)
{
	uint64_t size = cursor_u64(&m->payload);
	_cleanup_close_ int fd = link_message_take_fd(m, 0);
	_cleanup_free_ uint8_t *data = NULL;

	if (!server->machine->spec->hybrid)
		return error_set(e, -ECHRNG, "the VM has no HRT");
	if (fd < 0 || size == 0 || size > MACHINE_IMAGE_MAX)
		return error_set(e, -EINVAL, "an image has 1 byte to %llu MiB, and comes in a file", MACHINE_IMAGE_MAX / MiB);
	data = malloc(size);
	if (!data)
		return error_set_errno(e, -ENOMEM, "taking an image of %llu bytes", (unsigned long long)size);
	if (pread_full(fd, data, size, 0) != (ssize_t)size)
		return error_set(e, -EINVAL, "the image's file has less than the %llu bytes that were announced",
			(unsigned long long)size);
	return machine_offer_image(server->machine, take_ptr(data), size, e);
}

static void do_load(struct server *server, struct link_message *m, struct error *e)
{
	tell_reply(server, m, load(server, m, e), e);
}

/* The body is made first: after it this process can do no more than send. */
static void do_inspect(struct server *server, struct link_message *m, struct error *e)
{
	struct buffer body = BUFFER_INIT(LINK_MESSAGE_MAX), b;
	int r = server->machine ? error_set(e, -EBUSY, "this monitor has a machine already") : inspect(m, &body, e);

	b = link_reply_begin(m->header.serial, r, e);
	if (r == 0)
		buffer_append(&b, body.data, body.size);
	b.failed |= body.failed;
	buffer_fini(&body);
	tell(server, &b);
	server->stopping = true;
}

static const struct {
	void (*serve)(struct server *server, struct link_message *m, struct error *e);
	bool needs_machine;
} requests[] = {
	[LINK_SETUP] = {do_setup, false},
	[LINK_START] = {do_start, true},
	[LINK_RESET] = {do_reset, true},
	[LINK_STOP] = {do_stop, false},
	[LINK_TELEMETRY] = {do_telemetry, true},
	[LINK_CONSOLE] = {do_console, true},
	[LINK_PLAN] = {do_plan, true},
	[LINK_INSPECT] = {do_inspect, false},
	[LINK_LISTEN] = {do_listen, false},
	[LINK_LOAD] = {do_load, true},
};

void serve_request(struct server *server, struct link_message *m)
{
	struct error e = {};
	uint16_t type = m->header.type;

	if (type >= ARRAY_SIZE(requests) || !requests[type].serve) {
		log_error("hvmd sent a message of unknown type %u", type);
		connection_break(&server->link);
	} else if (requests[type].needs_machine && !server->machine) {
		tell_reply(server, m, error_set(&e, -ESRCH, "the machine has not been set up"), &e);
	} else {
		requests[type].serve(server, m, &e);
	}
}
