/*
 * ros-multiboot2.c - a ROS by the Multiboot2 Specification 2.0
 *
 * Section 3.3 says which registers, 3.6 what the kernel is told. The information
 * block stands in low memory where there is room, as boot loaders put it, and
 * otherwise right above 1 MiB.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "abi/multiboot2.h"
#include "abi/x86.h"
#include "base/buffer.h"
#include "base/macro.h"
#include "guest/boot.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "guest/ros-boot.h"

#define INFO_LOWEST (64 * KiB) /* below, kernels put the code that starts their other cores */
#define INFO_MAX    (64 * KiB)

static void append(const struct ros_boot *boot, struct buffer *b)
{
	const struct spec_modules *modules = &boot->spec->ros_modules;
	struct info_module told[SPEC_MODULES_MAX];
	struct memory_map_entry map[ROS_MAP_MAX];
	struct info info = {
		.cmdline = boot->spec->ros_cmdline ? boot->spec->ros_cmdline : "",
		.modules = told,
		.n_modules = modules->n,
		.upper_end = ros_upper_end(boot->spec),
		.map = map,
		.n_map = ros_memory_map(boot->spec, map),
		.rsdp = boot->firmware.rsdp,
		.rsdp_size = sizeof(boot->firmware.rsdp),
	};

	for (size_t i = 0; i < modules->n; i++)
		told[i] = (struct info_module){
			.start = (uint32_t)boot->modules[i],
			.end = (uint32_t)(boot->modules[i] + boot->files[modules->items[i].file].size),
			.cmdline = modules->items[i].cmdline,
		};
	info_append(&info, b);
}

static int plan_info(struct ros_boot *boot, struct plan *plan, struct error *e)
{
	struct buffer b __attribute__((cleanup(buffer_fini))) = BUFFER_INIT(INFO_MAX);
	struct plan_origin origin = {.source = PLAN_GENERATED};

	append(boot, &b);
	if (!buffer_ok(&b))
		return error_set(e, -ENOEXEC, "what the kernel is told has more than %llu bytes; shorter command lines of its "
			"modules would be right", INFO_MAX);
	if (!plan_find_room(plan, PLAN_LOWEST, b.size, PAGE_SIZE, INFO_LOWEST, PC_LOWER_END, &boot->info) &&
		!plan_find_room(plan, PLAN_LOWEST, b.size, PAGE_SIZE, PC_UPPER_START, 4 * GiB, &boot->info))
		return error_set(e, -ENOEXEC, "the ROS has no room for the 0x%zx bytes that tell the kernel of its machine; more "
			"memory for the ROS would be right", b.size);
	return plan_take(plan, boot->info, b.size, &origin, e, "information");
}

static int write_info(const struct ros_boot *boot, struct memory *memory, struct error *e)
{
	struct buffer b __attribute__((cleanup(buffer_fini))) = BUFFER_INIT(INFO_MAX);
	void *p;

	append(boot, &b);
	if (!buffer_ok(&b))
		return error_set_errno(e, -ENOMEM, "writing what the kernel is told");
	p = memory_at(memory, boot->info, b.size);
	assert(p);
	memcpy(p, b.data, b.size);
	return 0;
}

static void registers(const struct ros_boot *boot, struct boot_registers *ret)
{
	ros_registers_32(boot, ret);
	ret->rax = MULTIBOOT2_BOOT_MAGIC;
	ret->rbx = boot->info;
}

const struct ros_protocol ros_multiboot2 = {
	.plan = plan_info,
	.write = write_info,
	.registers = registers,
};
