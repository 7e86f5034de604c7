/* guest-memory.h - for tests: what a partition's memory has, seen from outside the monitor */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "link/state.h"

#define GUEST_SUM_SIZE 32

/*
 * The SHA-256 of all memory of a partition of a hybrid VM: of the ROS, or of the
 * HRT, which has `hrt_bytes`. Returns 0; -EPERM where this process may not look
 * into the monitor, which gives nobody but root that right; or another negative
 * errno. With a sentence.
 */
int guest_memory_sum(
	pid_t monitor, enum partition_role role, uint64_t hrt_bytes, uint8_t ret[static GUEST_SUM_SIZE], struct error *e);
