/* sections.c - see sections.h. Offsets are those of Elf64_Ehdr and Elf64_Shdr, gABI 4.1 */
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

static uint64_t field(const void *data, uint64_t offset, unsigned bytes)
{
	struct cursor c = cursor_init((const uint8_t *)data + offset, bytes);

	return cursor_uint(&c, bytes);
}

static const uint8_t *header_at(const void *data, const struct image_sections *sections, uint32_t i)
{
	return (const uint8_t *)data + sections->offset + (uint64_t)i * SECTION_SIZE;
}

/* Whether nobody but us would load it. */
static bool wants_loading(const uint8_t *header)
{
	uint64_t type = field(header, offsetof(Elf64_Shdr, sh_type), 4);

	return type != SHT_NULL && type != SHT_NOBITS && field(header, offsetof(Elf64_Shdr, sh_size), 8) > 0 &&
		!(field(header, offsetof(Elf64_Shdr, sh_flags), 8) & SHF_ALLOC);
}

static int check_section(const uint8_t *header, uint32_t i, uint64_t size, struct error *e)
{
	uint64_t offset = field(header, offsetof(Elf64_Shdr, sh_offset), 8);
	uint64_t bytes = field(header, offsetof(Elf64_Shdr, sh_size), 8);

	if (wants_loading(header) && !range_within(offset, bytes, size))
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
	uint64_t offset = field(data, offsetof(Elf64_Ehdr, e_shoff), 8);
	uint32_t n = (uint32_t)field(data, offsetof(Elf64_Ehdr, e_shnum), 2);
	uint32_t names = (uint32_t)field(data, offsetof(Elf64_Ehdr, e_shstrndx), 2);
	int r = 0;

	*ret = (struct image_sections){0};
	if (offset == 0 || n == 0 || n > SECTIONS_MAX || names >= n ||
		field(data, offsetof(Elf64_Ehdr, e_shentsize), 2) != SECTION_SIZE)
		return 0;
	if (!range_within(offset, (uint64_t)n * SECTION_SIZE, size))
		return error_set(e, -ENOEXEC, "%u section headers at offset 0x%llx do not lie within the file of 0x%llx bytes", n,
			ULL(offset), ULL(size));
	*ret = (struct image_sections){.offset = offset, .n = n, .names = names};
	for (uint32_t i = 0; i < n && r == 0; i++)
		r = check_section(header_at(data, ret, i), i, size, e);
	if (r == 0)
		ret->size = loaded_size(data, ret);
	return r;
}

int sections_next(const void *data, const struct image_sections *sections, uint32_t *position, uint64_t *at,
	struct section *ret)
{
	for (; *position < sections->n; ++*position) {
		const uint8_t *header = header_at(data, sections, *position);

		if (!wants_loading(header))
			continue;
		*ret = (struct section){
			.offset = field(header, offsetof(Elf64_Shdr, sh_offset), 8),
			.size = field(header, offsetof(Elf64_Shdr, sh_size), 8),
			.at = *at,
		};
		*at += round_up(ret->size, SECTION_ALIGN);
		++*position;
		return 1;
	}
	return 0;
}

static void put_address(uint8_t *header, uint64_t address)
{
	memcpy(header + offsetof(Elf64_Shdr, sh_addr), &address, sizeof(address));
}

void sections_headers(const void *data, const struct image_sections *sections, uint64_t bias, uint64_t gpa, uint8_t *ret)
{
	struct section section;
	uint32_t position = 0;
	uint64_t at = 0;

	memcpy(ret, header_at(data, sections, 0), (uint64_t)sections->n * SECTION_SIZE);
	for (uint32_t i = 0; i < sections->n; i++) {
		uint8_t *header = ret + (uint64_t)i * SECTION_SIZE;

		if (field(header, offsetof(Elf64_Shdr, sh_flags), 8) & SHF_ALLOC)
			put_address(header, field(header, offsetof(Elf64_Shdr, sh_addr), 8) + bias);
	}
	while (sections_next(data, sections, &position, &at, &section))
		put_address(ret + (uint64_t)(position - 1) * SECTION_SIZE, gpa + section.at);
}
