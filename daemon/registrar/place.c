/* place.c - see place.h */
#include "registrar/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "bus/transient.h"

#define MACHINED      "org.freedesktop.machine1"
#define CALL_USEC     (5 * 1000000ull)
#define PATIENCE_USEC (5 * 1000000ull) /* for a scope to come, or for an old one to go */
#define STEP_USEC     5000u

/* Who is in a user namespace is seen from outside as the user that made it. */
bool place_is_of_user(pid_t leader, uid_t user)
{
	_cleanup_fclose_ FILE *f = NULL;
	char path[32], line[256];
	unsigned uid;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)leader);
	f = leader > 0 ? fopen(path, "re") : NULL;
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "Uid: %u", &uid) == 1)
			return uid == user;
	return false;
}

/* Any hierarchy counts: a host may have several. */
static bool is_in_scope(const struct transient *t)
{
	_cleanup_fclose_ FILE *f = NULL;
	_cleanup_free_ char *path = NULL, *wanted = NULL;
	char line[4096];

	if (asprintf(&path, "/proc/%d/cgroup", (int)t->leader) < 0 || asprintf(&wanted, "/" TRANSIENT_NAME "\n", t->vm) < 0)
		return false;
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		const char *end = strrchr(line, '/');

		if (end && strcmp(end, wanted) == 0)
			return true;
	}
	return false;
}

static int send_once(sd_bus *bus, const struct transient *t, sd_bus_error *error)
{
	sd_bus_message *m = NULL;
	int r = transient_new(bus, t, &m);

	if (r >= 0)
		r = sd_bus_call(bus, m, CALL_USEC, error, NULL);
	sd_bus_message_unref(m);
	return r;
}

/* systemd moves the leader a moment after its answer. */
static bool comes_into_scope(const struct transient *t, uint64_t until)
{
	while (!is_in_scope(t)) {
		if (clock_usec() >= until)
			return false;
		usleep(STEP_USEC);
	}
	return true;
}

int place_in_scope(sd_bus *bus, const struct transient *t, sd_bus_error *error)
{
	const uint64_t until = clock_usec() + PATIENCE_USEC;
	int r;

	if (is_in_scope(t)) /* of an earlier hvmd */
		return 0;
	while ((r = send_once(bus, t, error)) < 0 && sd_bus_error_has_name(error, SYSTEMD_NAME ".UnitExists") &&
		clock_usec() < until) {
		sd_bus_error_free(error);
		usleep(STEP_USEC);
	}
	if (r < 0)
		return r;
	if (!comes_into_scope(t, until))
		return sd_bus_error_setf(error, SD_BUS_ERROR_TIMEOUT, "process %d has not come into " TRANSIENT_NAME,
			(int)t->leader, t->vm);
	return 0;
}

static int send_to_machined(sd_bus *bus, const struct transient *t, const uint8_t uuid[16], sd_bus_error *error)
{
	sd_bus_message *m = NULL;
	int r = sd_bus_message_new_method_call(
		bus, &m, MACHINED, "/org/freedesktop/machine1", MACHINED ".Manager", "RegisterMachine");

	if (r >= 0)
		r = sd_bus_message_append(m, "s", t->vm);
	if (r >= 0)
		r = sd_bus_message_append_array(m, 'y', uuid, 16);
	if (r >= 0)
		r = sd_bus_message_append(m, "ssus", "hvmd", "vm", (uint32_t)t->leader, "");
	if (r >= 0)
		r = sd_bus_call(bus, m, CALL_USEC, error, NULL);
	sd_bus_message_unref(m);
	return r;
}

int place_in_list(sd_bus *bus, const struct transient *t, const uint8_t uuid[16], sd_bus_error *error)
{
	int r = send_to_machined(bus, t, uuid, error);

	if (r < 0 && (sd_bus_error_has_name(error, MACHINED ".MachineExists") ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER))) {
		sd_bus_error_free(error);
		return 0;
	}
	return r;
}
