/* SPDX-License-Identifier: MIT */
/*
 * job.h - what the reference HRT does when it is called
 *
 * The argument of a call (HVM_REQ_CALL, HVM_REQ_PARCALL, or in synchronous mode)
 * is either a number below JOB_NUMBERS, of which the HRT takes notice and nothing
 * more, or a pointer to one of these in the caller's memory: address spaces are
 * then merged.
 */
#ifndef JOB_H
#define JOB_H

#include <stdint.h>

#define JOB_NUMBERS 4096u

/* What to do; anything else is the address of a function of the caller's: uint64_t f(uint64_t argument). */
#define JOB_ADD      1u /* result += argument, atomically: every core of a parallel call does it */
#define JOB_SYSCALL  2u /* asks the ROS for the system call `argument`; its result is ours */
#define JOB_SIGNAL   3u /* raises signal `argument` in the caller; the request's answer is ours */
#define JOB_READ     4u /* reads the word at address `argument`; asks the ROS for its page where that is not there */
#define JOB_SPIN     5u /* never ends */
#define JOB_GDT      6u /* word `argument` of what the last HVM_REQ_SYNC_GDT brought: limit, FS base, core, CS, upcalls */
#define JOB_FLAGS    7u /* rflags that the core was interrupted with */

struct job {
	uint64_t function;
	uint64_t argument;
	uint64_t result;
};

#endif
