/* guest-memory.c - see guest-memory.h */
#include "guest-memory.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <nettle/sha2.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"

#define CHUNK (64 * KiB)

/* A line of maps: its addresses, and whether it is memory without a file. */
static bool read_mapping(FILE *maps, uint64_t *start, uint64_t *end, bool *anonymous)
{
	char line[512];
	int name = 0;

	if (!fgets(line, sizeof(line), maps) ||
		sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*s %*s %*s %n", start, end, &name) != 2)
		return false;
	*anonymous = name == 0 || line[name] == '\0';
	return true;
}

int guest_memory_find(pid_t monitor, uint64_t ros_bytes, uint64_t hrt_bytes, struct guest_memory *ret, struct error *e)
{
	uint64_t start, end, below = 0, below_bytes = 0;
	_cleanup_fclose_ FILE *maps = NULL;
	bool anonymous;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)monitor);
	maps = fopen(path, "re");
	while (maps && read_mapping(maps, &start, &end, &anonymous)) {
		if (!anonymous && start == below && below_bytes == ros_bytes) {
			*ret = (struct guest_memory){.ros = start - ros_bytes, .hrt = start, .end = start + hrt_bytes};
			return 0;
		}
		below = end;
		below_bytes = anonymous ? end - start : 0;
	}
	return error_set(e, -ENOENT, "the monitor's memory of its guest is not found");
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

int guest_memory_sum(pid_t monitor, const struct guest_memory *memory, enum partition_role role,
	uint8_t ret[static GUEST_SUM_SIZE], struct error *e)
{
	_cleanup_close_ int fd = -1;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)monitor);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return error_set(e, -EPERM, "a monitor lets only root look into its memory");
	return role == PARTITION_ROS ? sum(fd, memory->ros, memory->hrt, ret, e) : sum(fd, memory->hrt, memory->end, ret, e);
}
