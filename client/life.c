/* life.c - verbs that move a VM through its life: start, stop, terminate, load, reset */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "client/message.h"
#include "client/options.h"
#include "client/say.h"
#include "client/verbs.h"
#include "client/wait.h"

static int append_option(sd_bus_message *m, const char *key, const char *text)
{
	return text ? sd_bus_message_append(m, "{sv}", key, "s", text) : 0;
}

static int append_options(sd_bus_message *m, const struct options *o)
{
	int r = sd_bus_message_open_container(m, 'a', "{sv}");

	if (r >= 0)
		r = append_option(m, "append", o->append);
	if (r >= 0)
		r = append_option(m, "append-ros", o->append_ros);
	if (r >= 0)
		r = append_option(m, "append-hrt", o->append_hrt);
	return r < 0 ? r : sd_bus_message_close_container(m);
}

static enum exit_status start(struct client *c, const char *name)
{
	_cleanup_message_ sd_bus_message *m = NULL;
	enum exit_status status = manager_message(c, "StartVMWithOptions", &m);
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_append(m, "st", name, UINT64_C(0));
	if (r >= 0)
		r = append_options(m, c->options);
	return r < 0 ? say_bad_arguments(name, r) : client_send(c, name, m, NULL);
}

enum exit_status verb_start(struct client *c, char **names)
{
	enum exit_status status = c->options->wait ? wait_listen(c, names) : STATUS_OK;

	if (status != STATUS_OK)
		return status;
	for (char **name = names; *name; name++)
		status = status_first(status, start(c, *name));
	return status == STATUS_OK && c->options->wait ? wait_for_end(c, names) : status;
}

enum exit_status verb_stop(struct client *c, char **names)
{
	enum exit_status status = STATUS_OK;

	for (; *names; names++)
		status = status_first(status,
			manager_call(c, *names, NULL, "ShutdownVM", "stt", *names, c->options->timeout_usec,
				UINT64_C(0)));
	return status;
}

enum exit_status verb_terminate(struct client *c, char **names)
{
	enum exit_status status = STATUS_OK;

	for (; *names; names++)
		status = status_first(status, manager_call(c, *names, NULL, "TerminateVM", "s", *names));
	return status;
}

/* hvmd gets the file open, and reads it itself. */
static enum exit_status load(struct client *c, const char *name, int fd)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *m = NULL;
	enum exit_status status = partition_message(c, name, "hrt", "LoadImage", &m);
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_append(m, "ht", fd, UINT64_C(0));
	if (r < 0)
		return say_bad_arguments(name, r);
	if (client_try(c, m, &error, NULL) == 0)
		return STATUS_OK;
	if (!sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_OBJECT))
		return client_failed(c, name, &error);
	say_error(name, "VM %s has no HRT: its definition has no <hvm enable=\"y\">", name);
	return STATUS_FAILED;
}

enum exit_status verb_load(struct client *c, char **words)
{
	_cleanup_close_ int fd = -1;

	if (!(c->options->given & OPTION_BIT(HRT))) {
		say_error(NULL, "load wants to know whose image it is: hvmctl load %s --hrt %s", words[0], words[1]);
		return STATUS_USAGE;
	}
	fd = open(words[1], O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0) {
		say_error(words[1], "%s", strerrordesc_np(errno));
		return STATUS_FAILED;
	}
	return load(c, words[0], fd);
}

enum exit_status verb_reset(struct client *c, char **names)
{
	return manager_call(c, names[0], NULL, "ResetVM", "ssuu", names[0], c->options->scope, 0u, 0u);
}
