/*
 * gdt.h - the ROS's GDT for the HRT [spec 6.8]
 *
 * The HRT registers where it wants it; a request of the ROS copies the calling
 * core's table and selectors here; they are written to the HRT's memory by the
 * upcall that tells of them, since only then are its page tables at rest.
 */
#pragma once

#include <stdint.h>

#include "abi/hrt.h"

struct access;
struct vcpu_state;

#define GDT_LIMIT_MAX 0xFFFFu

struct gdt {
	uint64_t gva;  /* of the area in the HRT; 0: none is registered */
	uint32_t size; /* bytes to be written there */
	uint8_t bytes[HVM_GDT_AREA_HEAD + GDT_LIMIT_MAX + 1];
};

/* Fills in the area from a ROS core. 0, or -EFAULT where its GDT cannot be read: then nothing has changed. */
int gdt_capture(struct gdt *gdt, const struct access *ros, const struct vcpu_state *state, uint64_t fs_base);

/* Writes the area through an HRT core's tables. 0 or -EFAULT. */
int gdt_write(const struct gdt *gdt, const struct access *hrt);
