/* info.c - see info.h; each tag's layout is that of the section named beside it */
#include "guest/info.h"

#include <string.h>

#include "abi/acpi.h"
#include "abi/multiboot2.h"
#include "abi/x86.h"
#include "base/buffer.h"
#include "base/macro.h"

#define LOADER_NAME "hvmd " PACKAGE_VERSION

#define MAP_ENTRY_SIZE 24u /* 3.6.8 */

/* Every tag begins with its type and size, and at a multiple of 8 bytes. */
static void tag_append(struct buffer *b, uint32_t type, uint64_t size)
{
	buffer_align(b, MULTIBOOT2_TAG_ALIGN);
	buffer_append_uint(b, type, 4);
	buffer_append_uint(b, size, 4);
}

static void hrt_append(const struct hvm_info_tag *hrt, struct buffer *b)
{
	buffer_align(b, MULTIBOOT2_TAG_ALIGN);
	buffer_append(b, hrt, hrt->size);
}

/* 3.6.3, 3.6.5 */
static void text_append(uint32_t type, const char *text, struct buffer *b)
{
	tag_append(b, type, 8 + strlen(text) + 1);
	buffer_append(b, text, strlen(text) + 1);
}

/* 3.6.6 */
static void module_append(const struct info_module *module, struct buffer *b)
{
	const char *text = module->cmdline ? module->cmdline : "";

	tag_append(b, MULTIBOOT2_INFO_MODULE, 16 + strlen(text) + 1);
	buffer_append_uint(b, module->start, 4);
	buffer_append_uint(b, module->end, 4);
	buffer_append(b, text, strlen(text) + 1);
}

/* 3.6.4: in KiB; the upper memory ends, as the standard asks, at the first hole. */
static void basic_memory_append(uint64_t upper_end, struct buffer *b)
{
	tag_append(b, MULTIBOOT2_INFO_BASIC_MEMORY, 16);
	buffer_append_uint(b, PC_LOWER_END / KiB, 4);
	buffer_append_uint(b, (upper_end - PC_UPPER_START) / KiB, 4);
}

/* 3.6.8 */
static void memory_map_append(const struct memory_map_entry *map, size_t n, struct buffer *b)
{
	tag_append(b, MULTIBOOT2_INFO_MEMORY_MAP, 16 + MAP_ENTRY_SIZE * n);
	buffer_append_uint(b, MAP_ENTRY_SIZE, 4);
	buffer_append_uint(b, 0, 4); /* version */
	for (size_t i = 0; i < n; i++) {
		buffer_append_uint(b, map[i].gpa, 8);
		buffer_append_uint(b, map[i].size, 8);
		buffer_append_uint(b, map[i].type, 4);
		/* The standard has a reserved 0 here; Palacios sets it to 1 in reserved entries [spec 5.3]. */
		buffer_append_uint(b, map[i].type == MULTIBOOT2_MEMORY_RESERVED, 4);
	}
}

/* 3.6.7. Its text has 16-bit fields, its headers 32-bit ones, which is what all loaders write and kernels read. */
static void sections_append(const struct info_sections *sections, struct buffer *b)
{
	uint64_t size = (uint64_t)sections->n * sections->header_size;

	tag_append(b, MULTIBOOT2_INFO_ELF_SECTIONS, 20 + size);
	buffer_append_uint(b, sections->n, 4);
	buffer_append_uint(b, sections->header_size, 4);
	buffer_append_uint(b, sections->names, 4);
	buffer_append(b, sections->headers, size);
}

/* 3.6.15: as ACPI 1.0 has it, which ends where the later ones go on, and calls itself revision 0. */
static void old_rsdp_append(const uint8_t *rsdp, struct buffer *b)
{
	uint8_t old[ACPI_RSDP_SIZE_1], sum = 0;

	memcpy(old, rsdp, sizeof(old));
	old[ACPI_RSDP_REVISION] = old[ACPI_RSDP_CHECKSUM] = 0;
	for (size_t i = 0; i < sizeof(old); i++)
		sum += old[i];
	old[ACPI_RSDP_CHECKSUM] = (uint8_t)-sum;
	tag_append(b, MULTIBOOT2_INFO_ACPI_OLD, 8 + sizeof(old));
	buffer_append(b, old, sizeof(old));
}

/* 3.6.16: a copy of it */
static void rsdp_append(const uint8_t *rsdp, struct buffer *b)
{
	old_rsdp_append(rsdp, b);
	tag_append(b, MULTIBOOT2_INFO_ACPI_NEW, 8 + ACPI_RSDP_SIZE);
	buffer_append(b, rsdp, ACPI_RSDP_SIZE);
}

/* 3.6.23 */
static void load_base_append(uint32_t base, struct buffer *b)
{
	tag_append(b, MULTIBOOT2_INFO_LOAD_BASE, 12);
	buffer_append_uint(b, base, 4);
}

void info_append(const struct info *info, struct buffer *b)
{
	size_t start = b->size;

	buffer_append_zeros(b, 8); /* total size, filled in below; reserved */
	if (info->hrt)
		hrt_append(info->hrt, b);
	if (info->cmdline)
		text_append(MULTIBOOT2_INFO_COMMAND_LINE, info->cmdline, b);
	text_append(MULTIBOOT2_INFO_LOADER_NAME, LOADER_NAME, b);
	for (size_t i = 0; i < info->n_modules; i++)
		module_append(&info->modules[i], b);
	basic_memory_append(info->upper_end, b);
	memory_map_append(info->map, info->n_map, b);
	if (info->sections.n)
		sections_append(&info->sections, b);
	if (info->rsdp)
		rsdp_append(info->rsdp, b);
	if (info->has_load_base)
		load_base_append(info->load_base, b);
	tag_append(b, MULTIBOOT2_INFO_END, 8);
	buffer_put_uint(b, start, b->size - start, 4);
}
