/*
 * core.h - one virtual core: a vCPU and the thread that runs it
 *
 * A core does what it was last ordered to. Orders come from the coordinator
 * (the monitor's main thread); a core may order itself to park, never to run.
 * While core_parked() holds, the vCPU's registers are the coordinator's.
 *
 * Tour 450: A core is a thread that runs a vCPU and obeys orders. The hard
 * part is to stop one at any time, whatever its guest does; core_order() says
 * how that race is won.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "device/debug-port.h"
#include "kvm/kvm.h"

struct error;
struct partition;

enum core_order {
	CORE_PARK, /* stay out of the guest */
	CORE_RUN,
	CORE_QUIT, /* end the thread */
};

/* Written by the core's thread, read by anybody (__atomic, relaxed). */
struct core_counters {
	uint64_t exits[N_VCPU_EXIT_KINDS];
	uint64_t hypercalls;
	uint64_t hypercalls_refused;
	uint64_t unknown_reads;  /* of ports and GPAs where nothing is */
	uint64_t unknown_writes;
	uint64_t unknown_msrs;
	uint64_t heartbeats;
	uint64_t heartbeat; /* the last number written */
};

static inline void counter_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, __atomic_load_n(counter, __ATOMIC_RELAXED) + n, __ATOMIC_RELAXED);
}

static inline uint64_t counter_get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

struct core {
	uint32_t id;           /* APIC id, within the whole VM */
	bool pinned;           /* the thread stays on the host's CPU `cpu` */
	uint32_t cpu;
	struct kvm_vcpu *vcpu; /* owned */
	struct debug_port port;
	struct core_counters counters;
	bool interrupted; /* the last exit was for a kick or an order; the thread's own */

	pthread_t thread;
	pid_t process, tid;   /* what a signal is sent to; tid under lock, 0: has not begun */
	bool has_thread;
	pthread_mutex_t lock; /* order, parked, tid */
	pthread_cond_t changed;
	enum core_order order;
	bool parked; /* the thread is out of the guest and touches nothing */

	/* borrowed */
	struct partition *partition;
	const struct core_listener *listener;
};

/* Called on the core's own thread. */
struct core_listener {
	/* Handles one exit; false: the core parks until it is ordered to run again. */
	bool (*exit)(struct core *core, const struct vcpu_exit *exit);
	/* Before each entry; `interrupted`: it comes from VCPU_EXIT_INTERRUPTED. True: ask again, something has changed. */
	bool (*enter)(struct core *core, bool interrupted);
	/* KVM_RUN itself failed; the core parks. */
	void (*failed)(struct core *core, int error);
};

/* The signal that gets a core's thread out of the guest; installs its empty handler. Once a process. */
void core_setup_signal(void);

/* Starts the thread, parked. The rest of *core is set. -EINVAL where it cannot run on the CPU it is pinned to. */
int core_start(struct core *core, struct error *e);

/* Gives an order; does not wait for it. */
void core_order(struct core *core, enum core_order order);

/* Has the core leave the guest if it is there, and enter it again. From any thread. */
void core_kick(struct core *core);

/* Waits until the core is parked, to `deadline_usec` (CLOCK_MONOTONIC) at the latest; whether it is. */
bool core_wait_parked(struct core *core, uint64_t deadline_usec);

/* Ends the thread and lets go of everything. The core is parked, or the process is about to end. */
void core_fini(struct core *core);
