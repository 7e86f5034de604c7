/*
 * ros-linux.c - a ROS by Linux's boot protocol: boot.rst, "64-bit BOOT PROTOCOL" and "32-bit BOOT PROTOCOL"
 *
 * What the kernel is told stands at the very beginning of memory, where no kernel lies:
 *
 *	0x1000    GDT
 *	0x2000    zero page
 *	0x3000    command line
 *	0x4000    page tables of a kernel that is entered in 64-bit mode: the first 4 GiB as they are
 *
 * It looks at all of that before it takes memory for itself, the first pages included.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>

#include "abi/linux-boot.h"
#include "abi/x86.h"
#include "base/macro.h"
#include "guest/boot.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "guest/platform.h"
#include "guest/ros-boot.h"

#define GDT_AT         0x1000u
#define ZERO_PAGE_AT   0x2000u
#define CMDLINE_AT     0x3000u
#define PAGE_TABLES_AT 0x4000u

/* A PML4, a PDPT, and four PDs of 2 MiB pages */
#define PDS              4u
#define ENTRIES          512u
#define PAGE_TABLES_SIZE ((2 + PDS) * PAGE_SIZE)

/* Two nulls, code, data, and a TSS, which has two places in 64-bit mode */
#define GDT_SIZE     0x30u
#define TSS_SELECTOR 0x20u
#define TSS_LIMIT    0x67u

static_assert(SPEC_CMDLINE_MAX < PAGE_SIZE, "a command line outgrows its page");

/* --- The plan ------------------------------------------------------------------ */

static int check_cmdline(const struct ros_boot *boot, struct error *e)
{
	size_t size = boot->spec->ros_cmdline ? strlen(boot->spec->ros_cmdline) : 0;

	if (size <= boot->kernel.bzimage.cmdline_max)
		return 0;
	return error_set(e, -ENOEXEC, "the command line has %zu bytes; the kernel takes %u (cmdline_size)", size,
		boot->kernel.bzimage.cmdline_max);
}

static int take(struct plan *plan, uint64_t gpa, uint64_t size, const char *name, struct error *e)
{
	static const struct plan_origin generated = {.source = PLAN_GENERATED};

	return plan_take(plan, gpa, size, &generated, e, "%s", name);
}

static int plan_linux(struct ros_boot *boot, struct plan *plan, struct error *e)
{
	int r;

	r = check_cmdline(boot, e);
	if (r == 0)
		r = take(plan, GDT_AT, GDT_SIZE, "gdt of the ros", e);
	if (r == 0)
		r = take(plan, ZERO_PAGE_AT, PAGE_SIZE, "zero page", e);
	if (r == 0)
		r = take(plan, CMDLINE_AT, PAGE_SIZE, "command line", e);
	if (r == 0 && boot->kernel.bzimage.entry_64)
		r = take(plan, PAGE_TABLES_AT, PAGE_TABLES_SIZE, "page tables of the ros", e);
	if (r < 0)
		return r;
	boot->info = ZERO_PAGE_AT;
	return ros_plan_initrd(boot, plan, boot->kernel.bzimage.initrd_max, e);
}

/* --- Bytes ----------------------------------------------------------------------- */

static void *at(struct memory *memory, uint64_t gpa, uint64_t size)
{
	void *p = memory_at(memory, gpa, size);

	assert(p); /* the planner has granted it */
	return p;
}

/* Descriptors: SDM volume 3A, 3.4.5; accessed and busy, as the registers say. */
static void write_gdt(bool wide, struct memory *memory)
{
	uint64_t *gdt = at(memory, GDT_AT, GDT_SIZE);

	gdt[LINUX_BOOT_CS / 8] = wide ? 0x00AF9B000000FFFF : 0x00CF9B000000FFFF;
	gdt[LINUX_BOOT_DS / 8] = 0x00CF93000000FFFF;
	gdt[TSS_SELECTOR / 8] = 0x00008B0000000000 | TSS_LIMIT;
}

static void write_page_tables(struct memory *memory)
{
	uint64_t *pml4 = at(memory, PAGE_TABLES_AT, PAGE_TABLES_SIZE);
	uint64_t *pdpt = pml4 + ENTRIES, *pd = pdpt + ENTRIES;
	const uint64_t bits = PTE_PRESENT | PTE_WRITABLE;

	pml4[0] = (PAGE_TABLES_AT + PAGE_SIZE) | bits;
	for (uint64_t i = 0; i < PDS; i++)
		pdpt[i] = (PAGE_TABLES_AT + (2 + i) * PAGE_SIZE) | bits;
	for (uint64_t i = 0; i < PDS * ENTRIES; i++)
		pd[i] = (i * 2 * MiB) | bits | PTE_LARGE;
}

/* A vmlinux has no header; what the kernel looks for in it is that there is one. */
static const struct linux_setup_header no_header = {
	.boot_flag = LINUX_BOOT_FLAG,
	.header = LINUX_HEADER_MAGIC,
	.version = 0x020F,
	.loadflags = LINUX_LOADED_HIGH,
	.kernel_alignment = 2 * MiB,
};

static void write_map(const struct ros_boot *boot, struct linux_zero_page *page)
{
	struct memory_map_entry map[ROS_MAP_MAX];
	unsigned n = ros_memory_map(boot->spec, map);

	for (unsigned i = 0; i < n; i++)
		page->e820_table[i] =
			(struct linux_e820_entry){.addr = map[i].gpa, .size = map[i].size, .type = map[i].type};
	page->e820_entries = (uint8_t)n;
}

static void write_zero_page(const struct ros_boot *boot, struct memory *memory)
{
	const struct linux_image *image = &boot->kernel.bzimage;
	struct linux_zero_page *page = at(memory, ZERO_PAGE_AT, sizeof(*page));

	page->hdr = image->has_header ? image->header : no_header;
	page->hdr.type_of_loader = LINUX_LOADER_OTHER;
	page->hdr.cmd_line_ptr = CMDLINE_AT;
	if (boot->initrd) {
		page->hdr.ramdisk_image = (uint32_t)boot->initrd;
		page->hdr.ramdisk_size = (uint32_t)boot->files[boot->spec->ros_initrd].size;
	}
	page->acpi_rsdp_addr = PLATFORM_ACPI_GPA;
	write_map(boot, page);
}

static int write_linux(const struct ros_boot *boot, struct memory *memory, struct error *e)
{
	const char *cmdline = boot->spec->ros_cmdline ? boot->spec->ros_cmdline : "";

	(void)e;
	write_zero_page(boot, memory);
	strcpy(at(memory, CMDLINE_AT, PAGE_SIZE), cmdline);
	write_gdt(boot->kernel.bzimage.entry_64, memory);
	if (boot->kernel.bzimage.entry_64)
		write_page_tables(memory);
	return 0;
}

/* --- Registers -------------------------------------------------------------------- */

static void to_64_bit_mode(struct boot_registers *registers)
{
	registers->cr0 |= CR0_PG;
	registers->cr3 = PAGE_TABLES_AT;
	registers->cr4 |= CR4_PAE;
	registers->efer = EFER_LMA | EFER_LME;
	registers->cs.l = 1;
	registers->cs.db = 0;
}

static void registers_linux(const struct ros_boot *boot, struct boot_registers *ret)
{
	ros_registers_32(boot, ret);
	ret->cs.selector = LINUX_BOOT_CS;
	ret->data.selector = LINUX_BOOT_DS;
	ret->tr.selector = TSS_SELECTOR;
	ret->gdt_base = GDT_AT;
	ret->gdt_limit = GDT_SIZE - 1;
	ret->rsi = ZERO_PAGE_AT;
	if (boot->kernel.bzimage.entry_64)
		to_64_bit_mode(ret);
}

const struct ros_protocol ros_linux = {
	.plan = plan_linux,
	.write = write_linux,
	.registers = registers_linux,
};
