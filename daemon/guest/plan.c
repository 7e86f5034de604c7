/*
 * plan.c - see plan.h
 *
 * In three steps: what is granted (granule, map), where the boot state stands
 * (arithmetic only, from the end of RAM downwards), and the list of regions, in
 * which every overlap shows once it is sorted.
 */
#include "guest/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/hrt.h"
#include "abi/x86.h"
#include "base/checked.h"
#include "base/error.h"
#include "guest/memory.h"
#include "guest/paging.h"
#include "guest/place.h"
#include "image/hrt.h"
#include "spec/spec.h"

#define ULL(x)  ((unsigned long long)(x))

#define MAP_MIN (4 * GiB) /* so that the devices' registers are mapped [spec 2.4] */

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

/* Palacios would map up to a whole granule more than it says; we say what we map. */
static uint64_t map_size(uint64_t wanted, uint64_t flags)
{
	if (wanted >= PLAN_MAP_MAX)
		return PLAN_MAP_MAX;
	return round_up(wanted < MAP_MIN ? MAP_MIN : wanted, granule_size(flags));
}

static void grant(
	const struct vm_spec *spec, const struct hrt_image *image, bool gigabyte_pages, struct plan *plan)
{
	plan->ros_bytes = spec->ros_memory;
	plan->sees_ros = spec->hrt_ros_memory != SPEC_ACCESS_NONE;
	plan->end = round_down(ram_end(spec->memory), PAGE_SIZE);
	plan->n_cores = spec->cores;
	plan->first_hrt_core = spec->ros_cores;
	plan->n_hrt_cores = spec->cores - spec->ros_cores;
	plan->stack_size = spec->hrt_stack;
	plan->flags = image->flags == HVM_FLAG_MAP_1GB && !gigabyte_pages ? HVM_FLAG_MAP_2MB : image->flags;
	plan->map_bytes = map_size(image->max_mem_to_map, plan->flags);
	plan->gva_offset = image->gva_offset;
	plan->entry_gva = image->entry_gva;
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

static int place_boot_state(struct plan *plan, struct error *e)
{
	uint64_t room = plan->end - boot_floor(plan), needed;

	plan->page_table_pages = paging_table_pages(plan->map_bytes, plan->flags);
	/* Handler, IDT, GDT, TSS and info block are a page each. No sum here overflows: PLAN_MAP_MAX,
	 * SPEC_CORES_MAX. */
	needed = (5 + plan->page_table_pages) * PAGE_SIZE + plan->n_hrt_cores * plan->stack_size;
	if (needed > room)
		return error_set(e, -EADDRINUSE,
			"the boot state needs 0x%llx bytes below the end of RAM, 0x%llx of them for page tables that map 0x%llx bytes "
			"by pages of 0x%llx; the HRT's memory there, [0x%llx, 0x%llx), has only 0x%llx: give the VM more memory, or let "
			"the image ask for larger pages",
			ULL(needed), ULL(plan->page_table_pages * PAGE_SIZE), ULL(plan->map_bytes),
			ULL(granule_size(plan->flags)), ULL(plan->end - room), ULL(plan->end), ULL(room));
	plan->handler = plan->end - 1 * PAGE_SIZE;
	plan->idt = plan->end - 2 * PAGE_SIZE;
	plan->gdt = plan->end - 3 * PAGE_SIZE;
	plan->tss = plan->end - 4 * PAGE_SIZE;
	plan->page_tables = plan->tss - plan->page_table_pages * PAGE_SIZE;
	plan->info = plan->page_tables - PAGE_SIZE;
	plan->stacks = plan->info - plan->n_hrt_cores * plan->stack_size;
	return 0;
}

/* Where an image may lie, in ascending order: one run of GPAs, or two around the device hole. */
static size_t image_space(const struct plan *plan, struct place_range ret[2])
{
	bool split = plan->end > DEVICE_HOLE_START;
	size_t n = 0;

	if (plan->ros_bytes < DEVICE_HOLE_START)
		ret[n++] = (struct place_range){plan->ros_bytes, split ? DEVICE_HOLE_START : plan->stacks};
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
	r = place_image(image, free, image_space(plan, free), &plan->image_base, e);
	if (r < 0)
		return r;
	plan->relocated = true;
	plan->entry_gva = image->entry_gva - image->link_base + plan->image_base + plan->gva_offset;
	return 0;
}

static int check_map(const struct plan *plan, struct error *e)
{
	if (plan->end > plan->map_bytes)
		return error_set(e, -ENOEXEC,
			"the image asks for a map of 0x%llx bytes (max_mem_to_map); RAM ends at 0x%llx and the boot state below "
			"that would not be mapped: at least 0x%llx would be right, or less memory for the VM",
			ULL(plan->map_bytes), ULL(plan->end), ULL(plan->end));
	return 0;
}

static int check_comm_page(const struct plan *plan, struct error *e)
{
	assert(plan->comm_page % PAGE_SIZE == 0);
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

/* --- Regions -------------------------------------------------------------- */

static const struct plan_origin zero = {.source = PLAN_ZERO}, unused = {.source = PLAN_ZERO}, generated = {.source = PLAN_GENERATED},
				nowhere = {.source = PLAN_NOWHERE};

static void add(struct plan *plan, uint64_t start, uint64_t end, enum plan_access access,
	const struct plan_origin *origin, const char *format, ...) __attribute__((format(printf, 6, 7)));
static void add(struct plan *plan, uint64_t start, uint64_t end, enum plan_access access,
	const struct plan_origin *origin, const char *format, ...)
{
	struct plan_region *r = &plan->regions[plan->n_regions];
	va_list ap;

	if (start == end)
		return;
	assert(plan->n_regions < PLAN_REGIONS_MAX);
	plan->n_regions++;
	*r = (struct plan_region){
		.gpa = start, .size = end - start, .access = access, .free = origin == &unused, .origin = *origin};
	va_start(ap, format);
	vsnprintf(r->name, sizeof(r->name), format, ap);
	va_end(ap);
}

static uint64_t region_end(const struct plan_region *r)
{
	return r->gpa + r->size;
}

static struct plan_origin from_file(size_t file, const struct image_segment *s)
{
	if (s->file_size == 0)
		return zero;
	return (struct plan_origin){
		.source = PLAN_FILE, .file = (uint32_t)file, .offset = s->offset, .size = s->file_size};
}

static int add_image(struct plan *plan, const struct vm_spec *spec, const struct hrt_image *image, struct error *e)
{
	const struct image_segment *s;
	struct plan_origin origin;
	uint64_t gpa;

	for (size_t i = 0; i < image->n_segments; i++) {
		s = &image->segments[i];
		gpa = plan->image_base + s->gpa;
		if (!range_within(gpa, s->memory_size, plan->end))
			return error_set(e, -ENOEXEC,
				"image %zu, 0x%llx bytes at 0x%llx, does not lie in RAM, which ends at 0x%llx: "
				"give the VM more memory, or link the image lower",
				i, ULL(s->memory_size), ULL(gpa), ULL(plan->end));
		origin = image->relocations.n ? generated : from_file(spec->hrt_file, s);
		add(plan, gpa, gpa + s->memory_size, PLAN_HRT, &origin, "image %zu", i);
	}
	return 0;
}

static void add_fixed(struct plan *plan)
{
	add(plan, 0, plan->ros_bytes, plan->sees_ros ? PLAN_BOTH : PLAN_ROS, &unused, "ros memory");
	add(plan, plan->stacks, plan->info, PLAN_HRT, &generated, "stacks");
	add(plan, plan->info, plan->page_tables, PLAN_HRT, &generated, "info block");
	add(plan, plan->page_tables, plan->tss, PLAN_HRT, &generated, "page tables");
	add(plan, plan->tss, plan->gdt, PLAN_HRT, &zero, "tss");
	add(plan, plan->gdt, plan->idt, PLAN_HRT, &generated, "gdt");
	add(plan, plan->idt, plan->handler, PLAN_HRT, &generated, "idt");
	add(plan, plan->handler, plan->end, PLAN_HRT, &generated, "null handler");
	add(plan, DEVICE_HOLE_START, DEVICE_HOLE_END, PLAN_DEVICE, &nowhere, "device hole");
	add(plan, plan->comm_page, plan->comm_page + PAGE_SIZE, PLAN_BOTH, &zero, "comm page");
}

static int compare_regions(const void *a, const void *b)
{
	const struct plan_region *r = a, *s = b;

	return (r->gpa > s->gpa) - (r->gpa < s->gpa);
}

static void sort(struct plan *plan)
{
	qsort(plan->regions, plan->n_regions, sizeof(*plan->regions), compare_regions);
}

/* Once sorted, any overlap shows between two neighbours; one of them is of the image. */
static int check_overlaps(const struct plan *plan, struct error *e)
{
	const struct plan_region *r = plan->regions;
	struct place_range free[2];

	image_space(plan, free);
	for (size_t i = 1; i < plan->n_regions; i++)
		if (region_end(&r[i - 1]) > r[i].gpa)
			return error_set(e, -EADDRINUSE,
				"%s [0x%llx, 0x%llx) and %s [0x%llx, 0x%llx) want the same memory; "
				"free for the image is [0x%llx, 0x%llx): link it there, or change the VM's memory",
				r[i - 1].name, ULL(r[i - 1].gpa), ULL(region_end(&r[i - 1])), r[i].name,
				ULL(r[i].gpa), ULL(region_end(&r[i])), ULL(free[0].start), ULL(free[0].end));
	return 0;
}

/* Names what the HRT has of [start, end), a run of RAM, and no region has yet. The regions are sorted. */
static void add_leftovers(struct plan *plan, uint64_t start, uint64_t end)
{
	size_t n = plan->n_regions;

	for (size_t i = 0; i < n && start < end; i++) {
		const struct plan_region *r = &plan->regions[i];

		if (region_end(r) <= start)
			continue;
		add(plan, start, r->gpa < end ? r->gpa : end, PLAN_HRT, &unused, "hrt memory");
		start = region_end(r);
	}
}

/* The last region of all lies at or above END, so that every leftover ends at one. */
static void fill_ram(const struct vm_spec *spec, struct plan *plan)
{
	struct ram_range ranges[2];
	size_t n = ram_layout(spec->memory, ranges);

	for (size_t i = 0; i < n; i++) {
		add_leftovers(plan, ranges[i].gpa, ranges[i].gpa + ranges[i].size);
		sort(plan);
	}
}

int plan_hrt(const struct vm_spec *spec, const struct hrt_image *image, bool gigabyte_pages, struct plan *ret,
	struct error *e)
{
	int r;

	assert(spec->hybrid);
	*ret = (struct plan){0};
	grant(spec, image, gigabyte_pages, ret);
	r = check_map(ret, e);
	if (r < 0)
		return r;
	r = check_comm_page(ret, e);
	if (r < 0)
		return r;
	r = place_boot_state(ret, e);
	if (r < 0)
		return r;
	r = place_relocatable(ret, image, e);
	if (r < 0)
		return r;
	r = add_image(ret, spec, image, e);
	if (r < 0)
		return r;
	add_fixed(ret);
	sort(ret);
	r = check_overlaps(ret, e);
	if (r < 0)
		return r;
	fill_ram(spec, ret);
	return 0;
}

/* --- The memory of the ROS --------------------------------------------------------------------------------- */

void plan_ros_alone(const struct vm_spec *spec, struct plan *ret)
{
	struct ram_range ranges[2];
	size_t n = ram_layout(spec->memory, ranges);

	assert(!spec->hybrid);
	*ret = (struct plan){
		.ros_bytes = spec->memory,
		.end = ram_end(spec->memory),
		.n_cores = spec->cores,
		.first_hrt_core = spec->cores,
	};
	for (size_t i = 0; i < n; i++)
		add(ret, ranges[i].gpa, ranges[i].gpa + ranges[i].size, PLAN_ROS, &unused, "ros memory");
	add(ret, DEVICE_HOLE_START, DEVICE_HOLE_END, PLAN_DEVICE, &nowhere, "device hole");
	sort(ret);
}

static bool is_free_ros(const struct plan_region *r)
{
	return r->free && r->access & PLAN_ROS;
}

/* Why [gpa, gpa + size) cannot be taken. */
static int refuse(const struct plan *plan, uint64_t gpa, uint64_t size, const char *name, struct error *e)
{
	for (size_t i = 0; i < plan->n_regions; i++) {
		const struct plan_region *r = &plan->regions[i];

		if (r->access & PLAN_ROS && !r->free && ranges_overlap(gpa, size, r->gpa, r->size))
			return error_set(e, -EADDRINUSE,
				"%s [0x%llx, 0x%llx) and %s [0x%llx, 0x%llx) want the same memory of the ROS", name, ULL(gpa),
				ULL(gpa + size), r->name, ULL(r->gpa), ULL(region_end(r)));
	}
	return error_set(e, -ENOEXEC,
		"%s, 0x%llx bytes at 0x%llx, does not lie in the ROS's memory, which has 0x%llx bytes from 0 on%s: "
		"give the ROS more memory, or link the image lower",
		name, ULL(size), ULL(gpa), ULL(plan->ros_bytes),
		plan->ros_bytes > DEVICE_HOLE_START ? ", less the device hole [0xfec00000, 0x100000000)" : "");
}

/* The free region of the ROS that has all of [gpa, gpa + size), or NULL. */
static struct plan_region *find_free(struct plan *plan, uint64_t gpa, uint64_t size)
{
	for (struct plan_region *r = plan->regions; r < plan->regions + plan->n_regions; r++)
		if (is_free_ros(r) && gpa >= r->gpa && range_within(gpa - r->gpa, size, r->size))
			return r;
	return NULL;
}

int plan_take(struct plan *plan, uint64_t gpa, uint64_t size, const struct plan_origin *origin, struct error *e,
	const char *format, ...)
{
	struct plan_region *r = find_free(plan, gpa, size);
	char name[PLAN_NAME_MAX];
	uint64_t start, end;
	enum plan_access access;
	va_list ap;

	assert(size > 0);
	va_start(ap, format);
	vsnprintf(name, sizeof(name), format, ap);
	va_end(ap);
	if (!r)
		return refuse(plan, gpa, size, name, e);
	assert(plan->n_regions + 2 <= PLAN_REGIONS_MAX);
	start = r->gpa;
	end = region_end(r);
	access = r->access;
	*r = plan->regions[--plan->n_regions];
	add(plan, start, gpa, access, &unused, "ros memory");
	add(plan, gpa, gpa + size, access, origin, "%s", name);
	add(plan, gpa + size, end, access, &unused, "ros memory");
	sort(plan);
	return 0;
}

static bool room_in(const struct plan_region *r, enum plan_side side, uint64_t size, uint64_t align, uint64_t from,
	uint64_t to, uint64_t *ret)
{
	uint64_t start = r->gpa > from ? r->gpa : from, end = region_end(r) < to ? region_end(r) : to, at;

	if (start >= end || size > end - start)
		return false;
	at = side == PLAN_LOWEST ? round_up(start, align) : round_down(end - size, align);
	if (at < start || at > end - size)
		return false;
	*ret = at;
	return true;
}

bool plan_find_room(const struct plan *plan, enum plan_side side, uint64_t size, uint64_t align, uint64_t from,
	uint64_t to, uint64_t *ret)
{
	bool found = false;

	for (size_t i = 0; i < plan->n_regions && !(found && side == PLAN_LOWEST); i++)
		if (is_free_ros(&plan->regions[i]))
			found |= room_in(&plan->regions[i], side, size, align, from, to, ret);
	return found;
}

const struct plan_region *plan_find(const struct plan *plan, uint64_t gpa)
{
	for (size_t i = 0; i < plan->n_regions; i++)
		if (gpa >= plan->regions[i].gpa && gpa - plan->regions[i].gpa < plan->regions[i].size)
			return &plan->regions[i];
	return NULL;
}

const char *plan_access_to_string(enum plan_access access)
{
	switch (access) {
	case PLAN_ROS:
		return "ros";
	case PLAN_HRT:
		return "hrt";
	case PLAN_BOTH:
		return "both";
	case PLAN_DEVICE:
		return "device";
	}
	return "device";
}

const char *plan_source_to_string(enum plan_source source)
{
	switch (source) {
	case PLAN_ZERO:
		return "zero";
	case PLAN_FILE:
		return "file";
	case PLAN_GENERATED:
		return "generated";
	case PLAN_NOWHERE:
		return "none";
	}
	return "none";
}
