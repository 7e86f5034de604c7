/*
 * fresh.h - properties of a running VM that hvmd is not told of as they change
 *
 * A guest may change them a million times a second. So no signal tells of them, and
 * their monitor is asked when somebody reads one: TransactionState, NTransactions.
 */
#pragma once

#include <systemd/sd-bus.h>

struct bus;
struct fresh;

/* Looks at every call on this bus from now on. `bus` is borrowed. Before objects are added. */
int fresh_new(sd_bus *sd, struct bus *bus, struct fresh **ret);

/* Takes NULL; returns NULL. Calls that still wait are answered by nobody. */
struct fresh *fresh_free(struct fresh *fresh);
