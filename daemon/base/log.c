/* log.c - see log.h */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

#define LINE_MAX_ 1024 /* bytes; what is longer is cut */

static enum log_level max_level = LOG_LEVEL_INFO;
static log_sink_fn sink;

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_NOTICE] = "notice",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};

void log_set_level(enum log_level level)
{
	max_level = level;
}

enum log_level log_get_level(void)
{
	return max_level;
}

/* The environment may be somebody else's, inherited: what counts is whether our standard error is that stream. */
static bool is_journal(const char *stream)
{
	unsigned long long device, inode;
	struct stat st;

	return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
		st.st_dev == device && st.st_ino == inode;
}

bool log_to_journal(void)
{
	static int known = -1;

	if (known < 0)
		known = is_journal(getenv("JOURNAL_STREAM"));
	return known;
}

bool log_level_from_string(const char *word, enum log_level *ret)
{
	for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++)
		if (strcmp(word, level_names[i]) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	return false;
}

/* One write(2) a line, so that lines of several threads and processes stay whole. */
static void write_line(enum log_level level, const char *text)
{
	char line[LINE_MAX_ + 8];
	int n = log_to_journal() ? snprintf(line, sizeof(line), "<%d>%s\n", level, text)
				 : snprintf(line, sizeof(line), "%s\n", text);

	write_full(STDERR_FILENO, line, (size_t)n);
}

static void log_line_v(const struct log_about *about, enum log_level level, const char *format, va_list ap)
{
	char text[LINE_MAX_];

	if (level > max_level)
		return;
	vsnprintf(text, sizeof(text), format, ap);
	if (!sink || !sink(about, level, text))
		write_line(level, text);
}

void log_line(enum log_level level, const char *format, ...)
{
	static const struct log_about nothing;
	va_list ap;

	va_start(ap, format);
	log_line_v(&nothing, level, format, ap);
	va_end(ap);
}

void log_line_about(const struct log_about *about, enum log_level level, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	log_line_v(about, level, format, ap);
	va_end(ap);
}

void log_set_sink(log_sink_fn fn)
{
	sink = fn;
}

bool log_ratelimit(struct ratelimit *limit)
{
	uint64_t now = clock_usec();

	if (limit->begin == 0 || now - limit->begin >= limit->interval_usec) {
		limit->begin = now;
		limit->count = 0;
	}
	return limit->count++ < limit->burst;
}
