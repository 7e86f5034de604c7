/*
 * session.h - standard input and output, connected with a console
 *
 * On a terminal every key goes to the guest but ^], which leaves, and every byte
 * of the guest goes to the terminal. Where input is no terminal it is passed on to
 * its end, and then the guest is only listened to; output is as with log.
 */
#pragma once

#include "client/status.h"

#define SESSION_ESCAPE 0x1D /* ^] */

enum session_end {
	SESSION_LEFT,  /* somebody typed ^] */
	SESSION_ENDED, /* the console has ended, and with it the VM */
};

/* Runs to the end. fd is a connected stream socket, borrowed. Returns 0, or a negative errno. */
int session_run(int fd, enum session_end *ret);

/* Prints what comes out of fd, a pipe or a socket, to its end. Returns 0, or a negative errno. */
int session_print(int fd);
