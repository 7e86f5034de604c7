/* life.c - verbs that move a VM through its life: start, stop, terminate, reset */
#include "client/options.h"
#include "client/verbs.h"

enum exit_status verb_start(struct client *c, char **names)
{
	enum exit_status status = STATUS_OK;

	for (; *names; names++)
		status = status_first(
			status, manager_call(c, *names, NULL, "StartVM", "st", *names, UINT64_C(0)));
	return status;
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

enum exit_status verb_reset(struct client *c, char **names)
{
	return manager_call(c, names[0], NULL, "ResetVM", "ssuu", names[0], c->options->scope, 0u, 0u);
}
