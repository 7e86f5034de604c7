/*
 * plan.c - see plan.h
 *
 *	spawn, LINK_INSPECT --> the answer, or none in time --> SIGKILL --> gone
 *
 * An inspector has nothing to lose: once it has answered it is killed, whether or
 * not it was about to go.
 */
#include "vm/plan.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/io.h"
#include "link/inspection.h"
#include "link/link.h"
#include "spec/support.h"
#include "spec/wire.h"
#include "vm/vm.h"

static const char no_such_form[] = "the monitor's answer to a request for the memory plan has another form";

struct inspector {
	struct inspector *next;  /* owned by the context's list */
	struct monitor *monitor; /* owned */
	size_t n_images;
	vm_plan_fn done;
	void *userdata;          /* borrowed */
	struct vm_context *context; /* borrowed */
};

static void inspector_free(struct inspector *i)
{
	if (!i)
		return;
	monitor_free(i->monitor);
	free(i);
}
DEFINE_CLEANUP(struct inspector *, inspector_free);

static void on_gone(void *userdata, const char *how)
{
	struct inspector *i = userdata;

	(void)how; /* it has answered, or monitor_ask() has told */
	for (struct inspector **p = &i->context->inspectors; *p; p = &(*p)->next)
		if (*p == i) {
			*p = i->next;
			break;
		}
	i->context->n_inspectors--;
	inspector_free(i);
}

/* An inspector has no partitions; what it says of them is for nobody. */
static void on_partition(void *userdata, const struct monitor_news *news)
{
	(void)userdata, (void)news;
}

static void on_hrt(void *userdata, const struct monitor_hrt *hrt)
{
	(void)userdata, (void)hrt;
}

static void on_ros(void *userdata, const struct monitor_ros *ros)
{
	(void)userdata, (void)ros;
}

static void on_launch(void *userdata, const uint8_t digest[LINK_DIGEST_SIZE])
{
	(void)userdata, (void)digest;
}

static void on_guest_exit(void *userdata, int32_t status, const char *details)
{
	(void)userdata, (void)status, (void)details;
}

static void on_reset_done(void *userdata, enum link_scope scope, uint32_t first_vcpu, uint32_t n_vcpus)
{
	(void)userdata, (void)scope, (void)first_vcpu, (void)n_vcpus;
}

static const struct monitor_hooks hooks = {
	.partition = on_partition,
	.hrt = on_hrt,
	.ros = on_ros,
	.launch = on_launch,
	.exit = on_guest_exit,
	.reset_done = on_reset_done,
	.gone = on_gone,
};

static void tell_bad_form(vm_plan_fn done, void *userdata, int error)
{
	struct error why = {};

	if (error == -EPROTO)
		error = error_set(&why, -ECANCELED, "%s", no_such_form);
	done(userdata, error, &why, NULL);
}

static bool inspected(void *userdata, int error, const struct error *e, struct cursor *body)
{
	struct inspector *i = userdata;
	struct inspection inspection;
	int r;

	monitor_kill(i->monitor);
	if (error < 0) {
		i->done(i->userdata, error, e, NULL);
		return true;
	}
	r = inspection_read(body, i->n_images, &inspection);
	if (r < 0) {
		tell_bad_form(i->done, i->userdata, r);
		return r != -EPROTO;
	}
	if (inspection.error < 0)
		i->done(i->userdata, inspection.error, &inspection.why, NULL);
	else
		i->done(i->userdata, 0, NULL, &inspection.plan);
	inspection_fini(&inspection);
	return true;
}

static int ask_inspector(struct inspector *i, struct vm *vm, struct error *e)
{
	struct buffer b = BUFFER_INIT(LINK_MESSAGE_MAX);
	int fds[SPEC_FILES_MAX], r;

	r = vm_open_images(vm, fds, e);
	if (r < 0)
		return r;
	i->n_images = vm->stored->n_files;
	spec_encode(vm->stored, &b);
	r = buffer_ok(&b) ? monitor_ask(i->monitor, LINK_INSPECT, b.data, b.size, fds, i->n_images, inspected, i, e)
			  : error_set_errno(e, -ENOMEM, "asking for the memory plan of VM %s", vm->stored->name);
	buffer_fini(&b);
	for (size_t n = 0; n < i->n_images; n++)
		close_fd(fds[n]);
	return r;
}

static struct inspector *inspector_new(struct vm_context *context, vm_plan_fn done, void *userdata)
{
	struct inspector *i = malloc(sizeof(*i));

	if (i)
		*i = (struct inspector){.done = done, .userdata = userdata, .context = context};
	return i;
}

int vm_plan_next(struct vm *vm, vm_plan_fn done, void *userdata, struct error *e)
{
	struct vm_context *context = vm->context;
	_cleanup_(inspector_freep) struct inspector *i = NULL;
	int r;

	if (context->n_inspectors >= INSPECTIONS_MAX)
		return error_set(e, -EBUSY, "%u memory plans are being made already; try again when one is done",
			context->n_inspectors);
	r = spec_check_supported(vm->stored, e);
	if (r < 0)
		return r;
	i = inspector_new(context, done, userdata);
	if (!i)
		return error_set_errno(e, -ENOMEM, "planning the memory of VM %s", vm->stored->name);
	r = monitor_spawn(context->base, context->monitor_path, &hooks, i, &i->monitor, e);
	if (r == 0)
		r = ask_inspector(i, vm, e);
	if (r < 0)
		return r;
	i->next = context->inspectors;
	context->inspectors = take_ptr(i);
	context->n_inspectors++;
	return 0;
}

void plan_cancel_all(struct vm_context *context)
{
	while (context->inspectors) {
		struct inspector *i = context->inspectors;

		context->inspectors = i->next;
		inspector_free(i);
	}
	context->n_inspectors = 0;
}

struct question {
	vm_plan_fn done;
	void *userdata; /* borrowed */
};

static bool plan_answered(void *userdata, int error, const struct error *e, struct cursor *body)
{
	_cleanup_free_ struct question *question = userdata;
	struct memory_map map;
	int r;

	if (error < 0) {
		question->done(question->userdata, error, e, NULL);
		return true;
	}
	r = memory_map_read(body, &map);
	if (r < 0) {
		tell_bad_form(question->done, question->userdata, r);
		return r != -EPROTO;
	}
	question->done(question->userdata, 0, NULL, &map);
	memory_map_fini(&map);
	return true;
}

int vm_plan_running(struct vm *vm, vm_plan_fn done, void *userdata, struct error *e)
{
	_cleanup_free_ struct question *question = NULL;
	int r;

	r = vm_check_running(vm, e);
	if (r < 0)
		return r;
	question = malloc(sizeof(*question));
	if (!question)
		return error_set_errno(e, -ENOMEM, "asking for the memory plan of VM %s", vm->stored->name);
	*question = (struct question){.done = done, .userdata = userdata};
	r = monitor_ask(vm->monitor, LINK_PLAN, NULL, 0, NULL, 0, plan_answered, question, e);
	if (r == 0)
		take_ptr(question);
	return r;
}
