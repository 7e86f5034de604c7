/*
 * value.h - single values as people write them
 *
 * Pure functions over text; what a value means, and where it stands, is known
 * elsewhere.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "spec/spec.h"

/* Strict decimal: digits only. Returns 0; -EINVAL when it is anything else; -ERANGE when it needs more than
 * 64 bits. */
int value_number(const char *text, uint64_t *ret);

/* As value_number(); with 0x before them, the digits are hexadecimal. */
int value_number_or_hex(const char *text, uint64_t *ret);

/* "y" or "n" in any case. */
bool value_switch(const char *text, bool *ret);

#define VALUE_UUID_TEXT   37 /* bytes, with the NUL */
#define VALUE_SHA256_TEXT 65

bool value_uuid(const char *text, uint8_t ret[static SPEC_UUID_SIZE]);
void value_uuid_format(const uint8_t uuid[static SPEC_UUID_SIZE], char ret[static VALUE_UUID_TEXT]);
bool value_sha256(const char *text, uint8_t ret[static SPEC_SHA256_SIZE]);

/* Blanks as XML has them, taken from both ends, in place. */
char *value_trim(char *text);

#define VALUE_QUOTE_MAX 96 /* bytes, with the NUL */

struct quote {
	char text[VALUE_QUOTE_MAX];
};

/*
 * A piece of a stranger's text that is fit for a sentence: valid UTF-8, in one
 * line, without control characters; cut with "..." where it is long.
 */
struct quote value_quote(const char *text);

/* As value_quote(), into `size` bytes of the caller's, at least 8. */
void value_quote_into(const char *text, char *ret, size_t size);
