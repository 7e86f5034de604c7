/* relocations.c - see relocations.h. Constants are those of the gABI 5.1 and of the psABI for x86-64, 4.4 */
#include "image/relocations.h"

#include <elf.h>
#include <errno.h>

#include "base/checked.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/macro.h"
#include "image/executable.h"
#include "image/segment.h"

#define ULL(x) ((unsigned long long)(x))

#define RELA_SIZE 24u /* bytes: Elf64_Rela */

/* Where the table is, as the dynamic section says. */
struct table {
	uint64_t address; /* GVA as linked */
	uint64_t size;    /* bytes */
};

/* What only a dynamic linker could do. */
static const struct {
	int64_t tag;
	const char *what;
} foreign[] = {
	{DT_NEEDED, "shared libraries (DT_NEEDED)"},
	{DT_PLTRELSZ, "relocations of a procedure linkage table (DT_PLTRELSZ)"},
	{DT_RELSZ, "relocations without addends (DT_RELSZ)"},
	{DT_RELRSZ, "packed relocations (DT_RELRSZ)"},
};

static int check_entry(int64_t tag, uint64_t value, struct error *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
		if (foreign[i].tag == tag && (value != 0 || tag == DT_NEEDED))
			return error_set(e, -ENOEXEC,
				"the image needs %s, and there is no dynamic linker here: link it with -static-pie", foreign[i].what);
	if (tag == DT_RELAENT && value != RELA_SIZE)
		return error_set(e, -ENOEXEC, "dynamic section: a relocation has 0x%llx bytes (DT_RELAENT); %u would be right",
			ULL(value), RELA_SIZE);
	return 0;
}

static int read_dynamic(struct cursor c, struct table *ret, struct error *e)
{
	int64_t tag;
	int r = 0;

	*ret = (struct table){0};
	while (r == 0 && c.left >= 16 && (tag = (int64_t)cursor_u64(&c)) != DT_NULL) {
		uint64_t value = cursor_u64(&c);

		if (tag == DT_RELA)
			ret->address = value;
		else if (tag == DT_RELASZ)
			ret->size = value;
		r = check_entry(tag, value, e);
	}
	return r;
}

/* Where in the file the table is. */
static int find_table(const struct table *t, const struct image_segment *segments, size_t n, uint64_t link_base,
	uint64_t *ret_offset, struct error *e)
{
	uint64_t at = t->address - link_base; /* a wrapped one is in no segment */

	for (const struct image_segment *s = segments; s < segments + n; s++)
		if (at >= s->gpa && range_within(at - s->gpa, t->size, s->file_size)) {
			*ret_offset = s->offset + (at - s->gpa);
			return 0;
		}
	return error_set(e, -ENOEXEC,
		"the table of relocations (DT_RELA), 0x%llx bytes at 0x%llx, does not lie in the bytes of one segment",
		ULL(t->size), ULL(t->address));
}

static bool has_word(const struct image_segment *segments, size_t n, uint64_t at)
{
	for (const struct image_segment *s = segments; s < segments + n; s++)
		if (at >= s->gpa && range_within(at - s->gpa, sizeof(uint64_t), s->memory_size))
			return true;
	return false;
}

static int check_relocation(struct cursor *c, uint64_t i, const struct image_segment *segments, size_t n,
	uint64_t link_base, struct error *e)
{
	uint64_t address = cursor_u64(c), info = cursor_u64(c);

	cursor_u64(c); /* any addend will do */
	if (info != R_X86_64_RELATIVE)
		return error_set(e, -ENOEXEC,
			"relocation %llu is of type %u, symbol %u; of a static position independent image all are of type %u "
			"(R_X86_64_RELATIVE) and without symbol: link it with -static-pie",
			ULL(i), (unsigned)info, (unsigned)(info >> 32), R_X86_64_RELATIVE);
	if (!has_word(segments, n, address - link_base))
		return error_set(e, -ENOEXEC, "relocation %llu is for 0x%llx, where the image has no eight bytes", ULL(i),
			ULL(address));
	return 0;
}

int relocations_read(const struct executable *x, const void *data, uint64_t size, const struct image_segment *segments,
	size_t n_segments, uint64_t link_base, struct image_relocations *ret, struct error *e)
{
	uint64_t offset, bytes;
	struct table table;
	struct cursor c;
	int r;

	*ret = (struct image_relocations){0};
	r = executable_dynamic(x, &offset, &bytes, e);
	if (r <= 0)
		return r;
	r = read_dynamic(cursor_init((const uint8_t *)data + offset, bytes), &table, e);
	if (r < 0 || table.size == 0)
		return r;
	if (table.size % RELA_SIZE)
		return error_set(e, -ENOEXEC,
			"dynamic section: the relocations have 0x%llx bytes (DT_RELASZ); a multiple of %u would be right",
			ULL(table.size), RELA_SIZE);
	r = find_table(&table, segments, n_segments, link_base, &ret->offset, e);
	if (r < 0)
		return r;
	c = cursor_init((const uint8_t *)data + ret->offset, size - ret->offset);
	for (ret->n = 0; r == 0 && ret->n < table.size / RELA_SIZE; ret->n++)
		r = check_relocation(&c, ret->n, segments, n_segments, link_base, e);
	return r;
}

void relocation_at(const void *data, const struct image_relocations *relocations, uint64_t i, uint64_t *ret_address,
	uint64_t *ret_value)
{
	struct cursor c = cursor_init((const uint8_t *)data + relocations->offset + i * RELA_SIZE, RELA_SIZE);

	*ret_address = cursor_u64(&c);
	cursor_u64(&c);
	*ret_value = cursor_u64(&c);
}
