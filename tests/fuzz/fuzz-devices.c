/*
 * fuzz-devices.c - guests with any INs and OUTs at the devices of a PC, and somebody who types
 *
 * The input is a row of accesses, mostly to ports where something is. The time is the
 * input's, too. What has to hold after each access is checked.
 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "abi/acpi.h"
#include "abi/hrt.h"
#include "abi/uart.h"
#include "base/cursor.h"
#include "base/macro.h"
#include "device/bus.h"
#include "device/debug-exit.h"
#include "device/debug-port.h"
#include "device/i8042.h"
#include "device/pci.h"
#include "device/pit.h"
#include "device/rtc.h"
#include "device/serial.h"
#include "fuzz.h"

#define EXIT_PORT 0xF4u
#define N_LINES   3u

static struct bus ports;
static struct irq_shared shared[2];
static struct serial com[COM_PORTS];
static struct rtc rtc;
static struct i8042 i8042;
static struct pci pci;
static struct power power;
static struct pit pit;
static struct debug_exit debug_exit;
static struct debug_port debug;

static struct line {
	bool level;
} lines[N_LINES];
static uint64_t now_nsec;

/* --- Who listens ---------------------------------------------------------------------------------------------- */

static void set_line(void *data, bool level)
{
	struct line *line = data;

	assert(line->level != level);
	line->level = level;
}

static void on_power(void *data, enum power_event event)
{
	(void)data;
	assert(event == POWER_OFF || event == POWER_RESET);
}

static void on_exit_value(void *data, const struct debug_exit *device, uint32_t value)
{
	(void)data, (void)device;
	assert(debug_exit_status(value) >= 0);
}

static void on_sent(void *data, uint8_t byte)
{
	debug_port_write(data, &byte, 1);
}

static void on_room(void *data)
{
	(void)data;
}

static void on_line(void *data, uint32_t core, const char *text, size_t size)
{
	(void)data, (void)core, (void)text;
	assert(size <= DEBUG_PORT_LINE_MAX);
}

static void on_begun(void *data, uint32_t core)
{
	(void)data, (void)core;
}

static const struct debug_port_listener debug_listener = {.line = on_line, .begun = on_begun};

static uint64_t clock_in_nsec(void)
{
	return now_nsec;
}

static uint64_t clock_in_usec(void)
{
	return now_nsec / 1000;
}

/* --- A PC ------------------------------------------------------------------------------------------------------- */

static struct irq_line line_of(size_t i)
{
	return (struct irq_line){.set = set_line, .data = &lines[i]};
}

static void must(int r)
{
	assert(r == 0);
}

static void make_com(void)
{
	static const uint16_t bases[COM_PORTS] = COM_BASES;
	static const uint8_t irqs[COM_PORTS] = COM_IRQS;

	for (size_t i = 0; i < 2; i++)
		irq_shared_init(&shared[i], line_of(i));
	for (size_t i = 0; i < COM_PORTS; i++) {
		struct serial_listener listener = {.sent = on_sent, .room = on_room, .data = &debug};

		serial_init(&com[i], irq_shared_line(&shared[irqs[i] == irqs[0]]), i == 0 ? listener : (struct serial_listener){});
		must(serial_attach(&com[i], bases[i], "serial", &ports, NULL));
	}
}

static void make_pc(void)
{
	struct power_listener listener = {.event = on_power};

	ports = (struct bus){};
	memset(lines, 0, sizeof(lines));
	debug_port_init(&debug, 0, &debug_listener);
	make_com();
	rtc_init(&rtc, 128 * MiB, 2);
	rtc.clock_usec = clock_in_usec;
	i8042_init(&i8042, listener);
	pci_init(&pci, listener);
	power_init(&power, line_of(2), listener);
	power.clock_nsec = clock_in_nsec;
	pit_init(&pit);
	debug_exit = (struct debug_exit){.port = EXIT_PORT, .exit = on_exit_value};
	must(rtc_attach(&rtc, &ports, NULL));
	must(i8042_attach(&i8042, &ports, NULL));
	must(pci_attach(&pci, &ports, NULL));
	must(power_attach(&power, &ports, NULL));
	must(debug_exit_attach(&debug_exit, &ports, NULL));
}

static void end_pc(void)
{
	pit_fini(&pit);
	power_fini(&power);
	pci_fini(&pci);
	i8042_fini(&i8042);
	rtc_fini(&rtc);
	for (size_t i = 0; i < COM_PORTS; i++)
		serial_fini(&com[i]);
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		irq_shared_fini(&shared[i]);
	debug_port_fini(&debug);
}

/* --- What a guest does ------------------------------------------------------------------------------------------ */

/* Of a device mostly, or next to one: an access may lie across its border. */
static uint16_t port(struct cursor *c)
{
	uint16_t raw = cursor_u16(c);
	const struct bus_device *device = &ports.devices[(raw >> 4) % ports.n];

	return raw % 8 ? (uint16_t)(device->start - 1 + (raw >> 9) % (device->size + 2)) : raw;
}

static void access_port(struct cursor *c, unsigned what)
{
	static const unsigned sizes[] = {1, 1, 2, 4};
	unsigned size = sizes[what >> 2 & 3];
	uint16_t at = port(c);
	uint8_t bytes[BUS_ACCESS_MAX] = {};

	for (unsigned i = 0; i < size; i++)
		bytes[i] = cursor_u8(c);
	if (what & 1)
		bus_write(&ports, at, bytes, size);
	else if (!bus_read(&ports, at, bytes, size))
		assert(bytes[0] == 0xFF && bytes[size - 1] == 0xFF);
}

static void access_pit(struct cursor *c, unsigned what)
{
	static const uint16_t at[] = {PIT_PORT_COUNT, PIT_PORT_CONTROL, PIT_PORT_GATE, PIT_PORT_COUNT};

	if (what & 1)
		pit_write(&pit, at[what >> 2 & 3], cursor_u8(c), now_nsec);
	else
		pit_read(&pit, at[what >> 2 & 3], now_nsec);
}

static void type(struct cursor *c)
{
	static const uint8_t text[512] = "typed";
	size_t size = cursor_u16(c) % sizeof(text);

	assert(serial_receive(&com[cursor_u8(c) % COM_PORTS], text, size) <= size);
}

static void reset(void)
{
	for (size_t i = 0; i < COM_PORTS; i++)
		serial_reset(&com[i]);
	i8042_reset(&i8042);
	pci_reset(&pci);
	power_reset(&power);
}

static void check(void)
{
	for (size_t i = 0; i < COM_PORTS; i++) {
		assert(com[i].fifo_used <= UART_FIFO_SIZE && com[i].fifo_first < UART_FIFO_SIZE);
		assert(com[i].queue_used <= SERIAL_QUEUE_SIZE && com[i].queue_first < SERIAL_QUEUE_SIZE);
	}
	for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
		assert(lines[i].level == (shared[i].raised != 0));
	assert(lines[2].level == power.raised);
	assert(debug.size <= DEBUG_PORT_LINE_MAX);
}

static void step(struct cursor *c)
{
	uint8_t what = cursor_u8(c);

	now_nsec += cursor_u8(c) * 1000ull;
	switch (what >> 4) {
	case 0:
		type(c);
		break;
	case 1:
		now_nsec += cursor_u32(c) * 1000ull;
		break;
	case 2:
		power_press_button(&power);
		break;
	case 3:
		if (what == 0x3F)
			reset();
		debug_port_flush(&debug, UINT64_MAX);
		break;
	case 4:
	case 5:
		access_pit(c, what);
		break;
	default:
		access_port(c, what);
	}
	check();
}

const char *const fuzz_corpus[] = {"tests/fuzz/corpus/devices", NULL};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c = cursor_init(data, size);

	now_nsec = 1000000000;
	make_pc();
	while (c.left > 0)
		step(&c);
	end_pc();
	return 0;
}
