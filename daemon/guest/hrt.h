/* hrt.h - what an HRT is booted from: its definition, its files, the processor it will run on */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/file.h"

struct error;
struct hrt_image;
struct vm_spec;

#define HRT_PHYSICAL_BITS 52 /* of an address, at the most: SDM volume 3A, 4.1.4 */

struct hrt_processor {
	bool gigabyte_pages;    /* its CPUID will offer 1 GiB pages (0x80000001, EDX bit 26) */
	unsigned physical_bits; /* and addresses of so many bits (0x80000008, EAX); 0: HRT_PHYSICAL_BITS */
};

struct hrt_source {
	/* borrowed */
	const struct vm_spec *spec;     /* hybrid */
	const struct guest_file *files; /* as many as the definition has; NULL where only a plan is wanted of an HRT without modules */
	const struct hrt_image *image;
	struct hrt_processor processor;
};

/* The granule that a definition has for the seed layout, as an HVM_FLAG_MAP_... bit. */
uint64_t hrt_seed_granule(const struct vm_spec *spec);

/*
 * Parses the definition's HRT image, by the layout that it asks for. Returns 0, or
 * -ENOEXEC with a sentence.
 */
int hrt_parse(const struct vm_spec *spec, const struct guest_file *file, struct hrt_image *ret, struct error *e);
