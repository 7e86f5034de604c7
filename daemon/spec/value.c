/* value.c - see value.h */
#include "spec/value.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/checked.h"
#include "base/hex.h"
#include "base/macro.h"
#include "base/utf8.h"

static int read_digits(const char *text, unsigned base, uint64_t *ret)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t value = 0;
	bool fits = true;

	if (!text[0])
		return -EINVAL;
	for (; *text; text++) {
		const char *digit = memchr(digits, tolower((unsigned char)*text), base);

		if (!digit)
			return -EINVAL;
		fits = fits && u64_mul(value, base, &value) && u64_add(value, (uint64_t)(digit - digits), &value);
	}
	if (!fits)
		return -ERANGE;
	*ret = value;
	return 0;
}

int value_number(const char *text, uint64_t *ret)
{
	return read_digits(text, 10, ret);
}

int value_number_or_hex(const char *text, uint64_t *ret)
{
	if (strncasecmp(text, "0x", 2) == 0)
		return read_digits(text + 2, 16, ret);
	return read_digits(text, 10, ret);
}

bool value_switch(const char *text, bool *ret)
{
	bool yes = strcasecmp(text, "y") == 0;

	if (!yes && strcasecmp(text, "n") != 0)
		return false;
	*ret = yes;
	return true;
}

/* How many bytes stand between two hyphens of a UUID. */
static const unsigned char uuid_groups[] = {4, 2, 2, 2, 6};

bool value_uuid(const char *text, uint8_t ret[static SPEC_UUID_SIZE])
{
	if (strlen(text) != VALUE_UUID_TEXT - 1)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(uuid_groups); i++) {
		if (i > 0 && *text++ != '-')
			return false;
		if (!hex_parse(text, ret, uuid_groups[i]))
			return false;
		text += 2 * uuid_groups[i];
		ret += uuid_groups[i];
	}
	return true;
}

void value_uuid_format(const uint8_t uuid[static SPEC_UUID_SIZE], char ret[static VALUE_UUID_TEXT])
{
	for (size_t i = 0; i < ARRAY_SIZE(uuid_groups); i++) {
		if (i > 0)
			*ret++ = '-';
		hex_format(uuid, uuid_groups[i], ret);
		ret += 2 * uuid_groups[i];
		uuid += uuid_groups[i];
	}
}

bool value_sha256(const char *text, uint8_t ret[static SPEC_SHA256_SIZE])
{
	return strlen(text) == VALUE_SHA256_TEXT - 1 && hex_parse(text, ret, SPEC_SHA256_SIZE);
}

char *value_trim(char *text)
{
	static const char blanks[] = " \t\r\n";
	size_t size;

	text += strspn(text, blanks);
	size = strlen(text);
	while (size > 0 && strchr(blanks, text[size - 1]))
		size--;
	text[size] = '\0';
	return text;
}

void value_quote_into(const char *text, char *ret, size_t size)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t used = 0, cut = 0; /* where "..." and a NUL still have room */

	while (*p) {
		size_t n = utf8_size(p);
		bool plain = n > 0 && !utf8_is_control(p, n);
		size_t wanted = plain ? n : 1;

		if (used + 4 <= size)
			cut = used;
		if (used + wanted >= size) {
			memcpy(ret + cut, "...", 4);
			return;
		}
		if (plain)
			memcpy(ret + used, p, n);
		else
			ret[used] = n > 0 ? ' ' : '?';
		used += wanted;
		p += n > 0 ? n : 1;
	}
	ret[used] = '\0';
}

struct quote value_quote(const char *text)
{
	struct quote quote;

	value_quote_into(text, quote.text, sizeof(quote.text));
	return quote;
}
