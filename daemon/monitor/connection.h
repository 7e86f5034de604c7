/*
 * connection.h - the monitor's link to a hvmd, and to the next one
 *
 * A monitor begins with a link that its hvmd made. When hvmd goes, that link
 * ends; a monitor whose machine runs stays, listens, and takes the first who
 * connects. Who may connect is a matter of the folder in which the socket stands
 * (vm/runs.h): only hvmd's user can reach it. A newer connection takes the place of an
 * older one, since there is never more than one hvmd.
 */
#pragma once

#include <stdbool.h>

struct buffer;
struct error;
struct link_message;

struct connection {
	int link;     /* owned; -1: nobody is there */
	int listener; /* owned; -1: nobody will come */
	bool outlives; /* the end of the link is not ours */
	bool over;    /* nobody is there, and nobody will come */
	bool broken;  /* ... because the last one broke the protocol */
};

/* Takes over the bound socket and listens on it. 0, or a negative errno with a sentence. */
int connection_listen(struct connection *c, int listener, struct error *e);

/* Takes whoever has connected. Whether there is somebody new, who wants to be told everything. */
bool connection_accept(struct connection *c);

/* Sends a finished message, and frees it. With nobody there it is dropped. */
void connection_send(struct connection *c, struct buffer *message);

/* Receives a message: whether there is one, for the caller to fini. */
bool connection_receive(struct connection *c, struct link_message *m);

/* Hangs up: what came over the link made no sense. */
void connection_break(struct connection *c);
