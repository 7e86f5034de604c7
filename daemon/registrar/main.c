/*
 * main.c - hvm-registrar: what hvmd needs root for, and nothing more
 *
 * hvmd is an ordinary user, and systemd makes scopes, and machined takes machines, for root only. A rule of polkit's
 * that let hvmd make units would let it make any, and so be root. This program can do one thing: put a process that
 * belongs to its caller into hvm-NAME.scope, and tell machined of it. It is started by the bus when it
 * is called, has no capabilities, opens nothing but /proc, and ends when nobody calls it for a while.
 *
 * It trusts nobody: not the name, which becomes that of a unit; not the process, which could be somebody else's.
 * One call after the other.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include "abi/names.h"
#include "base/error.h"
#include "base/log.h"
#include "bus/transient.h"
#include "registrar/place.h"
#include "spec/spec.h"

#define IDLE_USEC (30 * 1000000ull)

static int caller_uid(sd_bus_message *m, uid_t *ret)
{
	sd_bus_creds *creds = NULL;
	int r = sd_bus_query_sender_creds(m, SD_BUS_CREDS_EUID, &creds);

	if (r >= 0)
		r = sd_bus_creds_get_euid(creds, ret);
	sd_bus_creds_unref(creds);
	return r;
}

/* 0, or what is wrong with the call. */
static int check(sd_bus_message *m, const struct transient *t, size_t uuid_size, sd_bus_error *error)
{
	uid_t user;
	int r;

	if (!spec_name_valid(t->vm))
		return sd_bus_error_set(error, SD_BUS_ERROR_INVALID_ARGS, "this is no name of a VM");
	if (uuid_size != SPEC_UUID_SIZE)
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "a UUID has %u bytes", SPEC_UUID_SIZE);
	if (t->cpu_weight > SPEC_CPU_WEIGHT_MAX)
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "a CPU weight is at most %u", SPEC_CPU_WEIGHT_MAX);
	r = caller_uid(m, &user);
	if (r < 0)
		return r;
	if (user != 0 && !place_is_of_user(t->leader, user)) /* root gives its monitors users of their own */
		return sd_bus_error_setf(error, SD_BUS_ERROR_INVALID_ARGS, "process %d is not one of user %u",
			(int)t->leader, (unsigned)user);
	return 0;
}

/* That machined refuses is no reason to do without the scope. */
static void list(sd_bus *bus, const struct transient *t, const uint8_t *uuid)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;

	if (place_in_list(bus, t, uuid, &error) < 0)
		log_warning("vm %s: machined does not list it: %s", t->vm, error.message ? error.message : "no answer");
	sd_bus_error_free(&error);
}

static int register_vm(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	sd_bus *bus = sd_bus_message_get_bus(m);
	struct transient t = {};
	const void *uuid;
	size_t uuid_size;
	uint32_t leader;
	int r;

	*(bool *)userdata = true;
	r = sd_bus_message_read(m, "s", &t.vm);
	if (r >= 0)
		r = sd_bus_message_read_array(m, 'y', &uuid, &uuid_size);
	if (r >= 0)
		r = sd_bus_message_read(m, "utt", &leader, &t.memory_max, &t.cpu_weight);
	if (r < 0)
		return r;
	t.leader = (pid_t)leader;
	r = check(m, &t, uuid_size, error);
	if (r >= 0)
		r = place_in_scope(bus, &t, error);
	if (r < 0)
		return r;
	list(bus, &t, uuid);
	return sd_bus_reply_method_return(m, "");
}

static const sd_bus_vtable registrar_vtable[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD_WITH_ARGS("Register",
		SD_BUS_ARGS("s", name, "ay", uuid, "u", leader, "t", memory_max, "t", cpu_weight), SD_BUS_NO_RESULT,
		register_vm, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static int open_bus(const char *address, sd_bus **ret)
{
	int r;

	if (strcmp(address, "system") == 0)
		return sd_bus_open_system(ret);
	r = sd_bus_new(ret);
	if (r >= 0)
		r = sd_bus_set_address(*ret, address);
	if (r >= 0)
		r = sd_bus_set_bus_client(*ret, 1);
	return r < 0 ? r : sd_bus_start(*ret);
}

/* 0 when nobody has called for a while. */
static int serve_until_idle(sd_bus *bus, bool *called)
{
	int r;

	for (;;) {
		*called = false;
		while ((r = sd_bus_process(bus, NULL)) > 0)
			;
		if (r < 0)
			return r;
		r = sd_bus_wait(bus, IDLE_USEC);
		if (r < 0 && r != -EINTR)
			return r;
		if (r == 0 && !*called)
			return 0;
	}
}

/* Who calls from here on has the bus start another; who has called before is answered still. */
static int leave(sd_bus *bus)
{
	int r = sd_bus_release_name(bus, HVMD_REGISTRAR_NAME);

	while (r >= 0 && (r = sd_bus_process(bus, NULL)) > 0)
		;
	return r < 0 ? r : sd_bus_flush(bus);
}

static int run(const char *address)
{
	sd_bus *bus = NULL;
	bool called = false;
	int r = open_bus(address, &bus);

	if (r >= 0)
		r = sd_bus_add_object_vtable(bus, NULL, HVMD_REGISTRAR_PATH, HVMD_REGISTRAR_NAME, registrar_vtable, &called);
	if (r >= 0)
		r = sd_bus_request_name(bus, HVMD_REGISTRAR_NAME, 0);
	if (r >= 0)
		r = serve_until_idle(bus, &called);
	if (r >= 0)
		r = leave(bus);
	sd_bus_flush_close_unref(bus);
	return r;
}

int main(int argc, char **argv)
{
	const char *address = argc == 2 && strncmp(argv[1], "--bus=", 6) == 0 ? argv[1] + 6 : argc == 1 ? "system" : NULL;
	int r;

	log_to_journal();
	if (!address) {
		log_error("hvm-registrar is started by the bus; it takes --bus=ADDRESS and nothing else");
		return 2;
	}
	r = run(address);
	if (r < 0)
		log_error("hvm-registrar: the bus: %s", strerror(-r));
	return r < 0 ? 1 : 0;
}
