/*
 * test-protocol.c - the conversation of ROS and HRT, without KVM
 *
 * The table of [spec 6.3] stands here a second time, as the specification writes
 * it, and every state is tried with every request of either caller against it.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>
#include <stdio.h>

#include "base/macro.h"
#include "guest-space.h"
#include "monitor/protocol.h"

#define N_CORES 3u
#define ALL     7ull
#define NOW     1000000ull
#define VECTOR  32 /* of upcalls; its gate is the only one that the HRT has */
#define IDT     (SPACE_GVA + 3 * PAGE_SIZE)
#define CALL_USEC  5000000ull
#define OTHER_USEC 2000000ull

static struct protocol p;
static struct hvm_comm_page page;
static struct space ros, hrt;
static struct vcpu_state ros_state, hrt_state;
static struct protocol_effects effects;
static uint64_t now;

static void init(enum upcall_kind kind)
{
	struct protocol_config config = {.n_hrt_cores = N_CORES, .hrt_sees_ros = true, .hrt_changes_ros = true, .upcall = kind,
		.vector = VECTOR, .null_handler = 0xFFFF800000000000, .call_usec = CALL_USEC, .other_usec = OTHER_USEC};

	memset(&page, 0, sizeof(page));
	space_init(&ros);
	space_init(&hrt);
	ros_state = space_state(3);
	hrt_state = space_state(0);
	now = NOW;
	hrt_state.idt_base = IDT;
	hrt_state.idt_limit = 16 * 32 + 15;
	memcpy(space_at(&hrt, IDT + 16 * VECTOR), (uint64_t[]){0x00008E0000081000, 0}, 16);
	protocol_init(&p, &config, &page);
	protocol_hrt_booted(&p);
}

static void setup(void)
{
	init(UPCALL_VECTOR); /* delivered without a frame: those are test-upcall.c's */
}

TestSuite(protocol, .init = setup);

static uint64_t call_as(enum partition_role role, uint32_t core, uint64_t request, uint64_t a2, uint64_t a3)
{
	struct vcpu_registers r = {.rax = HVM_HYPERCALL, .rbx = HVM_MARKER, .rcx = request, .rdx = a2, .rsi = a3};
	struct protocol_caller caller = {
		.role = role,
		.core = core,
		.registers = &r,
		.state = role == PARTITION_ROS ? &ros_state : &hrt_state,
		.access = {.memory = role == PARTITION_ROS ? &ros.memory : &hrt.memory},
	};

	return protocol_call(&p, &caller, now, &effects);
}

static uint64_t from_ros(uint64_t request, uint64_t a2)
{
	return call_as(PARTITION_ROS, 0, request, a2, 0);
}

static uint64_t from_hrt(uint32_t core, uint64_t request, uint64_t a2)
{
	return call_as(PARTITION_HRT, core, request, a2, 0);
}

static int deliver(uint32_t core)
{
	struct access access = {.memory = &hrt.memory};
	struct vcpu_registers r = {.rsp = SPACE_GVA + PAGE_SIZE};

	return protocol_deliver(&p, core, &access, &hrt_state, &r, now, &effects);
}

static void register_area(void)
{
	cr_assert(eq(u64, from_hrt(0, HVM_REQ_GDT_AREA, SPACE_GVA), 0));
}

/* To a state by the requests that lead there, with every upcall delivered. */
static void go_to(uint32_t state)
{
	static const uint64_t requests[] = {
		[HVM_STATE_CALL] = HVM_REQ_CALL, [HVM_STATE_PARCALL] = HVM_REQ_PARCALL,
		[HVM_STATE_SYNCSETUP] = HVM_REQ_SYNC, [HVM_STATE_SYNC] = HVM_REQ_SYNC,
		[HVM_STATE_SYNCTEARDOWN] = HVM_REQ_SYNC, [HVM_STATE_MERGE] = HVM_REQ_MERGE,
		[HVM_STATE_GDTSYNC] = HVM_REQ_RESTORE_GDT};

	setup();
	register_area();
	ros_state.gdt_base = SPACE_GVA;
	if (state == HVM_STATE_IDLE)
		return;
	cr_assert(eq(u64, from_ros(requests[state], SPACE_GVA), 0));
	for (uint32_t core = 0; core < N_CORES; core++)
		deliver(core);
	if (state == HVM_STATE_SYNC || state == HVM_STATE_SYNCTEARDOWN)
		cr_assert(eq(u64, from_hrt(0, HVM_REQ_DONE, 0), 0));
	if (state == HVM_STATE_SYNCTEARDOWN) {
		cr_assert(eq(u64, from_ros(HVM_REQ_UNSYNC, SPACE_GVA), 0));
		cr_assert(eq(int, deliver(0), 1));
	}
	cr_assert(eq(u32, p.state, state));
}

/* --- The table ------------------------------------------------------------------------------------------------ */

#define STAYS 0xFF /* refused: rax is -1, and the state is as before */

/* Requests of the table's columns; a row is what each leads to from that state, when its caller is right. */
static const uint8_t columns[] = {0x20, 0x21, 0x28, 0x29, 0x2F, 0x30, 0x31, 0x3F, 0x51, 0x53, 0x5F};
static const uint8_t table[8][ARRAY_SIZE(columns)] = {
	/*                  20     21     28     29     2f     30     31     3f     51     53     5f */
	[0] = {             1,     2,     3,     STAYS, STAYS, 6,     6,     STAYS, 7,     7,     STAYS},
	[1] = {             STAYS, STAYS, STAYS, STAYS, 0,     STAYS, STAYS, STAYS, STAYS, STAYS, STAYS},
	[2] = {             STAYS, STAYS, STAYS, STAYS, 2,     STAYS, STAYS, STAYS, STAYS, STAYS, STAYS},
	[3] = {             STAYS, STAYS, STAYS, STAYS, 4,     STAYS, STAYS, STAYS, STAYS, STAYS, STAYS},
	[4] = {             STAYS, STAYS, STAYS, 5,     STAYS, STAYS, STAYS, STAYS, STAYS, STAYS, STAYS},
	[5] = {             STAYS, STAYS, STAYS, STAYS, 0,     STAYS, STAYS, STAYS, STAYS, STAYS, STAYS},
	[6] = {             STAYS, STAYS, STAYS, STAYS, STAYS, STAYS, STAYS, 0,     STAYS, STAYS, STAYS},
	[7] = {             STAYS, STAYS, STAYS, STAYS, STAYS, STAYS, STAYS, STAYS, STAYS, STAYS, 0},
};

static bool is_report(uint8_t request)
{
	return request == 0x2F || request == 0x3F || request == 0x5F;
}

static void expect_step(uint32_t state, uint8_t request, enum partition_role role, uint8_t leads_to)
{
	bool right = role == (is_report(request) ? PARTITION_HRT : PARTITION_ROS);
	uint32_t after = right && leads_to != STAYS ? leads_to : state;
	uint64_t rax;

	go_to(state);
	rax = call_as(role, 0, request, SPACE_GVA, 0);
	cr_expect(eq(u64, rax, right && leads_to != STAYS ? 0 : HVM_FAILED), "request 0x%x of the %s in state %s",
		request, role == PARTITION_ROS ? "ROS" : "HRT", protocol_state_to_string(state));
	cr_expect(eq(u32, p.state, after), "request 0x%x of the %s in state %s", request,
		role == PARTITION_ROS ? "ROS" : "HRT", protocol_state_to_string(state));
	cr_expect(eq(u64, page.state, after));
}

Test(protocol, goes_from_state_to_state_as_the_specification_has_it)
{
	for (uint32_t state = 0; state < 8; state++)
		for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
			for (int role = 0; role < N_PARTITION_ROLES; role++)
				expect_step(state, columns[i], role, table[state][i]);
}

Test(protocol, every_other_request_leaves_the_state_alone)
{
	for (uint32_t state = 0; state < 8; state++)
		for (uint64_t request = 0; request < 0x180; request++) {
			if (memchr(columns, (int)request, sizeof(columns)) && request < 0x100)
				continue;
			for (int role = 0; role < N_PARTITION_ROLES; role++) {
				go_to(state);
				call_as(role, 0, request, SPACE_GVA, 64);
				cr_expect(eq(u32, p.state, state), "request 0x%lx", request);
			}
		}
}

/* Who may ask what while nothing is going on, and nothing that it needs is missing. An image (0x8) has its own test. */
Test(protocol, lets_each_side_ask_what_is_its_own)
{
	static const struct {
		uint8_t request;
		bool ros, hrt;
	} rows[] = {
		{0x00, true, true}, {0x01, true, true}, {0x02, true, true}, {0x03, true, true},
		{0x0E, true, true}, {0x0F, true, true}, {0x10, false, true}, {0x20, true, false}, {0x21, true, false},
		{0x28, true, false}, {0x30, true, false}, {0x31, true, false}, {0x40, true, false},
		{0x51, true, false}, {0x52, false, true}, {0x53, true, false}, {0xEE, false, true},
	};

	for (uint64_t request = 0; request < 0x100; request++)
		for (int role = 0; role < N_PARTITION_ROLES; role++) {
			bool allowed = false;
			struct hvm_event event = {.type = HVM_EVENT_ROS_SYSCALL};

			for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
				if (rows[i].request == request)
					allowed = role == PARTITION_ROS ? rows[i].ros : rows[i].hrt;
			go_to(HVM_STATE_IDLE);
			memcpy(space_at(&hrt, SPACE_GVA), &event, sizeof(event));
			cr_expect(eq(int, call_as(role, 0, request, SPACE_GVA, SPACE_GVA + PAGE_SIZE) != HVM_FAILED, allowed),
				"request 0x%lx of %d", request, role);
		}
}

Test(protocol, number_and_marker_must_be_right)
{
	struct vcpu_registers r = {.rax = HVM_HYPERCALL, .rbx = 0x3232323232323232, .rcx = HVM_REQ_NULL};
	struct protocol_caller caller = {.role = PARTITION_HRT, .registers = &r};

	cr_expect(eq(u64, protocol_call(&p, &caller, now, &effects), HVM_FAILED)); /* Palacios' 32-bit convention */
	r.rbx = HVM_MARKER;
	r.rax = 0xF000; /* the number before 2015-08-02 */
	cr_expect(eq(u64, protocol_call(&p, &caller, now, &effects), HVM_FAILED));
	r.rax = HVM_HYPERCALL | 0xABCDull << 32; /* only the low half is the number */
	cr_expect(eq(u64, protocol_call(&p, &caller, now, &effects), 0));
	r.rcx = 1ull << 32;
	cr_expect(eq(u64, protocol_call(&p, &caller, now, &effects), HVM_FAILED));
}

Test(protocol, null_and_resets_tell_what_is_to_be_done)
{
	cr_expect(eq(u64, from_hrt(1, HVM_REQ_NULL, 0), 0));
	cr_expect(eq(uint, effects.what, PROTOCOL_NOTE_BOOT));
	cr_expect(eq(u64, from_ros(HVM_REQ_RESET_ROS, 0), 0));
	cr_expect(eq(uint, effects.what, PROTOCOL_RESET_ROS));
	cr_expect(eq(u64, from_ros(HVM_REQ_RESET_HRT, 0), 0));
	cr_expect(eq(uint, effects.what, PROTOCOL_RESET_HRT));
	cr_expect(eq(u64, from_ros(HVM_REQ_RESET_ALL, 0), 0));
	cr_expect(eq(uint, effects.what, PROTOCOL_RESET_ROS | PROTOCOL_RESET_HRT));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_UNHANDLED, 0), 0));
	cr_expect(eq(uint, effects.what, PROTOCOL_UNHANDLED));
}

Test(protocol, an_hrt_that_may_not_write_to_the_ros_may_not_reset_it)
{
	p.config.hrt_changes_ros = false;
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_RESET_ROS, 0), HVM_FAILED));
	cr_expect(eq(uint, effects.what, 0));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_RESET_ALL, 0), HVM_FAILED));
	cr_expect(eq(uint, effects.what, 0));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_RESET_HRT, 0), 0));
	cr_expect(eq(u64, from_ros(HVM_REQ_RESET_ALL, 0), 0));
}

Test(protocol, asks_for_control_registers_only_where_it_needs_them)
{
	struct vcpu_registers r = {.rax = HVM_HYPERCALL, .rbx = HVM_MARKER, .rcx = HVM_REQ_STATE, .rdx = 1};

	cr_expect(protocol_needs_state(&r));
	r.rdx = 0;
	cr_expect(not(protocol_needs_state(&r)));
	r.rcx = HVM_REQ_MERGE;
	cr_expect(protocol_needs_state(&r));
	r.rcx = HVM_REQ_DONE;
	cr_expect(not(protocol_needs_state(&r)));
}

/* --- Calls ----------------------------------------------------------------------------------------------------- */

Test(protocol, a_call_is_announced_before_its_upcall_and_goes_to_the_first_core)
{
	cr_assert(eq(u64, from_ros(HVM_REQ_CALL, 0xFEED), 0));
	cr_expect(eq(uint, effects.what, PROTOCOL_KICK_HRT));
	cr_expect(eq(u64, effects.cores, 1));
	cr_expect(eq(u64, page.request, HVM_REQ_CALL));
	cr_expect(eq(u64, page.arguments[0], 0xFEED));
	cr_expect(protocol_upcall_waits(&p, 0));
	cr_expect(not(protocol_upcall_waits(&p, 1)));
}

Test(protocol, a_parallel_call_ends_when_each_core_has_reported_once)
{
	cr_assert(eq(u64, from_ros(HVM_REQ_PARCALL, 1), 0));
	cr_expect(eq(u64, effects.cores, ALL));
	for (uint32_t core = 0; core < N_CORES; core++)
		cr_assert(eq(int, deliver(core), 1));
	cr_expect(eq(u64, from_hrt(2, HVM_REQ_DONE, 0), 0));
	cr_expect(eq(u64, from_hrt(2, HVM_REQ_DONE, 0), HVM_FAILED));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_DONE, 0), 0));
	cr_expect(eq(u32, p.state, HVM_STATE_PARCALL));
	cr_expect(eq(u64, from_hrt(1, HVM_REQ_DONE, 0), 0));
	cr_expect(eq(u32, p.state, HVM_STATE_IDLE));
	cr_expect(eq(u64, from_hrt(1, HVM_REQ_DONE, 0), HVM_FAILED));
}

Test(protocol, a_report_of_a_core_that_was_not_asked_or_not_yet_reached_is_refused)
{
	cr_assert(eq(u64, from_ros(HVM_REQ_CALL, 1), 0));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_DONE, 0), HVM_FAILED));
	cr_assert(eq(int, deliver(0), 1));
	cr_expect(eq(u64, from_hrt(1, HVM_REQ_DONE, 0), HVM_FAILED));
	cr_expect(eq(u64, from_ros(HVM_REQ_DONE, 0), HVM_FAILED));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_MERGE_DONE, 0), HVM_FAILED));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_DONE, 0), 0));
}

Test(protocol, nobody_calls_an_hrt_that_is_not_there)
{
	protocol_hrt_gone(&p);
	cr_expect(eq(u64, from_ros(HVM_REQ_CALL, 1), HVM_FAILED));
	cr_expect(eq(u64, from_ros(HVM_REQ_MERGE, 1), HVM_FAILED));
	protocol_hrt_booted(&p);
	cr_expect(eq(u64, from_ros(HVM_REQ_CALL, 1), 0));
}

Test(protocol, a_merge_hands_over_the_callers_tables_without_flags)
{
	ros_state.cr3 = SPACE_CR3 | 0x8000000000000017;
	cr_assert(eq(u64, from_ros(HVM_REQ_MERGE, 0), 0));
	cr_expect(eq(u64, page.arguments[0], SPACE_CR3));
}

Test(protocol, a_merge_is_refused_where_the_hrt_does_not_see_the_memory_or_the_caller_is_not_in_64_bit_mode)
{
	p.config.hrt_sees_ros = false;
	cr_expect(eq(u64, from_ros(HVM_REQ_MERGE, 0), HVM_FAILED));
	p.config.hrt_sees_ros = true;
	ros_state.cr4 |= CR4_LA57;
	cr_expect(eq(u64, from_ros(HVM_REQ_MERGE, 0), HVM_FAILED));
	ros_state = space_state(3);
	ros_state.cs.l = 0;
	cr_expect(eq(u64, from_ros(HVM_REQ_MERGE, 0), HVM_FAILED));
	cr_expect(eq(u32, p.state, HVM_STATE_IDLE));
}

/* --- What goes wrong ----------------------------------------------------------------------------------------------- */

static void expect_rolled_back(uint32_t state)
{
	cr_expect(eq(u32, p.state, state));
	cr_expect(eq(u64, page.outcome, HVM_OUTCOME_UNDELIVERABLE));
	cr_expect(eq(u64, from_ros(HVM_REQ_OUTCOME, 0), HVM_OUTCOME_UNDELIVERABLE));
	for (uint32_t core = 0; core < N_CORES; core++)
		cr_expect(not(protocol_upcall_waits(&p, core)));
}

Test(protocol, an_upcall_without_a_gate_rolls_back_whatever_asked_for_it)
{
	static const uint64_t requests[] = {HVM_REQ_CALL, HVM_REQ_PARCALL, HVM_REQ_SYNC, HVM_REQ_MERGE, HVM_REQ_RESTORE_GDT};

	for (size_t i = 0; i < ARRAY_SIZE(requests); i++) {
		init(UPCALL_PF); /* an IDT with limit 0 */
		cr_assert(eq(u64, from_ros(requests[i], 1), 0));
		cr_expect(eq(int, deliver(0), 0));
		cr_expect(strstr(effects.log.text, "HRT core 0 takes no upcall: its gate for vector 14 is none") != NULL, "%s",
			effects.log.text);
		expect_rolled_back(HVM_STATE_IDLE);
		cr_expect(eq(u64, p.n_failed, 1));
		cr_expect(eq(u64, from_ros(HVM_REQ_CALL, 1), 0)); /* usable again */
	}
}

Test(protocol, an_hrt_that_has_no_handler_yet_is_not_called_to_its_end)
{
	protocol_set_hrt(&p, VECTOR, 0x1000 - 16); /* the gate leads into that page */
	cr_assert(eq(u64, from_ros(HVM_REQ_CALL, 1), 0));
	cr_expect(eq(int, deliver(0), 0));
	cr_expect(strstr(effects.log.text, "it has no handler for vector 32 yet") != NULL, "%s", effects.log.text);
	expect_rolled_back(HVM_STATE_IDLE);
}

Test(protocol, leaving_synchronous_mode_in_vain_is_staying_in_it)
{
	go_to(HVM_STATE_SYNC);
	cr_assert(eq(u64, from_ros(HVM_REQ_UNSYNC, 1), 0));
	protocol_undeliverable(&p, 0, "the LAPIC is off", &effects);
	cr_expect(strstr(effects.log.text, "the LAPIC is off") != NULL);
	expect_rolled_back(HVM_STATE_SYNC);
}

Test(protocol, a_core_that_is_busy_is_tried_again_and_given_up_after_five_seconds)
{
	cr_assert(eq(u64, from_ros(HVM_REQ_CALL, 1), 0));
	hrt_state.unsettled = true;
	cr_expect(eq(int, deliver(0), -EAGAIN));
	cr_expect(eq(u64, protocol_due(&p), now + PROTOCOL_RETRY_USEC));
	now += PROTOCOL_RETRY_USEC;
	protocol_tick(&p, now, &effects);
	cr_expect(eq(uint, effects.what, PROTOCOL_KICK_HRT));
	cr_expect(eq(u64, effects.cores, 1));
	cr_expect(gt(u64, protocol_due(&p), now));
	now += 4000000;
	cr_expect(eq(int, deliver(0), -EAGAIN));
	now += 1000000;
	cr_expect(eq(int, deliver(0), 0));
	expect_rolled_back(HVM_STATE_IDLE);
}

/* An HRT whose upcalls come as page faults, with a stack. */
static struct vcpu_registers core0;

static void setup_faults(void)
{
	init(UPCALL_PF);
	memcpy(space_at(&hrt, IDT + 16 * 14), (uint64_t[]){0x00008E0000081000, 0}, 16);
	core0 = (struct vcpu_registers){.rip = SPACE_GVA, .rsp = SPACE_GVA + PAGE_SIZE};
}

static int deliver_to_core0(void)
{
	struct access access = {.memory = &hrt.memory};

	return protocol_deliver(&p, 0, &access, &hrt_state, &core0, now, &effects);
}

/* Core 0 has done what it was called for, and is still in its handler. */
static void report_in_handler(uint64_t request, uint64_t report)
{
	cr_assert(eq(u64, from_ros(request, SPACE_GVA), 0));
	cr_assert(eq(int, deliver_to_core0(), 1));
	core0.rsp -= 300;
	cr_assert(eq(u64, from_hrt(0, report, 0), 0));
}

Test(protocol, no_upcall_comes_on_top_of_a_handler_that_is_about_to_return, .init = setup_faults)
{
	const uint64_t before = core0.rsp;

	report_in_handler(HVM_REQ_CALL, HVM_REQ_DONE);
	cr_assert(eq(u64, from_ros(HVM_REQ_CALL, 1), 0));
	cr_expect(eq(int, deliver_to_core0(), -EAGAIN));
	cr_expect(protocol_upcall_waits(&p, 0));
	cr_expect(lt(u64, protocol_due(&p), now + PROTOCOL_RETRY_USEC + 1));
	core0.rsp = before - 40; /* its iretq is next */
	cr_expect(eq(int, deliver_to_core0(), -EAGAIN));
	core0.rsp = before;
	cr_expect(eq(int, deliver_to_core0(), 1));
}

Test(protocol, however_fast_calls_follow_each_other_their_frames_do_not_pile_up, .init = setup_faults)
{
	const uint64_t before = core0.rsp;

	for (int i = 0; i < 1000; i++) {
		report_in_handler(HVM_REQ_MERGE, HVM_REQ_MERGE_DONE);
		cr_assert(eq(u64, from_ros(HVM_REQ_CALL, 1), 0));
		cr_expect(eq(int, deliver_to_core0(), -EAGAIN));
		core0.rsp = before;
		cr_assert(eq(int, deliver_to_core0(), 1));
		cr_assert(eq(u64, from_hrt(0, HVM_REQ_DONE, 0), 0));
		core0.rsp = before;
	}
}

Test(protocol, a_handler_that_does_not_return_is_called_on_top_of_itself_after_a_while, .init = setup_faults)
{
	report_in_handler(HVM_REQ_CALL, HVM_REQ_DONE);
	cr_assert(eq(u64, from_ros(HVM_REQ_CALL, 1), 0));
	now += 19999;
	cr_expect(eq(int, deliver_to_core0(), -EAGAIN));
	now++;
	cr_expect(eq(int, deliver_to_core0(), 1));
}

Test(protocol, synchronous_mode_ends_on_top_of_its_handler_at_once_and_nothing_else_comes_before_that_has_returned,
	.init = setup_faults)
{
	const uint64_t before = core0.rsp;
	uint64_t in_sync;

	report_in_handler(HVM_REQ_SYNC, HVM_REQ_DONE);
	in_sync = core0.rsp;
	report_in_handler(HVM_REQ_UNSYNC, HVM_REQ_DONE);
	core0.rsp = in_sync;
	cr_assert(eq(u64, from_ros(HVM_REQ_CALL, 1), 0));
	cr_expect(eq(int, deliver_to_core0(), -EAGAIN));
	core0.rsp = before;
	cr_expect(eq(int, deliver_to_core0(), 1));
}

Test(protocol, an_hrt_that_boots_again_has_left_its_handlers, .init = setup_faults)
{
	report_in_handler(HVM_REQ_CALL, HVM_REQ_DONE);
	protocol_hrt_booted(&p);
	cr_assert(eq(u64, from_ros(HVM_REQ_CALL, 1), 0));
	cr_expect(eq(int, deliver_to_core0(), 1));
}

Test(protocol, each_transaction_has_its_deadline)
{
	static const struct {
		uint64_t request, usec;
	} rows[] = {{HVM_REQ_CALL, CALL_USEC}, {HVM_REQ_PARCALL, CALL_USEC}, {HVM_REQ_SYNC, OTHER_USEC},
		{HVM_REQ_MERGE, OTHER_USEC}, {HVM_REQ_UNMERGE, OTHER_USEC}, {HVM_REQ_RESTORE_GDT, OTHER_USEC}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		setup();
		cr_assert(eq(u64, from_ros(rows[i].request, 1), 0));
		for (uint32_t core = 0; core < N_CORES; core++)
			deliver(core);
		protocol_tick(&p, now + rows[i].usec - 1, &effects);
		cr_expect(ne(u32, p.state, HVM_STATE_IDLE));
		cr_expect(eq(u64, protocol_due(&p), now + rows[i].usec)); /* nobody is to be kicked any more */
		protocol_tick(&p, now + rows[i].usec, &effects);
		cr_expect(eq(u32, p.state, HVM_STATE_IDLE));
		cr_expect(strstr(effects.log.text, "did not report in time") != NULL);
		cr_expect(eq(u64, from_ros(HVM_REQ_OUTCOME, 0), HVM_OUTCOME_DEADLINE));
		cr_expect(eq(u64, protocol_due(&p), UINT64_MAX));
		cr_expect(eq(u64, from_hrt(0, HVM_REQ_DONE, 0), HVM_FAILED));
	}
}

Test(protocol, synchronous_mode_itself_has_no_deadline)
{
	go_to(HVM_STATE_SYNC);
	protocol_tick(&p, now, &effects);
	protocol_tick(&p, now + PROTOCOL_RETRY_USEC, &effects);
	cr_expect(eq(u64, protocol_due(&p), UINT64_MAX));
}

Test(protocol, a_deadline_of_0_is_none)
{
	p.config.call_usec = 0;
	cr_assert(eq(u64, from_ros(HVM_REQ_CALL, 1), 0));
	cr_assert(eq(int, deliver(0), 1));
	protocol_tick(&p, UINT64_MAX - 1, &effects);
	cr_expect(eq(u32, p.state, HVM_STATE_CALL));
}

/* --- Resets ---------------------------------------------------------------------------------------------------------- */

Test(protocol, a_reset_of_the_hrt_in_any_state_leaves_both_usable)
{
	struct hvm_event event = {.type = HVM_EVENT_ROS_SYSCALL};

	for (uint32_t state = 0; state < 8; state++) {
		go_to(state);
		memcpy(space_at(&hrt, SPACE_GVA), &event, sizeof(event));
		cr_assert(eq(u64, from_hrt(0, HVM_REQ_RAISE_EVENT, SPACE_GVA), 0));
		protocol_hrt_gone(&p);
		protocol_hrt_booted(&p);
		cr_expect(eq(u32, p.state, HVM_STATE_IDLE));
		cr_expect(eq(u64, page.outcome, state == HVM_STATE_IDLE ? HVM_OUTCOME_DONE : HVM_OUTCOME_HRT_GONE));
		cr_expect(eq(u64, page.event, HVM_EVENT_NONE));
		cr_expect(eq(u64, page.request, 0));
		cr_expect(eq(u64, from_hrt(0, HVM_REQ_DONE, 0), HVM_FAILED));
		cr_expect(eq(u64, from_ros(HVM_REQ_SYNC_GDT, 0), HVM_FAILED)); /* the area is forgotten */
		cr_expect(eq(u64, from_ros(HVM_REQ_CALL, 0), 0));
		cr_expect(eq(int, deliver(0), 1));
		cr_expect(eq(u64, from_hrt(0, HVM_REQ_DONE, 0), 0));
	}
}

Test(protocol, a_reset_of_the_ros_in_any_state_leaves_both_usable)
{
	for (uint32_t state = 0; state < 8; state++) {
		go_to(state);
		protocol_ros_reset(&p);
		cr_expect(eq(u32, p.state, HVM_STATE_IDLE));
		cr_expect(eq(u64, from_hrt(0, HVM_REQ_DONE, 0), HVM_FAILED));
		cr_expect(eq(u64, from_ros(HVM_REQ_CALL, 0), 0));
	}
}

Test(protocol, a_crash_of_the_hrt_is_an_event_for_the_ros)
{
	struct hvm_event *seen = space_at(&ros, SPACE_GVA);

	go_to(HVM_STATE_CALL);
	protocol_hrt_crashed(&p, 0x1234, 8);
	cr_expect(eq(u64, from_ros(HVM_REQ_STATE, SPACE_GVA), HVM_STATE_IDLE));
	cr_expect(eq(u32, seen->type, HVM_EVENT_HRT_EXCEPTION));
	cr_expect(eq(u64, seen->u.exception.rip, 0x1234));
	cr_expect(eq(u64, seen->u.exception.vector, 8));
	cr_expect(eq(u64, page.outcome, HVM_OUTCOME_HRT_GONE));
	cr_expect(eq(u64, from_ros(HVM_REQ_CALL, 0), HVM_FAILED));
}

/* --- Events -------------------------------------------------------------------------------------------------------------- */

static void raise_syscall(void)
{
	struct hvm_event event = {.type = HVM_EVENT_ROS_SYSCALL, .u.syscall.args = {39, 1, 2, 3}};

	memcpy(space_at(&hrt, SPACE_GVA + 100), &event, sizeof(event));
	cr_assert(eq(u64, from_hrt(1, HVM_REQ_RAISE_EVENT, SPACE_GVA + 100), 0));
}

Test(protocol, an_event_goes_its_whole_way)
{
	struct hvm_event seen;

	raise_syscall();
	cr_expect(eq(u64, page.event, HVM_EVENT_ROS_SYSCALL));
	cr_expect(eq(u64, from_ros(HVM_REQ_STATE, SPACE_GVA), HVM_STATE_IDLE));
	memcpy(&seen, space_at(&ros, SPACE_GVA), sizeof(seen));
	cr_expect(eq(u32, seen.type, HVM_EVENT_ROS_SYSCALL));
	cr_expect(eq(u64, seen.u.syscall.args[0], 39));
	cr_expect(eq(u64, from_ros(HVM_REQ_COMPLETE_EVENT, 4711), 0)); /* Palacios left 0xf00d in rax */
	cr_expect(eq(u64, page.event, HVM_EVENT_DONE));
	cr_expect(eq(u64, from_hrt(1, HVM_REQ_STATE, SPACE_GVA), HVM_STATE_IDLE));
	memcpy(&seen, space_at(&hrt, SPACE_GVA), sizeof(seen));
	cr_expect(eq(u32, seen.type, HVM_EVENT_DONE));
	cr_expect(eq(u64, seen.result, 4711));
	cr_expect(eq(u64, from_hrt(1, HVM_REQ_ACK_EVENT, 0), 0));
	cr_expect(eq(u64, page.event, HVM_EVENT_NONE));
	raise_syscall();
}

Test(protocol, an_event_out_of_turn_is_refused)
{
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_ACK_EVENT, 0), HVM_FAILED));
	cr_expect(eq(u64, from_ros(HVM_REQ_COMPLETE_EVENT, 0), HVM_FAILED));
	raise_syscall();
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_RAISE_EVENT, SPACE_GVA + 100), HVM_FAILED));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_ACK_EVENT, 0), HVM_FAILED));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_COMPLETE_EVENT, 0), HVM_FAILED));
	cr_expect(eq(u64, from_ros(HVM_REQ_RAISE_EVENT, SPACE_GVA), HVM_FAILED));
	cr_expect(eq(u64, from_ros(HVM_REQ_COMPLETE_EVENT, 0), 0));
	cr_expect(eq(u64, from_ros(HVM_REQ_COMPLETE_EVENT, 0), HVM_FAILED));
	cr_expect(eq(u64, from_ros(HVM_REQ_ACK_EVENT, 0), HVM_FAILED));
}

Test(protocol, only_real_events_can_be_raised)
{
	static const uint32_t types[] = {HVM_EVENT_NONE, HVM_EVENT_DONE, 6, UINT32_MAX};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		memcpy(space_at(&hrt, SPACE_GVA), &types[i], 4);
		cr_expect(eq(u64, from_hrt(0, HVM_REQ_RAISE_EVENT, SPACE_GVA), HVM_FAILED), "type %u", types[i]);
	}
}

Test(protocol, an_event_that_a_reset_ros_cannot_serve_fails)
{
	struct hvm_event *seen = space_at(&hrt, SPACE_GVA);

	raise_syscall();
	protocol_ros_reset(&p);
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_STATE, SPACE_GVA), HVM_STATE_IDLE));
	cr_expect(eq(u32, seen->type, HVM_EVENT_DONE));
	cr_expect(eq(u64, seen->result, HVM_FAILED));
}

Test(protocol, an_event_that_nobody_completes_in_time_fails)
{
	struct hvm_event *seen = space_at(&hrt, SPACE_GVA);

	raise_syscall();
	cr_expect(eq(u64, protocol_due(&p), now + CALL_USEC));
	protocol_tick(&p, now + CALL_USEC - 1, &effects);
	cr_expect(eq(u64, page.event, HVM_EVENT_ROS_SYSCALL));
	protocol_tick(&p, now + CALL_USEC, &effects);
	cr_expect(strstr(effects.log.text, "event 2 of the HRT has failed: no process of the ROS completed it in time") != NULL);
	cr_expect(eq(u64, page.event, HVM_EVENT_DONE));
	cr_expect(eq(u64, protocol_due(&p), UINT64_MAX));
	cr_expect(eq(u64, from_ros(HVM_REQ_COMPLETE_EVENT, 1), HVM_FAILED));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_STATE, SPACE_GVA), HVM_STATE_IDLE));
	cr_expect(eq(u64, seen->result, HVM_FAILED));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_ACK_EVENT, 0), 0));
	p.config.call_usec = 0;
	raise_syscall();
	cr_expect(eq(u64, protocol_due(&p), UINT64_MAX));
}

Test(protocol, pointers_must_be_ones_that_the_caller_could_use)
{
	uint64_t last = SPACE_GVA + SPACE_SIZE - 8; /* into what is not mapped */

	cr_expect(eq(u64, from_ros(HVM_REQ_STATE, last), HVM_FAILED));
	cr_expect(eq(u64, from_ros(HVM_REQ_STATE, SPACE_GVA | 1ull << 50), HVM_FAILED));
	cr_expect(eq(u64, from_ros(HVM_REQ_STATE, 0x1000), HVM_FAILED));
	cr_expect(eq(u64, from_ros(HVM_REQ_STATE, UINT64_MAX - 8), HVM_FAILED));
	*space_entry(&ros, 0) &= ~PTE_USER;
	cr_expect(eq(u64, from_ros(HVM_REQ_STATE, SPACE_GVA), HVM_FAILED));
	ros_state = space_state(0);
	cr_expect(eq(u64, from_ros(HVM_REQ_STATE, SPACE_GVA), 0));
	*space_entry(&ros, 0) &= ~PTE_WRITABLE;
	cr_expect(eq(u64, from_ros(HVM_REQ_STATE, SPACE_GVA), HVM_FAILED));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_RAISE_EVENT, last), HVM_FAILED));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_GDT_AREA, last), HVM_FAILED));
	cr_expect(eq(u64, from_ros(HVM_REQ_STATE, 0), 0)); /* no buffer is wanted */
}

/* --- Signals ---------------------------------------------------------------------------------------------------------------- */

#define HANDLER (SPACE_GVA + 0x10)
#define STACK   (SPACE_GVA + 2 * PAGE_SIZE + 8)

static uint64_t install(uint64_t handler, uint64_t stack)
{
	return call_as(PARTITION_ROS, 0, HVM_REQ_SIGNAL_HANDLER, handler, stack);
}

static int take_signal(struct vcpu_registers *r)
{
	struct access access = {.memory = &ros.memory};

	return protocol_deliver_signal(&p, &access, &ros_state, r, now, &effects);
}

Test(protocol, a_signal_interrupts_the_process_with_a_frame_on_its_own_stack)
{
	struct vcpu_registers r = {.rip = 0x401000, .rsp = 0x7FFF1000, .rflags = 0x246, .rax = 7};
	uint64_t sp = ((STACK - 16) & ~15ull) - 48;
	struct hvm_signal_frame *frame = space_at(&ros, sp);

	cr_assert(eq(u64, install(HANDLER, STACK), 0));
	cr_assert(eq(u64, from_hrt(2, HVM_REQ_SIGNAL, 0x1D), 0));
	cr_expect(eq(uint, effects.what, PROTOCOL_KICK_ROS));
	cr_expect(protocol_signal_waits(&p));
	cr_assert(eq(int, take_signal(&r), 1));
	cr_expect(eq(u64, r.rip, HANDLER));
	cr_expect(eq(u64, r.rsp, sp));
	cr_expect(eq(u64, r.rax, 7));
	cr_expect(eq(u64, r.rflags, 0x246));
	cr_expect(eq(u64, frame->code, 0x1D));
	cr_expect(eq(u64, frame->rip, 0x401000));
	cr_expect(eq(u64, frame->cs, 0x33));
	cr_expect(eq(u64, frame->rflags, 0x246));
	cr_expect(eq(u64, frame->rsp, 0x7FFF1000));
	cr_expect(eq(u64, frame->ss, 0x2B));
	cr_expect(not(protocol_signal_waits(&p)));
	cr_expect(eq(int, take_signal(&r), 0)); /* taken once */
}

Test(protocol, a_signal_waits_for_its_process_at_cpl_3)
{
	struct vcpu_registers r = {.rip = 0x401000};

	cr_assert(eq(u64, install(HANDLER, STACK), 0));
	cr_assert(eq(u64, from_ros(HVM_REQ_SIGNAL, 1), 0));
	ros_state = space_state(0);
	cr_expect(eq(int, take_signal(&r), 0));
	ros_state = space_state(3);
	ros_state.cr3 = 0x7000;
	cr_expect(eq(int, take_signal(&r), 0));
	ros_state.cr3 = SPACE_CR3 | 0x8000000000000005; /* PCID */
	ros_state.unsettled = true;
	cr_expect(eq(int, take_signal(&r), 0));
	ros_state.unsettled = false;
	cr_expect(eq(u64, r.rip, 0x401000));
	cr_expect(eq(int, take_signal(&r), 1));
}

Test(protocol, handlers_are_registered_one_at_a_time_and_only_where_the_process_has_memory)
{
	cr_expect(eq(u64, install(0, STACK), HVM_FAILED));
	cr_expect(eq(u64, install(0x1000, STACK), HVM_FAILED));
	cr_expect(eq(u64, install(HANDLER, SPACE_GVA + SPACE_SIZE + 100), HVM_FAILED));
	cr_expect(eq(u64, install(HANDLER, 1), HVM_FAILED));
	cr_expect(eq(u64, install(0xFFFF800000001000, STACK), HVM_FAILED));
	cr_expect(eq(u64, install(0, 0), 0));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_SIGNAL, 1), HVM_FAILED));
	cr_expect(eq(u64, install(HANDLER, STACK), 0));
	cr_expect(eq(u64, install(HANDLER, STACK), HVM_FAILED));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_SIGNAL, 0), HVM_FAILED));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_SIGNAL, 1), 0));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_SIGNAL, 2), HVM_FAILED));
	cr_expect(eq(u64, install(0, 0), HVM_FAILED)); /* one waits */
}

Test(protocol, a_process_that_has_ended_keeps_no_other_from_its_signals)
{
	cr_assert(eq(u64, install(HANDLER, STACK), 0));
	cr_assert(eq(u64, from_hrt(0, HVM_REQ_SIGNAL, 1), 0)); /* waits for ever */
	p.signal.cr3 += PAGE_SIZE; /* where no page tables are any more */
	cr_expect(eq(u64, install(HANDLER, STACK), 0));
	cr_expect(not(protocol_signal_waits(&p)));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_SIGNAL, 2), 0));
	p.signal.cr3 += PAGE_SIZE;
	cr_expect(eq(u64, install(0, 0), 0));
}

Test(protocol, a_handlers_stack_must_be_the_users_to_write)
{
	*space_entry(&ros, 1) &= ~PTE_WRITABLE;
	cr_expect(eq(u64, install(HANDLER, STACK - 8), HVM_FAILED));
	*space_entry(&ros, 1) |= PTE_WRITABLE;
	*space_entry(&ros, 1) &= ~PTE_USER;
	ros_state = space_state(0); /* a kernel cannot register for more than its process has */
	cr_expect(eq(u64, install(HANDLER, STACK - 8), HVM_FAILED));
}

Test(protocol, a_process_whose_memory_has_gone_loses_signal_and_registration)
{
	struct vcpu_registers r = {.rip = 0x401000};

	cr_assert(eq(u64, install(HANDLER, STACK), 0));
	cr_assert(eq(u64, from_hrt(0, HVM_REQ_SIGNAL, 5), 0));
	*space_entry(&ros, 0) = 0;
	cr_expect(eq(int, take_signal(&r), -EFAULT));
	cr_expect(strstr(effects.log.text, "signal 0x5 is lost") != NULL);
	cr_expect(eq(u64, r.rip, 0x401000));
	cr_expect(not(protocol_signal_waits(&p)));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_SIGNAL, 5), HVM_FAILED));
}

Test(protocol, a_process_that_says_when_its_handler_ends_gets_one_signal_at_a_time)
{
	struct vcpu_registers r = {.rip = 0x401000};

	cr_expect(eq(u64, from_ros(HVM_REQ_SIGNAL_DONE, 0), HVM_FAILED));
	cr_assert(eq(u64, install(HANDLER, STACK), 0));
	cr_assert(eq(u64, from_ros(HVM_REQ_SIGNAL_DONE, 0), 0));
	cr_assert(eq(u64, from_hrt(0, HVM_REQ_SIGNAL, 1), 0));
	cr_expect(eq(int, take_signal(&r), 1));
	cr_assert(eq(u64, from_hrt(0, HVM_REQ_SIGNAL, 2), 0));
	cr_expect(eq(uint, effects.what, 0));
	cr_expect(eq(int, take_signal(&r), 0));
	cr_expect(eq(u64, from_ros(HVM_REQ_SIGNAL_DONE, 0), 0));
	cr_expect(eq(uint, effects.what, PROTOCOL_KICK_ROS));
	cr_expect(eq(int, take_signal(&r), 1));
}

Test(protocol, cores_are_kicked_for_a_signal_until_one_has_taken_it)
{
	struct vcpu_registers r = {.rip = 0x401000};
	uint64_t gap = PROTOCOL_RETRY_USEC;

	cr_assert(eq(u64, install(HANDLER, STACK), 0));
	cr_assert(eq(u64, from_hrt(0, HVM_REQ_SIGNAL, 1), 0));
	ros_state.cr3 = 0x7000; /* another process */
	cr_expect(eq(int, take_signal(&r), 0));
	ros_state.cr3 = SPACE_CR3;
	for (unsigned i = 0; i < 10; i++) {
		cr_expect(eq(u64, protocol_due(&p), now + gap));
		now += gap;
		protocol_tick(&p, now, &effects);
		cr_expect(eq(uint, effects.what, PROTOCOL_KICK_ROS));
		gap = gap < 64000 ? 2 * gap : 64000;
		gap = gap > 64000 ? 64000 : gap;
	}
	cr_expect(eq(int, take_signal(&r), 1));
	protocol_tick(&p, now + gap, &effects);
	cr_expect(eq(uint, effects.what, 0));
	cr_expect(eq(u64, protocol_due(&p), UINT64_MAX));
}

Test(protocol, a_signal_slot_ends_with_the_ros_and_survives_the_hrt)
{
	cr_assert(eq(u64, install(HANDLER, STACK), 0));
	protocol_hrt_gone(&p);
	protocol_hrt_booted(&p);
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_SIGNAL, 1), 0));
	protocol_ros_reset(&p);
	cr_expect(not(protocol_signal_waits(&p)));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_SIGNAL, 1), HVM_FAILED));
}

/* --- GDT ---------------------------------------------------------------------------------------------------------------------- */

#define AREA (SPACE_GVA + PAGE_SIZE - 20) /* the head crosses into the next page */

static void prepare_gdt(uint16_t limit)
{
	uint8_t *gdt = space_at(&ros, SPACE_GVA);

	for (unsigned i = 0; i < SPACE_SIZE; i++)
		gdt[i] = (uint8_t)(i * 7);
	ros_state.gdt_base = SPACE_GVA;
	ros_state.gdt_limit = limit;
	ros_state.ds.selector = 0x2B;
	ros_state.fs.selector = 0x5;
}

Test(protocol, the_ros_gdt_is_written_to_the_area_when_the_upcall_is_delivered)
{
	uint8_t *area = space_at(&hrt, AREA);
	uint64_t base, fs;
	uint16_t limit, selectors[6];

	prepare_gdt(127);
	*space_entry(&ros, 0) &= ~PTE_USER; /* a kernel's, though a process asks */
	cr_assert(eq(u64, from_hrt(0, HVM_REQ_GDT_AREA, AREA), 0));
	cr_assert(eq(u64, call_as(PARTITION_ROS, 0, HVM_REQ_SYNC_GDT, 0xF5F5, 3), 0));
	cr_expect(eq(u64, page.arguments[0], AREA));
	cr_expect(eq(u64, page.arguments[1], 3));
	cr_expect(eq(int, area[0], 0));
	cr_assert(eq(int, deliver(0), 1));
	memcpy(&limit, area, 2);
	memcpy(&base, area + 2, 8);
	memcpy(&fs, area + 10, 8);
	memcpy(selectors, area + 18, 12);
	cr_expect(eq(u16, limit, 127));
	cr_expect(eq(u64, base, AREA + 30));
	cr_expect(eq(u64, fs, 0xF5F5));
	cr_expect(eq(u16, selectors[0], 0x33));
	cr_expect(eq(u16, selectors[1], 0x2B));
	cr_expect(eq(u16, selectors[3], 0x5));
	cr_expect(eq(u16, selectors[5], 0x2B));
	cr_expect(eq(int, memcmp(area + 30, ros.pages, 128), 0)); /* limit + 1 bytes */
	cr_expect(eq(int, area[30 + 128], 0));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_GDT_DONE, 0), 0));
}

Test(protocol, an_area_without_room_for_the_whole_table_rolls_back)
{
	prepare_gdt(SPACE_SIZE - 1);
	cr_assert(eq(u64, from_hrt(0, HVM_REQ_GDT_AREA, AREA), 0));
	cr_assert(eq(u64, from_ros(HVM_REQ_SYNC_GDT, 0), 0));
	cr_expect(eq(int, deliver(0), 0));
	cr_expect(strstr(effects.log.text, "its area for the GDT") != NULL);
	expect_rolled_back(HVM_STATE_IDLE);
}

Test(protocol, a_gdt_that_is_not_mapped_or_has_no_area_is_refused)
{
	prepare_gdt(127);
	cr_expect(eq(u64, from_ros(HVM_REQ_SYNC_GDT, 0), HVM_FAILED));
	cr_assert(eq(u64, from_hrt(0, HVM_REQ_GDT_AREA, AREA), 0));
	ros_state.gdt_base = SPACE_GVA + SPACE_SIZE - 127;
	cr_expect(eq(u64, from_ros(HVM_REQ_SYNC_GDT, 0), HVM_FAILED));
	ros_state.gdt_base -= 1;
	cr_expect(eq(u64, from_ros(HVM_REQ_SYNC_GDT, 0), 0));
	cr_expect(eq(u64, from_hrt(0, HVM_REQ_GDT_AREA, AREA), HVM_FAILED)); /* not while it is in use */
}

/* --- The comm page ---------------------------------------------------------------------------------------------------------------- */

Test(protocol, the_comm_page_is_zero_at_the_first_boot_and_its_sequence_never_goes_back)
{
	static const struct hvm_comm_page zero;
	uint64_t sequence = 0;

	cr_assert(eq(int, memcmp(&page, &zero, sizeof(page)), 0));
	for (unsigned i = 0; i < 5; i++) {
		cr_assert(eq(u64, from_ros(HVM_REQ_CALL, 1), 0));
		cr_expect(gt(u64, page.sequence, sequence));
		cr_expect(eq(u64, page.sequence % 2, 0));
		sequence = page.sequence;
		page.sequence = 1; /* a guest's joke */
		page.unused[7] = 1;
		protocol_hrt_gone(&p);
		protocol_hrt_booted(&p);
		cr_expect(gt(u64, page.sequence, sequence));
		cr_expect(eq(u64, page.unused[7], 0));
		cr_expect(eq(u64, page.request, 0));
		sequence = page.sequence;
	}
}

Test(protocol, an_image_is_offered_by_the_ros_within_bounds)
{
	cr_expect(eq(u64, call_as(PARTITION_ROS, 0, HVM_REQ_LOAD_IMAGE, SPACE_GVA, 100), 0));
	cr_expect(eq(uint, effects.what, PROTOCOL_LOAD_IMAGE));
	cr_expect(eq(u64, call_as(PARTITION_ROS, 0, HVM_REQ_LOAD_IMAGE, SPACE_GVA, 0), HVM_FAILED));
	cr_expect(eq(u64, call_as(PARTITION_ROS, 0, HVM_REQ_LOAD_IMAGE, SPACE_GVA, PROTOCOL_IMAGE_MAX + 1), HVM_FAILED));
	cr_expect(eq(u64, call_as(PARTITION_HRT, 0, HVM_REQ_LOAD_IMAGE, SPACE_GVA, 100), HVM_FAILED));
}
