/*
 * ros-multiboot2.c - a ROS by the Multiboot2 Specification 2.0
 *
 * Section 3.3 says which registers, 3.6 what the kernel is told.
 */
#include "abi/multiboot2.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "guest/boot.h"
#include "guest/ros-boot.h"

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
		.sections = ros_told_sections(boot, &headers),
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
	int r = ros_plan_sections(boot, plan, e);

	return r < 0 ? r : ros_plan_info(boot, plan, append, e);
}

static int write_all(const struct ros_boot *boot, struct memory *memory, struct error *e)
{
	ros_write_sections(boot, memory);
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
