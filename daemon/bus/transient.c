/* transient.c - see transient.h */
#include "bus/transient.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define STOP_USEC (10 * 1000000ull) /* when systemd stops the scope: SIGTERM, and SIGKILL after so long */

static int append_property(sd_bus_message *m, const char *name, const char *type, ...)
{
	va_list ap;
	int r;

	r = sd_bus_message_open_container(m, 'r', "sv");
	if (r >= 0)
		r = sd_bus_message_append(m, "s", name);
	if (r >= 0)
		r = sd_bus_message_open_container(m, 'v', type);
	va_start(ap, type);
	if (r >= 0)
		r = sd_bus_message_appendv(m, type, ap);
	va_end(ap);
	if (r >= 0)
		r = sd_bus_message_close_container(m);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static int append_properties(sd_bus_message *m, const struct transient *t)
{
	char description[128];
	int r;

	snprintf(description, sizeof(description), "Virtual machine %s", t->vm);
	r = sd_bus_message_open_container(m, 'a', "(sv)");
	if (r >= 0)
		r = append_property(m, "Description", "s", description);
	if (r >= 0)
		r = append_property(m, "Slice", "s", "hvmd.slice");
	if (r >= 0)
		r = append_property(m, "PIDs", "au", 1, (uint32_t)t->leader);
	if (r >= 0)
		r = append_property(m, "MemoryMax", "t", t->memory_max);
	if (r >= 0 && t->cpu_weight > 0)
		r = append_property(m, "CPUWeight", "t", t->cpu_weight);
	if (r >= 0)
		r = append_property(m, "TimeoutStopUSec", "t", STOP_USEC);
	if (r >= 0)
		r = append_property(m, "CollectMode", "s", "inactive-or-failed");
	return r < 0 ? r : sd_bus_message_close_container(m);
}

int transient_new(sd_bus *bus, const struct transient *t, sd_bus_message **ret)
{
	_cleanup_free_ char *name = NULL;
	sd_bus_message *m = NULL;
	int r;

	if (asprintf(&name, TRANSIENT_NAME, t->vm) < 0)
		return -ENOMEM;
	r = sd_bus_message_new_method_call(
		bus, &m, SYSTEMD_NAME, "/org/freedesktop/systemd1", SYSTEMD_NAME ".Manager", "StartTransientUnit");
	if (r >= 0)
		r = sd_bus_message_set_auto_start(m, 0);
	if (r >= 0)
		r = sd_bus_message_append(m, "ss", name, "fail");
	if (r >= 0)
		r = append_properties(m, t);
	if (r >= 0)
		r = sd_bus_message_append(m, "a(sa(sv))", 0);
	if (r < 0) {
		sd_bus_message_unref(m);
		return r;
	}
	*ret = m;
	return 0;
}
