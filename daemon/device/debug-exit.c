/* debug-exit.c - see debug-exit.h */
#include "device/debug-exit.h"

#include <string.h>

#include "device/bus.h"

static void on_read(void *data, uint64_t offset, uint8_t *bytes, unsigned size)
{
	(void)data, (void)offset;
	memset(bytes, 0, size);
}

static void on_write(void *data, uint64_t offset, const uint8_t *bytes, unsigned size)
{
	const struct debug_exit *device = data;
	uint32_t value = 0;

	(void)offset;
	for (unsigned i = 0; i < size; i++)
		value |= (uint32_t)bytes[i] << (8 * i);
	device->exit(device->data, device, value);
}

int debug_exit_attach(struct debug_exit *device, struct bus *ports, struct error *e)
{
	static const struct bus_ops ops = {.read = on_read, .write = on_write};
	struct bus_device d = {
		.start = device->port, .size = DEBUG_EXIT_BYTES, .name = "debug-exit port", .ops = &ops, .data = device};

	return bus_add(ports, &d, e);
}
