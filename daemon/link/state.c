/* state.c - see state.h */
#include "link/state.h"

#include "base/macro.h"

static const char *const role_names[] = {
	[PARTITION_ROS] = "ros",
	[PARTITION_HRT] = "hrt",
};
static_assert(ARRAY_SIZE(role_names) == N_PARTITION_ROLES, "a role has no name");

static const char *const partition_state_names[] = {
	[PARTITION_INACTIVE] = "inactive",
	[PARTITION_PARKED] = "parked",
	[PARTITION_RUNNING] = "running",
	[PARTITION_PAUSED] = "paused",
	[PARTITION_CRASHED] = "crashed",
	[PARTITION_FAILED] = "failed",
};
static_assert(ARRAY_SIZE(partition_state_names) == N_PARTITION_STATES, "a partition state has no name");

static const char *const vm_state_names[] = {
	[VM_INACTIVE] = "inactive",
	[VM_STARTING] = "starting",
	[VM_RUNNING] = "running",
	[VM_PAUSED] = "paused",
	[VM_STOPPING] = "stopping",
	[VM_CRASHED] = "crashed",
	[VM_FAILED] = "failed",
};
static_assert(ARRAY_SIZE(vm_state_names) == N_VM_STATES, "a VM state has no name");

static const char *const reason_names[] = {
	[REASON_DEFINED] = "defined",
	[REASON_BOOTED] = "booted",
	[REASON_GUEST_POWEROFF] = "guest-poweroff",
	[REASON_GUEST_RESET] = "guest-reset",
	[REASON_GUEST_PANIC] = "guest-panic",
	[REASON_TRIPLE_FAULT] = "triple-fault",
	[REASON_EMULATION_FAILURE] = "emulation-failure",
	[REASON_WATCHDOG] = "watchdog",
	[REASON_HOST_REQUEST] = "host-request",
	[REASON_HOST_SHUTDOWN] = "host-shutdown",
	[REASON_VMM_DIED] = "vmm-died",
	[REASON_START_FAILED] = "start-failed",
	[REASON_OUT_OF_MEMORY] = "out-of-memory",
	[REASON_UNKNOWN] = "unknown",
};
static_assert(ARRAY_SIZE(reason_names) == N_REASONS, "a reason has no name");

const char *partition_role_to_string(enum partition_role role)
{
	assert(role < N_PARTITION_ROLES);
	return role_names[role];
}

const char *partition_state_to_string(enum partition_state state)
{
	assert(state < N_PARTITION_STATES);
	return partition_state_names[state];
}

const char *vm_state_to_string(enum vm_state state)
{
	assert(state < N_VM_STATES);
	return vm_state_names[state];
}

const char *vm_reason_to_string(enum vm_reason reason)
{
	assert(reason < N_REASONS);
	return reason_names[reason];
}
