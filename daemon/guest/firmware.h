/*
 * firmware.h - what firmware would have left in the memory of a ROS
 *
 * ACPI's tables, the MP table and a little of the BIOS's data, where kernels look for them that nobody tells;
 * boot protocols that can hand over the pointer do that, too.
 */
#pragma once

#include <stdint.h>

#include "abi/acpi.h"

struct error;
struct memory;
struct plan;
struct vm_spec;

struct firmware {
	uint8_t rsdp[ACPI_RSDP_SIZE]; /* as it stands at PLATFORM_ACPI_GPA (guest/platform.h) */
};

/* Takes their places in the ROS's memory. Returns 0, -ENOMEM, or as plan_take(). */
int firmware_plan(const struct vm_spec *spec, struct plan *plan, struct firmware *ret, struct error *e);

/* Writes them. Returns 0, or -ENOMEM with a sentence. */
int firmware_write(const struct vm_spec *spec, struct memory *memory, struct error *e);
