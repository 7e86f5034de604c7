/* patch.c - see patch.h */
#include "guest/patch.h"

#include <assert.h>

#include "abi/hrt.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "image/hrt.h"
#include "spec/sites.h"

uint32_t patch_count(const uint8_t *bytes, uint64_t size)
{
	uint32_t n = 0;

	for (uint64_t at = site_find(bytes, size, 0); at < size; at = site_find(bytes, size, at + SITE_SIZE))
		n++;
	return n;
}

void patch_site(uint8_t *at)
{
	at[0] = 0xE7; /* out %eax, $imm8 */
	at[1] = HVM_PORT;
	at[2] = 0x90; /* nop */
}

uint32_t patch_bytes(uint8_t *bytes, uint64_t size)
{
	uint32_t n = 0;

	for (uint64_t at = site_find(bytes, size, 0); at < size; at = site_find(bytes, size, at + SITE_SIZE), n++)
		patch_site(bytes + at);
	return n;
}

bool patch_find(const struct image_segment *segment, const uint8_t *file, uint64_t at, uint64_t *ret_gpa)
{
	uint64_t within = at - segment->offset;

	*ret_gpa = segment->gpa + within;
	return segment->executable && at >= segment->offset &&
	       site_is_at(file + segment->offset, segment->file_size, within);
}

uint32_t patch_image(const struct plan *plan, const struct hrt_image *image, struct memory *memory)
{
	uint32_t n = 0;

	for (size_t i = 0; i < image->n_segments; i++) {
		const struct image_segment *s = &image->segments[i];
		uint8_t *bytes = memory_at(memory, plan->image_base + s->gpa, s->memory_size);

		assert(bytes);
		if (s->executable)
			n += patch_bytes(bytes, s->file_size);
	}
	return n;
}
