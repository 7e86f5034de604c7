/*
 * bus.h - who answers at which port, or at which guest physical address
 *
 * A partition has two of these, one for its ports and one for addresses without
 * memory (MMIO). A bus is filled before the first core runs and does not change
 * afterwards, so that cores look it up without a lock; each device has a lock of
 * its own, since several cores may be at it at once.
 *
 * An access that lies in one device reaches it whole. One that does not, wholly
 * or in part, is taken apart into bytes, as an ISA bus does; bytes that nobody
 * answers read all ones.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define BUS_DEVICES_MAX 32
#define BUS_ACCESS_MAX  8 /* bytes of one access; ports have up to 4 */

/* Called on the core's own thread. `size` is 1 to BUS_ACCESS_MAX, and offset + size lies within the device. */
struct bus_ops {
	void (*read)(void *data, uint64_t offset, uint8_t *bytes, unsigned size);
	void (*write)(void *data, uint64_t offset, const uint8_t *bytes, unsigned size);
};

struct bus_device {
	uint64_t start, size; /* ports, or GPAs */
	const char *name;     /* for a person: "serial port COM1" */
	/* borrowed */
	const struct bus_ops *ops;
	void *data;
};

struct bus {
	struct bus_device devices[BUS_DEVICES_MAX]; /* in ascending order, no two overlap */
	size_t n;
};

/* Adds a device. Returns 0, -EADDRINUSE naming the device that has the place, or -ENOSPC; both with a sentence. */
int bus_add(struct bus *bus, const struct bus_device *device, struct error *e);

/* Fills `bytes`. Whether anybody answered. */
bool bus_read(const struct bus *bus, uint64_t address, uint8_t *bytes, unsigned size);

/* Whether anybody took a byte of it. */
bool bus_write(const struct bus *bus, uint64_t address, const uint8_t *bytes, unsigned size);
