/* talk.c - see talk.h */
#include "monitor/talk.h"

#include <errno.h>
#include <stdlib.h>

#include "abi/hrt.h"
#include "abi/x86.h"
#include "base/clock.h"
#include "monitor/machine.h"
#include "spec/spec.h"

#define LOG_INTERVAL_USEC 10000000 /* what guests make us say: so many lines in ten seconds */
#define LOG_BURST         10
#define OTHER_DEADLINE_USEC 10000000 /* of a merge and the like, which are bookkeeping, unless the definition says otherwise */

/* --- What each side may reach -------------------------------------------------------------------------------- */

/* The part of a window of RAM that lies within [from, to), counted in bytes of RAM. */
static void add_part(const struct machine *machine, const struct memory_window *w, uint64_t from, uint64_t to,
	bool readonly, struct memory *view)
{
	uint64_t window = (uint64_t)(w->host - machine->ram), start = window, end = window + w->size;

	start = start < from ? from : start;
	end = end > to ? to : end;
	if (start < end)
		(readonly ? memory_add_readonly : memory_add)(view, w->gpa + (start - window), end - start,
			machine->ram + start);
}

static void make_view(struct machine *machine, enum partition_role role)
{
	enum spec_access access = role == PARTITION_ROS ? SPEC_ACCESS_RW : machine->spec->hrt_ros_memory;
	uint64_t ros = machine->spec->ros_memory;
	struct memory *view = &machine->talk.views[role];

	*view = (struct memory){};
	for (size_t i = 0; i < machine->memory.n_windows; i++) {
		const struct memory_window *w = &machine->memory.windows[i];

		if (w->host == machine->comm_page) {
			memory_add_readonly(view, w->gpa, w->size, w->host);
			continue;
		}
		if (access != SPEC_ACCESS_NONE)
			add_part(machine, w, 0, ros, access == SPEC_ACCESS_RO, view);
		if (role == PARTITION_HRT)
			add_part(machine, w, ros, machine->ram_bytes, false, view);
	}
}

/* What we write to the HRT's memory has to be put back at a reset like what it writes itself. */
static void note_written(void *data, uint64_t gpa)
{
	struct machine *machine = data;

	hrt_memory_dirty(&machine->hrt_memory, &machine->memory, gpa);
}

static struct access access_of(const struct core *core)
{
	struct machine *machine = core->partition->machine;
	enum partition_role role = core->partition->role;

	return (struct access){
		.memory = &machine->talk.views[role],
		.wrote = role == PARTITION_HRT ? note_written : NULL,
		.data = machine,
	};
}

/* --- What the protocol wants done ---------------------------------------------------------------------------- */

static void kick_cores(struct partition *p, uint64_t cores)
{
	for (uint32_t i = 0; i < p->n_cores && i < 64; i++)
		if (cores >> i & 1)
			core_kick(&p->cores[i]);
}

static void log_effects(struct machine *machine, const struct protocol_effects *effects)
{
	struct talk *talk = &machine->talk;

	if (effects->log.text[0] && log_ratelimit(&talk->limit))
		log_notice("vm %s: %s", machine->spec->name, effects->log.text);
}

/* The coordinator sleeps until `attention`; it is woken only for what is due before. Under the lock. */
static bool needs_attention(struct talk *talk)
{
	return protocol_due(&talk->protocol) < __atomic_load_n(&talk->attention, __ATOMIC_SEQ_CST);
}

static void end_talk(struct machine *machine, const struct protocol_effects *effects)
{
	bool wake;

	log_effects(machine, effects);
	wake = needs_attention(&machine->talk);
	pthread_mutex_unlock(&machine->talk.lock);
	if (effects->what & PROTOCOL_KICK_HRT)
		kick_cores(&machine->partitions[PARTITION_HRT], effects->cores);
	if (effects->what & PROTOCOL_KICK_ROS)
		kick_cores(&machine->partitions[PARTITION_ROS], UINT64_MAX);
	if (wake)
		machine_wake(machine);
}

/* --- Requests --------------------------------------------------------------------------------------------------- */

/* Whether the core goes on: one that asked for its own partition's reset waits for it. */
static bool want_reset(struct core *core, unsigned what)
{
	struct machine *machine = core->partition->machine;

	if (what & PROTOCOL_RESET_ROS)
		machine_want_reset(machine, PARTITION_ROS);
	if (what & PROTOCOL_RESET_HRT)
		machine_want_reset(machine, PARTITION_HRT);
	return !(what & (core->partition->role == PARTITION_ROS ? PROTOCOL_RESET_ROS : PROTOCOL_RESET_HRT));
}

static bool follow(struct core *core, const struct protocol_effects *effects)
{
	struct machine *machine = core->partition->machine;

	if (effects->what & PROTOCOL_NOTE_BOOT)
		machine_note_sign(core->partition);
	if (effects->what & PROTOCOL_RETIRE)
		kvm_vcpu_retire_interrupt(core->vcpu, machine->boot.plan.int_vector);
	if (effects->what & PROTOCOL_UNHANDLED) {
		machine_report_unhandled(core);
		return false;
	}
	return want_reset(core, effects->what);
}

static int copy_image(struct core *core, const struct protocol_caller *caller)
{
	struct machine *machine = core->partition->machine;
	uint64_t size = caller->registers->rsi;
	_cleanup_free_ uint8_t *data = NULL;
	struct protocol_effects news = {};
	struct access access;
	int r = -EFAULT;

	if (!machine->spec->hybrid || !protocol_caller_access(caller, &access) ||
		access_check_read(&access, caller->registers->rdx, size) < 0)
		return -EFAULT;
	data = malloc(size);
	if (data && access_read(&access, caller->registers->rdx, data, size) == 0) {
		r = machine_offer_image(machine, take_ptr(data), size, &news.log);
		if (r < 0)
			error_prefix(&news.log, r, "the image that the ROS offers is not taken");
		pthread_mutex_lock(&machine->talk.lock);
		log_effects(machine, &news);
		pthread_mutex_unlock(&machine->talk.lock);
	}
	return r;
}

/* Without the lock: nobody else waits for an image to be copied and looked at. */
static uint64_t take_image(struct core *core, const struct protocol_caller *caller)
{
	bool *taking = &core->partition->machine->talk.taking_image;
	int r = -EBUSY;

	if (!__atomic_exchange_n(taking, true, __ATOMIC_ACQUIRE)) {
		r = copy_image(core, caller);
		__atomic_store_n(taking, false, __ATOMIC_RELEASE);
	}
	return r < 0 ? HVM_FAILED : 0;
}

bool talk_hypercall(struct core *core)
{
	struct machine *machine = core->partition->machine;
	struct vcpu_registers registers = *kvm_vcpu_registers(core->vcpu);
	struct vcpu_state state;
	struct protocol_caller caller = {
		.role = core->partition->role,
		.core = core->id - core->partition->first_core,
		.registers = &registers,
		.access = access_of(core),
	};
	struct protocol_effects effects;
	uint64_t rax;

	if (protocol_needs_state(&registers)) {
		kvm_vcpu_settle(core->vcpu, &state);
		caller.state = &state;
	}
	pthread_mutex_lock(&machine->talk.lock);
	rax = protocol_call(&machine->talk.protocol, &caller, clock_usec(), &effects);
	end_talk(machine, &effects);
	counter_add(rax == HVM_FAILED ? &core->counters.hypercalls_refused : &core->counters.hypercalls, 1);
	if (effects.what & PROTOCOL_LOAD_IMAGE)
		rax = take_image(core, &caller);
	kvm_vcpu_set_rax(core->vcpu, rax);
	return follow(core, &effects);
}

/* --- Deliveries -------------------------------------------------------------------------------------------------- */

static bool deliver(struct core *core, struct protocol_effects *ret)
{
	struct machine *machine = core->partition->machine;
	struct protocol *p = &machine->talk.protocol;
	struct access access = access_of(core);
	struct vcpu_registers registers;
	struct vcpu_state state;
	uint64_t now = clock_usec();
	int r;

	kvm_vcpu_settle(core->vcpu, &state);
	registers = *kvm_vcpu_registers(core->vcpu);
	if (core->partition->role == PARTITION_ROS)
		r = protocol_deliver_signal(p, &access, &state, &registers, now, ret);
	else
		r = protocol_deliver(p, core->id - core->partition->first_core, &access, &state, &registers, now, ret);
	if (r <= 0)
		return false;
	if (core->partition->role == PARTITION_ROS)
		kvm_vcpu_set_registers(core->vcpu, &registers); /* a process goes on at CPL 3, with all its segments */
	else if (p->config.upcall != UPCALL_VECTOR)
		kvm_vcpu_divert(core->vcpu, &registers, &state);
	else if (!kvm_machine_interrupt(core->partition->kvm, core->id, machine->boot.plan.int_vector))
		protocol_undeliverable(p, core->id - core->partition->first_core, "its LAPIC takes no interrupts", ret);
	return true;
}

static bool waits(const struct core *core, bool interrupted)
{
	const struct protocol *p = &core->partition->machine->talk.protocol;

	if (core->partition->role == PARTITION_ROS)
		return interrupted && protocol_signal_waits(p);
	return protocol_upcall_waits(p, core->id - core->partition->first_core);
}

bool talk_deliver(struct core *core, bool interrupted)
{
	struct machine *machine = core->partition->machine;
	struct protocol_effects effects = {};
	bool delivered;

	if (!waits(core, interrupted))
		return false;
	pthread_mutex_lock(&machine->talk.lock);
	delivered = deliver(core, &effects);
	end_talk(machine, &effects);
	return delivered;
}

/* --- The coordinator --------------------------------------------------------------------------------------------- */

uint64_t talk_tick(struct machine *machine, uint64_t now)
{
	struct talk *talk = &machine->talk;
	struct protocol_effects effects;
	uint64_t due;

	pthread_mutex_lock(&talk->lock);
	protocol_tick(&talk->protocol, now, &effects);
	due = protocol_due(&talk->protocol);
	__atomic_store_n(&talk->attention, due, __ATOMIC_SEQ_CST);
	end_talk(machine, &effects);
	return due;
}

void talk_count(struct machine *machine, struct talk_numbers *ret)
{
	struct protocol *p = &machine->talk.protocol;

	pthread_mutex_lock(&machine->talk.lock);
	*ret = (struct talk_numbers){.state = protocol_state_to_string(p->state),
		.upcall = upcall_kind_to_string(p->config.upcall), .transactions = p->n_transactions, .failed = p->n_failed};
	pthread_mutex_unlock(&machine->talk.lock);
}

void talk_hrt_booted(struct machine *machine)
{
	pthread_mutex_lock(&machine->talk.lock);
	make_view(machine, PARTITION_HRT);
	protocol_set_hrt(&machine->talk.protocol, machine->boot.plan.int_vector,
		machine->boot.plan.handler + machine->boot.plan.gva_offset);
	protocol_hrt_booted(&machine->talk.protocol);
	pthread_mutex_unlock(&machine->talk.lock);
}

void talk_hrt_gone(struct machine *machine)
{
	pthread_mutex_lock(&machine->talk.lock);
	protocol_hrt_gone(&machine->talk.protocol);
	pthread_mutex_unlock(&machine->talk.lock);
}

void talk_hrt_crashed(struct machine *machine, uint64_t rip, uint64_t vector)
{
	pthread_mutex_lock(&machine->talk.lock);
	protocol_hrt_crashed(&machine->talk.protocol, rip, vector);
	pthread_mutex_unlock(&machine->talk.lock);
}

void talk_ros_reset(struct machine *machine)
{
	pthread_mutex_lock(&machine->talk.lock);
	protocol_ros_reset(&machine->talk.protocol);
	pthread_mutex_unlock(&machine->talk.lock);
}

/* --- Life ----------------------------------------------------------------------------------------------------------- */

static enum upcall_kind kind_of(enum spec_upcall wish)
{
	switch (wish) {
	case SPEC_UPCALL_GPF:
		return UPCALL_GPF;
	case SPEC_UPCALL_VECTOR:
		return UPCALL_VECTOR;
	case SPEC_UPCALL_AUTO:
	case SPEC_UPCALL_PF:
	case N_SPEC_UPCALLS:
		break;
	}
	return UPCALL_PF;
}

void talk_init(struct machine *machine)
{
	const struct vm_spec *spec = machine->spec;
	struct talk *talk = &machine->talk;
	struct protocol_config config = {
		.n_hrt_cores = spec->cores - spec->ros_cores,
		.hrt_sees_ros = spec->hrt_ros_memory != SPEC_ACCESS_NONE,
		.hrt_changes_ros = spec->hrt_ros_memory == SPEC_ACCESS_RW,
		.upcall = kind_of(spec->hrt_upcall),
		.call_usec = spec->hrt_deadline * 1000ull,
		.other_usec = spec->hrt_deadline ? spec->hrt_deadline * 1000ull : OTHER_DEADLINE_USEC,
	};

	pthread_mutex_init(&talk->lock, NULL);
	talk->limit = (struct ratelimit){.interval_usec = LOG_INTERVAL_USEC, .burst = LOG_BURST};
	talk->attention = UINT64_MAX;
	protocol_init(&talk->protocol, &config, (struct hvm_comm_page *)machine->comm_page);
	make_view(machine, PARTITION_ROS);
	make_view(machine, PARTITION_HRT);
}

void talk_move_page(struct machine *machine, uint64_t gpa)
{
	pthread_mutex_lock(&machine->talk.lock);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		memory_move(&machine->talk.views[role], machine->comm_page, gpa);
	pthread_mutex_unlock(&machine->talk.lock);
}

void talk_fini(struct machine *machine)
{
	pthread_mutex_destroy(&machine->talk.lock);
}
