/* images.c - see images.h */
#include "monitor/images.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "abi/x86.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/io.h"
#include "base/macro.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "monitor/hrt-memory.h"
#include "monitor/machine.h"

#define SEALED (F_SEAL_WRITE | F_SEAL_SHRINK)

/* The size of a file that nobody can change any more; 0: it is none. */
static uint64_t sealed_size(int fd)
{
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS); /* cage(build): fcntl */

	if (seals < 0 || (seals & SEALED) != SEALED || fstat(fd, &st) < 0 || st.st_size <= 0 ||
		(uint64_t)st.st_size > MACHINE_IMAGE_MAX)
		return 0;
	return (uint64_t)st.st_size;
}

int images_take(struct images *images, size_t file, int fd, const char *what, struct error *e)
{
	uint64_t sealed = sealed_size(fd);
	char *data;
	size_t size;
	void *p;
	int r;

	if (sealed) {
		p = mmap(NULL, sealed, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED)
			return error_set_errno(e, -errno, "mapping the file \"%s\"", what);
		images->files[file] = (struct guest_file){.data = p, .size = sealed};
		images->mapped[file] = true;
		return 0;
	}
	r = file_read(fd, what, MACHINE_IMAGE_MAX, &data, &size, e);
	if (r == 0)
		images->files[file] = (struct guest_file){.data = (uint8_t *)data, .size = size};
	return r;
}

static void let_go(struct images *images, size_t i)
{
	if (images->mapped[i])
		munmap((void *)images->files[i].data, images->files[i].size);
	else
		free((void *)images->files[i].data);
	images->mapped[i] = false;
}

void images_fini(struct images *images)
{
	for (size_t i = 0; i < SPEC_FILES_MAX; i++)
		let_go(images, i);
	*images = (struct images){};
}

void images_replace(struct images *images, size_t file, uint8_t *data, size_t size)
{
	let_go(images, file);
	images->files[file] = (struct guest_file){.data = data, .size = size};
	for (size_t i = 0; i < SPEC_FILES_MAX; i++)
		images->changed[i] = true;
}

/* --- In the HRT's memory --------------------------------------------------------- */

/* Whole pages of a region that are whole pages of the file: [start, end) of the region; empty where there are none. */
static void whole_pages(const struct plan_region *r, uint64_t *ret_start, uint64_t *ret_end)
{
	uint64_t end = r->origin.size;

	*ret_start = *ret_end = 0;
	if ((r->gpa - r->origin.offset) % PAGE_SIZE != 0)
		return;
	*ret_start = round_up(r->gpa, PAGE_SIZE) - r->gpa;
	*ret_end = round_down(r->gpa + end, PAGE_SIZE) - r->gpa;
	if (*ret_start >= *ret_end || *ret_end > end)
		*ret_start = *ret_end = 0;
}

static bool is_mapped(const struct images *images, const struct plan_region *r)
{
	return r->access == PLAN_HRT && r->origin.source == PLAN_FILE && images->mapped[r->origin.file] &&
	       !images->changed[r->origin.file];
}

void images_rest(
	const struct images *images, const struct plan *plan, const struct memory *memory, struct memory *ret)
{
	*ret = (struct memory){};
	for (size_t i = 0; i < plan->n_regions; i++) {
		const struct plan_region *r = &plan->regions[i];
		void *host = is_mapped(images, r) ? NULL : memory_at(memory, r->gpa, r->size);
		struct memory_window *last = ret->n_windows ? &ret->windows[ret->n_windows - 1] : NULL;

		if (!host)
			continue;
		if (last && last->gpa + last->size == r->gpa && last->host + last->size == host)
			last->size += r->size;
		else
			memory_add(ret, r->gpa, r->size, host);
	}
}

/* Bytes [start, end) of the region. */
static void copy(const struct images *images, const struct plan_region *r, uint64_t start, uint64_t end, uint8_t *host)
{
	if (start < end)
		memcpy(host + start, images->files[r->origin.file].data + r->origin.offset + start, end - start);
}

void images_write_edges(const struct images *images, const struct plan *plan, const struct memory *memory)
{
	for (size_t i = 0; i < plan->n_regions; i++) {
		const struct plan_region *r = &plan->regions[i];
		uint8_t *host = memory_at(memory, r->gpa, r->size);
		uint64_t start, end;

		if (!host || !is_mapped(images, r))
			continue;
		whole_pages(r, &start, &end);
		copy(images, r, 0, start, host);
		copy(images, r, end, r->origin.size, host);
	}
}

int images_overlay(const struct images *images, const struct plan *plan, const int fds[SPEC_FILES_MAX],
	const struct memory *memory, struct hrt_memory *hrt_memory, struct error *e)
{
	int error = 0;

	for (size_t i = 0; i < plan->n_regions && error == 0; i++) {
		const struct plan_region *r = &plan->regions[i];
		uint64_t start, end;

		if (!is_mapped(images, r))
			continue;
		whole_pages(r, &start, &end);
		if (start < end)
			error = hrt_memory_overlay(hrt_memory, memory_at(memory, r->gpa + start, end - start), end - start,
				fds[r->origin.file], r->origin.offset + start, e);
	}
	return error;
}
