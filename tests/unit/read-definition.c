/*
 * read-definition.c - what hvmd makes of a definition, for tests
 *
 * read-definition FILE prints each diagnostic as "LINE:COLUMN: PATH: SEVERITY: SENTENCE"
 * and, where none is an error, the canonical form. Exits with 0, or 1 after an error.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "spec/definition.h"

static void print_diagnostics(const struct diagnostics *d)
{
	for (size_t i = 0; i < d->n; i++)
		printf("%u:%u: %s: %s: %s\n", d->items[i].at.line, d->items[i].at.column, d->items[i].path,
			severity_to_string(d->items[i].severity), d->items[i].message);
}

static int print_definition(const char *text, size_t size)
{
	_cleanup_(diagnostics_fini) struct diagnostics d = {};
	_cleanup_(vm_spec_freep) struct vm_spec *spec = NULL;
	_cleanup_free_ char *canonical = NULL;
	int r = definition_parse(text, size, NULL, &d, &spec);

	print_diagnostics(&d);
	if (r < 0)
		return EXIT_FAILURE;
	canonical = definition_format(spec);
	printf("%s", canonical);
	return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
	_cleanup_close_ int fd = -1;
	_cleanup_free_ char *text = NULL;
	struct error e = {};
	size_t size;

	if (argc != 2) {
		fprintf(stderr, "usage: read-definition FILE\n");
		return 2;
	}
	fd = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		perror(argv[1]);
		return 2;
	}
	if (file_read(fd, argv[1], 4 * DEFINITION_SIZE_MAX, &text, &size, &e) < 0) {
		fprintf(stderr, "%s\n", e.text);
		return 2;
	}
	return print_definition(text, size);
}
