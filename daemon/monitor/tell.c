/* tell.c - what a monitor tells hvmd: replies, and news of its partitions; see serve.h */
#include "monitor/serve.h"

#include "base/clock.h"
#include "link/link.h"
#include "monitor/cage.h"
#include "monitor/measure.h"
#include "monitor/talk.h"
#include "spec/grammar.h"
#include "spec/spec.h"

void tell(struct server *server, struct buffer *message)
{
	connection_send(&server->link, message);
}

void tell_reply(struct server *server, const struct link_message *request, int error, const struct error *e)
{
	struct buffer b = link_reply_begin(request->header.serial, error, e);

	tell(server, &b);
}

void tell_hello(struct server *server)
{
	struct buffer b = link_message_begin(LINK_HELLO, 0);

	link_append_string(&b, cage_lacks());
	tell(server, &b);
}

void tell_hrt(struct server *server)
{
	const struct plan *plan = &server->machine->boot.plan;
	struct buffer b = link_message_begin(LINK_HRT, 0);
	struct talk_numbers numbers;

	buffer_append_uint(&b, plan->flags, 8);
	buffer_append_uint(&b, plan->gva_offset, 8);
	buffer_append_uint(&b, plan->entry_gva, 8);
	buffer_append_uint(&b, plan->comm_page, 8);
	buffer_append_uint(&b, plan->int_vector, 4);
	talk_count(server->machine, &numbers);
	link_append_string(&b, grammar_word_text(GRAMMAR_HRT_HYPERCALL, server->machine->hypercall));
	buffer_append_uint(&b, server->machine->n_patched, 4);
	link_append_string(&b, numbers.upcall);
	tell(server, &b);
}

static void tell_ros(struct server *server)
{
	const struct ros_boot *ros = &server->machine->boot.ros;
	struct buffer b = link_message_begin(LINK_ROS, 0);

	link_append_string(&b, kernel_protocol_to_string(ros->kernel.protocol));
	buffer_append_uint(&b, ros_boot_entry(ros), 8);
	tell(server, &b);
}

/* How what is booted is booted. */
void tell_boots(struct server *server)
{
	if (server->machine->spec->hybrid)
		tell_hrt(server);
	if (server->machine->spec->ros_boots)
		tell_ros(server);
}

void tell_launch(struct server *server)
{
	struct buffer b;

	if (!server->measure)
		return;
	b = link_message_begin(LINK_LAUNCH, 0);
	buffer_append(&b, server->measure->digest, LAUNCH_DIGEST_SIZE);
	tell(server, &b);
}

static void send_state(struct server *server, const struct partition *p, const struct crash *crash)
{
	struct buffer b = link_message_begin(LINK_STATE, 0);

	buffer_append_uint(&b, p->role, 1);
	buffer_append_uint(&b, p->state, 1);
	buffer_append_uint(&b, p->reason, 1);
	buffer_append_uint(&b, crash ? crash->core : UINT32_MAX, 4);
	buffer_append_uint(&b, crash ? crash->address : 0, 8);
	link_append_string(&b, crash ? crash->text : "");
	tell(server, &b);
}

/* Kept for the next hvmd, too. */
void tell_state(struct server *server, const struct partition *p, const struct crash *crash)
{
	struct last_news *news = &server->news[p->role];

	news->crashed = crash != NULL;
	if (crash)
		news->crash = *crash;
	server->changed_usec = clock_usec();
	send_state(server, p, crash);
}

void tell_states(struct server *server)
{
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		if (server->machine->partitions[role].present)
			tell_state(server, &server->machine->partitions[role], NULL);
}

void tell_reset_done(struct server *server, enum link_scope scope, const bool which[N_PARTITION_ROLES])
{
	struct buffer b = link_message_begin(LINK_RESET_DONE, 0);
	uint32_t first = 0, n = 0;

	for (int role = N_PARTITION_ROLES - 1; role >= 0; role--)
		if (which[role]) {
			first = server->machine->partitions[role].first_core;
			n += server->machine->partitions[role].n_cores;
		}
	buffer_append_uint(&b, scope, 1);
	buffer_append_uint(&b, first, 4);
	buffer_append_uint(&b, n, 4);
	server->n_resets++;
	tell(server, &b);
}

void tell_exit(struct server *server)
{
	struct buffer b = link_message_begin(LINK_EXIT, 0);

	buffer_append_uint(&b, (uint32_t)server->exit.status, 4);
	link_append_string(&b, server->exit.text);
	tell(server, &b);
}

static void tell_run(struct server *server)
{
	const struct machine *machine = server->machine;
	struct buffer b = link_message_begin(LINK_RUN, 0);

	buffer_append(&b, machine->spec->uuid, SPEC_UUID_SIZE);
	buffer_append_uint(&b, server->started_usec, 8);
	buffer_append_uint(&b, server->changed_usec, 8);
	buffer_append_uint(&b, server->n_resets, 4);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		buffer_append_uint(&b, machine->partitions[role].n_resets, 4);
	tell(server, &b);
}

void tell_everything(struct server *server)
{
	const struct machine *machine = server->machine;

	tell_hello(server);
	tell_boots(server);
	tell_launch(server);
	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		const struct last_news *news = &server->news[role];

		if (machine->partitions[role].present)
			send_state(server, &machine->partitions[role], news->crashed ? &news->crash : NULL);
	}
	tell_run(server);
	if (server->exit.valid)
		tell_exit(server);
}
