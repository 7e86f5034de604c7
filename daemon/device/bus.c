/* bus.c - see bus.h */
#include "device/bus.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/checked.h"
#include "base/error.h"

int bus_add(struct bus *bus, const struct bus_device *device, struct error *e)
{
	size_t at = 0;

	assert(device->size > 0 && range_within(device->start, device->size, UINT64_MAX));
	for (size_t i = 0; i < bus->n; i++) {
		const struct bus_device *other = &bus->devices[i];

		if (ranges_overlap(device->start, device->size, other->start, other->size))
			return error_set(e, -EADDRINUSE, "%s at 0x%llx and %s at 0x%llx want the same place", device->name,
				(unsigned long long)device->start, other->name, (unsigned long long)other->start);
		if (other->start < device->start)
			at = i + 1;
	}
	if (bus->n == BUS_DEVICES_MAX)
		return error_set(e, -ENOSPC, "there is no room for %s: %d devices are there already", device->name,
			BUS_DEVICES_MAX);
	memmove(&bus->devices[at + 1], &bus->devices[at], (bus->n - at) * sizeof(*device));
	bus->devices[at] = *device;
	bus->n++;
	return 0;
}

/* The device that has this address, or NULL. */
static const struct bus_device *find(const struct bus *bus, uint64_t address)
{
	size_t low = 0, high = bus->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct bus_device *d = &bus->devices[middle];

		if (address < d->start)
			high = middle;
		else if (address - d->start >= d->size)
			low = middle + 1;
		else
			return d;
	}
	return NULL;
}

static bool whole(const struct bus_device *d, uint64_t address, unsigned size)
{
	return d && range_within(address - d->start, size, d->size);
}

bool bus_read(const struct bus *bus, uint64_t address, uint8_t *bytes, unsigned size)
{
	const struct bus_device *d = find(bus, address);
	bool any = false;

	if (whole(d, address, size)) {
		d->ops->read(d->data, address - d->start, bytes, size);
		return true;
	}
	if (size > 1) {
		for (unsigned i = 0; i < size; i++)
			any |= bus_read(bus, address + i, bytes + i, 1);
		return any;
	}
	*bytes = 0xFF;
	return false;
}

bool bus_write(const struct bus *bus, uint64_t address, const uint8_t *bytes, unsigned size)
{
	const struct bus_device *d = find(bus, address);
	bool any = false;

	if (whole(d, address, size)) {
		d->ops->write(d->data, address - d->start, bytes, size);
		return true;
	}
	for (unsigned i = 0; size > 1 && i < size; i++)
		any |= bus_write(bus, address + i, bytes + i, 1);
	return any;
}
