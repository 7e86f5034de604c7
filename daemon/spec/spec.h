/*
 * spec.h - what a VM is meant to be
 *
 * A `struct vm_spec` is a definition that has been read and found right:
 * everybody downstream may rely on what the comments below promise, except the
 * monitor, which gets it over the link and checks again (spec_check()).
 *
 * Tour 220: What a VM is meant to be, in one struct. XML is read into it, with
 * all its faults told at once; the monitor gets it as bytes; from here on
 * everybody relies on what the comments promise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct error;

#define SPEC_NAME_MAX   63   /* bytes; letters, digits, '_', '-', '.', the first a letter or digit */
#define SPEC_CORES_MAX  64   /* of both partitions together */
#define SPEC_FILES_MAX  8
#define SPEC_FILE_ID_MAX 255 /* bytes */
#define SPEC_CMDLINE_MAX 1024 /* bytes; the info block has one page */
#define SPEC_SHA256_SIZE 32
#define SPEC_UUID_SIZE   16
#define SPEC_STACK_DEFAULT 4096u /* bytes for each HRT core */
#define SPEC_STACK_MAX     (1u << 20)
#define SPEC_MEMORY_MIN    (2ull << 20) /* bytes */
#define SPEC_MEMORY_MAX    (1ull << 40) /* bytes: 1 TiB */

struct spec_file {
	char *id;       /* unique within the definition, case-sensitive; not empty, no control characters */
	char *filename; /* as the user wrote it; only hvmctl ever opens it. NULL in a monitor, and where sha256 is enough */
	bool stored;    /* sha256 says which object of the image store it is */
	uint8_t sha256[SPEC_SHA256_SIZE];
};

struct vm_spec {
	char *name; /* owned; never NULL */
	bool has_uuid;
	uint8_t uuid[SPEC_UUID_SIZE];
	uint64_t memory;     /* bytes of RAM, M: a multiple of 1 MiB, SPEC_MEMORY_MIN to SPEC_MEMORY_MAX */
	uint32_t cores;      /* N: 1 to SPEC_CORES_MAX */
	bool hybrid;         /* <hvm enable="y">; without it all is one ROS partition */
	uint32_t ros_cores;  /* k: hybrid: 1 to N-1; otherwise N */
	uint64_t ros_memory; /* bytes, R: hybrid: a multiple of 1 MiB, > 0, < M, <= DEVICE_HOLE_START; otherwise M */
	struct spec_file *files; /* owned */
	size_t n_files;
	/* HRT; only where hybrid */
	size_t hrt_file;   /* index into files */
	char *hrt_cmdline; /* owned; no control characters; NULL where none is given */
	uint32_t hrt_stack; /* bytes for each core: a multiple of 4096, up to SPEC_STACK_MAX; all stacks fit into M - R */
};

/* Frees the definition and what it owns. Takes NULL; returns NULL. */
struct vm_spec *vm_spec_free(struct vm_spec *spec);
DEFINE_CLEANUP(struct vm_spec *, vm_spec_free);

/* Whether `name` may be the name of a VM. */
bool spec_name_valid(const char *name);

/* Whether `text` has no control characters: it can stand in an attribute, and on a terminal. */
bool spec_text_valid(const char *text);

/* The file with this id, or NULL. */
struct spec_file *spec_file_find(const struct vm_spec *spec, const char *id);

/*
 * Checks every promise above that one value or several together can break.
 * Returns 0, or -EBADMSG with a sentence about the first fault.
 */
int spec_check(const struct vm_spec *spec, struct error *e);
