/* news.c - what the monitor of a VM tells, and what that means for the VM; move.h */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "abi/messages.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/log.h"
#include "vm/move.h"

static unsigned role_change(enum partition_role role)
{
	return role == PARTITION_ROS ? VM_CHANGED_ROS : VM_CHANGED_HRT;
}

/* A partition that was built, or waits for its start, is parked for other reasons. */
static bool is_end_of_guest(const struct monitor_news *news)
{
	return news->state == PARTITION_PARKED && news->reason != REASON_DEFINED && news->reason != REASON_BOOTED;
}

/* The other partition runs on, so that the VM's state has no news of it. */
static void log_crash(const struct vm *vm, const struct monitor_news *news)
{
	static struct ratelimit limit = {.interval_usec = 10000000, .burst = 50};
	const char *role = partition_role_to_string(news->role);
	const struct log_about about = {.vm = vm_name(vm), .partition = role, .message_id = MESSAGE_GUEST_CRASHED};

	if (log_ratelimit(&limit))
		log_line_about(&about, LOG_LEVEL_NOTICE, "vm %s: %s crashed (%s): %s", vm_name(vm), role,
			vm_reason_to_string(news->reason), news->details);
}

/* on_crash="ignore": the VM goes on without the partition. */
static bool is_ignored(const struct vm_partition *p)
{
	return p->state == PARTITION_CRASHED &&
		spec_on_crash(vm_spec_in_force(p->vm), p->role) == SPEC_ON_CRASH_IGNORE;
}

static void end_because(struct vm *vm, const struct monitor_news *news)
{
	if (news->details[0])
		snprintf(vm->life.details.text, sizeof(vm->life.details.text), "%s", news->details); /* what a stop keeps */
	vm_stop(vm, VM_STOP_USEC, news->reason, NULL, NULL, NULL);
}

/* on_crash="stop", which a monitor cannot do itself; "reset" it can. */
static void follow_crash(struct vm *vm, const struct monitor_news *news)
{
	const bool stops = spec_on_crash(vm_spec_in_force(vm), news->role) == SPEC_ON_CRASH_STOP;

	if (vm->life.state == VM_RUNNING)
		log_crash(vm, news);
	if (!stops || vm->life.state == VM_STOPPING)
		return;
	end_because(vm, news);
}

/*
 * What the states of the partitions, one of which is news, mean for the VM. When
 * the last that ran has come to its end by itself, so has the VM.
 */
static void follow_partitions(struct vm *vm, const struct monitor_news *news)
{
	bool any[N_PARTITION_STATES] = {};
	enum vm_state target;

	for (int role = 0; role < N_PARTITION_ROLES; role++)
		if (vm->partitions[role].present && !is_ignored(&vm->partitions[role]))
			any[vm->partitions[role].state] = true;
	if (any[PARTITION_RUNNING])
		target = VM_RUNNING;
	else if (any[PARTITION_PAUSED])
		target = VM_PAUSED;
	else if (any[PARTITION_FAILED]) {
		vm_end(vm, news->reason, -ECANCELED, news->details);
		return;
	} else if (any[PARTITION_CRASHED])
		target = VM_CRASHED;
	else {
		if (is_end_of_guest(news))
			end_because(vm, news);
		return;
	}
	if (target == vm->life.state && news->reason == REASON_GUEST_RESET) {
		vm_life_note(&vm->life, news->reason);
		vm_tell(vm, changed, vm, VM_CHANGED_STATE);
	}
	if (target != vm->life.state && vm_state_may_follow(vm->life.state, target))
		vm_move(vm, target, news->reason, news->details, news);
}

static void on_partition(void *userdata, const struct monitor_news *news)
{
	struct vm *vm = userdata;
	struct vm_partition *p = &vm->partitions[news->role];

	if (!p->present && news->state == PARTITION_INACTIVE)
		return;
	if (!p->present) {
		vm_end(vm, REASON_VMM_DIED, -ECANCELED,
			"the monitor told news of a partition that the VM does not have");
		return;
	}
	p->state = news->state;
	p->reason = news->reason;
	snprintf(p->details.text, sizeof(p->details.text), "%s", news->details);
	vm_tell(vm, changed, vm, role_change(news->role));
	if (news->state == PARTITION_CRASHED)
		vm_tell(vm, guest_crashed, vm, news);
	follow_partitions(vm, news);
	if (news->state == PARTITION_CRASHED)
		follow_crash(vm, news);
}

static void on_hrt(void *userdata, const struct monitor_hrt *hrt)
{
	struct vm *vm = userdata;

	vm->hrt = *hrt;
	vm_tell(vm, changed, vm, VM_CHANGED_HRT_IMAGE);
}

static void on_ros(void *userdata, const struct monitor_ros *ros)
{
	struct vm *vm = userdata;

	vm->ros = *ros;
	vm_tell(vm, changed, vm, VM_CHANGED_ROS_IMAGE);
}

static void on_launch(void *userdata, const uint8_t digest[LINK_DIGEST_SIZE])
{
	struct vm *vm = userdata;

	hex_format(digest, LINK_DIGEST_SIZE, vm->launch_digest);
	vm_tell(vm, changed, vm, VM_CHANGED_LAUNCH);
}

static void on_reset_done(void *userdata, enum link_scope scope, uint32_t first_vcpu, uint32_t n_vcpus)
{
	struct vm *vm = userdata;
	unsigned changes = VM_CHANGED_RESETS;

	vm->n_resets++;
	if (scope != LINK_SCOPE_HRT) {
		vm->partitions[PARTITION_ROS].n_resets++;
		changes |= VM_CHANGED_ROS;
	}
	if (scope != LINK_SCOPE_ROS && vm->partitions[PARTITION_HRT].present) {
		vm->partitions[PARTITION_HRT].n_resets++;
		changes |= VM_CHANGED_HRT;
	}
	vm_tell(vm, changed, vm, changes);
	vm_tell(vm, reset_done, vm, scope, first_vcpu, n_vcpus);
}

static void on_responsive(void *userdata, bool responsive)
{
	struct vm *vm = userdata;
	const struct log_about about = {.vm = vm_name(vm), .message_id = MESSAGE_UNRESPONSIVE};

	vm->unresponsive = !responsive;
	if (responsive)
		log_line_about(&about, LOG_LEVEL_NOTICE, "vm %s: its monitor (PID %d) answers again", vm_name(vm), (int)vm->pid);
	else
		log_line_about(&about, LOG_LEVEL_WARNING, "vm %s: its monitor (PID %d) is unresponsive: it leaves requests unanswered; "
			"terminating the VM works all the same", vm_name(vm), (int)vm->pid);
	vm_tell(vm, changed, vm, VM_CHANGED_STATE);
}

/* All that happened before we came has been told. */
static bool on_run(void *userdata, const struct monitor_run *run)
{
	struct vm *vm = userdata;

	if (memcmp(run->uuid, vm_spec_in_force(vm)->uuid, SPEC_UUID_SIZE) != 0)
		return false;
	vm_life_date(&vm->life, run->changed);
	vm->n_resets = run->n_resets;
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		vm->partitions[role].n_resets = run->n_resets_of[role];
	vm->adopting = false;
	log_notice("vm %s: adopted, it is %s (PID %d)", vm_name(vm), vm_state_to_string(vm->life.state), (int)vm->pid);
	vm_tell(vm, changed, vm, VM_CHANGED_STATE | VM_CHANGED_RESETS | VM_CHANGED_ROS | VM_CHANGED_HRT);
	return true;
}

/* As if somebody had asked for a stop, but that the guest says why. */
static void on_guest_exit(void *userdata, int32_t status, const char *details)
{
	struct vm *vm = userdata;

	if (!vm_state_may_follow(vm->life.state, VM_STOPPING))
		return; /* somebody was faster */
	vm->has_guest_status = true;
	vm->guest_status = status;
	vm_move(vm, VM_STOPPING, REASON_GUEST_POWEROFF, details, NULL);
	monitor_stop(vm->monitor, VM_STOP_USEC);
}

const struct monitor_hooks vm_hooks = {
	.responsive = on_responsive,
	.run = on_run,
	.partition = on_partition,
	.hrt = on_hrt,
	.ros = on_ros,
	.launch = on_launch,
	.exit = on_guest_exit,
	.reset_done = on_reset_done,
	.gone = vm_gone,
};
