/*
 * container.h - the image containers of Palacios, versions 0 and 1 [spec 1.1]
 *
 * One file with the text of a definition and the files that it names, as build_vm
 * and v3_create make it. Pure: looks at bytes, believes none of them.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define CONTAINER_FILES_MAX 256

struct container_file {
	uint64_t offset; /* from the container's first byte */
	uint32_t size;
};

struct container {
	unsigned version;    /* 0 or 1; only 1 has hashes, which have then been found right */
	const char *xml;     /* borrowed: within the bytes */
	uint32_t xml_size;
	struct container_file files[CONTAINER_FILES_MAX]; /* by index: within the bytes, and none overlaps another */
	uint32_t n_files;
};

/* Whether the bytes begin as a container, and are not XML. */
bool container_recognise(const void *data, size_t size);

/* Reads a container. Returns 0, or -EBADMSG with a sentence that says where it is wrong. */
int container_parse(const void *data, size_t size, struct container *ret, struct error *e);

/* The hash by which version 1 knows a file's content. */
uint64_t container_hash(const void *data, size_t size);
