/*
 * transient.h - what systemd is asked for, for a monitor: hvm-NAME.scope in hvmd.slice
 *
 * Makes the call and sends nothing. hvmd asks systemd itself where there is no registrar (scope.c), and the
 * registrar asks for hvmds that may not (registrar/place.h): both the same.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#define SYSTEMD_NAME   "org.freedesktop.systemd1"
#define TRANSIENT_NAME "hvm-%s.scope" /* of the VM with this name */

struct transient {
	const char *vm;      /* name of the VM */
	pid_t leader;
	uint64_t memory_max; /* bytes */
	uint64_t cpu_weight; /* 0: systemd's own default */
};

/* StartTransientUnit with all of that, for the caller to send and free. 0, or a negative errno. */
int transient_new(sd_bus *bus, const struct transient *t, sd_bus_message **ret);
