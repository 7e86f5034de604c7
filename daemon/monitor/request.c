/*
 * request.c - who may ask what, and what comes of it; see protocol.h
 *
 * One table, and a function for each kind of its rows. Where the answers differ from
 * Palacios', [spec 6] says so: 0x3 works, 0x1f answers 0, events have to be real
 * ones, pointers have the permissions of who gives them.
 */
#include "abi/x86.h"
#include "base/macro.h"
#include "monitor/transaction.h"

enum { FROM_ROS = 1, FROM_HRT = 2, FROM_BOTH = 3 };

struct question {
	struct protocol *p;
	const struct protocol_caller *caller;
	uint64_t number, a2, a3;
	uint64_t now;
	struct access access; /* to the caller's memory, at its CPL; only where the row says so */
};

typedef uint64_t (*answer_fn)(const struct question *q, struct protocol_effects *ret);

static uint64_t answer_null(const struct question *q, struct protocol_effects *ret)
{
	(void)q;
	ret->what |= PROTOCOL_NOTE_BOOT;
	return 0;
}

static uint64_t answer_reset(const struct question *q, struct protocol_effects *ret)
{
	const struct protocol_config *config = &q->p->config;

	if (q->number != HVM_REQ_RESET_HRT && q->caller->role == PARTITION_HRT && !config->hrt_changes_ros)
		return HVM_FAILED;
	if (q->number != HVM_REQ_RESET_HRT)
		ret->what |= PROTOCOL_RESET_ROS;
	if (q->number != HVM_REQ_RESET_ROS)
		ret->what |= PROTOCOL_RESET_HRT;
	return 0;
}

static uint64_t answer_load_image(const struct question *q, struct protocol_effects *ret)
{
	if (q->a3 == 0 || q->a3 > PROTOCOL_IMAGE_MAX)
		return HVM_FAILED;
	ret->what |= PROTOCOL_LOAD_IMAGE;
	return 0;
}

static uint64_t answer_outcome(const struct question *q, struct protocol_effects *ret)
{
	(void)ret;
	return q->p->outcome;
}

static uint64_t answer_state(const struct question *q, struct protocol_effects *ret)
{
	(void)ret;
	if (q->a2 && access_write(&q->access, q->a2, &q->p->event, sizeof(q->p->event)) < 0)
		return HVM_FAILED;
	return q->p->state;
}

static uint64_t answer_raise_event(const struct question *q, struct protocol_effects *ret)
{
	struct protocol *p = q->p;
	struct hvm_event event;

	(void)ret;
	if (p->event.type != HVM_EVENT_NONE || access_read(&q->access, q->a2, &event, sizeof(event)) < 0)
		return HVM_FAILED;
	if (event.type < HVM_EVENT_ROS_PAGE_FAULT || event.type > HVM_EVENT_THREAD_EXIT)
		return HVM_FAILED;
	p->event = event;
	p->complete_by = p->config.call_usec ? q->now + p->config.call_usec : NEVER;
	comm_page_publish(p);
	return 0;
}

static uint64_t answer_ack_event(const struct question *q, struct protocol_effects *ret)
{
	(void)ret;
	if (q->p->event.type != HVM_EVENT_DONE)
		return HVM_FAILED;
	q->p->event.type = HVM_EVENT_NONE;
	comm_page_publish(q->p);
	return 0;
}

static uint64_t answer_complete_event(const struct question *q, struct protocol_effects *ret)
{
	(void)ret;
	if (!event_is_raised(q->p))
		return HVM_FAILED;
	event_complete(q->p, q->a2);
	return 0;
}

static uint64_t begin(const struct question *q, const struct transaction *t, uint64_t first, uint64_t second,
	struct protocol_effects *ret)
{
	transaction_begin(q->p, t, (const uint64_t[2]){first, second}, q->now, ret);
	return 0;
}

static uint64_t answer_call(const struct question *q, struct protocol_effects *ret)
{
	const struct transaction *t = transaction_find(q->p, q->number);

	return t ? begin(q, t, q->a2, 0, ret) : HVM_FAILED;
}

static uint64_t answer_merge(const struct question *q, struct protocol_effects *ret)
{
	const struct transaction *t = transaction_find(q->p, q->number);

	if (!t || !q->p->config.hrt_sees_ros)
		return HVM_FAILED;
	return begin(q, t, q->access.cr3 & PTE_ADDRESS, 0, ret);
}

static uint64_t answer_sync_gdt(const struct question *q, struct protocol_effects *ret)
{
	const struct transaction *t = transaction_find(q->p, q->number);
	struct gdt *gdt = &q->p->gdt;

	if (!t || !gdt->gva || gdt_capture(gdt, &q->access, q->caller->state, q->a2) < 0)
		return HVM_FAILED;
	return begin(q, t, gdt->gva, q->a3, ret);
}

static uint64_t answer_gdt_area(const struct question *q, struct protocol_effects *ret)
{
	(void)ret;
	if (q->p->state == HVM_STATE_GDTSYNC || access_check_write(&q->access, q->a2, HVM_GDT_AREA_HEAD) < 0)
		return HVM_FAILED;
	q->p->gdt.gva = q->a2;
	return 0;
}

static uint64_t answer_report(const struct question *q, struct protocol_effects *ret)
{
	return transaction_report(q->p, q->caller, ret);
}

static uint64_t answer_signal_handler(const struct question *q, struct protocol_effects *ret)
{
	(void)ret;
	return signal_register(&q->p->signal, q->a2, q->a3, &q->access) ? 0 : HVM_FAILED;
}

static void kick_for_signal(struct protocol *p, struct protocol_effects *ret)
{
	if (signal_waits(&p->signal))
		ret->what |= PROTOCOL_KICK_ROS;
}

static uint64_t answer_signal(const struct question *q, struct protocol_effects *ret)
{
	if (!signal_raise(&q->p->signal, q->a2))
		return HVM_FAILED;
	kick_for_signal(q->p, ret);
	return 0;
}

static uint64_t answer_signal_done(const struct question *q, struct protocol_effects *ret)
{
	if (!signal_done(&q->p->signal))
		return HVM_FAILED;
	kick_for_signal(q->p, ret);
	return 0;
}

static uint64_t answer_unhandled(const struct question *q, struct protocol_effects *ret)
{
	(void)q;
	ret->what |= PROTOCOL_UNHANDLED;
	return 0;
}

static const struct request {
	uint8_t number;
	uint8_t callers;
	bool state; /* takes the caller's control registers: it must be in 64-bit mode */
	answer_fn answer;
} requests[] = {
	{HVM_REQ_NULL, FROM_BOTH, false, answer_null},
	{HVM_REQ_RESET_ROS, FROM_BOTH, false, answer_reset},
	{HVM_REQ_RESET_HRT, FROM_BOTH, false, answer_reset},
	{HVM_REQ_RESET_ALL, FROM_BOTH, false, answer_reset},
	{HVM_REQ_LOAD_IMAGE, FROM_ROS, true, answer_load_image},
	{HVM_REQ_OUTCOME, FROM_BOTH, false, answer_outcome},
	{HVM_REQ_STATE, FROM_BOTH, true, answer_state},
	{HVM_REQ_RAISE_EVENT, FROM_HRT, true, answer_raise_event},
	{HVM_REQ_ACK_EVENT, FROM_HRT, false, answer_ack_event},
	{HVM_REQ_COMPLETE_EVENT, FROM_ROS, false, answer_complete_event},
	{HVM_REQ_CALL, FROM_ROS, false, answer_call},
	{HVM_REQ_PARCALL, FROM_ROS, false, answer_call},
	{HVM_REQ_SYNC, FROM_ROS, false, answer_call},
	{HVM_REQ_UNSYNC, FROM_ROS, false, answer_call},
	{HVM_REQ_DONE, FROM_HRT, false, answer_report},
	{HVM_REQ_MERGE, FROM_ROS, true, answer_merge},
	{HVM_REQ_UNMERGE, FROM_ROS, true, answer_merge},
	{HVM_REQ_MERGE_DONE, FROM_HRT, false, answer_report},
	{HVM_REQ_SIGNAL_HANDLER, FROM_ROS, true, answer_signal_handler},
	{HVM_REQ_SIGNAL, FROM_BOTH, false, answer_signal},
	{HVM_REQ_SIGNAL_DONE, FROM_ROS, false, answer_signal_done},
	{HVM_REQ_SYNC_GDT, FROM_ROS, true, answer_sync_gdt},
	{HVM_REQ_GDT_AREA, FROM_HRT, true, answer_gdt_area},
	{HVM_REQ_RESTORE_GDT, FROM_ROS, false, answer_call},
	{HVM_REQ_GDT_DONE, FROM_HRT, false, answer_report},
	{HVM_REQ_UNHANDLED, FROM_HRT, false, answer_unhandled},
};

static const struct request *find_request(const struct vcpu_registers *registers)
{
	if ((uint32_t)registers->rax != HVM_HYPERCALL || registers->rbx != HVM_MARKER)
		return NULL;
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		if (requests[i].number == registers->rcx)
			return &requests[i];
	return NULL;
}

/* The state of the machine without a buffer is the most frequent request after null: it costs no more than that. */
static bool takes_state(const struct request *request, const struct vcpu_registers *registers)
{
	return request->state && !(request->number == HVM_REQ_STATE && registers->rdx == 0);
}

bool protocol_needs_state(const struct vcpu_registers *registers)
{
	const struct request *request = find_request(registers);

	return request && takes_state(request, registers);
}

bool protocol_caller_access(const struct protocol_caller *caller, struct access *ret)
{
	if (!caller->state || !vcpu_in_long_mode(caller->state))
		return false;
	*ret = caller->access;
	ret->cr3 = caller->state->cr3;
	ret->user = (caller->state->cs.selector & SELECTOR_RPL) == SELECTOR_RPL;
	return true;
}

uint64_t protocol_call(struct protocol *p, const struct protocol_caller *caller, uint64_t now,
	struct protocol_effects *ret)
{
	const struct vcpu_registers *registers = caller->registers;
	const struct request *request = find_request(registers);
	struct question q = {.p = p, .caller = caller, .number = registers->rcx, .a2 = registers->rdx,
		.a3 = registers->rsi, .now = now};
	unsigned from = caller->role == PARTITION_ROS ? FROM_ROS : FROM_HRT;

	ret->what = 0;
	ret->cores = 0;
	ret->log.text[0] = 0;
	if (!request || !(request->callers & from))
		return HVM_FAILED;
	if (takes_state(request, registers) && !protocol_caller_access(caller, &q.access))
		return HVM_FAILED;
	return request->answer(&q, ret);
}
