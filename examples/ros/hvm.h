/* SPDX-License-Identifier: MIT */
/*
 * hvm.h - calling a hybrid runtime (HRT) from a process of the ROS
 *
 * What the guest ABI (hvm-guest-abi.h) has as requests, as functions. hvm.c needs no
 * C library and no operating system, so that a kernel can use it, too; hvm-linux.c
 * opens the way for a Linux process. One thread at a time: there is one transaction
 * in a VM, and whoever waits for it also serves the HRT's events.
 *
 * Functions return HVM_OK; HVM_REFUSED where the HVM refuses the request, as in a
 * state that does not allow it; or, when a transaction has begun and failed,
 * HVM_OUTCOME_... which says why.
 */
#ifndef HVM_H
#define HVM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hvm-guest-abi.h"

#define HVM_OK      0
#define HVM_REFUSED (-1)

#define HVM_SIGNAL_STACK_MIN 4096u /* bytes */

enum hvm_way { HVM_BY_PORT, HVM_BY_DOORBELL, HVM_BY_VMMCALL, HVM_BY_VMCALL };

struct hvm {
	enum hvm_way way; /* of hypercalls */
	volatile uint32_t *doorbell; /* mapped HVM_DOORBELL_GPA, for HVM_BY_DOORBELL */
	const volatile struct hvm_comm_page *page; /* mapped comm page; NULL: the state is asked for by a request */
	/* Serves HVM_EVENT_ROS_SYSCALL; NULL: every system call fails. */
	uint64_t (*syscall)(void *data, const uint64_t args[8]);
	/* HVM_EVENT_HRT_EXCEPTION, HVM_EVENT_THREAD_EXIT; NULL: nobody is interested. */
	void (*told)(void *data, const struct hvm_event *event);
	void *data; /* of both */
};

/* --- Where a Linux process begins (hvm-linux.c) --------------------------------------------------------------- */

/* By the port: needs CAP_SYS_RAWIO (ioperm). Returns 0 or -1 with errno set. */
int hvm_open_port(struct hvm *h);

/* By the doorbell page: needs to open /dev/mem. Returns 0 or -1 with errno set; ENODEV: there is no doorbell. */
int hvm_open_doorbell(struct hvm *h);

/*
 * By the processor's own instruction: needs no privileges, but an hvmd that intercepts
 * it (hrt hypercall="xen"). Returns 0 or -1 with errno set; ENODEV: it does not.
 */
int hvm_open_instruction(struct hvm *h);

/*
 * Besides, maps the comm page, where the CPUID of a ROS says it is: who waits then looks there, without
 * hypercalls. Needs to open /dev/mem. Returns 0 or -1 with errno set; ENODEV: there is none.
 */
int hvm_open_page(struct hvm *h);
void hvm_close(struct hvm *h);

/* Makes the system call that the HRT asks for; for `syscall` above. */
uint64_t hvm_linux_syscall(void *data, const uint64_t args[8]);

/* --- Requests ----------------------------------------------------------------------------------------------------- */

/* Any request as it is; the answer in rax. */
uint64_t hvm_request(const struct hvm *h, uint64_t request, uint64_t a2, uint64_t a3);

/* HVM_STATE_... now. */
uint64_t hvm_state(const struct hvm *h);

/* Calls the HRT: its core 0, or all at once. It gets `argument`; what that means is the HRT's business. Waits for the end. */
int hvm_call(struct hvm *h, uint64_t argument, bool parallel);

/* The same in halves: hvm_wait() returns when nothing is going on any more, having served the events until then. */
int hvm_call_begin(const struct hvm *h, uint64_t argument, bool parallel);
int hvm_wait(struct hvm *h);

/*
 * Gives the HRT this process's memory, the lower half of its addresses. Again after new
 * memory was mapped far from all other, and after pages were unmapped or moved.
 */
int hvm_merge(struct hvm *h);
int hvm_unmerge(struct hvm *h);

/*
 * Synchronous mode: calls through three words of memory that both look at, without
 * the HVM. Address spaces are merged. `sync` stays where it is until hvm_sync_end().
 */
int hvm_sync_begin(struct hvm *h, struct hvm_sync *sync);
int hvm_sync_call(struct hvm *h, struct hvm_sync *sync, uint64_t argument); /* HVM_OUTCOME_... where synchronous mode is over */
int hvm_sync_end(struct hvm *h, struct hvm_sync *sync);

/* Serves an event of the HRT if there is one; whether there was. The functions above do that while they wait. */
bool hvm_serve_event(struct hvm *h);

/*
 * Has the HRT interrupt this process by calling fn with a code, one signal at a time,
 * on `stack`, which is there and stays in memory (mlock). x87 and SSE registers are kept,
 * AVX's upper halves are not: compile fn without AVX.
 */
int hvm_signal_begin(struct hvm *h, void (*fn)(uint64_t code), void *stack, size_t size);
int hvm_signal_end(struct hvm *h);

/* The GDT of the core that this runs on, and `fs_base`, for the HRT's core `core`; and back to its own. */
int hvm_gdt_sync(struct hvm *h, uint64_t fs_base, uint64_t core);
int hvm_gdt_restore(struct hvm *h);

/* Gives the HRT another image from its next reset on. HVM_REFUSED: it is not one, and the old one stays. */
int hvm_load_image(const struct hvm *h, const void *image, size_t size);

/* HVM_REQ_RESET_HRT, HVM_REQ_RESET_ROS or HVM_REQ_RESET_ALL. Does not wait. */
int hvm_reset(const struct hvm *h, uint64_t request);

#endif
