/*
 * fresh.c - properties that only a monitor knows: it is asked before they are read
 *
 *	Get, GetAll --> filter --> about something else: on to the object
 *	                   |
 *	                   +--> the monitor is asked, the call is kept
 *	                             |
 *	                             +--> answered or not, the call is put into the queue again, and the
 *	                                  filter, which knows it, lets it through to what is known then
 *
 * Nobody can keep a monitor busy with it: however many calls wait for a VM, it is asked once. One that leaves
 * requests unanswered is not asked, nor is anybody when too many wait: then what it said last has to do.
 */
#include "bus/fresh.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/names.h"
#include "base/cleanup.h"
#include "bus/objects.h"

#define HELD_MAX 256u

/* A call that waits, or has waited and is about to come by once more. */
struct held {
	struct held *next;
	sd_bus_message *call; /* owned */
};

/* What a monitor is asked, and on whose behalf. Freed when it is answered, which it always is (vm/monitor.h). */
struct question {
	struct question *next;
	char *vm;           /* owned: its name */
	struct held *calls; /* owned */
	/* borrowed */
	struct fresh *fresh; /* NULL: nobody wants to know any more */
};

struct fresh {
	sd_bus *sd;                 /* owned reference */
	sd_bus_slot *filter;        /* owned */
	struct held *released;      /* owned */
	struct question *questions; /* open ones; each belongs to who answers it */
	unsigned n_held;
	/* borrowed */
	struct bus *bus;
};

static void calls_free(struct held *calls)
{
	while (calls) {
		struct held *held = calls;

		calls = held->next;
		sd_bus_message_unref(held->call);
		free(held);
	}
}

static void question_free(struct question *question)
{
	if (!question)
		return;
	calls_free(question->calls);
	free(question->vm);
	free(question);
}
DEFINE_CLEANUP(struct question *, question_free);

static bool take_released(struct fresh *fresh, sd_bus_message *m)
{
	for (struct held **p = &fresh->released; *p; p = &(*p)->next)
		if ((*p)->call == m) {
			struct held *held = *p;

			*p = held->next;
			held->next = NULL;
			calls_free(held);
			fresh->n_held--;
			return true;
		}
	return false;
}

static void release(struct fresh *fresh, struct held *held)
{
	held->next = NULL;
	if (sd_bus_enqueue_for_read(fresh->sd, held->call) >= 0) {
		held->next = fresh->released;
		fresh->released = held;
		return;
	}
	sd_bus_reply_method_errorf(held->call, SD_BUS_ERROR_NO_MEMORY, "memory is short");
	calls_free(held);
	fresh->n_held--;
}

static void forget(struct fresh *fresh, const struct question *question)
{
	for (struct question **p = &fresh->questions; *p; p = &(*p)->next)
		if (*p == question) {
			*p = question->next;
			return;
		}
}

static void on_answer(void *userdata, int error, const struct error *e)
{
	_cleanup_(question_freep) struct question *question = userdata;
	struct fresh *fresh = question->fresh;

	(void)error, (void)e; /* then what was known has to do */
	if (!fresh)
		return;
	forget(fresh, question);
	while (question->calls) {
		struct held *held = question->calls;

		question->calls = held->next;
		release(fresh, held);
	}
}

static struct question *find_question(const struct fresh *fresh, const char *vm)
{
	for (struct question *q = fresh->questions; q; q = q->next)
		if (strcmp(q->vm, vm) == 0)
			return q;
	return NULL;
}

static struct question *ask(struct fresh *fresh, struct vm *vm)
{
	_cleanup_(question_freep) struct question *question = calloc(1, sizeof(*question));

	if (!question)
		return NULL;
	question->vm = strdup(vm->stored->name);
	if (!question->vm || vm_refresh_talk(vm, on_answer, question, NULL) < 0)
		return NULL;
	question->fresh = fresh;
	question->next = fresh->questions;
	fresh->questions = question;
	return take_ptr(question);
}

/* Whether the call is kept. */
static bool hold(struct fresh *fresh, sd_bus_message *m, struct vm *vm)
{
	struct held *held = fresh->n_held < HELD_MAX ? calloc(1, sizeof(*held)) : NULL;
	struct question *question = held ? find_question(fresh, vm->stored->name) : NULL;

	if (held && !question)
		question = ask(fresh, vm);
	if (!question) {
		free(held);
		return false;
	}
	*held = (struct held){.next = question->calls, .call = sd_bus_message_ref(m)};
	question->calls = held;
	fresh->n_held++;
	return true;
}

static bool is_ours(const char *property)
{
	return strcmp(property, "TransactionState") == 0 || strcmp(property, "NTransactions") == 0;
}

/* An empty interface stands for all. */
static bool asks_for_ours(sd_bus_message *m)
{
	bool all = sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Properties", "GetAll");
	const char *interface = NULL, *property = NULL;
	bool ours;

	if (!all && !sd_bus_message_is_method_call(m, "org.freedesktop.DBus.Properties", "Get"))
		return false;
	ours = sd_bus_message_read(m, "s", &interface) > 0 && (!interface[0] || strcmp(interface, HVMD_IFACE_HRT) == 0);
	ours = ours && (all || (sd_bus_message_read(m, "s", &property) > 0 && is_ours(property)));
	sd_bus_message_rewind(m, 1);
	return ours;
}

/* 0: on to the object; 1: it comes by once more. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct fresh *fresh = userdata;
	void *found = NULL;
	struct vm *vm;

	if (!asks_for_ours(m) || take_released(fresh, m))
		return 0;
	if (find_hrt(fresh->sd, sd_bus_message_get_path(m), NULL, fresh->bus, &found, error) <= 0)
		return 0;
	vm = ((struct vm_partition *)found)->vm;
	return vm_is_active(vm) && !vm->unresponsive && hold(fresh, m, vm);
}

int fresh_new(sd_bus *sd, struct bus *bus, struct fresh **ret)
{
	struct fresh *fresh = calloc(1, sizeof(*fresh));
	int r;

	if (!fresh)
		return -ENOMEM;
	*fresh = (struct fresh){.sd = sd_bus_ref(sd), .bus = bus};
	r = sd_bus_add_filter(sd, &fresh->filter, on_message, fresh);
	if (r < 0)
		fresh = fresh_free(fresh);
	*ret = fresh;
	return r;
}

struct fresh *fresh_free(struct fresh *fresh)
{
	if (!fresh)
		return NULL;
	for (struct question *q = fresh->questions; q; q = q->next) {
		q->fresh = NULL;
		calls_free(take_ptr(q->calls));
	}
	calls_free(fresh->released);
	sd_bus_slot_unref(fresh->filter);
	sd_bus_unref(fresh->sd);
	free(fresh);
	return NULL;
}
