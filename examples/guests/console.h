/* SPDX-License-Identifier: MIT */
/* console.h - lines for the console: hvmd keeps those of each core apart */
#ifndef CONSOLE_H
#define CONSOLE_H

struct core;

/*
 * Prints text with %s, %u, %lu and %lx filled in, and nothing else that printf()
 * knows. A line costs an exit for each byte: keep it short.
 */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A whole line: "core 2: " in front, a newline behind. */
void say(const struct core *core, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
