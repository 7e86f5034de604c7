/*
 * buffer.h - bytes that grow, up to a bound
 *
 * What is written to others: wire messages, the info block, canonical XML. Like
 * a cursor it fails once and stays failed: append a whole structure, then ask
 * buffer_ok() once.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
	uint8_t *data; /* owned */
	size_t size;   /* bytes used */
	size_t capacity;
	size_t limit;  /* never larger than this */
	bool failed;   /* limit reached, or out of memory */
};

/* An empty buffer that holds at most `limit` bytes. */
#define BUFFER_INIT(limit_) {.limit = (limit_)}

/* Lets go of the bytes; the buffer is empty and usable again. */
void buffer_fini(struct buffer *b);

static inline bool buffer_ok(const struct buffer *b)
{
	return !b->failed;
}

void buffer_append(struct buffer *b, const void *data, size_t size);
void buffer_append_uint(struct buffer *b, uint64_t value, unsigned bytes); /* little endian, 1 to 8 bytes */
void buffer_append_zeros(struct buffer *b, size_t size);
void buffer_append_string(struct buffer *b, const char *text); /* without its NUL */
void buffer_printf(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Zeros up to the next multiple of `step`, a power of two. */
void buffer_align(struct buffer *b, size_t step);

/* Overwrites `bytes` bytes at `offset`, which has been appended before. */
void buffer_put_uint(struct buffer *b, size_t offset, uint64_t value, unsigned bytes);

/* The content with a NUL behind it, which the caller takes over; NULL when the buffer has failed. Empties b. */
char *buffer_take_string(struct buffer *b);
