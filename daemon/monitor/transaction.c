/* transaction.c - see transaction.h */
#include "monitor/transaction.h"

#include <assert.h>
#include <string.h>

#include "base/macro.h"

#define RETURN_USEC   20000   /* for a handler that has reported to return, on a busy host, too */
#define DELIVERY_USEC 5000000 /* for a core to come to a moment when it can take an upcall, on a busy host, too */

/* --- The table ------------------------------------------------------------------------------------------------ */

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

void comm_page_publish(struct protocol *p)
{
	if (p->published.state != p->state || p->published.event != p->event.type || p->published.outcome != p->outcome)
		write_page(p);
}

void comm_page_clear(struct protocol *p)
{
	static_assert(offsetof(struct hvm_comm_page, unused) == 12 * 8, "there is more to keep");
	memset(p->page, 0, offsetof(struct hvm_comm_page, state));
	memset(p->page->unused, 0, sizeof(p->page->unused));
	if (p->published.sequence)
		write_page(p);
}

static void announce(struct protocol *p, uint64_t request, const uint64_t arguments[2])
{
	store(&p->page->arguments[0], arguments[0]);
	store(&p->page->arguments[1], arguments[1]);
	store(&p->page->request, request);
}

/* --- How a transaction begins and ends ------------------------------------------------------------------------ */

const struct transaction *transaction_find(const struct protocol *p, uint64_t request)
{
	for (size_t i = 0; i < ARRAY_SIZE(transactions); i++)
		if (transactions[i].request == request)
			return p->hrt_up && p->state == transactions[i].from ? &transactions[i] : NULL;
	return NULL;
}

static uint64_t all_cores(const struct protocol *p)
{
	return p->config.n_hrt_cores >= 64 ? UINT64_MAX : (1ull << p->config.n_hrt_cores) - 1;
}

void transaction_set_undelivered(struct protocol *p, uint64_t cores)
{
	__atomic_store_n(&p->undelivered, cores, __ATOMIC_SEQ_CST);
}

static void count(uint64_t *counter)
{
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

void transaction_begin(struct protocol *p, const struct transaction *t, const uint64_t arguments[2], uint64_t now,
	struct protocol_effects *ret)
{
	uint64_t allowed = t->is_call ? p->config.call_usec : p->config.other_usec;

	announce(p, t->request, arguments);
	p->transaction = t;
	p->state = t->during;
	p->outstanding = t->all_cores ? all_cores(p) : 1;
	p->deadline = allowed ? now + allowed : NEVER;
	p->deliver_by = now + DELIVERY_USEC;
	if (!signal_waits(&p->signal))
		p->kick_at = NEVER; /* what was kicked for is over: the gaps begin anew */
	p->nest_at = t->from == HVM_STATE_SYNC ? now : now + RETURN_USEC;
	p->outcome = HVM_OUTCOME_DONE;
	count(&p->n_transactions);
	comm_page_publish(p);
	transaction_set_undelivered(p, p->outstanding);
	ret->what |= PROTOCOL_KICK_HRT;
	ret->cores |= p->outstanding;
}

void transaction_end(struct protocol *p, uint32_t state, uint32_t outcome)
{
	if (p->transaction && outcome != HVM_OUTCOME_DONE)
		count(&p->n_failed);
	p->transaction = NULL;
	p->outstanding = 0;
	transaction_set_undelivered(p, 0);
	p->deadline = p->deliver_by = NEVER;
	p->state = state;
	p->outcome = outcome;
	comm_page_publish(p);
}

void transaction_abandon(struct protocol *p, uint32_t outcome)
{
	if (p->transaction || p->state != HVM_STATE_IDLE)
		transaction_end(p, HVM_STATE_IDLE, outcome);
}

uint64_t transaction_report(struct protocol *p, const struct protocol_caller *caller, struct protocol_effects *ret)
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
		transaction_end(p, p->transaction->after, HVM_OUTCOME_DONE);
	return 0;
}

/* --- The event ------------------------------------------------------------------------------------------------ */

bool event_is_raised(const struct protocol *p)
{
	return p->event.type != HVM_EVENT_NONE && p->event.type != HVM_EVENT_DONE;
}

void event_complete(struct protocol *p, uint64_t result)
{
	p->event.type = HVM_EVENT_DONE;
	p->event.result = result;
	p->complete_by = NEVER;
	comm_page_publish(p);
}
