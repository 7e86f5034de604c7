/* SPDX-License-Identifier: MIT */
/* info.h - the Multiboot2 information block, as far as an HRT finds it */
#ifndef INFO_H
#define INFO_H

#include <stdbool.h>
#include <stdint.h>

#define INFO_TAGS_MAX    20
#define INFO_MODULES_MAX 8

/* Multiboot2 Specification 2.0, 3.6 */
enum {
	TAG_END = 0,
	TAG_COMMAND_LINE = 1,
	TAG_LOADER_NAME = 2,
	TAG_MODULE = 3,
	TAG_BASIC_MEMORY = 4,
	TAG_MEMORY_MAP = 6,
	TAG_ELF_SECTIONS = 9,
	TAG_LOAD_BASE = 21,
};

#define MEMORY_RAM      1
#define MEMORY_RESERVED 2

struct module { /* 3.6.6 */
	uint32_t start, end;
	char cmdline[];
};

struct section { /* Elf64_Shdr */
	uint32_t name, type;
	uint64_t flags, addr, offset, size;
	uint32_t link, info;
	uint64_t align, entry_size;
};

struct sections { /* 3.6.7 */
	uint32_t n, header_size, names;
	uint8_t headers[]; /* of struct section, at a multiple of 4 */
};

struct map_entry { /* 3.6.8 */
	uint64_t base;
	uint64_t length;
	uint32_t type;
	uint32_t reserved;
};

struct basic_memory { /* 3.6.4, behind the tag's head */
	uint32_t lower; /* KiB */
	uint32_t upper; /* KiB */
};

struct info {
	uint64_t gva;
	uint32_t size;    /* bytes, as the block says */
	uint32_t n_tags;  /* with the end tag */
	uint32_t tags[INFO_TAGS_MAX];
	uint32_t end;     /* offset just behind the end tag, 0 when there was none */
	const struct hvm_info_tag *hrt; /* each NULL when the tag is not there or too small */
	const char *cmdline;
	const char *loader;
	const struct basic_memory *memory;
	const struct map_entry *map;
	uint32_t n_map;
	const struct module *modules[INFO_MODULES_MAX];
	uint32_t n_modules;
	const struct sections *sections;
	const uint32_t *load_base;
};

/* Where the boot state must then lie: guest physical, growing down from the end of RAM. */
struct layout {
	uint64_t stacks, stack_size;
	uint64_t info;
	uint64_t page_tables, n_tables;
	uint64_t tss, gdt, idt, handler, end;
};

/* Walks the tags. What is missing stays NULL: whoever checks says so. */
void info_read(uint64_t gva, struct info *ret);

/* The entry of the memory map that begins with the stacks and ends with RAM, or NULL. */
const struct map_entry *info_boot_state(const struct info *info);

/* Computes the layout from the HRT tag and the memory map. info->hrt is there. */
void info_layout(const struct info *info, struct layout *ret);

/* The value of `key` ("mode=") in the command line, up to the next blank; NULL when it is not there. */
const char *info_option(const struct info *info, const char *key);

/* Whether an option's value is `word`. */
bool option_is(const char *value, const char *word);

/* The decimal number an option's value starts with. */
uint64_t option_number(const char *value);

#endif
