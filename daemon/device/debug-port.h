/*
 * debug-port.h - port 0xC0C0: a guest prints a byte at a time, we keep lines
 *
 * Each core has its own port, so that lines of different cores stay whole. A
 * line ends at '\n', after 1023 bytes, or when its owner flushes it [spec 1.4].
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEBUG_PORT_LINE_MAX 1023 /* bytes */

struct debug_port_listener {
	/* A line, or what there is of one; called with the port locked. */
	void (*line)(void *data, uint32_t core, const char *text, size_t size);
	/* A line has begun and should be flushed if it does not end soon. */
	void (*begun)(void *data, uint32_t core);
	void *data;
};

struct debug_port {
	pthread_mutex_t lock; /* between the core and whoever flushes */
	uint32_t core;
	const struct debug_port_listener *listener; /* borrowed */
	size_t size;
	uint64_t last_usec; /* CLOCK_MONOTONIC, when the last byte came */
	char line[DEBUG_PORT_LINE_MAX];
};

void debug_port_init(struct debug_port *port, uint32_t core, const struct debug_port_listener *listener);
void debug_port_fini(struct debug_port *port);

/* The guest has written these bytes. */
void debug_port_write(struct debug_port *port, const uint8_t *bytes, size_t size);

/* Hands on an unfinished line whose last byte came at or before `until_usec`. Whether a younger one is left. */
bool debug_port_flush(struct debug_port *port, uint64_t until_usec);
