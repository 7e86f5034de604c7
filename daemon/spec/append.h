/*
 * append.h - command lines, with what a start adds to them
 *
 * A definition says whether a start may (append="y"); whoever may start a VM but
 * not define it can then change that much, and no more.
 */
#pragma once

#include "link/state.h"

struct error;
struct vm_spec;

/* The one partition whose command line may be added to. -EOPNOTSUPP with a sentence where there is none, or a choice. */
int spec_append_target(const struct vm_spec *spec, enum partition_role *ret, struct error *e);

/*
 * The command line of a partition with `text` behind it, for the caller to free;
 * NULL where both are empty. -EOPNOTSUPP with a sentence where that is not
 * allowed, -EINVAL where the text cannot be one, -ENOMEM.
 */
int spec_append(const struct vm_spec *spec, enum partition_role role, const char *text, char **ret, struct error *e);
