/*
 * debug-exit.h - a port by which a guest ends its VM with a status
 *
 * Four bytes wide, as QEMU's isa-debug-exit: a write of v, of any width and at any
 * of the four ports, ends the VM with the status (v << 1) | 1. Reads give 0.
 */
#pragma once

#include <stdint.h>

struct bus;
struct error;

#define DEBUG_EXIT_BYTES 4u

struct debug_exit {
	uint16_t port;
	/* Called on the thread of the core that wrote. */
	void (*exit)(void *data, const struct debug_exit *device, uint32_t value);
	void *data; /* borrowed */
};

/* What a VM that has ended by this value leaves behind: 31 bits of it. */
static inline int32_t debug_exit_status(uint32_t value)
{
	return (int32_t)((value << 1 | 1) & INT32_MAX);
}

/* Answers at its ports. The device is borrowed. Fails as bus_add() does. */
int debug_exit_attach(struct debug_exit *device, struct bus *ports, struct error *e);
