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

static struct platform platform_of(const struct vm_spec *spec)
{
	return (struct platform){.n_cores = spec->ros_cores};
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
