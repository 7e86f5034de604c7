/*
 * irq.h - the wire from a device to an interrupt controller
 *
 * A device is given its line when it is made and says only whether it is raised;
 * who listens at the other end (KVM's IOAPIC and PIC, a test) is not its matter.
 * Several devices on one pin, as COM1 and COM3 on IRQ 4, share it through a
 * struct irq_shared: the pin is raised while one of them raises its line.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct irq_line {
	/* The line is now so. Called with the device locked, when it changes, from any thread; NULL: nobody listens. */
	void (*set)(void *data, bool level);
	void *data;
};

static inline void irq_set(const struct irq_line *line, bool level)
{
	if (line->set)
		line->set(line->data, level);
}

#define IRQ_SHARERS_MAX 4

struct irq_shared {
	pthread_mutex_t lock;
	struct irq_line pin;
	uint32_t raised; /* one bit a sharer */
	struct irq_sharer {
		struct irq_shared *shared;
		uint32_t bit;
	} sharers[IRQ_SHARERS_MAX];
	unsigned n_sharers;
};

/* The pin's line is copied. */
void irq_shared_init(struct irq_shared *shared, struct irq_line pin);
void irq_shared_fini(struct irq_shared *shared);

/* A line of its own for one more device, IRQ_SHARERS_MAX at most. Before any of them is used. */
struct irq_line irq_shared_line(struct irq_shared *shared);
