/*
 * reserve.c - see reserve.h
 *
 * A block that is given out from its beginning to its end, and begun anew when all
 * of it has been given back; its pages cost nothing until they are touched. libxml2 is
 * used by one thread.
 */
#include "spec/reserve.h"

#include <libxml/xmlmemory.h>
#include <malloc.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/macro.h"

#define RESERVE_SIZE \
	(64 * MiB) /* a text of 1 MiB becomes a tree of some 30 MiB, and a schema's notes about it */

static struct {
	_Alignas(max_align_t) uint8_t bytes[RESERVE_SIZE];
	size_t used, n_given;
} reserve;

/* In front of each piece: how long it is. */
struct piece {
	_Alignas(max_align_t) size_t size;
};

static bool is_reserve(const void *p)
{
	return (uintptr_t)p - (uintptr_t)reserve.bytes < sizeof(reserve.bytes);
}

static void *reserve_take(size_t size)
{
	size_t room = sizeof(struct piece) + (size_t)round_up(size, sizeof(struct piece));
	struct piece *piece = (struct piece *)(reserve.bytes + reserve.used);

	if (size > sizeof(reserve.bytes) || room > sizeof(reserve.bytes) - reserve.used)
		return NULL;
	reserve.used += room;
	reserve.n_given++;
	piece->size = size;
	return piece + 1;
}

static void reserve_give_back(void)
{
	if (--reserve.n_given == 0)
		reserve.used = 0;
}

static void *take(size_t size)
{
	void *p = malloc(size);

	return p ? p : reserve_take(size);
}

static void give_back(void *p)
{
	if (is_reserve(p))
		reserve_give_back();
	else
		free(p);
}

static void *resize_reserve(void *p, size_t size)
{
	size_t before = ((struct piece *)p - 1)->size;
	void *longer = take(size);

	if (!longer)
		return NULL;
	memcpy(longer, p, before < size ? before : size);
	reserve_give_back();
	return longer;
}

static void *resize(void *p, size_t size)
{
	size_t before;
	void *longer;

	if (is_reserve(p))
		return resize_reserve(p, size);
	longer = realloc(p, size);
	if (longer)
		return longer;
	longer = reserve_take(size);
	if (!longer)
		return NULL;
	before = malloc_usable_size(p); /* what has been asked for is not known; this is no less */
	if (before > 0)
		memcpy(longer, p, before < size ? before : size);
	free(p);
	return longer;
}

static char *duplicate(const char *text)
{
	size_t size = strlen(text) + 1;
	char *copy = take(size);

	return copy ? memcpy(copy, text, size) : NULL;
}

void reserve_for_libxml2(void)
{
	static bool done;

	if (!done)
		xmlMemSetup(give_back, take, resize, duplicate);
	done = true;
}
