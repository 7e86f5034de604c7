/*
 * crash-states.c - see crash-states.h
 *
 * A file is known by the call that created it, not by its name: names are what is
 * at stake. Folders are never renamed here, so they are known by theirs.
 */
#include "crash-states.h"

#include <fcntl.h>
#include <search.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "fakes/faults.h"
#include "state-dir.h"

#define CALLS_MAX  4096
#define FILES_MAX  1024
#define STATES_MAX (1u << 20) /* from one moment */

/* What becomes of a call that has not been flushed. */
enum fate {
	FATE_LOST,
	FATE_WHOLE,
	FATE_HALF, /* writes only */
	FATE_ZEROS,
};

struct call {
	enum record_type type;
	const char *path, *to; /* borrowed from the record */
	const uint8_t *data;
	size_t size, offset;
	size_t file; /* which it is about; FILES_MAX: a folder, or nothing */
};

struct name {
	const char *path; /* borrowed; NULL: free */
	size_t file;
};

struct tree {
	struct name names[FILES_MAX];
	size_t n;
};

struct replay {
	struct call calls[CALLS_MAX];
	size_t n;
	size_t pending[CALLS_MAX], n_pending; /* calls that are not flushed at the moment looked at */
	enum fate fates[CALLS_MAX];           /* of each call, for the state that is being built */
	void *seen;                           /* tsearch(3), of hashes */
	size_t n_states;
	const char *folder, *scratch;
};

static void die(const char *why)
{
	fprintf(stderr, "crash-states: %s\n", why);
	abort();
}

/* Names */

static struct name *find(struct tree *t, const char *path)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->names[i].path && strcmp(t->names[i].path, path) == 0)
			return &t->names[i];
	return NULL;
}

static void take_away(struct tree *t, const char *path)
{
	struct name *name = find(t, path);

	if (name)
		name->path = NULL;
}

static void put(struct tree *t, const char *path, size_t file)
{
	take_away(t, path);
	if (t->n >= FILES_MAX)
		die("too many names");
	t->names[t->n++] = (struct name){.path = path, .file = file};
}

/* What a call does to names. */
static void apply_names(struct tree *t, const struct call *c)
{
	switch (c->type) {
	case RECORD_MKDIR:
	case RECORD_CREATE:
		put(t, c->path, c->file);
		break;
	case RECORD_RENAME:
		take_away(t, c->path);
		put(t, c->to, c->file);
		break;
	case RECORD_UNLINK:
		take_away(t, c->path);
		break;
	case RECORD_MARK:
	case RECORD_TRUNCATE:
	case RECORD_WRITE:
	case RECORD_SYNC:
		break;
	}
}

static bool changes_names(const struct call *c)
{
	return c->type == RECORD_MKDIR || c->type == RECORD_CREATE || c->type == RECORD_RENAME ||
		c->type == RECORD_UNLINK;
}

static bool changes_bytes(const struct call *c)
{
	return c->type == RECORD_TRUNCATE || c->type == RECORD_WRITE;
}

/* Reading what was recorded */

static void read_call(struct replay *r, struct tree *all, const uint8_t *at, const struct record *head)
{
	struct call *c = &r->calls[r->n];
	const struct name *name;

	if (r->n >= CALLS_MAX)
		die("too many calls");
	*c = (struct call){.type = (enum record_type)head->type,
		.path = (const char *)at,
		.data = at + head->path_size,
		.size = head->data_size,
		.offset = head->offset,
		.file = FILES_MAX};
	c->to = (const char *)c->data;
	name = find(all, c->path);
	if (c->type == RECORD_CREATE)
		c->file = r->n;
	else if (name)
		c->file = name->file;
	apply_names(all, c);
	r->n++;
}

static void read_calls(struct replay *r, const struct faults *recorded)
{
	struct tree *all = calloc(1, sizeof(*all));

	for (size_t at = 0; all && at < recorded->log_size;) {
		struct record head;

		memcpy(&head, recorded->log + at, sizeof(head));
		at += sizeof(head);
		read_call(r, all, recorded->log + at, &head);
		at += head.path_size + head.data_size;
	}
	free(all);
}

/* What is flushed */

static bool is_parent(const char *folder, const char *path)
{
	size_t n = strlen(folder);

	return strncmp(folder, path, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/');
}

static bool flushes(const struct call *sync, const struct call *c)
{
	if (sync->type != RECORD_SYNC)
		return false;
	return changes_names(c) ? is_parent(sync->path, c->path)
				: sync->file != FILES_MAX && sync->file == c->file;
}

static bool is_flushed(const struct replay *r, size_t i, size_t moment)
{
	for (size_t k = i + 1; k < moment; k++)
		if (flushes(&r->calls[k], &r->calls[i]))
			return true;
	return false;
}

/* Building */

static const char *in_scratch(const struct replay *r, const char *path)
{
	static char text[512];

	snprintf(text, sizeof(text), "%s%s", r->scratch, path + strlen(r->folder));
	return text;
}

/* Folders stand before what is in them: they were made before. A name whose folder is lost is lost with it. */
static void build_names(const struct replay *r, struct tree *t)
{
	for (size_t i = 0; i < t->n; i++) {
		struct name *name = &t->names[i];

		if (!name->path)
			continue;
		if (name->file == FILES_MAX)
			mkdir(in_scratch(r, name->path), 0750);
		else
			close_fd(open(in_scratch(r, name->path), O_WRONLY | O_CREAT | O_CLOEXEC, 0640));
	}
}

static void write_part(int fd, const struct call *c, enum fate fate)
{
	size_t size = fate == FATE_HALF ? c->size / 2 : c->size;

	if (c->type == RECORD_TRUNCATE && ftruncate(fd, 0) < 0)
		die("ftruncate");
	if (c->type != RECORD_WRITE)
		return;
	if (fate == FATE_ZEROS ? ftruncate(fd, (off_t)(c->offset + size)) < 0
			       : pwrite(fd, c->data, size, (off_t)c->offset) != (ssize_t)size)
		die("pwrite");
}

static void build_bytes(const struct replay *r, const struct name *name, size_t moment)
{
	_cleanup_close_ int fd = open(in_scratch(r, name->path), O_WRONLY | O_CLOEXEC);

	for (size_t i = 0; fd >= 0 && i < moment; i++)
		if (changes_bytes(&r->calls[i]) && r->calls[i].file == name->file && r->fates[i] != FATE_LOST)
			write_part(fd, &r->calls[i], r->fates[i]);
}

static uint64_t hash(uint64_t h, const void *data, size_t size)
{
	for (size_t i = 0; i < size; i++) /* FNV-1a */
		h = (h ^ ((const uint8_t *)data)[i]) * 0x100000001b3ull;
	return h;
}

/* Two states with the same hash have the same names, and of each file the same parts, after as many marks. */
static uint64_t hash_state(const struct replay *r, const struct tree *t, size_t moment, size_t n_marks)
{
	uint64_t h = hash(0xcbf29ce484222325ull, &n_marks, sizeof(n_marks));

	for (size_t i = 0; i < t->n; i++) {
		if (!t->names[i].path)
			continue;
		h = hash(h, t->names[i].path, strlen(t->names[i].path) + 1);
		for (size_t k = 0; k < moment; k++)
			if (changes_bytes(&r->calls[k]) && r->calls[k].file == t->names[i].file &&
				r->fates[k] != FATE_LOST) {
				h = hash(h, &k, sizeof(k));
				h = hash(h, &r->fates[k], sizeof(r->fates[k]));
			}
	}
	return h;
}

static int compare_hashes(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static bool is_new(struct replay *r, uint64_t h)
{
	uint64_t *key;

	if (tfind(&h, &r->seen, compare_hashes))
		return false;
	key = malloc(sizeof(*key));
	if (!key)
		die("memory is short");
	*key = h;
	tsearch(key, &r->seen, compare_hashes);
	return true;
}

static void clean_scratch(const struct replay *r)
{
	state_dir_remove(r->scratch);
	if (mkdir(r->scratch, 0750) < 0)
		die("mkdir");
}

static void build_state(struct replay *r, size_t moment, size_t n_marks, crash_state_fn fn, void *userdata)
{
	static struct tree t;

	t.n = 0;
	for (size_t i = 0; i < moment; i++)
		if (r->fates[i] != FATE_LOST)
			apply_names(&t, &r->calls[i]);
	if (!is_new(r, hash_state(r, &t, moment, n_marks)))
		return;
	build_names(r, &t);
	for (size_t i = 0; i < t.n; i++)
		if (t.names[i].path && t.names[i].file != FILES_MAX)
			build_bytes(r, &t.names[i], moment);
	r->n_states++;
	fn(userdata, n_marks);
	clean_scratch(r);
}

/* Combining */

static enum fate last_fate(const struct call *c)
{
	return c->type == RECORD_WRITE ? FATE_ZEROS : FATE_WHOLE;
}

/* The next combination of fates; false after the last. */
static bool next_combination(struct replay *r)
{
	for (size_t i = 0; i < r->n_pending; i++) {
		size_t call = r->pending[i];

		if (r->fates[call] != last_fate(&r->calls[call])) {
			r->fates[call]++;
			return true;
		}
		r->fates[call] = FATE_LOST;
	}
	return false;
}

static void look_at(struct replay *r, size_t moment, crash_state_fn fn, void *userdata)
{
	size_t n_marks = 0, n = 0;

	r->n_pending = 0;
	for (size_t i = 0; i < moment; i++) {
		bool pending = (changes_names(&r->calls[i]) || changes_bytes(&r->calls[i])) &&
			!is_flushed(r, i, moment);

		n_marks += r->calls[i].type == RECORD_MARK;
		r->fates[i] = pending ? FATE_LOST : FATE_WHOLE;
		if (pending)
			r->pending[r->n_pending++] = i;
	}
	do {
		build_state(r, moment, n_marks, fn, userdata);
		if (++n > STATES_MAX)
			die("too much is not flushed at a time");
	} while (next_combination(r));
}

size_t crash_states(const struct faults *recorded, const char *folder, const char *scratch, crash_state_fn fn,
	void *userdata)
{
	struct replay *r = calloc(1, sizeof(*r));
	size_t n;

	if (!r)
		die("memory is short");
	r->folder = folder;
	r->scratch = scratch;
	read_calls(r, recorded);
	for (size_t moment = 0; moment <= r->n; moment++)
		look_at(r, moment, fn, userdata);
	tdestroy(r->seen, free);
	n = r->n_states;
	free(r);
	return n;
}
