/* hypercall.c - see hypercall.h; requests are those of [spec 6.2] */
#include "monitor/hypercall.h"

#include "abi/hrt.h"
#include "kvm/kvm.h"

uint64_t hypercall_decide(const struct vcpu_registers *registers, enum partition_role caller,
	enum hypercall_effect *ret_effect)
{
	*ret_effect = HYPERCALL_NOTHING;
	if ((uint32_t)registers->rax != HVM_HYPERCALL || registers->rbx != HVM_MARKER)
		return HVM_FAILED;
	switch (registers->rcx) {
	case HVM_REQ_NULL:
		*ret_effect = HYPERCALL_NOTE_BOOT;
		return 0;
	case HVM_REQ_RESET_ROS:
		*ret_effect = HYPERCALL_RESET_ROS;
		return 0;
	case HVM_REQ_RESET_HRT:
		*ret_effect = HYPERCALL_RESET_HRT;
		return 0;
	case HVM_REQ_RESET_ALL:
		*ret_effect = HYPERCALL_RESET_ALL;
		return 0;
	case HVM_REQ_UNHANDLED:
		if (caller != PARTITION_HRT)
			return HVM_FAILED;
		*ret_effect = HYPERCALL_UNHANDLED;
		return 0;
	default:
		return HVM_FAILED;
	}
}
