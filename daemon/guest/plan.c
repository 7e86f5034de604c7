/* plan.c - the list of regions, and what is free of it; the HRT's part of it is in plan-hrt.c; see plan.h */
#include "guest/plan.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/x86.h"
#include "base/checked.h"
#include "base/error.h"
#include "guest/memory.h"
#include "guest/regions.h"
#include "spec/spec.h"

#define ULL(x)  ((unsigned long long)(x))

/* --- Regions -------------------------------------------------------------- */

const struct plan_origin origin_zero = {.source = PLAN_ZERO}, origin_unused = {.source = PLAN_ZERO},
			 origin_generated = {.source = PLAN_GENERATED}, origin_nowhere = {.source = PLAN_NOWHERE};

void regions_add(struct plan *plan, uint64_t start, uint64_t end, enum plan_access access,
	const struct plan_origin *origin, const char *format, ...)
{
	struct plan_region *r = &plan->regions[plan->n_regions];
	va_list ap;

	if (start == end)
		return;
	assert(plan->n_regions < PLAN_REGIONS_MAX);
	plan->n_regions++;
	*r = (struct plan_region){
		.gpa = start, .size = end - start, .access = access, .free = origin == &origin_unused, .origin = *origin};
	va_start(ap, format);
	vsnprintf(r->name, sizeof(r->name), format, ap);
	va_end(ap);
}

uint64_t region_end(const struct plan_region *r)
{
	return r->gpa + r->size;
}

static int compare_regions(const void *a, const void *b)
{
	const struct plan_region *r = a, *s = b;

	return (r->gpa > s->gpa) - (r->gpa < s->gpa);
}

void regions_sort(struct plan *plan)
{
	qsort(plan->regions, plan->n_regions, sizeof(*plan->regions), compare_regions);
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
		regions_add(ret, ranges[i].gpa, ranges[i].gpa + ranges[i].size, PLAN_ROS, &origin_unused, "ros memory");
	regions_add(ret, DEVICE_HOLE_START, DEVICE_HOLE_END, PLAN_DEVICE, &origin_nowhere, "device hole");
	regions_sort(ret);
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
	regions_add(plan, start, gpa, access, &origin_unused, "ros memory");
	regions_add(plan, gpa, gpa + size, access, origin, "%s", name);
	regions_add(plan, gpa + size, end, access, &origin_unused, "ros memory");
	regions_sort(plan);
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
	case PLAN_HRT_READS:
		return "hrt-reads";
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
