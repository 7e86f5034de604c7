/* plans.h - plans made from numbers, and memory to write them into, for tests */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "abi/hrt.h"
#include "base/error.h"
#include "guest/memory.h"
#include "guest/hrt.h"
#include "guest/plan.h"
#include "image/hrt.h"
#include "spec/spec.h"

/* What a test changes of a plan; everything in bytes. */
struct wish {
	uint64_t memory, ros_memory, stack;
	uint32_t ros_cores, hrt_cores;
	uint64_t flags, map, gva_offset, comm_page;
	uint64_t image, image_size; /* GPA and memory of the one segment */
	uint64_t file_size; /* its bytes in the file; 0: all zero */
	bool no_gigabyte_pages;
	unsigned physical_bits;
	enum spec_layout layout;
	enum spec_granule granule; /* seed only */
	bool identity;
	bool plain; /* the image has no Multiboot2 header; seed only */
	const char *cmdline;
	struct {
		const char *data, *cmdline;
		uint64_t size;
	} modules[SPEC_MODULES_MAX];
	size_t n_modules;
	enum spec_access ros_access; /* of the HRT */
};

/* 256 MiB, 8 of them the ROS's; 2 ROS cores and 2 of the HRT; 8 GiB mapped at the high offset by 2 MiB pages. */
#define WISH_EXAMPLE                                                                                           \
	{                                                                                                      \
		.memory = 256 * MiB, .ros_memory = 8 * MiB, .stack = 4096, .ros_cores = 2, .hrt_cores = 2,     \
		.flags = HVM_FLAG_MAP_2MB, .map = 8 * GiB, .gva_offset = HVM_GVA_OFFSET_HIGH,                  \
		.comm_page = 8 * GiB - 4096, .image = 16 * MiB, .image_size = 0x3000                           \
	}

/* What the last plan was made of. */
static struct {
	struct vm_spec spec;
	struct hrt_image image;
	struct spec_module modules[SPEC_MODULES_MAX];
	struct guest_file files[1 + SPEC_MODULES_MAX]; /* the image, the modules */
	struct hrt_source source;
} wished;

static inline void wish_modules(const struct wish *wish)
{
	wished.spec.hrt_modules = (struct spec_modules){.items = wished.modules, .n = wish->n_modules};
	for (size_t i = 0; i < wish->n_modules; i++) {
		wished.modules[i] = (struct spec_module){.file = 1 + i, .cmdline = (char *)(uintptr_t)wish->modules[i].cmdline};
		wished.files[1 + i] = (struct guest_file){
			.data = (const uint8_t *)wish->modules[i].data, .size = wish->modules[i].size};
	}
}

static inline int wish_plan(const struct wish *wish, struct plan *ret, struct error *e)
{
	wished.spec = (struct vm_spec){
		.name = (char *)"test",
		.memory = wish->memory,
		.cores = wish->ros_cores + wish->hrt_cores,
		.hybrid = true,
		.ros_cores = wish->ros_cores,
		.ros_memory = wish->ros_memory,
		.hrt_file = 0,
		.hrt_stack = (uint32_t)wish->stack,
		.hrt_ros_memory = wish->ros_access,
		.hrt_cmdline = (char *)(uintptr_t)wish->cmdline,
		.hrt_layout = wish->layout,
		.hrt_granule = wish->granule,
		.hrt_identity = wish->identity,
	};
	wish_modules(wish);
	wished.image = (struct hrt_image){
		.multiboot = !wish->plain,
		.segments = {{.gpa = wish->image, .memory_size = wish->image_size, .offset = 0x1000,
			.file_size = wish->file_size}},
		.n_segments = 1,
		.flags = wish->flags,
		.max_mem_to_map = wish->map,
		.gva_offset = wish->gva_offset,
		.entry_gva = wish->gva_offset + wish->image,
		.comm_page_gpa = wish->comm_page,
		.int_vector = 255,
	};
	wished.source = (struct hrt_source){
		.spec = &wished.spec,
		.files = wished.files,
		.image = &wished.image,
		.processor = {.gigabyte_pages = !wish->no_gigabyte_pages, .physical_bits = wish->physical_bits},
	};
	return plan_hrt(&wished.source, ret, e);
}

/* Fresh zeroed memory for the boot state of a plan, from its lowest byte to END; free() windows[0].host. */
static inline void plan_memory(const struct plan *plan, struct memory *ret)
{
	uint64_t start = plan->handed < plan->stacks && plan->handed_end == plan->stacks ? plan->handed : plan->stacks;
	uint64_t size = plan->end - start;
	void *host = aligned_alloc(4096, size);

	memset(host, 0, size);
	*ret = (struct memory){0};
	memory_add(ret, start, size, host);
}
