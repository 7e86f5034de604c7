/*
 * platform.h - what a ROS finds out about its machine where firmware would tell it
 *
 * A ROS is booted without firmware, but kernels look for what firmware leaves
 * below 1 MiB. acpi.h and mptable.h write that, both from the one description
 * here, and both for the wiring here:
 *
 *	ISA interrupt 0 (the timer) comes to pin 2 of the IOAPIC, the others to
 *	the pin of their number; 9 is ACPI's and goes by level. Besides, the PIC
 *	is on LINT0 of core 0, and nothing, ever, on LINT1, where NMIs would be.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define PLATFORM_CORES_MAX  255 /* APIC ids are bytes in both kinds of table */
#define PLATFORM_NODES_MAX  8
#define PLATFORM_RANGES_MAX 16

#define PLATFORM_TIMER_IRQ 0
#define PLATFORM_TIMER_PIN 2
#define PLATFORM_IRQS      16
#define PLATFORM_PINS      24

/* Kernels that nobody hands a pointer search [0xE0000, 1 MiB) for ACPI's and [0xF0000, 1 MiB) for MP's. */
#define PLATFORM_BIOS_GPA  0x400ull
#define PLATFORM_BIOS_SIZE 0x100ull
#define PLATFORM_ACPI_GPA  0xE0000ull
#define PLATFORM_ACPI_SIZE 0x10000ull
#define PLATFORM_MP_GPA    0xF0000ull
#define PLATFORM_MP_SIZE   0x2000ull

/* A run of memory that is near to some cores. */
struct platform_range {
	uint64_t gpa, size; /* bytes */
	uint32_t node;
};

struct platform {
	uint32_t n_cores; /* APIC ids 0 to n_cores - 1, up to PLATFORM_CORES_MAX; 0 is the BSP */
	/* NUMA; n_nodes 0: nobody asked for it, and nothing is told */
	uint32_t n_nodes;
	uint32_t node_of_core[PLATFORM_CORES_MAX];
	struct platform_range ranges[PLATFORM_RANGES_MAX];
	size_t n_ranges;
};
