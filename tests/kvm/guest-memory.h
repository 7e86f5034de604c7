/* guest-memory.h - for tests: what a partition's memory has, seen from outside the monitor */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "link/state.h"

#define GUEST_SUM_SIZE 32

/* Where the monitor of a hybrid VM has its memory: the ROS's, which is as large as that, right below the HRT's. */
struct guest_memory {
	uint64_t ros, hrt, end;
};

/* 0, or -ENOENT with a sentence. */
int guest_memory_find(pid_t monitor, uint64_t ros_bytes, uint64_t hrt_bytes, struct guest_memory *ret, struct error *e);

/*
 * The SHA-256 of all memory of a partition. Returns 0; -EPERM where this process
 * may not look into the monitor, which gives nobody but root that right; or
 * another negative errno. With a sentence.
 */
int guest_memory_sum(pid_t monitor, const struct guest_memory *memory, enum partition_role role,
	uint8_t ret[static GUEST_SUM_SIZE], struct error *e);
