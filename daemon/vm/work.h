/*
 * work.h - what would hold up the event loop, in threads of its own
 *
 * Copying and hashing images, and waiting for the disk. A piece of work touches
 * only what it was given; everything else belongs to the loop, and what comes of
 * the work is seen to there, by its `done`. A few pieces run at a time, the
 * others wait for their turn.
 */
#pragma once

#include <stdatomic.h>
#include <stddef.h>

struct error;
struct event_base;
struct workers;

/* Runs in a thread. Gives up soon after *cancelled has become true. */
typedef void (*work_fn)(void *userdata, const atomic_bool *cancelled);

/* Runs in the loop, exactly once: after the work, or instead of it when it was cancelled before its turn. */
typedef void (*work_done_fn)(void *userdata);

/* Nobody at work yet. base is borrowed. NULL when memory is short. */
struct workers *workers_new(struct event_base *base);

/* Drains them. Takes NULL; returns NULL. */
struct workers *workers_free(struct workers *workers);

/*
 * Has `run` run and then `done`, later; userdata is borrowed until then. Returns 0,
 * or with a sentence -ENOBUFS when too many wait already, -ECANCELED when they are
 * closed, -ENOMEM.
 */
int workers_start(struct workers *workers, work_fn run, work_done_fn done, void *userdata, struct error *e);

/* Cancels what is there and takes no more; each `done` still comes. */
void workers_close(struct workers *workers);

/*
 * Closes them and waits a second for what is under way. A thread that hangs in the
 * file system of somebody else is left behind, without its `done`.
 */
void workers_drain(struct workers *workers);

/* How many pieces of work are there, at work or waiting. */
size_t workers_n(const struct workers *workers);
