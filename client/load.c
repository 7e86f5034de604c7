/* load.c - see load.h */
#include "client/load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "client/memory.h"
#include "client/say.h"
#include "client/text.h"
#include "spec/definition.h"

/* O_NONBLOCK: a FIFO must not hold us up; file_read() and check_image() then refuse it. */
#define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

static enum exit_status read_text(struct definition_file *f)
{
	_cleanup_close_ int fd = open(f->path, OPEN_FLAGS);
	struct error e = {};

	if (fd < 0) {
		say_error(f->path, "%s", strerrordesc_np(errno));
		return STATUS_FAILED;
	}
	if (file_read(fd, f->path, DEFINITION_SIZE_MAX, &f->text, &f->size, &e) < 0) {
		say_error(NULL, "%s", e.text);
		return STATUS_FAILED;
	}
	return STATUS_OK;
}

static int open_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder =
		slash ? memory_bytes(path, (size_t)(slash - path) + 1) : memory_string(".");

	return open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* The fault of an image that has been opened; NULL when it has none. */
static const char *image_fault(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return strerrordesc_np(errno);
	if (!S_ISREG(st.st_mode))
		return "it is not a regular file";
	return st.st_size == 0 ? "it is empty; an image has at least an ELF header" : NULL;
}

/* A stored file needs no descriptor: hvmd has it. The name is then a memory of where it came from. */
static int open_image(struct definition_file *f, const struct spec_file *file, int folder)
{
	_cleanup_close_ int fd = -1;
	const char *fault;

	if (file->stored || !file->filename)
		return -1;
	fd = openat(folder, file->filename, OPEN_FLAGS);
	fault = fd < 0 ? strerrordesc_np(errno) : image_fault(fd);
	if (fault) {
		diagnostics_add(&f->diagnostics, NOWHERE, "/vm/files/file", SEVERITY_ERROR,
			"the image \"%s\" of file \"%s\" cannot be used: %s", file->filename, file->id,
			fault);
		return -1;
	}
	return take_fd(fd);
}

static void open_images(struct definition_file *f)
{
	_cleanup_close_ int folder = open_folder_of(f->path);

	for (size_t i = 0; i < f->spec->n_files; i++)
		f->images[i] = open_image(f, &f->spec->files[i], folder);
}

enum exit_status definition_file_load(const char *path, struct definition_file *ret)
{
	*ret = (struct definition_file){.path = path};
	for (size_t i = 0; i < SPEC_FILES_MAX; i++)
		ret->images[i] = -1;
	if (read_text(ret) != STATUS_OK)
		return STATUS_FAILED;
	if (definition_parse(ret->text, ret->size, NULL, &ret->diagnostics, &ret->spec) == 0)
		open_images(ret);
	if (ret->diagnostics.out_of_memory) {
		say_error(path, "out of memory");
		return STATUS_FAILED;
	}
	return ret->diagnostics.n_errors > 0 ? STATUS_INVALID_DEFINITION : STATUS_OK;
}

void definition_file_fini(struct definition_file *f)
{
	for (size_t i = 0; i < SPEC_FILES_MAX; i++)
		f->images[i] = close_fd(f->images[i]);
	diagnostics_fini(&f->diagnostics);
	f->spec = vm_spec_free(f->spec);
	free(f->text);
	f->text = NULL;
}

void definition_file_print(const struct definition_file *f, FILE *out)
{
	_cleanup_free_ char *path = text_one_line(f->path);

	for (size_t i = 0; i < f->diagnostics.n; i++) {
		const struct diagnostic *d = &f->diagnostics.items[i];
		_cleanup_free_ char *where = text_one_line(d->path);
		_cleanup_free_ char *message = text_one_line(d->message);

		fputs(path, out);
		if (d->at.line > 0)
			fprintf(out, ":%u:%u", d->at.line, d->at.column);
		fprintf(out, ": %s: %s%s%s\n", severity_to_string(d->severity), where, where[0] ? ": " : "",
			message);
	}
	if (diagnostics_lost(&f->diagnostics) > 0)
		fprintf(out, "%s: %zu more errors are not shown\n", path, diagnostics_lost(&f->diagnostics));
}
