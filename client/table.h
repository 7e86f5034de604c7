/* table.h - columns as wide as their widest cell, two spaces apart */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct table {
	const char *const *header; /* borrowed */
	size_t n_columns;
	char **cells; /* owned; row after row */
	size_t n_cells;
};

struct table table_init(const char *const *header, size_t n_columns);
void table_fini(struct table *t);

/* The next cell, row by row. Control characters in it are escaped; an empty one becomes "-". */
void table_add(struct table *t, const char *text);
void table_printf(struct table *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints the rows, below the header where `legend` is true. No spaces at the ends of lines. */
void table_print(const struct table *t, bool legend, FILE *out);
