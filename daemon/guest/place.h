/* place.h - a place in memory for an HRT image that may stand anywhere */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct error;
struct hrt_image;

struct place_range { /* [start, end) */
	uint64_t start, end; /* GPAs */
};

/*
 * Chooses the base of a relocatable image within one of `n` free ranges, which
 * are in ascending order: where it is linked if that is free and it has no other
 * preference, else the lowest place, or the highest if that is what it prefers.
 * Returns 0, or -EADDRINUSE with a sentence.
 */
int place_image(const struct hrt_image *image, const struct place_range *free, size_t n, uint64_t *ret_base,
	struct error *e);
