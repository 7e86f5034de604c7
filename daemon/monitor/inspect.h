/*
 * inspect.h - what a definition and its images would make, without making it
 *
 * Serves LINK_INSPECT (abi/link.h): for `hvmctl validate` and `hvmctl plan`.
 * Needs no KVM and no rights; enters a cage before it reads an image.
 */
#pragma once

struct buffer;
struct error;
struct link_message;
struct plan;

/*
 * Answers a request: appends the body of the reply to `reply`. Returns 0 or a
 * negative errno with a sentence. The process is caged afterwards and good for
 * nothing but sending that reply.
 */
int inspect(struct link_message *request, struct buffer *reply, struct error *e);
