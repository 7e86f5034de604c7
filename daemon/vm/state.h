/*
 * state.h - the life of a VM
 *
 * A VM is always in exactly one of these states; vm_life_move() is the only way
 * from one to the next, and the table in state.c says which moves there are.
 *
 *	inactive   There is no monitor. The definition may be changed, removed,
 *	           or started.
 *	starting   A monitor has been spawned and is being put into its place, or is
 *	           building the machine, or has been told to run it. A start job is
 *	           waiting. Stopping is allowed.
 *	running    At least one partition runs. Reset, telemetry, console and stop
 *	           are allowed.
 *	paused     None runs and at least one is paused; otherwise as running.
 *	stopping   The monitor has been told to go and is not gone; a timer kills
 *	           it. Everybody who asked for the stop waits for the end.
 *	crashed    Every partition that ran has crashed. The monitor keeps them as
 *	           they are; a reset revives, otherwise as running.
 *	failed     As inactive, but it ended badly, and the reason and the sentence
 *	           say how.
 *
 *	inactive/failed --> starting --> running <--> paused/crashed
 *	      ^                |            |               |
 *	      |                +----> stopping <------------+
 *	      +-------------------------+      (failed: from any but inactive)
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "link/state.h"

struct vm_life {
	enum vm_state state;
	enum vm_reason reason;
	struct error details; /* the sentence that goes with the reason; may be empty */
	uint64_t since_realtime, since_monotonic; /* usec */
};

/* Inactive, just defined. */
void vm_life_init(struct vm_life *life);

/* Whether `to` may come directly after `from`. */
bool vm_state_may_follow(enum vm_state from, enum vm_state to);

/* Since when it has been in its state, of which we hear only now. `monotonic` is in usec. */
void vm_life_date(struct vm_life *life, uint64_t monotonic);

/* The state is the same, and why it is so is new. */
void vm_life_note(struct vm_life *life, enum vm_reason reason);

/* Moves to `state`, which may follow the present one, now. details may be NULL. */
void vm_life_move(struct vm_life *life, enum vm_state state, enum vm_reason reason, const char *details);

/*
 * What `hvmctl start --wait` exits with when a VM has ended for this reason: 0 when
 * the guest turned itself off, 32 when it reset itself and was not to run again, 33
 * when it crashed, 34 when it said that it could not go on, 36 when it did not
 * answer a watchdog, 40 when the fault was ours or the host's. -1: the guest has
 * had no say in it.
 */
int vm_exit_status(enum vm_reason reason);
