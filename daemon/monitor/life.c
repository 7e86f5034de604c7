/*
 * life.c - starting, resetting, parking and crashing partitions; see machine.h
 *
 * A reset is done by the coordinator alone: it parks the partition's cores,
 * waits until each has said so, puts memory and registers back, and lets them
 * run. No core waits for another, so none can hang a reset but by not parking,
 * and that has a deadline.
 *
 * Tour 470: A reset is where designs like this go wrong: cores waiting for
 * each other, half-loaded images, stale timers. Here one thread does it in
 * four steps, and each either succeeds or leaves a partition that says it has
 * failed.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/x86.h"
#include "base/clock.h"
#include "guest/boot.h"
#include "monitor/console.h"
#include "monitor/machine.h"
#include "monitor/pc.h"
#include "spec/spec.h"

#define PARK_DEADLINE_USEC 1000000 /* a core leaves the guest in some 50 usec; a loaded host may take longer */

static void order_cores(struct partition *p, enum core_order order)
{
	for (uint32_t i = 0; i < p->n_cores; i++)
		core_order(&p->cores[i], order);
}

static bool wait_cores(struct partition *p, uint64_t deadline_usec)
{
	bool all = true;

	for (uint32_t i = 0; i < p->n_cores; i++)
		all &= core_wait_parked(&p->cores[i], deadline_usec);
	return all;
}

bool machine_park(struct machine *machine, uint64_t timeout_usec)
{
	uint64_t deadline = clock_usec() + timeout_usec;
	bool all = true;

	for (int role = 0; role < N_PARTITION_ROLES; role++)
		order_cores(&machine->partitions[role], CORE_PARK);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		all &= wait_cores(&machine->partitions[role], deadline);
	return all;
}

/* Unfinished lines, as debug_port_flush(). */
static bool flush(struct partition *p, uint64_t until_usec)
{
	bool left = p->pc && pc_flush(p->pc, until_usec);

	for (uint32_t i = 0; i < p->n_cores; i++)
		left |= debug_port_flush(&p->cores[i].port, until_usec);
	return left;
}

static int load_hrt_cores(struct partition *p, struct error *e)
{
	for (uint32_t i = 0; i < p->n_cores; i++) {
		struct boot_registers registers;
		int r;

		boot_registers_hrt(&p->machine->boot.plan, i, &registers);
		r = kvm_vcpu_boot(p->cores[i].vcpu, &registers, e);
		if (r < 0)
			return error_prefix(e, r, "core %u", p->cores[i].id);
	}
	return 0;
}

/* The first core enters the kernel; the others wait for it to start them. */
static int load_ros_cores(struct partition *p, struct error *e)
{
	struct boot_registers registers;
	int r;

	ros_boot_registers(&p->machine->boot.ros, &registers);
	r = kvm_vcpu_boot(p->cores[0].vcpu, &registers, e);
	for (uint32_t i = 1; r == 0 && i < p->n_cores; i++)
		r = kvm_vcpu_wait_for_startup(p->cores[i].vcpu, e);
	return r;
}

static bool has_something_to_run(const struct partition *p)
{
	return p->present && (p->role == PARTITION_HRT || p->machine->spec->ros_boots);
}

/* Its memory is as it is at boot, but for what is written into the ROS's. */
static int boot(struct partition *p, uint64_t since_usec, struct error *e)
{
	struct machine *machine = p->machine;
	int r;

	if (p->role == PARTITION_HRT) {
		r = load_hrt_cores(p, e);
	} else {
		r = ros_boot_write(&machine->boot.ros, &machine->memory, e);
		if (r == 0)
			r = load_ros_cores(p, e);
	}
	if (r < 0)
		return r;
	__atomic_store_n(&p->first_sign_usec, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&p->boot_usec, since_usec, __ATOMIC_RELAXED);
	if (p->role == PARTITION_HRT)
		talk_hrt_booted(machine);
	p->state = PARTITION_RUNNING;
	p->reason = REASON_BOOTED;
	order_cores(p, CORE_RUN);
	return 0;
}

static void fail(struct partition *p)
{
	p->state = PARTITION_FAILED;
	p->reason = REASON_UNKNOWN;
}

int machine_start(struct machine *machine, struct error *e)
{
	uint64_t since = clock_usec();

	if (machine->started)
		return error_set(e, -EALREADY, "the VM has been started already");
	machine->started = true;
	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		struct partition *p = &machine->partitions[role];
		int r;

		if (!has_something_to_run(p))
			continue;
		r = boot(p, since, e);
		if (r < 0) {
			fail(p);
			return error_prefix(e, r, "the %s partition", partition_role_to_string(p->role));
		}
	}
	return 0;
}

static void note_dirty(void *data, uint64_t gpa)
{
	struct machine *machine = data;

	hrt_memory_dirty(&machine->hrt_memory, &machine->memory, gpa);
}

void machine_harvest(struct core *core, bool full)
{
	struct machine *machine = core->partition->machine;

	if (!kvm_vcpu_harvest(core->vcpu, full, note_dirty, machine))
		hrt_memory_lost_track(&machine->hrt_memory);
}

static int put_back_hrt_memory(struct machine *machine, struct error *e)
{
	struct partition *p = &machine->partitions[PARTITION_HRT];
	int r;

	for (uint32_t i = 0; i < p->n_cores; i++)
		machine_harvest(&p->cores[i], false);
	r = hrt_memory_put_back(&machine->hrt_memory, e);
	if (r == 0)
		r = machine_adopt_image(machine, e);
	for (uint32_t i = 0; r == 0 && i < p->n_cores; i++)
		r = kvm_vcpu_rearm(p->cores[i].vcpu, e);
	pit_fini(&machine->pit);
	pit_init(&machine->pit);
	return r;
}

static int put_back_ros(struct machine *machine, struct error *e)
{
	struct partition *p = &machine->partitions[PARTITION_ROS];

	if (madvise(machine->ram, machine->spec->ros_memory, MADV_DONTNEED) < 0)
		return error_set_errno(e, -errno, "clearing the ROS's memory");
	return p->pc ? pc_reset(p->pc, e) : 0;
}

/* News that its cores sent before they parked is about the life that has just ended. */
static void forget_news(struct partition *p)
{
	pthread_mutex_lock(&p->machine->lock);
	p->crash.valid = false;
	p->machine->reset_wanted[p->role] = false;
	__atomic_store_n(&p->ending, false, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&p->machine->lock);
}

/* Memory back and, where it has something to run, cores running. The cores are parked. */
static int revive(struct partition *p, uint64_t since_usec, struct error *e)
{
	struct machine *machine = p->machine;
	int r;

	flush(p, UINT64_MAX);
	forget_news(p);
	p->n_resets++;
	console_mark(p->console, "%s reset %llu", partition_role_to_string(p->role), (unsigned long long)p->n_resets);
	if (p->role == PARTITION_ROS)
		talk_ros_reset(machine);
	r = p->role == PARTITION_ROS ? put_back_ros(machine, e) : put_back_hrt_memory(machine, e);
	if (r < 0)
		return r;
	if (has_something_to_run(p))
		return boot(p, since_usec, e);
	p->state = PARTITION_PARKED; /* no kernel was given */
	return 0;
}

static int check_resettable(const struct machine *machine, const bool which[N_PARTITION_ROLES], struct error *e)
{
	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		const struct partition *p = &machine->partitions[role];

		if (which[role] && !p->present)
			return error_set(e, -ECHRNG, "the VM has no %s partition", partition_role_to_string(p->role));
		if (which[role] && p->state == PARTITION_FAILED)
			return error_set(e, -EIO, "the %s partition has failed; only stopping the VM helps",
				partition_role_to_string(p->role));
	}
	if (!machine->started)
		return error_set(e, -ESRCH, "the VM has not been started");
	return 0;
}

int machine_reset(struct machine *machine, const bool which[N_PARTITION_ROLES], uint64_t *ret_usec, struct error *e)
{
	uint64_t since = clock_usec();
	int r = check_resettable(machine, which, e);

	if (r < 0)
		return r;
	if (which[PARTITION_HRT])
		talk_hrt_gone(machine); /* nobody calls it meanwhile */
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		if (which[role])
			order_cores(&machine->partitions[role], CORE_PARK);
	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		struct partition *p = &machine->partitions[role];

		if (!which[role])
			continue;
		if (!wait_cores(p, since + PARK_DEADLINE_USEC))
			r = error_set(e, -ETIMEDOUT, "a core of the %s partition did not leave the guest within %u ms",
				partition_role_to_string(p->role), PARK_DEADLINE_USEC / 1000);
		else
			r = revive(p, since, e);
		if (r < 0) {
			fail(p);
			return r;
		}
	}
	*ret_usec = clock_usec() - since;
	return 0;
}

bool machine_collect_crash(struct machine *machine, struct partition *partition, struct crash *ret)
{
	pthread_mutex_lock(&machine->lock);
	*ret = partition->crash;
	partition->crash.valid = false;
	pthread_mutex_unlock(&machine->lock);
	if (!ret->valid || partition->state != PARTITION_RUNNING)
		return false;
	order_cores(partition, CORE_PARK);
	wait_cores(partition, clock_usec() + PARK_DEADLINE_USEC);
	flush(partition, UINT64_MAX);
	partition->state = ret->ours ? PARTITION_FAILED : PARTITION_CRASHED;
	partition->reason = ret->reason;
	if (partition->role == PARTITION_HRT)
		talk_hrt_crashed(machine, ret->address, ret->vector);
	console_mark(partition->console, "%s %s: %s", partition_role_to_string(partition->role),
		partition_state_to_string(partition->state), ret->text);
	return true;
}

bool machine_collect_power(struct machine *machine, struct partition *partition)
{
	enum power_event event;
	bool ending;

	pthread_mutex_lock(&machine->lock);
	ending = partition->ending;
	event = partition->power;
	pthread_mutex_unlock(&machine->lock);
	if (!ending || partition->state != PARTITION_RUNNING)
		return false;
	order_cores(partition, CORE_PARK);
	wait_cores(partition, clock_usec() + PARK_DEADLINE_USEC);
	flush(partition, UINT64_MAX);
	partition->state = PARTITION_PARKED;
	partition->reason = event == POWER_OFF ? REASON_GUEST_POWEROFF : REASON_GUEST_RESET;
	console_mark(partition->console, event == POWER_OFF ? "%s has turned itself off" : "%s has reset itself",
		partition_role_to_string(partition->role));
	return true;
}

bool machine_collect_exit(struct machine *machine, struct guest_exit *ret)
{
	pthread_mutex_lock(&machine->lock);
	*ret = machine->exit;
	pthread_mutex_unlock(&machine->lock);
	if (ret->valid)
		machine_park(machine, PARK_DEADLINE_USEC);
	return ret->valid;
}

bool machine_flush_console(struct machine *machine, uint64_t until_usec)
{
	bool left = false;

	pthread_mutex_lock(&machine->lock);
	machine->flush_wanted = false;
	pthread_mutex_unlock(&machine->lock);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		left |= flush(&machine->partitions[role], until_usec);
	return left;
}

/* --- From the cores' threads -------------------------------------------------------------------------------- */

void machine_wake(struct machine *machine)
{
	uint64_t one = 1;
	ssize_t n = write(machine->wake_fd, &one, sizeof(one));

	(void)n; /* EAGAIN: it is awake already */
}

void machine_report_crash(struct partition *partition, const struct crash *crash)
{
	struct machine *machine = partition->machine;

	pthread_mutex_lock(&machine->lock);
	if (!partition->crash.valid)
		partition->crash = *crash;
	pthread_mutex_unlock(&machine->lock);
	machine_wake(machine);
}

void machine_report_exit(struct machine *machine, const struct guest_exit *exit)
{
	pthread_mutex_lock(&machine->lock);
	if (!machine->exit.valid)
		machine->exit = *exit;
	__atomic_store_n(&machine->over, true, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&machine->lock);
	machine_wake(machine);
}

void machine_want_reset(struct machine *machine, enum partition_role role)
{
	pthread_mutex_lock(&machine->lock);
	machine->reset_wanted[role] = true;
	pthread_mutex_unlock(&machine->lock);
	machine_wake(machine);
}

/* The first counts: what other cores do before they park is of a machine that is off. */
void machine_report_power(struct partition *partition, enum power_event event)
{
	struct machine *machine = partition->machine;

	pthread_mutex_lock(&machine->lock);
	if (!partition->ending)
		partition->power = event;
	__atomic_store_n(&partition->ending, true, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&machine->lock);
	machine_wake(machine);
}

void machine_want_input(struct machine *machine)
{
	pthread_mutex_lock(&machine->lock);
	machine->input_wanted = true;
	pthread_mutex_unlock(&machine->lock);
	machine_wake(machine);
}

void machine_want_flush(struct machine *machine)
{
	bool first;

	pthread_mutex_lock(&machine->lock);
	first = !machine->flush_wanted;
	machine->flush_wanted = true;
	pthread_mutex_unlock(&machine->lock);
	if (first)
		machine_wake(machine);
}

void machine_note_sign(struct partition *partition)
{
	uint64_t boot;

	if (__atomic_load_n(&partition->first_sign_usec, __ATOMIC_RELAXED) != 0)
		return;
	boot = __atomic_load_n(&partition->boot_usec, __ATOMIC_RELAXED);
	__atomic_store_n(&partition->first_sign_usec, clock_usec() - boot, __ATOMIC_RELAXED);
}
