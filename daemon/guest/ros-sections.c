/*
 * ros-sections.c - the ELF sections of a kernel, which both Multiboot standards tell it of; see ros-boot.h
 *
 * Multiboot2 3.6.7, Multiboot 3.3 (flags bit 5). Those that no segment loads, symbols
 * and the like, are loaded at the end of the memory, where they are in nobody's way.
 */
#include <errno.h>
#include <stdlib.h>

#include "abi/multiboot2.h"
#include "abi/x86.h"
#include "base/error.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "guest/ros-boot.h"

static const uint8_t *kernel_file(const struct ros_boot *boot)
{
	return boot->files[boot->spec->ros_file].data;
}

static bool are_required(const struct kernel_image *kernel)
{
	return kernel->protocol == KERNEL_MULTIBOOT2 &&
	       kernel->multiboot2.info_required & IMAGE_INFO(MULTIBOOT2_INFO_ELF_SECTIONS);
}

int ros_plan_sections(struct ros_boot *boot, struct plan *plan, struct error *e)
{
	static const struct plan_origin origin = {.source = PLAN_GENERATED};
	struct image_sections *s = &boot->kernel.sections;

	if (s->size == 0)
		return 0;
	if (plan_find_room(plan, PLAN_HIGHEST, s->size, PAGE_SIZE, PC_UPPER_START, ros_upper_end(boot->spec), &boot->sections))
		return plan_take(plan, boot->sections, s->size, &origin, e, "elf sections");
	if (are_required(&boot->kernel))
		return error_set(e, -ENOEXEC,
			"the ROS has no room for the ELF sections that the kernel requires: 0x%llx bytes above 1 MiB; more memory for "
			"the ROS, or a kernel without debugging information, would be right",
			(unsigned long long)s->size);
	*s = (struct image_sections){0};
	return 0;
}

void ros_write_sections(const struct ros_boot *boot, struct memory *memory)
{
	const struct image_sections *s = &boot->kernel.sections;
	uint8_t *p = s->size ? memory_at(memory, boot->sections, s->size) : NULL;

	if (p)
		sections_copy(kernel_file(boot), s, p);
}

struct info_sections ros_told_sections(const struct ros_boot *boot, uint8_t **ret_headers)
{
	const struct image_sections *s = &boot->kernel.sections;

	*ret_headers = s->n ? calloc(s->n, s->header_size) : NULL;
	if (!*ret_headers)
		return (struct info_sections){0};
	sections_headers(kernel_file(boot), s, boot->distance, boot->sections, *ret_headers);
	return (struct info_sections){.headers = *ret_headers, .n = s->n, .header_size = s->header_size, .names = s->names};
}
