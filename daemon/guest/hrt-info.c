/* hrt-info.c - see hrt-info.h */
#include "guest/hrt-info.h"

#include <assert.h>
#include <stdlib.h>

#include "abi/hrt.h"
#include "abi/multiboot2.h"
#include "abi/x86.h"
#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/macro.h"
#include "guest/hrt.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "image/hrt.h"
#include "spec/spec.h"

#define SEED_TAG_SIZE 24u /* bytes of the HRT tag in the seed [spec 5.4] */
#define INFO_LIMIT    (1 * MiB)

/* --- The memory map --------------------------------------------------------- */

static void map_add(struct memory_map_entry *map, unsigned *n, uint64_t start, uint64_t end, uint32_t type)
{
	if (start >= end)
		return;
	assert(*n < MEMORY_MAP_MAX);
	map[(*n)++] = (struct memory_map_entry){.gpa = start, .size = end - start, .type = type};
}

struct range {
	uint64_t start, end;
};

/* What of RAM is reserved, in ascending order; some may be empty. */
#define RESERVED 3
static void reserved(const struct plan *plan, struct range ret[RESERVED])
{
	ret[0] = plan->ros_access != PLAN_ROS ? (struct range){PC_LOWER_END, PC_UPPER_START} : (struct range){0, plan->ros_bytes};
	ret[1] = (struct range){plan->handed, plan->handed_end};
	ret[2] = (struct range){plan->stacks, plan->end}; /* of its own: it begins with the stacks (hvm-guest-abi.h) */
}

/* A run of RAM with what is reserved of it. */
static void map_add_ram(const struct plan *plan, const struct ram_range *ram, struct memory_map_entry *map, unsigned *n)
{
	uint64_t at = ram->gpa, end = ram->gpa + ram->size;
	struct range cuts[RESERVED];

	reserved(plan, cuts);
	for (unsigned i = 0; i < RESERVED; i++) {
		if (cuts[i].start >= cuts[i].end || cuts[i].start < at || cuts[i].end > end)
			continue;
		map_add(map, n, at, cuts[i].start, MULTIBOOT2_MEMORY_RAM);
		map_add(map, n, cuts[i].start, cuts[i].end, MULTIBOOT2_MEMORY_RESERVED);
		at = cuts[i].end;
	}
	map_add(map, n, at, end, MULTIBOOT2_MEMORY_RAM);
}

unsigned memory_map_hrt(const struct plan *plan, struct memory_map_entry ret[MEMORY_MAP_MAX])
{
	struct ram_range ranges[2];
	size_t n_ranges = ram_layout(plan->ram_bytes, ranges);
	unsigned n = 0;

	map_add_ram(plan, &ranges[0], ret, &n);
	map_add(ret, &n, DEVICE_HOLE_START, DEVICE_HOLE_END, MULTIBOOT2_MEMORY_RESERVED);
	if (n_ranges > 1)
		map_add_ram(plan, &ranges[1], ret, &n);
	return n;
}

/* --- The block -------------------------------------------------------------- */

static struct hvm_info_tag hrt_tag(const struct plan *plan, uint64_t cpu_khz)
{
	return (struct hvm_info_tag){
		.type = HVM_INFO_TAG,
		.size = plan->layout == SPEC_LAYOUT_SEED ? SEED_TAG_SIZE : (uint32_t)sizeof(struct hvm_info_tag),
		.total_num_apics = plan->n_cores,
		.first_hrt_apic_id = plan->first_hrt_core,
		.cpu_freq_khz = cpu_khz,
		.hrt_flags = plan->flags,
		.max_mem_mapped = plan->map_bytes,
		.first_hrt_gpa = plan->ros_bytes,
		.boot_state_gpa = plan->info,
		.gva_offset = plan->gva_offset,
		.comm_page_gpa = plan->comm_page,
		.hrt_int_vector = plan->int_vector,
	};
}

static void list_modules(const struct plan *plan, const struct hrt_source *source, struct info_module *ret)
{
	for (size_t i = 0; i < plan->n_modules; i++)
		ret[i] = (struct info_module){
			.start = (uint32_t)plan->modules[i].gpa,
			.end = (uint32_t)(plan->modules[i].gpa + plan->modules[i].size),
			.cmdline = source->spec->hrt_modules.items[i].cmdline,
		};
}

/* The headers of the image's sections, if it asks for them; they are owned by *ret_headers. */
static struct info_sections sections(const struct plan *plan, const struct hrt_source *source, uint8_t **ret_headers)
{
	const struct image_sections *s = &source->image->sections;
	const struct guest_file *file;

	if (s->n == 0 || !source->files)
		return (struct info_sections){0};
	file = &source->files[source->spec->hrt_file];
	*ret_headers = calloc(s->n, s->header_size);
	if (*ret_headers)
		sections_headers(file->data, s, plan->relocated ? plan->image_base + plan->gva_offset - source->image->link_base : 0,
			plan->sections, *ret_headers);
	return (struct info_sections){.headers = *ret_headers, .n = s->n, .header_size = s->header_size, .names = s->names};
}

void hrt_info_append(const struct plan *plan, const struct hrt_source *source, uint64_t cpu_khz, struct buffer *b)
{
	struct hvm_info_tag hrt = hrt_tag(plan, cpu_khz);
	struct info_module modules[SPEC_MODULES_MAX];
	struct memory_map_entry map[MEMORY_MAP_MAX];
	_cleanup_free_ uint8_t *headers = NULL;
	uint64_t end = ram_end(plan->ram_bytes);
	struct info info = {
		.hrt = &hrt,
		.cmdline = source->spec->hrt_cmdline,
		.modules = modules,
		.n_modules = plan->n_modules,
		.upper_end = end < DEVICE_HOLE_START ? end : DEVICE_HOLE_START,
		.map = map,
		.n_map = memory_map_hrt(plan, map),
		.sections = sections(plan, source, &headers),
		.has_load_base = plan->relocated && plan->image_base <= UINT32_MAX,
		.load_base = (uint32_t)plan->image_base,
	};

	list_modules(plan, source, modules);
	if (info.sections.n && !headers)
		b->failed = true;
	else
		info_append(&info, b);
}

uint64_t hrt_info_size(const struct plan *plan, const struct hrt_source *source)
{
	struct buffer b __attribute__((cleanup(buffer_fini))) = BUFFER_INIT(INFO_LIMIT);

	hrt_info_append(plan, source, 0, &b);
	return buffer_ok(&b) ? b.size : INFO_LIMIT;
}
