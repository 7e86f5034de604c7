/* store.c - see store.h */
#include "vm/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "spec/definition.h"

#define ENDING ".xml"

/* Errnos name kinds of errors to our callers; those of the file system would be taken for others. */
static int io_failed(int r)
{
	return r >= 0 || r == -ENOMEM ? r : -EIO;
}

struct store *store_free(struct store *store)
{
	if (!store)
		return NULL;
	close_fd(store->console);
	close_fd(store->definitions);
	close_fd(store->images);
	close_fd(store->root);
	free(store->path);
	free(store);
	return NULL;
}
DEFINE_CLEANUP(struct store *, store_free);

static DIR *open_listing(int dirfd)
{
	int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (!dir)
		close_fd(fd);
	return dir;
}

/* Temporaries (base/io.h) that lost their writer. */
static void remove_leftovers(int dirfd)
{
	DIR *dir = open_listing(dirfd);
	struct dirent *entry;

	while (dir && (entry = readdir(dir)))
		if (strncmp(entry->d_name, ".#", 2) == 0 && unlinkat(dirfd, entry->d_name, 0) == 0)
			log_notice("store: removed %s, left by an interrupted write", entry->d_name);
	if (dir)
		closedir(dir);
}

static int open_folder(const char *path, const char *name, int *ret_fd, struct error *e)
{
	_cleanup_free_ char *full = NULL;
	int r;

	if (asprintf(&full, "%s%s%s", path, name ? "/" : "", name ? name : "") < 0)
		return error_set_errno(e, -ENOMEM, "%s", path);
	r = dir_open_make(full, 0750, ret_fd, e);
	if (r < 0)
		return io_failed(r);
	remove_leftovers(*ret_fd);
	return 0;
}

int store_open(const char *path, struct store **ret, struct error *e)
{
	_cleanup_(store_freep) struct store *store = malloc(sizeof(*store));
	int r;

	if (!store)
		return error_set_errno(e, -ENOMEM, "%s", path);
	*store = (struct store){.images = -1, .definitions = -1, .console = -1, .root = -1};
	store->path = strdup(path);
	if (!store->path)
		return error_set_errno(e, -ENOMEM, "%s", path);
	r = open_folder(path, NULL, &store->root, e);
	if (r < 0)
		return r;
	if (flock(store->root, LOCK_EX | LOCK_NB) < 0)
		return error_set(e, -EBUSY, "the state folder %s is in use by another hvmd", path);
	r = open_folder(path, "images", &store->images, e);
	if (r == 0)
		r = open_folder(path, "definitions", &store->definitions, e);
	if (r == 0)
		r = open_folder(path, "console", &store->console, e);
	if (r < 0)
		return r;
	*ret = take_ptr(store);
	return 0;
}

void store_names_free(char **names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(names[i]);
	free(names);
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Appends the name in front of ENDING; false when memory is short. */
static bool add_name(char ***names, size_t *n, const char *file)
{
	size_t size = strlen(file), ending = strlen(ENDING);
	char **more;

	if (size <= ending || strcmp(file + size - ending, ENDING) != 0) {
		log_warning("store: definitions/%s is skipped: it is no definition, its name does not end in " ENDING,
			file);
		return true;
	}
	more = reallocarray(*names, *n + 1, sizeof(*more));
	if (!more)
		return false;
	*names = more;
	more[*n] = strndup(file, size - ending);
	return more[*n] && ++*n;
}

int store_list(struct store *store, char ***ret, size_t *ret_n, struct error *e)
{
	DIR *dir = open_listing(store->definitions);
	struct dirent *entry;
	char **names = NULL;
	bool ok = true;
	size_t n = 0;

	if (!dir)
		return error_set(e, -EIO, "listing %s/definitions: %s", store->path, strerror(errno));
	while (ok && (entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			ok = add_name(&names, &n, entry->d_name);
	closedir(dir);
	if (!ok) {
		store_names_free(names, n);
		return error_set_errno(e, -ENOMEM, "listing %s/definitions", store->path);
	}
	if (n > 0)
		qsort(names, n, sizeof(*names), compare_names);
	*ret = names;
	*ret_n = n;
	return 0;
}

static char *definition_file(const char *name)
{
	char *file;

	return asprintf(&file, "%s" ENDING, name) < 0 ? NULL : file;
}

int store_read(struct store *store, const char *name, char **ret, size_t *ret_size, struct error *e)
{
	_cleanup_free_ char *file = definition_file(name);
	_cleanup_close_ int fd = -1;

	if (!file)
		return error_set_errno(e, -ENOMEM, "%s", name);
	/* O_NONBLOCK: what somebody put here may be a FIFO */
	fd = openat(store->definitions, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return error_set(e, -EIO, "%s: %s", file, strerror(errno));
	return io_failed(file_read(fd, file, DEFINITION_SIZE_MAX, ret, ret_size, e));
}

int store_write(struct store *store, const char *name, const char *text, struct error *e)
{
	_cleanup_free_ char *file = definition_file(name);

	if (!file)
		return error_set_errno(e, -ENOMEM, "%s", name);
	return io_failed(file_write_atomic(store->definitions, file, text, strlen(text), e));
}

/* "NAME.CONSOLE.log", with ".1" for the run before. NULL when memory is short. */
static char *console_file(const char *name, const char *console, bool before)
{
	char *file;

	return asprintf(&file, "%s.%s.log%s", name, console, before ? ".1" : "") < 0 ? NULL : file;
}

static void remove_console(struct store *store, const char *name, const char *console)
{
	for (int before = 0; before < 2; before++) {
		_cleanup_free_ char *file = console_file(name, console, before);

		if (file)
			unlinkat(store->console, file, 0);
	}
}

int store_remove(struct store *store, const char *name, struct error *e)
{
	_cleanup_free_ char *file = definition_file(name);

	if (!file)
		return error_set_errno(e, -ENOMEM, "%s", name);
	if (unlinkat(store->definitions, file, 0) < 0 && errno != ENOENT)
		return error_set(e, -EIO, "removing %s: %s", file, strerror(errno));
	if (dir_sync(store->definitions) < 0)
		return error_set(e, -EIO, "flushing the folder of %s: %s", file, strerror(errno));
	remove_console(store, name, "hrt");
	return 0;
}

int store_console_begin(
	struct store *store, const char *name, const char *console, int *ret_fd, struct error *e)
{
	_cleanup_free_ char *file = console_file(name, console, false);
	_cleanup_free_ char *before = console_file(name, console, true);
	int fd;

	if (!file || !before)
		return error_set_errno(e, -ENOMEM, "console of %s", name);
	if (renameat(store->console, file, store->console, before) < 0 && errno != ENOENT)
		return error_set(e, -EIO, "renaming console/%s: %s", file, strerror(errno));
	fd = openat(store->console, file, O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, 0640);
	if (fd < 0)
		return error_set(e, -EIO, "creating console/%s: %s", file, strerror(errno));
	*ret_fd = fd;
	return 0;
}

int store_console_open(
	struct store *store, const char *name, const char *console, int *ret_fd, struct error *e)
{
	_cleanup_free_ char *file = console_file(name, console, false);
	int fd;

	if (!file)
		return error_set_errno(e, -ENOMEM, "console of %s", name);
	fd = openat(store->console, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return error_set(e, -ENOTTY,
			"VM %s has no log of console \"%s\": it has not been started yet", name, console);
	if (fd < 0)
		return error_set(e, -EIO, "opening console/%s: %s", file, strerror(errno));
	*ret_fd = fd;
	return 0;
}
