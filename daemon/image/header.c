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
#include "base/macro.h"

#define ULL(x)      ((unsigned long long)(x))

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
			why, why_size, "is cut off after 0x%llx bytes", ULL(limit - offset));
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
			ULL(limit));
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
		return error_set(e, -ENOENT, "no Multiboot2 header: what looks like one at 0x%llx %s",
			ULL(suspect), why);
	return error_set(e, -ENOENT,
		"no Multiboot2 header (0x%08x, 8-byte aligned) in the first %u bytes of the file",
		MULTIBOOT2_HEADER_MAGIC, MULTIBOOT2_HEADER_SEARCH);
}

/* --- Its tags ------------------------------------------------------------- */

static void read_info_request(struct tag *tag, struct image_header *ret)
{
	while (tag->body.left) {
		uint32_t type = cursor_u32(&tag->body);
		uint64_t bit = type == HVM_INFO_TAG ? IMAGE_INFO_HRT : type < N_MULTIBOOT2_INFO ? IMAGE_INFO(type) : 0;

		ret->info_wanted |= bit;
		if (tag->flags & MULTIBOOT2_TAG_OPTIONAL)
			continue;
		ret->info_required |= bit;
		if (!bit)
			ret->info_unknown = type;
	}
}

static void read_address(struct tag *tag, struct image_header *ret)
{
	ret->has_address = true;
	ret->header_addr = cursor_u32(&tag->body);
	ret->load_addr = cursor_u32(&tag->body);
	ret->load_end_addr = cursor_u32(&tag->body);
	ret->bss_end_addr = cursor_u32(&tag->body);
}

static void read_entry(struct tag *tag, struct image_header *ret)
{
	ret->has_entry = true;
	ret->entry_addr = cursor_u32(&tag->body);
}

static void read_console(struct tag *tag, struct image_header *ret)
{
	ret->has_console = true;
	ret->console_flags = cursor_u32(&tag->body);
}

static void read_framebuffer(struct tag *tag, struct image_header *ret)
{
	ret->has_framebuffer = true;
	ret->width = cursor_u32(&tag->body);
	ret->height = cursor_u32(&tag->body);
	ret->depth = cursor_u32(&tag->body);
}

static void read_module_align(struct tag *tag, struct image_header *ret)
{
	(void)tag;
	ret->aligns_modules = true;
}

static void read_efi32_entry(struct tag *tag, struct image_header *ret)
{
	ret->has_efi32_entry = true;
	ret->efi32_entry = cursor_u32(&tag->body);
}

static void read_efi64_entry(struct tag *tag, struct image_header *ret)
{
	ret->has_efi64_entry = true;
	ret->efi64_entry = cursor_u32(&tag->body);
}

static void read_relocatable(struct tag *tag, struct image_header *ret)
{
	ret->relocatable = true;
	ret->min_addr = cursor_u32(&tag->body);
	ret->max_addr = cursor_u32(&tag->body);
	ret->align = cursor_u32(&tag->body);
	ret->preference = cursor_u32(&tag->body);
	if (ret->align == 0)
		ret->align = 1;
}

static void read_hrt(struct tag *tag, struct image_header *ret)
{
	struct cursor *c = &tag->body;

	ret->has_hrt = true;
	ret->hrt = (struct hvm_header_tag){
		.type = (uint16_t)tag->type, .flags = (uint16_t)tag->flags, .size = tag->size};
	ret->hrt.hrt_flags = cursor_u64(c);
	ret->hrt.max_mem_to_map = cursor_u64(c);
	ret->hrt.gva_offset = cursor_u64(c);
	ret->hrt.gva_entry = cursor_u64(c);
	ret->hrt.comm_page_gpa = cursor_u64(c);
	ret->hrt.hrt_int_vector = cursor_u8(c);
}

/* Each tag but the end. */
static const struct tag_kind {
	uint32_t type;
	const char *name;
	uint32_t size, also; /* bytes; also: 0: no other. Information requests and the HRT's tag may be longer. */
	bool single; /* an image has one */
	void (*read)(struct tag *tag, struct image_header *ret); /* NULL: it says nothing more */
} kinds[] = {
	{MULTIBOOT2_TAG_INFO_REQUEST, "information request", TAG_HEAD, 0, false, read_info_request},
	{MULTIBOOT2_TAG_ADDRESS, "address", 24, 0, true, read_address},
	/* The standard has 12; Nautilus counts the padding in [spec 5.2]. */
	{MULTIBOOT2_TAG_ENTRY, "entry", 12, 16, true, read_entry},
	{MULTIBOOT2_TAG_CONSOLE_FLAGS, "console flags", 12, 0, false, read_console},
	{MULTIBOOT2_TAG_FRAMEBUFFER, "framebuffer", 20, 0, false, read_framebuffer},
	/* 12 is what Palacios read [spec 5.1]. */
	{MULTIBOOT2_TAG_MODULE_ALIGN, "module alignment", 8, 12, false, read_module_align},
	{MULTIBOOT2_TAG_EFI_BOOT_SERVICES, "EFI boot services", 8, 0, false, NULL},
	{MULTIBOOT2_TAG_ENTRY_EFI32, "EFI i386 entry", 12, 16, true, read_efi32_entry},
	{MULTIBOOT2_TAG_ENTRY_EFI64, "EFI amd64 entry", 12, 16, true, read_efi64_entry},
	{MULTIBOOT2_TAG_RELOCATABLE, "relocatable", 24, 0, true, read_relocatable},
	/* In 2015 it had flags only, 12 bytes: the seed layout's [spec 5.2]. */
	{HVM_HEADER_TAG, "HRT", sizeof(struct hvm_header_tag), 12, true, read_hrt},
};

static int find_kind(const struct tag *tag)
{
	for (unsigned i = 0; i < ARRAY_SIZE(kinds); i++)
		if (kinds[i].type == tag->type)
			return (int)i;
	return -1;
}

static int read_unknown(const struct tag *tag, struct error *e)
{
	if (tag->flags & MULTIBOOT2_TAG_OPTIONAL)
		return 0;
	return error_set(e, -ENOEXEC,
		"Multiboot2 header tag of type %u at 0x%llx is unknown and not optional; "
		"set bit 0 of its flags (0x%x) if the image can do without",
		tag->type, ULL(tag->offset), tag->flags);
}

static int check_size(const struct tag *tag, const struct tag_kind *kind, struct error *e)
{
	bool more = tag->type == MULTIBOOT2_TAG_INFO_REQUEST || tag->type == HVM_HEADER_TAG;

	if (tag->type == MULTIBOOT2_TAG_INFO_REQUEST && tag->size % 4 != 0)
		return error_set(e, -ENOEXEC,
			"Multiboot2 %s tag at 0x%llx: size is %u; 8 and 4 for each request would be right", kind->name,
			ULL(tag->offset), tag->size);
	if (tag->size == kind->size || tag->size == kind->also || (more && tag->size > kind->size))
		return 0;
	return error_set(e, -ENOEXEC, "Multiboot2 %s tag at 0x%llx: size is %u; %u would be right", kind->name,
		ULL(tag->offset), tag->size, kind->size);
}

/* Anything but the end tag. `seen`: bit n for kinds[n]. */
static int read_tag(struct tag *tag, uint32_t *seen, struct image_header *ret, struct error *e)
{
	int n = find_kind(tag), r;

	if (n < 0)
		return read_unknown(tag, e);
	r = check_size(tag, &kinds[n], e);
	if (r < 0)
		return r;
	if (kinds[n].single && *seen >> n & 1)
		return error_set(e, -ENOEXEC, "a second Multiboot2 %s tag at 0x%llx; an image has one", kinds[n].name,
			ULL(tag->offset));
	*seen |= 1u << n;
	if (tag->type <= MULTIBOOT2_TAG_RELOCATABLE && !(tag->flags & MULTIBOOT2_TAG_OPTIONAL))
		ret->required |= 1u << tag->type;
	if (kinds[n].read)
		kinds[n].read(tag, ret);
	return 0;
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
			ret->type, ULL(offset), ret->size, TAG_HEAD);
	if (ret->size - TAG_HEAD > c->left)
		return error_set(e, -ENOEXEC,
			"Multiboot2 header tag of type %u at 0x%llx: size is %u; only %llu bytes of the header are left",
			ret->type, ULL(offset), ret->size,
			ULL(c->left) + TAG_HEAD);
	body = cursor_bytes(c, ret->size - TAG_HEAD);
	ret->body = cursor_init(body, ret->size - TAG_HEAD);
	/* The last tag may come without its padding; what is left then is too short for another. */
	padding = round_up(ret->size, MULTIBOOT2_TAG_ALIGN) - ret->size;
	cursor_bytes(c, padding < c->left ? padding : c->left);
	return 0;
}

static int check_relocatable(const struct image_header *h, struct error *e)
{
	if (h->min_addr > h->max_addr)
		return error_set(e, -ENOEXEC, "Multiboot2 relocatable tag: min_addr 0x%x is above max_addr 0x%x", h->min_addr,
			h->max_addr);
	if (h->align & (h->align - 1))
		return error_set(e, -ENOEXEC, "Multiboot2 relocatable tag: align is 0x%x; a power of two would be right",
			h->align);
	if (h->preference > MULTIBOOT2_PREFER_HIGHEST)
		return error_set(e, -ENOEXEC,
			"Multiboot2 relocatable tag: preference is %u; 0 (none), 1 (lowest) or 2 (highest) would be right",
			h->preference);
	return 0;
}

static int check_end(const struct tag *tag, const struct image_header *header, struct error *e)
{
	if (tag->size != TAG_HEAD)
		return error_set(e, -ENOEXEC, "Multiboot2 end tag at 0x%llx: size is %u; %u would be right",
			ULL(tag->offset), tag->size, TAG_HEAD);
	return header->relocatable ? check_relocatable(header, e) : 0;
}

static int read_tags(const uint8_t *data, struct image_header *ret, struct error *e)
{
	uint64_t end = ret->offset + ret->length;
	struct cursor c = cursor_init(data + ret->offset + HEADER_HEAD, ret->length - HEADER_HEAD);
	struct tag tag = {0};
	uint32_t seen = 0;
	int r;

	while (c.left >= TAG_HEAD) {
		r = next_tag(&c, end - c.left, &tag, e);
		if (r < 0)
			return r;
		if (tag.type == MULTIBOOT2_TAG_END)
			return check_end(&tag, ret, e);
		r = read_tag(&tag, &seen, ret, e);
		if (r < 0)
			return r;
	}
	return error_set(e, -ENOEXEC, "the Multiboot2 header at 0x%llx has no end tag within its %u bytes",
		ULL(ret->offset), ret->length);
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
