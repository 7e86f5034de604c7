/* inspection.c - see inspection.h */
#include "link/inspection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/macro.h"
#include "base/utf8.h"
#include "link/link.h"

#define REGION_WIRE_MIN 36u /* bytes: three lengths, words of 1, 3 and 4 letters at least, two numbers */
#define ERRNO_MAX_      4095 /* the kernel's own bound for -errno */

/* The static twin of a word; NULL: it is none of them. */
static const char *twin(const char *word, const char *const words[], size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(word, words[i]) == 0)
			return words[i];
	return NULL;
}

static const char *access_word(const char *word)
{
	static const char *const words[] = {"ros", "hrt", "both", "hrt-reads", "device"};

	return twin(word, words, ARRAY_SIZE(words));
}

static const char *source_word(const char *word)
{
	static const char *const words[] = {"zero", "file", "generated", "none"};

	return twin(word, words, ARRAY_SIZE(words));
}

static bool name_valid(const char *name)
{
	for (const char *p = name; *p; p++)
		if (*p < ' ' || *p > '~')
			return false;
	return name[0];
}

static int read_digest(struct cursor *c, uint8_t *ret, size_t size)
{
	const uint8_t *digest = cursor_bytes(c, size);

	if (!digest)
		return -EPROTO;
	memcpy(ret, digest, size);
	return 0;
}

static int read_origin(struct cursor *c, struct memory_region *region)
{
	_cleanup_free_ char *word = link_read_string(c);

	region->source = cursor_ok(c) ? source_word(word) : NULL;
	if (!region->source)
		return -EPROTO;
	if (strcmp(region->source, "file") == 0) {
		region->file = link_read_string(c);
		region->offset = cursor_u64(c);
		region->bytes = cursor_u64(c);
		if (!cursor_ok(c) || !region->file[0] || !utf8_is_plain(region->file) || region->bytes > region->size)
			return -EPROTO;
	}
	region->has_sha256 = region->file || strcmp(region->source, "generated") == 0;
	return region->has_sha256 ? read_digest(c, region->sha256, sizeof(region->sha256)) : 0;
}

/* `end` is where the region before ends. */
static int read_place(struct cursor *c, uint64_t *end, struct memory_region *region)
{
	_cleanup_free_ char *word = NULL;

	region->name = link_read_string(c);
	region->gpa = cursor_u64(c);
	region->size = cursor_u64(c);
	word = link_read_string(c);
	if (!cursor_ok(c))
		return -EPROTO;
	region->access = access_word(word);
	if (!name_valid(region->name) || !region->access || region->size == 0 || region->gpa < *end ||
		!u64_add(region->gpa, region->size, end))
		return -EPROTO;
	return 0;
}

static int read_region(struct cursor *c, uint64_t *end, struct memory_region *region)
{
	int r = read_place(c, end, region);

	return r < 0 ? r : read_origin(c, region);
}

static bool record_valid(const char *record)
{
	for (const char *p = record; *p; p++)
		if (*p != '\n' && (*p < ' ' || *p > '~'))
			return false;
	return true;
}

static int read_record(struct cursor *c, struct memory_map *map)
{
	map->record = link_read_string(c);
	if (!cursor_ok(c) || !record_valid(map->record))
		return -EPROTO;
	return read_digest(c, map->digest, sizeof(map->digest));
}

void memory_map_fini(struct memory_map *map)
{
	for (size_t i = 0; i < map->n; i++) {
		free(map->regions[i].name);
		free(map->regions[i].file);
	}
	free(map->regions);
	free(map->record);
	*map = (struct memory_map){};
}

int memory_map_read(struct cursor *c, struct memory_map *ret)
{
	_cleanup_(memory_map_fini) struct memory_map map = {};
	uint32_t n = cursor_u32(c);
	uint64_t end = 0;

	if (!cursor_ok(c) || n == 0 || n > c->left / REGION_WIRE_MIN)
		return -EPROTO;
	map.regions = calloc(n, sizeof(*map.regions));
	if (!map.regions)
		return -ENOMEM;
	while (map.n < n) {
		int r = read_region(c, &end, &map.regions[map.n++]); /* what it leaves behind is freed with the map */

		if (r < 0)
			return r;
	}
	if (read_record(c, &map) < 0 || c->left > 0)
		return -EPROTO;
	*ret = map;
	map = (struct memory_map){};
	return 0;
}

static void finding_fini(struct image_finding *f)
{
	free(f->what);
	free(f->protocol);
	free(f->why_not);
}

void inspection_fini(struct inspection *i)
{
	while (i->n_images > 0)
		finding_fini(&i->images[--i->n_images]);
	memory_map_fini(&i->plan);
}

static int read_findings(struct cursor *c, size_t n_images, struct inspection *i)
{
	if (cursor_u32(c) != n_images || n_images > ARRAY_SIZE(i->images))
		return -EPROTO;
	while (i->n_images < n_images) {
		struct image_finding *f = &i->images[i->n_images++];

		f->what = link_read_string(c);
		f->protocol = link_read_string(c);
		f->why_not = link_read_string(c);
	}
	return cursor_ok(c) ? 0 : -EPROTO;
}

static int read_plan(struct cursor *c, struct inspection *i)
{
	int32_t error = (int32_t)cursor_u32(c);
	_cleanup_free_ char *why = link_read_string(c);

	if (!cursor_ok(c) || error > 0 || error < -ERRNO_MAX_ || (error < 0) != (why[0] != '\0'))
		return -EPROTO;
	if (error == 0)
		return memory_map_read(c, &i->plan);
	i->error = error_set(&i->why, error, "%s", why);
	return c->left > 0 ? -EPROTO : 0;
}

int inspection_read(struct cursor *c, size_t n_images, struct inspection *ret)
{
	int r;

	*ret = (struct inspection){};
	r = read_findings(c, n_images, ret);
	if (r == 0)
		r = read_plan(c, ret);
	if (r < 0)
		inspection_fini(ret);
	return r;
}
