/*
 * job.c - a call that is answered when its job is done
 *
 * The message is kept until then. Whether the caller is still there does not
 * matter: an answer to somebody who has left goes nowhere.
 */
#include <stdlib.h>

#include "base/io.h"
#include "base/log.h"
#include "bus/objects.h"

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

void job_done_console(void *userdata, int error, const struct error *e, int fd)
{
	_cleanup_(job_freep) struct job *job = userdata;
	_cleanup_close_ int console = fd; /* the message has a duplicate */

	log_answer(error < 0 ? answer_error(job->call, error, e)
			     : sd_bus_reply_method_return(job->call, "hs", console, "hrt"));
}
