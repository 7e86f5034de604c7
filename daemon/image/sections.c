/* sections.c - see sections.h. Offsets are those of the headers of both classes: gABI 4.1, "ELF Header" and 4.10, "Sections" */
#include "image/sections.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/checked.h"
#include "base/cursor.h"
#include "base/error.h"

#define ULL(x) ((unsigned long long)(x))

#define SECTION_ALIGN 16u /* of symbols, names and the like; none of them needs more */

/* Where a class has what is looked at; `word` bytes where no size is said. */
struct layout {
	uint8_t word;
	uint8_t e_shoff, e_shentsize, e_shnum, e_shstrndx; /* 2 bytes but the first */
	uint8_t sh_type, sh_flags, sh_addr, sh_offset, sh_size; /* sh_type: 4 bytes */
	uint8_t size; /* of a section's header */
};

#define LAYOUT(bits)                                                                                                  \
	{                                                                                                              \
		sizeof(Elf##bits##_Addr), offsetof(Elf##bits##_Ehdr, e_shoff), offsetof(Elf##bits##_Ehdr, e_shentsize),     \
			offsetof(Elf##bits##_Ehdr, e_shnum), offsetof(Elf##bits##_Ehdr, e_shstrndx),                        \
			offsetof(Elf##bits##_Shdr, sh_type), offsetof(Elf##bits##_Shdr, sh_flags),                          \
			offsetof(Elf##bits##_Shdr, sh_addr), offsetof(Elf##bits##_Shdr, sh_offset),                         \
			offsetof(Elf##bits##_Shdr, sh_size), sizeof(Elf##bits##_Shdr)                                       \
	}
static const struct layout elf32 = LAYOUT(32), elf64 = LAYOUT(64);

static const struct layout *layout_of(const void *data)
{
	return ((const uint8_t *)data)[EI_CLASS] == ELFCLASS32 ? &elf32 : &elf64;
}

static uint64_t field(const void *data, uint64_t offset, unsigned bytes)
{
	struct cursor c = cursor_init((const uint8_t *)data + offset, bytes);

	return cursor_uint(&c, bytes);
}

static const uint8_t *header_at(const void *data, const struct image_sections *sections, uint32_t i)
{
	return (const uint8_t *)data + sections->offset + (uint64_t)i * sections->header_size;
}

static bool is_loaded(const struct layout *l, const uint8_t *header)
{
	return field(header, l->sh_flags, l->word) & SHF_ALLOC;
}

/* Whether nobody but us would load it. */
static bool wants_loading(const struct layout *l, const uint8_t *header)
{
	uint64_t type = field(header, l->sh_type, 4);

	return type != SHT_NULL && type != SHT_NOBITS && field(header, l->sh_size, l->word) > 0 && !is_loaded(l, header);
}

static int check_section(const struct layout *l, const uint8_t *header, uint32_t i, uint64_t size, struct error *e)
{
	uint64_t offset = field(header, l->sh_offset, l->word), bytes = field(header, l->sh_size, l->word);

	if (wants_loading(l, header) && !range_within(offset, bytes, size))
		return error_set(e, -ENOEXEC, "section %u wants 0x%llx bytes at offset 0x%llx; the file has only 0x%llx bytes", i,
			ULL(bytes), ULL(offset), ULL(size));
	return 0;
}

/* No sum overflows: at most SECTIONS_MAX files come together. */
static uint64_t loaded_size(const void *data, const struct image_sections *sections)
{
	struct section section;
	uint32_t position = 0;
	uint64_t at = 0;

	while (sections_next(data, sections, &position, &at, &section))
		;
	return at;
}

int sections_read(const void *data, uint64_t size, struct image_sections *ret, struct error *e)
{
	const struct layout *l = layout_of(data);
	uint64_t offset = field(data, l->e_shoff, l->word);
	uint32_t n = (uint32_t)field(data, l->e_shnum, 2), names = (uint32_t)field(data, l->e_shstrndx, 2);
	int r = 0;

	*ret = (struct image_sections){0};
	if (offset == 0 || n == 0 || n > SECTIONS_MAX || names >= n || field(data, l->e_shentsize, 2) != l->size)
		return 0;
	if (!range_within(offset, (uint64_t)n * l->size, size))
		return error_set(e, -ENOEXEC, "%u section headers at offset 0x%llx do not lie within the file of 0x%llx bytes", n,
			ULL(offset), ULL(size));
	*ret = (struct image_sections){.offset = offset, .n = n, .names = names, .header_size = l->size};
	for (uint32_t i = 0; i < n && r == 0; i++)
		r = check_section(l, header_at(data, ret, i), i, size, e);
	if (r == 0)
		ret->size = loaded_size(data, ret);
	return r;
}

int sections_next(const void *data, const struct image_sections *sections, uint32_t *position, uint64_t *at,
	struct section *ret)
{
	const struct layout *l = layout_of(data);

	for (; *position < sections->n; ++*position) {
		const uint8_t *header = header_at(data, sections, *position);

		if (!wants_loading(l, header))
			continue;
		*ret = (struct section){
			.offset = field(header, l->sh_offset, l->word),
			.size = field(header, l->sh_size, l->word),
			.at = *at,
		};
		*at += round_up(ret->size, SECTION_ALIGN);
		++*position;
		return 1;
	}
	return 0;
}

static void put_address(const struct layout *l, uint8_t *header, uint64_t address)
{
	memcpy(header + l->sh_addr, &address, l->word);
}

void sections_headers(const void *data, const struct image_sections *sections, uint64_t bias, uint64_t gpa, uint8_t *ret)
{
	const struct layout *l = layout_of(data);
	struct section section;
	uint32_t position = 0;
	uint64_t at = 0;

	memcpy(ret, header_at(data, sections, 0), (uint64_t)sections->n * sections->header_size);
	for (uint32_t i = 0; i < sections->n; i++) {
		uint8_t *header = ret + (uint64_t)i * sections->header_size;

		if (is_loaded(l, header))
			put_address(l, header, field(header, l->sh_addr, l->word) + bias);
	}
	while (sections_next(data, sections, &position, &at, &section))
		put_address(l, ret + (uint64_t)(position - 1) * sections->header_size, gpa + section.at);
}

void sections_copy(const void *data, const struct image_sections *sections, uint8_t *ret)
{
	struct section section;
	uint32_t position = 0;
	uint64_t at = 0;

	while (sections_next(data, sections, &position, &at, &section))
		memcpy(ret + section.at, (const uint8_t *)data + section.offset, section.size);
}
