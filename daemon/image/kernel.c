/* kernel.c - see kernel.h */
#include "image/kernel.h"

#include <assert.h>
#include <errno.h>

#include "base/buffer.h"
#include "base/checked.h"
#include "base/macro.h"
#include "image/executable.h"

#define ULL(x) ((unsigned long long)(x))

static const struct {
	const char *name;
	int (*parse)(const void *data, uint64_t size, struct kernel_image *ret, struct error *e);
} parsers[] = {
	[KERNEL_MULTIBOOT2] = {"multiboot2", kernel_parse_multiboot2},
	[KERNEL_MULTIBOOT1] = {"multiboot", kernel_parse_multiboot1},
	[KERNEL_PVH] = {"pvh", kernel_parse_pvh},
	[KERNEL_LINUX] = {"linux", kernel_parse_linux},
};
static_assert(ARRAY_SIZE(parsers) == N_KERNEL_PROTOCOLS, "a protocol has no parser");

const char *kernel_protocol_to_string(enum kernel_protocol protocol)
{
	assert(protocol < N_KERNEL_PROTOCOLS);
	return parsers[protocol].name;
}

int kernel_image_parse_as(const void *data, uint64_t size, enum kernel_protocol protocol, struct kernel_image *ret,
	struct error *e)
{
	assert(protocol < N_KERNEL_PROTOCOLS);
	*ret = (struct kernel_image){.protocol = protocol};
	return parsers[protocol].parse(data, size, ret, e);
}

/* "multiboot2: why not; multiboot: why not", cut where it is too long for a sentence. */
static void list(struct error *reasons, enum kernel_protocol protocol, const struct error *why)
{
	struct error before = *reasons;

	if (before.text[0])
		error_set(reasons, -ENOEXEC, "%s; %s: %s", before.text, parsers[protocol].name, why->text);
	else
		error_set(reasons, -ENOEXEC, "%s: %s", parsers[protocol].name, why->text);
}

int kernel_image_parse(const void *data, uint64_t size, unsigned allowed, struct kernel_image *ret, struct error *e)
{
	struct error why, reasons = {};
	int error = 0, r;

	for (int p = 0; p < N_KERNEL_PROTOCOLS; p++) {
		if (!(allowed & KERNEL_PROTOCOL_BIT(p)))
			continue;
		r = kernel_image_parse_as(data, size, (enum kernel_protocol)p, ret, &why);
		if (r == 0)
			return 0;
		if (r != -ENOENT && !error)
			error = error_set(e, r, "%s: %s", parsers[p].name, why.text);
		list(&reasons, (enum kernel_protocol)p, &why);
	}
	return error ? error : error_set(e, -ENOEXEC, "no boot protocol takes it: %s", reasons.text);
}

static void explain(const void *data, uint64_t size, enum kernel_protocol protocol, bool *taken, struct buffer *b)
{
	struct kernel_image image;
	struct error why;

	if (kernel_image_parse_as(data, size, protocol, &image, &why) < 0) {
		buffer_printf(b, "%s: %s", parsers[protocol].name, why.text);
		return;
	}
	buffer_printf(b, "%s takes it%s", parsers[protocol].name, *taken ? ", too" : "");
	*taken = true;
}

void kernel_image_explain(const void *data, uint64_t size, unsigned allowed, struct buffer *b)
{
	bool taken = false;

	for (int p = 0; p < N_KERNEL_PROTOCOLS; p++) {
		buffer_append_string(b, p > 0 ? "; " : "");
		if (allowed & KERNEL_PROTOCOL_BIT(p))
			explain(data, size, (enum kernel_protocol)p, &taken, b);
		else
			buffer_printf(b, "%s is not what protocol= says", parsers[p].name);
	}
}

/* --- For parsers ----------------------------------------------------------- */

int kernel_check(struct kernel_image *image, struct error *e)
{
	const struct image_segment *first = image->segments;
	int r;

	r = segments_sort(image->segments, image->n_segments, e);
	if (r < 0)
		return r;
	if (!segments_load(image->segments, image->n_segments, image->entry))
		return error_set(e, -ENOEXEC,
			"the entry point 0x%llx lies in no segment's bytes of the file; the first is [0x%llx, 0x%llx)",
			ULL(image->entry), ULL(first->gpa), ULL(first->gpa + first->file_size));
	return 0;
}

static int take_segment(const struct executable_segment *s, struct kernel_image *ret, struct error *e)
{
	if (ret->n_segments == KERNEL_SEGMENTS_MAX)
		return error_set(e, -ENOEXEC, "the ELF file has more than %d segments to load (PT_LOAD)", KERNEL_SEGMENTS_MAX);
	if (!range_within(s->physical_address, s->memory_size, UINT64_MAX))
		return error_set(e, -ENOEXEC, "program header %u: 0x%llx bytes at p_paddr 0x%llx go beyond the last address",
			s->index, ULL(s->memory_size), ULL(s->physical_address));
	ret->segments[ret->n_segments++] = (struct image_segment){
		.gpa = s->physical_address,
		.memory_size = s->memory_size,
		.offset = s->offset,
		.file_size = s->file_size,
		.writable = s->writable,
		.executable = s->executable,
	};
	return 0;
}

/* An entry is a virtual address where the linker was told of one; processors are given where that was loaded. */
static uint64_t translate(uint64_t entry, const struct executable_segment *s)
{
	return entry - s->virtual_address + s->physical_address;
}

int kernel_take_elf(const void *data, uint64_t size, struct kernel_image *ret, struct error *e)
{
	_cleanup_(executable_freep) struct executable *x = NULL;
	struct executable_segment s;
	unsigned position = 0;
	int r;

	r = executable_open(data, size, EXECUTABLE_KERNEL, &x, e);
	if (r < 0)
		return r;
	ret->is_elf = true;
	ret->entry = executable_entry(x);
	while ((r = executable_next(x, &position, &s, e)) > 0) {
		r = take_segment(&s, ret, e);
		if (r < 0)
			return r;
		if (ranges_overlap(executable_entry(x), 1, s.virtual_address, s.memory_size))
			ret->entry = translate(executable_entry(x), &s);
	}
	if (r < 0)
		return r;
	return ret->n_segments > 0 ? 0 : error_set(e, -ENOEXEC, "the ELF file has no segment to load (PT_LOAD)");
}
