/*
 * protocol.c - see protocol.h
 *
 * Two tables carry everything: who may ask what (requests), and how a transaction
 * goes (transactions). Where this differs from Palacios, [spec 6] says so: reports
 * count once for each core, a merge that cannot be delivered is rolled back, 0x3
 * works, 0x1f answers 0, events have to be real ones, pointers have permissions.
 */
#include "monitor/protocol.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "abi/x86.h"
#include "base/macro.h"

#define DELIVERY_USEC 1000000 /* for a core to come to a moment when it can take an upcall */
#define KICK_GAP_MAX  64000   /* usec; the gap doubles up to it */
#define NEVER         UINT64_MAX

enum { FROM_ROS = 1, FROM_HRT = 2, FROM_BOTH = 3 };

/* --- Transactions ----------------------------------------------------------------------------------------- */

struct transaction {
	uint8_t request;
	uint8_t report;      /* the request by which the HRT says that it is done */
	uint32_t from, during, after; /* HVM_STATE_... */
	bool all_cores;      /* every HRT core gets the upcall, or the first */
	bool is_call;        /* it takes as long as the called function */
};

static const struct transaction transactions[] = {
	{HVM_REQ_CALL, HVM_REQ_DONE, HVM_STATE_IDLE, HVM_STATE_CALL, HVM_STATE_IDLE, false, true},
	{HVM_REQ_PARCALL, HVM_REQ_DONE, HVM_STATE_IDLE, HVM_STATE_PARCALL, HVM_STATE_IDLE, true, true},
	{HVM_REQ_SYNC, HVM_REQ_DONE, HVM_STATE_IDLE, HVM_STATE_SYNCSETUP, HVM_STATE_SYNC, false, false},
	{HVM_REQ_UNSYNC, HVM_REQ_DONE, HVM_STATE_SYNC, HVM_STATE_SYNCTEARDOWN, HVM_STATE_IDLE, false, false},
	{HVM_REQ_MERGE, HVM_REQ_MERGE_DONE, HVM_STATE_IDLE, HVM_STATE_MERGE, HVM_STATE_IDLE, false, false},
	{HVM_REQ_UNMERGE, HVM_REQ_MERGE_DONE, HVM_STATE_IDLE, HVM_STATE_MERGE, HVM_STATE_IDLE, false, false},
	{HVM_REQ_SYNC_GDT, HVM_REQ_GDT_DONE, HVM_STATE_IDLE, HVM_STATE_GDTSYNC, HVM_STATE_IDLE, false, false},
	{HVM_REQ_RESTORE_GDT, HVM_REQ_GDT_DONE, HVM_STATE_IDLE, HVM_STATE_GDTSYNC, HVM_STATE_IDLE, false, false},
};

static const char *const state_names[] = {"idle", "call", "parcall", "syncsetup", "sync", "syncteardown", "merge",
	"gdtsync"};
static_assert(ARRAY_SIZE(state_names) == HVM_STATE_GDTSYNC + 1, "a state has no name");

const char *protocol_state_to_string(uint32_t state)
{
	assert(state < ARRAY_SIZE(state_names));
	return state_names[state];
}

/* --- The comm page ------------------------------------------------------------------------------------------ */

static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_SEQ_CST);
}

/* What both sides can read without asking. The sequence is ours: what stands in the page may be a guest's. */
static void write_page(struct protocol *p)
{
	p->published.state = p->state;
	p->published.event = p->event.type;
	p->published.outcome = p->outcome;
	store(&p->page->sequence, ++p->published.sequence);
	store(&p->page->state, p->state);
	store(&p->page->event, p->event.type);
	store(&p->page->outcome, p->outcome);
	store(&p->page->sequence, ++p->published.sequence);
}

static void publish(struct protocol *p)
{
	if (p->published.state != p->state || p->published.event != p->event.type || p->published.outcome != p->outcome)
		write_page(p);
}

/* As at a boot, but for the words that are read without asking; they go on. */
static void clear_page(struct protocol *p)
{
	static_assert(offsetof(struct hvm_comm_page, unused) == 12 * 8, "there is more to keep");
	memset(p->page, 0, offsetof(struct hvm_comm_page, state));
	memset(p->page->unused, 0, sizeof(p->page->unused));
	if (p->published.sequence)
		write_page(p);
}

static void announce(struct protocol *p, uint64_t request, uint64_t first, uint64_t second)
{
	store(&p->page->arguments[0], first);
	store(&p->page->arguments[1], second);
	store(&p->page->request, request);
}

/* --- How a transaction begins and ends ------------------------------------------------------------------------ */

static uint64_t all_cores(const struct protocol *p)
{
	return p->config.n_hrt_cores >= 64 ? UINT64_MAX : (1ull << p->config.n_hrt_cores) - 1;
}

static void set_undelivered(struct protocol *p, uint64_t cores)
{
	__atomic_store_n(&p->undelivered, cores, __ATOMIC_SEQ_CST);
}

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

/* A core could not take what waits for it: it is kicked again soon, and less often as time goes by. */
static void kick_later(struct protocol *p, uint64_t now)
{
	if (p->kick_at != NEVER)
		return;
	p->kick_gap = PROTOCOL_RETRY_USEC;
	p->kick_at = now + p->kick_gap;
}

static void begin(struct protocol *p, const struct transaction *t, uint64_t now, struct protocol_effects *ret)
{
	uint64_t allowed = t->is_call ? p->config.call_usec : p->config.other_usec;

	p->transaction = t;
	p->state = t->during;
	p->outstanding = t->all_cores ? all_cores(p) : 1;
	p->deadline = allowed ? now + allowed : NEVER;
	p->deliver_by = now + DELIVERY_USEC;
	p->outcome = HVM_OUTCOME_DONE;
	count(&p->n_transactions);
	publish(p);
	set_undelivered(p, p->outstanding);
	ret->what |= PROTOCOL_KICK_HRT;
	ret->cores |= p->outstanding;
}

static void end(struct protocol *p, uint32_t state, uint32_t outcome)
{
	if (p->transaction && outcome != HVM_OUTCOME_DONE)
		count(&p->n_failed);
	p->transaction = NULL;
	p->outstanding = 0;
	set_undelivered(p, 0);
	p->deadline = p->deliver_by = NEVER;
	p->state = state;
	p->outcome = outcome;
	publish(p);
}

/* Whatever is in progress, synchronous mode included. */
static void abandon(struct protocol *p, uint32_t outcome)
{
	if (p->transaction || p->state != HVM_STATE_IDLE)
		end(p, HVM_STATE_IDLE, outcome);
}

static uint64_t report(struct protocol *p, const struct protocol_caller *caller, struct protocol_effects *ret)
{
	uint64_t core = 1ull << caller->core;

	if (!p->transaction || p->transaction->report != caller->registers->rcx)
		return HVM_FAILED;
	if (!(p->outstanding & core) || p->undelivered & core) /* has reported, or was not asked yet */
		return HVM_FAILED;
	p->outstanding &= ~core;
	if (p->config.upcall == UPCALL_VECTOR)
		ret->what |= PROTOCOL_RETIRE;
	if (!p->outstanding)
		end(p, p->transaction->after, HVM_OUTCOME_DONE);
	return 0;
}

/* --- Requests ------------------------------------------------------------------------------------------------- */

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

static bool event_is_raised(const struct protocol *p)
{
	return p->event.type != HVM_EVENT_NONE && p->event.type != HVM_EVENT_DONE;
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
	publish(p);
	return 0;
}

static uint64_t answer_ack_event(const struct question *q, struct protocol_effects *ret)
{
	(void)ret;
	if (q->p->event.type != HVM_EVENT_DONE)
		return HVM_FAILED;
	q->p->event.type = HVM_EVENT_NONE;
	publish(q->p);
	return 0;
}

static void complete_event(struct protocol *p, uint64_t result)
{
	p->event.type = HVM_EVENT_DONE;
	p->event.result = result;
	p->complete_by = NEVER;
	publish(p);
}

static uint64_t answer_complete_event(const struct question *q, struct protocol_effects *ret)
{
	(void)ret;
	if (!event_is_raised(q->p))
		return HVM_FAILED;
	complete_event(q->p, q->a2);
	return 0;
}

static const struct transaction *find_transaction(const struct question *q)
{
	for (size_t i = 0; i < ARRAY_SIZE(transactions); i++)
		if (transactions[i].request == q->number)
			return q->p->hrt_up && q->p->state == transactions[i].from ? &transactions[i] : NULL;
	return NULL;
}

static uint64_t answer_call(const struct question *q, struct protocol_effects *ret)
{
	const struct transaction *t = find_transaction(q);

	if (!t)
		return HVM_FAILED;
	announce(q->p, q->number, q->a2, 0);
	begin(q->p, t, q->now, ret);
	return 0;
}

static uint64_t answer_merge(const struct question *q, struct protocol_effects *ret)
{
	const struct transaction *t = find_transaction(q);

	if (!t || !q->p->config.hrt_sees_ros)
		return HVM_FAILED;
	announce(q->p, q->number, q->access.cr3 & PTE_ADDRESS, 0);
	begin(q->p, t, q->now, ret);
	return 0;
}

static uint64_t answer_sync_gdt(const struct question *q, struct protocol_effects *ret)
{
	const struct transaction *t = find_transaction(q);
	struct gdt *gdt = &q->p->gdt;

	if (!t || !gdt->gva || gdt_capture(gdt, &q->access, q->caller->state, q->a2) < 0)
		return HVM_FAILED;
	announce(q->p, q->number, gdt->gva, q->a3);
	begin(q->p, t, q->now, ret);
	return 0;
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
	return report(q->p, q->caller, ret);
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

/* --- Delivery ------------------------------------------------------------------------------------------------- */

bool protocol_upcall_waits(const struct protocol *p, uint32_t n)
{
	return __atomic_load_n(&p->undelivered, __ATOMIC_SEQ_CST) >> n & 1;
}

bool protocol_signal_waits(const struct protocol *p)
{
	return signal_waits(&p->signal);
}

/* To where it was before the request: an HRT that is in synchronous mode stays there. */
static void roll_back(struct protocol *p, uint32_t n, const char *why, struct protocol_effects *ret)
{
	error_set(&ret->log, -ENOEXEC, "request 0x%x (%s) has ended: HRT core %u takes no upcall: %s", p->transaction->request,
		protocol_state_to_string(p->state), n, why);
	end(p, p->transaction->from, HVM_OUTCOME_UNDELIVERABLE);
}

void protocol_undeliverable(struct protocol *p, uint32_t n, const char *why, struct protocol_effects *ret)
{
	*ret = (struct protocol_effects){};
	if (p->transaction && p->outstanding >> n & 1)
		roll_back(p, n, why, ret);
}

static unsigned upcall_vector(const struct protocol *p)
{
	return p->config.upcall == UPCALL_VECTOR ? p->config.vector : upcall_exception(p->config.upcall);
}

static int build(struct protocol *p, const struct access *access, struct vcpu_state *state,
	struct vcpu_registers *registers, struct error *e)
{
	int r = upcall_check_gate(upcall_vector(p), p->config.null_handler, access, state, e);

	if (r < 0)
		return r;
	if (p->transaction->request == HVM_REQ_SYNC_GDT && gdt_write(&p->gdt, access) < 0)
		return error_set(e, -ENOEXEC, "its area for the GDT at 0x%" PRIx64 " takes not %u bytes", p->gdt.gva,
			p->gdt.size);
	return p->config.upcall == UPCALL_VECTOR ? 0 : upcall_build(p->config.upcall, access, state, registers, e);
}

int protocol_deliver(struct protocol *p, uint32_t n, const struct access *access, struct vcpu_state *state,
	struct vcpu_registers *registers, uint64_t now, struct protocol_effects *ret)
{
	struct access hrt = *access;
	struct error e = {};
	int r;

	*ret = (struct protocol_effects){};
	if (!protocol_upcall_waits(p, n))
		return 0;
	hrt.cr3 = state->cr3;
	hrt.user = false;
	r = build(p, &hrt, state, registers, &e);
	if (r == -EAGAIN && now < p->deliver_by) {
		kick_later(p, now);
		return r;
	}
	if (r < 0) {
		roll_back(p, n, r == -EAGAIN ? "an event of its own did not get through in time" : e.text, ret);
		return 0;
	}
	set_undelivered(p, p->undelivered & ~(1ull << n));
	return 1;
}

int protocol_deliver_signal(struct protocol *p, const struct access *access, const struct vcpu_state *state,
	struct vcpu_registers *registers, uint64_t now, struct protocol_effects *ret)
{
	int r;

	*ret = (struct protocol_effects){};
	r = signal_deliver(&p->signal, *access, state, registers, &ret->log);
	if (signal_waits(&p->signal))
		kick_later(p, now);
	return r;
}

/* --- Time ------------------------------------------------------------------------------------------------------ */

static bool somebody_waits(const struct protocol *p)
{
	return p->undelivered || signal_waits(&p->signal);
}

static void expire_event(struct protocol *p, struct protocol_effects *ret)
{
	error_set(&ret->log, -ETIMEDOUT, "event %u of the HRT has failed: no process of the ROS completed it in time",
		p->event.type);
	complete_event(p, HVM_FAILED);
}

static void expire(struct protocol *p, struct protocol_effects *ret)
{
	error_set(&ret->log, -ETIMEDOUT, "request 0x%x (%s) has ended: HRT cores 0x%" PRIx64 " did not report in time",
		p->transaction->request, protocol_state_to_string(p->state), p->outstanding);
	end(p, HVM_STATE_IDLE, HVM_OUTCOME_DEADLINE);
}

static void kick_again(struct protocol *p, uint64_t now, struct protocol_effects *ret)
{
	if (!somebody_waits(p)) {
		p->kick_at = NEVER;
		return;
	}
	if (p->undelivered)
		ret->what |= PROTOCOL_KICK_HRT;
	if (signal_waits(&p->signal))
		ret->what |= PROTOCOL_KICK_ROS;
	ret->cores = p->undelivered;
	p->kick_gap = p->kick_gap >= KICK_GAP_MAX / 2 ? KICK_GAP_MAX : 2 * p->kick_gap;
	p->kick_at = now + p->kick_gap;
}

void protocol_tick(struct protocol *p, uint64_t now, struct protocol_effects *ret)
{
	*ret = (struct protocol_effects){};
	if (event_is_raised(p) && now >= p->complete_by)
		expire_event(p, ret);
	if (p->transaction && now >= p->deadline)
		expire(p, ret);
	if (now >= p->kick_at)
		kick_again(p, now, ret);
}

uint64_t protocol_due(const struct protocol *p)
{
	uint64_t due = p->deadline < p->kick_at ? p->deadline : p->kick_at;

	return p->complete_by < due ? p->complete_by : due;
}

/* --- Lives -------------------------------------------------------------------------------------------------------- */

void protocol_init(struct protocol *p, const struct protocol_config *config, struct hvm_comm_page *page)
{
	*p = (struct protocol){.config = *config, .page = page, .deadline = NEVER, .deliver_by = NEVER, .kick_at = NEVER,
		.complete_by = NEVER};
	assert(config->n_hrt_cores <= 64);
}

void protocol_set_hrt(struct protocol *p, uint8_t vector, uint64_t null_handler)
{
	p->config.vector = vector;
	p->config.null_handler = null_handler;
}

void protocol_hrt_booted(struct protocol *p)
{
	abandon(p, HVM_OUTCOME_HRT_GONE);
	p->event = (struct hvm_event){};
	p->complete_by = NEVER;
	p->gdt.gva = 0;
	p->hrt_up = true;
	clear_page(p);
	publish(p);
}

void protocol_hrt_gone(struct protocol *p)
{
	p->hrt_up = false;
	abandon(p, HVM_OUTCOME_HRT_GONE);
	p->gdt.gva = 0;
}

void protocol_hrt_crashed(struct protocol *p, uint64_t rip, uint64_t vector)
{
	protocol_hrt_gone(p);
	if (event_is_raised(p))
		return;
	p->event = (struct hvm_event){.type = HVM_EVENT_HRT_EXCEPTION, .result = p->event.result};
	p->event.u.exception.rip = rip;
	p->event.u.exception.vector = vector;
	p->complete_by = NEVER;
	publish(p);
}

void protocol_ros_reset(struct protocol *p)
{
	abandon(p, HVM_OUTCOME_ROS_GONE);
	signal_forget(&p->signal);
	if (event_is_raised(p))
		complete_event(p, HVM_FAILED);
}
