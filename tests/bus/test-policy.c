/*
 * test-policy.c - who may do what: nobody (user 65534) against hvmd of root, with an authority that is a fake
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/macro.h"
#include "fake-polkit.h"
#include "harness.h"

#define ACCESS_DENIED "org.freedesktop.DBus.Error.AccessDenied"

static void start(void)
{
	if (geteuid() != 0)
		cr_skip_test("only root can be somebody else");
	harness_start();
}

static void stop(void)
{
	if (harness.dbus > 0)
		harness_stop();
}

TestSuite(policy, .init = start, .fini = stop, .timeout = 120);

static sd_bus *connect_as_nobody(void)
{
	sd_bus *bus = NULL;

	if (setgid(65534) < 0 || setuid(65534) < 0 || sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, harness.address) < 0 ||
		sd_bus_set_bus_client(bus, 1) < 0 || sd_bus_start(bus) < 0)
		_exit(1);
	return bus;
}

/* --- One call ------------------------------------------------------------- */

struct outcome {
	char name[96], message[256]; /* of the error; empty: it went well */
};

/* Calls a method with one string (or none) and a t, as nobody; static memory. */
static const struct outcome *call_as_nobody(
	const char *path, const char *interface, const char *member, const char *argument, bool interactive)
{
	static struct outcome *shared;
	pid_t pid;

	if (!shared)
		shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	*shared = (struct outcome){};
	pid = fork();
	cr_assert_geq(pid, 0);
	if (pid == 0) {
		sd_bus *bus = connect_as_nobody();
		sd_bus_error error = SD_BUS_ERROR_NULL;

		sd_bus_set_allow_interactive_authorization(bus, interactive);
		if (argument)
			sd_bus_call_method(bus, "org.hvmd1", path, interface, member, &error, NULL, "st", argument, (uint64_t)0);
		else
			sd_bus_call_method(bus, "org.hvmd1", path, interface, member, &error, NULL, "t", (uint64_t)0);
		snprintf(shared->name, sizeof(shared->name), "%s", error.name ? error.name : "");
		snprintf(shared->message, sizeof(shared->message), "%s", error.message ? error.message : "");
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, NULL, 0), pid);
	return shared;
}

static void expect_denied(const struct outcome *o, const char *part)
{
	cr_expect_str_eq(o->name, ACCESS_DENIED);
	cr_expect(strstr(o->message, part), "\"%s\" lacks \"%s\"", o->message, part);
}

Test(policy, denies_where_there_is_no_authority)
{
	define_vm("a", "");
	expect_denied(call_as_nobody(MANAGER, "StartVM", "a", false), "there is no polkit to ask");
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
}

Test(policy, asks_the_authority_with_vm_and_verb_and_goes_on_when_it_grants)
{
	define_vm("a", "");
	fake_polkit_start();
	fake_polkit->authorized = 1;
	cr_expect_str_eq(call_as_nobody(MANAGER, "StartVM", "a", false)->name, "");
	cr_expect_str_eq(property(VM("a"), "State"), "running");
	cr_expect_str_eq(fake_polkit->action, "org.hvmd1.manage");
	cr_expect_str_eq(fake_polkit->vm, "a");
	cr_expect_str_eq(fake_polkit->verb, "StartVM");
	cr_expect_eq(fake_polkit->subject[0], ':');
	cr_expect_eq(fake_polkit->n_questions, 1);
	cr_expect_eq(fake_polkit->flags, 0);
}

Test(policy, finds_the_vm_in_the_path_of_its_objects)
{
	define_vm("a-b", "");
	fake_polkit_start();
	expect_denied(call_as_nobody("/org/hvmd1/vm/a_2db/partition/hrt", "org.hvmd1.Partition", "Reset", NULL, false),
		"polkit refuses it");
	cr_expect_str_eq(fake_polkit->vm, "a-b");
	expect_denied(call_as_nobody("/org/hvmd1/vm/a_2db", "org.hvmd1.VM", "Undefine", NULL, false), "org.hvmd1.define");
	cr_expect_str_eq(fake_polkit->action, "org.hvmd1.define");
	cr_expect_str_eq(fake_polkit->vm, "a-b");
}

Test(policy, lets_the_authority_ask_a_person_where_the_caller_has_one)
{
	define_vm("a", "");
	fake_polkit_start();
	fake_polkit->challenge = 1;
	expect_denied(call_as_nobody(VM("a"), "Start", NULL, true), "a password would help");
	cr_expect_eq(fake_polkit->flags, 1);
}

Test(policy, asks_nobody_about_root)
{
	define_vm("a", "");
	fake_polkit_start();
	expect_success(call(MANAGER, "StartVM", "st", "a", (uint64_t)0));
	cr_expect_eq(fake_polkit->n_questions, 0);
}

/* R11 */
Test(policy, an_authority_that_does_not_answer_holds_up_nobody_else)
{
	uint64_t begin;
	pid_t pid;

	define_vm("a", "");
	fake_polkit_start();
	fake_polkit->silent = 1;
	pid = fork();
	if (pid == 0) {
		sd_bus *bus = connect_as_nobody();

		for (int i = 0; i < 30; i++)
			sd_bus_call_method_async(
				bus, NULL, "org.hvmd1", VM("a"), "Start", NULL, NULL, "t", (uint64_t)0);
		sd_bus_flush(bus);
		pause();
	}
	for (int i = 0; i < 500 && __atomic_load_n(&fake_polkit->n_questions, __ATOMIC_SEQ_CST) < 16; i++)
		usleep(10000);
	cr_expect_eq(fake_polkit->n_questions, 16, "one caller has %u open questions", fake_polkit->n_questions);
	begin = clock_usec();
	expect_success(call(MANAGER, "StartVM", "st", "a", (uint64_t)0));
	cr_expect_lt(clock_usec() - begin, 1000000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* --- R14: every call there is --------------------------------------------- */

/* What changes nothing, and tells nothing that is not for everybody. */
static const char *const harmless[] = {
	"Manager.GetVM", "Manager.GetVMByUUID", "Manager.GetVMByPID", "Manager.ListVMs", "Manager.SummarizeVMs",
	"Manager.GetCapabilities", "Manager.ValidateDefinition",
};

static bool is_harmless(const char *interface, const char *member)
{
	char name[128];

	snprintf(name, sizeof(name), "%s.%s", strrchr(interface, '.') + 1, member);
	for (size_t i = 0; i < ARRAY_SIZE(harmless); i++)
		if (strcmp(harmless[i], name) == 0)
			return true;
	return strncmp(interface, "org.freedesktop.DBus.", 21) == 0 && strcmp(member, "Set") != 0;
}

/* The values that do most harm: strings are the name of the VM that there is. */
static void append_values(sd_bus_message *m, const char *types)
{
	for (; *types; types++) {
		char contents[64];
		size_t size;

		switch (*types) {
		case 's':
			sd_bus_message_append(m, "s", "a");
			break;
		case 'o':
			sd_bus_message_append(m, "o", "/org/hvmd1/vm/a");
			break;
		case 'h':
			sd_bus_message_append(m, "h", STDOUT_FILENO);
			break;
		case 'v':
			sd_bus_message_append(m, "v", "b", 1);
			break;
		case 'a':
			size = types[1] == '{' || types[1] == '(' ? strcspn(types + 1, "})") + 1 : 1;
			snprintf(contents, sizeof(contents), "%.*s", (int)size, types + 1);
			cr_assert_geq(sd_bus_message_open_container(m, 'a', contents), 0, "%s", contents);
			sd_bus_message_close_container(m);
			types += size;
			break;
		default:
			cr_assert_geq(sd_bus_message_append_basic(m, *types, &(uint64_t){0}), 0);
		}
	}
}

struct method {
	char interface[64], member[64], types[64];
};

static void read_attribute(const char *at, const char *end, const char *name, char *ret, size_t size)
{
	char wanted[32];
	const char *found;

	snprintf(wanted, sizeof(wanted), "%s=\"", name);
	found = strstr(at, wanted);
	ret[0] = '\0';
	if (found && found < end)
		snprintf(ret, size, "%.*s", (int)strcspn(found + strlen(wanted), "\""), found + strlen(wanted));
}

static void read_arguments(const char *at, const char *end, char types[64])
{
	size_t used = 0;

	types[0] = '\0';
	while ((at = strstr(at, "<arg ")) && at < end) {
		const char *stop = strchr(at, '>');
		char type[64], direction[8];

		read_attribute(at, stop, "type", type, sizeof(type));
		read_attribute(at, stop, "direction", direction, sizeof(direction));
		if (strcmp(direction, "in") == 0)
			used += (size_t)snprintf(types + used, 64 - used, "%s", type);
		at = stop;
	}
}

/* The methods that an object says it has. Returns how many. */
static size_t introspect(const char *path, struct method *ret, size_t max)
{
	const char *xml, *at;
	char interface[64] = "";
	size_t n = 0;

	expect_success(call(path, "org.freedesktop.DBus.Introspectable", "Introspect", ""));
	sd_bus_message_read(call_reply, "s", &xml);
	for (at = strchr(xml, '<'); at; at = strchr(at + 1, '<')) {
		const char *end = strchr(at, '>');

		if (strncmp(at, "<interface ", 11) == 0)
			read_attribute(at, end, "name", interface, sizeof(interface));
		if (strncmp(at, "<method ", 8) != 0)
			continue;
		cr_assert_lt(n, max);
		snprintf(ret[n].interface, sizeof(ret[n].interface), "%s", interface);
		read_attribute(at, end, "name", ret[n].member, sizeof(ret[n].member));
		read_arguments(at, end[-1] == '/' ? end : strstr(at, "</method>"), ret[n].types);
		n++;
	}
	return n;
}

/* In a child that is nobody: calls it, and ends with 0 when that was denied, 1 when not. */
static bool is_denied(const char *path, const struct method *method)
{
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		sd_bus *bus = connect_as_nobody();
		sd_bus_error error = SD_BUS_ERROR_NULL;
		sd_bus_message *m = NULL;

		sd_bus_message_new_method_call(bus, &m, "org.hvmd1", path, method->interface, method->member);
		if (strcmp(method->member, "Set") == 0)
			sd_bus_message_append(m, "ssv", "org.hvmd1.VM", "Autostart", "b", 1);
		else
			append_values(m, method->types);
		sd_bus_call(bus, m, 5000000, &error, NULL);
		_exit(!error.name || strcmp(error.name, ACCESS_DENIED) != 0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static char *all_there_is(void)
{
	struct buffer b = BUFFER_INIT(1 << 20);

	expect_success(call("/org/hvmd1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ""));
	buffer_append_string(&b, call_text());
	expect_success(call(VM("a"), "GetDefinition", "t", (uint64_t)0));
	buffer_append_string(&b, call_text());
	buffer_append_string(&b, property("/org/freedesktop/LogControl1", "org.freedesktop.LogControl1", "LogLevel"));
	return buffer_take_string(&b);
}

Test(policy, has_no_method_by_which_an_unprivileged_caller_changes_something)
{
	static const char *const paths[] = {"/org/hvmd1", "/org/hvmd1/vm/a", "/org/hvmd1/vm/a/partition/hrt",
		"/org/hvmd1/vm/a/partition/ros", "/org/freedesktop/LogControl1"};
	static struct method methods[128];
	char *before, *after;
	unsigned n_denied = 0;

	define_vm("a", "");
	fake_polkit_start();
	before = all_there_is();
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		for (size_t k = 0, n = introspect(paths[i], methods, ARRAY_SIZE(methods)); k < n; k++) {
			bool denied = is_denied(paths[i], &methods[k]);

			n_denied += denied;
			cr_expect_neq(denied, is_harmless(methods[k].interface, methods[k].member), "%s.%s(%s) at %s: %s",
				methods[k].interface, methods[k].member, methods[k].types, paths[i],
				denied ? "is denied to those whom it should not be" : "is for everybody");
		}
	cr_expect_gt(n_denied, 15);
	after = all_there_is();
	cr_expect_str_eq(before, after);
	free(before);
	free(after);
}

Test(policy, has_a_rule_for_every_method)
{
	static const char *const paths[] = {"/org/hvmd1", "/org/hvmd1/vm/a", "/org/hvmd1/vm/a/partition/hrt"};
	static struct method methods[128];

	define_vm("a", "");
	fake_polkit_start();
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		for (size_t k = 0, n = introspect(paths[i], methods, ARRAY_SIZE(methods)); k < n; k++) {
			unsigned before = fake_polkit->n_questions;

			if (is_harmless(methods[k].interface, methods[k].member))
				continue;
			is_denied(paths[i], &methods[k]);
			cr_expect_eq(fake_polkit->n_questions, before + 1, "%s.%s is in no rule of daemon/bus/policy.c",
				methods[k].interface, methods[k].member);
		}
}

/* --- org.freedesktop.LogControl1 ------------------------------------------ */

#define LOG_CONTROL "/org/freedesktop/LogControl1", "org.freedesktop.LogControl1"

static int set_log_level(const char *level)
{
	return call("/org/freedesktop/LogControl1", "org.freedesktop.DBus.Properties", "Set", "ssv",
		"org.freedesktop.LogControl1", "LogLevel", "s", level);
}

Test(policy, root_changes_the_log_level)
{
	cr_expect_str_eq(property(LOG_CONTROL, "LogLevel"), "debug");
	expect_success(set_log_level("warning"));
	cr_expect_str_eq(property(LOG_CONTROL, "LogLevel"), "warning");
	expect_error(set_log_level("loud"), "org.freedesktop.DBus.Error.InvalidArgs", "log level \"loud\" is not known");
	cr_expect_str_eq(property(LOG_CONTROL, "SyslogIdentifier"), "hvmd");
}
