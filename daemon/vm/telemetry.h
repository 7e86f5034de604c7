/*
 * telemetry.h - a list of named values
 *
 * Names are flat and dotted; what stands before the first dot is the group:
 * "vm", "partition", "vcpu" or "kvm".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cursor;

#define TELEMETRY_RECORDS_MAX 65536u
#define TELEMETRY_KEY_MAX     255u /* bytes */

struct telemetry_record {
	char *key;  /* owned */
	char *text; /* owned; NULL when the value is a number */
	uint64_t number;
};

struct telemetry {
	struct telemetry_record *records; /* owned */
	size_t n;
};

void telemetry_fini(struct telemetry *t);

/* Appends one; text NULL makes it the number. Returns 0, -ENOMEM, or -ENOBUFS past TELEMETRY_RECORDS_MAX. */
int telemetry_add(struct telemetry *t, const char *key, uint64_t number, const char *text);

/*
 * Appends the records of a LINK_TELEMETRY reply, to the end of the cursor. Returns as telemetry_add(),
 * or -EPROTO.
 */
int telemetry_read(struct telemetry *t, struct cursor *c);

/*
 * Whether the group of `key` is one of `groups`, a NULL-terminated list. An
 * empty list, or NULL, stands for vm, partition and vcpu.
 */
bool telemetry_key_wanted(const char *key, char *const *groups);

/* Whether there is a group of this name. */
bool telemetry_group_known(const char *group);
