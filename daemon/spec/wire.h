/*
 * wire.h - a definition as bytes for the monitor
 *
 * Part of the link protocol: LINK_VERSION moves when this moves. It carries what
 * a monitor needs and no more: no filenames, no digests.
 */
#pragma once

struct buffer;
struct cursor;
struct error;
struct vm_spec;

/* Appends the definition. Fails as buffers do. */
void spec_encode(const struct vm_spec *spec, struct buffer *b);

/*
 * Reads a definition to the end of the cursor and checks it with spec_check().
 * Returns 0 and what the caller frees, or -EPROTO or -EBADMSG with a sentence.
 */
int spec_decode(struct cursor *c, struct vm_spec **ret, struct error *e);
