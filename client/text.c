/* text.c - see text.h */
#include "client/text.h"

#include <ctype.h>
#include <langinfo.h>
#include <string.h>
#include <unistd.h>

#include "base/checked.h"
#include "base/macro.h"
#include "client/memory.h"

/* The length that a first byte announces, and its bits of the code point; 0 when it is none (RFC 3629, 3). */
static int utf8_length(unsigned char first, uint32_t *ret_bits)
{
	static const struct {
		unsigned char mask, value;
	} forms[] = {{0x80, 0x00}, {0xE0, 0xC0}, {0xF0, 0xE0}, {0xF8, 0xF0}};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		if ((first & forms[i].mask) == forms[i].value) {
			*ret_bits = first & (unsigned char)~forms[i].mask;
			return (int)i + 1;
		}
	return 0;
}

/* Not the shortest form, a surrogate, or beyond Unicode. */
static bool utf8_forbidden(uint32_t c, int length)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};

	return c < smallest[length] || (c >= 0xD800 && c <= 0xDFFF) || c > 0x10FFFF;
}

int utf8_decode(const char *p, size_t n, uint32_t *ret)
{
	uint32_t c = 0;
	int length;

	if (n == 0)
		return -1;
	length = utf8_length((unsigned char)p[0], &c);
	for (int i = 1; i < length; i++) {
		if ((size_t)i >= n)
			return -1;
		if (((unsigned char)p[i] & 0xC0) != 0x80)
			return 0;
		c = c << 6 | ((unsigned char)p[i] & 0x3F);
	}
	if (length == 0 || utf8_forbidden(c, length))
		return 0;
	*ret = c;
	return length;
}

/* C0, DEL and C1: what a terminal may obey (ECMA-48, 5.2 and 5.3) */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7F && c <= 0x9F);
}

struct escaper escaper_init(FILE *out)
{
	return (struct escaper){
		.out = out,
		.escape = isatty(fileno(out)),
		.utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
	};
}

static void forget_pending(struct escaper *x, size_t n)
{
	x->n_pending -= n;
	memmove(x->pending, x->pending + n, x->n_pending);
}

static void put_pending(struct escaper *x, size_t n)
{
	fwrite(x->pending, 1, n, x->out);
	forget_pending(x, n);
}

static void put_escaped(struct escaper *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		fprintf(x->out, "\\x%02x", (unsigned char)x->pending[i]);
	forget_pending(x, n);
}

static bool is_harmless(const struct escaper *x, uint32_t c)
{
	return c == '\n' || c == '\t' || (!is_control(c) && (c < 0x80 || x->utf8));
}

/* Settles what the first pending bytes are; false when that depends on bytes to come. */
static bool settle_pending(struct escaper *x, bool end)
{
	uint32_t c = 0;
	int length = utf8_decode(x->pending, x->n_pending, &c);

	if (length < 0 && !end)
		return false;
	if (length <= 0)
		put_escaped(x, 1);
	else if (c == '\r' && x->n_pending < 2 && !end)
		return false;
	else if (c == '\r' && x->n_pending >= 2 && x->pending[1] == '\n')
		forget_pending(x, 1);
	else if (is_harmless(x, c))
		put_pending(x, (size_t)length);
	else
		put_escaped(x, (size_t)length);
	return true;
}

static void escaper_byte(struct escaper *x, char byte)
{
	x->pending[x->n_pending++] = byte;
	while (x->n_pending > 0 && settle_pending(x, false))
		;
}

void escaper_write(struct escaper *x, const char *data, size_t size)
{
	if (!x->escape)
		fwrite(data, 1, size, x->out);
	else
		for (size_t i = 0; i < size; i++)
			escaper_byte(x, data[i]);
}

void escaper_end(struct escaper *x)
{
	while (x->n_pending > 0)
		settle_pending(x, true);
}

char *text_one_line(const char *text)
{
	char *safe = memory_zeroed(strlen(text) + 1, 4);
	char *at = safe;

	while (*text) {
		uint32_t c = 0;
		int length = utf8_decode(text, strlen(text), &c);
		bool keep = length > 0 && !is_control(c);

		for (int i = 0; i < (length > 0 ? length : 1); i++, text++)
			at += sprintf(at, keep ? "%c" : "\\x%02x", keep ? *text : (unsigned char)*text);
	}
	return safe;
}

char *size_format(uint64_t bytes)
{
	static const char units[] = "BKMGT";
	size_t unit = 0;

	while (bytes && bytes % KiB == 0 && units[unit + 1]) {
		bytes /= KiB;
		unit++;
	}
	return memory_printf("%llu%c", (unsigned long long)bytes, units[unit]);
}

static const struct {
	const char *name;
	uint64_t usec;
} time_units[] = {
	{"d", 86400000000},
	{"h", 3600000000},
	{"min", 60000000},
	{"s", 1000000},
	{"ms", 1000},
};

/* Index of the largest unit that fits; that of "s" for what is shorter. */
static size_t largest_unit(uint64_t usec)
{
	size_t i = 0;

	while (i < 3 && usec < time_units[i].usec)
		i++;
	return i;
}

char *duration_format(uint64_t usec)
{
	size_t i = largest_unit(usec);
	unsigned long long whole = usec / time_units[i].usec, rest;

	if (i == 3)
		return memory_printf("%llus", whole);
	rest = usec % time_units[i].usec / time_units[i + 1].usec;
	return memory_printf("%llu%s %llu%s", whole, time_units[i].name, rest, time_units[i + 1].name);
}

/* Reads the digits at *text and moves it behind them. */
static bool digits_parse(const char **text, uint64_t *ret)
{
	uint64_t value = 0;
	const char *p = *text;

	for (; isdigit((unsigned char)*p); p++)
		if (!u64_mul(value, 10, &value) || !u64_add(value, (uint64_t)(*p - '0'), &value))
			return false;
	if (p == *text)
		return false;
	*text = p;
	*ret = value;
	return true;
}

bool number_parse(const char *text, uint64_t *ret)
{
	uint64_t value;

	if (!digits_parse(&text, &value) || *text)
		return false;
	*ret = value;
	return true;
}

bool duration_parse(const char *text, uint64_t *ret_usec)
{
	uint64_t value;

	if (!digits_parse(&text, &value))
		return false;
	if (!*text)
		text = "s";
	for (size_t i = 0; i < ARRAY_SIZE(time_units); i++)
		if (strcmp(text, time_units[i].name) == 0)
			return u64_mul(value, time_units[i].usec, ret_usec);
	return false;
}

/* Words in names of properties whose capitals do not show where they end; no beginning before its whole. */
static const char *const words[] = {
	"VCPUs", "VCPU", "VSock", "VMs", "VM", "UUID", "KVM", "API", "GVA", "CID"};

/* Bytes of the word at p: one of the above, the N of a count, some capitals, or one and small letters. */
static size_t word_length(const char *p)
{
	size_t capitals = 0;

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (strncmp(p, words[i], strlen(words[i])) == 0)
			return strlen(words[i]);
	if (p[0] == 'N' && isupper((unsigned char)p[1]))
		return 1;
	while (isupper((unsigned char)p[capitals]))
		capitals++;
	if (capitals > 1)
		return islower((unsigned char)p[capitals]) ? capitals - 1 : capitals;
	return capitals + strcspn(p + capitals, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
}

char *snake_case(const char *name)
{
	char *snake = memory_zeroed(strlen(name) + 1, 2);
	char *at = snake;

	for (const char *p = name; *p;) {
		if (at > snake)
			*at++ = '_';
		for (size_t n = word_length(p); n > 0; n--)
			*at++ = (char)tolower((unsigned char)*p++);
	}
	return snake;
}
