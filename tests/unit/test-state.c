/* test-state.c - the life of a VM: which states follow which */
#include <criterion/criterion.h>

#include "base/clock.h"
#include "vm/state.h"

Test(state, begins_inactive_and_defined)
{
	struct vm_life life;

	vm_life_init(&life);
	cr_expect_eq(life.state, VM_INACTIVE);
	cr_expect_eq(life.reason, REASON_DEFINED);
	cr_expect_str_empty(life.details.text);
	cr_expect_neq(life.since_realtime, 0);
}

Test(state, no_state_follows_itself)
{
	for (int s = 0; s < N_VM_STATES; s++)
		cr_expect_not(vm_state_may_follow((enum vm_state)s, (enum vm_state)s));
}

Test(state, only_inactive_and_failed_can_be_started)
{
	for (int s = 0; s < N_VM_STATES; s++)
		cr_expect_eq(vm_state_may_follow((enum vm_state)s, VM_STARTING),
			s == VM_INACTIVE || s == VM_FAILED);
}

Test(state, everything_with_a_monitor_can_fail_and_nothing_else)
{
	for (int s = 0; s < N_VM_STATES; s++)
		cr_expect_eq(
			vm_state_may_follow((enum vm_state)s, VM_FAILED), s != VM_INACTIVE && s != VM_FAILED);
}

Test(state, everything_with_a_monitor_can_be_stopped_once)
{
	for (int s = 0; s < N_VM_STATES; s++)
		cr_expect_eq(vm_state_may_follow((enum vm_state)s, VM_STOPPING),
			s != VM_INACTIVE && s != VM_FAILED && s != VM_STOPPING);
}

Test(state, stop_leads_to_inactive_and_nothing_else_does)
{
	for (int s = 0; s < N_VM_STATES; s++)
		cr_expect_eq(vm_state_may_follow((enum vm_state)s, VM_INACTIVE), s == VM_STOPPING);
}

Test(state, crash_is_not_the_end)
{
	cr_expect(vm_state_may_follow(VM_RUNNING, VM_CRASHED));
	cr_expect(vm_state_may_follow(VM_CRASHED, VM_RUNNING));
	cr_expect_not(vm_state_may_follow(VM_CRASHED, VM_INACTIVE));
}

Test(state, move_keeps_reason_sentence_and_time)
{
	uint64_t before = clock_usec();
	struct vm_life life;

	vm_life_init(&life);
	vm_life_move(&life, VM_STARTING, REASON_HOST_REQUEST, NULL);
	cr_expect_str_empty(life.details.text);
	vm_life_move(&life, VM_FAILED, REASON_VMM_DIED, "the monitor is gone");
	cr_expect_eq(life.state, VM_FAILED);
	cr_expect_eq(life.reason, REASON_VMM_DIED);
	cr_expect_str_eq(life.details.text, "the monitor is gone");
	cr_expect_geq(life.since_monotonic, before);
}
