/* hrt-memory.c - see hrt-memory.h */
#include "monitor/hrt-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/x86.h"
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"
#include "guest/memory.h"

static int map_at_host(struct hrt_memory *m, int flags, struct error *e)
{
	void *p = mmap(m->host, m->size, PROT_READ | PROT_WRITE, flags | MAP_FIXED | MAP_NORESERVE, m->template, 0);

	if (p == MAP_FAILED)
		return error_set_errno(e, -errno, "mapping %llu MiB of HRT memory", m->size / MiB);
	return 0;
}

int hrt_memory_init(struct hrt_memory *m, uint8_t *host, uint64_t size, struct error *e)
{
	m->host = host;
	m->size = size;
	pthread_mutex_init(&m->lock, NULL);
	m->template = memfd_create("hvm-hrt", MFD_CLOEXEC | MFD_ALLOW_SEALING); /* cage(build): memfd_create, ftruncate */
	if (m->template < 0 || ftruncate(m->template, (off_t)size) < 0)
		return error_set_errno(e, -errno, "making %llu MiB of HRT memory", size / MiB);
	return map_at_host(m, MAP_SHARED, e);
}

void hrt_memory_fini(struct hrt_memory *m)
{
	if (!m->host)
		return;
	if (m->pristine)
		munmap(m->pristine, m->size);
	free(m->replaced);
	close_fd(m->template);
	pthread_mutex_destroy(&m->lock);
	m->host = NULL;
}

/* Nobody can change the template any more; our own view of it is private because older kernels allow no other. */
int hrt_memory_seal(struct hrt_memory *m, bool tracked, struct error *e)
{
	void *pristine;
	int r = map_at_host(m, MAP_PRIVATE, e);

	if (r < 0)
		return r;
	if (fcntl(m->template, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0) /* cage(build): fcntl */
		return error_set_errno(e, -errno, "sealing the HRT's template");
	pristine = mmap(NULL, m->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, m->template, 0);
	if (pristine == MAP_FAILED)
		return error_set_errno(e, -errno, "mapping the HRT's template");
	m->pristine = pristine;
	m->template = close_fd(m->template);
	m->tracked = tracked;
	return 0;
}

int hrt_memory_overlay(struct hrt_memory *m, uint8_t *host, uint64_t size, int fd, uint64_t offset, struct error *e)
{
	void *pristine = (uint8_t *)m->pristine + (host - m->host);
	const int flags = MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE;

	void *shown = mmap(host, size, PROT_READ | PROT_WRITE, flags, fd, (off_t)offset);
	void *kept = mmap(pristine, size, PROT_READ | PROT_WRITE, flags, fd, (off_t)offset);

	if (shown == MAP_FAILED || kept == MAP_FAILED)
		return error_set_errno(e, -errno, "mapping %llu KiB of an image", size / KiB);
	return 0;
}

int hrt_memory_replace(struct hrt_memory *m, uint64_t offset, uint64_t size, struct error *e)
{
	uint64_t first = offset / PAGE_SIZE, end = round_up(offset + size, PAGE_SIZE) / PAGE_SIZE;

	if (!m->replaced)
		m->replaced = calloc(m->size / PAGE_SIZE / 8 + 1, 1);
	if (!m->replaced)
		return error_set_errno(e, -ENOMEM, "replacing the HRT's image");
	if (m->end_replaced == 0 || first < m->first_replaced)
		m->first_replaced = first;
	if (end > m->end_replaced)
		m->end_replaced = end;
	for (uint64_t page = first; page < end; page++)
		m->replaced[page / 8] |= (uint8_t)(1u << page % 8);
	return 0;
}

void hrt_memory_show_replaced(struct hrt_memory *m)
{
	for (uint64_t page = m->first_replaced; page < m->end_replaced; page++)
		if (m->replaced[page / 8] >> page % 8 & 1)
			memcpy(m->host + page * PAGE_SIZE, m->pristine + page * PAGE_SIZE, PAGE_SIZE);
}

void hrt_memory_dirty(struct hrt_memory *m, const struct memory *memory, uint64_t gpa)
{
	const uint8_t *page = memory_at(memory, gpa, PAGE_SIZE);

	if (!page || page < m->host || page >= m->host + m->size)
		return;
	pthread_mutex_lock(&m->lock);
	if (m->n_dirty < HRT_MEMORY_LIST_MAX)
		m->dirty[m->n_dirty++] = (uint32_t)((uint64_t)(page - m->host) / PAGE_SIZE);
	else
		m->overflow = true;
	pthread_mutex_unlock(&m->lock);
}

void hrt_memory_lost_track(struct hrt_memory *m)
{
	pthread_mutex_lock(&m->lock);
	m->overflow = true;
	pthread_mutex_unlock(&m->lock);
}

static void copy_pages(struct hrt_memory *m)
{
	for (uint32_t i = 0; i < m->n_dirty; i++) {
		uint64_t offset = m->dirty[i] * PAGE_SIZE;

		memcpy(m->host + offset, m->pristine + offset, PAGE_SIZE);
	}
}

int hrt_memory_put_back(struct hrt_memory *m, struct error *e)
{
	int r = 0;

	pthread_mutex_lock(&m->lock);
	if (m->tracked && !m->overflow)
		copy_pages(m);
	else if (madvise(m->host, m->size, MADV_DONTNEED) < 0) /* cage(run): madvise */
		r = error_set_errno(e, -errno, "putting the HRT's memory back");
	else
		hrt_memory_show_replaced(m); /* the template has come through */
	m->n_dirty = 0;
	m->overflow = false;
	pthread_mutex_unlock(&m->lock);
	return r;
}
