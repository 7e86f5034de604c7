/*
 * bus.h - hvmd on D-Bus
 *
 * Puts the registry on a bus as org.hvmd1: objects, methods, properties, signals.
 * Decides nothing about VMs. sd-bus is known in this folder only.
 */
#pragma once

struct bus;
struct error;
struct event_base;
struct registry;

/*
 * Connects to "system", "user" or an address, exports everything and takes the
 * name. base and registry are borrowed and outlive the bus. -EIO with a sentence
 * when there is no such bus or the name is taken.
 */
int bus_new(struct event_base *base, const char *address, struct registry *registry, struct bus **ret,
	struct error *e);

/* Says goodbye and closes. Takes NULL; returns NULL. */
struct bus *bus_free(struct bus *bus);

/*
 * Handles all that has come and sends all that can be sent, then arms the
 * descriptor and the time at which the bus wants attention again. Call it before
 * each wait of the event loop. -EIO when the connection is lost.
 */
int bus_dispatch(struct bus *bus, struct error *e);
