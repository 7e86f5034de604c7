/* test-hypercall.c - which hypercalls are answered how, without KVM */
#include <criterion/criterion.h>

#include "abi/hrt.h"
#include "kvm/kvm.h"
#include "monitor/hypercall.h"

static struct vcpu_registers call(uint64_t request)
{
	return (struct vcpu_registers){.rax = HVM_HYPERCALL, .rbx = HVM_MARKER, .rcx = request};
}

static void expect(struct vcpu_registers registers, enum partition_role caller, uint64_t rax,
	enum hypercall_effect effect)
{
	enum hypercall_effect found;
	uint64_t answer = hypercall_decide(&registers, caller, &found);

	cr_expect_eq(answer, rax, "request 0x%lx answered 0x%lx", registers.rcx, answer);
	cr_expect_eq(found, effect, "request 0x%lx had effect %d", registers.rcx, found);
}

Test(hypercall, null_and_resets_are_answered_for_both_partitions)
{
	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		expect(call(HVM_REQ_NULL), role, 0, HYPERCALL_NOTE_BOOT);
		expect(call(HVM_REQ_RESET_ROS), role, 0, HYPERCALL_RESET_ROS);
		expect(call(HVM_REQ_RESET_HRT), role, 0, HYPERCALL_RESET_HRT);
		expect(call(HVM_REQ_RESET_ALL), role, 0, HYPERCALL_RESET_ALL);
	}
}

Test(hypercall, an_unhandled_exception_is_the_hrts_to_report)
{
	expect(call(HVM_REQ_UNHANDLED), PARTITION_HRT, 0, HYPERCALL_UNHANDLED);
	expect(call(HVM_REQ_UNHANDLED), PARTITION_ROS, HVM_FAILED, HYPERCALL_NOTHING);
}

Test(hypercall, every_other_request_is_refused)
{
	for (uint64_t request = 0; request < 0x200; request++)
		if (request > HVM_REQ_RESET_ALL && request != HVM_REQ_UNHANDLED)
			expect(call(request), PARTITION_HRT, HVM_FAILED, HYPERCALL_NOTHING);
	expect(call(1ull << 32), PARTITION_HRT, HVM_FAILED, HYPERCALL_NOTHING);
}

Test(hypercall, number_and_marker_must_be_right)
{
	struct vcpu_registers r = call(HVM_REQ_RESET_HRT);

	r.rbx = 0x3232323232323232; /* the marker of Palacios' 32-bit convention */
	expect(r, PARTITION_HRT, HVM_FAILED, HYPERCALL_NOTHING);
	r = call(HVM_REQ_RESET_HRT);
	r.rax = 0xF000; /* the number before 2015-08-02 */
	expect(r, PARTITION_HRT, HVM_FAILED, HYPERCALL_NOTHING);
	r = call(HVM_REQ_NULL);
	r.rax = HVM_HYPERCALL | 0xABCDull << 32; /* only the low half is the number */
	expect(r, PARTITION_HRT, 0, HYPERCALL_NOTE_BOOT);
}
