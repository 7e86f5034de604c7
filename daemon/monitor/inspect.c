/* inspect.c - see inspect.h */
#include "monitor/inspect.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "image/describe.h"
#include "link/link.h"
#include "monitor/cage.h"
#include "monitor/machine.h"
#include "monitor/measure.h"
#include "monitor/prepare.h"
#include "spec/spec.h"
#include "spec/wire.h"

#define DESCRIPTION_MAX 8192 /* bytes: what it is, and a sentence for each boot protocol */

struct findings {
	const struct vm_spec *spec; /* borrowed */
	struct guest_file files[SPEC_FILES_MAX]; /* their data is owned */
	struct prepared prepared;
	int error;        /* why there is no plan: a negative errno */
	struct error why; /* and its sentence */
};

static bool is_kernel(const struct vm_spec *spec, size_t index)
{
	return spec->ros_boots && index == spec->ros_file;
}

static int parse_kernel(struct findings *f, struct error *e)
{
	const struct guest_file *file = &f->files[f->spec->ros_file];

	return kernel_image_parse(file->data, file->size, ros_protocols(f->spec), &f->prepared.ros.kernel, e);
}

/* Of a kernel that boots also what each protocol makes of it; of another, judge_kernel() says that. */
static void describe(struct findings *f, size_t index, struct buffer *reply)
{
	const struct guest_file *file = &f->files[index];
	struct buffer text = BUFFER_INIT(DESCRIPTION_MAX);
	_cleanup_free_ char *line = NULL;

	image_describe(file->data, file->size, &text);
	if (is_kernel(f->spec, index) && parse_kernel(f, NULL) == 0) {
		buffer_append_string(&text, "; ");
		kernel_image_explain(file->data, file->size, ros_protocols(f->spec), &text);
	}
	line = buffer_take_string(&text);
	link_append_string(reply, line);
}

static void judged(struct buffer *reply, const char *protocol, const char *why_not)
{
	link_append_string(reply, protocol);
	link_append_string(reply, why_not);
}

static void judge_hrt(struct findings *f, struct buffer *reply)
{
	const struct vm_spec *spec = f->spec;
	const struct guest_file *file = &f->files[spec->hrt_file];
	struct error e = {};
	int r = hrt_parse(spec, file, &f->prepared.image, &e);

	judged(reply, r == 0 ? hrt_image_kind(&f->prepared.image) : "", r == 0 ? "" : error_text(&e, r));
}

static void judge_kernel(struct findings *f, struct buffer *reply)
{
	struct error e = {};
	int r = parse_kernel(f, &e);

	judged(reply, r == 0 ? kernel_protocol_to_string(f->prepared.ros.kernel.protocol) : "",
		r == 0 ? "" : error_text(&e, r));
}

/* There is no plan for this reason; the first counts. */
static void no_plan(struct findings *f, int error, const struct error *e)
{
	if (f->error)
		return;
	f->error = error;
	f->why = *e;
}

static void inspect_file(struct findings *f, size_t index, int fd, struct buffer *reply)
{
	const struct vm_spec *spec = f->spec;
	_cleanup_close_ int owned = fd;
	struct error e = {};
	char *data;
	size_t size;
	int r = file_read(owned, spec->files[index].id, MACHINE_IMAGE_MAX, &data, &size, &e);

	if (r < 0) {
		link_append_string(reply, "unreadable");
		judged(reply, "", error_text(&e, r));
		if (prepare_needs_file(spec, index))
			no_plan(f, r, &e);
		return;
	}
	f->files[index] = (struct guest_file){.data = (uint8_t *)data, .size = size};
	describe(f, index, reply);
	if (spec->hybrid && index == spec->hrt_file)
		judge_hrt(f, reply);
	else if (is_kernel(spec, index))
		judge_kernel(f, reply);
	else
		judged(reply, "", "");
}

/* All that a plan needs have been looked at, and could be read. */
static bool has_images(struct findings *f, size_t n_files)
{
	struct error e;

	for (size_t i = n_files; i < f->spec->n_files; i++)
		if (prepare_needs_file(f->spec, i))
			no_plan(f, error_set(&e, -ENOEXEC, "the image \"%s\" was not looked at", f->spec->files[i].id), &e);
	return f->error == 0;
}

/*
 * What start would say, too. With 1 GiB pages, as every processor of the last ten
 * years has them; a host without gets smaller tables.
 */
static void append_plan(struct findings *f, size_t n_files, struct buffer *reply)
{
	_cleanup_(measure_freep) struct measure *measure = NULL;

	if (has_images(f, n_files))
		f->error = measure_new(f->spec, f->files, &measure, &f->why);
	buffer_append_uint(reply, (uint32_t)f->error, 4);
	link_append_string(reply, f->error < 0 ? error_text(&f->why, f->error) : "");
	if (f->error == 0)
		measure_append_plan(&measure->plan, f->spec, measure, reply);
}

static void findings_free(struct findings *f)
{
	for (size_t i = 0; i < SPEC_FILES_MAX; i++)
		free((void *)f->files[i].data);
	free(f);
}

int inspect(struct link_message *request, struct buffer *reply, struct error *e)
{
	_cleanup_(vm_spec_freep) struct vm_spec *spec = NULL;
	struct findings *f;
	int r;

	r = cage_enter_inspector(e);
	if (r < 0)
		return r;
	r = spec_decode(&request->payload, &spec, e);
	if (r < 0)
		return r;
	if (request->n_fds != 0 && request->n_fds != spec->n_files)
		return error_set(e, -EPROTO, "%zu descriptors came for %zu files", request->n_fds, spec->n_files);
	f = calloc(1, sizeof(*f));
	if (!f)
		return error_set_errno(e, -ENOMEM, "inspecting images");
	f->spec = spec;
	buffer_append_uint(reply, request->n_fds, 4);
	for (size_t i = 0, n = request->n_fds; i < n; i++)
		inspect_file(f, i, link_message_take_fd(request, i), reply);
	append_plan(f, request->n_fds, reply);
	findings_free(f);
	return 0;
}
