/*
 * memory.h - guest physical memory as we see it
 *
 * A handful of windows, each a run of GPAs that is one run of host memory. Guest
 * memory is reached through memory_at() and nothing else.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_WINDOWS_MAX 200 /* as many as a plan has regions, for who wants them apart; a machine has four */

struct memory_window {
	uint64_t gpa;
	uint64_t size; /* bytes */
	uint8_t *host; /* borrowed */
	bool readonly; /* for whoever sees memory through this struct */
};

struct memory {
	struct memory_window windows[MEMORY_WINDOWS_MAX];
	size_t n_windows;
};

/* Adds a window; it shares no GPA with the others. */
void memory_add(struct memory *memory, uint64_t gpa, uint64_t size, void *host);

void memory_add_readonly(struct memory *memory, uint64_t gpa, uint64_t size, void *host);

/* The window of this host memory, if there is one, is at another GPA from now on, where it shares none with the others. */
void memory_move(struct memory *memory, const void *host, uint64_t gpa);

/* Whether [gpa, gpa + size) lies wholly within one window that is not read-only. */
bool memory_writable(const struct memory *memory, uint64_t gpa, uint64_t size);

/* The host address of [gpa, gpa + size), or NULL where that is not wholly within one window. */
void *memory_at(const struct memory *memory, uint64_t gpa, uint64_t size);

/* The runs of RAM of a VM with `bytes` of it: one, or two around the device hole (abi/x86.h). */
struct ram_range {
	uint64_t gpa;
	uint64_t size;   /* bytes */
	uint64_t offset; /* bytes of RAM below this run */
};
size_t ram_layout(uint64_t bytes, struct ram_range ret[2]);

/* The GPA just above the last byte of RAM of a VM with `bytes` of it. */
uint64_t ram_end(uint64_t bytes);
