/* sealed.c - see sealed.h */
#include "vm/sealed.h"

#include <errno.h>
#include <fcntl.h>
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

enum entry_state {
	ENTRY_EXPECTED, /* it waits for its turn */
	ENTRY_MADE_NOW, /* a thread has it; it is not freed */
	ENTRY_THERE,    /* it has its image */
};

struct entry {
	struct entry *next; /* owned: the one wanted last comes first, what nobody has wanted yet comes last */
	uint8_t digest[IMAGE_DIGEST_SIZE];
	enum entry_state state;
	bool forgotten; /* nobody wants what is being made */
	bool expected;  /* its turn had come, and when it is made the next one's has */
	uint64_t size;  /* bytes; 0: not known yet */
	struct sealed_image image;
	/* The thread's, while it is being made */
	struct sealed_image made;
	int error;
	struct error why;
	/* borrowed */
	struct sealed *sealed;
};

struct sealed {
	struct entry *first; /* owned */
	bool busy;           /* with one that is expected */
	/* borrowed */
	struct workers *workers;
	int dirfd;
};

/* --- An image ------------------------------------------------------------------ */

int sealed_image_begin(void)
{
	int fd = memfd_create("hvm-image", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	return fd < 0 ? -errno : fd;
}

void sealed_image_fini(struct sealed_image *image)
{
	image->fd = close_fd(image->fd);
}

static int search(struct sealed_image *image, struct error *e)
{
	void *p = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, image->fd, 0);

	if (p == MAP_FAILED)
		return error_set_errno(e, -errno, "searching an image");
	sites_find(p, image->size, &image->sites);
	munmap(p, image->size);
	return 0;
}

int sealed_image_init(struct sealed_image *image, int fd, struct error *e)
{
	struct stat st;
	int r;

	*image = (struct sealed_image){.fd = -1};
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0 || fstat(fd, &st) < 0)
		return error_set_errno(e, -errno, "sealing an image");
	image->size = (uint64_t)st.st_size;
	image->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (image->fd < 0)
		return error_set_errno(e, -errno, "sealing an image");
	r = search(image, e);
	if (r < 0)
		sealed_image_fini(image);
	return r;
}

/* --- The list ------------------------------------------------------------------- */

struct sealed *sealed_new(struct workers *workers, int dirfd)
{
	struct sealed *sealed = calloc(1, sizeof(*sealed));

	if (sealed)
		*sealed = (struct sealed){.workers = workers, .dirfd = dirfd};
	return sealed;
}

static void entry_free(struct entry *entry)
{
	sealed_image_fini(&entry->image);
	sealed_image_fini(&entry->made);
	free(entry);
}

struct sealed *sealed_free(struct sealed *sealed)
{
	if (!sealed)
		return NULL;
	while (sealed->first) {
		struct entry *entry = sealed->first;

		sealed->first = entry->next;
		if (entry->state != ENTRY_MADE_NOW) /* otherwise a thread that hangs still has it */
			entry_free(entry);
	}
	free(sealed);
	return NULL;
}

/* Who asks for it wants it. */
static struct entry *find(const struct sealed *sealed, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	struct entry *entry = sealed->first;

	while (entry && memcmp(entry->digest, digest, IMAGE_DIGEST_SIZE) != 0)
		entry = entry->next;
	if (entry)
		entry->forgotten = false;
	return entry;
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

static void put_last(struct sealed *sealed, struct entry *entry)
{
	struct entry **at = &sealed->first;

	while (*at)
		at = &(*at)->next;
	entry->next = NULL;
	*at = entry;
}

static struct entry *entry_new(struct sealed *sealed, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	struct entry *entry = malloc(sizeof(*entry));

	if (!entry)
		return NULL;
	*entry = (struct entry){.image.fd = -1, .made.fd = -1, .error = -ECANCELED, .sealed = sealed};
	memcpy(entry->digest, digest, IMAGE_DIGEST_SIZE);
	return entry;
}

/* Those behind the number, and the bytes, that may be kept. */
static void evict(struct sealed *sealed)
{
	uint64_t bytes = 0;
	size_t n = 0;

	for (struct entry *entry = sealed->first, *next; entry; entry = next) {
		next = entry->next;
		bytes += entry->size;
		n++;
		if (entry->state == ENTRY_MADE_NOW || (bytes <= SEALED_BYTES_MAX && n <= SEALED_IMAGES_MAX))
			continue;
		take_out(sealed, entry);
		entry_free(entry);
	}
}

static bool has_room(const struct sealed *sealed, uint64_t size)
{
	uint64_t bytes = size;
	size_t n = 1;

	for (const struct entry *entry = sealed->first; entry; entry = entry->next, n++)
		bytes += entry->size;
	return bytes <= SEALED_BYTES_MAX && n <= SEALED_IMAGES_MAX;
}

/* --- Making one from the store's file -------------------------------------------- */

static int make(struct entry *entry, const atomic_bool *cancelled)
{
	_cleanup_close_ int from = -1, to = -1;
	int r;

	r = image_open(entry->sealed->dirfd, entry->digest, &from, &entry->why);
	if (r < 0)
		return r;
	to = sealed_image_begin();
	if (to < 0)
		return error_set_errno(&entry->why, to, "making memory for an image");
	r = image_duplicate(from, to, entry->digest, cancelled, &entry->why);
	return r < 0 ? r : sealed_image_init(&entry->made, to, &entry->why);
}

/* In a thread */
static void run(void *userdata, const atomic_bool *cancelled)
{
	struct entry *entry = userdata;

	entry->error = make(entry, cancelled);
}

static void make_next(struct sealed *sealed);

/* In the loop */
static void done(void *userdata)
{
	struct entry *entry = userdata;
	struct sealed *sealed = entry->sealed;

	if (entry->expected)
		sealed->busy = false;
	if (entry->error < 0 || entry->forgotten) {
		if (entry->error < 0 && entry->error != -ECANCELED)
			log_warning("an image is not kept in memory: %s", error_text(&entry->why, entry->error));
		take_out(sealed, entry);
		entry_free(entry);
	} else {
		entry->image = entry->made;
		entry->made.fd = -1;
		entry->size = entry->image.size;
		entry->state = ENTRY_THERE;
		evict(sealed);
	}
	make_next(sealed);
}

/* What cannot be made now is made another time. */
static bool begin(struct entry *entry)
{
	if (workers_start(entry->sealed->workers, run, done, entry, NULL) < 0)
		return false;
	entry->state = ENTRY_MADE_NOW;
	return true;
}

static void make_next(struct sealed *sealed)
{
	struct entry *entry = sealed->first;

	while (entry && entry->state != ENTRY_EXPECTED)
		entry = entry->next;
	if (entry && !sealed->busy)
		sealed->busy = entry->expected = begin(entry);
}

/* --- What is wanted -------------------------------------------------------------- */

int sealed_open(struct sealed *sealed, const uint8_t digest[IMAGE_DIGEST_SIZE], struct spec_sites *ret)
{
	struct entry *entry = find(sealed, digest);

	*ret = (struct spec_sites){};
	if (entry)
		take_out(sealed, entry);
	else
		entry = entry_new(sealed, digest);
	if (!entry)
		return -1;
	put_first(sealed, entry);
	if (entry->state == ENTRY_EXPECTED)
		begin(entry);
	if (entry->state != ENTRY_THERE)
		return -1;
	*ret = entry->image.sites;
	return fcntl(entry->image.fd, F_DUPFD_CLOEXEC, 3);
}

bool sealed_expect(struct sealed *sealed, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	struct entry *entry;
	uint64_t size;

	if (find(sealed, digest) || image_size(sealed->dirfd, digest, &size) < 0)
		return true;
	if (!has_room(sealed, size))
		return has_room(sealed, 1);
	entry = entry_new(sealed, digest);
	if (!entry)
		return false;
	entry->size = size;
	put_last(sealed, entry);
	make_next(sealed);
	return true;
}

void sealed_forget(struct sealed *sealed, const uint8_t digest[IMAGE_DIGEST_SIZE])
{
	struct entry *entry = find(sealed, digest);

	if (!entry)
		return;
	entry->forgotten = true;
	if (entry->state == ENTRY_MADE_NOW)
		return;
	take_out(sealed, entry);
	entry_free(entry);
}

void sealed_keep(struct sealed *sealed, const uint8_t digest[IMAGE_DIGEST_SIZE], struct sealed_image *image)
{
	struct entry *entry = find(sealed, digest);

	if (entry)
		take_out(sealed, entry);
	else
		entry = entry_new(sealed, digest);
	if (entry)
		put_first(sealed, entry);
	if (entry && entry->state == ENTRY_EXPECTED) {
		entry->image = *image;
		image->fd = -1;
		entry->size = entry->image.size;
		entry->state = ENTRY_THERE;
		evict(sealed);
	}
	sealed_image_fini(image);
}
