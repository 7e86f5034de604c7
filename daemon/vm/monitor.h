/*
 * monitor.h - the process that is a running VM, as hvmd sees it
 *
 * Spawns the monitor, or adopts one that an earlier hvmd has spawned, speaks the
 * protocol of abi/link.h with it, and watches it. It knows requests, replies and the
 * end, not what they mean for the VM.
 *
 * There is one way to the end: the process is gone, and its pidfd says so. A
 * monitor that breaks the protocol or closes its link is killed, which leads
 * there too. Before gone() each open request has been answered with -ECANCELED.
 *
 * A monitor that says nothing for a while is asked for something small. One that
 * leaves a request unanswered is unresponsive until it says anything: that is told, and decides nothing,
 * for it may be stopped by a debugger, or swapped out. monitor_stop() and
 * monitor_kill() work all the same.
 *
 * Nothing is called back from inside a function below; hooks and replies are
 * called from the event loop. monitor_free() may be called from gone() only, or
 * when no loop runs any more.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "abi/link.h"
#include "link/state.h"

struct cursor;
struct error;
struct event_base;
struct monitor;

/* LINK_STATE */
struct monitor_news {
	enum partition_role role;
	enum partition_state state;
	enum vm_reason reason;
	int32_t vcpu;        /* or -1 */
	uint64_t address;    /* RIP, or 0 */
	const char *details; /* never NULL */
};

/* LINK_HRT */
struct monitor_hrt {
	uint64_t flags, gva_offset, gva_entry, comm_page;
	uint32_t vector;
	char hypercall[8]; /* "port", "patch", ...; empty: there is no HRT */
	uint32_t n_patched;
	char upcall[8];    /* "pf", ... */
};

/* LINK_ROS */
struct monitor_ros {
	char protocol[16]; /* "multiboot2", ...; empty: nothing is booted */
	uint64_t entry;    /* GPA */
};

/* LINK_RUN */
struct monitor_run {
	uint8_t uuid[16];
	uint64_t started, changed; /* CLOCK_MONOTONIC, usec */
	uint32_t n_resets, n_resets_of[N_PARTITION_ROLES];
};

struct monitor_hooks {
	void (*partition)(void *userdata, const struct monitor_news *news);
	void (*hrt)(void *userdata, const struct monitor_hrt *hrt);
	void (*ros)(void *userdata, const struct monitor_ros *ros);
	/* An adopted monitor has told all there is to know. False when it is not the right one: then it is killed. */
	bool (*run)(void *userdata, const struct monitor_run *run);
	void (*launch)(void *userdata, const uint8_t digest[LINK_DIGEST_SIZE]);
	/* The guest has ended the VM (LINK_EXIT). */
	void (*exit)(void *userdata, int32_t status, const char *details);
	void (*reset_done)(void *userdata, enum link_scope scope, uint32_t first_vcpu, uint32_t n_vcpus);
	/* It has left a request unanswered, or answers again. May be NULL. */
	void (*responsive)(void *userdata, bool responsive);
	/*
	 * The process is gone and reaped. `how` is a sentence without its beginning: "was killed by signal 9
	 * (Killed)".
	 */
	void (*gone)(void *userdata, const char *how);
};

/*
 * The answer to a request: 0 and the reply's body, or a negative errno, a
 * sentence, and no body. A callback that cannot make sense of the body returns
 * false: then the monitor has broken the protocol.
 */
typedef bool (*monitor_reply_fn)(void *userdata, int error, const struct error *e, struct cursor *body);

/* Spawns the program at `path`. hooks are borrowed for the monitor's life. */
int monitor_spawn(struct event_base *base, const char *path, const struct monitor_hooks *hooks,
	void *userdata, struct monitor **ret, struct error *e);

struct run_found;

/*
 * Takes over a monitor that runs already. What it tells comes as if it had just happened, and then run().
 * It may speak another version than ours: then most requests are refused with -EOPNOTSUPP.
 */
int monitor_adopt(struct event_base *base, struct run_found *found, const struct monitor_hooks *hooks, void *userdata,
	struct monitor **ret, struct error *e);

/* Kills and reaps what still runs. Takes NULL; returns NULL. */
struct monitor *monitor_free(struct monitor *m);

/* As monitor_free(), but whoever can live on without us does. */
struct monitor *monitor_let_go(struct monitor *m);

pid_t monitor_pid(const struct monitor *m);

/* "whole", or "without " and what this host refuses to its cage; empty before its greeting. */
const char *monitor_cage(const struct monitor *m);

/*
 * Sends a request with its payload and descriptors (borrowed). When it returns
 * 0, `fn` is called exactly once: with the reply, with -ETIMEDOUT after the
 * request's time, or with -ECANCELED when the monitor is gone first.
 */
int monitor_ask(struct monitor *m, enum link_type type, const void *payload, size_t size, const int *fds,
	size_t n_fds, monitor_reply_fn fn, void *userdata, struct error *e);

/* Asks it to go and kills it when it is not gone after `timeout_usec`. Once more, sooner, is fine. */
void monitor_stop(struct monitor *m, uint64_t timeout_usec);

/* Kills it now. */
void monitor_kill(struct monitor *m);
