/*
 * info.h - the Multiboot2 information block that a kernel finds in ebx, an HRT in rbx
 *
 * By the Multiboot2 Specification 2.0, section 3.6, and [spec 5.3]. Whoever boots
 * a kernel says here what it is told; nothing is told that is not true.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hvm-guest-abi.h"

struct buffer;

struct memory_map_entry {
	uint64_t gpa;
	uint64_t size; /* bytes */
	uint32_t type; /* MULTIBOOT2_MEMORY_... */
};

/* A file that stands in memory beside the kernel. */
struct info_module {
	uint32_t start, end; /* GPAs */
	const char *cmdline; /* borrowed; NULL: none */
};

/* An image's ELF section headers, their addresses being those where the sections are. */
struct info_sections {
	const void *headers; /* borrowed; n of them */
	uint32_t n;          /* 0: there are none */
	uint32_t header_size; /* bytes: of ELF32 or of ELF64 */
	uint32_t names;      /* which of them has the names of all */
};

struct info {
	const struct hvm_info_tag *hrt; /* borrowed; its first `size` bytes; NULL: not an HRT */
	const char *cmdline;            /* borrowed; NULL: none */
	const struct info_module *modules; /* borrowed */
	size_t n_modules;
	uint64_t upper_end;             /* GPA, at least 1 MiB: where memory above 1 MiB first ends */
	const struct memory_map_entry *map; /* borrowed; in ascending order */
	size_t n_map;
	struct info_sections sections;
	const uint8_t *rsdp;            /* borrowed: the ACPI RSDP, ACPI_RSDP_SIZE bytes; NULL: there is none */
	bool has_load_base;             /* a relocatable image was placed */
	uint32_t load_base;             /* GPA of its first byte */
};

/*
 * Appends the whole block, whose first byte is to stand at a multiple of 8: HRT
 * tag, then the standard's in the order of their types. Fails as buffers do: give
 * it one with the limit of what is planned for it.
 */
void info_append(const struct info *info, struct buffer *b);
