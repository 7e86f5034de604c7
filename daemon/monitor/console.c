/* console.c - see console.h */
#include "monitor/console.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/io.h"

#define MARK_CORE UINT32_MAX /* whose text a mark of ours is */

struct console {
	pthread_mutex_t lock;
	int log_fd;
	int watchers[CONSOLE_WATCHERS_MAX]; /* owned; -1: free */
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
		console->watchers[i] = -1;
	pthread_mutex_init(&console->lock, NULL);
	return console;
}

struct console *console_free(struct console *console)
{
	if (!console)
		return NULL;
	pthread_mutex_destroy(&console->lock);
	for (size_t i = 0; i < CONSOLE_WATCHERS_MAX; i++)
		close_fd(console->watchers[i]);
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

static void put_watchers(struct console *console, const char *text, size_t size)
{
	for (size_t i = 0; i < CONSOLE_WATCHERS_MAX; i++)
		if (console->watchers[i] >= 0 && write(console->watchers[i], text, size) < 0 && errno != EAGAIN)
			console->watchers[i] = close_fd(console->watchers[i]); /* it has gone */
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

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	n = snprintf(line, sizeof(line), "[hvmd: %s]\n", text);
	pthread_mutex_lock(&console->lock);
	put_from(console, MARK_CORE, line, (size_t)n);
	pthread_mutex_unlock(&console->lock);
}

static void replay(struct console *console, int fd)
{
	uint64_t from = console->ring_end > CONSOLE_RING_SIZE ? console->ring_end - CONSOLE_RING_SIZE : 0;
	size_t begin = from % CONSOLE_RING_SIZE, size = (size_t)(console->ring_end - from);
	size_t first = size < CONSOLE_RING_SIZE - begin ? size : CONSOLE_RING_SIZE - begin;

	write_full(fd, console->ring + begin, first);
	write_full(fd, console->ring, size - first);
}

int console_watch(struct console *console, int fd, struct error *e)
{
	int r = -EUSERS;

	pthread_mutex_lock(&console->lock);
	for (size_t i = 0; i < CONSOLE_WATCHERS_MAX && r < 0; i++)
		if (console->watchers[i] < 0) {
			console->watchers[i] = fd;
			replay(console, fd);
			r = 0;
		}
	pthread_mutex_unlock(&console->lock);
	if (r < 0) {
		close_fd(fd);
		return error_set(e, r, "%u watchers have this console open already, which is the limit",
			CONSOLE_WATCHERS_MAX);
	}
	return 0;
}

void console_counts(struct console *console, uint64_t *ret_bytes, uint64_t *ret_log_dropped)
{
	pthread_mutex_lock(&console->lock);
	*ret_bytes = console->bytes;
	*ret_log_dropped = console->log_dropped;
	pthread_mutex_unlock(&console->lock);
}
