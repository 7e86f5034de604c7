/*
 * sections.h - the section headers of an ELF image, for a kernel that wants to know its own symbols
 *
 * Multiboot2 3.6.7: a loader hands over the headers, and loads the sections that
 * no segment does; their headers then say where.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;
struct memory;

#define SECTIONS_MAX 1024 /* an image with more is not told of them */

struct image_sections {
	uint64_t offset; /* of the headers in the file; all of them within the file */
	uint32_t n;      /* up to SECTIONS_MAX; 0: the file has none */
	uint32_t names;  /* < n: which has the names of all */
	uint32_t header_size; /* bytes of a header: 40 of ELF32, 64 of ELF64 */
	uint64_t size;   /* bytes that those that no segment loads take in memory */
};

/* Returns 0, or -ENOEXEC with a sentence where a section leaves the file. The file begins with an ELF header. */
int sections_read(const void *data, uint64_t size, struct image_sections *ret, struct error *e);

/* One that no segment loads. */
struct section {
	uint64_t offset; /* in the file */
	uint64_t size;   /* bytes, > 0; all within the file */
	uint64_t at;     /* within image_sections.size bytes of memory */
};

/* The next of them from header *position on; start with both 0. *at is where the one after it goes. 0: none is left. */
int sections_next(const void *data, const struct image_sections *sections, uint32_t *position, uint64_t *at,
	struct section *ret);

/*
 * The headers as the kernel gets them: those of loaded segments moved by `bias`,
 * the others with their GPAs, counted from `gpa`. n * header_size bytes.
 */
void sections_headers(const void *data, const struct image_sections *sections, uint64_t bias, uint64_t gpa, uint8_t *ret);

/* Those others: sections->size bytes, of which what is between them is left as it is. */
void sections_copy(const void *data, const struct image_sections *sections, uint8_t *ret);
