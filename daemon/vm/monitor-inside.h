/*
 * monitor-inside.h - what the files of a monitor share
 *
 *	monitor.c            the process: how it begins, is listened to, and ends
 *	monitor-requests.c   what it is asked, and what becomes of a question
 *	monitor-messages.c   what it says, taken apart and checked
 *
 * Nobody else includes this: whoever wants something of a monitor asks for it (monitor.h).
 */
#pragma once

#include "base/error.h"
#include "vm/monitor.h"

struct event;
struct link_message;
struct request;

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

/* monitor.c */

/* Notes whether it answers, and tells when that is news. */
void monitor_set_silent(struct monitor *m, bool silent);

/* An adopted monitor that we do not understand: its guest has done nothing to be ended for. */
bool monitor_is_too_old(const struct monitor *m);

/* monitor-requests.c */

/* Answers the request with this serial and forgets it. NULL, or what was wrong with the reply. */
const char *monitor_take_answer(struct monitor *m, uint32_t serial, int error, const struct error *e, struct cursor *body);

/* Answers all with -ECANCELED: the monitor `how`. */
void monitor_cancel_requests(struct monitor *m, const char *how);

/* monitor-messages.c */

/* Takes one message, of any version of the link that is understood. NULL, or what the monitor did wrong. */
const char *monitor_take_message(struct monitor *m, struct link_message *message);
