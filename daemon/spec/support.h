/*
 * support.h - what of a definition the monitor can run today
 *
 * A definition may ask for more than is built: it is stored as it is, and refused
 * when it is to be started, so that nothing is ever left out silently.
 */
#pragma once

struct error;
struct vm_spec;

/* Returns 0, or -EOPNOTSUPP with a sentence about the first thing that is not built. */
int spec_check_supported(const struct vm_spec *spec, struct error *e);
