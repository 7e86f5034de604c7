/*
 * place.h - a monitor's place in the books of the host
 *
 * A scope of systemd's, and with it limits of its own; and an entry of machined's, so that machinectl(1) lists it.
 * Both are asked and waited for, a few seconds each at the most.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

struct transient;

/* Whether the process is one of this user's. */
bool place_is_of_user(pid_t leader, uid_t user);

/*
 * Puts the leader into its scope. The scope of a monitor that has just ended may still stand in the way; its end is
 * waited for. 0, or a negative errno and an error for the caller.
 */
int place_in_scope(sd_bus *bus, const struct transient *t, sd_bus_error *error);

/*
 * Tells machined, where there is one, of a leader that is in its scope. That it is listed already is fine. 0, or a
 * negative errno and an error.
 */
int place_in_list(sd_bus *bus, const struct transient *t, const uint8_t uuid[16], sd_bus_error *error);
