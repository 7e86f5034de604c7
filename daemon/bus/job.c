/*
 * job.c - a call that is answered when its job is done
 *
 * The message is kept until then. Whether the caller is still there does not
 * matter: an answer to somebody who has left goes nowhere.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/io.h"
#include "base/log.h"
#include "bus/objects.h"
#include "link/inspection.h"

struct job {
	sd_bus_message *call; /* owned */
};

struct job *job_new(sd_bus_message *call)
{
	struct job *job = malloc(sizeof(*job));

	if (job)
		job->call = sd_bus_message_ref(call);
	return job;
}

struct job *job_free(struct job *job)
{
	if (!job)
		return NULL;
	sd_bus_message_unref(job->call);
	free(job);
	return NULL;
}

static int answer_error(sd_bus_message *call, int error, const struct error *e)
{
	return sd_bus_reply_method_errorf(call, bus_error_name(error), "%s", error_text(e, error));
}

static void log_answer(int r)
{
	struct error e = {};

	if (r < 0)
		log_warning("an answer could not be sent: %s", error_text(&e, r));
}

void job_done(void *userdata, int error, const struct error *e)
{
	_cleanup_(job_freep) struct job *job = userdata;

	log_answer(error < 0 ? answer_error(job->call, error, e) : sd_bus_reply_method_return(job->call, ""));
}

void job_done_console(void *userdata, int error, const struct error *e, const char *name, int fd)
{
	_cleanup_(job_freep) struct job *job = userdata;
	_cleanup_close_ int console = fd; /* the message has a duplicate */

	log_answer(error < 0 ? answer_error(job->call, error, e)
			     : sd_bus_reply_method_return(job->call, "hs", console, name));
}

static int answer_vm(sd_bus_message *call, const struct vm *vm)
{
	_cleanup_free_ char *path = vm_path(vm);

	return path ? sd_bus_reply_method_return(call, "o", path) : answer_error(call, -ENOMEM, NULL);
}

void job_done_define(void *userdata, int error, const struct error *e, struct vm *vm)
{
	_cleanup_(job_freep) struct job *job = userdata;

	log_answer(error < 0 ? answer_error(job->call, error, e) : answer_vm(job->call, vm));
}

static int answer_faults(sd_bus_message *call, const struct image_fault *faults, size_t n)
{
	sd_bus_message *reply = NULL;
	int r;

	r = sd_bus_message_new_method_return(call, &reply);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'a', "(sss)");
	for (size_t i = 0; r >= 0 && i < n; i++)
		r = sd_bus_message_append(reply, "(sss)", faults[i].vm, faults[i].file_id, faults[i].sentence);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

void job_done_verify(void *userdata, int error, const struct error *e, const struct image_fault *faults, size_t n)
{
	_cleanup_(job_freep) struct job *job = userdata;

	log_answer(error < 0 ? answer_error(job->call, error, e) : answer_faults(job->call, faults, n));
}

static int append_map(sd_bus_message *reply, const struct memory_map *map)
{
	int r = sd_bus_message_open_container(reply, 'a', "(stts)");

	for (size_t i = 0; r >= 0 && i < map->n; i++) {
		const struct memory_region *region = &map->regions[i];

		r = sd_bus_message_append(
			reply, "(stts)", region->name, region->gpa, region->size, region->access);
	}
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int answer_map(sd_bus_message *call, const struct memory_map *map)
{
	sd_bus_message *reply = NULL;
	int r = sd_bus_message_new_method_return(call, &reply);

	if (r >= 0)
		r = append_map(reply, map);
	if (r >= 0)
		r = sd_bus_send(NULL, reply, NULL);
	sd_bus_message_unref(reply);
	return r;
}

void job_done_plan(void *userdata, int error, const struct error *e, const struct memory_map *map)
{
	_cleanup_(job_freep) struct job *job = userdata;

	log_answer(error < 0 ? answer_error(job->call, error, e) : answer_map(job->call, map));
}
