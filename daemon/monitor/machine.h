/*
 * machine.h - one machine, hybrid or not: up to two KVM machines over one memory
 *
 *	            ROS machine          HRT machine
 *	cores       [0, k)               [k, N)
 *	memory      [0, R), comm page    [0, M), comm page; of [0, R) what hrt ros_memory= allows
 *
 * ROS memory is one shared memfd; for the HRT's, see hrt-memory.h. A VM without
 * an HRT has the left half only, and k = N, R = M.
 *
 * Who may touch what: everything here belongs to the coordinator (the main
 * thread), but for what stands under `lock`, through which cores tell it news.
 *
 * Tour 430: The idea that carries the whole: two KVM machines over one memory.
 * The ROS half has no slot for HRT memory and no way to interrupt HRT cores;
 * isolation is not a rule that we enforce but something that is not there.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/macro.h"
#include "device/bus.h"
#include "device/debug-exit.h"
#include "device/pit.h"
#include "device/power.h"
#include "guest/memory.h"
#include "link/state.h"
#include "monitor/core.h"
#include "monitor/hrt-memory.h"
#include "monitor/images.h"
#include "monitor/prepare.h"
#include "monitor/talk.h"
#include "monitor/unknown.h"
#include "spec/spec.h"

struct console;
struct pc;

#define MACHINE_IMAGE_MAX (256 * MiB) /* bytes of an image file */

/* Why a partition no longer runs; the first core to say so wins. */
struct crash {
	bool valid;
	bool ours; /* the host's or our fault: failed, not crashed */
	enum vm_reason reason;
	uint32_t core;
	uint64_t address; /* RIP; 0: not known */
	uint8_t vector;   /* of the exception, HVM_VECTOR_EXCEPTION where it is not known */
	char text[ERROR_TEXT_MAX];
};

/* The guest has ended the VM; what it does first counts. */
struct guest_exit {
	bool valid;
	enum partition_role role; /* whose guest */
	int32_t status;
	char text[ERROR_TEXT_MAX];
};

struct partition {
	enum partition_role role;
	bool present;            /* the VM has it; all else is zero where it does not */
	struct kvm_machine *kvm; /* owned */
	struct core *cores;      /* owned; n_cores */
	uint32_t n_cores;
	uint32_t first_core;
	struct bus ports, mmio; /* who answers its cores; filled before they run */
	struct debug_exit exits[SPEC_DEVICES_MAX]; /* as many as the definition has of them */
	struct pc *pc;           /* owned: of a ROS that boots */
	struct console *console; /* owned: what it prints; NULL: it never will */
	struct debug_port_listener port_listener;

	/* The coordinator's */
	enum partition_state state;
	enum vm_reason reason;
	uint64_t n_resets;

	/* Read by anybody (__atomic, relaxed) */
	uint64_t boot_usec;     /* CLOCK_MONOTONIC when the last boot was asked for; 0: not booted */
	uint64_t first_sign_usec; /* boot_usec to the first byte printed or hypercall 0; 0: none yet */

	bool ending; /* the guest has turned itself off, or reset itself: its cores go no further */

	/* Under machine->lock */
	struct crash crash;
	enum power_event power; /* what `ending` is about */
	struct unknown unknown; /* the cores' */

	/* borrowed */
	struct machine *machine;
};

struct machine {
	struct vm_spec *spec; /* owned */
	struct images images; /* the files; what nobody boots has none */
	struct prepared boot;
	bool started;
	uint64_t cpu_khz;
	struct kvm_host *host; /* owned */

	uint8_t *reserved; /* owned mapping of somewhat more than ram_bytes */
	uint8_t *ram;      /* in it: RAM without its hole */
	uint64_t ram_bytes;
	uint8_t *comm_page; /* owned mapping */
	struct hrt_memory hrt_memory; /* within ram */
	struct memory memory; /* all of it, whoever may use it */
	struct talk talk;
	enum spec_hypercall hypercall; /* as chosen: never SPEC_HYPERCALL_AUTO once it is built */
	uint8_t *next_image;           /* owned; the HRT's from its next reset on; under lock; NULL: the one that it has */
	size_t next_image_size;
	uint32_t n_images;             /* that have replaced the definition's, one after the other */
	uint32_t n_patched;            /* hypercalls by instruction that were rewritten in the image */

	struct partition partitions[N_PARTITION_ROLES];
	struct pit pit;          /* the HRT's: KVM's own would need the full interrupt controller */

	int wake_fd; /* owned: eventfd that cores write when there is news for the coordinator */
	pthread_mutex_t lock;
	bool reset_wanted[N_PARTITION_ROLES]; /* under lock: a guest asks for it */
	struct guest_exit exit; /* under lock */
	bool over;              /* the guest has ended the VM: its cores go no further; __atomic */
	bool flush_wanted;                    /* under lock: a line has begun since the coordinator last looked */
	bool input_wanted;                    /* under lock: the ROS has room for what is typed */
};

/* What a machine is made of beside its definition. */
struct machine_fds {
	int kvm; /* /dev/kvm */
	int logs[N_PARTITION_ROLES]; /* of the consoles; -1: none */
	int files[SPEC_FILES_MAX]; /* of the definition */
};

/*
 * Builds a machine that is ready to start: reads the images, plans, makes the
 * KVM machines, writes the HRT's template. Takes over spec and the descriptors in
 * any case.
 */
int machine_new(struct vm_spec *spec, struct machine_fds *fds, struct machine **ret, struct error *e);

/* All cores are parked. */
struct machine *machine_free(struct machine *machine);
DEFINE_CLEANUP(struct machine *, machine_free);

/* Boots the partitions that have something to run. -EALREADY when that has been done. */
int machine_start(struct machine *machine, struct error *e);

/*
 * Resets the partitions of a set (indexed by role), each to its state after
 * start; the others do not notice. *ret_usec is how long it took until the
 * cores ran again. A reset that fails leaves the partition PARTITION_FAILED.
 */
int machine_reset(struct machine *machine, const bool which[N_PARTITION_ROLES], uint64_t *ret_usec, struct error *e);

/* Parks every core; returns whether all did so within `timeout_usec`. */
bool machine_park(struct machine *machine, uint64_t timeout_usec);

/* Parks the partition's other cores after a crash was reported and moves it to its new state. Whether there was one. */
bool machine_collect_crash(struct machine *machine, struct partition *partition, struct crash *ret);

/*
 * Parks the partition's cores after its guest turned itself off, or reset itself;
 * it is then parked for that reason. Whether it did.
 */
bool machine_collect_power(struct machine *machine, struct partition *partition);

/* Parks every core where the guest has ended the VM. Whether it has. */
bool machine_collect_exit(struct machine *machine, struct guest_exit *ret);

/* Hands on the unfinished lines of cores that printed nothing after `until_usec`. Whether another is left. */
bool machine_flush_console(struct machine *machine, uint64_t until_usec);

/*
 * Another image for the HRT, in force from its next reset on. Takes over data (heap) in
 * any case. Checked in full first: -ENOEXEC or another errno, with a sentence, and
 * nothing has changed. From any thread.
 */
int machine_offer_image(struct machine *machine, uint8_t *data, size_t size, struct error *e);

/* Puts the offered image in the place of the other. The HRT's cores are parked, its memory is put back. */
int machine_adopt_image(struct machine *machine, struct error *e);

/* What cores do at an exit (exits.c). */
extern const struct core_listener machine_core_listener;

/* The null handler has an exception or interrupt to tell of (HVM_REQ_UNHANDLED). On the core's thread. */
void machine_report_unhandled(struct core *core);

/* Takes in which pages a core has written to, `full` when it stopped for that. On its thread, or while it is parked. */
void machine_harvest(struct core *core, bool full);

/* From a core's thread: news for the coordinator. */
void machine_report_crash(struct partition *partition, const struct crash *crash);
void machine_report_exit(struct machine *machine, const struct guest_exit *exit);
void machine_want_reset(struct machine *machine, enum partition_role role);
void machine_report_power(struct partition *partition, enum power_event event);
void machine_want_flush(struct machine *machine);
void machine_wake(struct machine *machine);
void machine_want_input(struct machine *machine);
void machine_note_sign(struct partition *partition);
