/*
 * console.h - what a guest prints: kept, and shown to whoever watches; and what one of them types
 *
 * Every line goes to the log file (from byte 0, whether or not anybody watches,
 * up to CONSOLE_LOG_MAX bytes a run), to a ring of the last 64 KiB that a new
 * watcher gets first, and to the watchers' pipes and sockets. A watcher that does
 * not read loses bytes, and is told how many; no core ever waits for one.
 *
 * One of the watchers may be the writer: what it sends is the guest's input. It
 * is read only as fast as the guest takes it, so that a pipe of any length can be
 * sent in. Thread-safe, but for the input, which is the main thread's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define CONSOLE_LOG_MAX      (1u << 20) /* bytes */
#define CONSOLE_RING_SIZE    (64u << 10)
#define CONSOLE_WATCHERS_MAX 16

struct console;
struct error;

/* Who takes the input: returns how many bytes, fewer than there were only if console_push() is called later. */
struct console_sink {
	size_t (*take)(void *data, const void *bytes, size_t size);
	void *data;
};

/* Takes over log_fd, which is open for appending; -1: no log. NULL when memory is short (log_fd is closed then). */
struct console *console_new(int log_fd);
struct console *console_free(struct console *console);
DEFINE_CLEANUP(struct console *, console_free);

/* Without one, nobody can be a writer. Copied. */
void console_set_sink(struct console *console, const struct console_sink *sink);

/* Text of one core. An unfinished line of another core is ended first, so that texts do not run together. */
void console_write(struct console *console, uint32_t core, const char *text, size_t size);

/* A line of ours between the guest's: "[hvmd: ...]". NULL: of a partition that prints nothing. */
void console_mark(struct console *console, const char *format, ...) __attribute__((format(printf, 2, 3)));

enum console_mode {
	CONSOLE_WATCH,     /* output only */
	CONSOLE_WRITE,     /* input, too, unless there is a writer */
	CONSOLE_TAKE_OVER, /* input, too; who was the writer goes on as a watcher */
};

/*
 * Replays the ring into fd, which does not block (O_NONBLOCK), and keeps it as a
 * watcher. Takes over fd always. -EUSERS when there are too many or there is a
 * writer, -EROFS when this console has no input; with a sentence.
 */
int console_attach(struct console *console, int fd, enum console_mode mode, struct error *e);

/* Whether somebody may type: then an echo should not wait for the end of its line. From any thread. */
bool console_has_writer(const struct console *console);

/* The descriptor to wait for input on; -1: there is no writer, or the guest has not taken all that came before. */
int console_input_fd(const struct console *console);

/* There is input, or the end of it: reads it and hands it on. */
void console_input(struct console *console);

/* The sink has room again. */
void console_push(struct console *console);

/* Adds the bytes that guests printed, and those that no longer fitted into the log. */
void console_counts(struct console *console, uint64_t *bytes, uint64_t *log_dropped);
