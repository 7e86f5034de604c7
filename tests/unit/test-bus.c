/* test-bus.c - who answers at which port */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "device/bus.h"

static char heard[256]; /* what devices were asked, in order */

static void on_read(void *data, uint64_t offset, uint8_t *bytes, unsigned size)
{
	snprintf(heard + strlen(heard), sizeof(heard) - strlen(heard), "%s r%llu/%u;", (const char *)data,
		(unsigned long long)offset, size);
	memset(bytes, 0x11, size);
}

static void on_write(void *data, uint64_t offset, const uint8_t *bytes, unsigned size)
{
	snprintf(heard + strlen(heard), sizeof(heard) - strlen(heard), "%s w%llu/%u=%02x;", (const char *)data,
		(unsigned long long)offset, size, bytes[0]);
}

static const struct bus_ops ops = {.read = on_read, .write = on_write};

static int add(struct bus *bus, const char *name, uint64_t start, uint64_t size, struct error *e)
{
	struct bus_device device = {.start = start, .size = size, .name = name, .ops = &ops, .data = (void *)name};

	return bus_add(bus, &device, e);
}

static struct bus bus;

static void setup(void)
{
	struct error e = {};

	bus = (struct bus){};
	heard[0] = '\0';
	cr_assert_eq(add(&bus, "b", 0x3F8, 8, &e), 0);
	cr_assert_eq(add(&bus, "c", 0x400, 1, &e), 0);
	cr_assert_eq(add(&bus, "a", 0x60, 1, &e), 0);
}

TestSuite(bus, .init = setup);

Test(bus, hands_an_access_to_the_device_that_has_the_port)
{
	uint8_t bytes[4] = {};

	cr_assert(bus_read(&bus, 0x3FD, bytes, 1));
	cr_assert(bus_write(&bus, 0x3F8, (const uint8_t[]){0x41, 0x42}, 2));
	cr_assert(bus_read(&bus, 0x60, bytes, 1));
	cr_assert_str_eq(heard, "b r5/1;b w0/2=41;a r0/1;");
}

Test(bus, reads_all_ones_where_nobody_answers)
{
	uint8_t bytes[4] = {};

	cr_assert_not(bus_read(&bus, 0x61, bytes, 4));
	cr_assert_arr_eq(bytes, ((uint8_t[]){0xFF, 0xFF, 0xFF, 0xFF}), 4);
	cr_assert_not(bus_write(&bus, 0x61, bytes, 4));
	cr_assert_str_empty(heard);
}

Test(bus, takes_an_access_across_an_edge_apart)
{
	uint8_t bytes[4] = {};

	cr_assert(bus_read(&bus, 0x3FE, bytes, 4));
	cr_assert_arr_eq(bytes, ((uint8_t[]){0x11, 0x11, 0x11, 0xFF}) + 0, 2);
	cr_assert_eq(bytes[2], 0x11, "the next device has 0x400");
	cr_assert_eq(bytes[3], 0xFF);
	cr_assert_str_eq(heard, "b r6/1;b r7/1;c r0/1;");
	heard[0] = '\0';
	cr_assert(bus_write(&bus, 0x3F6, (const uint8_t[]){1, 2, 3, 4}, 4));
	cr_assert_str_eq(heard, "b w0/1=03;b w1/1=04;");
}

Test(bus, does_not_wrap_at_the_last_address)
{
	uint8_t bytes[8] = {};

	cr_assert_not(bus_read(&bus, UINT64_MAX - 3, bytes, 8));
	cr_assert_eq(bytes[7], 0xFF);
}

Test(bus, refuses_two_devices_at_one_place_and_names_both)
{
	struct error e = {};

	cr_assert_eq(add(&bus, "d", 0x3FF, 2, &e), -EADDRINUSE);
	cr_assert_str_eq(e.text, "d at 0x3ff and b at 0x3f8 want the same place");
	cr_assert_eq(bus.n, 3);
}

Test(bus, refuses_more_devices_than_it_holds)
{
	struct error e = {};
	int r = 0;

	for (unsigned i = 0; r == 0 && i <= BUS_DEVICES_MAX; i++)
		r = add(&bus, "d", 0x1000 + i, 1, &e);
	cr_assert_eq(r, -ENOSPC);
	cr_assert_eq(bus.n, BUS_DEVICES_MAX);
	cr_assert_str_eq(e.text, "there is no room for d: 32 devices are there already");
}
