/*
 * hypercall.h - what a guest asks of us, decided without touching anything
 *
 * Registers in; the answer, and what is to be done, out. Knows no KVM. All
 * transports end here.
 */
#pragma once

#include <stdint.h>

#include "link/state.h"

struct vcpu_registers;

enum hypercall_effect {
	HYPERCALL_NOTHING,   /* only the answer */
	HYPERCALL_NOTE_BOOT, /* request 0: the guest says it is up */
	HYPERCALL_RESET_ROS,
	HYPERCALL_RESET_HRT,
	HYPERCALL_RESET_ALL,
	HYPERCALL_UNHANDLED, /* the null handler reports an exception or interrupt */
};

/* The rax to answer with. *ret_effect is what the caller does about it. */
uint64_t hypercall_decide(const struct vcpu_registers *registers, enum partition_role caller,
	enum hypercall_effect *ret_effect);
