/* SPDX-License-Identifier: MIT */
/* info.c - see info.h */
#include "guest.h"

struct tag {
	uint32_t type;
	uint32_t size;
};

#define KNOWN_TAG_BYTES(tag, type_, payload) ((tag)->type == (type_) && (tag)->size >= sizeof(struct tag) + (payload))

static void read_tag(const struct tag *tag, struct info *ret)
{
	const void *body = tag + 1;

	if (KNOWN_TAG_BYTES(tag, HVM_INFO_TAG, sizeof(struct hvm_info_tag) - sizeof(struct tag)))
		ret->hrt = (const struct hvm_info_tag *)tag;
	else if (KNOWN_TAG_BYTES(tag, TAG_COMMAND_LINE, 1))
		ret->cmdline = body;
	else if (KNOWN_TAG_BYTES(tag, TAG_LOADER_NAME, 1))
		ret->loader = body;
	else if (KNOWN_TAG_BYTES(tag, TAG_BASIC_MEMORY, sizeof(struct basic_memory)))
		ret->memory = body;
	else if (KNOWN_TAG_BYTES(tag, TAG_MODULE, sizeof(struct module)) && ret->n_modules < INFO_MODULES_MAX)
		ret->modules[ret->n_modules++] = body;
	else if (KNOWN_TAG_BYTES(tag, TAG_ELF_SECTIONS, sizeof(struct sections)))
		ret->sections = body;
	else if (KNOWN_TAG_BYTES(tag, TAG_LOAD_BASE, 4))
		ret->load_base = body;
	else if (KNOWN_TAG_BYTES(tag, TAG_MEMORY_MAP, 8)) { /* entry size and version, then the entries */
		ret->map = (const struct map_entry *)((const uint8_t *)body + 8);
		ret->n_map = (tag->size - 16) / sizeof(struct map_entry);
	}
}

void info_read(uint64_t gva, struct info *ret)
{
	uint32_t at = 8; /* the first tag lies behind the size and a reserved word */

	*ret = (struct info){.gva = gva, .size = *(const uint32_t *)gva};
	while (at + sizeof(struct tag) <= ret->size && ret->n_tags < INFO_TAGS_MAX && !ret->end) {
		const struct tag *tag = (const struct tag *)(gva + at);

		if (tag->size < sizeof(*tag) || tag->size > ret->size - at)
			return;
		ret->tags[ret->n_tags++] = tag->type;
		read_tag(tag, ret);
		at += (tag->size + 7) & ~7u;
		if (tag->type == TAG_END)
			ret->end = at;
	}
}

const struct map_entry *info_boot_state(const struct info *info)
{
	const struct map_entry *last = info->n_map ? info->map + info->n_map - 1 : NULL;

	for (const struct map_entry *e = info->map; last && e <= last; e++)
		if (e->type == MEMORY_RESERVED && e->base <= info->hrt->boot_state_gpa &&
			info->hrt->boot_state_gpa - e->base < e->length)
			return e;
	return NULL;
}

static uint64_t ceil_div(uint64_t a, uint64_t b)
{
	return (a + b - 1) / b;
}

/* PML4, PDPTs of 512 GiB each, PDs of 1 GiB each, PTs of 2 MiB each, as far down as the pages are. */
static uint64_t table_pages(uint64_t map_bytes, uint64_t flags)
{
	uint64_t n = 1 + ceil_div(map_bytes, 1ull << 39);

	if (flags & (HVM_FLAG_MAP_2MB | HVM_FLAG_MAP_4KB))
		n += ceil_div(map_bytes, 1ull << 30);
	if (flags & HVM_FLAG_MAP_4KB)
		n += ceil_div(map_bytes, 1ull << 21);
	return n;
}

void info_layout(const struct info *info, struct layout *ret)
{
	const struct map_entry *reserved = info_boot_state(info);
	uint64_t cores = info->hrt->total_num_apics - info->hrt->first_hrt_apic_id;

	ret->info = info->hrt->boot_state_gpa;
	ret->page_tables = ret->info + PAGE_SIZE;
	ret->n_tables = table_pages(info->hrt->max_mem_mapped, info->hrt->hrt_flags);
	ret->tss = ret->page_tables + ret->n_tables * PAGE_SIZE;
	ret->gdt = ret->tss + PAGE_SIZE;
	ret->idt = ret->gdt + PAGE_SIZE;
	ret->handler = ret->idt + PAGE_SIZE;
	ret->end = ret->handler + PAGE_SIZE;
	ret->stacks = reserved ? reserved->base : 0;
	ret->stack_size = cores ? (ret->info - ret->stacks) / cores : 0;
}

const char *info_option(const struct info *info, const char *key)
{
	const char *at = info->cmdline;

	while (at && *at) {
		const char *k = key;

		while (*k && *k == *at) {
			k++;
			at++;
		}
		if (!*k)
			return at;
		while (*at && *at != ' ')
			at++;
		while (*at == ' ')
			at++;
	}
	return NULL;
}

bool option_is(const char *value, const char *word)
{
	while (*word && *word == *value) {
		word++;
		value++;
	}
	return !*word && (!*value || *value == ' ');
}

uint64_t option_number(const char *value)
{
	uint64_t n = 0;

	while (*value >= '0' && *value <= '9')
		n = n * 10 + (uint64_t)(*value++ - '0');
	return n;
}
