/*
 * scope.c - a unit of systemd's for each monitor: hvm-NAME.scope in hvmd.slice
 *
 * Without one a monitor stays in the unit of its hvmd, from which hvmd.service does not clear it away
 * (KillMode=process). With one it has its own line in systemctl(1), its own limit of memory, and
 * no restart of hvmd concerns it.
 *
 * Making units is for root, and hvmd is not: it asks the registrar (registrar/main.c), which the bus starts, and
 * which tells machined as well. Where there is none (another bus than the system's), hvmd asks systemd itself.
 *
 *	place --> registrar --> answered: it is in its scope, or will not be
 *	              | there is none
 *	              +--> systemd --> refused
 *	                      +--> a job --> JobRemoved
 *
 * A start waits for the end of this, so that all that a monitor touches counts in its scope. Where both refuse, VMs run
 * all the same; there, and where nobody has answered for a while, nobody waits.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/names.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/macro.h"
#include "bus/objects.h"
#include "bus/transient.h"

#define ANSWER_USEC (60 * 1000000ull) /* of the registrar, which takes one after the other */
#define LATE_USEC   (5 * 1000000ull)

/*
 * HRT memory may be there twice, as it was and as it is (monitor/hrt-memory.h), and images are read whole. It is
 * a fence against a monitor that has gone mad, not a price.
 */
#define BESIDE_MEMORY (512 * MiB)

char *scope_of(const struct bus *bus, const struct vm *vm)
{
	char *name;

	if (!bus->scopes.given || vm_leader(vm) <= 0)
		return strdup("");
	return asprintf(&name, TRANSIENT_NAME, vm->stored->name) < 0 ? NULL : name;
}

static struct transient transient_of(const struct vm *vm)
{
	const struct vm_spec *spec = vm_spec_in_force(vm);

	return (struct transient){.vm = vm->stored->name,
		.leader = vm_leader(vm),
		.memory_max = 2 * spec->memory + BESIDE_MEMORY,
		.cpu_weight = spec->cpu_weight};
}

static void note(struct bus *bus, const sd_bus_error *refusal)
{
	bool had = bus->scopes.given;

	bus->scopes.given = !refusal;
	if (bus->scopes.given && !had)
		log_debug("monitors are in scopes of their own");
	if (refusal && !bus->scopes.refused) {
		bus->scopes.refused = true; /* it is the same for all: said once */
		log_info("monitors stay in the unit of hvmd: there is no scope for them: %s", refusal->message);
	}
}

/* --- Questions: the VM may be gone, or run anew, by the time of the answer -------------------------------------- */

struct question {
	struct bus *bus; /* borrowed */
	char vm[SPEC_NAME_MAX + 1];
	pid_t leader;
	char *job; /* owned: systemd's, once it has one */
	struct question *next; /* of those that have a job */
};

static void question_free(void *userdata)
{
	struct question *q = userdata;

	free(q->job);
	free(q);
}

static struct question *question_new(struct bus *bus, const struct vm *vm)
{
	struct question *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	q->bus = bus;
	q->leader = vm_leader(vm);
	snprintf(q->vm, sizeof(q->vm), "%s", vm->stored->name);
	return q;
}

/* NULL: it does not run any more, or anew. */
static struct vm *question_vm(const struct question *q)
{
	struct vm *vm = registry_find(q->bus->registry, q->vm, NULL);

	return vm && vm_leader(vm) == q->leader ? vm : NULL;
}

/* Sends it with a question, which it takes over, and which `answered` gets. */
static int send_question(struct bus *bus, sd_bus_message *m, sd_bus_message_handler_t answered, struct question *q)
{
	sd_bus_slot *slot = NULL;
	int r = sd_bus_call_async(bus->sd, &slot, m, answered, q, ANSWER_USEC);

	if (r < 0) {
		question_free(q);
		return r;
	}
	sd_bus_slot_set_destroy_callback(slot, question_free);
	sd_bus_slot_set_floating(slot, 1);
	sd_bus_slot_unref(slot);
	if (bus->scopes.n_open++ == 0)
		bus->scopes.heard_usec = clock_usec();
	return 0;
}

static void note_answer(struct bus *bus)
{
	bus->scopes.n_open--;
	bus->scopes.heard_usec = clock_usec();
}

/* Whether questions stay unanswered. */
static bool nobody_answers(const struct bus *bus)
{
	return bus->scopes.n_open > 0 && clock_usec() - bus->scopes.heard_usec > LATE_USEC;
}

/* The question has come to its end. */
static void settle(const struct question *q)
{
	struct vm *vm = question_vm(q);

	if (vm)
		vm_placed(vm);
}

/* --- systemd ---------------------------------------------------------------------------------------------------- */

static int on_job_removed(sd_bus_message *m, void *userdata, sd_bus_error *ret_error)
{
	struct bus *bus = userdata;
	const char *job;
	uint32_t id;

	(void)ret_error;
	if (sd_bus_message_read(m, "uo", &id, &job) < 0)
		return 0;
	for (struct question **at = &bus->scopes.jobs; *at; at = &(*at)->next)
		if (strcmp((*at)->job, job) == 0) {
			struct question *q = *at;

			*at = q->next;
			settle(q);
			question_free(q);
			break;
		}
	return 0;
}

/* A job of which nothing was heard until the VM has the next does not come to an end any more. */
static void forget_job_of(struct bus *bus, const char *vm)
{
	for (struct question **at = &bus->scopes.jobs; *at;) {
		struct question *q = *at;

		if (strcmp(q->vm, vm) != 0) {
			at = &q->next;
			continue;
		}
		*at = q->next;
		question_free(q);
	}
}

void scope_forget(struct bus *bus)
{
	while (bus->scopes.jobs) {
		struct question *q = bus->scopes.jobs;

		bus->scopes.jobs = q->next;
		question_free(q);
	}
}

/* It is moved a moment after the answer, when systemd's job for that is done. */
static int await_job(const struct question *q, sd_bus_message *reply)
{
	struct bus *bus = q->bus;
	struct vm *vm = question_vm(q);
	struct question *waiting = vm ? question_new(bus, vm) : NULL;
	const char *job;

	if (!waiting || sd_bus_message_read(reply, "o", &job) < 0 || !(waiting->job = strdup(job))) {
		if (waiting)
			question_free(waiting);
		return -ENOMEM;
	}
	forget_job_of(bus, q->vm);
	waiting->next = bus->scopes.jobs;
	bus->scopes.jobs = waiting;
	return 0;
}

/* A monitor that we have taken over is in its scope already. */
static int on_systemd(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	struct question *q = userdata;

	(void)ret_error;
	note_answer(q->bus);
	note(q->bus, error && sd_bus_error_has_name(error, SYSTEMD_NAME ".UnitExists") ? NULL : error);
	if (error || await_job(q, reply) < 0)
		settle(q);
	return 0;
}

static int listen_to_jobs(struct bus *bus)
{
	if (bus->scopes.on_job_removed)
		return 0;
	return sd_bus_match_signal_async(bus->sd, &bus->scopes.on_job_removed, SYSTEMD_NAME, "/org/freedesktop/systemd1",
		SYSTEMD_NAME ".Manager", "JobRemoved", on_job_removed, NULL, bus);
}

static int ask_systemd(struct bus *bus, const struct vm *vm)
{
	const struct transient t = transient_of(vm);
	struct question *q = question_new(bus, vm);
	sd_bus_message *m = NULL;
	int r = q ? listen_to_jobs(bus) : -ENOMEM;

	if (r >= 0)
		r = transient_new(bus->sd, &t, &m);
	if (r >= 0)
		r = send_question(bus, m, on_systemd, take_ptr(q));
	if (q)
		question_free(q);
	sd_bus_message_unref(m);
	return r;
}

/* --- The registrar ------------------------------------------------------------------------------------------------ */

static bool is_absent(const sd_bus_error *error)
{
	return sd_bus_error_has_name(error, SD_BUS_ERROR_SERVICE_UNKNOWN) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_NAME_HAS_NO_OWNER) ||
		sd_bus_error_has_name(error, SD_BUS_ERROR_ACCESS_DENIED);
}

static int on_registrar(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error)
{
	const sd_bus_error *error = sd_bus_message_get_error(reply);
	struct question *q = userdata;
	struct vm *vm = question_vm(q);

	(void)ret_error;
	note_answer(q->bus);
	if (!error || !is_absent(error))
		note(q->bus, error);
	else if (vm && ask_systemd(q->bus, vm) == 0)
		return 0;
	settle(q);
	return 0;
}

static int append_registration(sd_bus_message *m, const struct vm *vm)
{
	const struct transient t = transient_of(vm);
	int r = sd_bus_message_append(m, "s", t.vm);

	if (r >= 0)
		r = sd_bus_message_append_array(m, 'y', vm->stored->uuid, sizeof(vm->stored->uuid));
	return r < 0 ? r : sd_bus_message_append(m, "utt", (uint32_t)t.leader, t.memory_max, t.cpu_weight);
}

static int ask_registrar(struct bus *bus, const struct vm *vm)
{
	struct question *q = question_new(bus, vm);
	sd_bus_message *m = NULL;
	int r = q ? 0 : -ENOMEM;

	if (r >= 0)
		r = sd_bus_message_new_method_call(
			bus->sd, &m, HVMD_REGISTRAR_NAME, HVMD_REGISTRAR_PATH, HVMD_REGISTRAR_NAME, "Register");
	if (r >= 0)
		r = append_registration(m, vm);
	if (r >= 0)
		r = send_question(bus, m, on_registrar, take_ptr(q));
	if (q)
		question_free(q);
	sd_bus_message_unref(m);
	return r;
}

bool scope_begin(struct bus *bus, const struct vm *vm)
{
	const bool hopeful = !nobody_answers(bus) && (bus->scopes.given || !bus->scopes.refused);

	if (vm_leader(vm) <= 0)
		return false;
	if (ask_registrar(bus, vm) < 0) {
		log_warning("vm %s: nobody could be asked for a scope", vm->stored->name);
		return false;
	}
	return hopeful;
}
