/*
 * reader.h - from the tree of a definition to its struct vm_spec, group by group
 *
 * What is read and found right is noted as known, with the place where it stands,
 * so that rules can be applied to it and blame it. Each function reports every
 * fault it finds and goes on.
 */
#pragma once

#include "spec/definition.h"
#include "spec/field.h"
#include "spec/rules.h"

struct reader {
	struct diagnostics *d;                    /* borrowed */
	struct vm_spec *spec;                     /* borrowed */
	const struct definition_options *options; /* borrowed */
	unsigned known;                           /* SPEC_FIELD_BIT()s of what has been read and found right */
	struct origin origins[N_SPEC_FIELDS];
	struct definition_places places;
};

static inline bool reader_knows(const struct reader *r, enum spec_field field)
{
	return r->known & SPEC_FIELD_BIT(field);
}

/* Notes a field, which stands as `id` within `element`. */
void reader_know(struct reader *r, enum spec_field field, const struct element *element, enum grammar_id id);

/* As field_number(), and notes the field. */
bool reader_number(struct reader *r, const struct element *element, enum grammar_id id, enum spec_field field,
	uint64_t *ret);

/* A text of which an empty one is none (NULL); notes the field. */
void reader_text(struct reader *r, const struct element *element, enum grammar_id id, enum spec_field field,
	char **ret);

/* The place among the files of the one whose id is given; false when none is, or there is no such file. */
bool reader_file(struct reader *r, const struct element *element, enum grammar_id id, size_t *ret);

/* The whole definition, from its outermost element. */
void reader_read_vm(struct reader *r, const xmlNode *root);

/* partition.c: ros, hvm and multiboot, within `vm`. */
void reader_read_partitions(struct reader *r, const struct element *vm);

/* devices.c */
void reader_read_devices(struct reader *r, const struct element *vm);
