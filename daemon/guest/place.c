/* place.c - see place.h */
#include "guest/place.h"

#include <errno.h>
#include <stdbool.h>

#include "abi/multiboot2.h"
#include "base/checked.h"
#include "base/error.h"
#include "image/hrt.h"

#define ULL(x) ((unsigned long long)(x))

/* Bytes from the base to the end of the last segment. */
static uint64_t extent(const struct hrt_image *image)
{
	return image->segments[0].gpa + hrt_image_span(image);
}

/* The part of a free range that the image agrees to. */
static struct place_range agreed(const struct hrt_image *image, const struct place_range *free)
{
	return (struct place_range){
		.start = free->start > image->min_gpa ? free->start : image->min_gpa,
		.end = free->end < image->max_gpa ? free->end : image->max_gpa,
	};
}

static bool fits(const struct hrt_image *image, const struct place_range *range, uint64_t base)
{
	return base % image->align == 0 && base >= range->start && range_within(base, extent(image), range->end);
}

/* The lowest or highest base in one range. Rounding wraps to 0 or to below the range where there is none. */
static bool place_in(const struct hrt_image *image, const struct place_range *range, bool highest, uint64_t *ret)
{
	uint64_t size = extent(image), base;

	if (range->start >= range->end || size > range->end - range->start)
		return false;
	base = highest ? round_down(range->end - size, image->align) : round_up(range->start, image->align);
	if (!fits(image, range, base))
		return false;
	*ret = base;
	return true;
}

static bool place_as_linked(const struct hrt_image *image, const struct place_range *free, size_t n, uint64_t *ret)
{
	uint64_t base = image->link_base - image->gva_offset;

	for (size_t i = 0; i < n; i++) {
		struct place_range range = agreed(image, &free[i]);

		if (fits(image, &range, base)) {
			*ret = base;
			return true;
		}
	}
	return false;
}

static bool place(const struct hrt_image *image, const struct place_range *free, size_t n, uint64_t *ret)
{
	bool highest = image->preference == MULTIBOOT2_PREFER_HIGHEST, found = false;

	if (image->preference == MULTIBOOT2_PREFER_NONE && place_as_linked(image, free, n, ret))
		return true;
	for (size_t i = 0; i < n && (highest || !found); i++) {
		struct place_range range = agreed(image, &free[i]);

		found |= place_in(image, &range, highest, ret);
	}
	return found;
}

int place_image(const struct hrt_image *image, const struct place_range *free, size_t n, uint64_t *ret_base,
	struct error *e)
{
	if (place(image, free, n, ret_base))
		return 0;
	return error_set(e, -EADDRINUSE,
		"there is no place for the image: it wants 0x%llx bytes at a multiple of 0x%llx, in [0x%llx, 0x%llx); "
		"free for it is [0x%llx, 0x%llx)%s: give the VM more memory, or let the image ask for less",
		ULL(extent(image)), ULL(image->align), ULL(image->min_gpa), ULL(image->max_gpa), ULL(free[0].start),
		ULL(free[0].end), n > 1 ? " and memory above 4 GiB" : "");
}
