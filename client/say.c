/* say.c - see say.h */
#include "client/say.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "client/memory.h"
#include "client/text.h"

/* Sentences may have several lines; each is escaped by itself and indented below the first. */
static void print_lines(char *text)
{
	for (char *line = strsep(&text, "\n"); line; line = strsep(&text, "\n")) {
		_cleanup_free_ char *safe = text_one_line(line);

		fprintf(stderr, "%s%s", safe, text ? "\n    " : "\n");
	}
}

void say_error(const char *subject, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_free_ char *safe = subject ? text_one_line(subject) : NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = memory_string("out of memory");
	va_end(ap);
	fprintf(stderr, "hvmctl: %s%s", safe ? safe : "", safe ? ": " : "");
	print_lines(text);
}
