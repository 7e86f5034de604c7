/*
 * ros-multiboot2.c - a ROS by the Multiboot2 Specification 2.0
 *
 * Section 3.3 says which registers, 3.6 what the kernel is told.
 */
#include <errno.h>
#include <stdlib.h>

#include "abi/multiboot2.h"
#include "abi/x86.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "guest/boot.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "guest/ros-boot.h"

/* --- ELF sections: 3.6.7 ------------------------------------------------------- */

static const uint8_t *kernel_file(const struct ros_boot *boot)
{
	return boot->files[boot->spec->ros_file].data;
}

/*
 * Symbols and the like, at the end of the memory, where they are in nobody's way.
 * Who has not asked for them, and has no room for them, is not told.
 */
static int plan_sections(struct ros_boot *boot, struct plan *plan, struct error *e)
{
	static const struct plan_origin origin = {.source = PLAN_GENERATED};
	struct image_sections *s = &boot->kernel.sections;

	if (s->size == 0)
		return 0;
	if (plan_find_room(plan, PLAN_HIGHEST, s->size, PAGE_SIZE, PC_UPPER_START, ros_upper_end(boot->spec), &boot->sections))
		return plan_take(plan, boot->sections, s->size, &origin, e, "elf sections");
	if (boot->kernel.multiboot2.info_required & IMAGE_INFO(MULTIBOOT2_INFO_ELF_SECTIONS))
		return error_set(e, -ENOEXEC,
			"the ROS has no room for the ELF sections that the kernel requires: 0x%llx bytes above 1 MiB; more memory for "
			"the ROS, or a kernel without debugging information, would be right",
			(unsigned long long)s->size);
	*s = (struct image_sections){0};
	return 0;
}

static void write_sections(const struct ros_boot *boot, struct memory *memory)
{
	const struct image_sections *s = &boot->kernel.sections;
	uint8_t *p = s->size ? memory_at(memory, boot->sections, s->size) : NULL;

	if (p)
		sections_copy(kernel_file(boot), s, p);
}

/* The headers are owned by *ret_headers. */
static struct info_sections told_sections(const struct ros_boot *boot, uint8_t **ret_headers)
{
	const struct image_sections *s = &boot->kernel.sections;

	*ret_headers = s->n ? calloc(s->n, s->header_size) : NULL;
	if (!*ret_headers)
		return (struct info_sections){0};
	sections_headers(kernel_file(boot), s, boot->distance, boot->sections, *ret_headers);
	return (struct info_sections){.headers = *ret_headers, .n = s->n, .header_size = s->header_size, .names = s->names};
}

/* --- What it is told ------------------------------------------------------------ */

static void append(const struct ros_boot *boot, struct buffer *b)
{
	const struct spec_modules *modules = &boot->spec->ros_modules;
	struct info_module told[SPEC_MODULES_MAX];
	struct memory_map_entry map[ROS_MAP_MAX];
	_cleanup_free_ uint8_t *headers = NULL;
	struct info info = {
		.cmdline = boot->spec->ros_cmdline ? boot->spec->ros_cmdline : "",
		.modules = told,
		.n_modules = modules->n,
		.upper_end = ros_upper_end(boot->spec),
		.map = map,
		.n_map = ros_memory_map(boot->spec, map),
		.sections = told_sections(boot, &headers),
		.rsdp = boot->firmware.rsdp,
		.has_load_base = boot->moved,
		.load_base = (uint32_t)boot->kernel.segments[0].gpa,
	};

	for (size_t i = 0; i < modules->n; i++)
		told[i] = (struct info_module){
			.start = (uint32_t)boot->modules[i],
			.end = (uint32_t)(boot->modules[i] + boot->files[modules->items[i].file].size),
			.cmdline = modules->items[i].cmdline,
		};
	if (boot->kernel.sections.n && !headers)
		b->failed = true; /* memory was short */
	info_append(&info, b);
}

static int plan_all(struct ros_boot *boot, struct plan *plan, struct error *e)
{
	int r = plan_sections(boot, plan, e);

	return r < 0 ? r : ros_plan_info(boot, plan, append, e);
}

static int write_all(const struct ros_boot *boot, struct memory *memory, struct error *e)
{
	write_sections(boot, memory);
	return ros_write_info(boot, memory, append, e);
}

static void registers(const struct ros_boot *boot, struct boot_registers *ret)
{
	ros_registers_32(boot, ret);
	ret->rax = MULTIBOOT2_BOOT_MAGIC;
	ret->rbx = boot->info;
}

const struct ros_protocol ros_multiboot2 = {
	.plan = plan_all,
	.write = write_all,
	.registers = registers,
};
