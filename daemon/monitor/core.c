/* core.c - see core.h */
#include "monitor/core.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

#define CORE_SIGNAL SIGUSR1

static void ignore_signal(int number)
{
	(void)number; /* its arrival is the news: KVM_RUN returns EINTR */
}

void core_setup_signal(void)
{
	struct sigaction action = {.sa_handler = ignore_signal};

	sigaction(CORE_SIGNAL, &action, NULL);
}

static enum core_order core_wait_for_order(struct core *core)
{
	enum core_order order;

	pthread_mutex_lock(&core->lock);
	while (core->order == CORE_PARK) {
		core->parked = true;
		pthread_cond_broadcast(&core->changed);
		pthread_cond_wait(&core->changed, &core->lock);
	}
	core->parked = false;
	order = core->order;
	if (order == CORE_RUN)
		kvm_vcpu_unkick(core->vcpu);
	pthread_mutex_unlock(&core->lock);
	return order;
}

/* Whether it is still to run; then it can be kicked once more. */
static bool core_should_run(struct core *core)
{
	bool run;

	pthread_mutex_lock(&core->lock);
	run = core->order == CORE_RUN;
	if (run)
		kvm_vcpu_unkick(core->vcpu);
	pthread_mutex_unlock(&core->lock);
	return run;
}

/* One entry and exit; false when the core is to leave the guest. */
static bool core_step(struct core *core)
{
	struct vcpu_exit exit;
	int r;

	while (core->listener->enter(core, core->interrupted))
		;
	r = kvm_vcpu_run(core->vcpu, &exit);
	core->interrupted = false;
	if (r < 0) {
		core->listener->failed(core, r);
		return false;
	}
	counter_add(&core->counters.exits[exit.kind], 1);
	if (exit.kind == VCPU_EXIT_INTERRUPTED) {
		core->interrupted = true;
		return core_should_run(core);
	}
	return core->listener->exit(core, &exit);
}

/* Whoever gives an order before this sends no signal: the order is seen when we come to look for one. */
static void introduce(struct core *core)
{
	char name[16];

	snprintf(name, sizeof(name), "core %u", core->id);
	prctl(PR_SET_NAME, name); /* cage(build): prctl */
	pthread_mutex_lock(&core->lock);
	core->tid = gettid(); /* cage(build): gettid */
	pthread_mutex_unlock(&core->lock);
}

static void *core_main(void *data)
{
	struct core *core = data;

	introduce(core);
	while (core_wait_for_order(core) == CORE_RUN) {
		while (core_step(core))
			;
		kvm_vcpu_complete(core->vcpu);
		pthread_mutex_lock(&core->lock);
		if (core->order == CORE_RUN)
			core->order = CORE_PARK; /* its own wish: it has crashed or asked for a reset */
		pthread_mutex_unlock(&core->lock);
	}
	return NULL;
}

static int pin(struct core *core, pthread_attr_t *attributes, struct error *e)
{
	size_t size = CPU_ALLOC_SIZE(core->cpu + 1);
	cpu_set_t *set = CPU_ALLOC(core->cpu + 1);
	int r;

	if (!set)
		return error_set_errno(e, -ENOMEM, "pinning core %u", core->id);
	CPU_ZERO_S(size, set);
	CPU_SET_S(core->cpu, size, set);
	r = pthread_attr_setaffinity_np(attributes, size, set);
	CPU_FREE(set);
	return r > 0 ? error_set_errno(e, -r, "pinning core %u to CPU %u of the host", core->id, core->cpu) : 0;
}

static int start_thread(struct core *core, struct error *e)
{
	pthread_attr_t attributes;
	int r;

	pthread_attr_init(&attributes);
	r = core->pinned ? pin(core, &attributes, e) : 0;
	if (r == 0) {
		/* cage(build): mprotect, clone, rseq, set_robust_list, sched_setaffinity, rt_sigaction, rt_sigprocmask, exit */
		r = -pthread_create(&core->thread, &attributes, core_main, core);
		if (r == -EINVAL && core->pinned)
			error_set(e, r, "core %u: the host has no CPU %u that this process may run on; choose another "
				"target_cpu, or none", core->id, core->cpu);
		else if (r < 0)
			error_set_errno(e, r, "starting the thread of core %u", core->id);
	}
	pthread_attr_destroy(&attributes);
	return r;
}

int core_start(struct core *core, struct error *e)
{
	pthread_condattr_t attributes;
	int r;

	core->order = CORE_PARK;
	core->process = getpid(); /* cage(build): getpid */
	pthread_mutex_init(&core->lock, NULL);
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&core->changed, &attributes);
	pthread_condattr_destroy(&attributes);
	r = start_thread(core, e);
	if (r < 0)
		return r;
	core->has_thread = true;
	return 0;
}

/*
 * The kick closes the race with a thread that is on its way into KVM_RUN: a
 * signal that arrives before it would be lost, immediate_exit is not. It is sent
 * by a bare system call because pthread_kill() needs three. Under the lock.
 */
static void kick(struct core *core)
{
	kvm_vcpu_kick(core->vcpu);
	if (core->tid)
		syscall(SYS_tgkill, core->process, core->tid, CORE_SIGNAL); /* cage(run): tgkill, rt_sigreturn */
}

void core_order(struct core *core, enum core_order order)
{
	pthread_mutex_lock(&core->lock);
	core->order = order;
	if (order != CORE_RUN)
		kick(core);
	pthread_cond_broadcast(&core->changed);
	pthread_mutex_unlock(&core->lock);
}

void core_kick(struct core *core)
{
	pthread_mutex_lock(&core->lock);
	kick(core);
	pthread_mutex_unlock(&core->lock);
}

bool core_wait_parked(struct core *core, uint64_t deadline_usec)
{
	struct timespec until = {
		.tv_sec = (time_t)(deadline_usec / 1000000), .tv_nsec = (long)(deadline_usec % 1000000) * 1000};
	bool parked;

	pthread_mutex_lock(&core->lock);
	while (!core->parked) /* cage(run): futex */
		if (pthread_cond_timedwait(&core->changed, &core->lock, &until) != 0)
			break;
	parked = core->parked;
	pthread_mutex_unlock(&core->lock);
	return parked;
}

void core_fini(struct core *core)
{
	if (core->has_thread) {
		core_order(core, CORE_QUIT);
		pthread_join(core->thread, NULL);
		pthread_cond_destroy(&core->changed);
		pthread_mutex_destroy(&core->lock);
	}
	core->has_thread = false;
	debug_port_fini(&core->port);
	core->vcpu = kvm_vcpu_free(core->vcpu);
}
