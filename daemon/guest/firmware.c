/* firmware.c - see firmware.h */
#include "guest/firmware.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "abi/x86.h"
#include "base/buffer.h"
#include "base/error.h"
#include "base/macro.h"
#include "guest/acpi.h"
#include "guest/memory.h"
#include "guest/mptable.h"
#include "guest/plan.h"
#include "guest/platform.h"
#include "spec/spec.h"

/*
 * The BIOS data area: where the serial port is, and how much memory there is below 640 KiB, in KiB. Kernels that
 * start other cores look for room right below that end (Xen takes 0 for what it says, and for a place for its stack).
 */
#define BIOS_COM1        0x00u
#define BIOS_BASE_MEMORY 0x13u
#define COM1             0x3F8u

static void bios_data_append(const struct platform *platform, uint64_t gpa, struct buffer *b)
{
	size_t start = b->size;

	(void)platform;
	(void)gpa;
	buffer_append_zeros(b, PLATFORM_BIOS_SIZE);
	buffer_put_uint(b, start + BIOS_COM1, COM1, 2);
	buffer_put_uint(b, start + BIOS_BASE_MEMORY, PC_LOWER_END / KiB, 2);
}

static const struct {
	const char *name;
	uint64_t gpa, size;
	void (*append)(const struct platform *platform, uint64_t gpa, struct buffer *b);
} parts[] = {
	{"bios data", PLATFORM_BIOS_GPA, PLATFORM_BIOS_SIZE, bios_data_append},
	{"acpi tables", PLATFORM_ACPI_GPA, PLATFORM_ACPI_SIZE, acpi_append},
	{"mp table", PLATFORM_MP_GPA, PLATFORM_MP_SIZE, mptable_append},
};
#define ACPI_PART 1

static_assert(SPEC_NODES_MAX <= PLATFORM_NODES_MAX && SPEC_NODES_MAX < PLATFORM_RANGES_MAX, "a node has no place");

/* The part of the ROS's memory from `start` to `end`, both counted in bytes of RAM, on either side of the device hole. */
static void add_ranges(struct platform *p, uint32_t node, uint64_t start, uint64_t end)
{
	uint64_t below = end < DEVICE_HOLE_START ? end : DEVICE_HOLE_START;
	uint64_t above = start > DEVICE_HOLE_START ? start : DEVICE_HOLE_START;

	if (start < below)
		p->ranges[p->n_ranges++] = (struct platform_range){start, below - start, node};
	if (above < end)
		p->ranges[p->n_ranges++] = (struct platform_range){
			DEVICE_HOLE_END + (above - DEVICE_HOLE_START), end - above, node};
}

/* Each node has as many cores and as many MiB as the others, but for what does not come out even. */
static void add_nodes(struct platform *p, const struct vm_spec *spec)
{
	uint64_t mib = spec->ros_memory / MiB;

	p->n_nodes = spec->nodes;
	for (uint32_t i = 0; i < p->n_cores && p->n_nodes > 0; i++)
		p->node_of_core[i] = i * p->n_nodes / p->n_cores;
	for (uint32_t node = 0; node < p->n_nodes; node++)
		add_ranges(p, node, node * mib / p->n_nodes * MiB, (node + 1) * mib / p->n_nodes * MiB);
}

static struct platform platform_of(const struct vm_spec *spec)
{
	struct platform platform = {.n_cores = spec->ros_cores};

	add_nodes(&platform, spec);
	return platform;
}

static int make(const struct vm_spec *spec, size_t part, struct buffer *b, struct error *e)
{
	struct platform platform = platform_of(spec);

	parts[part].append(&platform, parts[part].gpa, b);
	return buffer_ok(b) ? 0 : error_set_errno(e, -ENOMEM, "making the ROS's %s", parts[part].name);
}

int firmware_plan(const struct vm_spec *spec, struct plan *plan, struct firmware *ret, struct error *e)
{
	struct buffer b __attribute__((cleanup(buffer_fini))) = BUFFER_INIT(parts[ACPI_PART].size);
	struct plan_origin origin = {.source = PLAN_GENERATED};
	int r = make(spec, ACPI_PART, &b, e);

	if (r < 0)
		return r;
	memcpy(ret->rsdp, b.data, sizeof(ret->rsdp));
	for (size_t i = 0; i < ARRAY_SIZE(parts) && r == 0; i++)
		r = plan_take(plan, parts[i].gpa, parts[i].size, &origin, e, "%s", parts[i].name);
	return r;
}

int firmware_write(const struct vm_spec *spec, struct memory *memory, struct error *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		struct buffer b __attribute__((cleanup(buffer_fini))) = BUFFER_INIT(parts[i].size);
		int r = make(spec, i, &b, e);
		void *p;

		if (r < 0)
			return r;
		p = memory_at(memory, parts[i].gpa, b.size);
		assert(p); /* the planner has granted it */
		memcpy(p, b.data, b.size);
	}
	return 0;
}
