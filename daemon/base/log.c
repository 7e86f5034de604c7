/* log.c - see log.h */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

static enum log_level max_level = LOG_LEVEL_INFO;

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

bool log_to_journal(void)
{
	return getenv("JOURNAL_STREAM") != NULL;
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
void log_line(enum log_level level, const char *format, ...)
{
	char line[1024];
	int n = 0;
	va_list ap;

	if (level > max_level)
		return;
	if (log_to_journal())
		n = snprintf(line, sizeof(line), "<%d>", level);
	va_start(ap, format);
	n += vsnprintf(line + n, sizeof(line) - (size_t)n, format, ap);
	va_end(ap);
	if ((size_t)n >= sizeof(line) - 1)
		n = sizeof(line) - 2;
	line[n++] = '\n';
	write_full(STDERR_FILENO, line, (size_t)n);
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
