/*
 * pvh.c - a kernel by the PVH protocol: an ELF file with Xen's note of its 32-bit entry
 *
 * A vmlinux has one, where it is built for virtual machines, as all of Debian's are.
 */
#include <errno.h>

#include "abi/pvh.h"
#include "base/cursor.h"
#include "image/executable.h"
#include "image/kernel.h"

#define ADDRESS_END (1ull << 32) /* it is entered in 32-bit protected mode */

#define ULL(x) ((unsigned long long)(x))

static int read_note(const void *data, uint64_t size, uint64_t *ret_entry, struct error *e)
{
	_cleanup_(executable_freep) struct executable *x = NULL;
	struct cursor note;
	int r;

	if (!executable_claims(data, size))
		return error_set(e, -ENOENT, "no ELF file");
	r = executable_open(data, size, EXECUTABLE_KERNEL, &x, e);
	if (r == 0)
		r = executable_note(x, PVH_NOTE_NAME, PVH_NOTE_PHYS32_ENTRY, &note, e);
	if (r < 0)
		return r;
	if (r == 0)
		return error_set(e, -ENOENT, "the ELF file has no PVH note (XEN_ELFNOTE_PHYS32_ENTRY)");
	if (note.left != 4 && note.left != 8)
		return error_set(e, -ENOEXEC, "the PVH note (XEN_ELFNOTE_PHYS32_ENTRY) has %llu bytes; 4 or 8 would be right",
			ULL(note.left));
	*ret_entry = cursor_uint(&note, (unsigned)note.left);
	return 0;
}

static int check_addresses(const struct kernel_image *image, struct error *e)
{
	const struct image_segment *last = &image->segments[image->n_segments - 1];

	if (last->gpa + last->memory_size <= ADDRESS_END)
		return 0;
	return error_set(e, -ENOEXEC,
		"a segment ends at 0x%llx; by PVH a kernel is entered in 32-bit mode and lies below 4 GiB: link it (p_paddr) lower",
		ULL(last->gpa + last->memory_size));
}

int kernel_parse_pvh(const void *data, uint64_t size, struct kernel_image *ret, struct error *e)
{
	uint64_t entry = 0;
	int r;

	r = read_note(data, size, &entry, e);
	if (r == 0)
		r = kernel_take_elf(data, size, ret, e);
	if (r < 0)
		return r;
	ret->entry = entry;
	r = kernel_check(ret, e);
	return r < 0 ? r : check_addresses(ret, e);
}
