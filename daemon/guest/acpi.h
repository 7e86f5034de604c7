/*
 * acpi.h - ACPI tables of a ROS
 *
 * ACPI with its PM1 registers (device/power.h), not hardware-reduced: kernels
 * that boot without firmware still want their PIC and their timer, which that
 * profile takes away. The DSDT is guest/dsdt.asl, compiled at build time.
 *
 *	+0     RSDP, in front of everything, so that it is found by its GPA
 *	then   FACS, DSDT, FADT, MADT, SRAT and SLIT where there are nodes, RSDT, XSDT
 */
#pragma once

#include <stdint.h>

struct buffer;
struct platform;

/*
 * Appends all tables to an empty buffer, as they are to stand at `gpa` (a
 * multiple of 64, below 4 GiB). Less than PLATFORM_ACPI_SIZE bytes.
 */
void acpi_append(const struct platform *platform, uint64_t gpa, struct buffer *b);
