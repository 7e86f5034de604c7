/* table.c - see table.h */
#include "client/table.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "client/memory.h"
#include "client/text.h"

struct table table_init(const char *const *header, size_t n_columns)
{
	return (struct table){.header = header, .n_columns = n_columns};
}

void table_fini(struct table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table){};
}

void table_add(struct table *t, const char *text)
{
	t->cells = memory_room(t->cells, t->n_cells, sizeof(*t->cells));
	t->cells[t->n_cells++] = text_one_line(text[0] ? text : "-");
}

void table_printf(struct table *t, const char *format, ...)
{
	_cleanup_free_ char *text = NULL;
	va_list ap;

	va_start(ap, format);
	if (vasprintf(&text, format, ap) < 0)
		text = NULL;
	va_end(ap);
	table_add(t, text ? text : "");
}

/* Characters, not bytes: what is not the middle of a UTF-8 sequence. */
static int text_width(const char *text)
{
	int n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xC0) != 0x80;
	return n;
}

static int column_width(const struct table *t, size_t column, bool legend)
{
	int width = legend ? text_width(t->header[column]) : 0;

	for (size_t i = column; i < t->n_cells; i += t->n_columns)
		if (text_width(t->cells[i]) > width)
			width = text_width(t->cells[i]);
	return width;
}

static void print_row(const struct table *t, const char *const *cells, const int *widths, FILE *out)
{
	for (size_t i = 0; i < t->n_columns; i++) {
		bool last = i + 1 == t->n_columns;

		fprintf(out, "%s%*s", cells[i], last ? 0 : widths[i] - text_width(cells[i]) + 2, "");
	}
	fputc('\n', out);
}

void table_print(const struct table *t, bool legend, FILE *out)
{
	_cleanup_free_ int *widths = memory_zeroed(t->n_columns, sizeof(*widths));

	for (size_t i = 0; i < t->n_columns; i++)
		widths[i] = column_width(t, i, legend);
	if (legend)
		print_row(t, t->header, widths, out);
	for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
		print_row(t, (const char *const *)t->cells + i, widths, out);
}
