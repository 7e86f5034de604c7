/*
 * link.h - sending and receiving the messages of abi/link.h
 *
 * Both ends use this: hvmd with non-blocking sockets under its event loop, a
 * monitor from its poll loop. What stands in a payload is the caller's business.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "abi/link.h"
#include "base/buffer.h"
#include "base/cursor.h"

struct error;

struct link_message {
	struct link_header header;
	struct cursor payload; /* into `bytes`; begins behind the header */
	int fds[LINK_FDS_MAX]; /* owned; link_message_fini() closes what is still here */
	size_t n_fds;
	uint8_t bytes[LINK_MESSAGE_MAX];
};

/* Closes the descriptors that nobody has taken. */
void link_message_fini(struct link_message *m);

/* Descriptor `index`, which the caller takes over; -1 when the message has none there. */
int link_message_take_fd(struct link_message *m, size_t index);

/*
 * A new, empty message to append a payload to; finish it with link_send().
 * The buffer is the caller's to fini, also after link_send().
 */
struct buffer link_message_begin(uint16_t type, uint32_t serial);

/* For a peer that speaks another version than ours. */
void link_message_set_version(struct buffer *b, uint16_t version);

/* Appends a string in its wire form. NULL counts as empty. */
void link_append_string(struct buffer *b, const char *text);

/* Reads a string in its wire form into fresh memory that the caller frees; NULL, and the cursor overrun, when it is
 * not there whole, holds a NUL, or memory is short. */
char *link_read_string(struct cursor *c);

/*
 * Sends a finished message with descriptors (borrowed). Returns 0; -EMSGSIZE
 * when the payload outgrew the message or memory is short; otherwise what
 * sendmsg() said, -EAGAIN included.
 */
int link_send(int socket, struct buffer *message, const int *fds, size_t n_fds);

/*
 * Receives one message into *m, which needs no initialisation and is to be
 * fini'd after success only. Returns 1; 0 at the peer's end; -EAGAIN when there
 * is nothing now; -EPROTO with a sentence when the peer broke the protocol.
 */
int link_receive(int socket, struct link_message *m, struct error *e);

/* As link_receive(), but leaves the message's version for the caller to look at. */
int link_receive_any_version(int socket, struct link_message *m, struct error *e);

/* The beginning of a reply: error 0 and an empty sentence, or a negative errno and its sentence. Append the body next. */
struct buffer link_reply_begin(uint32_t serial, int error, const struct error *e);
