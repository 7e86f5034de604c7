/* SPDX-License-Identifier: MIT */
/* kernel-info.c - what the boot loader tells the small ROS kernel: Multiboot2 3.6, Multiboot 3.3 */
#include "kernel.h"

struct tag {
	uint32_t type, size;
	uint32_t words[];
};

static const struct tag *next(const struct tag *tag)
{
	return (const struct tag *)((const char *)tag + ((tag->size + 7) & ~7u));
}

static const struct tag *first(const struct found *found)
{
	return (const struct tag *)(found->ebx + 8);
}

static const char *cmdline2(const struct found *found)
{
	for (const struct tag *tag = first(found); tag->type; tag = next(tag))
		if (tag->type == 1)
			return (const char *)tag->words;
	return "";
}

static void print_module(uint32_t start, uint32_t end, const char *text)
{
	const uint8_t *bytes = (const uint8_t *)start;
	uint32_t sum = 0;

	for (uint32_t i = 0; i < end - start; i++)
		sum += bytes[i];
	print("ros: module of %u bytes at 0x%x, sum %u: %s\n", end - start, start, sum, text);
}

static void print_range(uint32_t start, uint32_t size, uint32_t type)
{
	print("ros: memory 0x%x, 0x%x bytes, type %u\n", start, size, type);
}

/* Elf32_Shdr: gABI 4.10 */
struct section {
	uint32_t name, type, flags, address, offset, size, link, info, alignment, entry_size;
};

/* Of an ELF32 kernel, as this one is; their names are found where the headers say. */
static void print_sections(uint32_t n, const struct section *sections, uint32_t names)
{
	for (uint32_t i = 1; i < n; i++)
		print("ros: section %s at 0x%x, %u bytes\n", (const char *)sections[names].address + sections[i].name,
			sections[i].address, sections[i].size);
}

static void print_tag(const struct tag *tag)
{
	const uint32_t *w = tag->words;

	switch (tag->type) {
	case 1:
		print("ros: command line: %s\n", (const char *)w);
		break;
	case 2:
		print("ros: loader: %s\n", (const char *)w);
		break;
	case 3:
		print_module(w[0], w[1], (const char *)&w[2]);
		break;
	case 4:
		print("ros: %u KiB and %u KiB\n", w[0], w[1]);
		break;
	case 6:
		for (uint32_t i = 2; i < (tag->size - 8) / 4; i += w[0] / 4)
			print_range(w[i], w[i + 2], w[i + 4]);
		break;
	case 9:
		print_sections(w[0], (const struct section *)&w[3], w[2]);
		break;
	default:
		print("ros: tag %u of %u bytes\n", tag->type, tag->size);
	}
}

static void print_info2(const struct found *found)
{
	print("ros: multiboot2\n");
	for (const struct tag *tag = first(found); tag->type; tag = next(tag))
		print_tag(tag);
}

/* Multiboot 3.3 */
struct info1 {
	uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
	uint32_t drives_length, drives_addr, config_table, boot_loader_name;
};

static const struct info1 *info1(const struct found *found)
{
	return (const struct info1 *)found->ebx;
}

static void print_info1(const struct found *found)
{
	const struct info1 *info = info1(found);
	const uint32_t *module = (const uint32_t *)info->mods_addr;

	print("ros: multiboot, flags 0x%x\n", info->flags);
	if (info->flags & 4)
		print("ros: command line: %s\n", (const char *)info->cmdline);
	if (info->flags & 0x200)
		print("ros: loader: %s\n", (const char *)info->boot_loader_name);
	if (info->flags & 1)
		print("ros: %u KiB and %u KiB\n", info->mem_lower, info->mem_upper);
	for (uint32_t i = 0; info->flags & 8 && i < info->mods_count; i++, module += 4)
		print_module(module[0], module[1], (const char *)module[2]);
	for (uint32_t at = info->mmap_addr; info->flags & 0x40 && at < info->mmap_addr + info->mmap_length;) {
		const uint32_t *w = (const uint32_t *)at;

		print_range(w[1], w[3], w[5]);
		at += w[0] + 4;
	}
}

const char *found_cmdline(const struct found *found)
{
	if (found->eax == BOOTED_BY_MULTIBOOT2)
		return cmdline2(found);
	if (found->eax == BOOTED_BY_MULTIBOOT1 && info1(found)->flags & 4)
		return (const char *)info1(found)->cmdline;
	return "";
}

void print_info(const struct found *found)
{
	if (found->eax == BOOTED_BY_MULTIBOOT2)
		print_info2(found);
	else if (found->eax == BOOTED_BY_MULTIBOOT1)
		print_info1(found);
	else
		print("ros: nobody told how it was booted\n");
}
