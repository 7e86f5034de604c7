/* stats.c - KVM's own counters through a statistics descriptor; see kvm.h */
#include "kvm/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/io.h"

/* Bounds on what we believe of the kernel's header; today's kernels have some 50 statistics, names of 48 bytes. */
#define STATS_MAX     1024u
#define NAME_SIZE_MAX 256u

static size_t descriptor_size(const struct kvm_stats *stats)
{
	return sizeof(struct kvm_stats_desc) + stats->name_size;
}

static int read_descriptors(struct kvm_stats *stats)
{
	struct kvm_stats_header header;
	size_t size;

	if (pread_full(stats->fd, &header, sizeof(header), 0) != sizeof(header))
		return -1;
	if (header.num_desc > STATS_MAX || header.name_size == 0 || header.name_size > NAME_SIZE_MAX)
		return -1;
	stats->n = header.num_desc;
	stats->name_size = header.name_size;
	stats->data_offset = header.data_offset;
	size = stats->n * descriptor_size(stats);
	stats->descriptors = malloc(size ? size : 1);
	if (!stats->descriptors)
		return -1;
	return pread_full(stats->fd, stats->descriptors, size, header.desc_offset) == (ssize_t)size ? 0 : -1;
}

void kvm_stats_init(struct kvm_stats *stats, int fd)
{
	*stats = (struct kvm_stats){.fd = kvm_ioctl(fd, KVM_GET_STATS_FD, 0)}; /* cage(build): KVM_GET_STATS_FD */
	if (stats->fd < 0)
		stats->fd = -1;
	else if (read_descriptors(stats) < 0)
		kvm_stats_fini(stats);
}

void kvm_stats_fini(struct kvm_stats *stats)
{
	free(stats->descriptors);
	close_fd(stats->fd);
	*stats = (struct kvm_stats){.fd = -1};
}

void kvm_stats_each(const struct kvm_stats *stats, kvm_stat_fn fn, void *data)
{
	for (uint32_t i = 0; stats->fd >= 0 && i < stats->n; i++) {
		const uint8_t *descriptor = stats->descriptors + i * descriptor_size(stats);
		const char *name = (const char *)descriptor + sizeof(struct kvm_stats_desc);
		struct kvm_stats_desc d;
		uint64_t value;

		memcpy(&d, descriptor, sizeof(d));
		if (d.size != 1 || !memchr(name, '\0', stats->name_size))
			continue; /* a histogram */
		if (pread_full(stats->fd, &value, sizeof(value), stats->data_offset + d.offset) != sizeof(value))
			continue;
		fn(data, name, value);
	}
}
