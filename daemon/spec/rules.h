/*
 * rules.h - what must hold in a definition, each rule by itself
 *
 * A rule names the fields that it looks at, so that whoever has read only some of
 * them (spec/definition.c, which reports all faults at once) can apply the rules
 * that those allow, and the field to blame, so that it can point at its line.
 * spec_check() applies them all.
 */
#pragma once

#include <stddef.h>

struct error;
struct vm_spec;

enum spec_field {
	SPEC_FIELD_NAME,
	SPEC_FIELD_MEMORY,
	SPEC_FIELD_HUGEPAGES,
	SPEC_FIELD_CORES,
	SPEC_FIELD_FILES,
	SPEC_FIELD_ROS_CORES,
	SPEC_FIELD_ROS_MEMORY,
	SPEC_FIELD_ROS_FILE,
	SPEC_FIELD_ROS_INITRD,
	SPEC_FIELD_ROS_CMDLINE,
	SPEC_FIELD_ROS_APPEND,
	SPEC_FIELD_ROS_ENDS,
	SPEC_FIELD_ROS_PROTOCOL,
	SPEC_FIELD_ROS_MODULES,
	SPEC_FIELD_HRT_FILE,
	SPEC_FIELD_HRT_CMDLINE,
	SPEC_FIELD_HRT_STACK,
	SPEC_FIELD_HRT_DEADLINE,
	SPEC_FIELD_HRT_LOAD,
	SPEC_FIELD_HRT_MODULES,
	SPEC_FIELD_DEVICES,
	N_SPEC_FIELDS,
};

#define SPEC_FIELD_BIT(field) (1u << (field))

struct spec_rule {
	unsigned needs;        /* SPEC_FIELD_BIT()s; `hybrid` is always known */
	enum spec_field blame; /* the field whose line a person should look at */
	int (*check)(const struct vm_spec *spec, struct error *e); /* 0, or -EBADMSG with a sentence */
};

/* In the order in which their fields are written. */
extern const struct spec_rule spec_rules[];
extern const size_t n_spec_rules;

/* The part of the rule for devices that is about device i and those before it, for whoever knows its line. */
int spec_check_device(const struct vm_spec *spec, size_t i, struct error *e);
