/*
 * plan-hrt.c - planning the boot of an HRT; see plan.h
 *
 * In three steps: what is granted (granule, map), where the boot state stands
 * (arithmetic only, from the end of RAM downwards), and the list of regions, in
 * which every overlap shows once it is sorted.
 */
#include <assert.h>
#include <errno.h>

#include "abi/hrt.h"
#include "abi/x86.h"
#include "base/buffer.h"
#include "base/checked.h"
#include "base/error.h"
#include "guest/hrt-info.h"
#include "guest/hrt.h"
#include "guest/memory.h"
#include "guest/paging.h"
#include "guest/place.h"
#include "guest/regions.h"
#include "image/hrt.h"
#include "spec/spec.h"

#define ULL(x)  ((unsigned long long)(x))

#define LOAD_BASE_SIZE 16u /* bytes of a tag that is there once the image has a place */

#define MAP_MIN (4 * GiB) /* so that the devices' registers are mapped [spec 2.4] */

/* [spec 2.2], variant A */
#define SEED_MAP       (1 * GiB) /* mapped, and the boot state's upper bound */
#define SEED_STACK     0x4000u   /* bytes reserved for the one stack */
#define SEED_INFO_MAX  0x2000u   /* of which the information block gets as much */
#define SEED_FIXED     (5 * PAGE_SIZE) /* handler, IDT, GDT, TSS, boundary page; the page tables come to it */

/* GPA just above the boot state. */
static uint64_t boot_state_end(const struct vm_spec *spec)
{
	uint64_t end = round_down(ram_end(spec->memory), PAGE_SIZE);

	return spec->hrt_layout == SPEC_LAYOUT_SEED && end > SEED_MAP ? SEED_MAP : end;
}

/* Bytes of the seed's one stack. */
static uint64_t seed_stack(const struct vm_spec *spec)
{
	return spec->hrt_stack > SEED_STACK ? spec->hrt_stack : SEED_STACK;
}

uint64_t plan_seed_image_end(const struct vm_spec *spec)
{
	uint64_t tables = paging_table_pages(SEED_MAP, hrt_seed_granule(spec)) * PAGE_SIZE;

	return boot_state_end(spec) - SEED_FIXED - tables - seed_stack(spec);
}

/* --- What is granted ------------------------------------------------------ */

static uint64_t granule_size(uint64_t flags)
{
	switch (flags) {
	case HVM_FLAG_MAP_1GB:
		return GiB;
	case HVM_FLAG_MAP_2MB:
		return 2 * MiB;
	default:
		return 4 * KiB;
	}
}

/* The most that can be mapped: what half a PML4 has, and what the processor can address. */
static uint64_t map_max(const struct hrt_source *source)
{
	uint64_t addressable = 1ull << (source->processor.physical_bits ? source->processor.physical_bits : HRT_PHYSICAL_BITS);

	return addressable < PLAN_MAP_MAX ? addressable : PLAN_MAP_MAX;
}

/* Palacios would map up to a whole granule more than it says; we say what we map. */
static uint64_t map_size(uint64_t wanted, uint64_t flags, uint64_t max)
{
	if (wanted >= max)
		return max;
	return round_up(wanted < MAP_MIN ? MAP_MIN : wanted, granule_size(flags));
}

static void grant_map(const struct hrt_source *source, struct plan *plan)
{
	const struct hrt_image *image = source->image;

	plan->flags = image->flags;
	if (image->flags == HVM_FLAG_MAP_1GB && !source->processor.gigabyte_pages)
		plan->flags = HVM_FLAG_MAP_2MB;
	plan->map_bytes = map_size(image->max_mem_to_map, plan->flags, map_max(source));
	if (plan->layout == SPEC_LAYOUT_SEED)
		plan->map_bytes = SEED_MAP;
}

static enum plan_access access_to_ros(enum spec_access wish)
{
	switch (wish) {
	case SPEC_ACCESS_RW:
		return PLAN_BOTH;
	case SPEC_ACCESS_RO:
		return PLAN_HRT_READS;
	case SPEC_ACCESS_NONE:
	case N_SPEC_ACCESSES:
		break;
	}
	return PLAN_ROS;
}

static void grant(const struct hrt_source *source, struct plan *plan)
{
	const struct hrt_image *image = source->image;
	const struct vm_spec *spec = source->spec;

	plan->layout = spec->hrt_layout;
	plan->ros_bytes = spec->ros_memory;
	plan->ros_access = access_to_ros(spec->hrt_ros_memory);
	plan->ram_bytes = spec->memory;
	plan->end = boot_state_end(spec);
	plan->n_cores = spec->cores;
	plan->first_hrt_core = spec->ros_cores;
	plan->n_hrt_cores = spec->cores - spec->ros_cores;
	plan->n_modules = spec->hrt_modules.n;
	plan->stack_size = spec->hrt_stack;
	grant_map(source, plan);
	plan->gva_offset = image->gva_offset;
	plan->identity = spec->hrt_identity && image->gva_offset != 0;
	plan->entry_gva = image->entry_gva;
	plan->multiboot = image->multiboot;
	plan->comm_page = image->comm_page_gpa;
	plan->int_vector = image->int_vector;
}

/* --- Where the boot state stands ------------------------------------------ */

/* Lowest GPA that the boot state may use: the HRT's memory in one piece with END. */
static uint64_t boot_floor(const struct plan *plan)
{
	if (plan->end > DEVICE_HOLE_START)
		return DEVICE_HOLE_END;
	return plan->ros_bytes;
}

static uint64_t round_up_to_page(uint64_t size)
{
	return round_up(size, PAGE_SIZE);
}

/* The information block before anything has its place: no larger one will come. */
static uint64_t info_bound(const struct plan *plan, const struct hrt_source *source)
{
	return hrt_info_size(plan, source) + MEMORY_MAP_MAX * sizeof(struct memory_map_entry) + LOAD_BASE_SIZE;
}

static int check_room(const struct plan *plan, uint64_t needed, struct error *e)
{
	uint64_t floor = boot_floor(plan), room = plan->end > floor ? plan->end - floor : 0;

	if (needed <= room)
		return 0;
	return error_set(e, -EADDRINUSE,
		"the boot state needs 0x%llx bytes below 0x%llx, 0x%llx of them for page tables that map 0x%llx bytes "
		"by pages of 0x%llx; the HRT's memory there, [0x%llx, 0x%llx), has only 0x%llx: give the VM more memory, or let "
		"the image ask for larger pages",
		ULL(needed), ULL(plan->end), ULL(plan->page_table_pages * PAGE_SIZE), ULL(plan->map_bytes),
		ULL(granule_size(plan->flags)), ULL(plan->end - room), ULL(plan->end), ULL(room));
}

/* What both layouts have at the top. */
static void place_tables(struct plan *plan)
{
	plan->handler = plan->end - 1 * PAGE_SIZE;
	plan->idt = plan->end - 2 * PAGE_SIZE;
	plan->gdt = plan->end - 3 * PAGE_SIZE;
	plan->tss = plan->end - 4 * PAGE_SIZE;
	plan->page_tables = plan->tss - plan->page_table_pages * PAGE_SIZE;
}

/* No sum here overflows: PLAN_MAP_MAX, SPEC_CORES_MAX. */
static int place_final(struct plan *plan, const struct hrt_source *source, struct error *e)
{
	uint64_t info = round_up_to_page(info_bound(plan, source)), stacks = plan->n_hrt_cores * plan->stack_size;
	int r = check_room(plan, (4 + plan->page_table_pages) * PAGE_SIZE + info + stacks, e);

	if (r < 0)
		return r;
	place_tables(plan);
	plan->stacks_end = plan->info = plan->page_tables - info;
	plan->stacks = plan->info - stacks;
	return 0;
}

/* All cores have one stack, below a page of 0xFF; the information block comes onto it once its size is known. */
static int place_seed(struct plan *plan, const struct hrt_source *source, struct error *e)
{
	uint64_t stack = seed_stack(source->spec);
	int r = check_room(plan, SEED_FIXED + plan->page_table_pages * PAGE_SIZE + stack, e);

	if (r < 0)
		return r;
	place_tables(plan);
	plan->stacks_end = plan->boundary = plan->page_tables - PAGE_SIZE;
	plan->stack_size = stack;
	plan->stacks = plan->boundary - stack;
	return 0;
}

static int place_boot_state(struct plan *plan, const struct hrt_source *source, struct error *e)
{
	plan->page_table_pages = paging_table_pages(plan->map_bytes, plan->flags);
	return plan->layout == SPEC_LAYOUT_SEED ? place_seed(plan, source, e) : place_final(plan, source, e);
}

static int push_seed_info(struct plan *plan, const struct hrt_source *source, struct error *e)
{
	uint64_t size = hrt_info_size(plan, source);

	if (plan->layout != SPEC_LAYOUT_SEED)
		return 0;
	if (size > SEED_INFO_MAX)
		return error_set(e, -ENOEXEC,
			"the information block has %llu bytes, and in the seed layout stands on the stack of %llu: at most %u would "
			"be right, with a shorter command line or fewer modules",
			ULL(size), ULL(plan->stack_size), SEED_INFO_MAX);
	plan->info = plan->boundary - size;
	return 0;
}

/* --- What is handed over beside the image ---------------------------------- */

static uint64_t module_size(const struct hrt_source *source, size_t n)
{
	return source->files ? source->files[source->spec->hrt_modules.items[n].file].size : 0;
}

/* Bytes of modules and sections, each from a page of its own. No sum overflows: files are in memory. */
static uint64_t handed_size(const struct hrt_source *source)
{
	uint64_t size = 0;

	for (size_t i = 0; i < source->spec->hrt_modules.n; i++)
		size += round_up_to_page(module_size(source, i));
	return size + round_up_to_page(source->image->sections.size);
}

/*
 * Below the stacks, so that one reservation has them all; where those are above
 * 4 GiB, below the device hole: a module's addresses have 32 bits.
 */
static int place_handed(struct plan *plan, const struct hrt_source *source, struct error *e)
{
	uint64_t end = plan->end > DEVICE_HOLE_START ? DEVICE_HOLE_START : plan->stacks, size = handed_size(source), at;
	uint64_t room = end > plan->ros_bytes ? end - plan->ros_bytes : 0;

	if (size > room)
		return error_set(e, -EADDRINUSE,
			"the HRT's modules and sections need 0x%llx bytes below 0x%llx; the HRT's memory there has only 0x%llx: give "
			"the VM more memory",
			ULL(size), ULL(end), ULL(room));
	plan->handed = at = end - size;
	plan->handed_end = end;
	for (size_t i = 0; i < plan->n_modules; i++) {
		plan->modules[i] = (struct plan_module){.gpa = at, .size = module_size(source, i)};
		at += round_up_to_page(plan->modules[i].size);
	}
	plan->sections = at;
	return 0;
}

/* --- Where the image stands ------------------------------------------------- */

size_t regions_image_space(const struct plan *plan, struct place_range ret[2])
{
	bool split = plan->end > DEVICE_HOLE_START;
	size_t n = 0;

	if (plan->ros_bytes < DEVICE_HOLE_START)
		ret[n++] = (struct place_range){plan->ros_bytes, plan->handed};
	if (split)
		ret[n++] = (struct place_range){DEVICE_HOLE_END, plan->stacks};
	return n;
}

static int place_relocatable(struct plan *plan, const struct hrt_image *image, struct error *e)
{
	struct place_range free[2];
	int r;

	if (!image->relocatable)
		return 0;
	r = place_image(image, free, regions_image_space(plan, free), &plan->image_base, e);
	if (r < 0)
		return r;
	plan->relocated = true;
	plan->entry_gva = image->entry_gva - image->link_base + plan->image_base + plan->gva_offset;
	return 0;
}

static int check_map(const struct plan *plan, struct error *e)
{
	if (plan->layout == SPEC_LAYOUT_FINAL && plan->end > plan->map_bytes)
		return error_set(e, -ENOEXEC,
			"the image asks for a map of 0x%llx bytes (max_mem_to_map); RAM ends at 0x%llx and the boot state below "
			"that would not be mapped: at least 0x%llx would be right, or less memory for the VM",
			ULL(plan->map_bytes), ULL(plan->end), ULL(plan->end));
	return 0;
}

static int check_comm_page(const struct plan *plan, struct error *e)
{
	assert(plan->comm_page % PAGE_SIZE == 0);
	if (plan->layout == SPEC_LAYOUT_SEED) /* it has none */
		return 0;
	if (plan->comm_page < plan->end)
		return error_set(e, -ENOEXEC,
			"the image wants its comm page (comm_page_gpa) at 0x%llx, inside RAM, which ends at 0x%llx: "
			"0x%llx or above would be right, or less memory for the VM",
			ULL(plan->comm_page), ULL(plan->end), ULL(plan->end));
	if (!range_within(plan->comm_page, PAGE_SIZE, plan->map_bytes))
		return error_set(e, -ENOEXEC,
			"the image wants its comm page (comm_page_gpa) at 0x%llx, above what is mapped: "
			"0x%llx would be the highest, or a larger max_mem_to_map",
			ULL(plan->comm_page), ULL(plan->map_bytes - PAGE_SIZE));
	if (ranges_overlap(
		    plan->comm_page, PAGE_SIZE, DEVICE_HOLE_START, DEVICE_HOLE_END - DEVICE_HOLE_START))
		return error_set(e, -ENOEXEC,
			"the image wants its comm page (comm_page_gpa) at 0x%llx, among the device pages [0x%llx, 0x%llx): "
			"0x%llx or above would be right",
			ULL(plan->comm_page), DEVICE_HOLE_START, DEVICE_HOLE_END, DEVICE_HOLE_END);
	return 0;
}

/* --- All of it ---------------------------------------------------------------- */

int plan_hrt(const struct hrt_source *source, struct plan *ret, struct error *e)
{
	int r;

	assert(source->spec->hybrid);
	*ret = (struct plan){0};
	grant(source, ret);
	r = check_map(ret, e);
	if (r == 0)
		r = check_comm_page(ret, e);
	if (r == 0)
		r = place_boot_state(ret, source, e);
	if (r == 0)
		r = place_handed(ret, source, e);
	if (r == 0)
		r = place_relocatable(ret, source->image, e);
	if (r == 0)
		r = push_seed_info(ret, source, e);
	return r < 0 ? r : regions_list_hrt(ret, source, e);
}
