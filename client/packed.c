/* packed.c - see packed.h */
#include "client/packed.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"

#define RECOGNISED_BYTES 8

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
	ret->data = mmap(NULL, ret->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (ret->data == MAP_FAILED) {
		ret->data = NULL;
		return error_set_errno(e, -errno, "mapping it");
	}
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
	if (packed->data)
		munmap(packed->data, packed->size);
	*packed = (struct packed){};
}
