/*
 * grammar.h - the elements, values and words a definition may have, as one table
 *
 * The parser, its suggestions and the canonical form follow this table, and tests
 * hold hvm.xml(5) and hvm.xsd to it. A *group* is an element that holds others; a
 * *value* is written as an attribute of its group or as a child element with text
 * (the Palacios rule), whatever its preferred form; a *word* is what some values
 * may be.
 *
 * The table has the whole of Palacios' language, so each row also says what
 * becomes of it here, its fate: with neither sentence it is honoured; with
 * `ignored` a notice says why nothing is lost; with `refused` an error says why
 * it cannot be had and what to write instead. A word's fate goes before that of
 * its value, which is then for all other words.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum grammar_id {
	GRAMMAR_VM,
	GRAMMAR_OPT_TAG,
	GRAMMAR_VM_NAME,
	GRAMMAR_VM_CLASS,
	GRAMMAR_VM_UUID,
	GRAMMAR_MEMORY,
	GRAMMAR_MEMORY_HUGEPAGES,
	GRAMMAR_MEMORY_ALIGNMENT,
	GRAMMAR_CORES,
	GRAMMAR_CORES_COUNT,
	GRAMMAR_CORES_CPU_WEIGHT,
	GRAMMAR_CORES_NODES,
	GRAMMAR_CORE,
	GRAMMAR_CORE_TARGET_CPU,
	GRAMMAR_CORE_VNODE,
	GRAMMAR_CORE_KHZ,
	GRAMMAR_CORE_VCPU_ID,
	GRAMMAR_CORE_PERIOD,
	GRAMMAR_CORE_SLICE,
	GRAMMAR_CORE_EXTRA_TIME,
	GRAMMAR_FILES,
	GRAMMAR_FILE,
	GRAMMAR_FILE_ID,
	GRAMMAR_FILE_FILENAME,
	GRAMMAR_FILE_SHA256,
	GRAMMAR_FILE_INDEX,
	GRAMMAR_VM_ROS,
	GRAMMAR_VM_ROS_FILE_ID,
	GRAMMAR_VM_ROS_INITRD_ID,
	GRAMMAR_VM_ROS_CMDLINE,
	GRAMMAR_VM_ROS_APPEND,
	GRAMMAR_VM_ROS_PROTOCOL,
	GRAMMAR_VM_ROS_ON_POWEROFF,
	GRAMMAR_VM_ROS_ON_RESET,
	GRAMMAR_VM_ROS_ON_CRASH,
	GRAMMAR_VM_ROS_MODULE,
	GRAMMAR_VM_ROS_MODULE_FILE_ID,
	GRAMMAR_VM_ROS_MODULE_CMDLINE,
	GRAMMAR_HVM,
	GRAMMAR_HVM_ENABLE,
	GRAMMAR_ROS,
	GRAMMAR_ROS_CORES,
	GRAMMAR_ROS_MEM,
	GRAMMAR_ROS_FILE_ID,
	GRAMMAR_ROS_INITRD_ID,
	GRAMMAR_ROS_CMDLINE,
	GRAMMAR_ROS_APPEND,
	GRAMMAR_ROS_PROTOCOL,
	GRAMMAR_ROS_ON_POWEROFF,
	GRAMMAR_ROS_ON_RESET,
	GRAMMAR_ROS_ON_CRASH,
	GRAMMAR_ROS_MODULE,
	GRAMMAR_ROS_MODULE_FILE_ID,
	GRAMMAR_ROS_MODULE_CMDLINE,
	GRAMMAR_HRT,
	GRAMMAR_HRT_FILE_ID,
	GRAMMAR_HRT_CMDLINE,
	GRAMMAR_HRT_APPEND,
	GRAMMAR_HRT_STACK,
	GRAMMAR_HRT_LAYOUT,
	GRAMMAR_HRT_LOAD,
	GRAMMAR_HRT_ENTRY,
	GRAMMAR_HRT_GRANULE,
	GRAMMAR_HRT_IDENTITY,
	GRAMMAR_HRT_HYPERCALL,
	GRAMMAR_HRT_UPCALL,
	GRAMMAR_HRT_DEADLINE,
	GRAMMAR_HRT_ON_CRASH,
	GRAMMAR_HRT_ROS_MEMORY,
	GRAMMAR_HRT_MODULE,
	GRAMMAR_HRT_MODULE_FILE_ID,
	GRAMMAR_HRT_MODULE_CMDLINE,
	GRAMMAR_DEVICES,
	GRAMMAR_DEVICE,
	GRAMMAR_DEVICE_CLASS,
	GRAMMAR_DEVICE_ID,
	GRAMMAR_DEVICE_PORT,
	GRAMMAR_GENERIC, /* a device of that class, which alone has the following */
	GRAMMAR_GENERIC_CLASS,
	GRAMMAR_GENERIC_ID,
	GRAMMAR_GENERIC_FORWARD,
	GRAMMAR_GENERIC_PORTS,
	GRAMMAR_GENERIC_PORTS_START,
	GRAMMAR_GENERIC_PORTS_END,
	GRAMMAR_GENERIC_PORTS_MODE,
	GRAMMAR_GENERIC_MEMORY,
	GRAMMAR_GENERIC_MEMORY_START,
	GRAMMAR_GENERIC_MEMORY_END,
	GRAMMAR_GENERIC_MEMORY_MODE,
	GRAMMAR_MULTIBOOT,
	GRAMMAR_MULTIBOOT_ENABLE,
	GRAMMAR_MULTIBOOT_FILE_ID,
	GRAMMAR_SCHEDULE_HZ,
	GRAMMAR_TELEMETRY,
	GRAMMAR_PAGING,
	GRAMMAR_PAGING_MODE,
	GRAMMAR_PAGING_LARGE_PAGES,
	GRAMMAR_PAGING_STRATEGY,
	GRAMMAR_PAGING_CACHE_SIZE,
	GRAMMAR_MEMMAP,
	GRAMMAR_MEMMAP_REGION,
	GRAMMAR_MEM_LAYOUT,
	GRAMMAR_MEM_LAYOUT_VNODES,
	GRAMMAR_MEM_LAYOUT_REGION,
	GRAMMAR_BIOSES,
	GRAMMAR_BIOSES_DISABLE_VGABIOS,
	GRAMMAR_BIOSES_DISABLE_ROMBIOS,
	GRAMMAR_BIOSES_BIOS,
	GRAMMAR_TIME,
	GRAMMAR_TIME_SOURCE,
	GRAMMAR_TIME_TSC,
	GRAMMAR_TIME_DILATION,
	GRAMMAR_PERFTUNE,
	GRAMMAR_SWAPPING,
	GRAMMAR_SWAPPING_ENABLE,
	GRAMMAR_SWAPPING_ALLOCATED,
	GRAMMAR_SWAPPING_FILE,
	GRAMMAR_SWAPPING_STRATEGY,
	GRAMMAR_CACHEPART,
	GRAMMAR_EXTENSIONS,
	GRAMMAR_EXTENSION,
	GRAMMAR_EXTENSION_NAME,
	N_GRAMMAR,
};
#define GRAMMAR_NONE N_GRAMMAR
#define GRAMMAR_ANY  (N_GRAMMAR + 1) /* as a parent: each element */

enum grammar_kind {
	GRAMMAR_GROUP,
	GRAMMAR_FOREIGN, /* a group of which nothing is kept; looked into for what its rows say */
	GRAMMAR_NUMBER,  /* decimal, `min` to `max`, a multiple of `step` */
	GRAMMAR_ADDRESS, /* decimal or 0x and hexadecimal, `min` to `max`; `unit` says of what kind */
	GRAMMAR_WORD,    /* one of its words, in any case */
	GRAMMAR_VERDICT, /* a value that is not kept: its text only decides what is said about it */
	GRAMMAR_SWITCH,  /* y or n, in any case */
	GRAMMAR_NAME,    /* what spec_name_valid() takes */
	GRAMMAR_TEXT,    /* `min` to `max` bytes in one line */
	GRAMMAR_UUID,    /* 8-4-4-4-12 hexadecimal digits */
	GRAMMAR_SHA256,  /* 64 hexadecimal digits */
};

struct grammar_rule {
	const char *name;       /* lower case; unique within its group, but for variants */
	enum grammar_id parent; /* GRAMMAR_NONE: the root */
	enum grammar_kind kind;
	bool required; /* wherever its group is there; ros and hrt only where hvm is enabled, see partition.c */
	bool repeats;
	bool as_element; /* a value whose preferred form is a child element */
	bool variant;    /* another look at the row of that name before it; not found by name */
	uint64_t min, max, step;
	const char *unit;     /* of a number: behind it in sentences; NULL: it counts things */
	const char *fallback; /* the default as it would be written; NULL: none */
	const char *example;  /* a right way to write it, where it is required */
	const char *about;    /* a few words on what it is */
	const char *ignored, *refused; /* its fate; "" where its group says it all */
};

extern const struct grammar_rule grammar[N_GRAMMAR];

struct grammar_word {
	enum grammar_id of; /* a value of kind GRAMMAR_WORD or GRAMMAR_VERDICT */
	const char *text;   /* in its canonical case; unique within its value, without case */
	unsigned value;     /* of a GRAMMAR_WORD that is honoured */
	enum grammar_id look_as; /* of a device class that is not: the variant that its element is looked into as */
	const char *ignored, *refused;
};

extern const struct grammar_word grammar_words[];
extern const size_t n_grammar_words;

#define GRAMMAR_PATH_MAX 64 /* bytes, with the NUL */

/* Writes the path of a group or value, "/vm/hvm/ros". */
void grammar_path(enum grammar_id id, char ret[static GRAMMAR_PATH_MAX]);

/* Whether it is an element that holds others. */
bool grammar_is_group(enum grammar_id id);

/* What `name` is within a group (or GRAMMAR_NONE: the root), compared without case; GRAMMAR_NONE when it is
 * nothing there. */
enum grammar_id grammar_child(enum grammar_id parent, const char *name);

/* The name within the group that `name` was probably meant to be, or GRAMMAR_NONE. */
enum grammar_id grammar_suggest(enum grammar_id parent, const char *name);

/* What `name` is within any other group than `parent`, or GRAMMAR_NONE. */
enum grammar_id grammar_elsewhere(enum grammar_id parent, const char *name);

/* The word of a value, compared without case, or NULL. */
const struct grammar_word *grammar_word(enum grammar_id of, const char *text);

/* The word that `text` was probably meant to be, or NULL. */
const struct grammar_word *grammar_suggest_word(enum grammar_id of, const char *text);

/* The honoured word that stands for `value`. */
const char *grammar_word_text(enum grammar_id of, unsigned value);

#define GRAMMAR_LIST_MAX 128 /* bytes, with the NUL */

/* The honoured words of a value for a sentence: "stop, reset, pause or ignore". False when it also has others. */
bool grammar_list_words(enum grammar_id of, char ret[static GRAMMAR_LIST_MAX]);
