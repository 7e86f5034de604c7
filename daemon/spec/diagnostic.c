/* diagnostic.c - see diagnostic.h */
#include "spec/diagnostic.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

static const char *const severity_names[] = {
	[SEVERITY_ERROR] = "error",
	[SEVERITY_WARNING] = "warning",
	[SEVERITY_NOTICE] = "notice",
};
static_assert(ARRAY_SIZE(severity_names) == N_SEVERITIES, "a severity has no name");

const char *severity_to_string(enum severity severity)
{
	assert(severity < N_SEVERITIES);
	return severity_names[severity];
}

static void diagnostic_fini(struct diagnostic *item)
{
	free(item->path);
	free(item->message);
}

void diagnostics_fini(struct diagnostics *d)
{
	for (size_t i = 0; i < d->n; i++)
		diagnostic_fini(&d->items[i]);
	free(d->items);
	*d = (struct diagnostics){};
}

/* The last one that is no error; d->n when all are. */
static size_t last_remark(const struct diagnostics *d)
{
	for (size_t i = d->n; i > 0; i--)
		if (d->items[i - 1].severity != SEVERITY_ERROR)
			return i - 1;
	return d->n;
}

bool diagnostics_full(const struct diagnostics *d)
{
	return d->n >= DIAGNOSTICS_MAX && last_remark(d) == d->n;
}

size_t diagnostics_lost(const struct diagnostics *d)
{
	size_t kept = 0;

	for (size_t i = 0; i < d->n; i++)
		kept += d->items[i].severity == SEVERITY_ERROR;
	return d->n_errors - kept;
}

/* Where a further one can stand; NULL when there is no place, or no memory. */
static struct diagnostic *place_for(struct diagnostics *d, enum severity severity)
{
	struct diagnostic *items;
	size_t at;

	if (d->n >= DIAGNOSTICS_MAX) {
		at = last_remark(d);
		if (severity != SEVERITY_ERROR || at == d->n)
			return NULL;
		diagnostic_fini(&d->items[at]);
		memmove(d->items + at, d->items + at + 1, (d->n - 1 - at) * sizeof(*d->items));
		return &d->items[--d->n];
	}
	items = reallocarray(d->items, d->n + 1, sizeof(*items));
	if (!items) {
		d->out_of_memory = true;
		return NULL;
	}
	d->items = items;
	return &items[d->n];
}

void diagnostics_add(struct diagnostics *d, struct position at, const char *path, enum severity severity,
	const char *format, ...)
{
	struct diagnostic *place = place_for(d, severity);
	struct diagnostic item = {.at = at, .severity = severity};
	va_list ap;

	if (severity == SEVERITY_ERROR)
		d->n_errors++;
	if (!place)
		return;
	va_start(ap, format);
	if (vasprintf(&item.message, format, ap) < 0)
		item.message = NULL;
	va_end(ap);
	item.path = strdup(path);
	if (item.path && item.message) {
		*place = item;
		d->n++;
	} else {
		diagnostic_fini(&item);
		d->out_of_memory = true;
	}
}

static bool is_behind(struct position a, struct position b)
{
	return a.line != b.line ? a.line > b.line : a.column > b.column;
}

void diagnostics_sort(struct diagnostics *d)
{
	for (size_t i = 1; i < d->n; i++) {
		struct diagnostic item = d->items[i];
		size_t at = i;

		for (; at > 0 && is_behind(d->items[at - 1].at, item.at); at--)
			d->items[at] = d->items[at - 1];
		d->items[at] = item;
	}
}
