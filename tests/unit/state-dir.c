/* state-dir.c - see state-dir.h */
#include "state-dir.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/io.h"
#include "spec/diagnostic.h"
#include "vm/images.h"
#include "vm/store.h"

char *state_dir_new(void)
{
	char *dir = strdup(
		access("/dev/shm", W_OK) == 0 ? "/dev/shm/hvmd-state-XXXXXX" : "/tmp/hvmd-state-XXXXXX");

	if (!dir || !mkdtemp(dir))
		abort();
	return dir;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void state_dir_remove(const char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

struct registry *state_open(const char *dir, struct error *e)
{
	struct registry *registry = NULL;
	struct event_base *base = event_base_new();

	if (!base || registry_new(base, dir, "/nonexistent", "/nonexistent", &registry, e) < 0) {
		if (base)
			event_base_free(base);
		return NULL;
	}
	return registry;
}

struct registry *state_close(struct registry *registry)
{
	struct event_base *base = registry ? registry->context.base : NULL;

	registry_free(registry);
	if (base)
		event_base_free(base);
	return NULL;
}

static const char format[] =
	"<vm name=\"%s\" class=\"PC\"><memory>16</memory><cores count=\"2\"/>"
	"<files><file id=\"hrt\" %s=\"%s\"/></files><hvm enable=\"y\"><ros cores=\"1\" mem=\"4\"/>"
	"<hrt file_id=\"hrt\" cmdline=\"%s\"/></hvm></vm>";

struct outcome {
	bool done;
	int error;
	struct error e;
};

static void on_defined(void *userdata, int error, const struct error *e, struct vm *vm)
{
	struct outcome *outcome = userdata;

	(void)vm;
	*outcome = (struct outcome){.done = true, .error = error, .e = *e};
}

static int define_text(struct registry *registry, const char *text, const struct registry_file *file,
	size_t n_files, struct error *e)
{
	struct diagnostics diagnostics = {};
	struct outcome outcome = {};
	int r;

	r = registry_define(
		registry, text, strlen(text), file, n_files, &diagnostics, on_defined, &outcome, e);
	while (r == 0 && !outcome.done)
		event_base_loop(registry->context.base, EVLOOP_ONCE);
	diagnostics_fini(&diagnostics);
	if (r == 0 && outcome.error < 0)
		*e = outcome.e;
	return r < 0 ? r : outcome.error;
}

int state_define(
	struct registry *registry, const char *name, const char *cmdline, const char *image, struct error *e)
{
	struct registry_file file = {.id = "hrt", .fd = -1};
	char text[1024], hex[IMAGE_HEX_SIZE];
	int r;

	if (!image) {
		struct vm *a = registry_find(registry, "a", e);

		if (!a)
			return -ENOENT;
		image_hex(a->stored->files[0].sha256, hex);
		snprintf(text, sizeof(text), format, name, "sha256", hex, cmdline);
		return define_text(registry, text, NULL, 0, e);
	}
	file.fd = memfd_create("image", MFD_CLOEXEC);
	if (file.fd < 0 || write_full(file.fd, image, strlen(image)) < 0)
		abort();
	snprintf(text, sizeof(text), format, name, "filename", "x", cmdline);
	r = define_text(registry, text, &file, 1, e);
	close(file.fd);
	return r;
}

static char *path_of(const char *dir, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", dir, name) < 0)
		abort();
	return path;
}

void state_put(const char *dir, const char *name, const char *text)
{
	_cleanup_free_ char *path = path_of(dir, name);
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);

	if (fd < 0 || write_full(fd, text, strlen(text)) < 0)
		abort();
}

bool state_has(const char *dir, const char *name)
{
	_cleanup_free_ char *path = path_of(dir, name);

	return access(path, F_OK) == 0;
}

static bool images_are_right(const struct registry *registry, const struct vm *vm)
{
	atomic_bool cancelled = false;

	for (size_t i = 0; i < vm->stored->n_files; i++)
		if (image_verify(registry->store->images, vm->stored->files[i].sha256, &cancelled, NULL) < 0)
			return false;
	return true;
}

static void take_text(struct buffer *b, char ret[STATE_TEXT_SIZE])
{
	char *text = buffer_take_string(b);

	if (!text)
		abort();
	memcpy(ret, text, strlen(text) + 1);
	free(text);
}

void state_describe(const struct registry *registry, char ret[STATE_TEXT_SIZE])
{
	struct buffer b = BUFFER_INIT(STATE_TEXT_SIZE - 1);

	for (size_t i = 0; i < registry->n_vms; i++) {
		const struct vm *vm = registry->vms[i];

		buffer_printf(&b, "%s \"%s\"%s%s\n", vm->stored->name, vm->stored->hrt_cmdline,
			vm->autostart ? " enabled" : "",
			images_are_right(registry, vm) ? "" : " WITH A FAULTY IMAGE");
	}
	take_text(&b, ret);
}

static char *tree_lines[256];
static size_t n_tree_lines, tree_root;

static int note_file(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)ftw;
	if (type != FTW_D && n_tree_lines < 256)
		tree_lines[n_tree_lines++] = strdup(path + tree_root);
	return 0;
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

void state_tree(const char *dir, char ret[STATE_TEXT_SIZE])
{
	struct buffer b = BUFFER_INIT(STATE_TEXT_SIZE - 1);

	n_tree_lines = 0;
	tree_root = strlen(dir) + 1;
	nftw(dir, note_file, 16, FTW_PHYS);
	qsort(tree_lines, n_tree_lines, sizeof(*tree_lines), compare_lines);
	for (size_t i = 0; i < n_tree_lines; i++) {
		buffer_printf(&b, "%s\n", tree_lines[i]);
		free(tree_lines[i]);
	}
	take_text(&b, ret);
}

static void append_tree(const char *dir, char ret[STATE_TEXT_SIZE])
{
	char tree[STATE_TEXT_SIZE];
	size_t n = strlen(ret);

	state_tree(dir, tree);
	snprintf(ret + n, STATE_TEXT_SIZE - n, "%s", tree);
}

bool state_restart(const char *dir, char ret[STATE_TEXT_SIZE])
{
	struct error e = {};
	struct registry *registry = state_open(dir, &e);

	if (!registry) {
		snprintf(ret, STATE_TEXT_SIZE, "it cannot be opened: %s\n", e.text);
		return false;
	}
	state_describe(registry, ret);
	append_tree(dir, ret);
	state_close(registry);
	return true;
}
