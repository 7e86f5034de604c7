/* wire.c - see wire.h */
#include "spec/wire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cursor.h"
#include "base/error.h"
#include "link/link.h"
#include "spec/spec.h"

/* Bits of the first byte. */
#define WIRE_HYBRID 1u
#define WIRE_UUID   2u
#define WIRE_KNOWN  (WIRE_HYBRID | WIRE_UUID)

void spec_encode(const struct vm_spec *spec, struct buffer *b)
{
	buffer_append_uint(b, (spec->hybrid ? WIRE_HYBRID : 0) | (spec->has_uuid ? WIRE_UUID : 0), 1);
	buffer_append(b, spec->uuid, sizeof(spec->uuid));
	link_append_string(b, spec->name);
	buffer_append_uint(b, spec->memory, 8);
	buffer_append_uint(b, spec->cores, 4);
	buffer_append_uint(b, spec->ros_cores, 4);
	buffer_append_uint(b, spec->ros_memory, 8);
	buffer_append_uint(b, spec->n_files, 4);
	for (size_t i = 0; i < spec->n_files; i++)
		link_append_string(b, spec->files[i].id);
	buffer_append_uint(b, spec->hrt_file, 4);
	link_append_string(b, spec->hrt_cmdline);
	buffer_append_uint(b, spec->hrt_stack, 4);
}

/* A count past SPEC_FILES_MAX marks the cursor, before anything is allocated for it. */
static void decode_files(struct cursor *c, struct vm_spec *spec)
{
	uint32_t n = cursor_u32(c);

	if (n > SPEC_FILES_MAX)
		c->overrun = true;
	if (!cursor_ok(c) || n == 0)
		return;
	spec->files = calloc(n, sizeof(*spec->files));
	if (!spec->files) {
		c->overrun = true;
		return;
	}
	for (spec->n_files = 0; spec->n_files < n && cursor_ok(c); spec->n_files++)
		spec->files[spec->n_files].id = link_read_string(c);
}

/* An empty command line and none are the same. */
static char *decode_cmdline(struct cursor *c)
{
	char *text = link_read_string(c);

	if (text && !text[0]) {
		free(text);
		return NULL;
	}
	return text;
}

static void decode_flags(struct cursor *c, struct vm_spec *spec)
{
	uint8_t flags = cursor_u8(c);
	const uint8_t *uuid = cursor_bytes(c, sizeof(spec->uuid));

	if (flags & ~WIRE_KNOWN)
		c->overrun = true;
	spec->hybrid = flags & WIRE_HYBRID;
	spec->has_uuid = flags & WIRE_UUID;
	if (uuid)
		memcpy(spec->uuid, uuid, sizeof(spec->uuid));
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
	spec->ros_cores = cursor_u32(c);
	spec->ros_memory = cursor_u64(c);
	decode_files(c, spec);
	spec->hrt_file = cursor_u32(c);
	spec->hrt_cmdline = decode_cmdline(c);
	spec->hrt_stack = cursor_u32(c);
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
