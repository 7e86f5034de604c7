/*
 * log.h - one line, one event, on standard error
 *
 * Under the journal (JOURNAL_STREAM is set) each line begins with its "<N>"
 * priority as sd-daemon(3) describes; otherwise it is plain text. A program may
 * have its lines go elsewhere (log_set_sink()). What a guest or a caller can
 * trigger goes through log_ratelimit().
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum log_level { /* syslog's numbers */
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_NOTICE = 5,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/* Lines above this level are not written. Starts at info. */
void log_set_level(enum log_level level);

enum log_level log_get_level(void);

/* Whether standard error is the journal. Asks once. */
bool log_to_journal(void);

/* "error", "warning", "notice", "info" or "debug" to its level; false when the word is another. */
bool log_level_from_string(const char *word, enum log_level *ret);

void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...)   log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...)  log_line(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...)    log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...)   log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* What a line is about, for whoever looks for it later; each may be NULL. */
struct log_about {
	const char *vm, *partition;
	const char *message_id; /* abi/messages.h */
};

void log_line_about(const struct log_about *about, enum log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Who takes lines instead of standard error: true when it has taken this one. NULL: nobody. */
typedef bool (*log_sink_fn)(const struct log_about *about, enum log_level level, const char *line);
void log_set_sink(log_sink_fn sink);

/* At most `burst` lines every `interval_usec`; zero-initialise the rest. Not for sharing between threads. */
struct ratelimit {
	uint64_t interval_usec;
	unsigned burst;
	uint64_t begin;
	unsigned count;
};

/* True when one more line may be written now. */
bool log_ratelimit(struct ratelimit *limit);
