/*
 * bus.c - the connection: opening it, driving it from libevent, closing it
 *
 * sd-bus says what it waits for (a descriptor, directions, a time), and that
 * changes whenever it has processed or queued something. So nothing is
 * processed in the events below: they only end the wait, and bus_dispatch(),
 * before the next wait, does all the work and then asks anew.
 *
 * Tour 210: The call arrives here. Each method checks its arguments, asks the
 * layer below, and keeps the message until there is something true to answer.
 */
#include "bus/bus.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "abi/names.h"
#include "base/clock.h"
#include "base/log.h"
#include "bus/fresh.h"
#include "bus/objects.h"
#include "bus/policy.h"
#include "bus/turns.h"

static void wake(evutil_socket_t fd, short what, void *userdata)
{
	(void)fd, (void)what, (void)userdata;
}

/* Trusted: sd-bus leaves it to us who may do what (policy.h). It wants to hear that before the connection is made. */
static int open_address(sd_bus **ret, const char *address)
{
	sd_bus *sd = NULL;
	int r;

	r = sd_bus_new(&sd);
	if (r >= 0)
		r = sd_bus_set_address(sd, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(sd, 1);
	if (r >= 0)
		r = sd_bus_set_trusted(sd, 1);
	if (r >= 0)
		r = sd_bus_start(sd);
	if (r < 0) {
		sd_bus_unref(sd);
		return r;
	}
	*ret = sd;
	return 0;
}

/* Where the D-Bus specification has the two well-known buses. */
static int open_system(sd_bus **ret)
{
	const char *address = secure_getenv("DBUS_SYSTEM_BUS_ADDRESS");

	return open_address(ret, address ? address : "unix:path=/run/dbus/system_bus_socket");
}

static int open_user(sd_bus **ret)
{
	const char *address = secure_getenv("DBUS_SESSION_BUS_ADDRESS"), *folder = secure_getenv("XDG_RUNTIME_DIR");
	_cleanup_free_ char *socket = NULL;

	if (address)
		return open_address(ret, address);
	if (!folder)
		return -ENOENT;
	return asprintf(&socket, "unix:path=%s/bus", folder) < 0 ? -ENOMEM : open_address(ret, socket);
}

static int open_bus(sd_bus **ret, const char *address)
{
	if (strcmp(address, "system") == 0)
		return open_system(ret);
	if (strcmp(address, "user") == 0)
		return open_user(ret);
	return open_address(ret, address);
}

static int export(struct bus *bus, bool asks)
{
	int r;

	r = policy_new(bus->sd, asks, &bus->policy);
	if (r >= 0) /* asked before the policy */
		r = turns_new(bus->sd, &bus->turns);
	if (r >= 0)
		r = fresh_new(bus->sd, bus, &bus->fresh);
	if (r >= 0)
		r = sd_bus_add_object_vtable(
			bus->sd, NULL, HVMD_LOG_CONTROL_PATH, HVMD_IFACE_LOG_CONTROL, log_control_vtable, bus);
	if (r >= 0)
		r = sd_bus_add_object_manager(bus->sd, NULL, HVMD_PATH);
	if (r >= 0) /* asked before the object manager */
		r = sd_bus_add_object(bus->sd, NULL, HVMD_PATH, refuse_managed_objects, bus);
	if (r >= 0)
		r = sd_bus_add_object_vtable(
			bus->sd, NULL, HVMD_PATH, HVMD_IFACE_MANAGER, manager_vtable, bus);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(
			bus->sd, NULL, HVMD_VM_PREFIX, HVMD_IFACE_VM, vm_vtable, find_vm, bus);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(bus->sd, NULL, HVMD_VM_PREFIX, HVMD_IFACE_PARTITION,
			partition_vtable, find_partition, bus);
	if (r >= 0)
		r = sd_bus_add_fallback_vtable(
			bus->sd, NULL, HVMD_VM_PREFIX, HVMD_IFACE_HRT, hrt_vtable, find_hrt, bus);
	if (r >= 0)
		r = sd_bus_add_node_enumerator(bus->sd, NULL, HVMD_VM_PREFIX, enumerate_vms, bus);
	return r;
}

static int connect_bus(struct bus *bus, const char *address, struct error *e)
{
	int r;

	r = open_bus(&bus->sd, address);
	if (r < 0)
		return error_set(e, -EIO, "connecting to the bus \"%s\": %s", address, strerror(-r));
	bus_errors_register();
	r = export(bus, strcmp(address, "user") != 0);
	if (r < 0)
		return error_set(e, -EIO, "exporting the objects: %s", strerror(-r));
	r = sd_bus_request_name(bus->sd, HVMD_BUS_NAME, 0);
	if (r == -EEXIST || r == -EALREADY)
		return error_set(
			e, -EIO, "the name " HVMD_BUS_NAME " is taken: another hvmd serves this bus");
	if (r < 0)
		return error_set(e, -EIO, "taking the name " HVMD_BUS_NAME ": %s%s", strerror(-r),
			r == -EACCES || r == -EPERM
				? "; the bus policy org.hvmd1.conf is not installed or not for this user"
				: "");
	return 0;
}

static int watch_bus(struct bus *bus, struct event_base *base, struct error *e)
{
	int fd = sd_bus_get_fd(bus->sd);

	if (fd >= 0) {
		bus->readable = event_new(base, fd, EV_READ, wake, NULL);
		bus->writable = event_new(base, fd, EV_WRITE, wake, NULL);
		bus->timer = evtimer_new(base, wake, NULL);
	}
	if (!bus->readable || !bus->writable || !bus->timer)
		return error_set(e, -EIO, "watching the bus");
	return 0;
}

static inline void bus_cleanup(struct bus **bus)
{
	bus_free(*bus);
}

int bus_new(struct event_base *base, const char *address, struct registry *registry, struct bus **ret,
	struct error *e)
{
	_cleanup_(bus_cleanup) struct bus *bus = calloc(1, sizeof(*bus));
	int r;

	if (!bus)
		return error_set_errno(e, -ENOMEM, "the bus");
	bus->registry = registry;
	bus->n_vms_told = registry->n_vms;
	r = connect_bus(bus, address, e);
	if (r == 0)
		r = watch_bus(bus, base, e);
	if (r < 0)
		return r;
	registry_listen(registry, &bus_listener, bus);
	for (size_t i = 0; i < registry->n_vms; i++)
		scope_begin(bus, registry->vms[i]);
	*ret = take_ptr(bus);
	return 0;
}

struct bus *bus_free(struct bus *bus)
{
	if (!bus)
		return NULL;
	registry_listen(bus->registry, NULL, NULL);
	if (bus->timer)
		event_free(bus->timer);
	if (bus->writable)
		event_free(bus->writable);
	if (bus->readable)
		event_free(bus->readable);
	fresh_free(bus->fresh);
	turns_free(bus->turns);
	policy_free(bus->policy);
	scope_forget(bus);
	sd_bus_slot_unref(bus->scopes.on_job_removed);
	if (bus->sd)
		sd_bus_flush_close_unref(bus->sd);
	free(bus);
	return NULL;
}

static void arm(struct event *event, bool wanted)
{
	if (wanted)
		event_add(event, NULL);
	else
		event_del(event);
}

/* sd-bus says when on CLOCK_MONOTONIC; libevent wants how long. */
static void arm_timer(struct event *timer, uint64_t until_usec)
{
	uint64_t now = clock_usec(), usec = until_usec > now ? until_usec - now : 0;
	struct timeval tv = {.tv_sec = (time_t)(usec / 1000000), .tv_usec = (suseconds_t)(usec % 1000000)};

	if (until_usec == UINT64_MAX)
		event_del(timer);
	else
		event_add(timer, &tv);
}

/* Told here and not where it changes, so that a reader of the signal finds the same number. */
static void tell_n_vms(struct bus *bus)
{
	if (bus->n_vms_told == bus->registry->n_vms)
		return;
	bus->n_vms_told = bus->registry->n_vms;
	sd_bus_emit_properties_changed(bus->sd, HVMD_PATH, HVMD_IFACE_MANAGER, "NVMs", NULL);
}

#define PATIENCE   3      /* times that memory is short in one dispatch, before others have their turn */
#define RETRY_USEC 100000 /* later */
#define TURN_USEC  10000  /* after which whatever else has happened is looked at */

/*
 * What sd-bus had no memory for may be lost, and who called then waits in vain; but everybody else, and every VM that
 * runs, would be worse off without hvmd. A message that was read before memory was short is still there, and no
 * descriptor tells of it: so it is tried again at once. 1: go on.
 */
static int forgive(int r, unsigned *n_short)
{
	static struct ratelimit limit = {.interval_usec = 10000000, .burst = 5};

	if (r != -ENOMEM)
		return r;
	if (log_ratelimit(&limit))
		log_warning("a message on the bus may be lost: memory is short");
	return ++*n_short < PATIENCE;
}

/* One message. 1: there may be more. */
static int process_one(struct bus *bus, unsigned *n_short)
{
	int r = forgive(sd_bus_process(bus->sd, NULL), n_short);

	turns_end(bus->turns);
	tell_n_vms(bus);
	return r == 0 ? turns_next(bus->turns) : r;
}

/* Calls can come faster than they are answered; monitors and signals want their turn, too. */
int bus_dispatch(struct bus *bus, struct error *e)
{
	uint64_t until = UINT64_MAX, end = clock_usec() + TURN_USEC;
	unsigned n_short = 0;
	bool more;
	int r, events;

	do
		r = process_one(bus, &n_short);
	while (r > 0 && clock_usec() < end);
	more = r > 0;
	events = r < 0 ? r : sd_bus_get_events(bus->sd);
	if (events >= 0)
		r = sd_bus_get_timeout(bus->sd, &until);
	if (r < 0 || events < 0 || !sd_bus_is_open(bus->sd))
		return error_set(e, -EIO, "the connection to the bus is lost");
	if (n_short >= PATIENCE && until > clock_usec() + RETRY_USEC)
		until = clock_usec() + RETRY_USEC;
	if (more)
		until = 0;
	arm(bus->readable, events & POLLIN);
	arm(bus->writable, events & POLLOUT);
	arm_timer(bus->timer, until);
	return 0;
}
