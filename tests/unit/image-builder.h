/*
 * image-builder.h - HRT images composed byte by byte, for tests
 *
 * Fill a recipe (recipe_example() is a good one), change what the test is
 * about, and build. Nothing is checked: wrong images are the point.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

#define RECIPE_SEGMENTS_MAX 40
#define RECIPE_TAGS_MAX     1024

struct recipe_segment { /* one program header, as the file has it */
	uint32_t type, flags;
	uint64_t offset, virtual_address, physical_address, file_size, memory_size, alignment;
};

struct recipe {
	uint8_t elf_class, elf_data;
	uint16_t type, machine;
	uint64_t entry;
	uint64_t section_offset; /* e_shoff */
	uint16_t n_sections;     /* e_shnum */
	struct recipe_segment segments[RECIPE_SEGMENTS_MAX];
	uint16_t n_segments;
	/* The Multiboot2 header */
	uint64_t header_offset;
	uint32_t magic, arch;
	uint32_t length_off, checksum_off; /* added to the right values */
	uint8_t tags[RECIPE_TAGS_MAX];
	size_t tags_size;
	/* The whole file: a byte at offset o that is none of the above is (uint8_t)(o * 7 + 1) */
	uint64_t size;
};

/* The numbers of recipe_example(), for tests to count from. */
#define EXAMPLE_HEADER 0x100u     /* offset of the Multiboot2 header */
#define EXAMPLE_OFFSET 0x200u     /* of the loaded bytes */
#define EXAMPLE_SIZE   0x400u     /* of the file */
#define EXAMPLE_GPA    0x2000000u /* 32 MiB: where the loaded bytes go */
#define EXAMPLE_LOADED (EXAMPLE_SIZE - EXAMPLE_OFFSET)
#define EXAMPLE_BSS    0x1000u
#define EXAMPLE_ENTRY  (EXAMPLE_GPA + 0x10)
#define EXAMPLE_MAP    0x200000000u /* 8 GiB */
#define EXAMPLE_COMM   0x1FFFFF000u
#define EXAMPLE_VECTOR 255

/* Fields of the HRT tag; 0xF00D. */
struct recipe_hrt {
	uint64_t flags, map, gva_offset, entry, comm_page;
	uint8_t vector;
};
extern const struct recipe_hrt recipe_hrt_example; /* 2 MiB, high offset, no entry of its own */

/* ELF header and Multiboot2 header without tags or segments. */
void recipe_bare(struct recipe *recipe);

/* HRT tag, address tag, entry tag of 12 bytes, end tag, and one program header that says the same. */
void recipe_example(struct recipe *recipe);

/* The same without an address tag. */
void recipe_example_elf(struct recipe *recipe);

/* Appends to the tags, with padding to 8 bytes behind each. */
void recipe_tag(struct recipe *recipe, uint16_t type, uint16_t flags, const uint32_t *words, size_t n_words);
void recipe_tag_hrt(struct recipe *recipe, const struct recipe_hrt *hrt);
void recipe_tag_address(
	struct recipe *recipe, uint32_t header, uint32_t load, uint32_t load_end, uint32_t bss_end);
void recipe_tag_entry(struct recipe *recipe, uint32_t entry);
void recipe_tag_end(struct recipe *recipe);

/* The file, in a buffer that the caller frees. */
void recipe_build(const struct recipe *recipe, struct buffer *ret);
