/*
 * monitor-requests.c - what a monitor is asked, and what becomes of a question
 *
 * Each is answered once: by a reply, by its time, or by the end of the monitor. One whose time is over stays in
 * the list without a callback, so that a late reply is recognised and dropped.
 */
#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/macro.h"
#include "link/link.h"
#include "vm/monitor-inside.h"

#define SETUP_SEC   30u
#define RESET_SEC   20u /* there may be much memory to put back; D-Bus callers wait for 25 s */
#define INSPECT_SEC 10u
#define REQUEST_SEC 5u
#define OPEN_MAX    64u

struct request {
	struct request *next; /* owned by the list */
	struct event *timer;
	uint32_t serial;
	enum link_type type;
	monitor_reply_fn fn; /* NULL when it has been called */
	void *userdata;      /* borrowed */
	struct monitor *monitor;
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

static unsigned request_sec(enum link_type type)
{
	if (type == LINK_SETUP)
		return SETUP_SEC;
	if (type == LINK_RESET)
		return RESET_SEC;
	return type == LINK_INSPECT ? INSPECT_SEC : REQUEST_SEC;
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

const char *monitor_take_answer(struct monitor *m, uint32_t serial, int error, const struct error *e, struct cursor *body)
{
	struct request *q = unlink_request(m, serial);
	bool ok;

	if (!q)
		return "it answered what nobody asked";
	cut_body(m, q->type, body);
	ok = request_answer(q, error, e, error < 0 ? NULL : body);
	request_free(q);
	return ok ? NULL : "a reply has another form";
}

void monitor_cancel_requests(struct monitor *m, const char *how)
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

static void on_request_timeout(evutil_socket_t fd, short what, void *userdata)
{
	struct request *q = userdata;
	struct error e;

	(void)fd, (void)what;
	error_set(&e, -ETIMEDOUT, "the monitor (PID %d) has not answered a request for %s within %u s",
		(int)q->monitor->pid, request_name(q->type), request_sec(q->type));
	monitor_set_silent(q->monitor, true);
	request_answer(q, -ETIMEDOUT, &e, NULL);
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
	if (monitor_is_too_old(m))
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
	if (m->n_requests >= OPEN_MAX)
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
	evtimer_add(q->timer, &(struct timeval){.tv_sec = request_sec(type)});
	q->next = m->requests;
	m->requests = q;
	m->n_requests++;
	return 0;
}
