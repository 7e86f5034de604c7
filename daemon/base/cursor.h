/*
 * cursor.h - reading little-endian bytes that somebody else wrote
 *
 * A cursor knows its end. Reading past it yields zero and marks the cursor as
 * overrun, for good: parse a whole structure, then ask cursor_ok() once.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct cursor {
	const uint8_t *at; /* borrowed */
	uint64_t left;     /* bytes from `at` to the end */
	bool overrun;
};

static inline struct cursor cursor_init(const void *data, uint64_t size)
{
	return (struct cursor){.at = data, .left = size};
}

static inline bool cursor_ok(const struct cursor *c)
{
	return !c->overrun;
}

/* The next `size` bytes in place, or NULL when there are fewer. */
static inline const uint8_t *cursor_bytes(struct cursor *c, uint64_t size)
{
	const uint8_t *p = c->at;

	if (size > c->left) {
		c->overrun = true;
		c->left = 0;
		return NULL;
	}
	c->at += size;
	c->left -= size;
	return p;
}

static inline uint64_t cursor_uint(struct cursor *c, unsigned bytes)
{
	const uint8_t *p = cursor_bytes(c, bytes);
	uint64_t value = 0;

	for (unsigned i = 0; p && i < bytes; i++)
		value |= (uint64_t)p[i] << (8 * i);
	return value;
}

static inline uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)cursor_uint(c, 1);
}

static inline uint16_t cursor_u16(struct cursor *c)
{
	return (uint16_t)cursor_uint(c, 2);
}

static inline uint32_t cursor_u32(struct cursor *c)
{
	return (uint32_t)cursor_uint(c, 4);
}

static inline uint64_t cursor_u64(struct cursor *c)
{
	return cursor_uint(c, 8);
}
