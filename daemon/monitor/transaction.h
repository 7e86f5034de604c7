/*
 * transaction.h - what is between a request of the ROS and the last report of the HRT
 *
 * Inside of protocol.h, for the files that share struct protocol: the table of
 * transactions, how one begins and ends, and the event of the HRT; and, whenever one
 * of those has changed, the words of the comm page that tell it without an exit.
 * Knows neither who may ask (request.c) nor how an upcall gets there (protocol.c).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "monitor/protocol.h"

#define NEVER UINT64_MAX /* as a time */

struct transaction {
	uint8_t request;
	uint8_t report;      /* the request by which the HRT says that it is done */
	uint32_t from, during, after; /* HVM_STATE_... */
	bool all_cores;      /* every HRT core gets the upcall, or the first */
	bool is_call;        /* it takes as long as the called function */
};

/* The one that this request begins; NULL: none may begin now. */
const struct transaction *transaction_find(const struct protocol *p, uint64_t request);

/* Its arguments are for the HRT. From here on its upcalls wait. */
void transaction_begin(struct protocol *p, const struct transaction *t, const uint64_t arguments[2], uint64_t now,
	struct protocol_effects *ret);

/* A core of the HRT is done with it. The rax to answer with. */
uint64_t transaction_report(struct protocol *p, const struct protocol_caller *caller, struct protocol_effects *ret);

/* Ends the one in progress, if any, and goes to `state`. */
void transaction_end(struct protocol *p, uint32_t state, uint32_t outcome);

/* Ends whatever is in progress, synchronous mode included. */
void transaction_abandon(struct protocol *p, uint32_t outcome);

/* The cores whose upcalls wait. */
void transaction_set_undelivered(struct protocol *p, uint64_t cores);

/* The HRT has raised an event that no process of the ROS has completed. */
bool event_is_raised(const struct protocol *p);
void event_complete(struct protocol *p, uint64_t result);

/* Tells in the comm page what has changed: for who changes the event itself. */
void comm_page_publish(struct protocol *p);

/* As at a boot, but for the words that are read without asking; they go on. */
void comm_page_clear(struct protocol *p);
