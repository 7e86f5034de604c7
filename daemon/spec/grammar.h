/*
 * grammar.h - the elements and values a definition may have, as one table
 *
 * The parser, its suggestions and the canonical form follow this table, and tests
 * hold hvm.xml(5) and hvm.xsd to it. A *group* is an element that holds others; a
 * *value* is written as an attribute of its group or as a child element with text
 * (the Palacios rule), whatever its preferred form.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum grammar_id {
	GRAMMAR_VM,
	GRAMMAR_VM_NAME,
	GRAMMAR_VM_CLASS,
	GRAMMAR_VM_UUID,
	GRAMMAR_MEMORY,
	GRAMMAR_CORES,
	GRAMMAR_CORES_COUNT,
	GRAMMAR_FILES,
	GRAMMAR_FILE,
	GRAMMAR_FILE_ID,
	GRAMMAR_FILE_FILENAME,
	GRAMMAR_FILE_SHA256,
	GRAMMAR_HVM,
	GRAMMAR_HVM_ENABLE,
	GRAMMAR_ROS,
	GRAMMAR_ROS_CORES,
	GRAMMAR_ROS_MEM,
	GRAMMAR_HRT,
	GRAMMAR_HRT_FILE_ID,
	GRAMMAR_HRT_CMDLINE,
	GRAMMAR_HRT_STACK,
	N_GRAMMAR,
};
#define GRAMMAR_NONE N_GRAMMAR

enum grammar_kind {
	GRAMMAR_GROUP,
	GRAMMAR_NUMBER, /* decimal, `min` to `max`, a multiple of `step` */
	GRAMMAR_WORD,   /* the one word `word`, in any case */
	GRAMMAR_SWITCH, /* y or n, in any case */
	GRAMMAR_NAME,   /* what spec_name_valid() takes */
	GRAMMAR_TEXT,   /* `min` to `max` bytes in one line */
	GRAMMAR_UUID,   /* 8-4-4-4-12 hexadecimal digits */
	GRAMMAR_SHA256, /* 64 hexadecimal digits */
};

struct grammar_rule {
	const char *name;       /* lower case; unique within its group */
	enum grammar_id parent; /* GRAMMAR_NONE: the root */
	enum grammar_kind kind;
	bool required; /* wherever its group is there; ros and hrt only where hvm is enabled, see definition.c
			*/
	bool repeats;
	bool as_element; /* a value whose preferred form is a child element */
	uint64_t min, max, step;
	const char *unit; /* of a number: behind it in sentences; NULL: it counts things */
	const char *word;
	const char *fallback; /* the default as it would be written; NULL: none */
	const char *example;  /* a right way to write it, where it is required */
	const char *about;    /* a few words on what it is */
};

extern const struct grammar_rule grammar[N_GRAMMAR];

#define GRAMMAR_PATH_MAX 64 /* bytes, with the NUL */

/* Writes the path of a group or value, "/vm/hvm/ros". */
void grammar_path(enum grammar_id id, char ret[static GRAMMAR_PATH_MAX]);

/* What `name` is within a group (or GRAMMAR_NONE: the root), compared without case; GRAMMAR_NONE when it is
 * nothing there. */
enum grammar_id grammar_child(enum grammar_id parent, const char *name);

/* The name within the group that `name` was probably meant to be, or GRAMMAR_NONE. */
enum grammar_id grammar_suggest(enum grammar_id parent, const char *name);

/* What `name` is anywhere else than within `parent`, or GRAMMAR_NONE. */
enum grammar_id grammar_elsewhere(enum grammar_id parent, const char *name);
