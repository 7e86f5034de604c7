/*
 * setup.h - what a monitor is told to build: its definition, and the descriptors that go with it
 *
 * All of it is collected before there is a monitor, so that a start that cannot come to pass does
 * not begin.
 */
#pragma once

#include "base/cleanup.h"
#include "vm/monitor.h"

struct error;
struct vm;
struct vm_setup;
struct vm_start_options;

/* Collects. `options` may be NULL. 0, or a negative errno with a sentence. */
int vm_setup_new(struct vm *vm, const struct vm_start_options *options, struct vm_setup **ret, struct error *e);

/* LINK_SETUP; as monitor_ask(). */
int vm_setup_send(const struct vm_setup *setup, struct monitor *m, monitor_reply_fn fn, void *userdata, struct error *e);

/* Takes NULL; returns NULL. */
struct vm_setup *vm_setup_free(struct vm_setup *setup);
DEFINE_CLEANUP(struct vm_setup *, vm_setup_free);
