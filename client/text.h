/*
 * text.h - words and numbers as a person, a terminal and a script want them
 *
 * Pure, except that the escaper writes to the stream it is given.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/*
 * Looks at the UTF-8 sequence that begins at p. Returns its length and its code
 * point; 0 when it is none; -1 when it may become one with more than n bytes.
 */
int utf8_decode(const char *p, size_t n, uint32_t *ret);

/*
 * Guest output on its way to a person. A terminal obeys control characters, so
 * where one is listening everything but newline, tab and printable characters
 * becomes "\xNN"; a carriage return before a newline is dropped. Otherwise
 * every byte passes as it is. Sequences may be cut anywhere between two calls.
 */
struct escaper {
	FILE *out;   /* borrowed */
	bool escape; /* a terminal is listening */
	bool utf8;   /* which understands UTF-8 */
	char pending[4];
	size_t n_pending;
};

/* An escaper for this stream, as its terminal and the locale ask for. */
struct escaper escaper_init(FILE *out);
void escaper_write(struct escaper *x, const char *data, size_t size);
/* Writes what was waiting for the rest of a sequence. */
void escaper_end(struct escaper *x);

/* A copy in which every control character is "\xNN": safe in a table or a message. The caller frees it. */
char *text_one_line(const char *text);

/* "8G", "1100M", "1B": in the largest unit of which it is a whole number. The caller frees it. */
char *size_format(uint64_t bytes);

/* "3d 2h", "2h 4min", "5min 3s", "42s", "0s": the two largest units. The caller frees it. */
char *duration_format(uint64_t usec);

/* "10", "10s", "500ms", "2min", "1h" to microseconds; false when it is none of these or too long to count. */
bool duration_parse(const char *text, uint64_t *ret_usec);

/* A whole decimal number, nothing around it, that fits. */
bool number_parse(const char *text, uint64_t *ret);

/* "StateChangeTimestamp" to "state_change_timestamp", "NVCPUs" to "n_vcpus". The caller frees it. */
char *snake_case(const char *name);
