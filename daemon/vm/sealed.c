/* sealed.c - see sealed.h */
#include "vm/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "spec/sites.h"
#include "vm/work.h"

struct entry {
	struct entry *next; /* owned: the one wanted last comes first */
	uint8_t digest[IMAGE_DIGEST_SIZE];
	int fd;        /* owned; -1: it is being made */
	uint64_t size; /* bytes */
	bool no_sites; /* it has no hypercall by instruction */
	/* The thread's, while it is being made */
	int made; /* owned; -1: it failed */
	uint64_t made_size;
	bool made_no_sites;
	int error;
	struct error why;
	/* borrowed */
	struct sealed *sealed;
};

struct sealed {
	struct entry *first; /* owned */
	/* borrowed */
	struct workers *workers;
	int dirfd;
};

struct sealed *sealed_new(struct workers *workers, int dirfd)
{
	struct sealed *sealed = calloc(1, sizeof(*sealed));

	if (sealed)
		*sealed = (struct sealed){.workers = workers, .dirfd = dirfd};
	return sealed;
}

static void entry_free(struct entry *entry)
{
	close_fd(entry->fd);
	close_fd(entry->made);
	free(entry);
}

struct sealed *sealed_free(struct sealed *sealed)
{
	if (!sealed)
		return NULL;
	while (sealed->first) {
		struct entry *entry = sealed->first;

		sealed->first = entry->next;
		if (entry->fd >= 0) /* otherwise a thread that hangs still has it */
			entry_free(entry);
	}
	free(sealed);
	return NULL;
}

static void take_out(struct sealed *sealed, struct entry *entry)
{
	struct entry **at = &sealed->first;

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
}

static void put_first(struct sealed *sealed, struct entry *entry)
{
	entry->next = sealed->first;
	sealed->first = entry;
}

/* Those behind the bytes that may be kept. */
static void evict(struct sealed *sealed)
{
	uint64_t total = 0;

	for (struct entry *entry = sealed->first, *next; entry; entry = next) {
		next = entry->next;
		total += entry->size;
		if (entry->fd < 0 || total <= SEALED_BYTES_MAX)
			continue;
		take_out(sealed, entry);
		entry_free(entry);
	}
}

static int seal(int fd, struct error *e)
{
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0)
		return error_set_errno(e, -errno, "sealing an image");
	return 0;
}

static bool has_no_sites(int fd, uint64_t size)
{
	void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
	bool none = p != MAP_FAILED && site_find(p, size, 0) == size;

	if (p != MAP_FAILED)
		munmap(p, size);
	return none;
}

static int make(struct entry *entry, const atomic_bool *cancelled)
{
	_cleanup_close_ int from = -1, to = -1;
	struct stat st;
	int r;

	r = image_open(entry->sealed->dirfd, entry->digest, &from, &entry->why);
	if (r < 0)
		return r;
	to = memfd_create("hvm-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (to < 0)
		return error_set_errno(&entry->why, -errno, "making memory for an image");
	r = image_duplicate(from, to, entry->digest, cancelled, &entry->why);
	if (r == 0)
		r = seal(to, &entry->why);
	if (r == 0 && fstat(to, &st) < 0)
		r = error_set_errno(&entry->why, -errno, "looking at an image");
	if (r < 0)
		return r;
	entry->made_size = (uint64_t)st.st_size;
	entry->made_no_sites = has_no_sites(to, entry->made_size);
	entry->made = take_fd(to);
	return 0;
}

/* In a thread */
static void run(void *userdata, const atomic_bool *cancelled)
{
	struct entry *entry = userdata;

	entry->error = make(entry, cancelled);
}

/* In the loop */
static void done(void *userdata)
{
	struct entry *entry = userdata;
	struct sealed *sealed = entry->sealed;

	if (entry->made < 0) {
		if (entry->error != -ECANCELED)
			log_warning("an image is not kept in memory: %s", error_text(&entry->why, entry->error));
		take_out(sealed, entry);
		entry_free(entry);
		return;
	}
	entry->fd = take_fd(entry->made);
	entry->size = entry->made_size;
	entry->no_sites = entry->made_no_sites;
	evict(sealed);
}

/* What cannot be made now is made another time. */
static void begin(struct sealed *sealed, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	struct entry *entry = malloc(sizeof(*entry));

	if (!entry)
		return;
	*entry = (struct entry){.fd = -1, .made = -1, .error = -ECANCELED, .sealed = sealed};
	memcpy(entry->digest, digest, IMAGE_DIGEST_SIZE);
	put_first(sealed, entry);
	if (workers_start(sealed->workers, run, done, entry, NULL) < 0) {
		take_out(sealed, entry);
		entry_free(entry);
	}
}

int sealed_open(struct sealed *sealed, const uint8_t digest[IMAGE_DIGEST_SIZE], bool *ret_no_sites)
{
	struct entry *entry = sealed->first;

	*ret_no_sites = false;
	while (entry && memcmp(entry->digest, digest, IMAGE_DIGEST_SIZE) != 0)
		entry = entry->next;
	if (!entry) {
		begin(sealed, digest);
		return -1;
	}
	take_out(sealed, entry);
	put_first(sealed, entry);
	*ret_no_sites = entry->no_sites;
	return entry->fd < 0 ? -1 : fcntl(entry->fd, F_DUPFD_CLOEXEC, 3);
}
