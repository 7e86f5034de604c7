/*
 * console.h - what a guest prints: kept, and shown to whoever watches
 *
 * Every line goes to the log file (from byte 0, whether or not anybody watches,
 * up to CONSOLE_LOG_MAX bytes a run), to a ring of the last 64 KiB that a new
 * watcher gets first, and to the watchers' pipes. A watcher that does not read
 * loses bytes; no core ever waits for one. Thread-safe.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define CONSOLE_LOG_MAX      (1u << 20) /* bytes */
#define CONSOLE_RING_SIZE    (64u << 10)
#define CONSOLE_WATCHERS_MAX 16

struct console;
struct error;

/* Takes over log_fd, which is open for appending; -1: no log. NULL when memory is short (log_fd is closed then). */
struct console *console_new(int log_fd);
struct console *console_free(struct console *console);
DEFINE_CLEANUP(struct console *, console_free);

/* Text of one core. An unfinished line of another core is ended first, so that texts do not run together. */
void console_write(struct console *console, uint32_t core, const char *text, size_t size);

/* A line of ours between the guest's: "[hvmd: ...]". */
void console_mark(struct console *console, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Replays the ring into fd, which does not block (O_NONBLOCK), and keeps it as a watcher. Takes over fd always.
 * -EUSERS when there are too many.
 */
int console_watch(struct console *console, int fd, struct error *e);

/* Bytes that guests printed, and bytes that no longer fitted into the log. */
void console_counts(struct console *console, uint64_t *ret_bytes, uint64_t *ret_log_dropped);
