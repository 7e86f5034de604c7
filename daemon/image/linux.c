/*
 * linux.c - a kernel by Linux's boot protocol: a bzImage, or a vmlinux
 *
 * Every number in the file is hostile; what a bzImage's header promises about
 * memory is believed as far as addresses go, and no further.
 */
#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "base/cursor.h"
#include "base/macro.h"
#include "image/executable.h"
#include "image/kernel.h"

#define PROTOCOL_MIN      0x020Au /* the first that says how much memory the kernel needs (init_size) */
#define PROTOCOL_ENTRY_64 0x020Cu /* the first with xloadflags */
#define SETUP_SECTS_OLD   4u      /* what setup_sects 0 stands for */
#define LOAD_MAX          (1ull << 32)
#define VMLINUX_NOTE      "Linux" /* include/linux/elfnote-lto.h and build-salt.h: since 4.19 */
#define CMDLINE_MAX       2047u   /* COMMAND_LINE_SIZE of asm/setup.h, less the NUL */

#define ULL(x) ((unsigned long long)(x))

static unsigned major(const struct linux_setup_header *h)
{
	return h->version >> 8;
}

static unsigned minor(const struct linux_setup_header *h)
{
	return h->version & 0xFF;
}

/* --- The header ------------------------------------------------------------ */

/* Where the header ends in the file: boot.rst, "the end of setup header". */
static uint64_t header_end(const uint8_t *data)
{
	return LINUX_HEADER_BASE + data[LINUX_HEADER_BASE - 1];
}

static int check_length(const uint8_t *data, uint64_t size, struct error *e)
{
	uint64_t needed = LINUX_HEADER_AT + offsetof(struct linux_setup_header, handover_offset);

	if (header_end(data) < needed)
		return error_set(e, -ENOEXEC,
			"the header of the bzImage ends at 0x%llx (the byte at 0x201); from boot protocol 2.10 on it reaches 0x%llx",
			ULL(header_end(data)), ULL(needed));
	if (header_end(data) > size)
		return error_set(e, -ENOEXEC, "the header of the bzImage ends at 0x%llx; the file has only 0x%llx bytes",
			ULL(header_end(data)), ULL(size));
	return 0;
}

static int read_header(const uint8_t *data, uint64_t size, struct linux_setup_header *ret, struct error *e)
{
	uint64_t length;
	int r;

	if (size < LINUX_HEADER_BASE + 6)
		return error_set(e, -ENOENT, "the file has %llu bytes; the header of a bzImage alone begins at 0x%x",
			ULL(size), LINUX_HEADER_AT);
	memcpy(ret, data + LINUX_HEADER_AT, offsetof(struct linux_setup_header, realmode_swtch));
	if (ret->boot_flag != LINUX_BOOT_FLAG)
		return error_set(e, -ENOENT, "no bzImage: boot_flag (0x1fe) is 0x%04x; 0x%04x would be right",
			ret->boot_flag, LINUX_BOOT_FLAG);
	if (ret->header != LINUX_HEADER_MAGIC)
		return error_set(e, -ENOENT,
			"no bzImage: header (0x202) is 0x%08x; 0x%08x (\"HdrS\") would be right. "
			"What has a boot sector alone has a 16-bit entry only, which hvmd does not use",
			ret->header, LINUX_HEADER_MAGIC);
	if (ret->version < PROTOCOL_MIN)
		return error_set(e, -ENOEXEC,
			"the image has a 16-bit entry only (boot protocol %u.%02u), which hvmd does not use: "
			"it enters kernels in 64-bit mode, or from boot protocol 2.10 on in 32-bit mode",
			major(ret), minor(ret));
	r = check_length(data, size, e);
	if (r < 0)
		return r;
	length = header_end(data) - LINUX_HEADER_AT;
	memcpy(ret, data + LINUX_HEADER_AT, length < sizeof(*ret) ? length : sizeof(*ret));
	if (!(ret->loadflags & LINUX_LOADED_HIGH))
		return error_set(e, -ENOEXEC,
			"the image has a 16-bit entry only (a zImage: loadflags 0x%02x lack LOADED_HIGH), which hvmd does not use",
			ret->loadflags);
	return 0;
}

/* --- The protected-mode code --------------------------------------------------- */

static int find_code(uint64_t size, const struct linux_image *image, struct image_segment *ret, struct error *e)
{
	const struct linux_setup_header *h = &image->header;
	uint64_t sectors = h->setup_sects ? h->setup_sects : SETUP_SECTS_OLD;
	uint64_t code = h->syssize * 16ull;

	ret->offset = (sectors + 1) * LINUX_SECTOR;
	if (ret->offset >= size)
		return error_set(e, -ENOEXEC,
			"the protected-mode code of the bzImage begins at 0x%llx (setup_sects %u); the file has only 0x%llx bytes",
			ULL(ret->offset), h->setup_sects, ULL(size));
	ret->file_size = size - ret->offset;
	if (code == 0 || code > round_up(ret->file_size, 16))
		return error_set(e, -ENOEXEC,
			"the protected-mode code of the bzImage has 0x%llx bytes (syssize), and the file has 0x%llx from 0x%llx on: "
			"it is cut off, or damaged",
			ULL(code), ULL(ret->file_size), ULL(ret->offset));
	/* What stands behind it is not for the kernel: a signature. */
	if (ret->file_size > code)
		ret->file_size = code;
	if (image->entry_64 && ret->file_size <= LINUX_ENTRY_64)
		return error_set(e, -ENOEXEC,
			"the protected-mode code of the bzImage has 0x%llx bytes; its 64-bit entry is at 0x%x",
			ULL(ret->file_size), LINUX_ENTRY_64);
	return 0;
}

/* --- Where it goes ----------------------------------------------------------- */

static bool power_of_two(uint64_t x)
{
	return x && !(x & (x - 1));
}

/* One that can be moved goes where it wants to run; it would move itself there. */
static int place_relocatable(const struct linux_setup_header *h, uint64_t *ret_load, uint64_t *ret_end, struct error *e)
{
	uint64_t wish = h->pref_address > LINUX_LOAD_HIGH ? h->pref_address : LINUX_LOAD_HIGH;

	if (!power_of_two(h->kernel_alignment))
		return error_set(e, -ENOEXEC, "kernel_alignment of the bzImage is 0x%x; a power of two would be right",
			h->kernel_alignment);
	if (wish >= LOAD_MAX || round_up(wish, h->kernel_alignment) >= LOAD_MAX)
		return error_set(e, -ENOEXEC,
			"the bzImage wants to run at 0x%llx (pref_address), aligned to 0x%x; below 4 GiB would be right",
			ULL(h->pref_address), h->kernel_alignment);
	*ret_load = round_up(wish, h->kernel_alignment);
	*ret_end = *ret_load + h->init_size;
	return 0;
}

static int place_fixed(const struct linux_setup_header *h, uint64_t *ret_load, uint64_t *ret_end, struct error *e)
{
	if (h->pref_address < LINUX_LOAD_HIGH || h->pref_address >= LOAD_MAX)
		return error_set(e, -ENOEXEC,
			"the bzImage runs at 0x%llx (pref_address) and cannot be moved; from 1 MiB on and below 4 GiB would be right",
			ULL(h->pref_address));
	*ret_load = LINUX_LOAD_HIGH;
	*ret_end = h->pref_address + h->init_size;
	return 0;
}

/* The segment has all that the kernel needs before it looks at the memory map. */
static int place(const struct linux_setup_header *h, struct image_segment *s, struct error *e)
{
	uint64_t end = 0;
	int r = h->relocatable_kernel ? place_relocatable(h, &s->gpa, &end, e) : place_fixed(h, &s->gpa, &end, e);

	if (r < 0)
		return r;
	s->memory_size = end - s->gpa > s->file_size ? end - s->gpa : s->file_size;
	s->writable = s->executable = true;
	return 0;
}

static int parse_bzimage(const void *data, uint64_t size, struct kernel_image *ret, struct error *e)
{
	struct linux_image *image = &ret->bzimage;
	const struct linux_setup_header *h = &image->header;
	int r;

	r = read_header(data, size, &image->header, e);
	if (r < 0)
		return r;
	image->has_header = true;
	image->entry_64 = h->version >= PROTOCOL_ENTRY_64 && h->xloadflags & LINUX_XLF_KERNEL_64;
	image->initrd_max = h->initrd_addr_max;
	image->cmdline_max = h->cmdline_size;
	r = find_code(size, image, &ret->segments[0], e);
	if (r == 0)
		r = place(h, &ret->segments[0], e);
	if (r < 0)
		return r;
	ret->n_segments = 1;
	ret->entry = ret->segments[0].gpa + (image->entry_64 ? LINUX_ENTRY_64 : 0);
	return kernel_check(ret, e);
}

/* --- vmlinux --------------------------------------------------------------------- */

/* Any ELF executable has an entry; that this one is Linux's, it says in a note. */
static int check_vmlinux(const void *data, uint64_t size, struct error *e)
{
	_cleanup_(executable_freep) struct executable *x = NULL;
	struct cursor note;
	int r;

	r = executable_open(data, size, EXECUTABLE_KERNEL, &x, e);
	if (r == 0)
		r = executable_note(x, VMLINUX_NOTE, EXECUTABLE_NOTE_ANY, &note, e);
	if (r != 0)
		return r < 0 ? r : 0;
	return error_set(e, -ENOENT, "the ELF file has no note of Linux's (\"%s\"), as a vmlinux has", VMLINUX_NOTE);
}

static int parse_vmlinux(const void *data, uint64_t size, struct kernel_image *ret, struct error *e)
{
	int r;

	r = check_vmlinux(data, size, e);
	if (r == 0)
		r = kernel_take_elf(data, size, ret, e);
	if (r < 0)
		return r;
	if (!executable_is_64(data))
		return error_set(e, -ENOEXEC, "the vmlinux is for 32 bits; hvmd enters one for 64 bits, or a bzImage of either");
	ret->bzimage = (struct linux_image){.entry_64 = true, .initrd_max = UINT32_MAX, .cmdline_max = CMDLINE_MAX};
	return kernel_check(ret, e);
}

int kernel_parse_linux(const void *data, uint64_t size, struct kernel_image *ret, struct error *e)
{
	return executable_claims(data, size) ? parse_vmlinux(data, size, ret, e) : parse_bzimage(data, size, ret, e);
}
