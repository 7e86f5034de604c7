/* patch.c - see patch.h; instructions are those of SDM volume 2 and APM volume 3 */
#include "guest/patch.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "abi/hrt.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "image/hrt.h"

#define CALL_SIZE   3u  /* 0F 01 C1 vmcall, 0F 01 D9 vmmcall */
#define MARKER_SIZE 10u /* movabs $HVM_MARKER, %rbx */

static const uint8_t marker[MARKER_SIZE] = {0x48, 0xBB, 0x64, 0x64, 0x64, 0x64, 0x64, 0x64, 0x64, 0x64};
static_assert(HVM_MARKER == 0x6464646464646464, "the bytes above hold another marker");

static bool is_call(const uint8_t *at)
{
	return at[0] == 0x0F && at[1] == 0x01 && (at[2] == 0xC1 || at[2] == 0xD9);
}

/* Calls fn, where it is given, for each site; returns their number. One sweep: the last marker is remembered. */
static uint32_t each_site(const uint8_t *bytes, uint64_t size, void (*fn)(uint8_t *at), uint8_t *writable)
{
	uint64_t last = 0; /* just behind the last marker; 0: there was none */
	uint32_t n = 0;

	for (uint64_t i = 0; i < size; i++) {
		if (size - i >= MARKER_SIZE && bytes[i] == marker[0] && memcmp(bytes + i, marker, MARKER_SIZE) == 0)
			last = i + MARKER_SIZE;
		if (!last || i < last || i - (last - MARKER_SIZE) > PATCH_REACH)
			continue;
		if (size - i < CALL_SIZE || !is_call(bytes + i))
			continue;
		n++;
		if (fn)
			fn(writable + i);
	}
	return n;
}

static void rewrite(uint8_t *at)
{
	at[0] = 0xE7; /* out %eax, $imm8 */
	at[1] = HVM_PORT;
	at[2] = 0x90; /* nop */
}

uint32_t patch_bytes(uint8_t *bytes, uint64_t size)
{
	return each_site(bytes, size, rewrite, bytes);
}

uint32_t patch_count(const uint8_t *bytes, uint64_t size)
{
	return each_site(bytes, size, NULL, NULL);
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
