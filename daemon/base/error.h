/*
 * error.h - the sentence that goes with a negative errno
 *
 * Functions that can fail for a reason a person can act on take a
 * `struct error *e` as their last argument and return a negative errno. The
 * errno says which kind of failure it is (abi/names.h maps it to a D-Bus error
 * name); the sentence says what, where, which value, and what would be right.
 *
 * There is no allocation here: saying what went wrong cannot go wrong. A
 * sentence that does not fit is cut and ends in "...".
 */
#pragma once

#include <stdarg.h>
#include <stdbool.h>

#define ERROR_TEXT_MAX 512 /* bytes, with the NUL */

struct error {
	char text[ERROR_TEXT_MAX];
};

/* Writes the sentence; returns `error` (a negative errno) unchanged, so that callers can `return` it. e may be NULL. */
int error_set(struct error *e, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* As error_set(), with ": " and the system's words for `error` behind the sentence. */
int error_set_errno(struct error *e, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts what the caller was about, and ": ", in front of the sentence. Returns `error` unchanged. */
int error_prefix(struct error *e, int error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The sentence, or the system's words for `error` where nobody wrote one. Never NULL, valid as long as e. */
const char *error_text(const struct error *e, int error);
