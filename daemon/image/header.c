/* header.c - see header.h */
#include "image/header.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi/hrt.h"
#include "abi/multiboot2.h"
#include "base/checked.h"
#include "base/cursor.h"
#include "base/error.h"

#define HEADER_HEAD 16u /* magic, architecture, length, checksum */
#define HEADER_MIN  24u /* and an end tag */
#define TAG_HEAD    8u

/* A tag in the file; `body` stands behind its head. */
struct tag {
	uint64_t offset; /* in the file */
	uint32_t type;
	uint32_t flags;
	uint32_t size;
	struct cursor body;
};

/* --- Finding the header --------------------------------------------------- */

/* Why the bytes at `offset`, which begin with the magic, are no header; an empty string when they are one. */
static void judge_candidate(const uint8_t *data, uint64_t limit, uint64_t offset, uint32_t *ret_length,
	char *why, size_t why_size)
{
	struct cursor c = cursor_init(data + offset, limit - offset);
	uint32_t magic = cursor_u32(&c), arch = cursor_u32(&c), length = cursor_u32(&c), sum = cursor_u32(&c);

	why[0] = '\0';
	if (!cursor_ok(&c))
		snprintf(
			why, why_size, "is cut off after 0x%llx bytes", (unsigned long long)(limit - offset));
	else if (magic + arch + length + sum != 0)
		snprintf(why, why_size, "has checksum 0x%08x where 0x%08x would be right", sum,
			-(magic + arch + length));
	else if (arch != MULTIBOOT2_ARCH_I386)
		snprintf(why, why_size, "is for architecture %u; %u (i386) would be right", arch,
			MULTIBOOT2_ARCH_I386);
	else if (length < HEADER_MIN)
		snprintf(why, why_size, "has length %u; the shortest header has %u", length, HEADER_MIN);
	else if (!range_within(offset, length, limit))
		snprintf(why, why_size, "has length %u and does not end within the first %llu bytes", length,
			(unsigned long long)limit);
	*ret_length = length;
}

/* Looks at every `step` bytes. *ret_suspect and why: the first magic that is no header. */
static bool find_header(const uint8_t *data, uint64_t limit, unsigned step, struct image_header *ret,
	uint64_t *ret_suspect, char *why, size_t why_size)
{
	char reason[128];
	uint32_t length;

	for (uint64_t offset = 0; range_within(offset, 4, limit); offset += step) {
		struct cursor c = cursor_init(data + offset, 4);

		if (cursor_u32(&c) != MULTIBOOT2_HEADER_MAGIC)
			continue;
		judge_candidate(data, limit, offset, &length, reason, sizeof(reason));
		if (!reason[0]) {
			ret->offset = offset;
			ret->length = length;
			return true;
		}
		if (!why[0]) {
			*ret_suspect = offset;
			snprintf(why, why_size, "%s", reason);
		}
	}
	return false;
}

static int locate(const uint8_t *data, uint64_t size, struct image_header *ret, struct error *e)
{
	uint64_t limit = size < MULTIBOOT2_HEADER_SEARCH ? size : MULTIBOOT2_HEADER_SEARCH;
	uint64_t suspect = 0;
	char why[128] = "";

	if (find_header(data, limit, MULTIBOOT2_HEADER_ALIGN, ret, &suspect, why, sizeof(why)) ||
		find_header(data, limit, 4, ret, &suspect, why, sizeof(why)))
		return 0;
	if (why[0])
		return error_set(e, -ENOEXEC, "no Multiboot2 header: what looks like one at 0x%llx %s",
			(unsigned long long)suspect, why);
	return error_set(e, -ENOEXEC,
		"no Multiboot2 header (0x%08x, 8-byte aligned) in the first %u bytes of the file",
		MULTIBOOT2_HEADER_MAGIC, MULTIBOOT2_HEADER_SEARCH);
}

/* --- Its tags ------------------------------------------------------------- */

static int wrong_size(const struct tag *tag, const char *name, const char *right, struct error *e)
{
	return error_set(e, -ENOEXEC, "Multiboot2 %s tag at 0x%llx: size is %u; %s would be right", name,
		(unsigned long long)tag->offset, tag->size, right);
}

static int twice(const struct tag *tag, const char *name, struct error *e)
{
	return error_set(e, -ENOEXEC, "a second Multiboot2 %s tag at 0x%llx; an image has one", name,
		(unsigned long long)tag->offset);
}

/* Whether our information block has such a tag: [spec 5.3], guest/info.c. */
static bool info_offered(uint32_t type)
{
	return type == MULTIBOOT2_INFO_COMMAND_LINE || type == MULTIBOOT2_INFO_LOADER_NAME ||
		type == MULTIBOOT2_INFO_BASIC_MEMORY || type == MULTIBOOT2_INFO_MEMORY_MAP ||
		type == HVM_INFO_TAG;
}

static int read_info_request(struct tag *tag, struct error *e)
{
	uint32_t type;

	if (tag->size % 4 != 0)
		return wrong_size(tag, "information request", "8 and 4 for each request", e);
	if (tag->flags & MULTIBOOT2_TAG_OPTIONAL)
		return 0;
	while (tag->body.left) {
		type = cursor_u32(&tag->body);
		if (!info_offered(type))
			return error_set(e, -ENOEXEC,
				"Multiboot2 information request tag at 0x%llx: asks for information %u (0x%x); "
				"an HRT is told 1, 2, 4, 6 and 0x%x",
				(unsigned long long)tag->offset, type, type, HVM_INFO_TAG);
	}
	return 0;
}

static int read_address(struct tag *tag, struct image_header *ret, struct error *e)
{
	if (tag->size != 24)
		return wrong_size(tag, "address", "24", e);
	if (ret->has_address)
		return twice(tag, "address", e);
	ret->has_address = true;
	ret->header_addr = cursor_u32(&tag->body);
	ret->load_addr = cursor_u32(&tag->body);
	ret->load_end_addr = cursor_u32(&tag->body);
	ret->bss_end_addr = cursor_u32(&tag->body);
	return 0;
}

static int read_entry(struct tag *tag, struct image_header *ret, struct error *e)
{
	/* The standard has 12; Nautilus counts the padding in [spec 5.2]. */
	if (tag->size != 12 && tag->size != 16)
		return wrong_size(tag, "entry", "12", e);
	if (ret->has_entry)
		return twice(tag, "entry", e);
	ret->has_entry = true;
	ret->entry_addr = cursor_u32(&tag->body);
	return 0;
}

static int read_hrt(struct tag *tag, struct image_header *ret, struct error *e)
{
	struct cursor *c = &tag->body;

	if (tag->size < sizeof(struct hvm_header_tag))
		return wrong_size(tag, "HRT", "56", e);
	if (ret->has_hrt)
		return twice(tag, "HRT", e);
	ret->has_hrt = true;
	ret->hrt = (struct hvm_header_tag){
		.type = (uint16_t)tag->type, .flags = (uint16_t)tag->flags, .size = tag->size};
	ret->hrt.hrt_flags = cursor_u64(c);
	ret->hrt.max_mem_to_map = cursor_u64(c);
	ret->hrt.gva_offset = cursor_u64(c);
	ret->hrt.gva_entry = cursor_u64(c);
	ret->hrt.comm_page_gpa = cursor_u64(c);
	ret->hrt.hrt_int_vector = cursor_u8(c);
	return 0;
}

static int read_unknown(const struct tag *tag, struct error *e)
{
	if (tag->flags & MULTIBOOT2_TAG_OPTIONAL)
		return 0;
	return error_set(e, -ENOEXEC,
		"Multiboot2 header tag of type %u at 0x%llx is unknown and not optional; "
		"set bit 0 of its flags (0x%x) if the image can do without",
		tag->type, (unsigned long long)tag->offset, tag->flags);
}

/* Anything but the end tag. */
static int read_tag(struct tag *tag, struct image_header *ret, struct error *e)
{
	switch (tag->type) {
	case MULTIBOOT2_TAG_INFO_REQUEST:
		return read_info_request(tag, e);
	case MULTIBOOT2_TAG_ADDRESS:
		return read_address(tag, ret, e);
	case MULTIBOOT2_TAG_ENTRY:
		return read_entry(tag, ret, e);
	case MULTIBOOT2_TAG_CONSOLE_FLAGS:
		return tag->size == 12 ? 0 : wrong_size(tag, "console flags", "12", e);
	case MULTIBOOT2_TAG_FRAMEBUFFER:
		return tag->size == 20 ? 0 : wrong_size(tag, "framebuffer", "20", e);
	case MULTIBOOT2_TAG_MODULE_ALIGN:
		/* 12 is what Palacios read [spec 5.1]. */
		return tag->size == 8 || tag->size == 12 ? 0 : wrong_size(tag, "module alignment", "8", e);
	case HVM_HEADER_TAG:
		return read_hrt(tag, ret, e);
	default:
		return read_unknown(tag, e);
	}
}

/* Takes the tag at `c`, which starts at `offset` of the file, and the padding behind it. */
static int next_tag(struct cursor *c, uint64_t offset, struct tag *ret, struct error *e)
{
	const uint8_t *body;
	uint64_t padding;

	ret->offset = offset;
	ret->type = cursor_u16(c);
	ret->flags = cursor_u16(c);
	ret->size = cursor_u32(c);
	if (ret->size < TAG_HEAD)
		return error_set(e, -ENOEXEC,
			"Multiboot2 header tag of type %u at 0x%llx: size is %u; a tag has at least %u bytes",
			ret->type, (unsigned long long)offset, ret->size, TAG_HEAD);
	if (ret->size - TAG_HEAD > c->left)
		return error_set(e, -ENOEXEC,
			"Multiboot2 header tag of type %u at 0x%llx: size is %u; only %llu bytes of the header are left",
			ret->type, (unsigned long long)offset, ret->size,
			(unsigned long long)c->left + TAG_HEAD);
	body = cursor_bytes(c, ret->size - TAG_HEAD);
	ret->body = cursor_init(body, ret->size - TAG_HEAD);
	/* The last tag may come without its padding; what is left then is too short for another. */
	padding = round_up(ret->size, MULTIBOOT2_TAG_ALIGN) - ret->size;
	cursor_bytes(c, padding < c->left ? padding : c->left);
	return 0;
}

static int read_tags(const uint8_t *data, struct image_header *ret, struct error *e)
{
	uint64_t end = ret->offset + ret->length;
	struct cursor c = cursor_init(data + ret->offset + HEADER_HEAD, ret->length - HEADER_HEAD);
	struct tag tag = {0};
	int r;

	while (c.left >= TAG_HEAD) {
		r = next_tag(&c, end - c.left, &tag, e);
		if (r < 0)
			return r;
		if (tag.type == MULTIBOOT2_TAG_END)
			return tag.size == TAG_HEAD ? 0 : wrong_size(&tag, "end", "8", e);
		r = read_tag(&tag, ret, e);
		if (r < 0)
			return r;
	}
	return error_set(e, -ENOEXEC, "the Multiboot2 header at 0x%llx has no end tag within its %u bytes",
		(unsigned long long)ret->offset, ret->length);
}

int image_header_read(const void *data, uint64_t size, struct image_header *ret, struct error *e)
{
	int r;

	*ret = (struct image_header){0};
	r = locate(data, size, ret, e);
	if (r < 0)
		return r;
	return read_tags(data, ret, e);
}
