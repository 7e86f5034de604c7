/* buffer.c - see buffer.h */
#include "base/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/cleanup.h"

void buffer_fini(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){.limit = b->limit};
}

/* Room for `size` more bytes, or NULL and the buffer has failed. */
static uint8_t *buffer_grow(struct buffer *b, size_t size)
{
	size_t capacity = b->capacity ? b->capacity : 256;
	uint8_t *data;

	if (b->failed || size > b->limit || b->size > b->limit - size) {
		b->failed = true;
		return NULL;
	}
	while (capacity < b->size + size)
		capacity *= 2;
	if (capacity > b->capacity) {
		data = realloc(b->data, capacity);
		if (!data) {
			b->failed = true;
			return NULL;
		}
		b->data = data;
		b->capacity = capacity;
	}
	b->size += size;
	return b->data + b->size - size;
}

void buffer_append(struct buffer *b, const void *data, size_t size)
{
	uint8_t *p = buffer_grow(b, size);

	if (p && size)
		memcpy(p, data, size);
}

void buffer_append_zeros(struct buffer *b, size_t size)
{
	uint8_t *p = buffer_grow(b, size);

	if (p && size)
		memset(p, 0, size);
}

void buffer_append_uint(struct buffer *b, uint64_t value, unsigned bytes)
{
	size_t offset = b->size;

	assert(bytes >= 1 && bytes <= 8);
	if (buffer_grow(b, bytes))
		buffer_put_uint(b, offset, value, bytes);
}

void buffer_append_string(struct buffer *b, const char *text)
{
	buffer_append(b, text, strlen(text));
}

void buffer_printf(struct buffer *b, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;
	int n;

	va_start(ap, format);
	n = vasprintf(&text, format, ap);
	va_end(ap);
	if (n < 0) {
		text = NULL;
		b->failed = true;
		return;
	}
	buffer_append(b, text, (size_t)n);
}

void buffer_align(struct buffer *b, size_t step)
{
	buffer_append_zeros(b, (size_t)round_up(b->size, step) - b->size);
}

void buffer_put_uint(struct buffer *b, size_t offset, uint64_t value, unsigned bytes)
{
	if (b->failed)
		return;
	assert(range_within(offset, bytes, b->size));
	for (unsigned i = 0; i < bytes; i++)
		b->data[offset + i] = (uint8_t)(value >> (8 * i));
}

char *buffer_take_string(struct buffer *b)
{
	char *text = NULL;

	buffer_append(b, "", 1);
	if (!b->failed)
		text = (char *)take_ptr(b->data);
	buffer_fini(b);
	return text;
}
