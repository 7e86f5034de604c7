/* fuzz-image.c - whatever an HRT image says, what is believed of it lies within the file */
#include <stdlib.h>
#include <string.h>

#include "abi/hrt.h"
#include "base/error.h"
#include "base/macro.h"
#include "fuzz.h"
#include "image/hrt.h"

const char *const fuzz_corpus[] = {"examples/guests", "tests/fuzz/corpus/image", "tests/data/images", NULL};

static void check_segment(const struct hrt_image *image, size_t i, uint64_t size)
{
	const struct image_segment *s = &image->segments[i];

	if (s->offset > size || s->file_size > size - s->offset || s->file_size > s->memory_size || s->memory_size == 0)
		abort();
	if (i > 0 && image->segments[i - 1].gpa + image->segments[i - 1].memory_size > s->gpa)
		abort();
}

static void headers(const struct hrt_image *image, const uint8_t *data)
{
	uint8_t *copy = calloc(image->sections.n + 1, image->sections.header_size + 1);

	if (copy && image->sections.n)
		sections_headers(data, &image->sections, 0x1000, 0x2000, copy);
	free(copy);
}

static void check_image(const struct hrt_image *image, const uint8_t *data, size_t size)
{
	struct section section;
	uint32_t position = 0;
	uint64_t at = 0, address, value;

	if (image->n_segments == 0 || image->n_segments > HRT_SEGMENTS_MAX)
		abort();
	for (size_t i = 0; i < image->n_segments; i++)
		check_segment(image, i, size);
	if (image->relocations.n > size)
		abort();
	for (uint64_t i = 0; i < image->relocations.n; i++) {
		relocation_at(data, &image->relocations, i, &address, &value);
		if (address - image->link_base - image->segments[0].gpa > hrt_image_span(image) - 8)
			abort();
	}
	while (sections_next(data, &image->sections, &position, &at, &section))
		if (section.offset > size || section.size > size - section.offset)
			abort();
	if (at != image->sections.size)
		abort();
	headers(image, data);
}

/* All of them are within the file, wherever they are said to be. */
static void parse_seed(const uint8_t *data, size_t size)
{
	const struct hrt_seed seed = {.flags = HVM_FLAG_MAP_2MB, .entry = HRT_BLOB_ENTRY};
	struct hrt_image image;
	struct error e = {};

	if (hrt_image_parse_seed(data, size, 8 * MiB, 256 * MiB, &seed, &image, &e) == 0)
		check_image(&image, data, size);
	else if (!e.text[0])
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hrt_image image;
	struct error e = {};

	parse_seed(data, size);
	if (hrt_image_parse(data, size, 8 * MiB, 256 * MiB, &image, &e) < 0) {
		if (!e.text[0])
			abort(); /* a refusal without a sentence */
		return 0;
	}
	if (image.int_vector < 32 || strcmp(hrt_image_kind(&image), "mb64") != 0)
		abort();
	check_image(&image, data, size);
	return 0;
}
