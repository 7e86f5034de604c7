/* diagnostic.h - faults found in a definition: where, what, and what would be right */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum severity {
	SEVERITY_ERROR,
	SEVERITY_WARNING,
	SEVERITY_NOTICE,
	N_SEVERITIES,
};

struct diagnostic {
	unsigned line; /* from 1; 0 when it is about the whole text */
	char *path;    /* owned; element path such as "/vm/hvm/ros", may be empty, never NULL */
	enum severity severity;
	char *message; /* owned; one sentence */
};

#define DIAGNOSTICS_MAX 100 /* a hostile text has no more than this many faults worth reading */

struct diagnostics {
	struct diagnostic *items; /* owned */
	size_t n;
	size_t n_errors;
	bool out_of_memory;
};

/* "error", "warning" or "notice". */
const char *severity_to_string(enum severity severity);

void diagnostics_fini(struct diagnostics *d);

/* Adds one; past DIAGNOSTICS_MAX it is counted but not kept. */
void diagnostics_add(struct diagnostics *d, unsigned line, const char *path, enum severity severity,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Orders them by line, as a person reads; those of one line stay in their order. */
void diagnostics_sort(struct diagnostics *d);
