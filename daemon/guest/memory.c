/* memory.c - see memory.h */
#include "guest/memory.h"

#include <assert.h>

#include "abi/x86.h"
#include "base/checked.h"

void memory_add(struct memory *memory, uint64_t gpa, uint64_t size, void *host)
{
	assert(memory->n_windows < MEMORY_WINDOWS_MAX);
	assert(range_within(gpa, size, UINT64_MAX));
	for (size_t i = 0; i < memory->n_windows; i++)
		assert(!ranges_overlap(memory->windows[i].gpa, memory->windows[i].size, gpa, size));
	memory->windows[memory->n_windows++] = (struct memory_window){.gpa = gpa, .size = size, .host = host};
}

void memory_add_readonly(struct memory *memory, uint64_t gpa, uint64_t size, void *host)
{
	memory_add(memory, gpa, size, host);
	memory->windows[memory->n_windows - 1].readonly = true;
}

void memory_move(struct memory *memory, const void *host, uint64_t gpa)
{
	for (size_t i = 0; i < memory->n_windows; i++)
		if (memory->windows[i].host == host)
			memory->windows[i].gpa = gpa;
}

static const struct memory_window *find(const struct memory *memory, uint64_t gpa, uint64_t size)
{
	const struct memory_window *w;

	for (w = memory->windows; w < memory->windows + memory->n_windows; w++)
		if (gpa >= w->gpa && range_within(gpa - w->gpa, size, w->size))
			return w;
	return NULL;
}

void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t size)
{
	const struct memory_window *w = find(memory, gpa, size);

	return w ? w->host + (gpa - w->gpa) : NULL;
}

bool memory_writable(const struct memory *memory, uint64_t gpa, uint64_t size)
{
	const struct memory_window *w = find(memory, gpa, size);

	return w && !w->readonly;
}

size_t ram_layout(uint64_t bytes, struct ram_range ret[2])
{
	if (bytes <= DEVICE_HOLE_START) {
		ret[0] = (struct ram_range){.gpa = 0, .size = bytes, .offset = 0};
		return 1;
	}
	ret[0] = (struct ram_range){.gpa = 0, .size = DEVICE_HOLE_START, .offset = 0};
	ret[1] = (struct ram_range){
		.gpa = DEVICE_HOLE_END,
		.size = bytes - DEVICE_HOLE_START,
		.offset = DEVICE_HOLE_START,
	};
	return 2;
}

uint64_t ram_end(uint64_t bytes)
{
	struct ram_range ranges[2];
	size_t n = ram_layout(bytes, ranges);

	return ranges[n - 1].gpa + ranges[n - 1].size;
}
