/*
 * serve.h - what the monitor's side of the link is made of, shared by server.c, serve.c, follow.c and tell.c
 *
 * Nobody else includes this. server.c waits; what comes is a request of hvmd (serve.c), or news from the cores,
 * or time that has passed (follow.c). Whatever these change, tell.c tells hvmd. All of it is one thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "abi/link.h"
#include "monitor/connection.h"
#include "monitor/machine.h"
#include "monitor/restart.h"

struct buffer;
struct error;
struct link_message;
struct measure;

#define SERVE_PARK_USEC 500000 /* for all cores to leave the guest; a second is promised for the whole of a stop */

/* What a partition last said of itself. */
struct last_news {
	bool crashed;
	struct crash crash;
};

struct server {
	struct connection link;
	struct machine *machine; /* owned; NULL before LINK_SETUP */
	struct last_news news[N_PARTITION_ROLES];
	uint32_t n_resets;
	uint64_t changed_usec; /* when a partition last changed its state */
	struct measure *measure; /* owned; NULL before LINK_START, and where it failed */
	uint64_t started_usec;
	uint64_t flush_at;   /* CLOCK_MONOTONIC; 0: no line is unfinished */
	uint64_t talk_at;    /* when the protocol of ROS and HRT wants us; UINT64_MAX: not */
	uint64_t reset_at;   /* not before this may a guest's wish for a reset be met */
	bool reset_pending;
	struct restart restart[N_PARTITION_ROLES];
	uint64_t restart_at[N_PARTITION_ROLES]; /* CLOCK_MONOTONIC: when it boots again; 0: it does not wait for that */
	struct guest_exit exit; /* as it was told */
	uint32_t n_images; /* of the HRT that hvmd has been told of */
	bool stopping;
	int status; /* to exit with, once stopping */
};

/* serve.c: does what the message asks for, and replies. */
void serve_request(struct server *server, struct link_message *m);

/* Ends the machine, which there is, for somebody else than hvmd (terminate.h). */
void serve_termination(struct server *server);

/* follow.c: news of the cores, of which machine->wake_fd tells. */
void follow_cores(struct server *server);

/* What is due by time; and when the next such thing is, CLOCK_MONOTONIC, UINT64_MAX: nothing is. */
void follow_time(struct server *server);
uint64_t follow_due(const struct server *server);

/* Resets the partitions of `scope`, and tells. 0, or a negative errno with a sentence. */
int follow_reset(struct server *server, enum link_scope scope, enum vm_reason reason, uint64_t *ret_usec, struct error *e);

/* tell.c: sends a finished message, and frees it. */
void tell(struct server *server, struct buffer *message);
void tell_reply(struct server *server, const struct link_message *request, int error, const struct error *e);

/* The greeting; how the HRT is booted, and both partitions. */
void tell_hello(struct server *server);
void tell_hrt(struct server *server);
void tell_boots(struct server *server);

/* The launch digest, if there is one. */
void tell_launch(struct server *server);

/* A partition's state, and why when it has crashed; that of each. */
void tell_state(struct server *server, const struct partition *p, const struct crash *crash);
void tell_states(struct server *server);
void tell_reset_done(struct server *server, enum link_scope scope, const bool which[N_PARTITION_ROLES]);

/* server->exit */
void tell_exit(struct server *server);

/* All of it, to a hvmd that finds us running. */
void tell_everything(struct server *server);
