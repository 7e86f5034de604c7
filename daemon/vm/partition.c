/* partition.c - a partition of a VM: what can be said of it (vm.h), and how it comes and ends (move.h) */
#include <assert.h>

#include "spec/grammar.h"
#include "vm/move.h"

struct vm_extent vm_partition_extent(const struct vm_partition *partition)
{
	const struct vm_spec *spec = vm_spec_in_force(partition->vm);

	assert(partition->present);
	if (partition->role == PARTITION_ROS)
		return (struct vm_extent){.n_vcpus = spec->ros_cores,
			.memory_bytes = spec->ros_memory,
			.visible_bytes = spec->ros_memory};
	return (struct vm_extent){.first_vcpu = spec->ros_cores,
		.n_vcpus = spec->cores - spec->ros_cores,
		.memory_start = spec->ros_memory,
		.memory_bytes = spec->memory - spec->ros_memory,
		.visible_bytes = spec->memory};
}

const char *vm_partition_protocol(const struct vm_partition *partition)
{
	const struct vm_spec *spec = vm_spec_in_force(partition->vm);

	if (partition->role == PARTITION_HRT)
		return "mb64";
	if (!spec->ros_boots)
		return "none";
	return partition->vm->ros.protocol[0] ? partition->vm->ros.protocol : grammar_word_text(GRAMMAR_ROS_PROTOCOL, spec->ros_protocol);
}

uint64_t vm_partition_entry(const struct vm_partition *partition)
{
	const struct vm *vm = partition->vm;

	return partition->role == PARTITION_HRT ? vm->hrt.gva_entry - vm->hrt.gva_offset : vm->ros.entry;
}

const char *vm_partition_image(const struct vm_partition *partition)
{
	const struct vm_spec *spec = vm_spec_in_force(partition->vm);

	if (partition->role == PARTITION_HRT)
		return spec->files[spec->hrt_file].id;
	return spec->ros_boots ? spec->files[spec->ros_file].id : "";
}

void vm_partition_clear(struct vm_partition *p)
{
	p->state = PARTITION_INACTIVE;
	p->reason = REASON_DEFINED;
	p->details = (struct error){};
	p->n_resets = 0;
}

void vm_update_partitions(struct vm *vm)
{
	struct vm_partition *hrt = &vm->partitions[PARTITION_HRT];
	bool wanted = vm_spec_in_force(vm)->hybrid;

	if (hrt->present && !wanted)
		vm_tell(vm, partition_removed, hrt);
	if (hrt->present == wanted)
		return;
	hrt->present = wanted;
	vm_partition_clear(hrt);
	if (wanted)
		vm_tell(vm, partition_added, hrt);
}

void vm_end_partitions(struct vm *vm, enum vm_reason reason)
{
	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		struct vm_partition *p = &vm->partitions[role];

		if (p->state != PARTITION_CRASHED && p->state != PARTITION_FAILED) {
			p->reason = reason;
			p->details = (struct error){};
		}
		p->state = PARTITION_INACTIVE;
	}
	vm_tell(vm, changed, vm, VM_CHANGED_ROS | VM_CHANGED_HRT);
}
