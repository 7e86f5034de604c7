/*
 * memory.h - allocation for a command that lives a second
 *
 * hvmctl changes nothing by itself, so there is nothing to put right when memory
 * is short: these say so and end the command with status 1. None returns NULL.
 */
#pragma once

#include <stddef.h>

#include "base/cleanup.h"

void *memory_zeroed(size_t n, size_t size);

/* Room for `n` items of `size` bytes where `p` was. */
void *memory_resize(void *p, size_t n, size_t size);

/* Room for one more, where `p` has `n` items and has only ever grown by this: it doubles at powers of two. */
void *memory_room(void *p, size_t n, size_t size);

char *memory_string(const char *text);

/* The first `size` bytes at `data` with a NUL behind them. */
char *memory_bytes(const void *data, size_t size);

char *memory_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
