/* plan-hrt-regions.c - the list of an HRT's regions, once all have their places; see regions.h */
#include <errno.h>

#include "abi/x86.h"
#include "base/checked.h"
#include "base/error.h"
#include "guest/hrt.h"
#include "guest/memory.h"
#include "guest/place.h"
#include "guest/regions.h"
#include "image/hrt.h"

#define ULL(x)  ((unsigned long long)(x))

static struct plan_origin from_file(size_t file, const struct image_segment *s)
{
	if (s->file_size == 0)
		return origin_zero;
	return (struct plan_origin){
		.source = PLAN_FILE, .file = (uint32_t)file, .offset = s->offset, .size = s->file_size};
}

static int add_image(struct plan *plan, const struct hrt_source *source, struct error *e)
{
	const struct hrt_image *image = source->image;
	const struct image_segment *s;
	struct plan_origin origin;
	uint64_t gpa;

	for (size_t i = 0; i < image->n_segments; i++) {
		s = &image->segments[i];
		gpa = plan->image_base + s->gpa;
		if (!range_within(gpa, s->memory_size, ram_end(plan->ram_bytes)))
			return error_set(e, -ENOEXEC,
				"image %zu, 0x%llx bytes at 0x%llx, does not lie in RAM, which ends at 0x%llx: "
				"give the VM more memory, or link the image lower",
				i, ULL(s->memory_size), ULL(gpa), ULL(ram_end(plan->ram_bytes)));
		origin = image->relocations.n ? origin_generated : from_file(source->spec->hrt_file, s);
		regions_add(plan, gpa, gpa + s->memory_size, PLAN_HRT, &origin, "image %zu", i);
	}
	return 0;
}

static void add_handed(struct plan *plan, const struct hrt_source *source)
{
	uint64_t sections_size = source->image->sections.size;

	for (size_t i = 0; i < plan->n_modules; i++) {
		const struct plan_module *m = &plan->modules[i];
		struct plan_origin origin = {
			.source = PLAN_FILE, .file = (uint32_t)source->spec->hrt_modules.items[i].file, .size = m->size};

		regions_add(plan, m->gpa, m->gpa + m->size, PLAN_HRT, &origin, "hrt module %zu", i);
	}
	regions_add(plan, plan->sections, plan->sections + sections_size, PLAN_HRT, &origin_generated, "elf sections");
}

static void add_fixed(struct plan *plan)
{
	regions_add(plan, 0, plan->ros_bytes, plan->ros_access, &origin_unused, "ros memory");
	regions_add(plan, plan->stacks, plan->stacks_end, PLAN_HRT, &origin_generated, plan->boundary ? "stack" : "stacks");
	if (plan->boundary)
		regions_add(plan, plan->boundary, plan->page_tables, PLAN_HRT, &origin_generated, "boundary page");
	else
		regions_add(plan, plan->info, plan->page_tables, PLAN_HRT, &origin_generated, "info block");
	regions_add(plan, plan->page_tables, plan->tss, PLAN_HRT, &origin_generated, "page tables");
	regions_add(plan, plan->tss, plan->gdt, PLAN_HRT, &origin_zero, "tss");
	regions_add(plan, plan->gdt, plan->idt, PLAN_HRT, &origin_generated, "gdt");
	regions_add(plan, plan->idt, plan->handler, PLAN_HRT, &origin_generated, "idt");
	regions_add(plan, plan->handler, plan->end, PLAN_HRT, &origin_generated, "null handler");
	regions_add(plan, DEVICE_HOLE_START, DEVICE_HOLE_END, PLAN_DEVICE, &origin_nowhere, "device hole");
	if (plan->comm_page)
		regions_add(plan, plan->comm_page, plan->comm_page + PAGE_SIZE, PLAN_BOTH, &origin_zero, "comm page");
}

/* Once sorted, any overlap shows between two neighbours; one of them is of the image. */
static int check_overlaps(const struct plan *plan, struct error *e)
{
	const struct plan_region *r = plan->regions;
	struct place_range free[2];

	regions_image_space(plan, free);
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
		regions_add(plan, start, r->gpa < end ? r->gpa : end, PLAN_HRT, &origin_unused, "hrt memory");
		start = region_end(r);
	}
	if (start < end)
		regions_add(plan, start, end, PLAN_HRT, &origin_unused, "hrt memory");
}

static void fill_ram(struct plan *plan)
{
	struct ram_range ranges[2];
	size_t n = ram_layout(plan->ram_bytes, ranges);

	for (size_t i = 0; i < n; i++) {
		add_leftovers(plan, ranges[i].gpa, ranges[i].gpa + ranges[i].size);
		regions_sort(plan);
	}
}

int regions_list_hrt(struct plan *plan, const struct hrt_source *source, struct error *e)
{
	int r = add_image(plan, source, e);

	if (r < 0)
		return r;
	add_handed(plan, source);
	add_fixed(plan);
	regions_sort(plan);
	r = check_overlaps(plan, e);
	if (r < 0)
		return r;
	fill_ram(plan);
	return 0;
}
