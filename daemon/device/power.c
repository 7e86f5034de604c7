/* power.c - see power.h */
#include "device/power.h"

#include "base/clock.h"
#include "base/macro.h"
#include "device/bus.h"

#define PORT_92       0x92
#define PORT_92_RESET 0x01u
#define PORT_92_A20   0x02u

#define NSEC_PER_SEC UINT64_C(1000000000)

static void tell(struct power *p, enum power_event event)
{
	p->listener.event(p->listener.data, event);
}

static void update_sci(struct power *p)
{
	bool level = p->status & p->enable;

	if (level == p->raised)
		return;
	p->raised = level;
	irq_set(&p->sci, level);
}

/* 24 bits of 3.579545 MHz. In two steps, so that the product does not overflow. */
static uint32_t timer(const struct power *p)
{
	uint64_t now = p->clock_nsec();
	uint64_t ticks = now / NSEC_PER_SEC * ACPI_PM_TIMER_HZ + now % NSEC_PER_SEC * ACPI_PM_TIMER_HZ / NSEC_PER_SEC;

	return (uint32_t)ticks & 0xFFFFFFu;
}

static uint64_t read_block(const struct power *p)
{
	return p->status | (uint32_t)p->enable << 16 | (uint64_t)(p->control | ACPI_PM1_SCI_EN) << 32;
}

static void pm_read(void *data, uint64_t offset, uint8_t *bytes, unsigned size)
{
	struct power *p = data;
	uint64_t block;

	pthread_mutex_lock(&p->lock);
	block = read_block(p);
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < size; i++)
		bytes[i] = (uint8_t)(block >> 8 * (offset + i));
}

/* Writes one byte of the block; a 1 clears a status bit. */
static void write_byte(struct power *p, uint64_t offset, uint8_t value)
{
	unsigned shift = offset & 1 ? 8 : 0;
	uint16_t bits = (uint16_t)(value << shift), mask = (uint16_t)(0xFFu << shift);

	switch (offset / 2) {
	case 0:
		p->status &= (uint16_t)~bits;
		break;
	case 1:
		p->enable = (uint16_t)((p->enable & ~mask) | (bits & ACPI_PM1_EVENTS));
		break;
	case 2:
		p->control = (uint16_t)((p->control & ~mask) | (bits & ~(ACPI_PM1_SLP_EN | ACPI_PM1_SCI_EN)));
		break;
	}
}

/* Whether this write to the control register, of which the type is in place, says to go to S5. */
static bool goes_off(const struct power *p, uint64_t offset, const uint8_t *bytes, unsigned size)
{
	const uint64_t high = ACPI_PM1_CONTROL - ACPI_PM1_EVENT + 1;

	return offset <= high && high - offset < size && bytes[high - offset] & ACPI_PM1_SLP_EN >> 8 &&
	       (p->control & ACPI_PM1_SLP_TYP) == ACPI_S5_TYPE << ACPI_PM1_SLP_TYP_SHIFT;
}

static void pm_write(void *data, uint64_t offset, const uint8_t *bytes, unsigned size)
{
	struct power *p = data;
	bool off;

	pthread_mutex_lock(&p->lock);
	for (unsigned i = 0; i < size; i++)
		write_byte(p, offset + i, bytes[i]);
	update_sci(p);
	off = goes_off(p, offset, bytes, size);
	pthread_mutex_unlock(&p->lock);
	if (off)
		tell(p, POWER_OFF);
}

static void timer_read(void *data, uint64_t offset, uint8_t *bytes, unsigned size)
{
	uint32_t value = timer(data);

	for (unsigned i = 0; i < size; i++)
		bytes[i] = (uint8_t)(value >> 8 * (offset + i));
}

static void ignore_write(void *data, uint64_t offset, const uint8_t *bytes, unsigned size)
{
	(void)data, (void)offset, (void)bytes, (void)size;
}

static void port_92_read(void *data, uint64_t offset, uint8_t *bytes, unsigned size)
{
	(void)data, (void)offset, (void)size;
	*bytes = PORT_92_A20; /* always on */
}

static void port_92_write(void *data, uint64_t offset, const uint8_t *bytes, unsigned size)
{
	(void)offset, (void)size;
	if (*bytes & PORT_92_RESET)
		tell(data, POWER_RESET);
}

bool power_press_button(struct power *p)
{
	bool listens;

	pthread_mutex_lock(&p->lock);
	listens = p->enable & ACPI_PM1_PWRBTN;
	p->status |= ACPI_PM1_PWRBTN;
	update_sci(p);
	pthread_mutex_unlock(&p->lock);
	return listens;
}

void power_init(struct power *p, struct irq_line sci, struct power_listener listener)
{
	*p = (struct power){.sci = sci, .listener = listener, .clock_nsec = clock_nsec};
	pthread_mutex_init(&p->lock, NULL);
}

void power_fini(struct power *p)
{
	pthread_mutex_destroy(&p->lock);
}

void power_reset(struct power *p)
{
	pthread_mutex_lock(&p->lock);
	p->status = p->enable = p->control = 0;
	update_sci(p);
	pthread_mutex_unlock(&p->lock);
}

int power_attach(struct power *p, struct bus *ports, struct error *e)
{
	static const struct bus_ops pm_ops = {.read = pm_read, .write = pm_write};
	static const struct bus_ops timer_ops = {.read = timer_read, .write = ignore_write};
	static const struct bus_ops port_92_ops = {.read = port_92_read, .write = port_92_write};
	const struct bus_device devices[] = {
		{.start = ACPI_PM1_EVENT, .size = 6, .name = "ACPI's PM1 registers", .ops = &pm_ops, .data = p},
		{.start = ACPI_PM_TIMER, .size = 4, .name = "ACPI's timer", .ops = &timer_ops, .data = p},
		{.start = PORT_92, .size = 1, .name = "port 0x92", .ops = &port_92_ops, .data = p},
	};
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(devices) && r == 0; i++)
		r = bus_add(ports, &devices[i], e);
	return r;
}
