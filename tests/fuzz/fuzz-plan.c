/* fuzz-plan.c - whatever an image asks for, the plan that is made of it has no two regions in one place */
#include <stdlib.h>

#include "base/error.h"
#include "base/macro.h"
#include "fuzz.h"
#include "guest/hrt.h"
#include "guest/memory.h"
#include "guest/paging.h"
#include "guest/plan.h"
#include "image/hrt.h"
#include "spec/spec.h"

const char *const fuzz_corpus[] = {"examples/guests", "tests/fuzz/corpus/image", NULL};

/* RAM flat and around the device hole. */
static const struct vm_spec specs[] = {
	{.memory = 256 * MiB, .cores = 4, .hybrid = true, .ros_cores = 1, .ros_memory = 8 * MiB, .hrt_stack = 4096},
	{.memory = 8192 * MiB, .cores = 64, .hybrid = true, .ros_cores = 1, .ros_memory = 8 * MiB, .hrt_stack = 1 << 20},
};

static void check_regions(const struct plan *plan)
{
	const struct plan_region *r = plan->regions;
	uint64_t hrt_bytes = 0, ram = plan->end <= 0xFEC00000 ? plan->end : plan->end - 0x1400000;

	for (size_t i = 0; i < plan->n_regions; i++) {
		if (r[i].size == 0 || r[i].gpa + r[i].size < r[i].gpa)
			abort();
		if (i > 0 && r[i - 1].gpa + r[i - 1].size > r[i].gpa)
			abort();
		if (r[i].access == PLAN_HRT)
			hrt_bytes += r[i].size;
	}
	if (hrt_bytes != ram - plan->ros_bytes)
		abort(); /* a byte of the HRT's memory is in no region, or in two */
}

static void check_plan(const struct plan *plan)
{
	if (plan->stacks < plan->ros_bytes || plan->info - plan->stacks != plan->n_hrt_cores * plan->stack_size)
		abort();
	if (plan->page_table_pages != paging_table_pages(plan->map_bytes, plan->flags))
		abort();
	if (plan->end > plan->map_bytes || plan->map_bytes > PLAN_MAP_MAX)
		abort();
	if (plan->comm_page < plan->end || plan->comm_page + 4096 > plan->map_bytes)
		abort();
	check_regions(plan);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hrt_image image;
	struct guest_file file = {.data = data, .size = size};
	struct plan plan;
	struct error e;

	for (size_t i = 0; i < ARRAY_SIZE(specs); i++) {
		if (hrt_parse(&specs[i], &file, &image, NULL) < 0)
			continue;
		struct hrt_source source = {.spec = &specs[i], .files = &file, .image = &image, .processor = {.gigabyte_pages = size % 2}};

		e = (struct error){};
		if (plan_hrt(&source, &plan, &e) == 0)
			check_plan(&plan);
		else if (!e.text[0])
			abort(); /* a refusal without a sentence */
	}
	return 0;
}
