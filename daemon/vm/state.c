/* state.c - see state.h */
#include "vm/state.h"

#include <assert.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/macro.h"

#define TO(state) (1u << (state))

static const unsigned successors[] = {
	[VM_INACTIVE] = TO(VM_STARTING),
	[VM_STARTING] = TO(VM_RUNNING) | TO(VM_PAUSED) | TO(VM_CRASHED) | TO(VM_STOPPING) | TO(VM_FAILED),
	[VM_RUNNING] = TO(VM_PAUSED) | TO(VM_CRASHED) | TO(VM_STOPPING) | TO(VM_FAILED),
	[VM_PAUSED] = TO(VM_RUNNING) | TO(VM_CRASHED) | TO(VM_STOPPING) | TO(VM_FAILED),
	[VM_STOPPING] = TO(VM_INACTIVE) | TO(VM_FAILED),
	[VM_CRASHED] = TO(VM_RUNNING) | TO(VM_PAUSED) | TO(VM_STOPPING) | TO(VM_FAILED),
	[VM_FAILED] = TO(VM_STARTING),
};
static_assert(ARRAY_SIZE(successors) == N_VM_STATES, "a state has no successors");

void vm_life_init(struct vm_life *life)
{
	*life = (struct vm_life){
		.state = VM_INACTIVE,
		.reason = REASON_DEFINED,
		.since_realtime = clock_realtime_usec(),
		.since_monotonic = clock_usec(),
	};
}

bool vm_state_may_follow(enum vm_state from, enum vm_state to)
{
	return successors[from] & TO(to);
}

void vm_life_note(struct vm_life *life, enum vm_reason reason)
{
	life->reason = reason;
	life->details = (struct error){};
}

void vm_life_move(struct vm_life *life, enum vm_state state, enum vm_reason reason, const char *details)
{
	struct vm_life next = {.state = state, .reason = reason};

	assert(vm_state_may_follow(life->state, state));
	snprintf(next.details.text, sizeof(next.details.text), "%s", details ? details : "");
	next.since_realtime = clock_realtime_usec();
	next.since_monotonic = clock_usec();
	*life = next;
}

void vm_life_date(struct vm_life *life, uint64_t monotonic)
{
	uint64_t now = clock_usec(), ago = now > monotonic ? now - monotonic : 0;

	life->since_monotonic = now - ago;
	life->since_realtime = clock_realtime_usec() - ago;
}

int vm_exit_status(enum vm_reason reason)
{
	switch (reason) {
	case REASON_GUEST_POWEROFF:
		return 0;
	case REASON_GUEST_RESET:
		return 32;
	case REASON_TRIPLE_FAULT:
	case REASON_EMULATION_FAILURE:
		return 33;
	case REASON_GUEST_PANIC:
		return 34;
	case REASON_WATCHDOG:
		return 36;
	case REASON_VMM_DIED:
	case REASON_START_FAILED:
	case REASON_OUT_OF_MEMORY:
	case REASON_UNKNOWN:
		return 40;
	case REASON_DEFINED:
	case REASON_BOOTED:
	case REASON_HOST_REQUEST:
	case REASON_HOST_SHUTDOWN:
	case N_REASONS:
		break;
	}
	return -1;
}
