/* irq.c - see irq.h */
#include "device/irq.h"

#include <assert.h>

void irq_shared_init(struct irq_shared *shared, struct irq_line pin)
{
	*shared = (struct irq_shared){.pin = pin};
	pthread_mutex_init(&shared->lock, NULL);
}

void irq_shared_fini(struct irq_shared *shared)
{
	pthread_mutex_destroy(&shared->lock);
}

static void set_sharer(void *data, bool level)
{
	struct irq_sharer *sharer = data;
	struct irq_shared *shared = sharer->shared;
	uint32_t before;

	pthread_mutex_lock(&shared->lock);
	before = shared->raised;
	shared->raised = level ? before | sharer->bit : before & ~sharer->bit;
	if (!before != !shared->raised)
		irq_set(&shared->pin, level);
	pthread_mutex_unlock(&shared->lock);
}

struct irq_line irq_shared_line(struct irq_shared *shared)
{
	struct irq_sharer *sharer = &shared->sharers[shared->n_sharers];

	assert(shared->n_sharers < IRQ_SHARERS_MAX);
	*sharer = (struct irq_sharer){.shared = shared, .bit = 1u << shared->n_sharers++};
	return (struct irq_line){.set = set_sharer, .data = sharer};
}
