/*
 * vm.h - a VM as hvmd holds it
 *
 * A definition, a life (vm/state.h), and while it runs a monitor. The structure
 * is open so that others can read it; only the files that share vm/move.h write to it.
 *
 * Jobs end through a callback: when a function below returns 0, `done` is
 * called exactly once, later, from the event loop, whoever asked and whether or
 * not he is still there. When it returns a negative errno with a sentence,
 * `done` is never called.
 *
 * Tour 230: What hvmd knows of a VM: its definition, its life, and its
 * monitor. The states and what may follow what are a table in vm/state.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "spec/spec.h"
#include "vm/host.h"
#include "vm/monitor.h"
#include "vm/state.h"

struct event;
struct event_base;
struct registry;
struct store;
struct telemetry;
struct vm;

#define VM_DIGEST_HEX_SIZE (2 * LINK_DIGEST_SIZE + 1)
#define VM_STOP_USEC 1000000ull /* how long a monitor may take to go before it is killed */

struct vm_partition {
	bool present; /* the definition has it */
	enum partition_role role;
	enum partition_state state;
	enum vm_reason reason;
	struct error details;
	uint32_t n_resets;
	struct vm *vm; /* borrowed: whose it is */
};

/* Which cores and which memory a partition has. */
struct vm_extent {
	uint32_t first_vcpu, n_vcpus;
	uint64_t memory_start, memory_bytes;
	uint64_t visible_bytes; /* [0, visible_bytes) is what its cores can reach */
};

/* What vm_listener.changed() tells: more than one may be set. */
enum vm_change {
	VM_CHANGED_STATE = 1,      /* State, its reason, sentence, time; the monitor's process id, and whether it answers */
	VM_CHANGED_DEFINITION = 2, /* anything that comes from the definition */
	VM_CHANGED_RESETS = 4,
	VM_CHANGED_ROS = 8,        /* state or resets of that partition */
	VM_CHANGED_HRT = 16,
	VM_CHANGED_HRT_IMAGE = 32, /* what the HRT image asked for and got */
	VM_CHANGED_AUTOSTART = 64,
	VM_CHANGED_ROS_IMAGE = 128, /* how the kernel of the ROS is booted */
	VM_CHANGED_LAUNCH = 256,   /* the launch digest */
};

/* News for the layer above. Called from the event loop and from inside the functions that change a VM. */
struct vm_listener {
	void (*added)(void *userdata, struct vm *vm);
	void (*removed)(void *userdata, struct vm *vm); /* still whole, about to go */
	void (*changed)(void *userdata, struct vm *vm, unsigned changes);
	/* vm->life is new; `vcpu` is -1 and `address` 0 where no core is to blame. */
	void (*state_changed)(
		void *userdata, struct vm *vm, enum vm_state before, int32_t vcpu, uint64_t address);
	void (*guest_crashed)(void *userdata, struct vm *vm, const struct monitor_news *news);
	void (*reset_done)(
		void *userdata, struct vm *vm, enum link_scope scope, uint32_t first_vcpu, uint32_t n_vcpus);
	/* Another definition is in force, with other partitions. What is removed is still there. */
	void (*partition_added)(void *userdata, struct vm_partition *partition);
	void (*partition_removed)(void *userdata, struct vm_partition *partition);
	void (*host_changed)(void *userdata);
	void (*reloading)(void *userdata, bool begins);
	/*
	 * A VM's monitor is there and has touched nothing yet. True: it is being put into a place of its own, whose memory and
	 * processor time it is to be charged for, and vm_placed() comes from the event loop, unless that takes too long.
	 */
	bool (*place)(void *userdata, struct vm *vm);
};

struct inspector;
struct sealed;

/* What all VMs of a hvmd have in common. */
struct vm_context {
	struct inspector *inspectors; /* owned, by plan.c */
	unsigned n_inspectors;
	struct host host;
	/* borrowed */
	struct event_base *base;
	struct sealed *sealed; /* images in memory */
	struct store *store;
	struct registry *registry;
	const char *monitor_path, *kvm_path;
	int runs; /* folder, for runs.h; -1: every VM ends with this hvmd */
	const struct vm_listener *listener; /* NULL: nobody listens */
	void *userdata;                     /* of the listener */
};

/* Looks at the host anew, and tells when it has changed. */
void vm_context_probe_host(struct vm_context *context);

typedef void (*vm_done_fn)(void *userdata, int error, const struct error *e);
/* telemetry is borrowed, and NULL with an error. */
typedef void (*vm_telemetry_fn)(
	void *userdata, int error, const struct error *e, const struct telemetry *telemetry);
/* The callee takes over fd; it is -1 with an error. */
typedef void (*vm_console_fn)(void *userdata, int error, const struct error *e, const char *name, int fd);

struct vm_setup;
struct vm_waiter;

/* How far the ROS and the HRT were when the monitor was last asked (vm_refresh_talk()), in the present run or the last one. */
struct vm_talk {
	char state[16]; /* "idle", "call", ... */
	uint64_t n_transactions;
};

struct vm {
	struct vm_spec *stored;   /* owned: what stands in the store, and what the next start takes */
	struct vm_spec *replaced; /* owned: what runs, when it is not what is stored; otherwise NULL */
	struct monitor *monitor; /* owned: NULL in inactive and failed */
	pid_t pid;               /* the monitor's, also after its end */
	struct vm_waiter *waiters; /* owned: who waits for the end of a stop */
	struct vm_life life;
	struct vm_partition partitions[N_PARTITION_ROLES];
	struct monitor_hrt hrt; /* of the present run or the last one */
	struct vm_talk talk;
	struct monitor_ros ros; /* the same */
	bool survives;          /* the run: this hvmd may go and another take over */
	bool adopting;          /* the monitor of an earlier hvmd, which has not told yet how things are */
	char launch_digest[VM_DIGEST_HEX_SIZE]; /* the same; "": there was none */
	bool autostart;        /* it is started when hvmd is */
	bool unresponsive;     /* its monitor leaves requests unanswered */
	uint32_t n_resets;     /* in the present run or the last one */
	bool has_exit_reason;  /* the guest has come to an end since it last ran */
	enum vm_reason exit_reason;
	int32_t exit_status;   /* with has_exit_reason: what the guest gave, or as vm_exit_status() */
	bool has_guest_status; /* the guest has given one since it last ran: guest_status */
	int32_t guest_status;

	/* A start that is under way */
	struct vm_setup *setup;         /* owned: what the monitor is told once it has its place; NULL: it has been told */
	struct event *on_patience_ends; /* owned: with that */
	vm_done_fn start_done;
	void *start_userdata; /* borrowed */
	/* How it shall end once the monitor is gone; VM_FAILED by vmm-died unless somebody decided otherwise
	 */
	struct {
		bool decided;
		enum vm_reason reason;
		int error;         /* of the start that is under way */
		struct error text;
	} end;

	/* borrowed */
	struct vm_context *context;
};

/* An inactive VM; takes over the definition when it succeeds. NULL when memory is short. */
struct vm *vm_new(struct vm_context *context, struct vm_spec *spec);

/* Lets go of what survives, and ends what runs otherwise. Takes NULL; returns NULL. */
struct vm *vm_free(struct vm *vm);
DEFINE_CLEANUP(struct vm *, vm_free);

/* The definition in force: of the run, or else what is stored. */
const struct vm_spec *vm_spec_in_force(const struct vm *vm);

/* Whether there is a monitor, in whatever state. */
bool vm_is_active(const struct vm *vm);

/* The monitor's process, or 0. */
pid_t vm_leader(const struct vm *vm);

/* How its monitor is locked up: "whole", or "without " and what this host refuses; empty while there is none. */
const char *vm_cage(const struct vm *vm);

/*
 * How a partition is booted: "mb64", the protocol of the ROS's kernel, or "none".
 * Before the monitor has told which it is, the definition's word: "auto".
 */
const char *vm_partition_protocol(const struct vm_partition *partition);

/* GPA of a partition's first instruction; 0 before the first start. */
uint64_t vm_partition_entry(const struct vm_partition *partition);

/* Id of the file that a partition boots; "" where it boots none. */
const char *vm_partition_image(const struct vm_partition *partition);

/* Cores and memory of a partition that is present. */
struct vm_extent vm_partition_extent(const struct vm_partition *partition);

/* Replaces the stored definition, which it takes over; it holds from the next start on. */
void vm_redefine(struct vm *vm, struct vm_spec *spec);

/* Notes, and tells, whether it is started when hvmd is. */
void vm_set_autostart(struct vm *vm, bool on);

/*
 * Opens the image of each file of the stored definition, for the caller, and notes what
 * is known of it (its sites). Returns 0, or a negative errno with a sentence and nothing opened.
 */
int vm_open_images(struct vm *vm, int ret_fds[SPEC_FILES_MAX], struct error *e);

/* Whether there is a machine to ask: 0, or -ESRCH or -EBUSY with a sentence. */
int vm_check_running(const struct vm *vm, struct error *e);

/* What a start adds to command lines, where the definition lets it (spec/append.h); all borrowed, NULL: nothing. */
struct vm_start_options {
	const char *append;                       /* to the only one that may be added to */
	const char *append_to[N_PARTITION_ROLES];
};

/*
 * Spawns a monitor, has it build the machine, and runs it. done: it runs, or why
 * it does not. `options` is NULL where there are none.
 */
int vm_start(struct vm *vm, const struct vm_start_options *options, vm_done_fn done, void *userdata, struct error *e);

/* The monitor of a start that is under way is where it shall be, or will not come there. Without one nothing happens. */
void vm_placed(struct vm *vm);

struct run_found;

/*
 * Takes over a run that an earlier hvmd began with `spec` (NULL: with what is stored); takes over spec when it
 * succeeds, and what was found in any case. The VM is inactive, and running afterwards; soon the monitor tells
 * how things are, and `adopting` is over.
 */
int vm_adopt(struct vm *vm, struct run_found *found, struct vm_spec *spec, struct error *e);

/* Notes that a run which an earlier hvmd began has come to an end that nobody saw. */
void vm_note_lost(struct vm *vm);

/* Notes that there is a run which an earlier hvmd began, but could not be taken over, and why. */
void vm_note_uncontrolled(struct vm *vm, const char *why);

/*
 * Ends a VM. The monitor is asked to go, and is killed after `timeout_usec`; 0
 * kills it at once. done: it is gone. `reason` is kept as the reason of the end.
 */
int vm_stop(struct vm *vm, uint64_t timeout_usec, enum vm_reason reason, vm_done_fn done, void *userdata,
	struct error *e);

/* Resets partitions: all, or one that must be present. done: they run again. */
int vm_reset(struct vm *vm, enum link_scope scope, vm_done_fn done, void *userdata, struct error *e);

/* Appends what hvmd itself knows: vm.state, vm.reason, vm.nresets. Returns 0 or -ENOMEM. */
int vm_telemetry_own(const struct vm *vm, struct telemetry *ret);

/* Collects what the monitor knows, behind what hvmd itself knows. The VM must be active. */
int vm_telemetry(struct vm *vm, vm_telemetry_fn done, void *userdata, struct error *e);

/* Asks the monitor for `talk`. done: it is as it was a moment ago; with an error it is as it was. The VM must be active. */
int vm_refresh_talk(struct vm *vm, vm_done_fn done, void *userdata, struct error *e);

/* The names of its consoles, the first being that of the ROS where that boots. Returns how many. */
size_t vm_consoles(const struct vm *vm, const char *ret[N_PARTITION_ROLES]);

/* Checks the name of a console; "" stands for the first. Returns its name, or NULL and a sentence. */
const char *vm_console_name(const struct vm *vm, const char *name, struct error *e);

/*
 * The far end of a pipe that gets the output of the console with this name from
 * now on, after the last 64 KiB of it. Where the mode says so, and the console has
 * input (that of the ROS), it is a socket that takes that, too. -EUSERS: somebody
 * else writes, or too many watch.
 */
int vm_console(
	struct vm *vm, const char *name, enum link_console mode, vm_console_fn done, void *userdata, struct error *e);
