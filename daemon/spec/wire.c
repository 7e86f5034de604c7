/* wire.c - see wire.h */
#include "spec/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/macro.h"
#include "link/link.h"
#include "spec/spec.h"

static_assert(2 + SPEC_FILES_MAX <= LINK_FDS_MAX, "the descriptors of a LINK_SETUP do not fit into one message");

/* Bits of the first byte. */
#define WIRE_HYBRID     1u
#define WIRE_UUID       2u
#define WIRE_HUGEPAGES  4u
#define WIRE_ROS_BOOTS  8u
#define WIRE_ROS_INITRD 16u
#define WIRE_KNOWN      31u

static void encode_flags(const struct vm_spec *spec, struct buffer *b)
{
	buffer_append_uint(b,
		(spec->hybrid ? WIRE_HYBRID : 0) | (spec->has_uuid ? WIRE_UUID : 0) |
			(spec->hugepages ? WIRE_HUGEPAGES : 0) | (spec->ros_boots ? WIRE_ROS_BOOTS : 0) |
			(spec->ros_has_initrd ? WIRE_ROS_INITRD : 0),
		1);
	buffer_append(b, spec->uuid, sizeof(spec->uuid));
}

/* The CPUs of the cores that are pinned, each plus one; 0 for those that are not; as many as there are cores. */
static void encode_pins(const struct vm_spec *spec, struct buffer *b)
{
	for (uint32_t i = 0; i < spec->cores && i < SPEC_CORES_MAX; i++)
		buffer_append_uint(b, spec->core[i].pinned ? spec->core[i].cpu + 1 : 0, 4);
}

/* Bits of a file's byte. */
#define WIRE_FILE_STORED   1u
#define WIRE_FILE_SITES    2u
#define WIRE_FILE_KNOWN    3u

static void encode_sites(const struct spec_sites *sites, struct buffer *b)
{
	buffer_append_uint(b, sites->n, 4);
	for (uint32_t i = 0; i < sites->n; i++)
		buffer_append_uint(b, sites->at[i], 4);
}

/* Where the file is not stored its SHA-256 is not known, and zero. Where its sites are not known, none follow. */
static void encode_file(const struct spec_file *file, struct buffer *b)
{
	link_append_string(b, file->id);
	buffer_append_uint(b, (file->stored ? WIRE_FILE_STORED : 0) | (file->sites.known ? WIRE_FILE_SITES : 0), 1);
	if (file->sites.known)
		encode_sites(&file->sites, b);
	buffer_append(b, file->sha256, sizeof(file->sha256));
}

static void encode_modules(const struct spec_modules *modules, struct buffer *b)
{
	buffer_append_uint(b, modules->n, 4);
	for (size_t i = 0; i < modules->n; i++) {
		buffer_append_uint(b, modules->items[i].file, 4);
		link_append_string(b, modules->items[i].cmdline);
	}
}

static void encode_devices(const struct vm_spec *spec, struct buffer *b)
{
	buffer_append_uint(b, spec->n_devices, 4);
	for (size_t i = 0; i < spec->n_devices; i++) {
		buffer_append_uint(b, spec->devices[i].class, 1);
		link_append_string(b, spec->devices[i].id);
		buffer_append_uint(b, spec->devices[i].port, 4);
	}
}

void spec_encode(const struct vm_spec *spec, struct buffer *b)
{
	encode_flags(spec, b);
	link_append_string(b, spec->name);
	buffer_append_uint(b, spec->memory, 8);
	buffer_append_uint(b, spec->cores, 4);
	buffer_append_uint(b, spec->nodes, 4);
	encode_pins(spec, b);
	buffer_append_uint(b, spec->ros_cores, 4);
	buffer_append_uint(b, spec->ros_memory, 8);
	buffer_append_uint(b, spec->n_files, 4);
	for (size_t i = 0; i < spec->n_files; i++)
		encode_file(&spec->files[i], b);
	encode_devices(spec, b);
	buffer_append_uint(b, spec->ros_file, 4);
	buffer_append_uint(b, spec->ros_initrd, 4);
	link_append_string(b, spec->ros_cmdline);
	buffer_append_uint(b, spec->ros_protocol, 1);
	buffer_append_uint(b, spec->ros_on_poweroff, 1);
	buffer_append_uint(b, spec->ros_on_reset, 1);
	buffer_append_uint(b, spec->ros_on_crash, 1);
	encode_modules(&spec->ros_modules, b);
	buffer_append_uint(b, spec->hrt_file, 4);
	link_append_string(b, spec->hrt_cmdline);
	buffer_append_uint(b, spec->hrt_stack, 4);
	buffer_append_uint(b, spec->hrt_layout, 1);
	buffer_append_uint(b, spec->hrt_load, 8);
	buffer_append_uint(b, spec->hrt_entry, 4);
	buffer_append_uint(b, spec->hrt_granule, 1);
	buffer_append_uint(b, spec->hrt_identity, 1);
	buffer_append_uint(b, spec->hrt_hypercall, 1);
	buffer_append_uint(b, spec->hrt_upcall, 1);
	buffer_append_uint(b, spec->hrt_deadline, 4);
	buffer_append_uint(b, spec->hrt_on_crash, 1);
	buffer_append_uint(b, spec->hrt_ros_memory, 1);
	encode_modules(&spec->hrt_modules, b);
}

/* Zeroed room for as many items as the next u32 says. NULL for none; also, with the cursor marked before
 * anything is allocated, past `max`. */
static void *decode_count(struct cursor *c, size_t max, size_t item_size, uint32_t *ret_n)
{
	void *items = NULL;

	*ret_n = cursor_u32(c);
	if (*ret_n > max)
		c->overrun = true;
	if (cursor_ok(c) && *ret_n > 0) {
		items = calloc(*ret_n, item_size);
		if (!items)
			c->overrun = true;
	}
	return items;
}

static void decode_sites(struct cursor *c, struct spec_sites *sites)
{
	uint32_t n = cursor_u32(c);

	if (n > SPEC_SITES_MAX)
		c->overrun = true;
	for (; cursor_ok(c) && sites->n < n; sites->n++) {
		sites->at[sites->n] = cursor_u32(c);
		if (sites->n > 0 && sites->at[sites->n] <= sites->at[sites->n - 1])
			c->overrun = true;
	}
	sites->known = true;
}

static void decode_file(struct cursor *c, struct spec_file *file)
{
	const uint8_t *sha256;
	uint8_t flags;

	file->id = link_read_string(c);
	flags = cursor_u8(c);
	if (flags & ~WIRE_FILE_KNOWN)
		c->overrun = true;
	file->stored = flags & WIRE_FILE_STORED;
	if (flags & WIRE_FILE_SITES)
		decode_sites(c, &file->sites);
	sha256 = cursor_bytes(c, sizeof(file->sha256));
	if (sha256)
		memcpy(file->sha256, sha256, sizeof(file->sha256));
}

static void decode_files(struct cursor *c, struct vm_spec *spec)
{
	uint32_t n;

	spec->files = decode_count(c, SPEC_FILES_MAX, sizeof(*spec->files), &n);
	for (; spec->files && spec->n_files < n && cursor_ok(c); spec->n_files++)
		decode_file(c, &spec->files[spec->n_files]);
}

/* An empty text and none are the same. */
static char *decode_text(struct cursor *c)
{
	char *text = link_read_string(c);

	if (text && !text[0]) {
		free(text);
		return NULL;
	}
	return text;
}

static void decode_pins(struct cursor *c, struct vm_spec *spec)
{
	if (spec->cores > SPEC_CORES_MAX)
		c->overrun = true;
	for (uint32_t i = 0; i < spec->cores && cursor_ok(c); i++) {
		uint32_t cpu = cursor_u32(c);

		if (cpu > 0)
			spec->core[i] = (struct spec_core){.pinned = true, .cpu = cpu - 1};
	}
}

static void decode_modules(struct cursor *c, struct spec_modules *modules)
{
	uint32_t n;

	modules->items = decode_count(c, SPEC_MODULES_MAX, sizeof(*modules->items), &n);
	for (; modules->items && modules->n < n && cursor_ok(c); modules->n++) {
		modules->items[modules->n].file = cursor_u32(c);
		modules->items[modules->n].cmdline = decode_text(c);
	}
}

static void decode_devices(struct cursor *c, struct vm_spec *spec)
{
	uint32_t n;

	spec->devices = decode_count(c, SPEC_DEVICES_MAX, sizeof(*spec->devices), &n);
	for (; spec->devices && spec->n_devices < n && cursor_ok(c); spec->n_devices++) {
		struct spec_device *device = &spec->devices[spec->n_devices];

		device->class = cursor_u8(c);
		device->id = decode_text(c);
		device->port = cursor_u32(c);
	}
}

static void decode_flags(struct cursor *c, struct vm_spec *spec)
{
	uint8_t flags = cursor_u8(c);
	const uint8_t *uuid = cursor_bytes(c, sizeof(spec->uuid));

	if (flags & ~WIRE_KNOWN)
		c->overrun = true;
	spec->hybrid = flags & WIRE_HYBRID;
	spec->has_uuid = flags & WIRE_UUID;
	spec->hugepages = flags & WIRE_HUGEPAGES;
	spec->ros_boots = flags & WIRE_ROS_BOOTS;
	spec->ros_has_initrd = flags & WIRE_ROS_INITRD;
	if (uuid)
		memcpy(spec->uuid, uuid, sizeof(spec->uuid));
}

static void decode_ros(struct cursor *c, struct vm_spec *spec)
{
	spec->ros_file = cursor_u32(c);
	spec->ros_initrd = cursor_u32(c);
	spec->ros_cmdline = decode_text(c);
	spec->ros_protocol = cursor_u8(c);
	spec->ros_on_poweroff = cursor_u8(c);
	spec->ros_on_reset = cursor_u8(c);
	spec->ros_on_crash = cursor_u8(c);
	decode_modules(c, &spec->ros_modules);
}

static void decode_hrt(struct cursor *c, struct vm_spec *spec)
{
	spec->hrt_file = cursor_u32(c);
	spec->hrt_cmdline = decode_text(c);
	spec->hrt_stack = cursor_u32(c);
	spec->hrt_layout = cursor_u8(c);
	spec->hrt_load = cursor_u64(c);
	spec->hrt_entry = cursor_u32(c);
	spec->hrt_granule = cursor_u8(c);
	spec->hrt_identity = cursor_u8(c) != 0;
	spec->hrt_hypercall = cursor_u8(c);
	spec->hrt_upcall = cursor_u8(c);
	spec->hrt_deadline = cursor_u32(c);
	spec->hrt_on_crash = cursor_u8(c);
	spec->hrt_ros_memory = cursor_u8(c);
	decode_modules(c, &spec->hrt_modules);
}

int spec_decode(struct cursor *c, struct vm_spec **ret, struct error *e)
{
	_cleanup_(vm_spec_freep) struct vm_spec *spec = calloc(1, sizeof(*spec));
	int r;

	if (!spec)
		return error_set_errno(e, -ENOMEM, "reading a definition");
	decode_flags(c, spec);
	spec->name = link_read_string(c);
	spec->memory = cursor_u64(c);
	spec->cores = cursor_u32(c);
	spec->nodes = cursor_u32(c);
	decode_pins(c, spec);
	spec->ros_cores = cursor_u32(c);
	spec->ros_memory = cursor_u64(c);
	decode_files(c, spec);
	decode_devices(c, spec);
	decode_ros(c, spec);
	decode_hrt(c, spec);
	if (!cursor_ok(c))
		return error_set(e, -EPROTO, "a definition on the link is cut short or malformed");
	if (c->left > 0)
		return error_set(e, -EPROTO, "a definition on the link has %llu bytes too many",
			(unsigned long long)c->left);
	r = spec_check(spec, e);
	if (r < 0)
		return error_prefix(e, r, "a definition on the link");
	*ret = take_ptr(spec);
	return 0;
}
