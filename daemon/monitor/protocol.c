/*
 * protocol.c - how upcalls and signals get to where they are for, what time does to
 * them, and what the lives of the partitions do; see protocol.h
 *
 * What is asked and answered is in request.c, what is in progress in transaction.c.
 * A merge that cannot be delivered is rolled back like everything else, other than in
 * Palacios [spec 6.3].
 */
#include "monitor/protocol.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "abi/x86.h"
#include "base/macro.h"
#include "monitor/transaction.h"

#define HANDLER_BYTES PAGE_SIZE /* of stack, at most, of a handler that has reported and has only to return */
#define KICK_GAP_MAX  64000 /* usec; the gap doubles up to it */

/* --- Delivery ------------------------------------------------------------------------------------------------- */

/* A core could not take what waits for it: it is kicked again soon, and less often as time goes by. */
static void kick_later(struct protocol *p, uint64_t now)
{
	if (p->kick_at != NEVER)
		return;
	p->kick_gap = PROTOCOL_RETRY_USEC;
	p->kick_at = now + p->kick_gap;
}

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
	transaction_end(p, p->transaction->from, HVM_OUTCOME_UNDELIVERABLE);
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

/*
 * Whether the core is in the handler of its last upcall, on its way out: rsp is below what iretq will take, and near it.
 * Another upcall there would leave its frame on the stack as well; as many as come fast enough would overflow it.
 */
static bool is_in_handler(const struct protocol *p, uint32_t n, uint64_t rsp)
{
	uint64_t iret = p->frames[n] + 8; /* behind the error code */

	return p->frames[n] && rsp <= iret && iret - rsp < HANDLER_BYTES;
}

int protocol_deliver(struct protocol *p, uint32_t n, const struct access *access, struct vcpu_state *state,
	struct vcpu_registers *registers, uint64_t now, struct protocol_effects *ret)
{
	bool nests = is_in_handler(p, n, registers->rsp);
	struct access hrt = *access;
	struct error e = {};
	int r;

	*ret = (struct protocol_effects){};
	if (!protocol_upcall_waits(p, n))
		return 0;
	if (nests && now < p->nest_at) {
		kick_later(p, now);
		return -EAGAIN;
	}
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
	transaction_set_undelivered(p, p->undelivered & ~(1ull << n));
	if (p->config.upcall != UPCALL_VECTOR && !(nests && p->transaction->from == HVM_STATE_SYNC))
		p->frames[n] = registers->rsp;
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
	event_complete(p, HVM_FAILED);
}

static void expire(struct protocol *p, struct protocol_effects *ret)
{
	error_set(&ret->log, -ETIMEDOUT, "request 0x%x (%s) has ended: HRT cores 0x%" PRIx64 " did not report in time",
		p->transaction->request, protocol_state_to_string(p->state), p->outstanding);
	transaction_end(p, HVM_STATE_IDLE, HVM_OUTCOME_DEADLINE);
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
	assert(config->n_hrt_cores <= PROTOCOL_CORES_MAX);
}

void protocol_set_hrt(struct protocol *p, uint8_t vector, uint64_t null_handler)
{
	p->config.vector = vector;
	p->config.null_handler = null_handler;
}

void protocol_hrt_booted(struct protocol *p)
{
	transaction_abandon(p, HVM_OUTCOME_HRT_GONE);
	p->event = (struct hvm_event){};
	p->complete_by = NEVER;
	p->gdt.gva = 0;
	memset(p->frames, 0, sizeof(p->frames));
	p->hrt_up = true;
	comm_page_clear(p);
	comm_page_publish(p);
}

void protocol_hrt_gone(struct protocol *p)
{
	p->hrt_up = false;
	transaction_abandon(p, HVM_OUTCOME_HRT_GONE);
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
	comm_page_publish(p);
}

void protocol_ros_reset(struct protocol *p)
{
	transaction_abandon(p, HVM_OUTCOME_ROS_GONE);
	signal_forget(&p->signal);
	if (event_is_raised(p))
		event_complete(p, HVM_FAILED);
}
