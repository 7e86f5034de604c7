/* signal.c - see signal.h */
#include "monitor/signal.h"

#include <errno.h>
#include <inttypes.h>

#include "abi/hrt.h"
#include "abi/x86.h"
#include "base/error.h"
#include "guest/access.h"
#include "kvm/kvm.h"

#define CPL_USER 3

static void put_code(struct signal *s, uint64_t code, bool masked)
{
	s->code = code;
	s->masked = masked;
	__atomic_store_n(&s->ready, code && !masked, __ATOMIC_SEQ_CST);
}

void signal_forget(struct signal *s)
{
	put_code(s, 0, false);
	s->handler = s->stack = s->cr3 = 0;
	s->masks = false;
}

static uint64_t frame_at(uint64_t stack)
{
	return ((stack - 16) & ~15ull) - sizeof(struct hvm_signal_frame);
}

/* The handler can be read and the frame be written, by the process itself. */
static bool usable(uint64_t handler, uint64_t stack, struct access process)
{
	process.user = true;
	return stack >= 16 + 16 + sizeof(struct hvm_signal_frame) && access_is_user_address(handler) &&
	       access_is_user_address(stack) && access_check_read(&process, handler, 1) == 0 &&
	       access_check_write(&process, frame_at(stack), sizeof(struct hvm_signal_frame)) == 0;
}

/* Whoever has registered has ended: nobody's page tables are where its were, or they are no longer whole. */
static bool has_ended(const struct signal *s, struct access process)
{
	process.cr3 = s->cr3;
	return s->handler && !usable(s->handler, s->stack, process);
}

bool signal_register(struct signal *s, uint64_t handler, uint64_t stack, const struct access *process)
{
	if (has_ended(s, *process))
		signal_forget(s);
	if (s->code)
		return false;
	if (!handler && !stack) {
		signal_forget(s);
		return true;
	}
	if (s->handler || !handler || !usable(handler, stack, *process))
		return false;
	s->handler = handler;
	s->stack = stack;
	s->cr3 = process->cr3 & PTE_ADDRESS;
	return true;
}

bool signal_raise(struct signal *s, uint64_t code)
{
	if (!code || !s->handler || s->code)
		return false;
	put_code(s, code, s->masked);
	return true;
}

bool signal_done(struct signal *s)
{
	if (!s->handler)
		return false;
	s->masks = true;
	put_code(s, s->code, false);
	return true;
}

bool signal_waits(const struct signal *s)
{
	return __atomic_load_n(&s->ready, __ATOMIC_SEQ_CST);
}

int signal_deliver(struct signal *s, struct access access, const struct vcpu_state *state,
	struct vcpu_registers *registers, struct error *e)
{
	struct hvm_signal_frame frame = {
		.code = s->code,
		.rip = registers->rip,
		.cs = state->cs.selector,
		.rflags = registers->rflags,
		.rsp = registers->rsp,
		.ss = state->ss.selector,
	};

	if (!signal_waits(s) || state->unsettled || (state->cs.selector & SELECTOR_RPL) != CPL_USER ||
	    !vcpu_in_long_mode(state) || (state->cr3 & PTE_ADDRESS) != s->cr3)
		return 0;
	access.cr3 = state->cr3;
	access.user = true;
	if (!usable(s->handler, s->stack, access) ||
	    access_write(&access, frame_at(s->stack), &frame, sizeof(frame)) < 0) {
		error_set(e, -EFAULT, "signal 0x%" PRIx64 " is lost: the process no longer has its handler at 0x%" PRIx64
			" and stack at 0x%" PRIx64, s->code, s->handler, s->stack);
		signal_forget(s);
		return -EFAULT;
	}
	registers->rip = s->handler;
	registers->rsp = frame_at(s->stack);
	put_code(s, 0, s->masks);
	return 1;
}
