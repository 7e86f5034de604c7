/* hrt-info.c - see hrt-info.h */
#include "guest/hrt-info.h"

#include <assert.h>

#include "abi/hrt.h"
#include "abi/multiboot2.h"
#include "abi/x86.h"
#include "guest/plan.h"

static void map_add(struct memory_map_entry *map, unsigned *n, uint64_t start, uint64_t end, uint32_t type)
{
	if (start >= end)
		return;
	assert(*n < MEMORY_MAP_MAX);
	map[(*n)++] = (struct memory_map_entry){.gpa = start, .size = end - start, .type = type};
}

unsigned memory_map_hrt(const struct plan *plan, struct memory_map_entry ret[MEMORY_MAP_MAX])
{
	bool split = plan->end >
		DEVICE_HOLE_START; /* RAM goes on above the device hole, with the boot state at its end */
	uint64_t upper_end = split ? DEVICE_HOLE_START : plan->stacks;
	unsigned n = 0;

	if (plan->sees_ros) {
		map_add(ret, &n, 0, PC_LOWER_END, MULTIBOOT2_MEMORY_RAM);
		map_add(ret, &n, PC_LOWER_END, PC_UPPER_START, MULTIBOOT2_MEMORY_RESERVED);
		map_add(ret, &n, PC_UPPER_START, upper_end, MULTIBOOT2_MEMORY_RAM);
	} else {
		map_add(ret, &n, 0, plan->ros_bytes, MULTIBOOT2_MEMORY_RESERVED);
		map_add(ret, &n, plan->ros_bytes, upper_end, MULTIBOOT2_MEMORY_RAM);
	}
	if (!split)
		map_add(ret, &n, plan->stacks, plan->end, MULTIBOOT2_MEMORY_RESERVED);
	map_add(ret, &n, DEVICE_HOLE_START, DEVICE_HOLE_END, MULTIBOOT2_MEMORY_RESERVED);
	if (split) {
		map_add(ret, &n, DEVICE_HOLE_END, plan->stacks, MULTIBOOT2_MEMORY_RAM);
		map_add(ret, &n, plan->stacks, plan->end, MULTIBOOT2_MEMORY_RESERVED);
	}
	return n;
}

static struct hvm_info_tag hrt_tag(const struct plan *plan, uint64_t cpu_khz)
{
	return (struct hvm_info_tag){
		.type = HVM_INFO_TAG,
		.size = sizeof(struct hvm_info_tag),
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

void hrt_info_append(const struct plan *plan, const char *cmdline, uint64_t cpu_khz, struct buffer *b)
{
	struct hvm_info_tag hrt = hrt_tag(plan, cpu_khz);
	struct memory_map_entry map[MEMORY_MAP_MAX];
	struct info info = {
		.hrt = &hrt,
		.cmdline = cmdline,
		.upper_end = plan->end < DEVICE_HOLE_START ? plan->end : DEVICE_HOLE_START,
		.map = map,
		.n_map = memory_map_hrt(plan, map),
		.has_load_base = plan->relocated && plan->image_base <= UINT32_MAX,
		.load_base = (uint32_t)plan->image_base,
	};

	info_append(&info, b);
}
