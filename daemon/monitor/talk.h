/*
 * talk.h - between the cores and the protocol
 *
 * The protocol (protocol.h) decides; here a core's registers and memory are brought
 * to it, and what it decided is done: cores are kicked, frames are loaded, lines
 * are logged. Requests and deliveries happen on the thread of the core that they
 * are about, so that nobody touches another core's registers, and no core waits
 * for another.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "guest/memory.h"
#include "link/state.h"
#include "monitor/protocol.h"

struct core;
struct machine;

struct talk {
	pthread_mutex_t lock;
	struct protocol protocol; /* under lock */
	struct ratelimit limit;   /* of the log; under lock */
	bool taking_image;        /* a core is about it, and the others are refused: it costs memory; __atomic */
	uint64_t attention;       /* when the coordinator looks next, CLOCK_MONOTONIC; __atomic */
	struct memory views[N_PARTITION_ROLES]; /* what the cores of each may reach */
};

/* The machine's memory is there, and planned. */
void talk_init(struct machine *machine);
void talk_fini(struct machine *machine);

/* The comm page is at another GPA from now on. */
void talk_move_page(struct machine *machine, uint64_t gpa);

/* --- On a core's thread ------------------------------------------------------------------------------------ */

/* A hypercall, by whatever way it came; the answer is in rax. False: the core parks. */
bool talk_hypercall(struct core *core);

/*
 * Delivers what waits for this core before it enters the guest; `interrupted`: it
 * was kicked out. Whether something was delivered: then look again.
 */
bool talk_deliver(struct core *core, bool interrupted);

/* --- On the coordinator's ------------------------------------------------------------------------------------ */

/* What is due; when to come again (CLOCK_MONOTONIC, usec; UINT64_MAX: when woken). */
uint64_t talk_tick(struct machine *machine, uint64_t now);

struct talk_numbers {
	const char *state; /* of the protocol: "idle", "call", ... */
	const char *upcall; /* "pf", ... */
	uint64_t transactions, failed;
};
void talk_count(struct machine *machine, struct talk_numbers *ret);

/* See protocol.h. No core of that partition runs. */
void talk_hrt_booted(struct machine *machine);
void talk_hrt_gone(struct machine *machine);
void talk_hrt_crashed(struct machine *machine, uint64_t rip, uint64_t vector);
void talk_ros_reset(struct machine *machine);
