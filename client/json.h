/*
 * json.h - data on its way to the user, and JSON as one way to print it
 *
 * Every verb that prints data first builds it out of these; --json prints it,
 * tables are made from it. There is no parser.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/cleanup.h"

enum json_mode {
	JSON_OFF,    /* tables for people */
	JSON_SHORT,  /* one line */
	JSON_PRETTY, /* indented */
};

enum json_type {
	JSON_NULL,
	JSON_BOOL,
	JSON_UINT,
	JSON_INT,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

struct json {
	enum json_type type;
	union {
		bool boolean;
		uint64_t u;
		int64_t i;
		struct {
			char *text; /* owned; any bytes, a NUL behind the last */
			size_t size;
		};
		struct {
			struct json **items; /* owned */
			char **keys;         /* owned; only objects have them */
			size_t n;
		};
	};
};

struct json *json_new(enum json_type type); /* null, false, 0 or empty */
struct json *json_bool(bool value);
struct json *json_uint(uint64_t value);
struct json *json_int(int64_t value);
struct json *json_string(const char *text);
struct json *json_bytes(const void *data, size_t size);

/* Frees it and all within. Takes NULL; returns NULL. */
struct json *json_free(struct json *j);
DEFINE_CLEANUP(struct json *, json_free);
#define _cleanup_json_ _cleanup_(json_freep)

/* Takes over `item`. */
void json_append(struct json *array, struct json *item);
/* Takes over `value`. A key that is there already gets the new value. */
void json_set(struct json *object, const char *key, struct json *value);

/* What stands under the key; NULL when nothing does, or when this is no object (or NULL). */
struct json *json_get(const struct json *object, const char *key);
/* As json_get(), for one type: "" or 0 when it is absent or of another type. */
const char *json_get_string(const struct json *object, const char *key);
uint64_t json_get_uint(const struct json *object, const char *key);

/* Number of items of an array or object; 0 for all else and NULL. */
size_t json_length(const struct json *j);

/* Sorts an array of objects by the string under `key`, or an object by its keys; digits count as numbers. */
void json_sort(struct json *j, const char *key);

/* As a person reads it, on one line: "a, b" for an array, short JSON for an object. The caller frees it. */
char *json_to_text(const struct json *j);

/* Prints it and a newline. Bytes that are not UTF-8 become U+FFFD. mode is not JSON_OFF. */
void json_print(const struct json *j, enum json_mode mode, FILE *out);
