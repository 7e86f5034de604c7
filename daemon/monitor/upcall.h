/*
 * upcall.h - calling into the HRT [spec 6.5, 11.4]
 *
 * An exception that we make ourselves: the frame is written to the HRT's stack
 * and the registers are set as a processor would. KVM's own injection cannot do
 * it, since VMX takes no error code with its upper half set.
 *
 * Tour 464: An upcall is a page fault that never happened. We read the HRT's
 * gate, push six words on its stack, and let the core run on in its handler.
 */
#pragma once

#include <stdint.h>

struct access;
struct error;
struct vcpu_registers;
struct vcpu_state;

enum upcall_kind {
	UPCALL_PF,     /* #PF with HVM_UPCALL_ERROR and HVM_UPCALL_CR2 */
	UPCALL_GPF,    /* #GP with HVM_UPCALL_ERROR */
	UPCALL_VECTOR, /* an interrupt through the LAPIC: not made here */
};

/* "pf", "gpf", "vector" */
const char *upcall_kind_to_string(enum upcall_kind kind);

/*
 * Whether the HRT has a gate of its own for this vector, and is not still on the null
 * handler's page at this GVA: an upcall there would be its end. 0, or -ENOEXEC with a sentence.
 */
int upcall_check_gate(unsigned vector, uint64_t null_handler, const struct access *access,
	const struct vcpu_state *state, struct error *e);

/* The exception that an upcall of this kind looks like; none for UPCALL_VECTOR. */
unsigned upcall_exception(enum upcall_kind kind);

/*
 * Writes the frame, and changes *state and *registers to the first instruction
 * of the handler. Returns 0; -EAGAIN when an
 * event is half delivered and the core has to run on first; or a negative errno
 * with a sentence that says what of the HRT's is wrong: then nothing has changed.
 */
int upcall_build(enum upcall_kind kind, const struct access *access, struct vcpu_state *state,
	struct vcpu_registers *registers, struct error *e);
