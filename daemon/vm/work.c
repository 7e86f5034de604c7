/*
 * work.c - see work.h
 *
 *	workers_start --> waiting --> thread runs --> eventfd readable --> join, done()
 *
 * One that cannot have a thread is told so by the same way: it is cancelled, and
 * its `done` comes from the loop.
 */
#include "vm/work.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

#define AT_WORK_MAX   4u
#define WORK_MAX      64u  /* each may hold some descriptors of its caller, and we have 1024 */
#define TELL_TRIES    3
#define PATIENCE_MSEC 1000 /* for what is cancelled at the end */

struct work {
	struct work *next; /* owned by the list */
	int finished;      /* eventfd: the thread is about to end */
	struct event *on_finished;
	pthread_t thread;
	bool running; /* there is a thread, to be joined */
	atomic_bool cancelled;
	work_fn run;
	work_done_fn done;
	/* borrowed */
	void *userdata;
	struct workers *workers;
};

struct workers {
	struct work *first; /* owned: in the order of their coming */
	size_t n, n_running;
	bool closed;
	struct event_base *base; /* borrowed */
};

struct workers *workers_new(struct event_base *base)
{
	struct workers *workers = calloc(1, sizeof(*workers));

	if (workers)
		workers->base = base;
	return workers;
}

static void work_free(struct work *w)
{
	if (w->on_finished)
		event_free(w->on_finished);
	close_fd(w->finished);
	free(w);
}

static void take_out(struct workers *workers, struct work *w)
{
	struct work **at = &workers->first;

	while (*at != w)
		at = &(*at)->next;
	*at = w->next;
	workers->n--;
}

/* After the thread: joins it and calls back. */
static void finish(struct work *w)
{
	struct workers *workers = w->workers;
	work_done_fn done = w->done;
	void *userdata = w->userdata;

	if (w->running) {
		pthread_join(w->thread, NULL);
		workers->n_running--;
	}
	take_out(workers, w);
	work_free(w);
	done(userdata);
}

static void *thread_main(void *userdata)
{
	struct work *w = userdata;
	uint64_t one = 1;

	w->run(w->userdata, &w->cancelled);
	for (int i = 0; i < TELL_TRIES && write_full(w->finished, &one, sizeof(one)) < 0; i++)
		; /* who calls waits for it */
	return NULL;
}

/* Signals are for the loop. */
static int make_thread(struct work *w)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&w->thread, NULL, thread_main, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

static void start_waiting(struct workers *workers)
{
	for (struct work *w = workers->first; w && workers->n_running < AT_WORK_MAX; w = w->next) {
		if (w->running || w->cancelled)
			continue;
		if (make_thread(w) == 0) {
			w->running = true;
			workers->n_running++;
		} else if (workers->n_running == 0) { /* otherwise it is tried again when another has ended */
			w->cancelled = true;
			event_active(w->on_finished, EV_READ, 0);
		}
	}
}

static void on_finished(evutil_socket_t fd, short what, void *userdata)
{
	struct work *w = userdata;
	struct workers *workers = w->workers;

	(void)fd, (void)what;
	finish(w);
	start_waiting(workers);
}

int workers_start(struct workers *workers, work_fn run, work_done_fn done, void *userdata, struct error *e)
{
	struct work *w, **last = &workers->first;

	if (workers->closed)
		return error_set(e, -ECANCELED, "hvmd is stopping");
	if (workers->n >= WORK_MAX)
		return error_set(e, -ENOBUFS,
			"%u jobs with images are waiting already; try again when some are done", WORK_MAX);
	w = calloc(1, sizeof(*w));
	if (!w)
		return error_set_errno(e, -ENOMEM, "starting a job");
	*w = (struct work){.run = run, .done = done, .userdata = userdata, .workers = workers};
	w->finished = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w->on_finished =
		w->finished < 0 ? NULL : event_new(workers->base, w->finished, EV_READ, on_finished, w);
	if (!w->on_finished || event_add(w->on_finished, NULL) < 0) {
		work_free(w);
		return error_set_errno(e, -ENOMEM, "starting a job");
	}
	while (*last)
		last = &(*last)->next;
	*last = w;
	workers->n++;
	start_waiting(workers);
	return 0;
}

void workers_close(struct workers *workers)
{
	workers->closed = true;
	for (struct work *w = workers->first; w; w = w->next) {
		if (!w->running && !w->cancelled)
			event_active(w->on_finished, EV_READ, 0);
		w->cancelled = true;
	}
}

size_t workers_n(const struct workers *workers)
{
	return workers->n;
}

/* False when the thread hangs. */
static bool wait_for(const struct work *w)
{
	struct pollfd p = {.fd = w->finished, .events = POLLIN};

	return !w->running || poll(&p, 1, PATIENCE_MSEC) > 0;
}

void workers_drain(struct workers *workers)
{
	workers_close(workers);
	for (struct work *w = workers->first, *next; w; w = next) {
		next = w->next;
		if (wait_for(w))
			finish(w);
		else
			event_del(w->on_finished);
	}
}

struct workers *workers_free(struct workers *workers)
{
	if (!workers)
		return NULL;
	workers_drain(workers);
	if (workers->n == 0) /* otherwise a thread still has it */
		free(workers);
	return NULL;
}
