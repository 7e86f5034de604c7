/* describe.c - see describe.h */
#include "image/describe.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "abi/multiboot2.h"
#include "base/buffer.h"
#include "base/checked.h"
#include "base/cursor.h"
#include "image/executable.h"
#include "image/header.h"

/* System V ABI, chapter 4 */
#define ELF_MAGIC      "\177ELF"
#define ELF_MACHINE    18u /* offset of e_machine */
#define ELF_MACHINE_386    3u
#define ELF_MACHINE_X86_64 62u

/* Multiboot Specification 0.6.96, 3.1.1: within the first 8192 bytes, 32-bit aligned; its first three words add up to 0 */
#define MULTIBOOT1_MAGIC  0x1BADB002u
#define MULTIBOOT1_SEARCH 8192u

/* Documentation/arch/x86/boot.rst: "HdrS" at 0x202, the protocol's version behind it, setup_sects at 0x1F1 */
#define BZIMAGE_MAGIC_AT 0x202u
#define BZIMAGE_MAGIC    0x53726448u

static uint64_t uint_at(const uint8_t *data, uint64_t size, uint64_t offset, unsigned bytes)
{
	struct cursor c = cursor_init(data + (offset < size ? offset : size), offset < size ? size - offset : 0);

	return cursor_uint(&c, bytes);
}

static const char *elf_type(uint64_t type)
{
	static const char *const names[] = {"no type", "relocatable object", "executable", "shared object or PIE", "core dump"};

	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "unknown type";
}

static bool describe_elf(const uint8_t *data, uint64_t size, struct buffer *b)
{
	uint64_t machine;

	if (size < 20 || memcmp(data, ELF_MAGIC, 4) != 0)
		return false;
	machine = uint_at(data, size, ELF_MACHINE, 2);
	buffer_printf(b, "%s, %s-endian, ", data[4] == 1 ? "ELF32" : data[4] == 2 ? "ELF64" : "ELF of unknown class",
		data[5] == 1 ? "little" : "big");
	if (machine == ELF_MACHINE_X86_64 || machine == ELF_MACHINE_386)
		buffer_printf(b, "for %s", machine == ELF_MACHINE_386 ? "i386" : "x86-64");
	else
		buffer_printf(b, "for machine %llu", (unsigned long long)machine);
	buffer_printf(b, ", %s", elf_type(uint_at(data, size, 16, 2)));
	return true;
}

static bool describe_bzimage(const uint8_t *data, uint64_t size, struct buffer *b)
{
	uint64_t version = uint_at(data, size, BZIMAGE_MAGIC_AT + 4, 2);

	if (uint_at(data, size, BZIMAGE_MAGIC_AT, 4) != BZIMAGE_MAGIC)
		return false;
	buffer_printf(b, "Linux bzImage, boot protocol %llu.%02llu", (unsigned long long)version >> 8,
		(unsigned long long)version & 0xFF);
	return true;
}

/* Right, but nobody's intention: what overwrites its data overwrites its code. */
static void describe_writable_code(const uint8_t *data, uint64_t size, struct buffer *b)
{
	_cleanup_(executable_freep) struct executable *x = NULL;
	struct executable_segment s;
	unsigned position = 0, first = 0, n = 0;

	if (executable_open(data, size, EXECUTABLE_KERNEL, &x, NULL) < 0)
		return;
	while (executable_next(x, &position, &s, NULL) > 0)
		if (s.writable && s.executable && n++ == 0)
			first = s.index;
	if (n > 0)
		buffer_printf(b, "; program header %u is writable and executable", first);
	if (n > 1)
		buffer_printf(b, ", and %u more are", n - 1);
}

static void describe_multiboot1(const uint8_t *data, uint64_t size, struct buffer *b)
{
	uint64_t limit = size < MULTIBOOT1_SEARCH ? size : MULTIBOOT1_SEARCH;

	for (uint64_t o = 0; range_within(o, 12, limit); o += 4)
		if (uint_at(data, size, o, 4) == MULTIBOOT1_MAGIC &&
			(uint32_t)(uint_at(data, size, o, 4) + uint_at(data, size, o + 4, 4) + uint_at(data, size, o + 8, 4)) == 0) {
			buffer_printf(b, "; Multiboot 1 header at 0x%llx", (unsigned long long)o);
			return;
		}
}

static void describe_multiboot2(const uint8_t *data, uint64_t size, struct buffer *b)
{
	struct image_header header;
	int r = image_header_read(data, size, &header, NULL);

	if (r < 0) { /* why is for who wants to boot it */
		buffer_append_string(b, r == -ENOENT ? "; no Multiboot2 header" : "; a faulty Multiboot2 header");
		return;
	}
	buffer_printf(b, "; Multiboot2 header at 0x%llx, %s HRT tag", (unsigned long long)header.offset,
		header.has_hrt ? "with" : "without");
	if (header.has_hrt)
		buffer_printf(b, " (hrt_flags 0x%llx, gva_offset 0x%llx)", (unsigned long long)header.hrt.hrt_flags,
			(unsigned long long)header.hrt.gva_offset);
}

void image_describe(const void *data, uint64_t size, struct buffer *b)
{
	if (!describe_elf(data, size, b) && !describe_bzimage(data, size, b))
		buffer_printf(b, "no ELF file and no bzImage");
	describe_writable_code(data, size, b);
	describe_multiboot1(data, size, b);
	describe_multiboot2(data, size, b);
}
