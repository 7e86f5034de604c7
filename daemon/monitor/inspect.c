/* inspect.c - see inspect.h */
#include "monitor/inspect.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "image/describe.h"
#include "image/hrt.h"
#include "link/link.h"
#include "monitor/cage.h"
#include "monitor/machine.h"
#include "spec/spec.h"
#include "spec/wire.h"

#define DESCRIPTION_MAX 1024 /* bytes */

/* The definition's HRT image, where it is whole and could be booted. */
struct findings {
	const struct vm_spec *spec; /* borrowed */
	bool bootable;
	struct hrt_image image;
	int error;        /* why not: a negative errno */
	struct error why; /* and its sentence */
};

static void describe(const char *data, size_t size, struct buffer *reply)
{
	struct buffer text = BUFFER_INIT(DESCRIPTION_MAX);
	_cleanup_free_ char *line = NULL;

	image_describe(data, size, &text);
	line = buffer_take_string(&text);
	link_append_string(reply, line);
}

static void judge_hrt(struct findings *f, const char *data, size_t size, struct buffer *reply)
{
	const struct vm_spec *spec = f->spec;

	f->error = hrt_image_parse(data, size, spec->ros_memory, ram_end(spec->memory), &f->image, &f->why);
	f->bootable = f->error == 0;
	link_append_string(reply, f->bootable ? "mb64" : "");
	link_append_string(reply, f->bootable ? "" : error_text(&f->why, f->error));
}

static void inspect_file(struct findings *f, size_t index, int fd, struct buffer *reply)
{
	_cleanup_close_ int owned = fd;
	_cleanup_free_ char *data = NULL;
	struct error e = {};
	size_t size;
	int r = file_read(owned, f->spec->files[index].id, MACHINE_IMAGE_MAX, &data, &size, &e);

	if (r < 0) {
		link_append_string(reply, "unreadable");
		link_append_string(reply, "");
		link_append_string(reply, error_text(&e, r));
		if (f->spec->hybrid && index == f->spec->hrt_file) {
			f->error = r;
			f->why = e;
		}
		return;
	}
	describe(data, size, reply);
	if (f->spec->hybrid && index == f->spec->hrt_file) {
		judge_hrt(f, data, size, reply);
	} else {
		link_append_string(reply, "");
		link_append_string(reply, "");
	}
}

void inspect_append_plan(const struct plan *plan, struct buffer *b)
{
	buffer_append_uint(b, plan->n_regions, 4);
	for (size_t i = 0; i < plan->n_regions; i++) {
		link_append_string(b, plan->regions[i].name);
		buffer_append_uint(b, plan->regions[i].gpa, 8);
		buffer_append_uint(b, plan->regions[i].size, 8);
		link_append_string(b, plan_access_to_string(plan->regions[i].access));
	}
}

/* What start would say, too: see machine_new(). */
static int no_plan(struct findings *f)
{
	const struct vm_spec *spec = f->spec;

	if (!spec->hybrid)
		return error_set(&f->why, -EOPNOTSUPP,
			"VM %s has no <hvm enable=\"y\">: this version boots no ROS kernel, and there is no HRT to plan for",
			spec->name);
	if (!f->error)
		return error_set(&f->why, -ENOEXEC, "the image \"%s\" of the HRT was not looked at",
			spec->files[spec->hrt_file].id);
	return error_prefix(&f->why, f->error, "HRT image \"%s\"", spec->files[spec->hrt_file].id);
}

/* With 1 GiB pages, as every processor of the last ten years has them; a host without gets smaller tables. */
static void append_plan(struct findings *f, struct buffer *reply)
{
	struct plan plan;
	int r;

	if (f->bootable)
		f->error = plan_hrt(f->spec, &f->image, true, &plan, &f->why);
	r = f->bootable && !f->error ? 0 : no_plan(f);
	buffer_append_uint(reply, (uint32_t)r, 4);
	link_append_string(reply, r < 0 ? error_text(&f->why, r) : "");
	if (r == 0)
		inspect_append_plan(&plan, reply);
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
	append_plan(f, reply);
	free(f);
	return 0;
}
