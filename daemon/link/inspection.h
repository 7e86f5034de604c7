/*
 * inspection.h - what a monitor found out about images and guest memory
 *
 * Reads the bodies of the replies to LINK_INSPECT and LINK_PLAN (abi/link.h) for
 * hvmd and hvmctl. Whoever wrote them has read a stranger's image: nothing in
 * them is believed before it has been checked.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/link.h"
#include "base/error.h"

struct cursor;

#define INSPECTION_SHA256_SIZE 32
#define INSPECTION_SHA384_SIZE 48

struct memory_region {
	char *name;         /* owned; not empty, printable ASCII */
	uint64_t gpa;       /* above the end of the region before */
	uint64_t size;      /* bytes, > 0; gpa + size does not overflow */
	const char *access; /* static: "ros", "hrt", "both", "hrt-reads" or "device" */
	const char *source; /* static: "zero", "file", "generated" or "none" */
	bool has_sha256;    /* "file": of the whole file; "generated": of the region's bytes */
	uint8_t sha256[INSPECTION_SHA256_SIZE];
	char *file;         /* owned; "file": its id, UTF-8 without control characters; otherwise NULL */
	uint64_t offset;    /* "file": where in it */
	uint64_t bytes;     /* "file": how many of them, up to `size`; zero follows */
};

struct memory_map {
	struct memory_region *regions; /* owned */
	size_t n;
	char *record; /* owned: the launch record, lines of printable ASCII; empty: not known */
	uint8_t digest[INSPECTION_SHA384_SIZE]; /* of the record */
};

void memory_map_fini(struct memory_map *map);

/*
 * Reads the body of a reply to LINK_PLAN, to the end of the cursor. Returns 0 and
 * what wants memory_map_fini(), -EPROTO when it has another form, or -ENOMEM.
 */
int memory_map_read(struct cursor *c, struct memory_map *ret);

/* Of one file; all owned, none NULL. */
struct image_finding {
	char *what;     /* it is */
	char *protocol; /* by which it would be booted; empty: none */
	char *why_not;  /* empty: it would, or the definition does not boot it */
};

struct inspection {
	struct image_finding images[LINK_FDS_MAX];
	size_t n_images;
	int error;        /* a negative errno: why there is no plan; otherwise 0 */
	struct error why; /* its sentence */
	struct memory_map plan; /* empty where there is none */
};

void inspection_fini(struct inspection *i);

/* As memory_map_read(), for LINK_INSPECT with `n_images` descriptors. *ret wants inspection_fini() after success only. */
int inspection_read(struct cursor *c, size_t n_images, struct inspection *ret);
