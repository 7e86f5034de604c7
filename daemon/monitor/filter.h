/*
 * filter.h - lists of allowed system calls, and a filter made of one
 *
 * A call that a filter does not allow raises SIGSYS, which filter_setup() makes
 * a line in the log and the end.
 */
#pragma once

#include <stddef.h>

struct error;
struct kvm_requests;

struct filter_list {
	const int *calls;
	size_t n_calls;
	const struct kvm_requests *requests; /* of ioctl(2); NULL: none */
};

extern const struct filter_list filter_build, filter_run, filter_inspect;

/* What happens at a call that is not allowed. Once a process, before the first filter. */
void filter_setup(void);

/* Allows no more than this, on top of what was not allowed before, in all threads. */
int filter_enter(const struct filter_list *list, struct error *e);
