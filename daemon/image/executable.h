/* executable.h - the ELF side of an image: its header and its program headers (the only user of libelf) */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

struct cursor;
struct error;

/* PT_LOAD of the System V ABI (gABI 4.1, "Program Header"); addresses as the file has them. */
struct executable_segment {
	unsigned index; /* of the program header */
	uint64_t offset;
	uint64_t file_size;
	uint64_t virtual_address;
	uint64_t physical_address;
	uint64_t memory_size; /* > 0, >= file_size */
	uint64_t alignment;   /* as p_align has it, 0 made 1 */
	bool writable;
	bool executable;
};

/* Whether the file begins as an ELF file does; and, where it is one that can be opened, whether it is ELF64. */
bool executable_claims(const void *data, uint64_t size);
bool executable_is_64(const void *data);

struct executable; /* borrows the bytes it was opened on */

enum executable_use {
	EXECUTABLE_HRT,    /* ELF64 for x86-64, e_type ET_EXEC or ET_DYN */
	EXECUTABLE_KERNEL, /* the same, or ELF32 for i386; also one of e_type ET_DYN is loaded where it says */
};

/*
 * Opens an executable that may be `use`. Returns 0, or -ENOEXEC with a sentence.
 * The bytes stay as they are, and stay in place until executable_free().
 */
int executable_open(const void *data, uint64_t size, enum executable_use use, struct executable **ret, struct error *e);
struct executable *executable_free(struct executable *x);
DEFINE_CLEANUP(struct executable *, executable_free);

/* e_type is ET_DYN: linked to run anywhere */
bool executable_is_pie(const struct executable *x);

/* It wants to be started by another program (PT_INTERP). */
bool executable_has_interpreter(const struct executable *x);

/* The bytes of the dynamic section (PT_DYNAMIC). Returns 1, 0 when there is none, or -ENOEXEC with a sentence. */
int executable_dynamic(const struct executable *x, uint64_t *ret_offset, uint64_t *ret_size, struct error *e);

/* e_entry */
uint64_t executable_entry(const struct executable *x);

/*
 * The next PT_LOAD that has memory, from program header *position on; start
 * with 0. Returns 1, 0 when there is none left, or -ENOEXEC with a sentence
 * where its bytes do not lie within the file.
 */
int executable_next(const struct executable *x, unsigned *position, struct executable_segment *ret, struct error *e);

#define EXECUTABLE_NOTE_ANY UINT32_MAX

/*
 * The bytes of the first note of this name and type (or any) in the notes
 * that the program headers name (PT_NOTE). Returns 1, 0 when there is none, or -ENOEXEC
 * with a sentence where the notes do not lie within the file.
 */
int executable_note(const struct executable *x, const char *name, uint32_t type, struct cursor *ret, struct error *e);
