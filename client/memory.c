/* memory.c - see memory.h */
#include "client/memory.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/status.h"

static void *there(void *p)
{
	if (!p) {
		fputs("hvmctl: out of memory\n", stderr);
		exit(STATUS_FAILED);
	}
	return p;
}

void *memory_zeroed(size_t n, size_t size)
{
	return there(calloc(n ? n : 1, size));
}

void *memory_resize(void *p, size_t n, size_t size)
{
	return there(reallocarray(p, n ? n : 1, size));
}

void *memory_room(void *p, size_t n, size_t size)
{
	return (n & (n - 1)) == 0 ? memory_resize(p, n > 0 ? 2 * n : 1, size) : p;
}

char *memory_string(const char *text)
{
	return there(strdup(text));
}

char *memory_bytes(const void *data, size_t size)
{
	char *copy = there(malloc(size + 1));

	if (size)
		memcpy(copy, data, size);
	copy[size] = '\0';
	return copy;
}

char *memory_printf(const char *format, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	return there(text);
}
