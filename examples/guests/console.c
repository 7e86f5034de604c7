/* SPDX-License-Identifier: MIT */
/* console.c - see console.h */
#include "console.h"

#include <stdarg.h>

#include "cpu.h"
#include "guest.h"

static void print_text(const char *text)
{
	while (*text)
		out8(HVM_PORT_CONSOLE, (uint8_t)*text++);
}

static void print_number(uint64_t value, unsigned base)
{
	char digits[21]; /* 2^64 has 20 */
	char *p = digits + sizeof(digits) - 1;

	*p = 0;
	do {
		*--p = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	print_text(p);
}

static void print_list(const char *format, va_list ap)
{
	for (; *format; format++) {
		if (*format != '%') {
			out8(HVM_PORT_CONSOLE, (uint8_t)*format);
			continue;
		}
		if (*++format == 's')
			print_text(va_arg(ap, const char *));
		else if (*format == 'u')
			print_number(va_arg(ap, unsigned), 10);
		else
			print_number(va_arg(ap, uint64_t), *++format == 'x' ? 16 : 10);
	}
}

void print(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	print_list(format, ap);
	va_end(ap);
}

void say(const struct core *core, const char *format, ...)
{
	va_list ap;

	print("core %lu: ", core->number);
	va_start(ap, format);
	print_list(format, ap);
	va_end(ap);
	print("\n");
}
