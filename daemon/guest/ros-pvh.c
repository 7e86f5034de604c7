/*
 * ros-pvh.c - a ROS by the PVH protocol: Xen's docs/misc/pvh.pandoc
 *
 * One page at the beginning of memory has the start info, its lists and the command line.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "abi/pvh.h"
#include "abi/x86.h"
#include "base/macro.h"
#include "guest/boot.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "guest/platform.h"
#include "guest/ros-boot.h"

#define INFO_AT    0x1000u
#define INITRD_MAX 0xFFFFFFFFull /* Linux keeps 32 bits of what it is told */

struct page {
	struct pvh_start_info info;
	uint64_t padding;
	struct pvh_module initrd;
	struct pvh_memory map[ROS_MAP_MAX];
	char cmdline[SPEC_CMDLINE_MAX + 1];
};
static_assert(sizeof(struct page) <= PAGE_SIZE, "the start info outgrows its page");

static int plan_pvh(struct ros_boot *boot, struct plan *plan, struct error *e)
{
	static const struct plan_origin generated = {.source = PLAN_GENERATED};
	int r;

	r = plan_take(plan, INFO_AT, PAGE_SIZE, &generated, e, "start info");
	if (r < 0)
		return r;
	boot->info = INFO_AT;
	return ros_plan_initrd(boot, plan, INITRD_MAX, e);
}

static void write_map(const struct ros_boot *boot, struct page *page)
{
	struct memory_map_entry map[ROS_MAP_MAX];
	unsigned n = ros_memory_map(boot->spec, map);

	for (unsigned i = 0; i < n; i++)
		page->map[i] = (struct pvh_memory){.addr = map[i].gpa, .size = map[i].size, .type = map[i].type};
	page->info.memmap_paddr = INFO_AT + offsetof(struct page, map);
	page->info.memmap_entries = n;
}

static int write_pvh(const struct ros_boot *boot, struct memory *memory, struct error *e)
{
	struct page *page = memory_at(memory, INFO_AT, PAGE_SIZE);

	(void)e;
	assert(page);
	page->info.magic = PVH_START_MAGIC;
	page->info.version = PVH_START_VERSION;
	page->info.rsdp_paddr = PLATFORM_ACPI_GPA;
	page->info.cmdline_paddr = INFO_AT + offsetof(struct page, cmdline);
	strcpy(page->cmdline, boot->spec->ros_cmdline ? boot->spec->ros_cmdline : "");
	if (boot->initrd) {
		page->initrd.paddr = boot->initrd;
		page->initrd.size = boot->files[boot->spec->ros_initrd].size;
		page->info.modlist_paddr = INFO_AT + offsetof(struct page, initrd);
		page->info.nr_modules = 1;
	}
	write_map(boot, page);
	return 0;
}

static void registers_pvh(const struct ros_boot *boot, struct boot_registers *ret)
{
	ros_registers_32(boot, ret);
	ret->rbx = INFO_AT;
}

const struct ros_protocol ros_pvh = {
	.plan = plan_pvh,
	.write = write_pvh,
	.registers = registers_pvh,
};
