/*
 * bus.h - calling hvmd
 *
 * A call that fails says why on standard error, in hvmd's own sentence, and
 * yields the exit status that scripts rely on. They follow the names of errors,
 * which are part of the interface, never the sentences.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

#include "base/cleanup.h"
#include "client/status.h"

struct options;

struct client {
	const struct options *options; /* borrowed */
	sd_bus *bus;                   /* owned; NULL until it is needed */
	bool patient;                  /* waits for replies as long as it takes */
};

void client_fini(struct client *c);

/* Connects, unless that has been done. STATUS_FAILED when it has said why not. */
enum exit_status client_connect(struct client *c);

/*
 * Calls a method of the Manager or, by name, of a VM; with the arguments of
 * sd_bus_message_append(). `subject` is whom a failure is about, or NULL.
 * ret_reply may be NULL; on STATUS_OK the caller unrefs the reply.
 */
enum exit_status manager_call(struct client *c, const char *subject, sd_bus_message **ret_reply,
	const char *method, const char *types, ...);
enum exit_status vm_call(struct client *c, const char *name, sd_bus_message **ret_reply, const char *method,
	const char *types, ...);

/*
 * A call that the caller fills, gives to client_send() and, on STATUS_OK, unrefs: to
 * any object, to the Manager, or to the VM of that name. All connect first.
 */
enum exit_status object_message(
	struct client *c, const char *path, const char *interface, const char *method, sd_bus_message **ret);
enum exit_status manager_message(struct client *c, const char *method, sd_bus_message **ret);
enum exit_status vm_message(struct client *c, const char *name, const char *method, sd_bus_message **ret);

/* The same to one of its partitions, "ros" or "hrt". */
enum exit_status partition_message(
	struct client *c, const char *name, const char *role, const char *method, sd_bus_message **ret);

/* Sets a property of the VM of that name; with one value as by sd_bus_message_append(). */
enum exit_status vm_set_property(struct client *c, const char *name, const char *property, const char *type, ...);

/* Sends a call and waits for its reply, as above. */
enum exit_status client_send(
	struct client *c, const char *subject, sd_bus_message *m, sd_bus_message **ret_reply);

/* As client_send(), but says nothing: 0 or a negative errno, and then *ret_error for client_failed(). */
int client_try(struct client *c, sd_bus_message *m, sd_bus_error *ret_error, sd_bus_message **ret_reply);
enum exit_status client_failed(struct client *c, const char *subject, const sd_bus_error *error);

/* Says that a call could not be put into a message. */
enum exit_status say_bad_arguments(const char *subject, int error);

/* Says that hvmd's reply was not what the interface promises. */
enum exit_status say_bad_reply(const char *subject, int error);

#define _cleanup_message_ _cleanup_(sd_bus_message_unrefp)
