/* link.c - see link.h */
#include "link/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/error.h"

void link_message_fini(struct link_message *m)
{
	for (size_t i = 0; i < m->n_fds; i++)
		m->fds[i] = close_fd(m->fds[i]);
	m->n_fds = 0;
}

int link_message_take_fd(struct link_message *m, size_t index)
{
	return index < m->n_fds ? take_fd(m->fds[index]) : -1;
}

struct buffer link_message_begin(uint16_t type, uint32_t serial)
{
	struct buffer b = BUFFER_INIT(LINK_MESSAGE_MAX);

	buffer_append_uint(&b, LINK_MAGIC, 4);
	buffer_append_uint(&b, LINK_VERSION, 2);
	buffer_append_uint(&b, type, 2);
	buffer_append_uint(&b, serial, 4);
	buffer_append_uint(&b, 0, 4); /* size: link_send() knows it */
	return b;
}

void link_message_set_version(struct buffer *b, uint16_t version)
{
	buffer_put_uint(b, offsetof(struct link_header, version), version, 2);
}

void link_append_string(struct buffer *b, const char *text)
{
	size_t size = text ? strlen(text) : 0;

	if (size > LINK_MESSAGE_MAX) {
		b->failed = true;
		return;
	}
	buffer_append_uint(b, size, 4);
	buffer_append(b, text, size);
}

char *link_read_string(struct cursor *c)
{
	uint32_t size = cursor_u32(c);
	const uint8_t *p = cursor_bytes(c, size);
	char *text;

	if (!p || memchr(p, '\0', size)) {
		c->overrun = true;
		return NULL;
	}
	text = strndup((const char *)p, size);
	if (!text)
		c->overrun = true;
	return text;
}

#define TRIES 3

/* A call that has failed is made again when it was interrupted, and some times when the kernel was short of something. */
static bool try_again(unsigned *n_failed)
{
	if (errno == EINTR)
		return true;
	return errno != EAGAIN && errno != EPIPE && errno != ECONNRESET && errno != EMSGSIZE && ++*n_failed < TRIES;
}

int link_send(int socket, struct buffer *message, const int *fds, size_t n_fds)
{
	union {
		struct cmsghdr header; /* for its alignment */
		char bytes[CMSG_SPACE(sizeof(int) * LINK_FDS_MAX)];
	} control = {};
	struct iovec iov;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	unsigned n_failed = 0;
	ssize_t n;

	if (!buffer_ok(message) || n_fds > LINK_FDS_MAX)
		return -EMSGSIZE;
	buffer_put_uint(message, offsetof(struct link_header, size), message->size - sizeof(struct link_header), 4);
	iov = (struct iovec){.iov_base = message->data, .iov_len = message->size};
	if (n_fds > 0) {
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
		memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
	}
	do
		n = sendmsg(socket, &msg, MSG_NOSIGNAL); /* cage(run, inspect): sendmsg */
	while (n < 0 && try_again(&n_failed));
	return n < 0 ? -errno : 0;
}

/* Takes over every descriptor that came along, so that a refused message leaks none. */
static void collect_fds(struct link_message *m, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		size_t n;

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (m->n_fds < LINK_FDS_MAX)
				m->fds[m->n_fds++] = fd;
			else
				close_fd(fd);
		}
	}
}

static int check_header(struct link_message *m, size_t size, int flags, struct error *e)
{
	struct cursor c = cursor_init(m->bytes, size);

	if (flags & (MSG_TRUNC | MSG_CTRUNC))
		return error_set(e, -EPROTO, "a message is longer than %u bytes or has more than %u descriptors",
			LINK_MESSAGE_MAX, LINK_FDS_MAX);
	m->header.magic = cursor_u32(&c);
	m->header.version = cursor_u16(&c);
	m->header.type = cursor_u16(&c);
	m->header.serial = cursor_u32(&c);
	m->header.size = cursor_u32(&c);
	if (!cursor_ok(&c))
		return error_set(e, -EPROTO, "a message of %zu bytes is shorter than its header", size);
	if (m->header.magic != LINK_MAGIC)
		return error_set(e, -EPROTO, "a message begins with 0x%08x, not 0x%08x", m->header.magic, LINK_MAGIC);
	if (m->header.size != c.left)
		return error_set(e, -EPROTO, "a message announces %u bytes and has %llu", m->header.size,
			(unsigned long long)c.left);
	m->payload = c;
	return 1;
}

int link_receive_any_version(int socket, struct link_message *m, struct error *e)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int) * LINK_FDS_MAX)];
	} control;
	struct iovec iov = {.iov_base = m->bytes, .iov_len = sizeof(m->bytes)};
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control)};
	unsigned n_failed = 0;
	ssize_t n;
	int r;

	m->n_fds = 0;
	do
		n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC); /* cage(run): recvmsg */
	while (n < 0 && try_again(&n_failed));
	if (n < 0)
		return errno == ECONNRESET ? 0 : error_set_errno(e, -errno, "receiving a message");
	if (n == 0)
		return 0;
	collect_fds(m, &msg);
	r = check_header(m, (size_t)n, msg.msg_flags, e);
	if (r < 0)
		link_message_fini(m);
	return r;
}

int link_receive(int socket, struct link_message *m, struct error *e)
{
	int r = link_receive_any_version(socket, m, e);

	if (r <= 0 || m->header.version == LINK_VERSION)
		return r;
	link_message_fini(m);
	return error_set(e, -EPROTO, "a message has protocol version %u; this side speaks %u", m->header.version,
		LINK_VERSION);
}

struct buffer link_reply_begin(uint32_t serial, int error, const struct error *e)
{
	struct buffer b = link_message_begin(LINK_REPLY, serial);

	buffer_append_uint(&b, (uint32_t)error, 4);
	link_append_string(&b, error < 0 ? error_text(e, error) : "");
	return b;
}
