/* turns.c - see turns.h */
#include "bus/turns.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/macro.h"

#define BUDGET_USEC 2000   /* of a caller in a round */
#define CALLERS_MAX 256u   /* that are told apart in a round; the others share the last place */
#define WAITING_MAX 1024u  /* calls; the bus itself lets a connection have 128 open ones (dbus-daemon(1)) */
#define TEXT_MAX    255u   /* what is longer does not wait, it fails soon enough */

struct caller {
	char name[32];
	uint64_t used_usec;
};

struct waiting {
	struct waiting *next;    /* owned */
	sd_bus_message *message; /* owned */
};

struct turns {
	sd_bus *sd;          /* owned reference */
	sd_bus_slot *filter; /* owned */
	struct caller callers[CALLERS_MAX]; /* of this round */
	size_t n_callers;
	struct waiting *first, **last; /* owned: in the order of their coming */
	unsigned n_waiting;
	/* borrowed */
	struct caller *now;       /* whose message is being processed; NULL: nobody's */
	sd_bus_message *its_turn; /* it has waited */
	uint64_t begun;
};

static struct caller *find_caller(struct turns *turns, const char *name)
{
	struct caller *c = turns->callers;

	while (c < turns->callers + turns->n_callers && strncmp(c->name, name, sizeof(c->name) - 1) != 0)
		c++;
	if (c == turns->callers + CALLERS_MAX)
		return c - 1;
	if (c == turns->callers + turns->n_callers) {
		*c = (struct caller){};
		strncpy(c->name, name, sizeof(c->name) - 1);
		turns->n_callers++;
	}
	return c;
}

/* What may be answered a moment later, and takes little memory meanwhile. */
static bool may_wait(sd_bus_message *m)
{
	static const char *const interfaces[] = {"org.freedesktop.DBus.ObjectManager", "org.freedesktop.DBus.Properties",
		"org.freedesktop.DBus.Introspectable", "org.freedesktop.DBus.Peer"};
	const char *interface = sd_bus_message_get_interface(m), *types = sd_bus_message_get_signature(m, 1), *text;
	bool known = false, small = true;

	for (size_t i = 0; i < ARRAY_SIZE(interfaces); i++)
		known = known || (interface && strcmp(interface, interfaces[i]) == 0);
	if (!known || strspn(types, "s") != strlen(types) || strlen(types) > 2)
		return false;
	while (small && sd_bus_message_read_basic(m, 's', &text) > 0)
		small = strlen(text) <= TEXT_MAX;
	sd_bus_message_rewind(m, 1);
	return small;
}

static int put_off(struct turns *turns, sd_bus_message *m)
{
	struct waiting *w;

	if (turns->n_waiting >= WAITING_MAX)
		return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_LIMITS_EXCEEDED,
			"%u calls wait for their turn already; try again when some are answered", WAITING_MAX);
	w = malloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	*w = (struct waiting){.message = sd_bus_message_ref(m)};
	*turns->last = w;
	turns->last = &w->next;
	turns->n_waiting++;
	return 1;
}

/* 0: on to the policy, and the object; 1: it waits. */
static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	struct turns *turns = userdata;
	const char *sender = sd_bus_message_get_sender(m);
	struct caller *caller;

	(void)error;
	if (!sender || !sd_bus_message_is_method_call(m, NULL, NULL))
		return 0;
	caller = find_caller(turns, sender);
	if (m != turns->its_turn && caller->used_usec > BUDGET_USEC && may_wait(m))
		return put_off(turns, m);
	turns->now = caller;
	turns->begun = clock_usec();
	return 0;
}

void turns_end(struct turns *turns)
{
	if (turns->now)
		turns->now->used_usec += clock_usec() - turns->begun;
	turns->now = NULL;
}

static sd_bus_message *take_first(struct turns *turns)
{
	struct waiting *w = turns->first;
	sd_bus_message *m = w->message;

	turns->first = w->next;
	if (!turns->first)
		turns->last = &turns->first;
	turns->n_waiting--;
	free(w);
	return m;
}

int turns_next(struct turns *turns)
{
	sd_bus_message *m;
	int r;

	turns->n_callers = 0;
	turns->its_turn = NULL;
	if (!turns->first)
		return 0;
	m = take_first(turns);
	r = sd_bus_enqueue_for_read(turns->sd, m);
	if (r >= 0)
		turns->its_turn = m; /* sd-bus has it now */
	sd_bus_message_unref(m);
	return r < 0 ? r : 1;
}

int turns_new(sd_bus *sd, struct turns **ret)
{
	struct turns *turns = calloc(1, sizeof(*turns));
	int r;

	if (!turns)
		return -ENOMEM;
	turns->sd = sd_bus_ref(sd);
	turns->last = &turns->first;
	r = sd_bus_add_filter(sd, &turns->filter, on_message, turns);
	if (r < 0)
		turns = turns_free(turns);
	*ret = turns;
	return r;
}

struct turns *turns_free(struct turns *turns)
{
	if (!turns)
		return NULL;
	while (turns->first)
		sd_bus_message_unref(take_first(turns));
	sd_bus_slot_unref(turns->filter);
	sd_bus_unref(turns->sd);
	free(turns);
	return NULL;
}
