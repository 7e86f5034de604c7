/*
 * ros-multiboot1.c - a ROS by the Multiboot Specification 0.6.96
 *
 * Section 3.2 says which registers, 3.3 what the kernel is told. Structure,
 * lists and strings are one run of bytes, full of pointers into itself:
 *
 *	information   flags, memory, pointers to the following
 *	modules       start, end, string of each
 *	memory map
 *	headers of the kernel's ELF sections
 *	strings       the modules', the command line, the loader's name
 */
#include <string.h>

#include "abi/multiboot1.h"
#include "abi/x86.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "guest/boot.h"
#include "guest/ros-boot.h"

#define INFO_FLAGS                                                                                              \
	(MULTIBOOT1_INFO_MEMORY | MULTIBOOT1_INFO_CMDLINE | MULTIBOOT1_INFO_MODULES | MULTIBOOT1_INFO_MEMORY_MAP | \
		MULTIBOOT1_INFO_LOADER_NAME)

#define LOADER_NAME "hvmd " PACKAGE_VERSION

/* Where the next byte will stand. */
static uint64_t here(const struct ros_boot *boot, const struct buffer *b)
{
	return boot->info + b->size;
}

static void put_word(struct buffer *b, size_t offset, uint64_t value)
{
	buffer_put_uint(b, offset, value, 4);
}

/* Appends a string and puts its address at `offset`. */
static void append_string(const struct ros_boot *boot, const char *text, size_t offset, struct buffer *b)
{
	put_word(b, offset, here(boot, b));
	buffer_append(b, text, strlen(text) + 1);
}

/* Returns the offset of the first; the pointers to their strings are still 0. */
static size_t append_modules(const struct ros_boot *boot, struct buffer *b)
{
	const struct spec_modules *modules = &boot->spec->ros_modules;
	size_t first = b->size;

	for (size_t i = 0; i < modules->n; i++) {
		buffer_append_uint(b, boot->modules[i], 4);
		buffer_append_uint(b, boot->modules[i] + boot->files[modules->items[i].file].size, 4);
		buffer_append_zeros(b, MULTIBOOT1_MODULE_SIZE - 8);
	}
	return first;
}

/* Returns its bytes. */
static size_t append_map(const struct ros_boot *boot, struct buffer *b)
{
	struct memory_map_entry map[ROS_MAP_MAX];
	unsigned n = ros_memory_map(boot->spec, map);
	size_t start = b->size;

	for (unsigned i = 0; i < n; i++) {
		buffer_append_uint(b, MULTIBOOT1_MAP_SIZE, 4);
		buffer_append_uint(b, map[i].gpa, 8);
		buffer_append_uint(b, map[i].size, 8);
		buffer_append_uint(b, map[i].type, 4); /* the numbers of both standards are the same */
	}
	return b->size - start;
}

/* Of a kernel that is an ELF file, and is loaded as one. */
static void append_sections(const struct ros_boot *boot, struct buffer *b)
{
	_cleanup_free_ uint8_t *headers = NULL;
	struct info_sections s = ros_told_sections(boot, &headers);

	if (boot->kernel.sections.n && !headers)
		b->failed = true; /* memory was short */
	if (s.n == 0)
		return;
	put_word(b, 0, INFO_FLAGS | MULTIBOOT1_INFO_ELF_SECTIONS);
	put_word(b, 28, s.n);
	put_word(b, 32, s.header_size);
	put_word(b, 36, here(boot, b));
	put_word(b, 40, s.names);
	buffer_append(b, s.headers, (size_t)s.n * s.header_size);
}

static void append(const struct ros_boot *boot, struct buffer *b)
{
	const struct spec_modules *modules = &boot->spec->ros_modules;
	size_t first;

	buffer_append_zeros(b, MULTIBOOT1_INFO_SIZE);
	put_word(b, 0, INFO_FLAGS);
	put_word(b, 4, PC_LOWER_END / KiB);
	put_word(b, 8, (ros_upper_end(boot->spec) - PC_UPPER_START) / KiB);
	put_word(b, 20, modules->n);
	put_word(b, 24, here(boot, b));
	first = append_modules(boot, b);
	put_word(b, 48, here(boot, b));
	put_word(b, 44, append_map(boot, b));
	append_sections(boot, b);
	for (size_t i = 0; i < modules->n; i++)
		append_string(boot, modules->items[i].cmdline ? modules->items[i].cmdline : "",
			first + i * MULTIBOOT1_MODULE_SIZE + 8, b);
	append_string(boot, boot->spec->ros_cmdline ? boot->spec->ros_cmdline : "", 16, b);
	append_string(boot, LOADER_NAME, 64, b);
}

static int plan_info(struct ros_boot *boot, struct plan *plan, struct error *e)
{
	int r = ros_plan_sections(boot, plan, e);

	return r < 0 ? r : ros_plan_info(boot, plan, append, e);
}

static int write_info(const struct ros_boot *boot, struct memory *memory, struct error *e)
{
	ros_write_sections(boot, memory);
	return ros_write_info(boot, memory, append, e);
}

static void registers(const struct ros_boot *boot, struct boot_registers *ret)
{
	ros_registers_32(boot, ret);
	ret->rax = MULTIBOOT1_BOOT_MAGIC;
	ret->rbx = boot->info;
}

const struct ros_protocol ros_multiboot1 = {
	.plan = plan_info,
	.write = write_info,
	.registers = registers,
};
