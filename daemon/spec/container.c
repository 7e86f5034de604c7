/* container.c - see container.h */
#include "spec/container.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/checked.h"
#include "base/cursor.h"
#include "base/error.h"
#include "spec/definition.h"

#define MAGIC         "v3vee"
#define MAGIC_BYTES   8u /* with two zeros and the version */
#define VERSION_MAX   1u
#define PADDING_BYTES 8u /* of zeros, behind the text and behind the table */

/* What the parts have in common while they are read. */
struct reading {
	const uint8_t *data; /* borrowed */
	struct cursor c;
	uint64_t hashes[CONTAINER_FILES_MAX];
};

bool container_recognise(const void *data, size_t size)
{
	return size >= strlen(MAGIC) && memcmp(data, MAGIC, strlen(MAGIC)) == 0;
}

uint64_t container_hash(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint64_t h = 0, top;

	for (size_t i = 0; i < size; i++) {
		h = (h << 4) + bytes[i] + i;
		top = h & 0xF0000000; /* bits above are left as they are: all arithmetic has 64 bits */
		h = (h ^ top >> 24) & ~top;
	}
	return h;
}

static int read_magic(struct reading *r, struct container *container, struct error *e)
{
	const uint8_t *magic = cursor_bytes(&r->c, MAGIC_BYTES);

	if (!magic || memcmp(magic, MAGIC "\0\0", MAGIC_BYTES - 1) != 0)
		return error_set(e, -EBADMSG, "it does not begin with \"v3vee\", two zeros and a version");
	container->version = magic[MAGIC_BYTES - 1];
	if (container->version > VERSION_MAX)
		return error_set(e, -EBADMSG, "it has version %u; known are 0 and 1", container->version);
	return 0;
}

static int read_padding(struct reading *r, const char *behind, struct error *e)
{
	uint64_t zeros = cursor_u64(&r->c);

	if (!cursor_ok(&r->c))
		return error_set(e, -EBADMSG, "it ends before the 8 zeros behind its %s", behind);
	if (zeros != 0)
		return error_set(e, -EBADMSG, "there are no 8 zeros behind its %s", behind);
	return 0;
}

static int read_xml(struct reading *r, struct container *container, struct error *e)
{
	container->xml_size = cursor_u32(&r->c);
	if (cursor_ok(&r->c) && container->xml_size > DEFINITION_SIZE_MAX)
		return error_set(e, -EBADMSG, "its text has %" PRIu32 " bytes; %u are the most allowed", container->xml_size,
			DEFINITION_SIZE_MAX);
	container->xml = (const char *)cursor_bytes(&r->c, container->xml_size);
	if (!cursor_ok(&r->c))
		return error_set(e, -EBADMSG, "it ends within its text");
	return read_padding(r, "text", e);
}

static int read_header(struct reading *r, struct container *container, uint32_t i, struct error *e)
{
	struct container_file *file = &container->files[i];
	uint32_t index = cursor_u32(&r->c);

	file->size = cursor_u32(&r->c);
	file->offset = cursor_u64(&r->c);
	r->hashes[i] = container->version > 0 ? cursor_u64(&r->c) : 0;
	if (!cursor_ok(&r->c))
		return error_set(e, -EBADMSG, "it ends within its table of %" PRIu32 " files", container->n_files);
	if (index != i)
		return error_set(
			e, -EBADMSG, "row %" PRIu32 " of its table of files says that it is file %" PRIu32, i, index);
	return 0;
}

static int read_table(struct reading *r, struct container *container, struct error *e)
{
	uint64_t n = cursor_u64(&r->c);

	if (!cursor_ok(&r->c))
		return error_set(e, -EBADMSG, "it ends before the number of its files");
	if (n > CONTAINER_FILES_MAX)
		return error_set(e, -EBADMSG, "it has %" PRIu64 " files; %d are the most allowed", n, CONTAINER_FILES_MAX);
	container->n_files = (uint32_t)n;
	for (uint32_t i = 0; i < container->n_files; i++) {
		int ret = read_header(r, container, i, e);

		if (ret < 0)
			return ret;
	}
	return read_padding(r, "table of files", e);
}

/* Behind the table, and within the container. */
static int check_place(const struct reading *r, const struct container *container, uint32_t i, struct error *e)
{
	const struct container_file *file = &container->files[i];
	uint64_t begin = (uint64_t)(r->c.at - r->data), end = begin + r->c.left;

	if (file->offset < begin || !range_within(file->offset, file->size, end))
		return error_set(e, -EBADMSG,
			"file %" PRIu32 " has %" PRIu32 " bytes from 0x%" PRIx64
			" on; contents lie between 0x%" PRIx64 " and 0x%" PRIx64,
			i, file->size, file->offset, begin, end);
	return 0;
}

/* A file, and where it begins. */
struct place {
	uint64_t offset;
	uint32_t size, index;
};

static int compare_places(const void *a, const void *b)
{
	const struct place *p = a, *q = b;

	return p->offset != q->offset ? (p->offset > q->offset) - (p->offset < q->offset) : (p->size > q->size) - (p->size < q->size);
}

static int check_overlaps(const struct container *container, struct error *e)
{
	struct place places[CONTAINER_FILES_MAX];

	for (uint32_t i = 0; i < container->n_files; i++)
		places[i] = (struct place){container->files[i].offset, container->files[i].size, i};
	qsort(places, container->n_files, sizeof(places[0]), compare_places);
	for (uint32_t i = 1; i < container->n_files; i++)
		if (places[i].offset - places[i - 1].offset < places[i - 1].size)
			return error_set(e, -EBADMSG, "files %" PRIu32 " and %" PRIu32 " overlap", places[i - 1].index,
				places[i].index);
	return 0;
}

static int check_hash(const struct reading *r, const struct container *container, uint32_t i, struct error *e)
{
	const struct container_file *file = &container->files[i];
	uint64_t hash;

	if (container->version == 0)
		return 0;
	hash = container_hash(r->data + file->offset, file->size);
	if (hash != r->hashes[i])
		return error_set(e, -EBADMSG,
			"file %" PRIu32 " has the hash 0x%" PRIx64 ", and its table says 0x%" PRIx64 ": it is damaged", i,
			hash, r->hashes[i]);
	return 0;
}

static int check_files(const struct reading *r, const struct container *container, struct error *e)
{
	int ret = 0;

	for (uint32_t i = 0; ret == 0 && i < container->n_files; i++)
		ret = check_place(r, container, i, e);
	if (ret == 0)
		ret = check_overlaps(container, e);
	for (uint32_t i = 0; ret == 0 && i < container->n_files; i++)
		ret = check_hash(r, container, i, e);
	return ret;
}

int container_parse(const void *data, size_t size, struct container *ret, struct error *e)
{
	struct reading r = {.data = data, .c = cursor_init(data, size)};
	int result;

	*ret = (struct container){};
	result = read_magic(&r, ret, e);
	if (result == 0)
		result = read_xml(&r, ret, e);
	if (result == 0)
		result = read_table(&r, ret, e);
	if (result == 0)
		result = check_files(&r, ret, e);
	return result < 0 ? error_prefix(e, result, "image container") : 0;
}
