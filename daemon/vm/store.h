/*
 * store.h - what hvmd keeps on disk
 *
 *	STATE/definitions/NAME.xml        the canonical form of each definition
 *	STATE/images/SHA256               the images that definitions refer to
 *	STATE/autostart/NAME              an empty file: this VM is started when hvmd is
 *	STATE/console/NAME.CONSOLE.log    what the guest wrote in its last run,
 *	STATE/console/NAME.CONSOLE.log.1  and in the run before
 *
 * Knows files, not what stands in them. One hvmd at a time holds a state
 * folder. Failures of the file system are -EIO with a sentence that says which
 * file and why.
 *
 * What succeeds is on disk and stays there; what fails has changed nothing, with
 * one exception: when the disk refuses to flush a change that has been made, nobody
 * knows what will be there after a restart. Then the store is in doubt.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct error;

struct store {
	int images; /* folder, for images.h */
	int definitions, autostart, console;
	int root; /* locked as long as it is open */
	char *path;
	bool in_doubt; /* what we hold and what is on disk may differ */
};

/* Opens a state folder, making what is missing and removing what an interrupted write left behind. */
int store_open(const char *path, struct store **ret, struct error *e);

/* Closes it. Takes NULL; returns NULL. */
struct store *store_free(struct store *store);

/* Before it is read again: what is there lasts from now on, or this is -EIO and the store stays in doubt. */
int store_settle(struct store *store, struct error *e);

struct store_names {
	char **items; /* sorted */
	size_t n;
};

/* The files in definitions/, DEFINITION_ENDING included, and in autostart/; hidden ones left out. */
#define DEFINITION_ENDING ".xml"
int store_list_definitions(struct store *store, struct store_names *ret, struct error *e);
int store_list_autostart(struct store *store, struct store_names *ret, struct error *e);
/* The files of the folder `dirfd` (borrowed) whose names end so, without that ending. */
int store_names_read(int dirfd, const char *ending, struct store_names *ret, struct error *e);
void store_names_fini(struct store_names *names);
bool store_names_have(const struct store_names *names, const char *name);

/* Reads a definition, which the caller frees. It must belong to us or to root. */
int store_read(struct store *store, const char *name, char **ret, size_t *ret_size, struct error *e);

/* Puts a definition in place of what is there: after a power cut it is the old one or the new one. */
int store_write(struct store *store, const char *name, const char *text, struct error *e);

/* Removes a definition, and then its autostart and its console logs. */
int store_remove(struct store *store, const char *name, struct error *e);

/* Has the VM started when hvmd is, or not. */
int store_set_autostart(struct store *store, const char *name, bool on, struct error *e);

/* Removes the console logs of VMs that have no file among `definitions`. */
void store_sweep_consoles(struct store *store, const struct store_names *definitions);

/* Where the definition of a VM is; the caller frees it. NULL when memory is short. */
char *store_definition_path(const struct store *store, const char *name);

/* A fresh, empty console log opened for appending, for the caller; the one before is kept as ".1". */
int store_console_begin(
	struct store *store, const char *name, const char *console, int *ret_fd, struct error *e);

/* The console log of the last run, opened for reading, for the caller. -ENOTTY when the VM has never run. */
int store_console_open(
	struct store *store, const char *name, const char *console, int *ret_fd, struct error *e);
