/*
 * monitor.c - see monitor.h
 *
 *	spawn --> [ link readable: replies, news ] --> pidfd readable --> gone()
 *	               |  protocol broken, link closed: SIGKILL  ^
 *	               +-----------------------------------------+
 *
 * What it is asked is in monitor-requests.c, what it says in monitor-messages.c.
 */
#include "vm/monitor.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/macro.h"
#include "link/link.h"
#include "vm/monitor-inside.h"
#include "vm/runs.h"
#include "vm/spawn.h"

#define KILL_TRIES 3
#define SEC_USEC   1000000ull
#define DYING_USEC (SEC_USEC / 10)
#define PULSE_USEC (5 * SEC_USEC) /* silence after which a monitor is asked for something */

static void arm(struct event *timer, uint64_t usec)
{
	struct timeval tv = {.tv_sec = (time_t)(usec / SEC_USEC), .tv_usec = (suseconds_t)(usec % SEC_USEC)};

	evtimer_add(timer, &tv);
}

void monitor_kill(struct monitor *m)
{
	for (int i = 0; m->pid > 0 && i < KILL_TRIES; i++)
		if (syscall(SYS_pidfd_send_signal, m->pidfd, SIGKILL, NULL, 0) == 0 || errno == ESRCH)
			break;
}

/* Kills a monitor that we can no longer talk to. */
static void break_protocol(struct monitor *m, const char *what)
{
	error_set(&m->how, -EPROTO, "broke the link protocol: %s", what);
	event_del(m->on_link);
	monitor_kill(m);
}

/* Who dies closes the link, too, a moment before the pidfd tells: give it that moment. */
static void link_closed(struct monitor *m)
{
	event_del(m->on_link);
	if (!m->stop_asked)
		arm(m->on_deadline, DYING_USEC);
}

void monitor_set_silent(struct monitor *m, bool silent)
{
	if (m->silent == silent)
		return;
	m->silent = silent;
	if (m->hooks->responsive)
		m->hooks->responsive(m->userdata, !silent);
}

bool monitor_is_too_old(const struct monitor *m)
{
	return m->version > 0 && m->version < LINK_VERSION_OLDEST;
}

static void leave_alone(struct monitor *m, uint16_t version)
{
	m->version = version;
	event_del(m->on_link);
	log_warning("the monitor with PID %d is of a hvmd that is too old (link version %u, and the oldest that is understood "
		"is %u): it runs on, and its VM can only be terminated", (int)m->pid, version, LINK_VERSION_OLDEST);
	monitor_set_silent(m, true);
}

/* Takes one message. True when there may be more. */
static bool receive_one(struct monitor *m)
{
	static struct link_message message; /* 64 KiB; hvmd is one thread, and this is not entered twice */
	struct error e = {};
	const char *wrong;
	int r;

	r = link_receive_any_version(m->link, &message, &e);
	if (r == -EAGAIN)
		return false;
	if (r <= 0) {
		if (r < 0)
			break_protocol(m, error_text(&e, r));
		else
			link_closed(m);
		return false;
	}
	if (m->adopted && message.header.version < LINK_VERSION_OLDEST) {
		leave_alone(m, message.header.version);
		link_message_fini(&message);
		return false;
	}
	m->heard = true;
	monitor_set_silent(m, false);
	wrong = monitor_take_message(m, &message);
	link_message_fini(&message);
	if (wrong)
		break_protocol(m, wrong);
	return !wrong;
}

/* A bounded number at a time: other VMs want to be heard too. */
static void on_link(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what;
	for (int i = 0; i < 16 && receive_one(userdata); i++)
		;
}

/* A process that is not our child is reaped by somebody else; all there is to see is that it is gone. */
static void await_end(const struct monitor *m)
{
	struct pollfd p = {.fd = m->pidfd, .events = POLLIN};

	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		;
}

/* Reaps the process and says how it ended. */
static void reap(struct monitor *m, struct error *how)
{
	siginfo_t info = {};

	if (m->adopted) {
		await_end(m);
		*how = m->how.text[0] ? m->how : (struct error){.text = "ended"};
		m->pid = 0;
		return;
	}
	while (waitid(P_PIDFD, (id_t)m->pidfd, &info, WEXITED) < 0 && errno == EINTR)
		;
	m->pid = 0;
	if (m->how.text[0])
		*how = m->how;
	else if (m->closed)
		error_set(how, -ECANCELED, "closed its link without being asked");
	else if (info.si_code == CLD_EXITED)
		error_set(how, -ECANCELED, "exited with status %d", info.si_status);
	else
		error_set(how, -ECANCELED, "was killed by signal %d (%s)", info.si_status,
			strsignal(info.si_status));
}

/* What it said before it died is still in the socket, and counts. */
static void on_exit_(evutil_socket_t fd, short what, void *userdata)
{
	struct monitor *m = userdata;
	struct error how;

	(void)fd, (void)what;
	if (event_pending(m->on_link, EV_READ, NULL))
		while (receive_one(m))
			;
	event_del(m->on_link);
	event_del(m->on_exit);
	event_del(m->on_deadline);
	event_del(m->on_pulse);
	reap(m, &how);
	monitor_cancel_requests(m, how.text);
	m->hooks->gone(m->userdata, how.text);
}

static void on_deadline(evutil_socket_t fd, short what, void *userdata)
{
	struct monitor *m = userdata;

	(void)fd, (void)what;
	m->closed = !m->stop_asked;
	monitor_kill(m);
}

static bool pulse_felt(void *userdata, int error, const struct error *e, struct cursor *body)
{
	(void)userdata, (void)error, (void)e, (void)body;
	return true;
}

/* No telemetry has a record of that number: the answer is short, and costs no core anything. */
static void on_pulse(evutil_socket_t fd, short what, void *userdata)
{
	const uint32_t nothing = UINT32_MAX;
	struct monitor *m = userdata;
	bool quiet = !m->heard && m->greeted && m->version == LINK_VERSION && m->n_requests == 0 && !m->stop_asked;

	(void)fd, (void)what;
	m->heard = false;
	if (quiet && monitor_ask(m, LINK_TELEMETRY, &nothing, sizeof(nothing), NULL, 0, pulse_felt, m, NULL) < 0)
		monitor_set_silent(m, true);
}

/*
 * Tour 240: Where a VM becomes a process. It gets no arguments and no files, only its end of a socket;
 * all else travels over that, so that a monitor can be locked up and still have what it needs.
 */

static int start_process(struct monitor *m, const char *path, struct error *e)
{
	_cleanup_close_ int theirs = -1;
	struct spawned process;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set(e, -ECANCELED, "making the link to a monitor: %s", strerror(errno));
	m->link = pair[0];
	theirs = pair[1];
	if (evutil_make_socket_nonblocking(m->link) < 0)
		return error_set(e, -ECANCELED, "making the link to a monitor");
	r = spawn_monitor(path, theirs, &process);
	if (r < 0)
		return error_set(e, -ECANCELED, "starting %s: %s", path, strerror(-r));
	m->pid = process.pid;
	m->pidfd = process.pidfd;
	return 0;
}

static int watch(struct monitor *m, struct error *e)
{
	static const struct timeval pulse = {.tv_sec = PULSE_USEC / SEC_USEC};

	m->on_link = event_new(m->base, m->link, EV_READ | EV_PERSIST, on_link, m);
	m->on_exit = event_new(m->base, m->pidfd, EV_READ, on_exit_, m);
	m->on_deadline = evtimer_new(m->base, on_deadline, m);
	m->on_pulse = event_new(m->base, -1, EV_PERSIST, on_pulse, m);
	if (!m->on_link || !m->on_exit || !m->on_deadline || !m->on_pulse)
		return error_set_errno(e, -ENOMEM, "watching the monitor");
	if (event_add(m->on_link, NULL) < 0 || event_add(m->on_exit, NULL) < 0 || event_add(m->on_pulse, &pulse) < 0)
		return error_set(e, -ECANCELED, "watching the monitor");
	return 0;
}

DEFINE_CLEANUP(struct monitor *, monitor_free);

int monitor_spawn(struct event_base *base, const char *path, const struct monitor_hooks *hooks,
	void *userdata, struct monitor **ret, struct error *e)
{
	_cleanup_(monitor_freep) struct monitor *m = malloc(sizeof(*m));
	int r;

	if (!m)
		return error_set_errno(e, -ENOMEM, "starting a monitor");
	*m = (struct monitor){.pidfd = -1, .link = -1, .base = base, .hooks = hooks, .userdata = userdata};
	r = start_process(m, path, e);
	if (r == 0)
		r = watch(m, e);
	if (r < 0)
		return r;
	*ret = take_ptr(m);
	return 0;
}

int monitor_adopt(struct event_base *base, struct run_found *found, const struct monitor_hooks *hooks, void *userdata,
	struct monitor **ret, struct error *e)
{
	_cleanup_(monitor_freep) struct monitor *m = malloc(sizeof(*m));
	int r;

	if (!m)
		return error_set_errno(e, -ENOMEM, "adopting a monitor");
	*m = (struct monitor){.pidfd = found->pidfd,
		.link = found->link,
		.adopted = true,
		.base = base,
		.hooks = hooks,
		.userdata = userdata};
	found->link = found->pidfd = -1;
	r = watch(m, e);
	if (r < 0)
		return r; /* and it lives on: m->pid is not set yet */
	m->pid = found->pid;
	*ret = take_ptr(m);
	return 0;
}

struct monitor *monitor_let_go(struct monitor *m)
{
	if (m)
		m->pid = 0;
	return monitor_free(m);
}

struct monitor *monitor_free(struct monitor *m)
{
	struct error how;

	if (!m)
		return NULL;
	if (m->pid > 0) {
		monitor_kill(m);
		reap(m, &how);
	}
	monitor_cancel_requests(m, "was stopped");
	if (m->on_pulse)
		event_free(m->on_pulse);
	if (m->on_deadline)
		event_free(m->on_deadline);
	if (m->on_exit)
		event_free(m->on_exit);
	if (m->on_link)
		event_free(m->on_link);
	close_fd(m->link);
	close_fd(m->pidfd);
	free(m);
	return NULL;
}

const char *monitor_cage(const struct monitor *m)
{
	return m->cage;
}

pid_t monitor_pid(const struct monitor *m)
{
	return m->pid;
}

/* The end is seen through the pidfd; that it says yes first is not news. */
static bool stop_answered(void *userdata, int error, const struct error *e, struct cursor *body)
{
	(void)userdata, (void)error, (void)e;
	return !body || body->left == 0;
}

void monitor_stop(struct monitor *m, uint64_t timeout_usec)
{
	if (m->pid == 0)
		return;
	arm(m->on_deadline, timeout_usec);
	if (m->stop_asked)
		return;
	m->stop_asked = true;
	if (monitor_ask(m, LINK_STOP, NULL, 0, NULL, 0, stop_answered, m, NULL) < 0)
		monitor_kill(m);
}
