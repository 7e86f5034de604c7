/* console.h - reading the log of a VM's console */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "client/bus.h"

struct json;

/*
 * Asks hvmd for the log of the VM's first console. On STATUS_OK the caller closes
 * *ret_fd, which is -1 where there is none yet and `may_be_absent` is true.
 */
enum exit_status console_log_open(struct client *c, const char *name, bool may_be_absent, int *ret_fd);

/* The lines of a log from `offset` on, as an array of strings. Returns 0, or a negative errno. Borrows fd. */
int console_log_lines(int fd, uint64_t offset, struct json **ret);

/*
 * Where the last `lines` lines of a file begin; a last line without a newline
 * counts. Returns 0, or a negative errno. Borrows fd.
 */
int log_tail(int fd, uint64_t lines, uint64_t *ret_offset);
