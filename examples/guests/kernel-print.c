/* SPDX-License-Identifier: MIT */
/* kernel-print.c - text out of the small ROS kernel, and words out of its command line; see kernel.h */
#include <stdarg.h>

#include "hvm-guest-abi.h"
#include "kernel.h"

#define COM1        0x3F8
#define COM1_STATUS 0x3FD
#define COM1_EMPTY  0x20

bool print_to_com1;

static void print_char(char c)
{
	if (!print_to_com1) {
		out8(HVM_PORT_CONSOLE, (uint8_t)c);
		return;
	}
	while (!(in8(COM1_STATUS) & COM1_EMPTY))
		;
	out8(COM1, (uint8_t)c);
}

static void print_text(const char *text)
{
	while (*text)
		print_char(*text++);
}

static void print_number(uint32_t value, unsigned base)
{
	char digits[11]; /* 2^32 has 10 */
	char *p = digits + sizeof(digits) - 1;

	*p = 0;
	do {
		*--p = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	print_text(p);
}

void print(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	for (; *format; format++) {
		if (*format != '%')
			print_char(*format);
		else if (*++format == 's')
			print_text(va_arg(ap, const char *));
		else
			print_number(va_arg(ap, uint32_t), *format == 'x' ? 16 : 10);
	}
	va_end(ap);
}

/* The rest of the word that begins so, or 0. */
static const char *find_word(const char *cmdline, const char *word)
{
	for (const char *p = cmdline; *p; p++) {
		const char *a = p, *b = word;

		if (p > cmdline && p[-1] != ' ')
			continue;
		while (*b && *a == *b) {
			a++;
			b++;
		}
		if (!*b)
			return a;
	}
	return 0;
}

bool has_word(const char *cmdline, const char *word)
{
	return find_word(cmdline, word);
}

uint32_t number_of(const char *cmdline, const char *word)
{
	const char *p = find_word(cmdline, word);
	uint32_t value = 0;

	for (; p && *p >= '0' && *p <= '9'; p++)
		value = value * 10 + (uint32_t)(*p - '0');
	return value;
}
