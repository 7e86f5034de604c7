/*
 * job.c - a call that is answered when its job is done
 *
 * The message is kept until then. Whether the caller is still there does not
 * matter: an answer to somebody who has left goes nowhere.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"
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

/* Nobody shall wait for an answer that never comes: at least that can be said. */
static void check_answer(const struct job *job, int r)
{
	struct error e;

	if (r >= 0)
		return;
	log_warning("an answer could not be sent: %s", strerror(-r));
	error_set(&e, r, "hvmd is done, but could not send its answer: %s", strerror(-r));
	(void)answer_error(job->call, r, &e);
}

void job_done(void *userdata, int error, const struct error *e)
{
	_cleanup_(job_freep) struct job *job = userdata;

	check_answer(job, error < 0 ? answer_error(job->call, error, e) : sd_bus_reply_method_return(job->call, ""));
}

void job_done_console(void *userdata, int error, const struct error *e, const char *name, int fd)
{
	_cleanup_(job_freep) struct job *job = userdata;
	_cleanup_close_ int console = fd; /* the message has a duplicate */

	check_answer(job, error < 0 ? answer_error(job->call, error, e)
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

	check_answer(job, error < 0 ? answer_error(job->call, error, e) : answer_vm(job->call, vm));
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

	check_answer(job, error < 0 ? answer_error(job->call, error, e) : answer_faults(job->call, faults, n));
}

static int append_detail(sd_bus_message *reply, const char *key, const char *type, const void *value)
{
	int r = sd_bus_message_open_container(reply, 'e', "sv");

	if (r >= 0)
		r = sd_bus_message_append_basic(reply, 's', key);
	if (r >= 0)
		r = sd_bus_message_open_container(reply, 'v', type);
	if (r >= 0)
		r = sd_bus_message_append_basic(reply, type[0], value);
	if (r >= 0)
		r = sd_bus_message_close_container(reply);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_details(sd_bus_message *reply, const struct memory_region *region)
{
	char hex[2 * INSPECTION_SHA256_SIZE + 1];
	int r = sd_bus_message_open_container(reply, 'a', "{sv}");

	if (r >= 0)
		r = append_detail(reply, "source", "s", region->source);
	if (r >= 0 && region->file)
		r = append_detail(reply, "file", "s", region->file);
	if (r >= 0 && region->file)
		r = append_detail(reply, "offset", "t", &region->offset);
	if (r >= 0 && region->file)
		r = append_detail(reply, "bytes", "t", &region->bytes);
	hex_format(region->sha256, sizeof(region->sha256), hex);
	if (r >= 0 && region->has_sha256)
		r = append_detail(reply, "sha256", "s", hex);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_region(sd_bus_message *reply, const struct memory_region *region)
{
	int r = sd_bus_message_open_container(reply, 'r', "sttsa{sv}");

	if (r >= 0)
		r = sd_bus_message_append(reply, "stts", region->name, region->gpa, region->size, region->access);
	if (r >= 0)
		r = append_details(reply, region);
	return r < 0 ? r : sd_bus_message_close_container(reply);
}

static int append_map(sd_bus_message *reply, const struct memory_map *map)
{
	int r = sd_bus_message_open_container(reply, 'a', "(sttsa{sv})");

	for (size_t i = 0; r >= 0 && i < map->n; i++)
		r = append_region(reply, &map->regions[i]);
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

	check_answer(job, error < 0 ? answer_error(job->call, error, e) : answer_map(job->call, map));
}

static int answer_record(sd_bus_message *call, const struct memory_map *map)
{
	char hex[2 * INSPECTION_SHA384_SIZE + 1];

	hex_format(map->digest, sizeof(map->digest), hex);
	return sd_bus_reply_method_return(call, "ss", hex, map->record);
}

void job_done_record(void *userdata, int error, const struct error *e, const struct memory_map *map)
{
	_cleanup_(job_freep) struct job *job = userdata;

	check_answer(job, error < 0 ? answer_error(job->call, error, e) : answer_record(job->call, map));
}
