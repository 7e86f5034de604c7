/*
 * protocol.h - what the ROS and the HRT say to each other, and how far they are
 *
 * The rules of schemas/hvm-guest-abi.h [spec 6]: which request is allowed to whom
 * and when, and what comes of it. Registers and memory in; the answer, and what
 * is to be done to the machine, out. Knows no KVM, no threads and no clock: the
 * caller passes the time, and holds one lock around every function here but those
 * that say otherwise. All transports end in protocol_call().
 *
 *	ROS core                    we                        HRT core
 *	CALL ------------------->  IDLE -> CALL
 *	<----------------- 0        undelivered, outstanding
 *	                            protocol_deliver() ------> upcall
 *	                            CALL -> IDLE <------------ DONE
 *	STATE, or the comm page
 *
 * A transaction is what is between a request of the ROS and the last report of
 * the HRT. There is one at a time. Its upcalls wait, one bit a core, until that
 * core's own thread delivers them; so a request never waits for another core,
 * and an upcall that turns out to be undeliverable rolls everything back.
 *
 * Tour 462: The heart of a hybrid VM: a process in the ROS calls a function in
 * the HRT. Here is the whole conversation, as tables and as a pure function: who
 * may ask what is in request.c, how a transaction goes in transaction.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "abi/hrt.h"
#include "base/error.h"
#include "guest/access.h"
#include "kvm/kvm.h"
#include "link/state.h"
#include "monitor/gdt.h"
#include "monitor/signal.h"
#include "monitor/upcall.h"

#define PROTOCOL_IMAGE_MAX (256 * MiB) /* bytes of an image that a guest may offer */
#define PROTOCOL_CORES_MAX 64          /* of an HRT: they are bits of a word here */
#define PROTOCOL_RETRY_USEC 100        /* until a core is kicked again that could not take its upcall or signal */

struct transaction; /* a row of the table of transactions */

struct protocol_config {
	uint32_t n_hrt_cores;
	bool hrt_sees_ros;         /* it may read the ROS's memory: there can be a merge */
	bool hrt_changes_ros;      /* it may write it, too: then it may as well reset the ROS */
	enum upcall_kind upcall;
	uint8_t vector;            /* of UPCALL_VECTOR */
	uint64_t null_handler;     /* GVA of its page: who is called there has no handler yet */
	uint64_t call_usec;        /* deadline of CALL and PARCALL, and of events; 0: none */
	uint64_t other_usec;       /* of all other transactions; 0: none */
};

struct protocol {
	struct protocol_config config;
	bool hrt_up; /* it runs, and can be called */
	uint32_t state; /* HVM_STATE_... */
	const struct transaction *transaction; /* in progress; NULL: none */
	uint64_t outstanding; /* bit n: HRT core n has still to report */
	uint64_t undelivered; /* bit n: its upcall waits. A subset. Read by anybody (__atomic) */
	uint64_t deadline;    /* of the transaction; UINT64_MAX: none */
	uint64_t deliver_by;  /* of its upcalls */
	uint64_t nest_at;     /* from when on an upcall comes on top of a handler that has not returned */
	uint64_t frames[PROTOCOL_CORES_MAX]; /* GVA of HRT core n's last upcall frame; SYNC's while UNSYNC's is on top; 0: none */
	uint64_t complete_by; /* deadline of the event; UINT64_MAX: none */
	uint64_t kick_at;     /* when to kick again who still waits; UINT64_MAX: nobody does */
	uint64_t kick_gap;
	uint32_t outcome;     /* HVM_OUTCOME_... */
	uint64_t n_transactions, n_failed; /* begun; ended otherwise than by reports. Read by anybody (__atomic) */
	struct hvm_event event;
	struct signal signal;
	struct gdt gdt;
	struct {
		uint64_t state, event, outcome, sequence;
	} published; /* what stands in the comm page, unless a guest has changed it */
	/* borrowed */
	struct hvm_comm_page *page; /* only ever written: a guest may do so, too */
};

enum protocol_effect {
	PROTOCOL_NOTE_BOOT = 1,   /* the guest says it is up */
	PROTOCOL_RESET_ROS = 2,
	PROTOCOL_RESET_HRT = 4,
	PROTOCOL_UNHANDLED = 8,   /* the null handler reports an exception or interrupt */
	PROTOCOL_LOAD_IMAGE = 16, /* a2, a3 of the caller: take it, and answer HVM_FAILED where it is not good */
	PROTOCOL_KICK_HRT = 32,   /* the cores in `cores` have an upcall waiting */
	PROTOCOL_KICK_ROS = 64,   /* a signal waits for a process */
	PROTOCOL_RETIRE = 128,    /* the caller's upcall came as an interrupt, which is now over */
};

struct protocol_effects {
	unsigned what;    /* PROTOCOL_... */
	uint64_t cores;   /* bit n: HRT core n */
	struct error log; /* a line for the log, triggered by a guest; empty: none */
};

/* Who asks. */
struct protocol_caller {
	enum partition_role role;
	uint32_t core; /* within its partition */
	const struct vcpu_registers *registers;
	const struct vcpu_state *state; /* may be NULL where protocol_needs_state() says no */
	struct access access;           /* to its memory; cr3 and user are filled in from the state */
};

void protocol_init(struct protocol *p, const struct protocol_config *config, struct hvm_comm_page *page);

/* Whether the answer to this request takes more than the general registers. Without the lock. */
bool protocol_needs_state(const struct vcpu_registers *registers);

/* The rax to answer with, and what the caller does about it. */
uint64_t protocol_call(struct protocol *p, const struct protocol_caller *caller, uint64_t now,
	struct protocol_effects *ret);

/* The caller's memory at its CPL; false: it is not in 64-bit mode, or its state was not given. Without the lock. */
bool protocol_caller_access(const struct protocol_caller *caller, struct access *ret);

/* Whether an upcall waits for HRT core n. Without the lock. */
bool protocol_upcall_waits(const struct protocol *p, uint32_t n);

/*
 * Delivers the upcall that waits for HRT core n: changes *state and *registers,
 * which the caller then loads, and memory. Returns 1; 0 when there is none any
 * more, or it has been rolled back (*ret says why); -EAGAIN when the core has to
 * run on first, and will be kicked again. For UPCALL_VECTOR nothing is changed:
 * on 1 the caller sends the interrupt.
 */
int protocol_deliver(struct protocol *p, uint32_t n, const struct access *access, struct vcpu_state *state,
	struct vcpu_registers *registers, uint64_t now, struct protocol_effects *ret);

/* The upcall just delivered to core n did not get there after all: rolls back. */
void protocol_undeliverable(struct protocol *p, uint32_t n, const char *why, struct protocol_effects *ret);

/* What time has done: deadlines, and who has to be kicked again. */
void protocol_tick(struct protocol *p, uint64_t now, struct protocol_effects *ret);

/* When protocol_tick() is next due (CLOCK_MONOTONIC, usec); UINT64_MAX: never. */
uint64_t protocol_due(const struct protocol *p);

/* As protocol_upcall_waits() and protocol_deliver(), for a signal to a process of the ROS, on any of its cores. */
bool protocol_signal_waits(const struct protocol *p);
int protocol_deliver_signal(struct protocol *p, const struct access *access, const struct vcpu_state *state,
	struct vcpu_registers *registers, uint64_t now, struct protocol_effects *ret);

/* What the HRT's image was granted, which changes with the image: see struct protocol_config. */
void protocol_set_hrt(struct protocol *p, uint8_t vector, uint64_t null_handler);

/* The HRT is about to be booted: nothing of its last life is left, neither here nor in the comm page. */
void protocol_hrt_booted(struct protocol *p);

/* The HRT does not run for now, and cannot be called. */
void protocol_hrt_gone(struct protocol *p);

/* It will not without a reset; the ROS is told by an event if there is room. */
void protocol_hrt_crashed(struct protocol *p, uint64_t rip, uint64_t vector);

/* The ROS has been reset: its calls and signals are forgotten, the HRT's event fails. */
void protocol_ros_reset(struct protocol *p);

/* "idle", "call", ... */
const char *protocol_state_to_string(uint32_t state);
