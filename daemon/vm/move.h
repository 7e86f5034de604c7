/*
 * move.h - what moves a VM from state to state, shared by vm.c, start.c, news.c and partition.c
 *
 * Nobody else includes this: whoever wants something of a VM asks for it (vm.h).
 * Two things change a VM: what callers ask for, and what the monitor tells. Both
 * end in vm_move(), the only place that changes the state of a VM and tells it.
 *
 * However a run ends, it ends in vm_gone(): who wants it to end says how it shall
 * look afterwards (vm_end(), or the state `stopping`) and sees to it that the
 * monitor goes.
 */
#pragma once

#include "vm/vm.h"

/* Calls a hook of the listener, if there is one. */
#define vm_tell(vm, hook, ...)                                                 \
	do {                                                                   \
		const struct vm_listener *listener_ = (vm)->context->listener; \
		if (listener_)                                                 \
			listener_->hook((vm)->context->userdata, __VA_ARGS__); \
	} while (0)

static inline const char *vm_name(const struct vm *vm)
{
	return vm->stored->name;
}

/* `details` and `blame`, the news that it is because of, may be NULL. */
void vm_move(struct vm *vm, enum vm_state state, enum vm_reason reason, const char *details,
	const struct monitor_news *blame);

/* Decides how this run ends, and ends it. The first decision counts. */
void vm_end(struct vm *vm, enum vm_reason reason, int error, const char *text);

/* The monitor, of which `how` tells, is gone, and with it the run. */
void vm_gone(void *userdata, const char *how);

/* It is no longer there for a later hvmd to find. */
void vm_forget_run(struct vm *vm);

/* Answers whoever has asked for the start, if he has not been answered. */
void vm_finish_start(struct vm *vm, int error, const struct error *e);

/* As before the first start. */
void vm_partition_clear(struct vm_partition *p);

/* The HRT partition is there when the definition in force has it. */
void vm_update_partitions(struct vm *vm);

/* What a partition was accused of stays readable after the end. */
void vm_end_partitions(struct vm *vm, enum vm_reason reason);

/* What is done about a monitor's news (news.c). */
extern const struct monitor_hooks vm_hooks;
