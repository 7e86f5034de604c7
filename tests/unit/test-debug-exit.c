/* test-debug-exit.c - the port by which a guest ends its VM */
#include <criterion/criterion.h>

#include "base/error.h"
#include "device/bus.h"
#include "device/debug-exit.h"

static uint32_t last;
static unsigned n;

static void on_exit_written(void *data, const struct debug_exit *device, uint32_t value)
{
	cr_assert_eq(data, &n);
	cr_assert_eq(device->port, 0xF4);
	last = value;
	n++;
}

static struct bus bus;
static struct debug_exit device = {.port = 0xF4, .exit = on_exit_written, .data = &n};

static void setup(void)
{
	struct error e = {};

	bus = (struct bus){};
	n = 0;
	cr_assert_eq(debug_exit_attach(&device, &bus, &e), 0);
}

TestSuite(debug_exit, .init = setup);

Test(debug_exit, takes_a_write_of_any_width_at_each_of_its_ports)
{
	cr_assert(bus_write(&bus, 0xF4, (const uint8_t[]){0x10, 0x32, 0x54, 0x76}, 4));
	cr_assert_eq(last, 0x76543210);
	cr_assert(bus_write(&bus, 0xF4, (const uint8_t[]){0x21, 0x43}, 2));
	cr_assert_eq(last, 0x4321);
	cr_assert(bus_write(&bus, 0xF7, (const uint8_t[]){7}, 1));
	cr_assert_eq(last, 7);
	cr_assert_eq(n, 3);
	cr_assert_not(bus_write(&bus, 0xF8, (const uint8_t[]){7}, 1));
}

Test(debug_exit, reads_zero)
{
	uint8_t bytes[4] = {1, 2, 3, 4};

	cr_assert(bus_read(&bus, 0xF4, bytes, 4));
	cr_assert_arr_eq(bytes, ((uint8_t[]){0, 0, 0, 0}), 4);
	cr_assert_eq(n, 0);
}

Test(debug_exit, makes_the_status_that_qemu_makes)
{
	cr_assert_eq(debug_exit_status(0), 1);
	cr_assert_eq(debug_exit_status(0x10), 33);
	cr_assert_eq(debug_exit_status(0x7FFFFFFF), INT32_MAX);
	cr_assert_eq(debug_exit_status(0xFFFFFFFF), INT32_MAX);
}
