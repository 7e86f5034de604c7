/*
 * state-dir.h - a state folder of hvmd, what is done to it, and what it comes to
 *
 * For tests of what survives: a registry without a bus over a folder in
 * memory, so that a disk that is slow to flush does not matter.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "vm/registry.h"

#define STATE_TEXT_SIZE 8192

/* A fresh folder's path, for the caller to free; removes what is in one, and itself. */
char *state_dir_new(void);
void state_dir_remove(const char *dir);

/* A registry over it, with a loop of its own. NULL and the sentence when it cannot be opened. */
struct registry *state_open(const char *dir, struct error *e);
struct registry *state_close(struct registry *registry);

/*
 * Defines a hybrid VM whose HRT's image holds these bytes, and waits until it is
 * done. NULL for the image: the one that "a" has. Returns what registry_define() comes to.
 */
int state_define(struct registry *registry, const char *name, const char *cmdline, const char *image, struct error *e);

/* What stands in a file below the folder. */
void state_put(const char *dir, const char *name, const char *text);
bool state_has(const char *dir, const char *name);

/* One line a VM: name, command line, autostart, and whether its image is what it should be. */
void state_describe(const struct registry *registry, char ret[STATE_TEXT_SIZE]);

/* One line a file below the folder, sorted. */
void state_tree(const char *dir, char ret[STATE_TEXT_SIZE]);

/* Opens, describes with the tree behind it, closes: what a restart comes to. False when it cannot be opened. */
bool state_restart(const char *dir, char ret[STATE_TEXT_SIZE]);
