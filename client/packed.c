/* packed.c - see packed.h */
#include "client/packed.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/macro.h"

#define RECOGNISED_BYTES 8

/* Read, not mapped: what somebody cuts off a mapped file kills whoever reads on. */
static int read_all(int fd, struct packed *ret, struct error *e)
{
	ssize_t n;

	if (ret->size > PACKED_SIZE_MAX)
		return error_set(e, -EBADMSG, "%zu bytes are more than the limit of %llu MiB", ret->size,
			PACKED_SIZE_MAX / MiB);
	ret->data = malloc(ret->size);
	if (!ret->data)
		return error_set_errno(e, -ENOMEM, "reading it");
	n = pread_full(fd, ret->data, ret->size, 0);
	if (n < 0)
		return error_set_errno(e, (int)n, "reading it");
	ret->size = (size_t)n;
	return 0;
}

int packed_open(int fd, struct packed *ret, struct error *e)
{
	char head[RECOGNISED_BYTES];
	struct stat st;
	ssize_t n;
	int r;

	*ret = (struct packed){};
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
		return 0; /* whoever reads it as a text says so */
	n = pread_full(fd, head, sizeof(head), 0);
	if (n < 0)
		return error_set_errno(e, (int)n, "reading it");
	if (!container_recognise(head, (size_t)n))
		return 0;
	ret->size = (size_t)st.st_size;
	r = read_all(fd, ret, e);
	if (r == 0)
		r = container_parse(ret->data, ret->size, &ret->container, e);
	return r < 0 ? r : 1;
}

int packed_image(const struct packed *packed, uint32_t index)
{
	const struct container_file *file = &packed->container.files[index];
	_cleanup_close_ int fd = memfd_create("hvmctl-packed", MFD_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = write_full(fd, (const char *)packed->data + file->offset, file->size);
	return r < 0 ? r : take_fd(fd);
}

void packed_fini(struct packed *packed)
{
	free(packed->data);
	*packed = (struct packed){};
}
