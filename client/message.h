/* message.h - what came over D-Bus, as data */
#pragma once

#include <systemd/sd-bus.h>

struct json;

/*
 * Reads the next complete value of a message: a dictionary becomes an object,
 * bytes become hexadecimal digits, a variant what is in it. Returns 0, or a
 * negative errno when the message ends or holds what is no data (descriptors).
 */
int message_read_json(sd_bus_message *m, struct json **ret);

/* Moves D-Bus properties into another object, under their names in lower_snake_case. `from` may be NULL. */
void properties_move(struct json *to, struct json *from);
