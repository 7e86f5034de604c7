/*
 * guest-memory.c - see guest-memory.h
 *
 * The monitor has all memory of its VM in one run of addresses: first the ROS's,
 * which is a mapping of its own with a name, right behind it the HRT's.
 */
#include "guest-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"

#define CHUNK (64 * KiB)

static bool find_ros(FILE *maps, uint64_t *ret_start, uint64_t *ret_end)
{
	char line[512];

	while (fgets(line, sizeof(line), maps))
		if (strstr(line, " /memfd:hvm-ros ") &&
			sscanf(line, "%" SCNx64 "-%" SCNx64, ret_start, ret_end) == 2)
			return true;
	return false;
}

static int sum(int memory, uint64_t start, uint64_t end, uint8_t ret[static GUEST_SUM_SIZE], struct error *e)
{
	static uint8_t chunk[CHUNK];
	struct sha256_ctx ctx;

	sha256_init(&ctx);
	for (uint64_t at = start; at < end; at += sizeof(chunk)) {
		if (pread(memory, chunk, sizeof(chunk), (off_t)at) != (ssize_t)sizeof(chunk))
			return error_set(e, -EIO, "the monitor's memory at 0x%" PRIx64 " cannot be read", at);
		sha256_update(&ctx, sizeof(chunk), chunk);
	}
	sha256_digest(&ctx, GUEST_SUM_SIZE, ret);
	return 0;
}

int guest_memory_sum(
	pid_t monitor, enum partition_role role, uint64_t hrt_bytes, uint8_t ret[static GUEST_SUM_SIZE], struct error *e)
{
	_cleanup_fclose_ FILE *maps = NULL;
	_cleanup_close_ int memory = -1;
	uint64_t start, end;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)monitor);
	maps = fopen(path, "re");
	snprintf(path, sizeof(path), "/proc/%d/mem", (int)monitor);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	if (!maps || memory < 0)
		return error_set(e, -EPERM, "a monitor lets only root look into its memory");
	if (!find_ros(maps, &start, &end))
		return error_set(e, -ENOENT, "the monitor has no memory of a ROS");
	return role == PARTITION_ROS ? sum(memory, start, end, ret, e) : sum(memory, end, end + hrt_bytes, ret, e);
}
