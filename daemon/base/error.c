/* error.c - see error.h */
#include "base/error.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void cut(struct error *e, int wanted)
{
	if (wanted >= ERROR_TEXT_MAX)
		memcpy(e->text + ERROR_TEXT_MAX - 4, "...", 4);
}

int error_set(struct error *e, int error, const char *format, ...)
{
	va_list ap;

	assert(error < 0);
	if (e) {
		va_start(ap, format);
		cut(e, vsnprintf(e->text, sizeof(e->text), format, ap));
		va_end(ap);
	}
	return error;
}

int error_set_errno(struct error *e, int error, const char *format, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	return error_set(e, error, "%s: %s", text, strerrordesc_np(-error));
}

int error_prefix(struct error *e, int error, const char *format, ...)
{
	char prefix[ERROR_TEXT_MAX];
	struct error rest;
	va_list ap;

	if (!e)
		return error;
	rest = *e;
	va_start(ap, format);
	vsnprintf(prefix, sizeof(prefix), format, ap);
	va_end(ap);
	return error_set(e, error, "%s: %s", prefix, error_text(&rest, error));
}

const char *error_text(const struct error *e, int error)
{
	const char *text;

	if (e && e->text[0])
		return e->text;
	text = strerrordesc_np(error < 0 ? -error : error);
	return text ? text : "unknown error";
}
