/* sites.c - see sites.h; instructions are those of SDM volume 2 and APM volume 3 */
#include "spec/sites.h"

#include <assert.h>
#include <string.h>

#include "abi/hrt.h"
#include "spec/spec.h"

#define MARKER_SIZE 10u /* movabs $HVM_MARKER, %rbx */

static const uint8_t marker[MARKER_SIZE] = {0x48, 0xBB, 0x64, 0x64, 0x64, 0x64, 0x64, 0x64, 0x64, 0x64};
static_assert(HVM_MARKER == 0x6464646464646464, "the bytes above hold another marker");

/* 0F 01 C1 vmcall, 0F 01 D9 vmmcall */
static bool is_call(const uint8_t *at)
{
	return at[0] == 0x0F && at[1] == 0x01 && (at[2] == 0xC1 || at[2] == 0xD9);
}

static uint64_t find_marker(const uint8_t *bytes, uint64_t size, uint64_t from)
{
	const uint8_t *found = from < size ? memmem(bytes + from, size - from, marker, MARKER_SIZE) : NULL;

	return found ? (uint64_t)(found - bytes) : size;
}

uint64_t site_find(const uint8_t *bytes, uint64_t size, uint64_t from)
{
	uint64_t at = find_marker(bytes, size, from > SITE_REACH ? from - SITE_REACH : 0), next;

	for (; at < size; at = next) {
		uint64_t i = at + MARKER_SIZE > from ? at + MARKER_SIZE : from;

		next = find_marker(bytes, size, at + MARKER_SIZE);
		for (; i + SITE_SIZE <= next && i - at <= SITE_REACH; i++)
			if (is_call(bytes + i))
				return i;
	}
	return size;
}

bool site_is_at(const uint8_t *bytes, uint64_t size, uint64_t at)
{
	uint64_t begin = at > SITE_REACH ? at - SITE_REACH : 0;

	return size >= SITE_SIZE && at <= size - SITE_SIZE &&
	       site_find(bytes + begin, at + SITE_SIZE - begin, at - begin) == at - begin;
}

void sites_find(const uint8_t *bytes, uint64_t size, struct spec_sites *ret)
{
	ret->n = 0;
	ret->known = size <= UINT32_MAX;
	for (uint64_t at = 0; ret->known && (at = site_find(bytes, size, at)) < size; at += SITE_SIZE) {
		ret->known = ret->n < SPEC_SITES_MAX;
		if (ret->known)
			ret->at[ret->n++] = (uint32_t)at;
	}
}
