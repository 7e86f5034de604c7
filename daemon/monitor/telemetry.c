/* telemetry.c - see telemetry.h */
#include "monitor/telemetry.h"

#include <stdio.h>
#include <string.h>

#include "abi/link.h"
#include "base/buffer.h"
#include "base/clock.h"
#include "link/link.h"
#include "monitor/console.h"
#include "monitor/machine.h"
#include "spec/grammar.h"

#define KEY_MAX 160 /* bytes; KVM's names have up to 48 */

/* All records are made in the same order each time; those outside the slice are dropped. */
struct slice {
	struct buffer *buffer;
	size_t room;     /* bytes left for this slice */
	uint32_t first;  /* wanted */
	uint32_t next;   /* number of the record at hand */
	uint32_t refused; /* the first that did not fit; 0: none */
	char prefix[KEY_MAX];
};

static bool slice_takes(struct slice *slice, const char *key, size_t value_size)
{
	size_t size = 4 + strlen(key) + 1 + value_size;
	uint32_t number = slice->next++;

	if (number < slice->first || slice->refused)
		return false;
	if (size > slice->room) {
		slice->refused = number;
		return false;
	}
	slice->room -= size;
	return true;
}

static void put_uint(struct slice *slice, const char *name, uint64_t value)
{
	char key[2 * KEY_MAX];

	snprintf(key, sizeof(key), "%s%s", slice->prefix, name);
	if (!slice_takes(slice, key, 8))
		return;
	link_append_string(slice->buffer, key);
	buffer_append_uint(slice->buffer, LINK_VALUE_UINT, 1);
	buffer_append_uint(slice->buffer, value, 8);
}

static void put_string(struct slice *slice, const char *name, const char *value)
{
	char key[2 * KEY_MAX];

	snprintf(key, sizeof(key), "%s%s", slice->prefix, name);
	if (!slice_takes(slice, key, 4 + strlen(value)))
		return;
	link_append_string(slice->buffer, key);
	buffer_append_uint(slice->buffer, LINK_VALUE_STRING, 1);
	link_append_string(slice->buffer, value);
}

static void put_vm(struct slice *slice, struct machine *machine, uint64_t started_usec)
{
	uint64_t bytes = 0, dropped = 0;

	for (int role = 0; role < N_PARTITION_ROLES; role++)
		if (machine->partitions[role].console)
			console_counts(machine->partitions[role].console, &bytes, &dropped);
	strcpy(slice->prefix, "vm.");
	put_uint(slice, "uptime_usec", clock_usec() - started_usec);
	put_uint(slice, "console_bytes", bytes);
	put_uint(slice, "console_log_dropped_bytes", dropped);
}

static void put_talk(struct slice *slice, struct machine *machine)
{
	struct talk_numbers numbers;

	talk_count(machine, &numbers);
	put_string(slice, "transaction_state", numbers.state);
	put_uint(slice, "transactions", numbers.transactions);
	put_uint(slice, "transactions_failed", numbers.failed);
	put_string(slice, "hypercall", grammar_word_text(GRAMMAR_HRT_HYPERCALL, machine->hypercall));
	put_uint(slice, "patched_hypercalls", machine->n_patched);
	put_string(slice, "upcall", numbers.upcall);
	put_uint(slice, "images_replaced", machine->n_images);
}

static void put_partition(struct slice *slice, const struct partition *p)
{
	uint64_t boot = counter_get(&p->boot_usec);

	if (!p->present)
		return;
	snprintf(slice->prefix, sizeof(slice->prefix), "partition.%s.", partition_role_to_string(p->role));
	put_string(slice, "state", partition_state_to_string(p->state));
	put_string(slice, "reason", vm_reason_to_string(p->reason));
	put_uint(slice, "resets", p->n_resets);
	put_uint(slice, "since_boot_usec", boot ? clock_usec() - boot : 0);
	put_uint(slice, "first_sign_usec", counter_get(&p->first_sign_usec));
	if (p->role == PARTITION_HRT)
		put_talk(slice, p->machine);
}

static void put_core(struct slice *slice, const struct core *core)
{
	const struct core_counters *c = &core->counters;
	uint64_t total = 0;

	for (int kind = 0; kind < N_VCPU_EXIT_KINDS; kind++)
		total += counter_get(&c->exits[kind]);
	snprintf(slice->prefix, sizeof(slice->prefix), "vcpu.%u.", core->id);
	put_string(slice, "partition", partition_role_to_string(core->partition->role));
	put_uint(slice, "exits", total);
	for (int kind = 0; kind < N_VCPU_EXIT_KINDS; kind++) {
		char name[64];

		snprintf(name, sizeof(name), "exits.%s", vcpu_exit_kind_to_string((enum vcpu_exit_kind)kind));
		put_uint(slice, name, counter_get(&c->exits[kind]));
	}
	put_uint(slice, "hypercalls", counter_get(&c->hypercalls));
	put_uint(slice, "hypercalls_refused", counter_get(&c->hypercalls_refused));
	put_uint(slice, "unknown_reads", counter_get(&c->unknown_reads));
	put_uint(slice, "unknown_writes", counter_get(&c->unknown_writes));
	put_uint(slice, "unknown_msrs", counter_get(&c->unknown_msrs));
	put_uint(slice, "heartbeats", counter_get(&c->heartbeats));
	put_uint(slice, "heartbeat", counter_get(&c->heartbeat));
}

static void put_kvm_stat(void *data, const char *name, uint64_t value)
{
	put_uint(data, name, value);
}

static void put_kvm(struct slice *slice, const struct partition *p)
{
	if (!p->present)
		return;
	snprintf(slice->prefix, sizeof(slice->prefix), "kvm.%s.", partition_role_to_string(p->role));
	kvm_machine_stats(p->kvm, put_kvm_stat, slice);
	for (uint32_t i = 0; i < p->n_cores; i++) {
		snprintf(slice->prefix, sizeof(slice->prefix), "kvm.vcpu.%u.", p->cores[i].id);
		kvm_vcpu_stats(p->cores[i].vcpu, put_kvm_stat, slice);
	}
}

uint32_t telemetry_append(struct machine *machine, uint64_t started_usec, uint32_t first, size_t room, struct buffer *b)
{
	struct slice slice = {.buffer = b, .room = room, .first = first};

	put_vm(&slice, machine, started_usec);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		put_partition(&slice, &machine->partitions[role]);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		for (uint32_t i = 0; i < machine->partitions[role].n_cores; i++)
			put_core(&slice, &machine->partitions[role].cores[i]);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		put_kvm(&slice, &machine->partitions[role]);
	return slice.refused;
}
