/* load.c - see load.h */
#include "client/load.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/io.h"
#include "client/memory.h"
#include "client/options.h"
#include "client/packed.h"
#include "client/say.h"
#include "client/text.h"
#include "spec/definition.h"

/* O_NONBLOCK: a FIFO must not hold us up; file_read() and check_image() then refuse it. */
#define OPEN_FLAGS (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)

/* It can be read, and what is in it is no definition. */
static enum exit_status refuse(struct definition_file *f, const char *sentence)
{
	diagnostics_add(&f->diagnostics, NOWHERE, "", SEVERITY_ERROR, "%s", sentence);
	return STATUS_INVALID_DEFINITION;
}

/* The text as it stands in the file, or in the container that the file is. */
static enum exit_status read_text(struct definition_file *f, struct packed *packed)
{
	_cleanup_close_ int fd = open(f->path, OPEN_FLAGS);
	struct error e = {};
	int r;

	if (fd < 0) {
		say_error(f->path, "%s", strerrordesc_np(errno));
		return STATUS_FAILED;
	}
	r = packed_open(fd, packed, &e);
	if (r > 0) {
		f->size = packed->container.xml_size;
		f->text = memory_bytes(packed->container.xml, f->size);
	} else if (r == 0) {
		r = file_read(fd, NULL, DEFINITION_SIZE_MAX, &f->text, &f->size, &e);
	}
	if (r == -EBADMSG || r == -EFBIG)
		return refuse(f, e.text);
	if (r < 0)
		say_error(f->path, "%s", e.text);
	return r < 0 ? STATUS_FAILED : STATUS_OK;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* What the file is called, without its extension. The caller frees it. */
static char *name_of_file(const char *path)
{
	const char *base = base_name(path), *dot = strrchr(base, '.');

	return dot && dot > base ? memory_bytes(base, (size_t)(dot - base)) : memory_string(base);
}

static int open_folder_of(const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder =
		slash ? memory_bytes(path, (size_t)(slash - path) + 1) : memory_string(".");

	return open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

#define EMPTY_IMAGE "it is empty; an image has at least an ELF header"

/* The fault of an image that has been opened; NULL when it has none. */
static const char *image_fault(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return strerrordesc_np(errno);
	if (!S_ISREG(st.st_mode))
		return "it is not a regular file";
	return st.st_size == 0 ? EMPTY_IMAGE : NULL;
}

/* A stored file needs no descriptor: hvmd has it. The name is then a memory of where it came from. */
static int open_image(struct definition_file *f, const struct spec_file *file, struct position at, int folder)
{
	_cleanup_close_ int fd = -1;
	const char *fault;

	if (file->stored || !file->filename)
		return -1;
	fd = openat(folder, file->filename, OPEN_FLAGS);
	fault = fd < 0 ? strerrordesc_np(errno) : image_fault(fd);
	if (fault) {
		diagnostics_add(&f->diagnostics, at, "/vm/files/file", SEVERITY_ERROR,
			"the image \"%s\" of file \"%s\" cannot be used: %s", file->filename, file->id,
			fault);
		return -1;
	}
	return take_fd(fd);
}

static int open_packed_image(struct definition_file *f, const struct spec_file *file, struct position at,
	const struct packed *packed)
{
	const char *fault = NULL;
	int fd = -1;

	if (file->index >= packed->container.n_files)
		fault = "the container has fewer files";
	else if (packed->container.files[file->index].size == 0)
		fault = EMPTY_IMAGE;
	else
		fd = packed_image(packed, file->index);
	if (!fault && fd < 0)
		fault = strerrordesc_np(-fd);
	if (fault)
		diagnostics_add(&f->diagnostics, at, "/vm/files/file", SEVERITY_ERROR,
			"the image with index %u of file \"%s\" cannot be used: %s", file->index, file->id, fault);
	return fault ? -1 : fd;
}

static void open_images(struct definition_file *f, const struct packed *packed)
{
	_cleanup_close_ int folder = open_folder_of(f->path);

	for (size_t i = 0; i < f->spec->n_files; i++) {
		const struct spec_file *file = &f->spec->files[i];
		struct position at = f->places.files[i];

		f->images[i] = file->packed && !file->stored ? open_packed_image(f, file, at, packed) :
							       open_image(f, file, at, folder);
	}
	diagnostics_sort(&f->diagnostics);
}

/* In a container a file needs no name; then it gets the container's, to remember where it came from. */
static void name_packed_files(struct definition_file *f)
{
	for (size_t i = 0; i < f->spec->n_files; i++)
		if (!f->spec->files[i].filename && !f->spec->files[i].stored)
			f->spec->files[i].filename = memory_string(base_name(f->path));
}

/* Whether hvmd, which knows nothing of options, containers and the file's name, reads the text as we did. */
static bool says_the_same(const struct definition_file *f, const char *canonical)
{
	_cleanup_(diagnostics_fini) struct diagnostics quiet = {};
	_cleanup_(vm_spec_freep) struct vm_spec *spec = NULL;
	_cleanup_free_ char *other = NULL;

	if (definition_parse(f->text, f->size, NULL, &quiet, &spec) < 0)
		return false;
	other = definition_format(spec);
	return other && strcmp(other, canonical) == 0;
}

/* The text as it is, or else the canonical form of what was meant. */
static void settle_text(struct definition_file *f)
{
	char *canonical;

	name_packed_files(f);
	canonical = definition_format(f->spec);
	if (!canonical) {
		f->diagnostics.out_of_memory = true;
	} else if (says_the_same(f, canonical)) {
		free(canonical);
	} else {
		free(f->text);
		f->text = canonical;
		f->size = strlen(canonical);
	}
}

static void parse(struct definition_file *f, const struct options *options, const struct packed *packed)
{
	_cleanup_free_ char *fallback_name = name_of_file(f->path);
	const struct definition_options o = {
		.unknown_warns = options->unknown_warns,
		.packed = packed->data,
		.name = options->name,
		.fallback_name = fallback_name,
		.overrides = options->overrides,
		.n_overrides = options->n_overrides,
		.places = &f->places,
	};

	if (definition_parse(f->text, f->size, &o, &f->diagnostics, &f->spec) < 0)
		return;
	open_images(f, packed);
	settle_text(f);
}

enum exit_status definition_file_load(const char *path, const struct options *options, struct definition_file *ret)
{
	_cleanup_(packed_fini) struct packed packed = {};
	enum exit_status status;

	*ret = (struct definition_file){.path = path};
	for (size_t i = 0; i < SPEC_FILES_MAX; i++)
		ret->images[i] = -1;
	status = read_text(ret, &packed);
	if (status != STATUS_OK)
		return status;
	parse(ret, options, &packed);
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

struct position definition_file_position(const struct diagnostic *d)
{
	return (struct position){d->at.line > 0 ? d->at.line : 1, d->at.column > 0 ? d->at.column : 1};
}

void definition_file_print(const struct definition_file *f, FILE *out)
{
	_cleanup_free_ char *path = text_one_line(f->path);

	for (size_t i = 0; i < f->diagnostics.n; i++) {
		const struct diagnostic *d = &f->diagnostics.items[i];
		struct position at = definition_file_position(d);
		_cleanup_free_ char *where = text_one_line(d->path);
		_cleanup_free_ char *message = text_one_line(d->message);

		fprintf(out, "%s:%u:%u: %s: %s%s%s\n", path, at.line, at.column, severity_to_string(d->severity), where,
			where[0] ? ": " : "", message);
	}
	if (diagnostics_lost(&f->diagnostics) > 0)
		fprintf(out, "%s: %zu more errors are not shown\n", path, diagnostics_lost(&f->diagnostics));
}
