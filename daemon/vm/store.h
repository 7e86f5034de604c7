/*
 * store.h - what hvmd keeps on disk
 *
 *	STATE/definitions/NAME.xml        the canonical form of each definition
 *	STATE/images/SHA256               the images that definitions refer to
 *	STATE/console/NAME.CONSOLE.log    what the guest wrote in its last run,
 *	STATE/console/NAME.CONSOLE.log.1  and in the run before
 *
 * Knows files, not what stands in them. One hvmd at a time holds a state
 * folder. Failures of the file system are -EIO with a sentence that says which
 * file and why.
 */
#pragma once

#include <stddef.h>

struct error;

struct store {
	int images; /* folder, for images.h */
	int definitions, console;
	int root; /* locked as long as it is open */
	char *path;
};

/* Opens a state folder, making what is missing and removing what an interrupted write left behind. */
int store_open(const char *path, struct store **ret, struct error *e);

/* Closes it. Takes NULL; returns NULL. */
struct store *store_free(struct store *store);

/*
 * The names of the definitions, sorted, for store_names_free(). A file there that
 * is none is named in the log.
 */
int store_list(struct store *store, char ***ret, size_t *ret_n, struct error *e);
void store_names_free(char **names, size_t n);

/* Reads a definition, which the caller frees. */
int store_read(struct store *store, const char *name, char **ret, size_t *ret_size, struct error *e);

/* Puts a definition in place of what is there: after a power cut it is the old one or the new one. */
int store_write(struct store *store, const char *name, const char *text, struct error *e);

/* Removes a definition, and its console logs. */
int store_remove(struct store *store, const char *name, struct error *e);

/*
 * A fresh, empty console log opened for appending, for the caller; the previous one is kept beside it
 * as ".1".
 */
int store_console_begin(
	struct store *store, const char *name, const char *console, int *ret_fd, struct error *e);

/* The console log of the last run, opened for reading, for the caller. -ENOTTY when the VM has never run. */
int store_console_open(
	struct store *store, const char *name, const char *console, int *ret_fd, struct error *e);
