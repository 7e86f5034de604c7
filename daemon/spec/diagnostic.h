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

/* Where in a text: lines and bytes within a line count from 1. */
struct position {
	unsigned line, column; /* 0: not known; both: it is about the whole text */
};

#define NOWHERE ((struct position){0})

struct diagnostic {
	struct position at; /* of an element or its attribute: the '<' of the start tag */
	char *path;         /* owned; element path such as "/vm/hvm/ros", may be empty, never NULL */
	enum severity severity;
	char *message; /* owned; one sentence */
};

#define DIAGNOSTICS_MAX 100 /* a hostile text has no more than this many faults worth reading */

struct diagnostics {
	struct diagnostic *items; /* owned */
	size_t n;
	size_t n_errors;       /* also those that are not kept */
	enum severity unknown; /* how bad it is to write a name that hvmd does not know */
	bool out_of_memory;
};

/* "error", "warning" or "notice". */
const char *severity_to_string(enum severity severity);

void diagnostics_fini(struct diagnostics *d);

/* Adds one. Past DIAGNOSTICS_MAX an error takes the place of what is none; what finds no place is only counted. */
void diagnostics_add(struct diagnostics *d, struct position at, const char *path, enum severity severity,
	const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Whether nothing that is added would be kept any more, so that its sentence need not be thought of. */
bool diagnostics_full(const struct diagnostics *d);

/* The errors that were counted but not kept. */
size_t diagnostics_lost(const struct diagnostics *d);

/* Orders them by position, as a person reads; those of one place stay in their order. */
void diagnostics_sort(struct diagnostics *d);
