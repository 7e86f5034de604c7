/*
 * signal.h - a signal to a process of the ROS [spec 6.7]
 *
 * One slot a VM: the process that has registered a handler, known by its CR3,
 * and the code that waits for it. Whichever ROS core next runs that process at
 * CPL 3 takes the code, and finds itself in the handler.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct access;
struct error;
struct vcpu_registers;
struct vcpu_state;

struct signal {
	uint64_t handler; /* GVA; 0: there is none */
	uint64_t stack;   /* its top */
	uint64_t cr3;     /* the process: without PCID and flags */
	uint64_t code;    /* waits; 0: none */
	bool masks;       /* the process says when its handler has ended */
	bool masked;      /* it has not */
	bool ready;       /* a code that is not masked waits. Read by anybody (__atomic) */
};

/*
 * HVM_REQ_SIGNAL_HANDLER, HVM_REQ_SIGNAL, HVM_REQ_SIGNAL_DONE. False: refused, nothing has changed. A process that
 * has ended without a word does not keep others from registering.
 */
bool signal_register(struct signal *s, uint64_t handler, uint64_t stack, const struct access *process);
bool signal_raise(struct signal *s, uint64_t code);
bool signal_done(struct signal *s);

/* There is no process any more. */
void signal_forget(struct signal *s);

/* Whether a core that runs the process should take a code. From any thread. */
bool signal_waits(const struct signal *s);

/*
 * Delivers the code if this core runs the process at CPL 3: writes the frame and
 * changes *registers. Returns 1 then; 0 when it is not for this core or not for
 * this moment; -EFAULT with a sentence when the process's memory no longer has
 * the handler or the stack: the registration is gone, and the code with it.
 */
int signal_deliver(struct signal *s, struct access access, const struct vcpu_state *state,
	struct vcpu_registers *registers, struct error *e);
