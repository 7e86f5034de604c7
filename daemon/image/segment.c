/* segment.c - see segment.h */
#include "image/segment.h"

#include <errno.h>
#include <stdlib.h>

#include "base/checked.h"
#include "base/error.h"

#define ULL(x) ((unsigned long long)(x))

static int compare(const void *a, const void *b)
{
	const struct image_segment *s = a, *t = b;

	return (s->gpa > t->gpa) - (s->gpa < t->gpa);
}

/* Once they are sorted, every overlap shows between neighbours. */
int segments_sort(struct image_segment *segments, size_t n, struct error *e)
{
	const struct image_segment *s = segments;

	qsort(segments, n, sizeof(*segments), compare);
	for (size_t i = 1; i < n; i++)
		if (ranges_overlap(s[i - 1].gpa, s[i - 1].memory_size, s[i].gpa, s[i].memory_size))
			return error_set(e, -ENOEXEC,
				"two segments of the ELF file overlap in memory: [0x%llx, 0x%llx) and [0x%llx, 0x%llx)",
				ULL(s[i - 1].gpa), ULL(s[i - 1].gpa + s[i - 1].memory_size), ULL(s[i].gpa),
				ULL(s[i].gpa + s[i].memory_size));
	return 0;
}

bool segments_load(const struct image_segment *segments, size_t n, uint64_t gpa)
{
	for (size_t i = 0; i < n; i++)
		if (ranges_overlap(gpa, 1, segments[i].gpa, segments[i].file_size))
			return true;
	return false;
}
