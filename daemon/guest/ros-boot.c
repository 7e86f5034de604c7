/* ros-boot.c - see ros-boot.h */
#include "guest/ros-boot.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "abi/multiboot2.h"
#include "abi/x86.h"
#include "base/buffer.h"
#include "base/checked.h"
#include "base/macro.h"
#include "guest/boot.h"
#include "guest/memory.h"
#include "guest/plan.h"

#define ADDRESS_END (4 * GiB) /* of what a kernel in 32-bit mode can reach */

static const struct ros_protocol *const protocols[] = {
	[KERNEL_MULTIBOOT2] = &ros_multiboot2,
	[KERNEL_MULTIBOOT1] = &ros_multiboot1,
	[KERNEL_PVH] = &ros_pvh,
	[KERNEL_LINUX] = &ros_linux,
};
static_assert(ARRAY_SIZE(protocols) == N_KERNEL_PROTOCOLS, "a protocol is not built");

unsigned ros_protocols(const struct vm_spec *spec)
{
	switch (spec->ros_protocol) {
	case SPEC_PROTOCOL_AUTO:
		return KERNEL_PROTOCOLS_ALL;
	case SPEC_PROTOCOL_MULTIBOOT2:
		return KERNEL_PROTOCOL_BIT(KERNEL_MULTIBOOT2);
	case SPEC_PROTOCOL_PVH:
		return KERNEL_PROTOCOL_BIT(KERNEL_PVH);
	case SPEC_PROTOCOL_LINUX:
		return KERNEL_PROTOCOL_BIT(KERNEL_LINUX);
	case SPEC_PROTOCOL_MULTIBOOT:
		return KERNEL_PROTOCOL_BIT(KERNEL_MULTIBOOT1);
	case N_SPEC_PROTOCOLS:
		break;
	}
	return 0;
}

int ros_boot_init(struct ros_boot *boot, const struct vm_spec *spec, const struct guest_file *files, struct error *e)
{
	const struct guest_file *kernel = &files[spec->ros_file];
	int r;

	assert(spec->ros_boots);
	*boot = (struct ros_boot){.spec = spec, .files = files};
	r = kernel_image_parse(kernel->data, kernel->size, ros_protocols(spec), &boot->kernel, e);
	return r < 0 ? error_prefix(e, r, "kernel \"%s\" of the ROS", spec->files[spec->ros_file].id) : 0;
}

/* --- The plan -------------------------------------------------------------- */

static struct plan_origin from_file(size_t file, uint64_t offset, uint64_t size)
{
	if (size == 0)
		return (struct plan_origin){.source = PLAN_ZERO};
	return (struct plan_origin){.source = PLAN_FILE, .file = (uint32_t)file, .offset = offset, .size = size};
}

static uint64_t kernel_end(const struct kernel_image *kernel)
{
	const struct image_segment *last = &kernel->segments[kernel->n_segments - 1];

	return last->gpa + last->memory_size;
}

/* Where it is linked, unless it prefers otherwise; never below 1 MiB unless it has to be there. */
static bool find_base(const struct kernel_image *kernel, const struct plan *plan, uint64_t *ret)
{
	uint64_t linked = kernel->segments[0].gpa, size = kernel_end(kernel) - linked;
	uint64_t min = kernel->min_gpa, max = kernel->max_gpa;

	if (kernel->preference == MULTIBOOT2_PREFER_NONE && linked >= min && range_within(linked, size, max) &&
		plan_find_room(plan, PLAN_LOWEST, size, kernel->align, linked, linked + size, ret))
		return true;
	if (min < PC_UPPER_START && range_within(PC_UPPER_START, size, max))
		min = PC_UPPER_START;
	return plan_find_room(plan, kernel->preference == MULTIBOOT2_PREFER_HIGHEST ? PLAN_HIGHEST : PLAN_LOWEST, size,
		kernel->align, min, max, ret);
}

/* Gives a kernel that may stand anywhere its place. */
static int place_kernel(struct ros_boot *boot, const struct plan *plan, struct error *e)
{
	struct kernel_image *kernel = &boot->kernel;
	uint64_t linked = kernel->segments[0].gpa, base;

	if (!kernel->relocatable)
		return 0;
	if (!find_base(kernel, plan, &base))
		return error_set(e, -ENOEXEC,
			"the ROS has no room for the kernel: it wants 0x%llx bytes at a multiple of 0x%llx within [0x%llx, 0x%llx); "
			"more memory for the ROS would be right",
			(unsigned long long)(kernel_end(kernel) - linked), (unsigned long long)kernel->align,
			(unsigned long long)kernel->min_gpa, (unsigned long long)kernel->max_gpa);
	for (size_t i = 0; i < kernel->n_segments; i++)
		kernel->segments[i].gpa += base - linked;
	kernel->entry += base - linked;
	boot->distance = base - linked;
	boot->moved = true;
	return 0;
}

static int plan_kernel(const struct ros_boot *boot, struct plan *plan, struct error *e)
{
	for (size_t i = 0; i < boot->kernel.n_segments; i++) {
		const struct image_segment *s = &boot->kernel.segments[i];
		struct plan_origin origin = from_file(boot->spec->ros_file, s->offset, s->file_size);
		int r;

		r = plan_take(plan, s->gpa, s->memory_size, &origin, e, "kernel %zu", i);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Above the kernel, as it grows with its boot; below it where it stands at the end of the memory, as Xen wants to. */
static bool find_module_room(const struct ros_boot *boot, const struct plan *plan, uint64_t size, uint64_t *ret)
{
	uint64_t above = kernel_end(&boot->kernel);

	if (above < PC_UPPER_START)
		above = PC_UPPER_START;
	return plan_find_room(plan, PLAN_LOWEST, size, PAGE_SIZE, above, ADDRESS_END, ret) ||
		plan_find_room(plan, PLAN_HIGHEST, size, PAGE_SIZE, PC_UPPER_START, ADDRESS_END, ret);
}

/* On pages of their own, above 1 MiB: low memory stays free for what the kernel starts other cores with. */
static int plan_module(struct ros_boot *boot, size_t n, struct plan *plan, struct error *e)
{
	const struct spec_module *module = &boot->spec->ros_modules.items[n];
	const struct guest_file *file = &boot->files[module->file];
	struct plan_origin origin = from_file(module->file, 0, file->size);

	if (file->size == 0)
		return 0;
	if (!find_module_room(boot, plan, file->size, &boot->modules[n]))
		return error_set(e, -ENOEXEC,
			"the ROS has no room for module %zu, \"%s\": 0x%llx bytes beside the kernel, between 1 MiB and 4 GiB; "
			"more memory for the ROS would be right",
			n, boot->spec->files[module->file].id, (unsigned long long)file->size);
	return plan_take(plan, boot->modules[n], file->size, &origin, e, "module %zu", n);
}

/* The page border below or at `max` + 1, in the memory that goes on from 1 MiB. */
static uint64_t initrd_limit(const struct ros_boot *boot, uint64_t max)
{
	uint64_t end = ros_upper_end(boot->spec);

	return max < end ? max + 1 : end;
}

int ros_plan_initrd(struct ros_boot *boot, struct plan *plan, uint64_t max, struct error *e)
{
	const struct guest_file *file = &boot->files[boot->spec->ros_initrd];
	const char *id = boot->spec->files[boot->spec->ros_initrd].id;
	uint64_t above = kernel_end(&boot->kernel), limit = initrd_limit(boot, max);
	struct plan_origin origin = from_file(boot->spec->ros_initrd, 0, file->size);

	if (!boot->spec->ros_has_initrd)
		return 0;
	if (file->size == 0)
		return error_set(e, -ENOEXEC, "the initrd \"%s\" is empty", id);
	if (!plan_find_room(plan, PLAN_HIGHEST, file->size, PAGE_SIZE, above, limit, &boot->initrd))
		return error_set(e, -ENOEXEC,
			"the initrd \"%s\" of 0x%llx bytes does not fit between the kernel's end, 0x%llx, and 0x%llx, where %s; "
			"more memory for the ROS or a smaller initrd would be right",
			id, (unsigned long long)file->size, (unsigned long long)above, (unsigned long long)limit,
			limit < ros_upper_end(boot->spec) ? "the kernel wants it to end" : "the memory ends");
	return plan_take(plan, boot->initrd, file->size, &origin, e, "initrd");
}

int ros_boot_plan(struct ros_boot *boot, struct plan *plan, struct error *e)
{
	int r;

	boot->plan = plan;
	r = place_kernel(boot, plan, e);
	if (r == 0)
		r = plan_kernel(boot, plan, e);
	if (r == 0)
		r = firmware_plan(boot->spec, plan, &boot->firmware, e);
	for (size_t n = 0; r == 0 && n < boot->spec->ros_modules.n; n++)
		r = plan_module(boot, n, plan, e);
	if (r == 0)
		r = protocols[boot->kernel.protocol]->plan(boot, plan, e);
	return r < 0 ? error_prefix(e, r, "kernel \"%s\" of the ROS", boot->spec->files[boot->spec->ros_file].id) : 0;
}

/* --- Bytes and registers ----------------------------------------------------- */

static void write_files(const struct ros_boot *boot, struct memory *memory)
{
	for (size_t i = 0; i < boot->plan->n_regions; i++) {
		const struct plan_region *r = &boot->plan->regions[i];
		uint8_t *p;

		if (!(r->access & PLAN_ROS) || r->origin.source != PLAN_FILE)
			continue;
		p = memory_at(memory, r->gpa, r->size);
		if (p)
			memcpy(p, boot->files[r->origin.file].data + r->origin.offset, r->origin.size);
	}
}

int ros_boot_write(const struct ros_boot *boot, struct memory *memory, struct error *e)
{
	int r;

	write_files(boot, memory);
	r = firmware_write(boot->spec, memory, e);
	if (r < 0)
		return r;
	return protocols[boot->kernel.protocol]->write(boot, memory, e);
}

void ros_boot_registers(const struct ros_boot *boot, struct boot_registers *ret)
{
	protocols[boot->kernel.protocol]->registers(boot, ret);
}

uint64_t ros_boot_entry(const struct ros_boot *boot)
{
	return boot->kernel.entry;
}

/* --- For the protocols ------------------------------------------------------- */

static void map_add(struct memory_map_entry *map, unsigned *n, uint64_t start, uint64_t end, uint32_t type)
{
	if (start < end)
		map[(*n)++] = (struct memory_map_entry){.gpa = start, .size = end - start, .type = type};
}

uint64_t ros_upper_end(const struct vm_spec *spec)
{
	return spec->ros_memory < DEVICE_HOLE_START ? spec->ros_memory : DEVICE_HOLE_START;
}

unsigned ros_memory_map(const struct vm_spec *spec, struct memory_map_entry ret[ROS_MAP_MAX])
{
	unsigned n = 0;

	map_add(ret, &n, 0, PC_LOWER_END, MULTIBOOT2_MEMORY_RAM);
	map_add(ret, &n, PC_LOWER_END, PC_UPPER_START, MULTIBOOT2_MEMORY_RESERVED);
	map_add(ret, &n, PC_UPPER_START, ros_upper_end(spec), MULTIBOOT2_MEMORY_RAM);
	map_add(ret, &n, DEVICE_HOLE_START, DEVICE_HOLE_END, MULTIBOOT2_MEMORY_RESERVED);
	map_add(ret, &n, DEVICE_HOLE_END, ram_end(spec->ros_memory), MULTIBOOT2_MEMORY_RAM);
	return n;
}

#define INFO_LOWEST (64 * KiB) /* below, kernels put the code that starts their other cores */
#define INFO_MAX    (128 * KiB) /* with all of SECTIONS_MAX */

int ros_plan_info(struct ros_boot *boot, struct plan *plan, ros_append_fn append, struct error *e)
{
	struct buffer b __attribute__((cleanup(buffer_fini))) = BUFFER_INIT(INFO_MAX);
	struct plan_origin origin = {.source = PLAN_GENERATED};

	append(boot, &b);
	if (!buffer_ok(&b))
		return error_set(e, -ENOEXEC, "what the kernel is told has more than %llu bytes; shorter command lines of its "
			"modules would be right", INFO_MAX);
	if (!plan_find_room(plan, PLAN_LOWEST, b.size, PAGE_SIZE, INFO_LOWEST, PC_LOWER_END, &boot->info) &&
		!plan_find_room(plan, PLAN_LOWEST, b.size, PAGE_SIZE, PC_UPPER_START, ADDRESS_END, &boot->info))
		return error_set(e, -ENOEXEC, "the ROS has no room for the 0x%zx bytes that tell the kernel of its machine; more "
			"memory for the ROS would be right", b.size);
	return plan_take(plan, boot->info, b.size, &origin, e, "information");
}

int ros_write_info(const struct ros_boot *boot, struct memory *memory, ros_append_fn append, struct error *e)
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

/* What a GDT would say of these; there is none until the kernel makes its own (Multiboot2 3.3). */
#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define TSS_LIMIT     0x67u /* of the smallest: SDM volume 3A, 7.2.2 */

void ros_registers_32(const struct ros_boot *boot, struct boot_registers *ret)
{
	*ret = (struct boot_registers){
		.rip = boot->kernel.entry,
		.rflags = RFLAGS_RESERVED,
		.cr0 = CR0_ET | CR0_PE,
		/* Accessed and busy, since VMX takes no others (SDM volume 3C, 27.3.1.2). */
		.cs = {.selector = SELECTOR_CODE, .limit = UINT32_MAX, .type = 0xB, .s = 1, .present = 1, .db = 1, .g = 1},
		.data = {.selector = SELECTOR_DATA, .limit = UINT32_MAX, .type = 0x3, .s = 1, .present = 1, .db = 1, .g = 1},
		.tr = {.limit = TSS_LIMIT, .type = 0xB, .present = 1},
		.ldt = {.unusable = 1},
	};
}
