/* image-builder.c - see image-builder.h */
#include "image-builder.h"

#include <assert.h>
#include <string.h>

#define EHDR_SIZE 64u /* gABI 4.1 */
#define PHDR_SIZE 56u

const struct recipe_hrt recipe_hrt_example = {
	.flags = 0x200,
	.map = EXAMPLE_MAP,
	.gva_offset = 0xFFFF800000000000,
	.entry = 0,
	.comm_page = EXAMPLE_COMM,
	.vector = EXAMPLE_VECTOR,
};

void recipe_bare(struct recipe *recipe)
{
	*recipe = (struct recipe){
		.elf_class = 2,
		.elf_data = 1,
		.type = 2,
		.machine = 62,
		.entry = EXAMPLE_ENTRY,
		.header_offset = EXAMPLE_HEADER,
		.magic = 0xE85250D6,
		.size = EXAMPLE_SIZE,
	};
}

static void add_segment(struct recipe *recipe)
{
	recipe->entry += recipe_hrt_example.gva_offset;
	recipe->segments[recipe->n_segments++] = (struct recipe_segment){
		.type = 1,
		.flags = 5,
		.offset = EXAMPLE_OFFSET,
		.virtual_address = recipe_hrt_example.gva_offset + EXAMPLE_GPA,
		.physical_address = EXAMPLE_GPA,
		.file_size = EXAMPLE_LOADED,
		.memory_size = EXAMPLE_LOADED + EXAMPLE_BSS,
		.alignment = 8,
	};
}

void recipe_example(struct recipe *recipe)
{
	recipe_bare(recipe);
	add_segment(recipe);
	recipe_tag_hrt(recipe, &recipe_hrt_example);
	recipe_tag_address(recipe, EXAMPLE_GPA - (EXAMPLE_OFFSET - EXAMPLE_HEADER), EXAMPLE_GPA,
		EXAMPLE_GPA + EXAMPLE_LOADED, EXAMPLE_GPA + EXAMPLE_LOADED + EXAMPLE_BSS);
	recipe_tag_entry(recipe, EXAMPLE_ENTRY);
	recipe_tag_end(recipe);
}

void recipe_example_elf(struct recipe *recipe)
{
	recipe_bare(recipe);
	add_segment(recipe);
	recipe_tag_hrt(recipe, &recipe_hrt_example);
	recipe_tag_end(recipe);
}

static uint8_t *put(uint8_t *p, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		*p++ = (uint8_t)(value >> (8 * i));
	return p;
}

static uint8_t *tag_begin(struct recipe *recipe, uint16_t type, uint16_t flags, uint32_t size)
{
	uint8_t *p = recipe->tags + recipe->tags_size;

	recipe->tags_size += (size + 7) & ~7u;
	assert(recipe->tags_size <= RECIPE_TAGS_MAX);
	p = put(p, type, 2);
	p = put(p, flags, 2);
	return put(p, size, 4);
}

void recipe_tag(struct recipe *recipe, uint16_t type, uint16_t flags, const uint32_t *words, size_t n_words)
{
	uint8_t *p = tag_begin(recipe, type, flags, (uint32_t)(8 + 4 * n_words));

	for (size_t i = 0; i < n_words; i++)
		p = put(p, words[i], 4);
}

void recipe_tag_hrt(struct recipe *recipe, const struct recipe_hrt *hrt)
{
	uint8_t *p = tag_begin(recipe, 0xF00D, 1, 56);

	p = put(p, hrt->flags, 8);
	p = put(p, hrt->map, 8);
	p = put(p, hrt->gva_offset, 8);
	p = put(p, hrt->entry, 8);
	p = put(p, hrt->comm_page, 8);
	put(p, hrt->vector, 8);
}

void recipe_tag_address(
	struct recipe *recipe, uint32_t header, uint32_t load, uint32_t load_end, uint32_t bss_end)
{
	recipe_tag(recipe, 2, 0, (uint32_t[]){header, load, load_end, bss_end}, 4);
}

void recipe_tag_entry(struct recipe *recipe, uint32_t entry)
{
	recipe_tag(recipe, 3, 0, &entry, 1);
}

void recipe_tag_end(struct recipe *recipe)
{
	recipe_tag(recipe, 0, 0, NULL, 0);
}

static void build_elf_header(const struct recipe *r, struct buffer *b)
{
	buffer_append(b,
		"\x7f"
		"ELF",
		4);
	buffer_append_uint(b, r->elf_class, 1);
	buffer_append_uint(b, r->elf_data, 1);
	buffer_append_uint(b, 1, 1); /* EI_VERSION */
	buffer_append_zeros(b, 9);
	buffer_append_uint(b, r->type, 2);
	buffer_append_uint(b, r->machine, 2);
	buffer_append_uint(b, 1, 4); /* e_version */
	buffer_append_uint(b, r->entry, 8);
	buffer_append_uint(b, r->n_segments ? EHDR_SIZE : 0, 8); /* e_phoff */
	buffer_append_uint(b, r->section_offset, 8);
	buffer_append_uint(b, 0, 4); /* e_flags */
	buffer_append_uint(b, EHDR_SIZE, 2);
	buffer_append_uint(b, PHDR_SIZE, 2);
	buffer_append_uint(b, r->n_segments, 2);
	buffer_append_uint(b, 64, 2); /* e_shentsize */
	buffer_append_uint(b, r->n_sections, 2);
	buffer_append_uint(b, 0, 2); /* e_shstrndx */
}

static void build_segment(const struct recipe_segment *s, struct buffer *b)
{
	buffer_append_uint(b, s->type, 4);
	buffer_append_uint(b, s->flags, 4);
	buffer_append_uint(b, s->offset, 8);
	buffer_append_uint(b, s->virtual_address, 8);
	buffer_append_uint(b, s->physical_address, 8);
	buffer_append_uint(b, s->file_size, 8);
	buffer_append_uint(b, s->memory_size, 8);
	buffer_append_uint(b, s->alignment, 8);
}

/* Bytes of no meaning, but each offset's is known. */
static void build_filler(struct buffer *b, uint64_t until)
{
	while (buffer_ok(b) && b->size < until)
		buffer_append_uint(b, (uint8_t)(b->size * 7 + 1), 1);
}

static void build_header(const struct recipe *r, struct buffer *b)
{
	uint32_t length = (uint32_t)(16 + r->tags_size) + r->length_off;

	buffer_append_uint(b, r->magic, 4);
	buffer_append_uint(b, r->arch, 4);
	buffer_append_uint(b, length, 4);
	buffer_append_uint(b, 0u - r->magic - r->arch - length + r->checksum_off, 4);
	buffer_append(b, r->tags, r->tags_size);
}

void recipe_build(const struct recipe *recipe, struct buffer *ret)
{
	*ret = (struct buffer)BUFFER_INIT(1 << 20);
	build_elf_header(recipe, ret);
	for (unsigned i = 0; i < recipe->n_segments; i++)
		build_segment(&recipe->segments[i], ret);
	build_filler(ret, recipe->header_offset);
	build_header(recipe, ret);
	build_filler(ret, recipe->size);
	assert(buffer_ok(ret));
}
