/*
 * checked.h - sums of sizes that come from outside
 *
 * Each returns false, and leaves *ret alone, when the result does not fit.
 * Compare differences rather than sums where that reads as well.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

static inline bool u64_add(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t sum;

	if (__builtin_add_overflow(a, b, &sum))
		return false;
	*ret = sum;
	return true;
}

static inline bool u64_mul(uint64_t a, uint64_t b, uint64_t *ret)
{
	uint64_t product;

	if (__builtin_mul_overflow(a, b, &product))
		return false;
	*ret = product;
	return true;
}

/* [start, start + size) lies within [0, limit), however large the numbers. */
static inline bool range_within(uint64_t start, uint64_t size, uint64_t limit)
{
	return start <= limit && size <= limit - start;
}

/* [a, a + a_size) and [b, b + b_size) share a byte. Neither range wraps. */
static inline bool ranges_overlap(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
	return a_size && b_size && (a < b ? b - a < a_size : a - b < b_size);
}

/* Rounds to a multiple of `step`, a power of two; round_up wraps to 0 past the end. */
static inline uint64_t round_down(uint64_t x, uint64_t step)
{
	return x & ~(step - 1);
}

static inline uint64_t round_up(uint64_t x, uint64_t step)
{
	return round_down(x + step - 1, step);
}

static inline uint64_t div_up(uint64_t x, uint64_t by)
{
	return x / by + (x % by != 0);
}
