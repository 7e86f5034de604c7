/* errors.c - errnos and D-Bus error names, both ways; the table is abi/names.h */
#include <errno.h>
#include <stdlib.h>

#include "abi/names.h"
#include "base/macro.h"
#include "bus/objects.h"

static const sd_bus_error_map names[] = {
#define X(name, error) SD_BUS_ERROR_MAP(name, error),
	HVMD_ERRORS(X)
#undef X
	SD_BUS_ERROR_MAP_END
};

void bus_errors_register(void)
{
	/* fails only without memory, and then our own errors are plain -EIO inside sd-bus: no harm */
	(void)sd_bus_error_add_map(names);
}

const char *bus_error_name(int error)
{
	for (size_t i = 0; names[i].name; i++)
		if (names[i].code == abs(error))
			return names[i].name;
	return "org.freedesktop.DBus.Error.Failed";
}

int bus_fail(sd_bus_error *ret_error, int error, const struct error *e)
{
	return sd_bus_error_set(ret_error, bus_error_name(error), error_text(e, error));
}

int bus_check_flags(uint64_t flags, uint64_t known, sd_bus_error *ret_error)
{
	struct error e;

	if (!(flags & ~known))
		return 0;
	error_set(&e, -EINVAL, "flags 0x%llx are not known; known are 0x%llx",
		(unsigned long long)(flags & ~known), (unsigned long long)known);
	return bus_fail(ret_error, -EINVAL, &e);
}
