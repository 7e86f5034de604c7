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

void diagnostics_fini(struct diagnostics *d)
{
	for (size_t i = 0; i < d->n; i++) {
		free(d->items[i].path);
		free(d->items[i].message);
	}
	free(d->items);
	*d = (struct diagnostics){};
}

static void keep(struct diagnostics *d, struct diagnostic item)
{
	struct diagnostic *items = reallocarray(d->items, d->n + 1, sizeof(*items));

	if (items)
		d->items = items;
	if (!items || !item.path || !item.message) {
		free(item.path);
		free(item.message);
		d->out_of_memory = true;
		return;
	}
	d->items[d->n++] = item;
}

void diagnostics_add(struct diagnostics *d, unsigned line, const char *path, enum severity severity,
	const char *format, ...)
{
	struct diagnostic item = {.line = line, .severity = severity};
	va_list ap;

	if (severity == SEVERITY_ERROR)
		d->n_errors++;
	if (d->n >= DIAGNOSTICS_MAX)
		return;
	va_start(ap, format);
	if (vasprintf(&item.message, format, ap) < 0)
		item.message = NULL;
	va_end(ap);
	item.path = strdup(path);
	keep(d, item);
}

void diagnostics_sort(struct diagnostics *d)
{
	for (size_t i = 1; i < d->n; i++) {
		struct diagnostic item = d->items[i];
		size_t at = i;

		for (; at > 0 && d->items[at - 1].line > item.line; at--)
			d->items[at] = d->items[at - 1];
		d->items[at] = item;
	}
}
