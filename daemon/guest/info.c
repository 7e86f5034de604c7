/* info.c - see info.h */
#include "guest/info.h"

#include <assert.h>
#include <string.h>

#include "abi/hrt.h"
#include "abi/multiboot2.h"
#include "abi/x86.h"
#include "base/buffer.h"
#include "guest/plan.h"

#define LOADER_NAME "hvmd " PACKAGE_VERSION

/* A PC's memory: RAM, the adapters' window from 640 KiB on, and RAM again from 1 MiB on [spec 5.3]. */
#define LOWER_END      0xA0000ull
#define UPPER_START    0x100000ull

#define MAP_ENTRY_SIZE 24u /* Multiboot2 3.6.8 */

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
		map_add(ret, &n, 0, LOWER_END, MULTIBOOT2_MEMORY_RAM);
		map_add(ret, &n, LOWER_END, UPPER_START, MULTIBOOT2_MEMORY_RESERVED);
		map_add(ret, &n, UPPER_START, upper_end, MULTIBOOT2_MEMORY_RAM);
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

/* Every information tag begins with its type and size, and at a multiple of 8 bytes. */
static void tag_append(struct buffer *b, uint32_t type, uint32_t size)
{
	buffer_align(b, MULTIBOOT2_TAG_ALIGN);
	buffer_append_uint(b, type, 4);
	buffer_append_uint(b, size, 4);
}

static void hrt_tag_append(const struct plan *plan, uint64_t cpu_khz, struct buffer *b)
{
	tag_append(b, HVM_INFO_TAG, sizeof(struct hvm_info_tag));
	buffer_append_uint(b, plan->n_cores, 4);
	buffer_append_uint(b, plan->first_hrt_core, 4);
	buffer_append_uint(b, 0, 4); /* have_hrt_ioapic */
	buffer_append_uint(b, 0, 4); /* first_hrt_ioapic_entry */
	buffer_append_uint(b, cpu_khz, 8);
	buffer_append_uint(b, plan->flags, 8);
	buffer_append_uint(b, plan->map_bytes, 8);
	buffer_append_uint(b, plan->ros_bytes, 8);
	buffer_append_uint(b, plan->info, 8); /* boot_state_gpa */
	buffer_append_uint(b, plan->gva_offset, 8);
	buffer_append_uint(b, plan->comm_page, 8);
	buffer_append_uint(b, plan->int_vector, 8); /* and seven reserved bytes */
}

static void text_tag_append(uint32_t type, const char *text, struct buffer *b)
{
	tag_append(b, type, (uint32_t)(8 + strlen(text) + 1));
	buffer_append(b, text, strlen(text) + 1);
}

/* In KiB; the upper memory ends, as the standard asks, at the first hole (Multiboot2 3.6.4). */
static void basic_memory_append(const struct plan *plan, struct buffer *b)
{
	uint64_t upper_end = plan->end < DEVICE_HOLE_START ? plan->end : DEVICE_HOLE_START;

	tag_append(b, MULTIBOOT2_INFO_BASIC_MEMORY, 16);
	buffer_append_uint(b, LOWER_END / KiB, 4);
	buffer_append_uint(b, (upper_end - UPPER_START) / KiB, 4);
}

static void memory_map_append(const struct plan *plan, struct buffer *b)
{
	struct memory_map_entry map[MEMORY_MAP_MAX];
	unsigned n = memory_map_hrt(plan, map);

	tag_append(b, MULTIBOOT2_INFO_MEMORY_MAP, 16 + MAP_ENTRY_SIZE * n);
	buffer_append_uint(b, MAP_ENTRY_SIZE, 4);
	buffer_append_uint(b, 0, 4); /* version */
	for (unsigned i = 0; i < n; i++) {
		buffer_append_uint(b, map[i].gpa, 8);
		buffer_append_uint(b, map[i].size, 8);
		buffer_append_uint(b, map[i].type, 4);
		/* The standard has a reserved 0 here; Palacios sets it to 1 in reserved entries [spec 5.3].
		 */
		buffer_append_uint(b, map[i].type == MULTIBOOT2_MEMORY_RESERVED, 4);
	}
}

void info_append(const struct plan *plan, const char *cmdline, uint64_t cpu_khz, struct buffer *b)
{
	size_t start = b->size;

	buffer_append_zeros(b, 8); /* total size, filled in below; reserved */
	hrt_tag_append(plan, cpu_khz, b);
	if (cmdline)
		text_tag_append(MULTIBOOT2_INFO_COMMAND_LINE, cmdline, b);
	text_tag_append(MULTIBOOT2_INFO_LOADER_NAME, LOADER_NAME, b);
	basic_memory_append(plan, b);
	memory_map_append(plan, b);
	tag_append(b, MULTIBOOT2_INFO_END, 8);
	buffer_put_uint(b, start, b->size - start, 4);
}
