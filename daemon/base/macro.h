/* macro.h - the few macros that C lacks */
#pragma once

#include <assert.h>
#include <stddef.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Pin a structure that others read: its size and where each member lies. */
#define assert_size(type, bytes)           static_assert(sizeof(type) == (bytes), #type " has another size")
#define assert_offset(type, member, bytes) static_assert(offsetof(type, member) == (bytes), #type "." #member " lies elsewhere")

#define KiB 1024ull
#define MiB (1024ull * KiB)
#define GiB (1024ull * MiB)
