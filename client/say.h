/* say.h - sentences for the person at the keyboard, on standard error */
#pragma once

/*
 * "hvmctl: subject: sentence", or "hvmctl: sentence" without a subject (NULL).
 * Control characters are escaped: parts of it may come from a guest.
 */
void say_error(const char *subject, const char *format, ...) __attribute__((format(printf, 2, 3)));
