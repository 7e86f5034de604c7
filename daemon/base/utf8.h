/* utf8.h - texts of others, a character at a time */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the UTF-8 character at `p` (RFC 3629, section 4: no overlong forms, no surrogates); 0 when it is
 * none. */
static inline size_t utf8_size(const unsigned char *p)
{
	size_t size = p[0] < 0x80 ? 1 : p[0] >= 0xF0 ? 4 : p[0] >= 0xE0 ? 3 : 2;

	if (size == 1)
		return 1;
	if (p[0] < 0xC2 || p[0] > 0xF4)
		return 0;
	for (size_t i = 1; i < size; i++)
		if ((p[i] & 0xC0) != 0x80) /* a NUL ends the loop as well */
			return 0;
	if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] > 0x9F) || (p[0] == 0xF0 && p[1] < 0x90) ||
		(p[0] == 0xF4 && p[1] > 0x8F))
		return 0;
	return size;
}

/* Of a character that is one: C0, DEL and C1. */
static inline bool utf8_is_control(const unsigned char *p, size_t size)
{
	return p[0] < 0x20 || p[0] == 0x7F || (size == 2 && p[0] == 0xC2 && p[1] < 0xA0);
}

/* Whether the whole text is UTF-8 without control characters. */
static inline bool utf8_is_plain(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	while (*p) {
		size_t n = utf8_size(p);

		if (n == 0 || utf8_is_control(p, n))
			return false;
		p += n;
	}
	return true;
}
