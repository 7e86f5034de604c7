/* store.c - see store.h */
#include "vm/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "spec/definition.h"

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
	close_fd(store->autostart);
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
		if (strncmp(entry->d_name, ".#", 2) != 0)
			continue;
		else if (unlinkat(dirfd, entry->d_name, 0) == 0)
			log_notice("store: removed %s, left by an interrupted write", entry->d_name);
		else
			log_warning("store: %s, left by an interrupted write, stays: %s", entry->d_name,
				strerror(errno));
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
	*store = (struct store){.images = -1, .definitions = -1, .autostart = -1, .console = -1, .root = -1};
	store->path = strdup(path);
	if (!store->path)
		return error_set_errno(e, -ENOMEM, "%s", path);
	r = open_folder(path, NULL, &store->root, e);
	if (r < 0)
		return r;
	if (dir_hold(store->root) < 0)
		return error_set(e, -EBUSY, "the state folder %s is in use by another hvmd", path);
	r = open_folder(path, "images", &store->images, e);
	if (r == 0)
		r = open_folder(path, "definitions", &store->definitions, e);
	if (r == 0)
		r = open_folder(path, "autostart", &store->autostart, e);
	if (r == 0)
		r = open_folder(path, "console", &store->console, e);
	if (r < 0)
		return r;
	*ret = take_ptr(store);
	return 0;
}

/* After a change that is in place: makes it last. */
static int flush(struct store *store, int dirfd, const char *file, struct error *e)
{
	int r = dir_sync(dirfd);

	if (r == 0)
		return 0;
	store->in_doubt = true;
	return error_set(e, -EIO,
		"flushing the folder of %s: %s; after a restart it may be as before or as after this", file,
		strerror(-r));
}

int store_settle(struct store *store, struct error *e)
{
	int r = 0;

	if (!store->in_doubt)
		return 0;
	store->in_doubt = false;
	r = flush(store, store->definitions, "the definitions", e);
	if (r == 0)
		r = flush(store, store->autostart, "autostart", e);
	return r < 0 ? r : flush(store, store->images, "the images", e);
}

void store_names_fini(struct store_names *names)
{
	for (size_t i = 0; i < names->n; i++)
		free(names->items[i]);
	free(names->items);
	*names = (struct store_names){};
}

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

bool store_names_have(const struct store_names *names, const char *name)
{
	return names->n > 0 && bsearch(&name, names->items, names->n, sizeof(*names->items), compare_names);
}

static int add_name(struct store_names *names, const char *name, size_t size)
{
	if ((names->n & (names->n - 1)) == 0) { /* full: room for twice as many */
		char **more = reallocarray(names->items, names->n ? 2 * names->n : 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		names->items = more;
	}
	names->items[names->n] = strndup(name, size);
	if (!names->items[names->n])
		return -ENOMEM;
	names->n++;
	return 0;
}

static int add_names(DIR *dir, const char *ending, struct store_names *names)
{
	struct dirent *entry;
	int r = 0;

	errno = 0;
	while (r == 0 && (entry = readdir(dir))) {
		size_t size = strlen(entry->d_name), cut = strlen(ending);

		if (entry->d_name[0] != '.' && size > cut && strcmp(entry->d_name + size - cut, ending) == 0)
			r = add_name(names, entry->d_name, size - cut);
		errno = 0;
	}
	return r < 0 ? r : -errno; /* a list that ends early would be taken for the whole */
}

int store_names_read(int dirfd, const char *ending, struct store_names *ret, struct error *e)
{
	struct store_names names _cleanup_(store_names_fini) = {};
	DIR *dir = open_listing(dirfd);
	int r;

	r = dir ? add_names(dir, ending, &names) : -errno;
	if (dir)
		closedir(dir);
	if (r < 0) {
		error_set(e, r, "listing it: %s", strerror(-r));
		return io_failed(r);
	}
	if (names.n > 0)
		qsort(names.items, names.n, sizeof(*names.items), compare_names);
	*ret = names;
	names = (struct store_names){};
	return 0;
}

static int list(struct store *store, int dirfd, const char *folder, struct store_names *ret, struct error *e)
{
	int r = store_names_read(dirfd, "", ret, e);

	return r < 0 ? error_prefix(e, r, "%s/%s", store->path, folder) : 0;
}

int store_list_definitions(struct store *store, struct store_names *ret, struct error *e)
{
	return list(store, store->definitions, "definitions", ret, e);
}

int store_list_autostart(struct store *store, struct store_names *ret, struct error *e)
{
	return list(store, store->autostart, "autostart", ret, e);
}

static char *definition_file(const char *name)
{
	char *file;

	return asprintf(&file, "%s" DEFINITION_ENDING, name) < 0 ? NULL : file;
}

char *store_definition_path(const struct store *store, const char *name)
{
	char *path;

	return asprintf(&path, "%s/definitions/%s" DEFINITION_ENDING, store->path, name) < 0 ? NULL : path;
}

/* Whoever can write a definition decides what runs here. */
static int check_owner(int fd, struct error *e)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(e, -EIO, "it cannot be looked at: %s", strerror(errno));
	if (st.st_uid != 0 && st.st_uid != geteuid())
		return error_set(e, -EIO,
			"it belongs to user %u; only root and the user of hvmd (%u) may own definitions",
			(unsigned)st.st_uid, (unsigned)geteuid());
	return 0;
}

int store_read(struct store *store, const char *name, char **ret, size_t *ret_size, struct error *e)
{
	_cleanup_free_ char *file = definition_file(name);
	_cleanup_close_ int fd = -1;
	int r;

	if (!file)
		return error_set_errno(e, -ENOMEM, "%s", name);
	/* O_NONBLOCK: what somebody put here may be a FIFO */
	fd = openat(store->definitions, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 && errno == ELOOP)
		return error_set(e, -EIO, "it is a symbolic link; put the file itself there");
	if (fd < 0)
		return error_set(e, -EIO, "it cannot be opened: %s", strerror(errno));
	r = check_owner(fd, e);
	return r < 0 ? r : io_failed(file_read(fd, NULL, DEFINITION_SIZE_MAX, ret, ret_size, e));
}

int store_write(struct store *store, const char *name, const char *text, struct error *e)
{
	_cleanup_free_ char *file = definition_file(name);
	int r;

	if (!file)
		return error_set_errno(e, -ENOMEM, "%s", name);
	r = io_failed(file_replace(store->definitions, file, text, strlen(text), e));
	return r < 0 ? r : flush(store, store->definitions, file, e);
}

int store_set_autostart(struct store *store, const char *name, bool on, struct error *e)
{
	_cleanup_close_ int fd = -1;

	if (on)
		fd = openat(store->autostart, name, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0640);
	if (on ? fd < 0 : unlinkat(store->autostart, name, 0) < 0)
		return !on && errno == ENOENT ? 0
					      : error_set(e, -EIO, "autostart/%s: %s", name, strerror(errno));
	return flush(store, store->autostart, name, e);
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

/*
 * Autostart and logs are removed when the definition is gone for good: what is left of them by an interruption
 * then is removed at the next start.
 */
int store_remove(struct store *store, const char *name, struct error *e)
{
	_cleanup_free_ char *file = definition_file(name);
	struct error left;
	int r;

	if (!file)
		return error_set_errno(e, -ENOMEM, "%s", name);
	if (unlinkat(store->definitions, file, 0) < 0 && errno != ENOENT)
		return error_set(e, -EIO, "removing %s: %s", file, strerror(errno));
	r = flush(store, store->definitions, file, e);
	if (r < 0)
		return r;
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		remove_console(store, name, partition_role_to_string((enum partition_role)role));
	if (store_set_autostart(store, name, false, &left) < 0)
		log_warning("store: what was left of %s: %s", name, left.text);
	return 0;
}

/* The VM of "NAME.CONSOLE.log" or "NAME.CONSOLE.log.1", as the file of its definition; NULL for other files. */
static char *console_owner(const char *file)
{
	_cleanup_free_ char *name = strdup(file);
	size_t size = name ? strlen(name) : 0;
	char *dot, *definition;

	if (size > 2 && strcmp(name + size - 2, ".1") == 0)
		name[size -= 2] = '\0';
	if (size <= 4 || strcmp(name + size - 4, ".log") != 0)
		return NULL;
	name[size - 4] = '\0';
	dot = strrchr(name, '.');
	if (!dot || dot == name)
		return NULL;
	*dot = '\0';
	return asprintf(&definition, "%s" DEFINITION_ENDING, name) < 0 ? NULL : definition;
}

void store_sweep_consoles(struct store *store, const struct store_names *definitions)
{
	struct store_names files _cleanup_(store_names_fini) = {};

	if (list(store, store->console, "console", &files, NULL) < 0)
		return; /* what stays behind is swept the next time */
	for (size_t i = 0; i < files.n; i++) {
		_cleanup_free_ char *owner = console_owner(files.items[i]);

		if (owner && !store_names_have(definitions, owner) &&
			unlinkat(store->console, files.items[i], 0) == 0)
			log_notice("store: removed console/%s, whose VM is gone", files.items[i]);
	}
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
