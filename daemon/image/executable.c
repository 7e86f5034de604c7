/*
 * executable.c - see executable.h
 *
 * libelf reads the structures; what it leaves to its caller is here: which
 * files are ours, and that what a program header points at exists.
 */
#include "image/executable.h"

#include <errno.h>
#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/macro.h"

/* Where ELF has what is looked at before libelf sees the file: gABI 4.1, "ELF Header" */
struct layout {
	unsigned ehdr_size;
	unsigned e_shoff, e_shoff_size;
	unsigned e_shnum;
};
static const struct layout elf32 = {52, 0x20, 4, 0x30}, elf64 = {64, 0x28, 8, 0x3C};

#define NOTES_MAX (1 * MiB) /* bytes of all notes together; Linux has some hundred */

struct executable {
	Elf *elf;
	GElf_Ehdr header;
	const uint8_t *data; /* borrowed: the file */
	uint64_t size;
	size_t n_headers;
};

static uint64_t field(const uint8_t *data, unsigned offset, unsigned bytes)
{
	struct cursor c = cursor_init(data + offset, bytes);

	return cursor_uint(&c, bytes);
}

/* Names what was asked for: "an HRT", "a kernel". */
static const char *whose(enum executable_use use)
{
	return use == EXECUTABLE_HRT ? "an HRT" : "a kernel";
}

static int check_class(const uint8_t *data, enum executable_use use, struct error *e)
{
	if (data[EI_CLASS] == ELFCLASS64 || (use == EXECUTABLE_KERNEL && data[EI_CLASS] == ELFCLASS32))
		return 0;
	if (use == EXECUTABLE_KERNEL)
		return error_set(e, -ENOEXEC, "ELF class (byte %d) is %u; a kernel is ELF32, class %d, or ELF64, class %d",
			EI_CLASS, data[EI_CLASS], ELFCLASS32, ELFCLASS64);
	return error_set(e, -ENOEXEC, "ELF class (byte %d) is %u; an HRT is ELF64, class %d", EI_CLASS, data[EI_CLASS],
		ELFCLASS64);
}

static int too_short(uint64_t size, const struct layout *layout, struct error *e)
{
	return error_set(e, -ENOEXEC, "the file has %llu bytes; an ELF%d header alone has %u", (unsigned long long)size,
		layout == &elf32 ? 32 : 64, layout->ehdr_size);
}

bool executable_claims(const void *data, uint64_t size)
{
	return size >= SELFMAG && memcmp(data, ELFMAG, SELFMAG) == 0;
}

bool executable_is_64(const void *data)
{
	return ((const uint8_t *)data)[EI_CLASS] == ELFCLASS64;
}

/* What has to hold before libelf may see the file. */
static int check_identity(const uint8_t *data, uint64_t size, enum executable_use use, struct error *e)
{
	const struct layout *layout;
	int r;

	if (size < EI_NIDENT || (use == EXECUTABLE_HRT && size < elf64.ehdr_size))
		return too_short(size, use == EXECUTABLE_HRT ? &elf64 : &elf32, e);
	if (memcmp(data, ELFMAG, SELFMAG) != 0)
		return error_set(e, -ENOEXEC,
			"the file begins with %02x %02x %02x %02x; %s is an ELF file and begins with 7f 45 4c 46",
			data[0], data[1], data[2], data[3], whose(use));
	r = check_class(data, use, e);
	if (r < 0)
		return r;
	if (data[EI_DATA] != ELFDATA2LSB)
		return error_set(e, -ENOEXEC,
			"ELF data encoding (byte %d) is %u; %s is little endian, %d", EI_DATA,
			data[EI_DATA], whose(use), ELFDATA2LSB);
	layout = data[EI_CLASS] == ELFCLASS32 ? &elf32 : &elf64;
	if (size < layout->ehdr_size)
		return too_short(size, layout, e);
	/*
	 * A section table without a count keeps the count, 32 bits of it, in its
	 * first entry (gABI, e_shnum). libelf believes it and allocates that many
	 * sections before it looks whether the file can hold them.
	 */
	if (field(data, layout->e_shoff, layout->e_shoff_size) != 0 && field(data, layout->e_shnum, 2) == 0)
		return error_set(e, -ENOEXEC,
			"the ELF header has a section table (e_shoff 0x%llx) of 0 sections (e_shnum); at least 1 would be right",
			(unsigned long long)field(data, layout->e_shoff, layout->e_shoff_size));
	return 0;
}

static int check_kind(const GElf_Ehdr *header, enum executable_use use, struct error *e)
{
	bool is_32 = header->e_ident[EI_CLASS] == ELFCLASS32;
	unsigned machine = is_32 ? EM_386 : EM_X86_64;

	if (header->e_machine != machine)
		return error_set(e, -ENOEXEC, "ELF machine (e_machine) is %u; hvmd runs %s, %u", header->e_machine,
			is_32 ? "ELF32 files for i386" : "x86-64", machine);
	if (header->e_type == ET_EXEC || header->e_type == ET_DYN)
		return 0;
	return error_set(e, -ENOEXEC, "ELF type (e_type) is %u; %s is an executable, %u", header->e_type, whose(use),
		ET_EXEC);
}

int executable_open(const void *data, uint64_t size, enum executable_use use, struct executable **ret, struct error *e)
{
	_cleanup_(executable_freep) struct executable *x = NULL;
	int r;

	r = check_identity(data, size, use, e);
	if (r < 0)
		return r;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return error_set(e, -ENOEXEC, "libelf: %s", elf_errmsg(-1));
	x = calloc(1, sizeof(*x));
	if (!x)
		return error_set(e, -ENOMEM, "no memory to read the ELF file");
	x->data = data;
	x->size = size;
	/* libelf takes a writable pointer for images that are updated; we never ask it to. */
	x->elf = elf_memory((char *)(uintptr_t)data, size);
	if (!x->elf || !gelf_getehdr(x->elf, &x->header))
		return error_set(e, -ENOEXEC, "the ELF header does not fit the file of %llu bytes: %s",
			(unsigned long long)size, elf_errmsg(-1));
	r = check_kind(&x->header, use, e);
	if (r < 0)
		return r;
	if (elf_getphdrnum(x->elf, &x->n_headers) < 0)
		return error_set(e, -ENOEXEC, "the ELF program headers cannot be read: %s", elf_errmsg(-1));
	if (!range_within(x->header.e_phoff, (uint64_t)x->header.e_phnum * x->header.e_phentsize, size))
		return error_set(e, -ENOEXEC, "%u program headers at offset 0x%llx do not lie within the file of 0x%llx bytes",
			x->header.e_phnum, (unsigned long long)x->header.e_phoff, (unsigned long long)size);
	*ret = take_ptr(x);
	return 0;
}

struct executable *executable_free(struct executable *x)
{
	if (!x)
		return NULL;
	elf_end(x->elf);
	free(x);
	return NULL;
}

uint64_t executable_entry(const struct executable *x)
{
	return x->header.e_entry;
}

bool executable_is_pie(const struct executable *x)
{
	return x->header.e_type == ET_DYN;
}

/* The first program header of this type. */
static bool find_header(const struct executable *x, uint32_t type, GElf_Phdr *ret)
{
	for (size_t i = 0; i < x->n_headers; i++)
		if (gelf_getphdr(x->elf, (int)i, ret) && ret->p_type == type)
			return true;
	return false;
}

bool executable_has_interpreter(const struct executable *x)
{
	GElf_Phdr p;

	return find_header(x, PT_INTERP, &p);
}

int executable_dynamic(const struct executable *x, uint64_t *ret_offset, uint64_t *ret_size, struct error *e)
{
	GElf_Phdr p;

	if (!find_header(x, PT_DYNAMIC, &p))
		return 0;
	if (!range_within(p.p_offset, p.p_filesz, x->size))
		return error_set(e, -ENOEXEC,
			"the dynamic section has 0x%llx bytes at offset 0x%llx; the file has only 0x%llx bytes",
			(unsigned long long)p.p_filesz, (unsigned long long)p.p_offset, (unsigned long long)x->size);
	*ret_offset = p.p_offset;
	*ret_size = p.p_filesz;
	return 1;
}

static int check_segment(const struct executable *x, const struct executable_segment *s, struct error *e)
{
	if (s->file_size > s->memory_size)
		return error_set(e, -ENOEXEC,
			"program header %u has 0x%llx bytes in the file (p_filesz) and only 0x%llx in memory (p_memsz)",
			s->index, (unsigned long long)s->file_size, (unsigned long long)s->memory_size);
	if (!range_within(s->offset, s->file_size, x->size))
		return error_set(e, -ENOEXEC,
			"program header %u wants 0x%llx bytes at offset 0x%llx; the file has only 0x%llx bytes",
			s->index, (unsigned long long)s->file_size, (unsigned long long)s->offset,
			(unsigned long long)x->size);
	return 0;
}

int executable_next(
	const struct executable *x, unsigned *position, struct executable_segment *ret, struct error *e)
{
	GElf_Phdr p;

	for (; *position < x->n_headers; ++*position) {
		if (!gelf_getphdr(x->elf, (int)*position, &p))
			return error_set(e, -ENOEXEC,
				"program header %u does not lie within the file of 0x%llx bytes: %s",
				*position, (unsigned long long)x->size, elf_errmsg(-1));
		if (p.p_type != PT_LOAD || (p.p_memsz == 0 && p.p_filesz == 0))
			continue;
		*ret = (struct executable_segment){
			.index = (*position)++,
			.offset = p.p_offset,
			.file_size = p.p_filesz,
			.virtual_address = p.p_vaddr,
			.physical_address = p.p_paddr,
			.memory_size = p.p_memsz,
			.alignment = p.p_align ? p.p_align : 1,
			.writable = (p.p_flags & PF_W) != 0,
			.executable = (p.p_flags & PF_X) != 0,
		};
		return check_segment(x, ret, e) < 0 ? -ENOEXEC : 1;
	}
	return 0;
}

/* --- Notes: gABI 5, "Note Section" ----------------------------------------- */

/* A note's name has its NUL, and it and the descriptor are padded; an alignment of 8 came later. */
static bool next_note(struct cursor *c, uint64_t align, struct cursor *ret_name, uint32_t *ret_type, struct cursor *ret)
{
	uint32_t name_size = cursor_u32(c), size = cursor_u32(c);
	const uint8_t *bytes;

	*ret_type = cursor_u32(c);
	bytes = cursor_bytes(c, name_size);
	*ret_name = cursor_init(bytes, name_size);
	cursor_bytes(c, round_up(12 + (uint64_t)name_size, align) - 12 - name_size);
	bytes = cursor_bytes(c, size);
	*ret = cursor_init(bytes, size);
	if (!cursor_ok(c))
		return false;
	/* The last one may come without its padding. */
	size = (uint32_t)(round_up(size, align) - size);
	cursor_bytes(c, size < c->left ? size : c->left);
	return true;
}

static bool find_note(struct cursor notes, uint64_t align, const char *name, uint32_t type, struct cursor *ret)
{
	struct cursor its_name;
	uint32_t its_type;

	while (notes.left > 0 && next_note(&notes, align, &its_name, &its_type, ret))
		if ((type == EXECUTABLE_NOTE_ANY || its_type == type) && its_name.left == strlen(name) + 1 && memcmp(its_name.at, name, its_name.left) == 0)
			return true;
	return false;
}

int executable_note(const struct executable *x, const char *name, uint32_t type, struct cursor *ret, struct error *e)
{
	uint64_t left = NOTES_MAX;
	GElf_Phdr p;

	for (unsigned i = 0; i < x->n_headers; i++) {
		if (!gelf_getphdr(x->elf, (int)i, &p))
			return error_set(e, -ENOEXEC, "program header %u does not lie within the file of 0x%llx bytes: %s", i,
				(unsigned long long)x->size, elf_errmsg(-1));
		if (p.p_type != PT_NOTE)
			continue;
		if (!range_within(p.p_offset, p.p_filesz, x->size))
			return error_set(e, -ENOEXEC,
				"program header %u has notes of 0x%llx bytes at offset 0x%llx; the file has only 0x%llx bytes", i,
				(unsigned long long)p.p_filesz, (unsigned long long)p.p_offset, (unsigned long long)x->size);
		if (p.p_filesz > left)
			return error_set(e, -ENOEXEC, "program header %u: the ELF file has more than %llu bytes of notes", i,
				NOTES_MAX);
		left -= p.p_filesz;
		if (find_note(cursor_init(x->data + p.p_offset, p.p_filesz), p.p_align == 8 ? 8 : 4, name, type, ret))
			return 1;
	}
	return 0;
}
