/*
 * follow.c - what becomes of partitions that crash, turn themselves off or reset themselves; see serve.h
 *
 * And of all else that the cores leave to this thread: text on a console, the end of the VM.
 */
#include "monitor/serve.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "monitor/console.h"
#include "monitor/talk.h"
#include "spec/spec.h"

#define FLUSH_AFTER_USEC     100000 /* an unfinished line is shown when nothing came to it for so long; [spec 11.7] */
#define GUEST_RESET_GAP_USEC 10000  /* between two resets that a guest asks for: it cannot keep us from serving hvmd */

int follow_reset(struct server *server, enum link_scope scope, enum vm_reason reason, uint64_t *ret_usec, struct error *e)
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

static enum link_scope scope_of(const struct partition *p)
{
	return p->role == PARTITION_ROS ? LINK_SCOPE_ROS : LINK_SCOPE_HRT;
}

static void restart(struct server *server, struct partition *p, enum vm_reason reason)
{
	struct error e = {};
	uint64_t usec;
	int r = follow_reset(server, scope_of(p), reason, &usec, &e);

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

void follow_cores(struct server *server)
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
	r = follow_reset(server, ros && hrt ? LINK_SCOPE_ALL : ros ? LINK_SCOPE_ROS : LINK_SCOPE_HRT,
		REASON_BOOTED, &usec, &e);
	if (r < 0)
		log_warning("a reset that the guest asked for: %s", error_text(&e, r));
	server->reset_at = clock_usec() + GUEST_RESET_GAP_USEC;
}

void follow_time(struct server *server)
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

uint64_t follow_due(const struct server *server)
{
	uint64_t due = server->machine ? server->talk_at : UINT64_MAX;

	if (server->flush_at && server->flush_at < due)
		due = server->flush_at;
	if (server->reset_pending && server->reset_at < due)
		due = server->reset_at;
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		if (server->restart_at[role] && server->restart_at[role] < due)
			due = server->restart_at[role];
	return due;
}
