/* pit.c - see pit.h */
#include "device/pit.h"

#include "base/clock.h"
#include "device/bus.h"

#define CONTROL_CHANNEL_2  2u /* bits 7:6 of the control word */
#define CONTROL_READ_BACK  3u
#define READ_BACK_SELECT_2 0x08u /* of a read-back command: channel 2 */
#define READ_BACK_NO_COUNT 0x20u /* of a read-back command: leave the count alone */

#define GATE_GATE2   0x01u /* port 0x61 */
#define GATE_SPEAKER 0x02u
#define GATE_REFRESH 0x10u /* toggles as memory is refreshed, every 15 usec */
#define GATE_OUT2    0x20u

#define NSEC_PER_SEC UINT64_C(1000000000)

void pit_init(struct pit *pit)
{
	*pit = (struct pit){.access = 3};
	pthread_mutex_init(&pit->lock, NULL);
}

void pit_fini(struct pit *pit)
{
	pthread_mutex_destroy(&pit->lock);
}

static uint32_t period(const struct pit *pit)
{
	return pit->reload ? pit->reload : 65536;
}

/* Timer ticks since counting began, without those during which a closed gate held it. */
static uint64_t ticks(const struct pit *pit, uint64_t now)
{
	uint64_t until = pit->held_nsec ? pit->held_nsec : now;
	uint64_t elapsed = until - pit->start_nsec;

	/* In two steps, so that the product does not overflow. */
	return elapsed / NSEC_PER_SEC * PIT_HZ + elapsed % NSEC_PER_SEC * PIT_HZ / NSEC_PER_SEC;
}

static bool is_periodic(const struct pit *pit)
{
	return pit->mode == 2 || pit->mode == 3;
}

/* Modes 1 and 5 count from a rising gate; the others from a load, while the gate is open. */
static bool is_triggered(const struct pit *pit)
{
	return pit->mode == 1 || pit->mode == 5;
}

static uint16_t count(const struct pit *pit, uint64_t now)
{
	uint64_t t;

	if (!pit->counting)
		return pit->reload;
	t = ticks(pit, now);
	if (pit->mode == 3) /* counts by twos, twice a period */
		return (uint16_t)(period(pit) - 2 * t % period(pit));
	if (pit->mode == 2)
		return (uint16_t)(period(pit) - t % period(pit));
	return (uint16_t)(period(pit) - t); /* goes on below zero, as the chip does */
}

static bool out2(const struct pit *pit, uint64_t now)
{
	uint64_t t;

	if (!pit->counting)
		return pit->mode != 0;
	t = ticks(pit, now);
	switch (pit->mode) {
	case 0:
	case 1:
		return t >= period(pit);
	case 2:
		return !pit->gate || t % period(pit) != period(pit) - 1u;
	case 3:
		return !pit->gate || t % period(pit) < (period(pit) + 1u) / 2;
	default:
		return t != period(pit); /* one tick low when the count ends */
	}
}

static void start(struct pit *pit, uint64_t now)
{
	pit->counting = true;
	pit->start_nsec = now;
	pit->held_nsec = pit->gate || is_triggered(pit) ? 0 : now;
}

static void load(struct pit *pit, uint16_t value, uint64_t now)
{
	pit->reload = value;
	if (!is_triggered(pit))
		start(pit, now);
}

static void set_gate(struct pit *pit, bool gate, uint64_t now)
{
	bool rises = gate && !pit->gate;

	if (pit->gate == gate)
		return;
	pit->gate = gate;
	if (rises && (is_triggered(pit) || (is_periodic(pit) && pit->counting))) {
		start(pit, now);
	} else if (!is_triggered(pit) && pit->counting) {
		if (rises && pit->held_nsec) {
			pit->start_nsec += now - pit->held_nsec;
			pit->held_nsec = 0;
		} else if (!rises) {
			pit->held_nsec = now;
		}
	}
}

static void latch_count(struct pit *pit, uint64_t now)
{
	if (pit->latched)
		return;
	pit->latch = count(pit, now);
	pit->latched = true;
}

static void write_control(struct pit *pit, uint8_t value, uint64_t now)
{
	unsigned channel = value >> 6, access = value >> 4 & 3, mode = value >> 1 & 7;

	if (channel == CONTROL_READ_BACK) {
		if (value & READ_BACK_SELECT_2 && !(value & READ_BACK_NO_COUNT))
			latch_count(pit, now);
		return;
	}
	if (channel != CONTROL_CHANNEL_2)
		return;
	if (access == 0) {
		latch_count(pit, now);
		return;
	}
	pit->access = (uint8_t)access;
	pit->mode = (uint8_t)(mode > 5 ? mode - 4 : mode); /* 6 and 7 are 2 and 3 */
	pit->counting = pit->latched = pit->write_high = pit->read_high = false;
}

static void write_count(struct pit *pit, uint8_t value, uint64_t now)
{
	if (pit->access == 1) {
		load(pit, value, now);
	} else if (pit->access == 2) {
		load(pit, (uint16_t)(value << 8), now);
	} else if (pit->write_high) {
		pit->write_high = false;
		load(pit, (uint16_t)(value << 8 | pit->write_low), now);
	} else {
		pit->write_high = true;
		pit->write_low = value;
	}
}

static uint8_t read_count(struct pit *pit, uint64_t now)
{
	uint16_t value = pit->latched ? pit->latch : count(pit, now);
	bool high = pit->access == 2 || (pit->access == 3 && pit->read_high);

	if (pit->access == 3)
		pit->read_high = !pit->read_high;
	if (pit->access != 3 || high)
		pit->latched = false;
	return (uint8_t)(high ? value >> 8 : value);
}

static uint8_t read_gate(struct pit *pit, uint64_t now)
{
	return (uint8_t)((pit->gate ? GATE_GATE2 : 0) | (pit->speaker ? GATE_SPEAKER : 0) |
		(now / 15000 & 1 ? GATE_REFRESH : 0) | (out2(pit, now) ? GATE_OUT2 : 0));
}

void pit_write(struct pit *pit, uint16_t port, uint8_t value, uint64_t now_nsec)
{
	pthread_mutex_lock(&pit->lock);
	if (port == PIT_PORT_CONTROL) {
		write_control(pit, value, now_nsec);
	} else if (port == PIT_PORT_COUNT) {
		write_count(pit, value, now_nsec);
	} else {
		pit->speaker = value & GATE_SPEAKER;
		set_gate(pit, value & GATE_GATE2, now_nsec);
	}
	pthread_mutex_unlock(&pit->lock);
}

uint8_t pit_read(struct pit *pit, uint16_t port, uint64_t now_nsec)
{
	uint8_t value = 0xFF; /* the control word cannot be read */

	pthread_mutex_lock(&pit->lock);
	if (port == PIT_PORT_COUNT)
		value = read_count(pit, now_nsec);
	else if (port == PIT_PORT_GATE)
		value = read_gate(pit, now_nsec);
	pthread_mutex_unlock(&pit->lock);
	return value;
}

/* --- On the bus: the registers are a byte wide each ----------------------------------------------------------- */

static void count_read(void *data, uint64_t offset, uint8_t *bytes, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		bytes[i] = pit_read(data, (uint16_t)(PIT_PORT_COUNT + offset + i), clock_nsec());
}

static void count_write(void *data, uint64_t offset, const uint8_t *bytes, unsigned size)
{
	for (unsigned i = 0; i < size; i++)
		pit_write(data, (uint16_t)(PIT_PORT_COUNT + offset + i), bytes[i], clock_nsec());
}

static void gate_read(void *data, uint64_t offset, uint8_t *bytes, unsigned size)
{
	(void)offset, (void)size; /* there is one */
	*bytes = pit_read(data, PIT_PORT_GATE, clock_nsec());
}

static void gate_write(void *data, uint64_t offset, const uint8_t *bytes, unsigned size)
{
	(void)offset, (void)size;
	pit_write(data, PIT_PORT_GATE, *bytes, clock_nsec());
}

int pit_attach(struct pit *pit, struct bus *ports, struct error *e)
{
	static const struct bus_ops count_ops = {.read = count_read, .write = count_write};
	static const struct bus_ops gate_ops = {.read = gate_read, .write = gate_write};
	struct bus_device counter = {
		.start = PIT_PORT_COUNT, .size = 2, .name = "the timer's channel 2", .ops = &count_ops, .data = pit};
	struct bus_device gate = {
		.start = PIT_PORT_GATE, .size = 1, .name = "the timer's gate", .ops = &gate_ops, .data = pit};
	int r = bus_add(ports, &counter, e);

	return r < 0 ? r : bus_add(ports, &gate, e);
}
