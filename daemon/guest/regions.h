/* regions.h - putting regions into a plan: for those who plan, guest/plan.h is for all others */
#pragma once

#include <stdint.h>

#include "guest/place.h"
#include "guest/plan.h"

struct error;
struct hrt_source;

/* A region of origin_unused is free memory; it is origin_zero otherwise. */
extern const struct plan_origin origin_zero, origin_unused, origin_generated, origin_nowhere;

/* Appends [start, end), if it is not empty. The list is sorted later. */
void regions_add(struct plan *plan, uint64_t start, uint64_t end, enum plan_access access,
	const struct plan_origin *origin, const char *format, ...) __attribute__((format(printf, 6, 7)));

void regions_sort(struct plan *plan);

/* The GPA just above. */
uint64_t region_end(const struct plan_region *r);

/* Where an HRT image may lie, in ascending order: one run of GPAs, or two around the device hole. */
size_t regions_image_space(const struct plan *plan, struct place_range ret[2]);

/* Lists what has its place, finds overlaps, and names what is left. As plan_hrt(). */
int regions_list_hrt(struct plan *plan, const struct hrt_source *source, struct error *e);
