/* SPDX-License-Identifier: MIT */
/* hvm.c - see hvm.h */
#include "hvm.h"

#define PAGE 4096u

uint64_t hvm_request(const struct hvm *h, uint64_t request, uint64_t a2, uint64_t a3)
{
	switch (h->way) {
	case HVM_BY_DOORBELL:
		return hvm_doorbell_call(h->doorbell, request, a2, a3);
	case HVM_BY_VMMCALL:
		return hvm_vmmcall(request, a2, a3);
	case HVM_BY_VMCALL:
		return hvm_vmcall(request, a2, a3);
	case HVM_BY_PORT:
		break;
	}
	return hvm_port_call(request, a2, a3);
}

static int answer(uint64_t rax)
{
	return rax == HVM_FAILED ? HVM_REFUSED : HVM_OK;
}

uint64_t hvm_state(const struct hvm *h)
{
	return h->page ? h->page->state : hvm_request(h, HVM_REQ_STATE, 0, 0);
}

/* --- Events -------------------------------------------------------------------------------------------------- */

/* The kernel makes a page present, and its own, when it is touched. */
static void touch(uint64_t address, bool write)
{
	volatile uint8_t *byte = (volatile uint8_t *)address;

	if (write)
		__atomic_fetch_add((uint8_t *)address, 0, __ATOMIC_SEQ_CST);
	else
		(void)*byte;
}

static uint64_t serve(struct hvm *h, const struct hvm_event *event)
{
	switch (event->type) {
	case HVM_EVENT_ROS_PAGE_FAULT:
		touch(event->u.page_fault.cr2, event->u.page_fault.action == 1);
		return 0;
	case HVM_EVENT_ROS_SYSCALL:
		return h->syscall ? h->syscall(h->data, event->u.syscall.args) : HVM_FAILED;
	}
	if (h->told)
		h->told(h->data, event);
	return 0;
}

static bool is_raised(uint64_t type)
{
	return type != HVM_EVENT_NONE && type != HVM_EVENT_DONE;
}

bool hvm_serve_event(struct hvm *h)
{
	struct hvm_event event = {0};

	if (h->page && !is_raised(h->page->event))
		return false;
	if (hvm_request(h, HVM_REQ_STATE, (uint64_t)&event, 0) == HVM_FAILED || !is_raised(event.type))
		return false;
	hvm_request(h, HVM_REQ_COMPLETE_EVENT, serve(h, &event), 0);
	return true;
}

/* --- Transactions -------------------------------------------------------------------------------------------- */

/* All states but these two are transactions that the HRT has still to report. */
static bool is_settled(uint64_t state)
{
	return state == HVM_STATE_IDLE || state == HVM_STATE_SYNC;
}

static int outcome(const struct hvm *h)
{
	return h->page ? (int)h->page->outcome : (int)hvm_request(h, HVM_REQ_OUTCOME, 0, 0);
}

int hvm_wait(struct hvm *h)
{
	while (!is_settled(hvm_state(h)))
		if (!hvm_serve_event(h))
			__asm__ volatile("pause");
	return outcome(h);
}

static int transact(struct hvm *h, uint64_t request, uint64_t a2, uint64_t a3)
{
	if (hvm_request(h, request, a2, a3) == HVM_FAILED)
		return HVM_REFUSED;
	return hvm_wait(h);
}

int hvm_call_begin(const struct hvm *h, uint64_t argument, bool parallel)
{
	return answer(hvm_request(h, parallel ? HVM_REQ_PARCALL : HVM_REQ_CALL, argument, 0));
}

int hvm_call(struct hvm *h, uint64_t argument, bool parallel)
{
	return transact(h, parallel ? HVM_REQ_PARCALL : HVM_REQ_CALL, argument, 0);
}

int hvm_merge(struct hvm *h)
{
	return transact(h, HVM_REQ_MERGE, 0, 0);
}

int hvm_unmerge(struct hvm *h)
{
	return transact(h, HVM_REQ_UNMERGE, 0, 0);
}

int hvm_gdt_sync(struct hvm *h, uint64_t fs_base, uint64_t core)
{
	return transact(h, HVM_REQ_SYNC_GDT, fs_base, core);
}

int hvm_gdt_restore(struct hvm *h)
{
	return transact(h, HVM_REQ_RESTORE_GDT, 0, 0);
}

/* --- Synchronous mode ----------------------------------------------------------------------------------------- */

int hvm_sync_begin(struct hvm *h, struct hvm_sync *sync)
{
	sync->issued = sync->completed = sync->argument = 0;
	return transact(h, HVM_REQ_SYNC, (uint64_t)sync, 0);
}

/* Without a comm page, events are looked for now and then only: each look is a hypercall. */
#define LOOK_EVERY 4096u

int hvm_sync_call(struct hvm *h, struct hvm_sync *sync, uint64_t argument)
{
	uint64_t number = sync->issued + 1;
	unsigned turns = 0;

	sync->argument = argument;
	__atomic_store_n(&sync->issued, number, __ATOMIC_RELEASE);
	while (__atomic_load_n(&sync->completed, __ATOMIC_ACQUIRE) != number) {
		__asm__ volatile("pause");
		if (!h->page && ++turns % LOOK_EVERY != 0)
			continue;
		if (hvm_state(h) != HVM_STATE_SYNC)
			return outcome(h);
		hvm_serve_event(h);
	}
	return HVM_OK;
}

int hvm_sync_end(struct hvm *h, struct hvm_sync *sync)
{
	return transact(h, HVM_REQ_UNSYNC, (uint64_t)sync, 0);
}

/* --- Signals ---------------------------------------------------------------------------------------------------- */

static const struct hvm *signalled;
static void (*signal_function)(uint64_t code) __attribute__((used));

/* On the stack of the interrupted code: from here on the next signal may come. */
__attribute__((used, target("general-regs-only"))) static void signal_over(void)
{
	hvm_request(signalled, HVM_REQ_SIGNAL_DONE, 0, 0);
}

/*
 * Entered with struct hvm_signal_frame at rsp. The way back does not lead through this
 * stack, since the next signal's frame may be written here at once: registers, flags
 * and rip are copied below the red zone of the interrupted code, and taken from there.
 */
__asm__(
	"	.text\n"
	"hvm_signal_entry:\n"
	"	push %rax\n	push %rbx\n	push %rcx\n	push %rdx\n	push %rsi\n"
	"	push %rdi\n	push %rbp\n	push %r8\n	push %r9\n	push %r10\n"
	"	push %r11\n	push %r12\n	push %r13\n	push %r14\n	push %r15\n"
	"	mov %rsp, %rbx\n" /* 15 registers, then code, rip, cs, rflags, rsp, ss */
	"	sub $512, %rsp\n"
	"	and $-16, %rsp\n"
	"	fxsave64 (%rsp)\n"
	"	mov 120(%rbx), %rdi\n"
	"	cld\n"
	"	call *signal_function(%rip)\n"
	"	fxrstor64 (%rsp)\n"
	"	mov 152(%rbx), %rdi\n"
	"	sub $128 + 17 * 8, %rdi\n"
	"	mov %rbx, %rsi\n"
	"	mov $15, %ecx\n"
	"	rep movsq\n"
	"	mov 144(%rbx), %rax\n"
	"	mov %rax, (%rdi)\n"
	"	mov 128(%rbx), %rax\n"
	"	mov %rax, 8(%rdi)\n"
	"	lea -120(%rdi), %rsp\n"
	"	mov %rsp, %rbp\n"
	"	and $-16, %rsp\n"
	"	call signal_over\n"
	"	mov %rbp, %rsp\n"
	"	pop %r15\n	pop %r14\n	pop %r13\n	pop %r12\n	pop %r11\n"
	"	pop %r10\n	pop %r9\n	pop %r8\n	pop %rbp\n	pop %rdi\n"
	"	pop %rsi\n	pop %rdx\n	pop %rcx\n	pop %rbx\n	pop %rax\n"
	"	popfq\n"
	"	ret $128\n");
void hvm_signal_entry(void);

int hvm_signal_begin(struct hvm *h, void (*fn)(uint64_t code), void *stack, size_t size)
{
	uint8_t *bytes = stack;

	if (size < HVM_SIGNAL_STACK_MIN)
		return HVM_REFUSED;
	for (size_t i = 0; i < size; i += PAGE)
		*(volatile uint8_t *)(bytes + i) = 0; /* the kernel puts a page there */
	*(volatile uint8_t *)(bytes + size - 1) = 0;
	signalled = h;
	signal_function = fn;
	if (hvm_request(h, HVM_REQ_SIGNAL_HANDLER, (uint64_t)hvm_signal_entry, (uint64_t)(bytes + size)) == HVM_FAILED)
		return HVM_REFUSED;
	return answer(hvm_request(h, HVM_REQ_SIGNAL_DONE, 0, 0)); /* one signal at a time */
}

int hvm_signal_end(struct hvm *h)
{
	return answer(hvm_request(h, HVM_REQ_SIGNAL_HANDLER, 0, 0));
}

/* --- Images ------------------------------------------------------------------------------------------------------- */

int hvm_load_image(const struct hvm *h, const void *image, size_t size)
{
	const volatile uint8_t *bytes = image;

	for (size_t i = 0; i < size; i += PAGE)
		(void)bytes[i]; /* the HVM takes what is there, and waits for no page */
	return answer(hvm_request(h, HVM_REQ_LOAD_IMAGE, (uint64_t)image, size));
}

int hvm_reset(const struct hvm *h, uint64_t request)
{
	return answer(hvm_request(h, request, 0, 0));
}
