/* console.c - see console.h */
#include "monitor/console.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/io.h"

#define MARK_CORE UINT32_MAX /* whose text a mark of ours is */

#define INPUT_MAX 1024 /* bytes read at a time */

struct watcher {
	int fd;        /* owned; -1: free */
	uint64_t lost; /* bytes since the last that it got */
};

/* The main thread's, but for has_writer. */
struct input {
	struct console_sink sink;
	int writer; /* index of a watcher; -1: there is none */
	bool has_writer; /* the same, read by anybody (__atomic, relaxed) */
	uint8_t bytes[INPUT_MAX];
	size_t first, used; /* what the sink has not taken yet */
};

struct console {
	pthread_mutex_t lock;
	int log_fd;
	struct watcher watchers[CONSOLE_WATCHERS_MAX];
	struct input input;
	uint64_t logged;      /* bytes in the log */
	uint64_t log_dropped;
	uint64_t bytes;       /* that guests printed */
	uint64_t ring_end;    /* bytes ever put into the ring */
	uint32_t last_core;   /* whose text the last byte was */
	bool within_line;     /* the last byte was no '\n' */
	char ring[CONSOLE_RING_SIZE];
};

struct console *console_new(int log_fd)
{
	struct console *console = calloc(1, sizeof(*console));

	if (!console) {
		close_fd(log_fd);
		return NULL;
	}
	console->log_fd = log_fd;
	for (size_t i = 0; i < CONSOLE_WATCHERS_MAX; i++)
		console->watchers[i].fd = -1;
	console->input.writer = -1;
	pthread_mutex_init(&console->lock, NULL);
	return console;
}

struct console *console_free(struct console *console)
{
	if (!console)
		return NULL;
	pthread_mutex_destroy(&console->lock);
	for (size_t i = 0; i < CONSOLE_WATCHERS_MAX; i++)
		close_fd(console->watchers[i].fd);
	close_fd(console->log_fd);
	free(console);
	return NULL;
}

static void put_ring(struct console *console, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		console->ring[(console->ring_end + i) % CONSOLE_RING_SIZE] = text[i];
	console->ring_end += size;
}

/* A disk that is full or broken costs the log, never the guest. */
static void put_log(struct console *console, const char *text, size_t size)
{
	static const char full[] = "\n[hvmd: the log is full; what follows is not kept]\n";

	if (console->log_fd < 0 || console->log_dropped > 0 || console->logged + size > CONSOLE_LOG_MAX) {
		if (console->log_fd >= 0 && console->log_dropped == 0)
			write_full(console->log_fd, full, sizeof(full) - 1);
		console->log_dropped += size;
		return;
	}
	if (write_full(console->log_fd, text, size) < 0)
		console->log_dropped += size;
	console->logged += size;
}

/* Where a watcher has lost something it is told so first, since no line of it would be right otherwise. */
static bool say_lost(struct watcher *w)
{
	char line[96];
	int n = snprintf(line, sizeof(line), "\n[hvmd: %llu bytes are lost here: they were not read in time]\n",
		(unsigned long long)w->lost);

	if (write(w->fd, line, (size_t)n) != n)
		return false;
	w->lost = 0;
	return true;
}

/* False: it has gone. */
static bool put_watcher(struct watcher *w, const char *text, size_t size)
{
	ssize_t n = w->lost == 0 || say_lost(w) ? write(w->fd, text, size) : 0;

	if (n < 0 && errno != EAGAIN)
		return false;
	w->lost += size - (n < 0 ? 0 : (size_t)n);
	return true;
}

static void drop_watcher(struct console *console, size_t i)
{
	struct watcher *w = &console->watchers[i];

	w->fd = close_fd(w->fd);
	w->lost = 0;
}

/* The writer's end is the input's matter: the main thread finds it. */
static void put_watchers(struct console *console, const char *text, size_t size)
{
	for (size_t i = 0; i < CONSOLE_WATCHERS_MAX; i++)
		if (console->watchers[i].fd >= 0 && !put_watcher(&console->watchers[i], text, size) &&
		    (int)i != console->input.writer)
			drop_watcher(console, i);
}

static void put(struct console *console, const char *text, size_t size)
{
	put_ring(console, text, size);
	put_log(console, text, size);
	put_watchers(console, text, size);
	console->within_line = text[size - 1] != '\n';
}

static void put_from(struct console *console, uint32_t core, const char *text, size_t size)
{
	if (size == 0)
		return;
	if (console->within_line && console->last_core != core)
		put(console, "\n", 1);
	console->last_core = core;
	put(console, text, size);
}

void console_write(struct console *console, uint32_t core, const char *text, size_t size)
{
	pthread_mutex_lock(&console->lock);
	console->bytes += size;
	put_from(console, core, text, size);
	pthread_mutex_unlock(&console->lock);
}

void console_mark(struct console *console, const char *format, ...)
{
	char text[ERROR_TEXT_MAX], line[ERROR_TEXT_MAX + 16];
	va_list ap;
	int n;

	if (!console)
		return;
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	n = snprintf(line, sizeof(line), "[hvmd: %s]\n", text);
	pthread_mutex_lock(&console->lock);
	put_from(console, MARK_CORE, line, (size_t)n);
	pthread_mutex_unlock(&console->lock);
}

/* --- Watchers ------------------------------------------------------------------------------------------------ */

static void replay(struct console *console, struct watcher *w)
{
	uint64_t from = console->ring_end > CONSOLE_RING_SIZE ? console->ring_end - CONSOLE_RING_SIZE : 0;
	size_t begin = from % CONSOLE_RING_SIZE, size = (size_t)(console->ring_end - from);
	size_t first = size < CONSOLE_RING_SIZE - begin ? size : CONSOLE_RING_SIZE - begin;

	put_watcher(w, console->ring + begin, first);
	put_watcher(w, console->ring, size - first);
}

static void set_writer(struct console *console, int writer)
{
	console->input.writer = writer;
	__atomic_store_n(&console->input.has_writer, writer >= 0, __ATOMIC_RELAXED);
}

/* On a quiet console nobody would notice otherwise. The writer's end is seen by console_input(). */
static void drop_who_has_gone(struct console *console)
{
	for (size_t i = 0; i < CONSOLE_WATCHERS_MAX; i++) {
		struct pollfd p = {.fd = console->watchers[i].fd};

		if (p.fd >= 0 && (int)i != console->input.writer && poll(&p, 1, 0) == 1) /* cage(run): poll */
			drop_watcher(console, i);
	}
}

static int free_place(const struct console *console)
{
	for (int i = 0; i < CONSOLE_WATCHERS_MAX; i++)
		if (console->watchers[i].fd < 0)
			return i;
	return -1;
}

/* Who was the writer hears it, and only he. */
static void take_over(struct console *console, int writer)
{
	static const char text[] = "\n[hvmd: somebody else writes from here on]\n";
	int before = console->input.writer;

	if (before >= 0)
		put_watcher(&console->watchers[before], text, sizeof(text) - 1);
	console->input.first = console->input.used = 0;
	set_writer(console, writer);
}

static int attach(struct console *console, int fd, enum console_mode mode, struct error *e)
{
	int place;

	if (mode != CONSOLE_WATCH && !console->input.sink.take)
		return error_set(e, -EROFS, "this console has no input; it can be watched");
	if (mode == CONSOLE_WRITE && console->input.writer >= 0)
		return error_set(e, -EUSERS, "somebody writes to this console already; it can be watched, or taken over by force");
	drop_who_has_gone(console);
	place = free_place(console);
	if (place < 0)
		return error_set(e, -EUSERS, "%u watchers have this console open already, which is the limit",
			CONSOLE_WATCHERS_MAX);
	console->watchers[place].fd = fd;
	replay(console, &console->watchers[place]);
	if (mode != CONSOLE_WATCH)
		take_over(console, place);
	return 0;
}

int console_attach(struct console *console, int fd, enum console_mode mode, struct error *e)
{
	int r;

	pthread_mutex_lock(&console->lock);
	r = attach(console, fd, mode, e);
	pthread_mutex_unlock(&console->lock);
	if (r < 0)
		close_fd(fd);
	return r;
}

/* --- Input ----------------------------------------------------------------------------------------------------- */

void console_set_sink(struct console *console, const struct console_sink *sink)
{
	console->input.sink = *sink;
}

bool console_has_writer(const struct console *console)
{
	return __atomic_load_n(&console->input.has_writer, __ATOMIC_RELAXED);
}

int console_input_fd(const struct console *console)
{
	const struct input *in = &console->input;

	return in->writer >= 0 && in->used == 0 ? console->watchers[in->writer].fd : -1;
}

void console_push(struct console *console)
{
	struct input *in = &console->input;
	size_t n;

	if (in->used == 0)
		return;
	n = in->sink.take(in->sink.data, in->bytes + in->first, in->used);
	in->first += n;
	in->used -= n;
}

/* Who has no more to say may still be watching. */
static void end_input(struct console *console, bool gone)
{
	int writer = console->input.writer;

	pthread_mutex_lock(&console->lock);
	set_writer(console, -1);
	if (gone)
		drop_watcher(console, (size_t)writer);
	pthread_mutex_unlock(&console->lock);
}

void console_input(struct console *console)
{
	struct input *in = &console->input;
	int fd = console_input_fd(console);
	ssize_t n;

	if (fd < 0)
		return;
	n = read(fd, in->bytes, sizeof(in->bytes)); /* cage(run): read */
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_input(console, n < 0);
		return;
	}
	in->first = 0;
	in->used = (size_t)n;
	console_push(console);
}

void console_counts(struct console *console, uint64_t *bytes, uint64_t *log_dropped)
{
	pthread_mutex_lock(&console->lock);
	*bytes += console->bytes;
	*log_dropped += console->log_dropped;
	pthread_mutex_unlock(&console->lock);
}
