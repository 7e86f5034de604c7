/*
 * monitor.c - see monitor.h
 *
 *	spawn --> [ link readable: replies, news ] --> pidfd readable --> gone()
 *	               |  protocol broken, link closed: SIGKILL  ^
 *	               +-----------------------------------------+
 *
 * A request whose time is over stays in the list without a callback, so that a
 * late reply is recognised and dropped.
 */
#include "vm/monitor.h"

#include <assert.h>
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
#include "vm/runs.h"
#include "vm/spawn.h"

#define SEC_USEC       1000000ull
#define SETUP_USEC     (30 * SEC_USEC)
#define RESET_USEC     (20 * SEC_USEC) /* there may be much memory to put back; D-Bus callers wait for 25 s */
#define INSPECT_USEC   (10 * SEC_USEC)
#define REQUEST_USEC   (5 * SEC_USEC)
#define DYING_USEC     (SEC_USEC / 10)
#define PULSE_USEC     (5 * SEC_USEC) /* silence after which a monitor is asked for something */
#define OPEN_REQUESTS_MAX 64u
#define ERRNO_MAX_     4095 /* the kernel's own bound for -errno */

struct request {
	struct request *next; /* owned by the list */
	struct event *timer;
	uint32_t serial;
	enum link_type type;
	monitor_reply_fn fn; /* NULL when it has been called */
	void *userdata;      /* borrowed */
	struct monitor *monitor;
};

struct monitor {
	pid_t pid; /* 0 when reaped */
	int pidfd, link;
	struct event *on_link, *on_exit, *on_deadline, *on_pulse;
	struct request *requests;
	unsigned n_requests;
	uint32_t last_serial;
	bool adopted;     /* somebody else's child: it is told from its link and its pidfd alone */
	bool greeted;     /* LINK_HELLO has come */
	bool heard;       /* it has said something since its pulse was last felt */
	bool silent;      /* it has left a request unanswered, and said nothing since */
	uint16_t version; /* that it speaks, once it has greeted */
	char cage[64];    /* monitor_cage() */
	bool stop_asked;
	bool closed;      /* it has closed its end of the link, but lived on and was killed for that */
	struct error how; /* how it broke the protocol; empty when it did not */
	/* borrowed */
	struct event_base *base;
	const struct monitor_hooks *hooks;
	void *userdata;
};

static const char *request_name(enum link_type type)
{
	switch (type) {
	case LINK_SETUP:
		return "building the machine";
	case LINK_START:
		return "starting";
	case LINK_RESET:
		return "a reset";
	case LINK_STOP:
		return "stopping";
	case LINK_TELEMETRY:
		return "telemetry";
	case LINK_CONSOLE:
		return "the console";
	case LINK_PLAN:
		return "the memory plan";
	case LINK_INSPECT:
		return "an inspection";
	case LINK_LISTEN:
		return "listening";
	case LINK_LOAD:
		return "another image";
	case LINK_REPLY:
	case LINK_HELLO:
	case LINK_STATE:
	case LINK_RESET_DONE:
	case LINK_HRT:
	case LINK_ROS:
	case LINK_RUN:
	case LINK_LAUNCH:
	case LINK_EXIT:
		break;
	}
	return "nothing";
}

static uint64_t request_usec(enum link_type type)
{
	if (type == LINK_SETUP)
		return SETUP_USEC;
	if (type == LINK_RESET)
		return RESET_USEC;
	return type == LINK_INSPECT ? INSPECT_USEC : REQUEST_USEC;
}

static void arm(struct event *timer, uint64_t usec)
{
	struct timeval tv = {.tv_sec = (time_t)(usec / SEC_USEC), .tv_usec = (suseconds_t)(usec % SEC_USEC)};

	evtimer_add(timer, &tv);
}

static void request_free(struct request *q)
{
	if (q->timer)
		event_free(q->timer);
	free(q);
}

/* Calls back once. */
static bool request_answer(struct request *q, int error, const struct error *e, struct cursor *body)
{
	monitor_reply_fn fn = take_ptr(q->fn);

	return fn ? fn(q->userdata, error, e, body) : true;
}

void monitor_kill(struct monitor *m)
{
	if (m->pid > 0)
		syscall(SYS_pidfd_send_signal, m->pidfd, SIGKILL, NULL, 0);
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

/* Messages: each returns NULL, or what the monitor did wrong. */

/* A host forbids it to all alike: it is said once. */
static void warn_of_gaps(const char *cage)
{
	static bool said;

	if (said || strcmp(cage, "whole") == 0)
		return;
	said = true;
	log_warning("monitors have a cage %s: this host forbids them; see hvmd(8)", cage);
}

/* Whether a payload has been read to its end; a peer of another version may have more to say than we know. */
static bool is_whole(const struct monitor *m, const struct cursor *c)
{
	return cursor_ok(c) && (c->left == 0 || m->version != LINK_VERSION);
}

static const char *take_version(struct monitor *m, uint16_t version)
{
	if (m->greeted)
		return version == m->version ? NULL : "a message has another protocol version than its greeting";
	if (version != LINK_VERSION && !m->adopted)
		return "hvm-monitor is of another version of hvmd: restart hvmd";
	m->version = version;
	return NULL;
}

static const char *take_hello(struct monitor *m, struct cursor *c)
{
	_cleanup_free_ char *lacks = link_read_string(c);

	if (!is_whole(m, c))
		return "its greeting has another length";
	if (m->greeted)
		return "it greeted twice";
	m->greeted = true;
	snprintf(m->cage, sizeof(m->cage), "%s%s", lacks[0] ? "without " : "whole", lacks);
	warn_of_gaps(m->cage);
	return NULL;
}

static const char *take_state(struct monitor *m, struct cursor *c)
{
	uint8_t role = cursor_u8(c), state = cursor_u8(c), reason = cursor_u8(c);
	int32_t vcpu = (int32_t)cursor_u32(c);
	uint64_t address = cursor_u64(c);
	_cleanup_free_ char *details = link_read_string(c);
	struct monitor_news news;

	if (!is_whole(m, c))
		return "a partition's state has another length";
	if (role >= N_PARTITION_ROLES || state >= N_PARTITION_STATES || reason >= N_REASONS || vcpu < -1)
		return "a partition's state has a value that does not exist";
	news = (struct monitor_news){.role = role,
		.state = state,
		.reason = reason,
		.vcpu = vcpu,
		.address = address,
		.details = details};
	m->hooks->partition(m->userdata, &news);
	return NULL;
}

/* A short word; one that is too long is as good as none that could be read. */
static void take_word(struct cursor *c, char ret[8])
{
	_cleanup_free_ char *word = link_read_string(c);

	if (word && strlen(word) < 8)
		strcpy(ret, word);
	else
		c->overrun = true;
}

static const char *take_hrt(struct monitor *m, struct cursor *c)
{
	struct monitor_hrt hrt = {};

	hrt.flags = cursor_u64(c);
	hrt.gva_offset = cursor_u64(c);
	hrt.gva_entry = cursor_u64(c);
	hrt.comm_page = cursor_u64(c);
	hrt.vector = cursor_u32(c);
	take_word(c, hrt.hypercall);
	hrt.n_patched = cursor_u32(c);
	take_word(c, hrt.upcall);
	if (!cursor_ok(c) || c->left > 0)
		return "its description of the HRT has another length";
	m->hooks->hrt(m->userdata, &hrt);
	return NULL;
}

static const char *take_ros(struct monitor *m, struct cursor *c)
{
	_cleanup_free_ char *protocol = link_read_string(c);
	struct monitor_ros ros = {.entry = cursor_u64(c)};

	if (!cursor_ok(c) || c->left > 0)
		return "its description of the ROS has another length";
	if (strlen(protocol) >= sizeof(ros.protocol))
		return "its description of the ROS has a boot protocol that does not exist";
	strcpy(ros.protocol, protocol);
	m->hooks->ros(m->userdata, &ros);
	return NULL;
}

static const char *take_launch(struct monitor *m, struct cursor *c)
{
	const uint8_t *digest = cursor_bytes(c, LINK_DIGEST_SIZE);

	if (!digest || c->left > 0)
		return "its launch digest has another length";
	m->hooks->launch(m->userdata, digest);
	return NULL;
}

static const char *take_exit(struct monitor *m, struct cursor *c)
{
	int32_t status = (int32_t)cursor_u32(c);
	_cleanup_free_ char *details = link_read_string(c);

	if (!is_whole(m, c))
		return "its news of the guest's end has another length";
	m->hooks->exit(m->userdata, status, details);
	return NULL;
}

static const char *take_reset_done(struct monitor *m, struct cursor *c)
{
	uint8_t scope = cursor_u8(c);
	uint32_t first = cursor_u32(c), n = cursor_u32(c);

	if (!is_whole(m, c))
		return "its news of a reset has another length";
	if (scope > LINK_SCOPE_HRT)
		return "its news of a reset has a scope that does not exist";
	m->hooks->reset_done(m->userdata, (enum link_scope)scope, first, n);
	return NULL;
}

static const char *take_run(struct monitor *m, struct cursor *c)
{
	struct monitor_run run = {};
	const uint8_t *uuid = cursor_bytes(c, sizeof(run.uuid));

	if (uuid)
		memcpy(run.uuid, uuid, sizeof(run.uuid));
	run.started = cursor_u64(c);
	run.changed = cursor_u64(c);
	run.n_resets = cursor_u32(c);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		run.n_resets_of[role] = cursor_u32(c);
	if (!is_whole(m, c))
		return "its description of the run has another length";
	if (!m->adopted)
		return "it described a run that nobody asked about";
	return m->hooks->run(m->userdata, &run) ? NULL : "it runs another VM";
}

static struct request *unlink_request(struct monitor *m, uint32_t serial)
{
	for (struct request **p = &m->requests; *p; p = &(*p)->next)
		if ((*p)->serial == serial) {
			struct request *q = *p;

			*p = q->next;
			m->n_requests--;
			return q;
		}
	return NULL;
}

/* A later version may append to the bodies that all versions have. */
static void cut_body(const struct monitor *m, enum link_type type, struct cursor *c)
{
	size_t known = type == LINK_RESET ? sizeof(uint64_t) : 0;

	if (m->version != LINK_VERSION && c->left > known)
		c->left = known;
}

static const char *take_reply(struct monitor *m, uint32_t serial, struct cursor *c)
{
	int32_t error = (int32_t)cursor_u32(c);
	_cleanup_free_ char *sentence = link_read_string(c);
	struct error e = {};
	struct request *q;
	bool ok;

	if (!cursor_ok(c))
		return "a reply is shorter than it says";
	if (error > 0 || error < -ERRNO_MAX_)
		return "a reply has an error number that does not exist";
	q = unlink_request(m, serial);
	if (!q)
		return "it answered what nobody asked";
	if (error < 0)
		error_set(&e, error, "%s", sentence);
	cut_body(m, q->type, c);
	ok = request_answer(q, error, error < 0 ? &e : NULL, error < 0 ? NULL : c);
	request_free(q);
	return ok ? NULL : "a reply has another form";
}

static const char *take_message(struct monitor *m, struct link_message *message)
{
	struct cursor *c = &message->payload;
	uint16_t type = message->header.type;
	const char *wrong = take_version(m, message->header.version);

	if (wrong)
		return wrong;
	if (!m->greeted && type != LINK_HELLO)
		return "its first message is no greeting";
	if ((type == LINK_REPLY) != (message->header.serial != 0))
		return "a message has a serial that its type does not allow";
	switch (type) {
	case LINK_HELLO:
		return take_hello(m, c);
	case LINK_STATE:
		return take_state(m, c);
	case LINK_HRT:
		return m->version == LINK_VERSION ? take_hrt(m, c) : NULL;
	case LINK_ROS:
		return m->version == LINK_VERSION ? take_ros(m, c) : NULL;
	case LINK_RUN:
		return take_run(m, c);
	case LINK_LAUNCH:
		return m->version == LINK_VERSION ? take_launch(m, c) : NULL;
	case LINK_EXIT:
		return take_exit(m, c);
	case LINK_RESET_DONE:
		return take_reset_done(m, c);
	case LINK_REPLY:
		return take_reply(m, message->header.serial, c);
	default:
		return m->version == LINK_VERSION ? "a message has a type that does not exist" : NULL;
	}
}

static void set_silent(struct monitor *m, bool silent)
{
	if (m->silent == silent)
		return;
	m->silent = silent;
	if (m->hooks->responsive)
		m->hooks->responsive(m->userdata, !silent);
}

/* An adopted monitor that we do not understand: its guest has done nothing to be ended for. */
static bool is_too_old(const struct monitor *m)
{
	return m->version > 0 && m->version < LINK_VERSION_OLDEST;
}

static void leave_alone(struct monitor *m, uint16_t version)
{
	m->version = version;
	event_del(m->on_link);
	log_warning("the monitor with PID %d is of a hvmd that is too old (link version %u, and the oldest that is understood "
		"is %u): it runs on, and its VM can only be terminated", (int)m->pid, version, LINK_VERSION_OLDEST);
	set_silent(m, true);
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
	set_silent(m, false);
	wrong = take_message(m, &message);
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

static void cancel_requests(struct monitor *m, const char *how)
{
	struct error e;

	error_set(&e, -ECANCELED, "the monitor %s", how);
	while (m->requests) {
		struct request *q = m->requests;

		m->requests = q->next;
		m->n_requests--;
		request_answer(q, -ECANCELED, &e, NULL);
		request_free(q);
	}
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
	cancel_requests(m, how.text);
	m->hooks->gone(m->userdata, how.text);
}

static void on_deadline(evutil_socket_t fd, short what, void *userdata)
{
	struct monitor *m = userdata;

	(void)fd, (void)what;
	m->closed = !m->stop_asked;
	monitor_kill(m);
}

static void on_request_timeout(evutil_socket_t fd, short what, void *userdata)
{
	struct request *q = userdata;
	struct error e;

	(void)fd, (void)what;
	error_set(&e, -ETIMEDOUT, "the monitor (PID %d) has not answered a request for %s within %llu s",
		(int)q->monitor->pid, request_name(q->type),
		(unsigned long long)(request_usec(q->type) / SEC_USEC));
	set_silent(q->monitor, true);
	request_answer(q, -ETIMEDOUT, &e, NULL);
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
		set_silent(m, true);
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
	cancel_requests(m, "was stopped");
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

static struct request *request_new(
	struct monitor *m, enum link_type type, monitor_reply_fn fn, void *userdata)
{
	struct request *q = malloc(sizeof(*q));

	if (!q)
		return NULL;
	*q = (struct request){.type = type, .fn = fn, .userdata = userdata, .monitor = m};
	q->timer = evtimer_new(m->base, on_request_timeout, q);
	if (!q->timer) {
		free(q);
		return NULL;
	}
	if (++m->last_serial == 0) /* 0 is for news */
		m->last_serial = 1;
	q->serial = m->last_serial;
	return q;
}

static int send_request(struct monitor *m, struct request *q, const void *payload, size_t size,
	const int *fds, size_t n_fds, struct error *e)
{
	struct buffer b = link_message_begin((uint16_t)q->type, q->serial);
	int r;

	if (m->version)
		link_message_set_version(&b, m->version);
	buffer_append(&b, payload, size);
	r = link_send(m->link, &b, fds, n_fds);
	buffer_fini(&b);
	if (r == -EAGAIN)
		return error_set(e, -EBUSY, "the monitor (PID %d) does not read its requests", (int)m->pid);
	if (r < 0)
		return error_set(
			e, -ECANCELED, "asking the monitor for %s: %s", request_name(q->type), strerror(-r));
	return 0;
}

/* What every version of the link has, abi/link.h says. */
static int check_version(const struct monitor *m, enum link_type type, struct error *e)
{
	if (!m->adopted || m->version == LINK_VERSION)
		return 0;
	if (is_too_old(m))
		return error_set(e, -EOPNOTSUPP, "the monitor (PID %d) was started by a hvmd that is too old (link version %u, and "
			"the oldest that is understood is %u): its VM can only be terminated", (int)m->pid, m->version, LINK_VERSION_OLDEST);
	if (!m->greeted)
		return error_set(e, -EBUSY, "the monitor (PID %d) has not answered yet since hvmd was started", (int)m->pid);
	if (type == LINK_RESET || type == LINK_STOP)
		return 0;
	return error_set(e, -EOPNOTSUPP,
		"the monitor (PID %d) was started by another version of hvmd (link version %u, and this is %u): %s is not to be "
		"had until the VM has been stopped and started", (int)m->pid, m->version, LINK_VERSION, request_name(type));
}

int monitor_ask(struct monitor *m, enum link_type type, const void *payload, size_t size, const int *fds,
	size_t n_fds, monitor_reply_fn fn, void *userdata, struct error *e)
{
	struct request *q;
	int r;

	r = check_version(m, type, e);
	if (r < 0)
		return r;
	if (m->n_requests >= OPEN_REQUESTS_MAX)
		return error_set(e, -EBUSY, "the monitor (PID %d) has %u unanswered requests", (int)m->pid,
			m->n_requests);
	q = request_new(m, type, fn, userdata);
	if (!q)
		return error_set_errno(e, -ENOMEM, "asking the monitor for %s", request_name(type));
	r = send_request(m, q, payload, size, fds, n_fds, e);
	if (r < 0) {
		request_free(q);
		return r;
	}
	arm(q->timer, request_usec(type));
	q->next = m->requests;
	m->requests = q;
	m->n_requests++;
	return 0;
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
