/*
 * state.h - the words for how a VM and its partitions are
 *
 * They travel over the link as numbers and over D-Bus as the strings below,
 * which are part of the interface.
 */
#pragma once

enum partition_role {
	PARTITION_ROS, /* the regular OS: cores [0,k), memory [0,R) */
	PARTITION_HRT, /* the hybrid runtime: cores [k,N), owns memory [R,M) */
	N_PARTITION_ROLES,
};

enum partition_state {
	PARTITION_INACTIVE, /* there is no monitor, or it has built nothing yet */
	PARTITION_PARKED,   /* built, but its cores do not run: no kernel was given, or not started yet */
	PARTITION_RUNNING,
	PARTITION_PAUSED,
	PARTITION_CRASHED,  /* the guest's fault; memory and registers are as they were */
	PARTITION_FAILED,   /* ours or the host's fault; only stopping helps */
	N_PARTITION_STATES,
};

enum vm_state {
	VM_INACTIVE, /* no monitor */
	VM_STARTING, /* a monitor is being spawned or is building the machine */
	VM_RUNNING,
	VM_PAUSED,
	VM_STOPPING, /* the monitor has been told to go, and is not gone yet */
	VM_CRASHED,  /* every partition that ran has crashed; the monitor keeps it for inspection, reset revives it */
	VM_FAILED,   /* the monitor died or could not go on; no monitor */
	N_VM_STATES,
};

enum vm_reason {
	REASON_DEFINED,
	REASON_BOOTED,
	REASON_GUEST_POWEROFF,
	REASON_GUEST_RESET,
	REASON_GUEST_PANIC,
	REASON_TRIPLE_FAULT,
	REASON_EMULATION_FAILURE,
	REASON_WATCHDOG,
	REASON_HOST_REQUEST,
	REASON_HOST_SHUTDOWN,
	REASON_VMM_DIED,
	REASON_START_FAILED,
	REASON_OUT_OF_MEMORY,
	REASON_UNKNOWN,
	N_REASONS,
};

/* The string of each; never NULL. */
const char *partition_role_to_string(enum partition_role role);
const char *partition_state_to_string(enum partition_state state);
const char *vm_state_to_string(enum vm_state state);
const char *vm_reason_to_string(enum vm_reason reason);
