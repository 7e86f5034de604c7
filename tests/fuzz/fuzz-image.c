/* fuzz-image.c - whatever an HRT image says, what is believed of it lies within the file */
#include <stdlib.h>

#include "abi/hrt.h"
#include "base/error.h"
#include "base/macro.h"
#include "fuzz.h"
#include "image/hrt.h"

const char *const fuzz_corpus[] = {"examples/guests", "tests/fuzz/corpus/image", NULL};

static void check_segment(const struct hrt_image *image, size_t i, uint64_t size)
{
	const struct image_segment *s = &image->segments[i];

	if (s->offset > size || s->file_size > size - s->offset || s->file_size > s->memory_size || s->memory_size == 0)
		abort();
	if (i > 0 && image->segments[i - 1].gpa + image->segments[i - 1].memory_size > s->gpa)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hrt_image image;
	struct error e = {};

	if (hrt_image_parse(data, size, 8 * MiB, 256 * MiB, &image, &e) < 0) {
		if (!e.text[0])
			abort(); /* a refusal without a sentence */
		return 0;
	}
	if (image.n_segments == 0 || image.n_segments > HRT_SEGMENTS_MAX || image.int_vector < 32)
		abort();
	for (size_t i = 0; i < image.n_segments; i++)
		check_segment(&image, i, size);
	return 0;
}
