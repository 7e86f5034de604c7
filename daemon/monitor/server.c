/*
 * server.c - see server.h
 *
 * Tour 310: Now you are in hvm-monitor, one process for each running VM. Its
 * main thread lives in this file and is the machine's coordinator: it alone
 * starts, resets and parks cores, so there is nothing to lock between these.
 */
#include "monitor/server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/macro.h"
#include "link/link.h"
#include "monitor/cage.h"
#include "monitor/connection.h"
#include "monitor/console.h"
#include "monitor/inspect.h"
#include "monitor/machine.h"
#include "monitor/measure.h"
#include "monitor/restart.h"
#include "monitor/telemetry.h"
#include "spec/grammar.h"
#include "spec/spec.h"
#include "spec/wire.h"

#define STOP_DEADLINE_USEC  500000 /* a second is promised for the whole of a stop */
#define FLUSH_AFTER_USEC    100000 /* an unfinished line is shown when nothing came to it for so long; [spec 11.7] */
#define GUEST_RESET_GAP_USEC 10000 /* between two resets that a guest asks for: it cannot keep us from serving hvmd */
#define CONSOLE_MARGIN       4096 /* what hvmd says in a console log that is full already */
#define REPLY_ROOM          (LINK_MESSAGE_MAX - 256) /* bytes of body that fit a reply beside its head */

/* What a partition last said of itself. */
struct last_news {
	bool crashed;
	struct crash crash;
};

struct server {
	struct connection link;
	struct machine *machine; /* owned; NULL before LINK_SETUP */
	struct last_news news[N_PARTITION_ROLES];
	uint32_t n_resets;
	uint64_t changed_usec; /* when a partition last changed its state */
	struct measure *measure; /* owned; NULL before LINK_START, and where it failed */
	uint64_t started_usec;
	uint64_t flush_at;   /* CLOCK_MONOTONIC; 0: no line is unfinished */
	uint64_t talk_at;    /* when the protocol of ROS and HRT wants us; UINT64_MAX: not */
	uint64_t reset_at;   /* not before this may a guest's wish for a reset be met */
	bool reset_pending;
	struct restart restart[N_PARTITION_ROLES];
	uint64_t restart_at[N_PARTITION_ROLES]; /* CLOCK_MONOTONIC: when it boots again; 0: it does not wait for that */
	struct guest_exit exit; /* as it was told */
	uint32_t n_images; /* of the HRT that hvmd has been told of */
	bool stopping;
	int status; /* to exit with, once stopping */
};

/* --- Out ------------------------------------------------------------------------------------------------ */

static void send_message(struct server *server, struct buffer *message)
{
	connection_send(&server->link, message);
}

static void reply(struct server *server, const struct link_message *request, int error, const struct error *e)
{
	struct buffer b = link_reply_begin(request->header.serial, error, e);

	send_message(server, &b);
}

static void tell_hello(struct server *server)
{
	struct buffer b = link_message_begin(LINK_HELLO, 0);

	link_append_string(&b, cage_lacks());
	send_message(server, &b);
}

static void tell_hrt(struct server *server)
{
	const struct plan *plan = &server->machine->boot.plan;
	struct buffer b = link_message_begin(LINK_HRT, 0);
	struct talk_numbers numbers;

	buffer_append_uint(&b, plan->flags, 8);
	buffer_append_uint(&b, plan->gva_offset, 8);
	buffer_append_uint(&b, plan->entry_gva, 8);
	buffer_append_uint(&b, plan->comm_page, 8);
	buffer_append_uint(&b, plan->int_vector, 4);
	talk_count(server->machine, &numbers);
	link_append_string(&b, grammar_word_text(GRAMMAR_HRT_HYPERCALL, server->machine->hypercall));
	buffer_append_uint(&b, server->machine->n_patched, 4);
	link_append_string(&b, numbers.upcall);
	send_message(server, &b);
}

static void tell_ros(struct server *server)
{
	const struct ros_boot *ros = &server->machine->boot.ros;
	struct buffer b = link_message_begin(LINK_ROS, 0);

	link_append_string(&b, kernel_protocol_to_string(ros->kernel.protocol));
	buffer_append_uint(&b, ros_boot_entry(ros), 8);
	send_message(server, &b);
}

/* How what is booted is booted. */
static void tell_boots(struct server *server)
{
	if (server->machine->spec->hybrid)
		tell_hrt(server);
	if (server->machine->spec->ros_boots)
		tell_ros(server);
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

static void tell_launch(struct server *server)
{
	struct buffer b;

	if (!server->measure)
		return;
	b = link_message_begin(LINK_LAUNCH, 0);
	buffer_append(&b, server->measure->digest, LAUNCH_DIGEST_SIZE);
	send_message(server, &b);
}

static void send_state(struct server *server, const struct partition *p, const struct crash *crash)
{
	struct buffer b = link_message_begin(LINK_STATE, 0);

	buffer_append_uint(&b, p->role, 1);
	buffer_append_uint(&b, p->state, 1);
	buffer_append_uint(&b, p->reason, 1);
	buffer_append_uint(&b, crash ? crash->core : UINT32_MAX, 4);
	buffer_append_uint(&b, crash ? crash->address : 0, 8);
	link_append_string(&b, crash ? crash->text : "");
	send_message(server, &b);
}

/* Kept for the next hvmd, too. */
static void tell_state(struct server *server, const struct partition *p, const struct crash *crash)
{
	struct last_news *news = &server->news[p->role];

	news->crashed = crash != NULL;
	if (crash)
		news->crash = *crash;
	server->changed_usec = clock_usec();
	send_state(server, p, crash);
}

static void tell_states(struct server *server)
{
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		if (server->machine->partitions[role].present)
			tell_state(server, &server->machine->partitions[role], NULL);
}

static void tell_reset_done(struct server *server, enum link_scope scope, const bool which[N_PARTITION_ROLES])
{
	struct buffer b = link_message_begin(LINK_RESET_DONE, 0);
	uint32_t first = 0, n = 0;

	for (int role = N_PARTITION_ROLES - 1; role >= 0; role--)
		if (which[role]) {
			first = server->machine->partitions[role].first_core;
			n += server->machine->partitions[role].n_cores;
		}
	buffer_append_uint(&b, scope, 1);
	buffer_append_uint(&b, first, 4);
	buffer_append_uint(&b, n, 4);
	server->n_resets++;
	send_message(server, &b);
}

static void tell_exit(struct server *server)
{
	struct buffer b = link_message_begin(LINK_EXIT, 0);

	buffer_append_uint(&b, (uint32_t)server->exit.status, 4);
	link_append_string(&b, server->exit.text);
	send_message(server, &b);
}

static void tell_run(struct server *server)
{
	const struct machine *machine = server->machine;
	struct buffer b = link_message_begin(LINK_RUN, 0);

	buffer_append(&b, machine->spec->uuid, SPEC_UUID_SIZE);
	buffer_append_uint(&b, server->started_usec, 8);
	buffer_append_uint(&b, server->changed_usec, 8);
	buffer_append_uint(&b, server->n_resets, 4);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		buffer_append_uint(&b, machine->partitions[role].n_resets, 4);
	send_message(server, &b);
}

/* To a hvmd that finds us running. */
static void tell_everything(struct server *server)
{
	const struct machine *machine = server->machine;

	tell_hello(server);
	tell_boots(server);
	tell_launch(server);
	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		const struct last_news *news = &server->news[role];

		if (machine->partitions[role].present)
			send_state(server, &machine->partitions[role], news->crashed ? &news->crash : NULL);
	}
	tell_run(server);
	if (server->exit.valid)
		tell_exit(server);
}

/* --- Requests ------------------------------------------------------------------------------------------- */

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
	return machine_new(take_ptr(spec), &fds, &server->machine, e);
}

static void do_setup(struct server *server, struct link_message *m, struct error *e)
{
	int r = setup(server, m, e);

	if (r == 0)
		r = cage_enter_running(CONSOLE_LOG_MAX + CONSOLE_MARGIN, e);
	reply(server, m, r, e);
	if (r < 0)
		return;
	tell_boots(server);
	tell_states(server);
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
	reply(server, m, r, e);
}

static void do_listen(struct server *server, struct link_message *m, struct error *e)
{
	int r;

	if (server->machine)
		r = error_set(e, -EBUSY, "this monitor has a machine already");
	else
		r = connection_listen(&server->link, link_message_take_fd(m, 0), e);
	reply(server, m, r, e);
}

static int reset(
	struct server *server, enum link_scope scope, enum vm_reason reason, uint64_t *ret_usec, struct error *e)
{
	const bool which[N_PARTITION_ROLES] = {
		[PARTITION_ROS] = scope != LINK_SCOPE_HRT,
		[PARTITION_HRT] = scope == LINK_SCOPE_HRT || (scope == LINK_SCOPE_ALL && server->machine->spec->hybrid),
	};
	int r = machine_reset(server->machine, which, ret_usec, e);

	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		struct partition *p = &server->machine->partitions[role];

		if (!which[role] || !p->present)
			continue;
		server->restart_at[role] = 0;
		if (p->state == PARTITION_RUNNING)
			p->reason = reason;
		tell_state(server, p, NULL);
	}
	if (r == 0 && server->machine->n_images != server->n_images)
		tell_hrt(server);
	server->n_images = server->machine->n_images;
	if (r == 0)
		tell_reset_done(server, scope, which);
	return r;
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
		r = reset(server, scope, REASON_BOOTED, &usec, e);
	b = link_reply_begin(m->header.serial, r, e);
	if (r == 0)
		buffer_append_uint(&b, usec, 8);
	send_message(server, &b);
}

/* Before the machine is there, too: then there is just nothing to park. */
static void do_stop(struct server *server, struct link_message *m, struct error *e)
{
	if (server->machine && !machine_park(server->machine, STOP_DEADLINE_USEC))
		log_warning("a core did not leave the guest in time; ending without it");
	if (server->machine)
		machine_flush_console(server->machine, UINT64_MAX);
	reply(server, m, 0, e);
	server->stopping = true;
}

static void do_telemetry(struct server *server, struct link_message *m, struct error *e)
{
	uint32_t first = cursor_u32(&m->payload);
	struct buffer b = link_reply_begin(m->header.serial, 0, e);
	size_t at = b.size;

	buffer_append_uint(&b, 0, 4);
	buffer_put_uint(&b, at, telemetry_append(server->machine, server->started_usec, first, REPLY_ROOM, &b), 4);
	send_message(server, &b);
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
	reply(server, m, r, e);
}

static void do_plan(struct server *server, struct link_message *m, struct error *e)
{
	struct buffer b = link_reply_begin(m->header.serial, 0, e);

	measure_append_plan(&server->machine->boot.plan, server->machine->spec, server->measure, &b);
	send_message(server, &b);
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
	reply(server, m, load(server, m, e), e);
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
	send_message(server, &b);
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

static void serve(struct server *server, struct link_message *m)
{
	struct error e = {};
	uint16_t type = m->header.type;

	if (type >= ARRAY_SIZE(requests) || !requests[type].serve) {
		log_error("hvmd sent a message of unknown type %u", type);
		connection_break(&server->link);
	} else if (requests[type].needs_machine && !server->machine) {
		reply(server, m, error_set(&e, -ESRCH, "the machine has not been set up"), &e);
	} else {
		requests[type].serve(server, m, &e);
	}
}

static void on_link(struct server *server)
{
	static struct link_message m; /* 64 KiB; one at a time */

	if (!connection_receive(&server->link, &m))
		return;
	serve(server, &m);
	link_message_fini(&m);
}

/* --- News from the cores -------------------------------------------------------------------------------------- */

static enum link_scope scope_of(const struct partition *p)
{
	return p->role == PARTITION_ROS ? LINK_SCOPE_ROS : LINK_SCOPE_HRT;
}

static void restart(struct server *server, struct partition *p, enum vm_reason reason)
{
	struct error e = {};
	uint64_t usec;
	int r = reset(server, scope_of(p), reason, &usec, &e);

	if (r < 0)
		log_warning("a reset of the guest: %s", error_text(&e, r));
}

/* It says so where a person looks: on its console, and in its state. */
static void restart_later(struct server *server, struct partition *p, uint64_t wait_usec)
{
	struct crash why = {.core = UINT32_MAX};

	snprintf(why.text, sizeof(why.text),
		"it has reset itself %u times in a row, each within %llu s of its boot, and waits %llu s before the next",
		server->restart[p->role].short_runs, RESTART_CALM_USEC / 1000000, (unsigned long long)wait_usec / 1000000);
	console_mark(p->console, "%s: %s", partition_role_to_string(p->role), why.text);
	p->state = PARTITION_PAUSED;
	server->restart_at[p->role] = clock_usec() + wait_usec;
	tell_state(server, p, &why);
}

/* Whether it boots again; otherwise it is parked or paused. Only a ROS has these policies, and the ports to need them. */
static bool boots_again(const struct vm_spec *spec, struct partition *p)
{
	const bool off = p->reason == REASON_GUEST_POWEROFF;

	if (off ? spec->ros_on_poweroff == SPEC_ON_POWEROFF_PAUSE : spec->ros_on_reset == SPEC_ON_RESET_PAUSE)
		p->state = PARTITION_PAUSED;
	return off ? spec->ros_on_poweroff == SPEC_ON_POWEROFF_RESET : spec->ros_on_reset == SPEC_ON_RESET_RESET;
}

/* The guest has turned its partition off, or reset it, and its cores are parked. */
static void follow_power(struct server *server, struct partition *p)
{
	uint64_t wait;

	if (!boots_again(server->machine->spec, p)) {
		tell_state(server, p, NULL);
		return;
	}
	wait = restart_wait(&server->restart[p->role], clock_usec() - counter_get(&p->boot_usec));
	if (wait == 0)
		restart(server, p, REASON_GUEST_RESET);
	else
		restart_later(server, p, wait);
}

static void collect_exit(struct server *server)
{
	if (server->exit.valid || !machine_collect_exit(server->machine, &server->exit))
		return;
	machine_flush_console(server->machine, UINT64_MAX);
	console_mark(server->machine->partitions[server->exit.role].console, "%s", server->exit.text);
	tell_exit(server);
}

/* A loop of crashes and resets helps nobody: after a few the last crash is left for somebody to look at. */
static void give_up(struct server *server, struct partition *p, struct crash *crash)
{
	size_t n = strlen(crash->text);

	snprintf(crash->text + n, sizeof(crash->text) - n,
		"; that was %u times in a row, each within %llu s of its boot, and it is not reset any more",
		server->restart[p->role].short_runs, RESTART_CALM_USEC / 1000000);
	console_mark(p->console, "%s: %s", partition_role_to_string(p->role), crash->text);
	tell_state(server, p, crash);
}

/* What on_crash= says, as far as it is about this partition alone; the rest is hvmd's (vm/news.c). */
static void follow_crash(struct server *server, struct partition *p, struct crash *crash)
{
	const bool resets = p->state == PARTITION_CRASHED &&
		spec_on_crash(server->machine->spec, p->role) == SPEC_ON_CRASH_RESET;

	if (!resets)
		tell_state(server, p, crash);
	else if (restart_wait(&server->restart[p->role], clock_usec() - counter_get(&p->boot_usec)) > 0)
		give_up(server, p, crash);
	else {
		tell_state(server, p, crash);
		restart(server, p, REASON_BOOTED);
	}
}

static void collect(struct server *server)
{
	struct machine *machine = server->machine;
	bool input;

	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		struct crash crash;

		if (machine_collect_crash(machine, &machine->partitions[role], &crash))
			follow_crash(server, &machine->partitions[role], &crash);
		if (machine_collect_power(machine, &machine->partitions[role]))
			follow_power(server, &machine->partitions[role]);
	}
	collect_exit(server);
	pthread_mutex_lock(&machine->lock);
	input = machine->input_wanted;
	machine->input_wanted = false;
	server->reset_pending = machine->reset_wanted[PARTITION_ROS] || machine->reset_wanted[PARTITION_HRT];
	if (machine->flush_wanted && !server->flush_at)
		server->flush_at = clock_usec() + FLUSH_AFTER_USEC;
	pthread_mutex_unlock(&machine->lock);
	if (input)
		console_push(machine->partitions[PARTITION_ROS].console);
}

static void reset_for_guest(struct server *server)
{
	struct machine *machine = server->machine;
	struct error e = {};
	bool ros, hrt;
	uint64_t usec;
	int r;

	pthread_mutex_lock(&machine->lock);
	ros = machine->reset_wanted[PARTITION_ROS];
	hrt = machine->reset_wanted[PARTITION_HRT];
	machine->reset_wanted[PARTITION_ROS] = machine->reset_wanted[PARTITION_HRT] = false;
	pthread_mutex_unlock(&machine->lock);
	server->reset_pending = false;
	if (!ros && !hrt)
		return;
	r = reset(server, ros && hrt ? LINK_SCOPE_ALL : ros ? LINK_SCOPE_ROS : LINK_SCOPE_HRT,
		REASON_BOOTED, &usec, &e);
	if (r < 0)
		log_warning("a reset that the guest asked for: %s", error_text(&e, r));
	server->reset_at = clock_usec() + GUEST_RESET_GAP_USEC;
}

static void on_wake(struct server *server)
{
	uint64_t count;
	ssize_t n = read(server->machine->wake_fd, &count, sizeof(count)); /* cage(run): read */

	(void)n; /* only its arrival matters */
	collect(server);
}

static void on_time(struct server *server)
{
	uint64_t now = clock_usec();

	if (server->flush_at && now >= server->flush_at) {
		server->flush_at = machine_flush_console(server->machine, now - FLUSH_AFTER_USEC) ?
			now + FLUSH_AFTER_USEC / 2 : 0;
	}
	if (server->reset_pending && now >= server->reset_at)
		reset_for_guest(server);
	server->talk_at = talk_tick(server->machine, now);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		if (server->restart_at[role] && now >= server->restart_at[role])
			restart(server, &server->machine->partitions[role], REASON_GUEST_RESET);
}

/* Milliseconds until the next thing that is due by time; -1: nothing is. */
static int next_timeout(const struct server *server)
{
	uint64_t now = clock_usec(); /* cage(run): clock_gettime - where the vDSO has no clock */
	uint64_t due = server->machine ? server->talk_at : UINT64_MAX;

	if (server->flush_at && server->flush_at < due)
		due = server->flush_at;
	if (server->reset_pending && server->reset_at < due)
		due = server->reset_at;
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		if (server->restart_at[role] && server->restart_at[role] < due)
			due = server->restart_at[role];
	if (due == UINT64_MAX)
		return -1;
	return due <= now ? 0 : (int)((due - now) / 1000 + 1);
}

/* The console that somebody may type into; NULL: there is none. */
static struct console *input_console(const struct server *server)
{
	return server->machine ? server->machine->partitions[PARTITION_ROS].console : NULL;
}

static void step(struct server *server)
{
	struct console *console = input_console(server);
	struct pollfd fds[] = {
		{.fd = server->link.link, .events = POLLIN},
		{.fd = server->machine ? server->machine->wake_fd : -1, .events = POLLIN},
		{.fd = server->link.outlives ? server->link.listener : -1, .events = POLLIN},
		{.fd = console ? console_input_fd(console) : -1, .events = POLLIN},
	};
	int n = poll(fds, ARRAY_SIZE(fds), next_timeout(server)); /* cage(run): poll, restart_syscall */

	if (n < 0 && errno != EINTR) {
		log_error("poll: %s", error_text(NULL, -errno));
		server->stopping = true;
		server->status = 1;
	}
	if (n > 0 && fds[0].revents)
		on_link(server);
	if (n > 0 && fds[1].revents && !server->stopping)
		on_wake(server);
	if (n > 0 && fds[2].revents && connection_accept(&server->link))
		tell_everything(server);
	if (n > 0 && fds[3].revents && !server->stopping)
		console_input(console);
	if (server->machine && !server->stopping)
		on_time(server);
	server->stopping |= server->link.over;
	server->status |= server->link.broken;
}

/*
 * In the cage no thread ends by itself; all of them end with the process, and what we hold goes with it. The
 * sanitizers, which have no cage, want to see that nothing leaks. A core that will not park must not hold up the end.
 */
static void end(struct server *server)
{
	bool parked = !server->machine || machine_park(server->machine, STOP_DEADLINE_USEC);

#ifdef BUILT_WITH_SANITIZERS
	if (parked) {
		server->machine = machine_free(server->machine);
		server->measure = measure_free(server->measure);
		return;
	}
#else
	(void)parked;
#endif
	_exit(server->status); /* cage(run, inspect): exit_group */
}

int server_run(int link_fd)
{
	struct server server = {.link = {.link = link_fd, .listener = -1}};

	tell_hello(&server);
	while (!server.stopping)
		step(&server);
	end(&server);
	return server.status;
}
