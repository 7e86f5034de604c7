/* status.h - how hvmctl exits; scripts rely on these numbers */
#pragma once

enum exit_status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_NOT_RUNNING = 3,
	STATUS_NO_SUCH_VM = 4,
	STATUS_NOT_AUTHORISED = 5,
	STATUS_INVALID_DEFINITION = 6,
	STATUS_TIMEOUT = 7,
};

/* What a command that worked on several VMs exits with: the first failure. */
static inline enum exit_status status_first(enum exit_status so_far, enum exit_status next)
{
	return so_far != STATUS_OK ? so_far : next;
}
