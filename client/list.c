/* list.c - verbs that show how VMs are: list, status */
#include <fnmatch.h>
#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/macro.h"
#include "client/console.h"
#include "client/json.h"
#include "client/memory.h"
#include "client/options.h"
#include "client/say.h"
#include "client/table.h"
#include "client/text.h"
#include "client/verbs.h"
#include "client/vms.h"

#define STATUS_LINES 10 /* of the console */

/* "ros:2+hrt:2" */
static char *format_partitions(const struct json *vm)
{
	const struct json *partitions = json_get(vm, "partitions");
	char *text = memory_string("");

	for (size_t i = 0; i < json_length(partitions); i++) {
		const struct json *p = partitions->items[i];
		char *longer = memory_printf("%s%s%s:%llu", text, i > 0 ? "+" : "",
			json_get_string(p, "role"), (unsigned long long)json_get_uint(p, "n_vcpus"));

		free(text);
		text = longer;
	}
	return text;
}

static uint64_t usec_since(uint64_t then)
{
	uint64_t now = clock_realtime_usec();

	return now > then ? now - then : 0;
}

/* For how long it has been running; empty when it is not. */
static char *format_uptime(const struct json *vm)
{
	if (strcmp(json_get_string(vm, "state"), "running") != 0)
		return memory_string("");
	return duration_format(usec_since(json_get_uint(vm, "state_change_timestamp")));
}

static void add_row(struct table *t, const struct json *vm)
{
	_cleanup_free_ char *partitions = format_partitions(vm);
	_cleanup_free_ char *memory = size_format(json_get_uint(vm, "memory_bytes"));
	_cleanup_free_ char *uptime = format_uptime(vm);
	uint64_t leader = json_get_uint(vm, "leader");

	table_add(t, json_get_string(vm, "name"));
	table_add(t, json_get_string(vm, "state"));
	table_add(t, partitions);
	table_printf(t, "%llu", (unsigned long long)json_get_uint(vm, "vcpus"));
	table_add(t, memory);
	if (leader)
		table_printf(t, "%llu", (unsigned long long)leader);
	else
		table_add(t, "");
	table_add(t, uptime);
}

static void print_list(const struct options *o, const struct json *vms)
{
	static const char *const header[] = {
		"NAME", "STATE", "PARTITIONS", "VCPUS", "MEMORY", "LEADER", "UPTIME"};
	_cleanup_(table_fini) struct table t = table_init(header, ARRAY_SIZE(header));
	size_t n = json_length(vms);

	for (size_t i = 0; i < n; i++)
		add_row(&t, vms->items[i]);
	table_print(&t, !o->no_legend && n > 0, stdout);
	if (!o->no_legend)
		printf("%s%zu VM%s listed.\n", n > 0 ? "\n" : "", n, n == 1 ? "" : "s");
}

static bool matches(const char *name, char **patterns)
{
	if (!*patterns)
		return true;
	for (; *patterns; patterns++)
		if (fnmatch(*patterns, name, 0) == 0)
			return true;
	return false;
}

/* Moves a VM from one array into another; `from` keeps an empty object in its place. */
static void move_vm(struct json *from, size_t i, struct json *to)
{
	json_append(to, from->items[i]);
	from->items[i] = json_new(JSON_OBJECT);
}

enum exit_status verb_list(struct client *c, char **patterns)
{
	_cleanup_json_ struct json *vms = NULL, *chosen = json_new(JSON_ARRAY);
	enum exit_status status = vms_load(c, NULL, &vms);

	if (status != STATUS_OK)
		return status;
	for (size_t i = 0; i < json_length(vms); i++)
		if (matches(json_get_string(vms->items[i], "name"), patterns))
			move_vm(vms, i, chosen);
	if (c->options->json != JSON_OFF)
		json_print(chosen, c->options->json, stdout);
	else
		print_list(c->options, chosen);
	return STATUS_OK;
}

struct look {
	const char *state;
	const char *colour; /* SGR parameters (ECMA-48, 8.3.117) */
	const char *dot;    /* for a terminal that has UTF-8 */
};

static const struct look looks[] = {
	{"running", "1;32", "●"},
	{"starting", "1;33", "●"},
	{"stopping", "1;33", "●"},
	{"paused", "1;33", "●"},
	{"crashed", "1;31", "×"},
	{"failed", "1;31", "×"},
	{"inactive", "0", "○"},
};

/* That of an inactive VM for a state of tomorrow. */
static const struct look *look_of(const char *state)
{
	for (size_t i = 0; i < ARRAY_SIZE(looks); i++)
		if (strcmp(looks[i].state, state) == 0)
			return &looks[i];
	return &looks[ARRAY_SIZE(looks) - 1];
}

static bool stdout_has_colours(void)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0 && !(no_color && no_color[0]);
}

static void print_coloured(const struct look *look, const char *text)
{
	if (stdout_has_colours())
		printf("\x1b[%sm%s\x1b[0m", look->colour, text);
	else
		fputs(text, stdout);
}

/* "nautilus: running (booted) since Fri 2026-11-20 13:00:01 UTC; 5min 3s ago" */
static void print_state(const struct json *vm)
{
	_cleanup_free_ char *name = text_one_line(json_get_string(vm, "name"));
	_cleanup_free_ char *state = text_one_line(json_get_string(vm, "state"));
	_cleanup_free_ char *reason = text_one_line(json_get_string(vm, "state_reason"));
	uint64_t since = json_get_uint(vm, "state_change_timestamp");
	_cleanup_free_ char *ago = duration_format(usec_since(since));
	const struct look *look = look_of(state);
	time_t seconds = (time_t)(since / 1000000);
	char date[64] = "";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(date, sizeof(date), "%a %Y-%m-%d %H:%M:%S %Z", &tm);
	print_coloured(look, strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? look->dot : "*");
	printf(" %s\n       State: ", name);
	print_coloured(look, state);
	printf(" (%s) since %s; %s ago\n", reason, date, ago);
}

static void print_field(const char *label, const char *text)
{
	_cleanup_free_ char *safe = text_one_line(text);

	if (text[0])
		printf("%12s%s %s\n", label, label[0] ? ":" : " ", safe);
}

/* "hrt: running, cores 2-3, 64M at 0x4000000" */
static char *format_partition(const struct json *p)
{
	unsigned long long first = json_get_uint(p, "first_vcpu"), n = json_get_uint(p, "n_vcpus");
	_cleanup_free_ char *memory = size_format(json_get_uint(p, "memory_bytes"));
	_cleanup_free_ char *cores = n == 1 ? memory_printf("core %llu", first)
					    : memory_printf("cores %llu-%llu", first, first + n - 1);

	return memory_printf("%s: %s, %s, %s at 0x%llx", json_get_string(p, "role"),
		json_get_string(p, "state"), cores, memory,
		(unsigned long long)json_get_uint(p, "memory_start"));
}

/* "patch (3 rewritten); upcalls: pf"; nothing where no HRT runs */
static void print_talk(const struct json *vm)
{
	const char *transport = json_get_string(vm, "hypercall_transport");
	unsigned long long patched = json_get_uint(vm, "n_patched_hypercalls");
	_cleanup_free_ char *how = patched ? memory_printf("%s (%llu rewritten)", transport, patched)
					   : memory_printf("%s", transport);
	_cleanup_free_ char *text = memory_printf("%s; upcalls: %s", how, json_get_string(vm, "upcall_kind"));

	print_field("Hypercalls", transport[0] ? text : "");
}

static void print_partitions(const struct json *vm)
{
	const struct json *partitions = json_get(vm, "partitions");

	for (size_t i = 0; i < json_length(partitions); i++) {
		_cleanup_free_ char *text = format_partition(partitions->items[i]);

		print_field(i == 0 ? "Partitions" : "", text);
	}
}

static void print_cage(const struct json *vm)
{
	const char *cage = json_get_string(vm, "cage");

	print_field("Cage", strcmp(cage, "whole") == 0 ? "" : cage);
}

static bool is_true(const struct json *vm, const char *key)
{
	const struct json *value = json_get(vm, key);

	return value && value->type == JSON_BOOL && value->boolean;
}

static void print_leader(const struct json *vm)
{
	uint64_t leader = json_get_uint(vm, "leader");
	_cleanup_free_ char *text = memory_printf("%llu%s", (unsigned long long)leader,
		is_true(vm, "responsive") ? "" : "; unresponsive: it does not answer hvmd");

	print_field("Monitor", leader ? text : "");
}

/* "/var/lib/hvmd/definitions/nautilus.xml; enabled", as systemctl says it of units */
static void print_definition(const struct json *vm)
{
	_cleanup_free_ char *text = memory_printf("%s; %s%s", json_get_string(vm, "definition_file"),
		is_true(vm, "autostart") ? "enabled" : "disabled",
		is_true(vm, "definition_changed") ? "; changed, holds from the next start on" : "");

	print_field("Definition", text);
}

static void print_vm(const struct json *vm)
{
	_cleanup_free_ char *memory = size_format(json_get_uint(vm, "memory_bytes"));

	print_state(vm);
	print_field("Because", json_get_string(vm, "state_details"));
	print_definition(vm);
	print_field("Memory", memory);
	print_partitions(vm);
	print_talk(vm);
	print_leader(vm);
	print_field("Unit", json_get_string(vm, "unit"));
	print_cage(vm);
	print_field("Digest", json_get_string(vm, "launch_digest"));
	print_field("Last exit", json_get_string(vm, "exit_reason"));
}

/* The end of the console's log; NULL when the VM has never run, or when it has said why not. */
static struct json *load_lines(struct client *c, const char *name)
{
	_cleanup_close_ int fd = -1;
	struct json *lines = NULL;
	uint64_t offset;

	if (console_log_open(c, name, true, &fd) != STATUS_OK || fd < 0)
		return NULL;
	if (log_tail(fd, STATUS_LINES, &offset) < 0 || console_log_lines(fd, offset, &lines) < 0)
		say_error(name, "the log of the console cannot be read");
	return lines;
}

static void print_lines(const struct json *lines)
{
	struct escaper x = escaper_init(stdout);

	if (json_length(lines) > 0)
		putchar('\n');
	for (size_t i = 0; i < json_length(lines); i++) {
		escaper_write(&x, lines->items[i]->text, lines->items[i]->size);
		escaper_write(&x, "\n", 1);
	}
	escaper_end(&x);
}

static void print_vms(const struct json *vms)
{
	for (size_t i = 0; i < json_length(vms); i++) {
		if (i > 0)
			putchar('\n');
		print_vm(vms->items[i]);
		print_lines(json_get(vms->items[i], "console_log"));
	}
}

/* Moves the named VM; STATUS_NO_SUCH_VM when there is none, STATUS_NOT_RUNNING when it does not run. */
static enum exit_status choose(struct json *vms, const char *name, struct json *chosen)
{
	for (size_t i = 0; i < json_length(vms); i++)
		if (strcmp(json_get_string(vms->items[i], "name"), name) == 0) {
			enum exit_status status = vm_runs(vms->items[i]) ? STATUS_OK : STATUS_NOT_RUNNING;

			move_vm(vms, i, chosen);
			return status;
		}
	if (vms_find(chosen, name))
		return STATUS_OK; /* named twice */
	say_error(name, "there is no such VM; \"hvmctl list\" shows those that there are");
	return STATUS_NO_SUCH_VM;
}

enum exit_status verb_status(struct client *c, char **names)
{
	_cleanup_json_ struct json *vms = NULL, *chosen = json_new(JSON_ARRAY);
	enum exit_status status = vms_load(c, names, &vms);

	if (status != STATUS_OK)
		return status;
	for (size_t i = 0; !names[0] && i < json_length(vms); i++)
		move_vm(vms, i, chosen);
	for (; *names; names++)
		status = status_first(status, choose(vms, *names, chosen));
	for (size_t i = 0; i < json_length(chosen); i++) {
		struct json *lines = load_lines(c, json_get_string(chosen->items[i], "name"));

		json_set(chosen->items[i], "console_log", lines ? lines : json_new(JSON_NULL));
	}
	if (c->options->json != JSON_OFF)
		json_print(chosen, c->options->json, stdout);
	else
		print_vms(chosen);
	return status;
}
