/* test-objects.c - what hvmd shows on the bus: objects, interfaces, properties, signals about them */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "harness.h"

TestSuite(objects, .init = harness_start, .fini = harness_stop, .timeout = 60);

/* Appends the org.hvmd1 interfaces that an object has and `done` does not mention yet. */
static void append_interfaces(struct buffer *b, const char *path)
{
	static const char begin[] = " <interface name=\"org.hvmd1.", end[] = " </interface>\n";
	const char *xml, *at, *stop;

	expect_success(call(path, "org.freedesktop.DBus.Introspectable", "Introspect", ""));
	sd_bus_message_read(call_reply, "s", &xml);
	for (at = strstr(xml, begin); at; at = strstr(stop, begin)) {
		size_t name = strcspn(at + sizeof(begin) - 1, "\"") + sizeof(begin) - 1;

		stop = strstr(at, end) + sizeof(end) - 1;
		if (b->size == 0 || !memmem(b->data, b->size, at, name))
			buffer_append(b, at, (size_t)(stop - at));
	}
}

static char *read_text(FILE *f)
{
	char *text = calloc(1, 1 << 20);

	cr_assert_not_null(text);
	cr_assert_lt(fread(text, 1, (1 << 20) - 1, f), (1 << 20) - 1);
	return text;
}

/* HVMD_REFRESH_SCHEMA=1 in the environment writes the file instead. */
Test(objects, are_as_the_introspection_file_says)
{
	static const char head[] =
		"<!DOCTYPE node PUBLIC \"-//freedesktop//DTD D-BUS Object Introspection 1.0//EN\"\n"
		"\"http://www.freedesktop.org/standards/dbus/1.0/introspect.dtd\">\n"
		"<!-- What hvmd shows on D-Bus, as it says itself; see org.hvmd1(5). Written by "
		"tests/bus/test-objects. -->\n"
		"<node>\n";
	struct buffer interfaces = BUFFER_INIT(1 << 20), all = BUFFER_INIT(1 << 20);
	const char *top = getenv("top_srcdir");
	bool refresh = getenv("HVMD_REFRESH_SCHEMA");
	char path[512], *text, *committed;
	FILE *f;

	define_vm("a", "");
	append_interfaces(&interfaces, "/org/hvmd1");
	append_interfaces(&interfaces, "/org/hvmd1/vm/a");
	append_interfaces(&interfaces, "/org/hvmd1/vm/a/partition/hrt");
	append_interfaces(&interfaces, "/org/hvmd1/vm/a/partition/ros");
	buffer_append_string(&all, head);
	buffer_append(&all, interfaces.data, interfaces.size);
	buffer_append_string(&all, "</node>\n");
	text = buffer_take_string(&all);
	snprintf(path, sizeof(path), "%s/schemas/org.hvmd1.xml", top ? top : ".");
	f = fopen(path, refresh ? "we" : "re");
	cr_assert_not_null(f, "%s", path);
	if (refresh) {
		fputs(text, f);
	} else {
		committed = read_text(f);
		cr_expect_str_eq(
			text, committed, "%s is old; run this test with HVMD_REFRESH_SCHEMA=1", path);
		free(committed);
	}
	fclose(f);
	free(text);
	buffer_fini(&interfaces);
}

Test(objects, manager_says_what_it_is)
{
	cr_expect_str_eq(property(MANAGER, "Version"), PACKAGE_VERSION);
	cr_expect_str_eq(property(MANAGER, "BootProtocols"), "mb64 multiboot2 multiboot pvh linux");
	cr_expect_str_eq(property(MANAGER, "NVMs"), "0");
	cr_expect_str_eq(property(MANAGER, "DefinitionPath"), harness_path("state/definitions"));
	cr_expect(strstr(property(MANAGER, "Features"), "hybrid"));
}

Test(objects, without_kvm_hvmd_serves_and_says_so)
{
	/* the harness's stand-in for /dev/kvm is no KVM device */
	cr_expect_str_eq(property(MANAGER, "KVMAvailable"), "0");
	cr_expect_str_eq(property(MANAGER, "KVMAPIVersion"), "0");
	cr_expect_str_eq(property(MANAGER, "MaxVCPUs"), "0");
	expect_success(call(MANAGER, "GetCapabilities", ""));
}

Test(objects, capabilities_name_the_limits)
{
	bool found = false;
	const char *key;

	expect_success(call(MANAGER, "GetCapabilities", ""));
	cr_assert_gt(sd_bus_message_enter_container(call_reply, 'a', "{sv}"), 0);
	while (sd_bus_message_enter_container(call_reply, 'e', "sv") > 0) {
		sd_bus_message_read(call_reply, "s", &key);
		found |= strcmp(key, "max.cores") == 0;
		sd_bus_message_skip(call_reply, "v");
		sd_bus_message_exit_container(call_reply);
	}
	cr_expect(found);
}

Test(objects, vm_says_what_its_definition_says)
{
	define_vm("a", "");
	cr_expect_str_eq(property(VM("a"), "Name"), "a");
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
	cr_expect_str_eq(property(VM("a"), "StateReason"), "defined");
	cr_expect_str_eq(property(VM("a"), "StateDetails"), "");
	cr_expect_str_neq(property(VM("a"), "StateChangeTimestamp"), "0");
	cr_expect_str_neq(property(VM("a"), "StateChangeTimestampMonotonic"), "0");
	cr_expect_str_eq(property(VM("a"), "Persistent"), "1");
	cr_expect_str_eq(property(VM("a"), "DefinitionChanged"), "0");
	cr_expect_str_eq(property(VM("a"), "VCPUs"), "2");
	cr_expect_str_eq(property(VM("a"), "MemoryBytes"), "16777216");
	cr_expect_str_eq(property(VM("a"), "BootProtocol"), "mb64");
	cr_expect_str_eq(property(VM("a"), "Partitions"),
		"/org/hvmd1/vm/a/partition/ros /org/hvmd1/vm/a/partition/hrt");
	cr_expect_str_eq(property(VM("a"), "Consoles"), "hrt");
	cr_expect_str_eq(property(VM("a"), "Leader"), "0");
	cr_expect_str_eq(property(VM("a"), "ExitReason"), "");
	cr_expect_str_eq(property(VM("a"), "NResets"), "0");
}

Test(objects, partitions_say_what_they_own)
{
	define_vm("a", "");
	cr_expect_str_eq(property(HRT("a"), "VM"), "/org/hvmd1/vm/a");
	cr_expect_str_eq(property(HRT("a"), "Role"), "hrt");
	cr_expect_str_eq(property(HRT("a"), "State"), "inactive");
	cr_expect_str_eq(property(HRT("a"), "FirstVCPU"), "1");
	cr_expect_str_eq(property(HRT("a"), "NVCPUs"), "1");
	cr_expect_str_eq(property(HRT("a"), "MemoryStart"), "4194304");
	cr_expect_str_eq(property(HRT("a"), "MemoryBytes"), "12582912");
	cr_expect_str_eq(property(HRT("a"), "VisibleMemoryBytes"), "16777216");
	cr_expect_str_eq(property(HRT("a"), "BootProtocol"), "mb64");
	cr_expect_str_eq(property(HRT("a"), "Image"), "hrt");
	cr_expect_str_eq(property(HRT("a"), "EntryAddress"), "0");
	cr_expect_str_eq(property(ROS("a"), "Role"), "ros");
	cr_expect_str_eq(property(ROS("a"), "FirstVCPU"), "0");
	cr_expect_str_eq(property(ROS("a"), "MemoryBytes"), "4194304");
	cr_expect_str_eq(property(ROS("a"), "VisibleMemoryBytes"), "4194304");
	cr_expect_str_eq(property(ROS("a"), "BootProtocol"), "none");
}

Test(objects, names_are_escaped_in_paths)
{
	define_vm("a-b.c", "");
	cr_expect_str_eq(property(VM("a_2db_2ec"), "Name"), "a-b.c");
}

Test(objects, what_is_not_there_is_an_unknown_object)
{
	define_vm("a", "");
	expect_error(
		call(VM("b"), "Start", "t", (uint64_t)0), "org.freedesktop.DBus.Error.UnknownObject", "b");
	expect_error(call("/org/hvmd1/vm/a/partition/gpu", "org.hvmd1.Partition", "Reset", ""),
		"org.freedesktop.DBus.Error.UnknownObject", "gpu");
	expect_error(call("/org/hvmd1/vm/a/partition/ros", "org.freedesktop.DBus.Properties", "Get", "ss",
			     "org.hvmd1.HRT", "Flags"),
		"org.freedesktop.DBus.Error.UnknownProperty", "HRT");
}

/* How often `part` stands in what GetManagedObjects answers. */
static size_t managed(const char *wanted)
{
	const char *path;
	size_t n = 0;

	expect_success(call("/org/hvmd1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ""));
	cr_assert_gt(sd_bus_message_enter_container(call_reply, 'a', "{oa{sa{sv}}}"), 0);
	while (sd_bus_message_enter_container(call_reply, 'e', "oa{sa{sv}}") > 0) {
		sd_bus_message_read(call_reply, "o", &path);
		n += strcmp(path, wanted) == 0;
		sd_bus_message_skip(call_reply, "a{sa{sv}}");
		sd_bus_message_exit_container(call_reply);
	}
	return n;
}

Test(objects, object_manager_lists_vms_and_partitions)
{
	define_vm("a", "");
	cr_expect_eq(managed("/org/hvmd1/vm/a"), 1);
	cr_expect_eq(managed("/org/hvmd1/vm/a/partition/ros"), 1);
	cr_expect_eq(managed("/org/hvmd1/vm/a/partition/hrt"), 1);
	expect_success(call(MANAGER, "UndefineVM", "st", "a", (uint64_t)0));
	cr_expect_eq(managed("/org/hvmd1/vm/a"), 0);
	cr_expect_eq(managed("/org/hvmd1/vm/a/partition/hrt"), 0);
}

/* Files in the store, without the time that defining takes. */
static void write_definitions(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char name[32];
		FILE *f;

		snprintf(name, sizeof(name), "state/definitions/v%04u.xml", i);
		f = fopen(harness_path(name), "we");
		cr_assert_not_null(f);
		fprintf(f,
			"<vm name=\"v%04u\" class=\"PC\" uuid=\"00000000-0000-4000-8000-00000000%04x\">"
			"<memory>16</memory><cores count=\"1\"/></vm>\n",
			i, i);
		fclose(f);
	}
}

Test(objects, manager_tells_of_more_vms_than_the_object_manager_may)
{
	const char *name;
	size_t n = 0;

	write_definitions(2001);
	expect_success(call(MANAGER, "Reload", ""));
	expect_error(call("/org/hvmd1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", ""),
		"org.freedesktop.DBus.Error.LimitsExceeded",
		"2001 VMs are more than GetManagedObjects tells of, which is 2000; ask "
		"org.hvmd1.Manager.SummarizeVMs");
	expect_success(call(MANAGER, "SummarizeVMs", "ast", 0, (uint64_t)0));
	cr_assert_gt(sd_bus_message_enter_container(call_reply, 'a', "(sayssstssuutbbua(ssuuttu)a{sv})"), 0);
	while (sd_bus_message_enter_container(call_reply, 'r', "sayssstssuutbbua(ssuuttu)a{sv}") > 0) {
		sd_bus_message_read(call_reply, "s", &name);
		n++;
		sd_bus_message_skip(call_reply, "ayssstssuutbbua(ssuuttu)a{sv}");
		sd_bus_message_exit_container(call_reply);
	}
	cr_expect_eq(n, 2001);
	cr_expect_str_eq(name, "v2000");
	expect_success(call(MANAGER, "UndefineVM", "st", "v0000", (uint64_t)0));
	cr_expect_eq(managed("/org/hvmd1/vm/v2000"), 1);
}

Test(objects, summaries_say_what_the_properties_say)
{
	const char *text;
	uint32_t leader;

	define_vm("a", "");
	define_vm("b", "");
	expect_success(call(MANAGER, "StartVM", "st", "b", (uint64_t)0));
	leader = (uint32_t)atoi(property(VM("b"), "Leader"));
	expect_success(call(MANAGER, "SummarizeVMs", "ast", 2, "nobody", "b", (uint64_t)0));
	text = call_text();
	cr_expect(strstr(text, " running booted "), "%s", text);
	cr_expect(strstr(text, "/state/definitions/b.xml"), "%s", text);
	cr_expect(strstr(text, " 2 16777216 0 0 0 ros parked 0 1 0 4194304 0 hrt running 1 1 4194304 12582912 0"), "%s",
		text);
	cr_expect(strstr(text, " Responsive 1 Cage whole"), "%s", text);
	cr_expect_eq(strtoul(strstr(text, "b.xml") + strlen("b.xml"), NULL, 10), leader);
	cr_expect_null(strstr(text, "a.xml"));
	expect_error(call(MANAGER, "SummarizeVMs", "ast", 0, (uint64_t)1), "org.freedesktop.DBus.Error.InvalidArgs",
		"flags 0x1 are not known");
}

Test(objects, coming_and_going_is_signalled)
{
	watch_signals();
	define_vm("a", "");
	cr_expect(signal_comes("VMNew a /org/hvmd1/vm/a"));
	cr_expect(signal_comes("InterfacesAdded /org/hvmd1/vm/a org.freedesktop"));
	cr_expect(signal_comes("InterfacesAdded /org/hvmd1/vm/a/partition/hrt"));
	cr_expect(signal_comes("PropertiesChanged org.hvmd1.Manager NVMs 1"));
	expect_success(call(MANAGER, "UndefineVM", "st", "a", (uint64_t)0));
	cr_expect(signal_comes("VMRemoved a /org/hvmd1/vm/a"));
	cr_expect(signal_comes("InterfacesRemoved /org/hvmd1/vm/a/partition/ros"));
	cr_expect(signal_comes("InterfacesRemoved /org/hvmd1/vm/a org.freedesktop"));
	cr_expect(signal_comes("PropertiesChanged org.hvmd1.Manager NVMs 0"));
}

Test(objects, partition_goes_when_the_definition_no_longer_has_it)
{
	define_vm("a", "");
	watch_signals();
	expect_success(call(MANAGER, "DefineVM", "sa{sh}t",
		"<vm name=\"a\" class=\"PC\"><memory>16</memory><cores count=\"2\"/></vm>", 0, (uint64_t)0));
	cr_expect(signal_comes("InterfacesRemoved /org/hvmd1/vm/a/partition/hrt"));
	cr_expect_str_eq(property(VM("a"), "Partitions"), "/org/hvmd1/vm/a/partition/ros");
	cr_expect_str_eq(property(VM("a"), "Consoles"), "");
	cr_expect_str_eq(property(ROS("a"), "NVCPUs"), "2");
	define_vm("a", "");
	cr_expect(signal_comes("InterfacesAdded /org/hvmd1/vm/a/partition/hrt"));
}

/* Runs a call as another user; his error name goes to `ret`. */
static void call_as_nobody(const char *member, const char *types, const char *argument, char ret[128])
{
	int ends[2];
	pid_t pid;

	cr_assert_eq(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		sd_bus_error error = SD_BUS_ERROR_NULL;
		sd_bus *bus = NULL;

		if (setgid(65534) < 0 || setuid(65534) < 0 || sd_bus_new(&bus) < 0)
			_exit(1);
		sd_bus_set_address(bus, harness.address);
		sd_bus_set_bus_client(bus, 1);
		sd_bus_start(bus);
		sd_bus_call_method(
			bus, "org.hvmd1", MANAGER, member, &error, NULL, types, argument, (uint64_t)0);
		dprintf(ends[1], "%s", error.name ? error.name : "none");
		_exit(0);
	}
	close(ends[1]);
	memset(ret, 0, 128);
	cr_assert_gt(read(ends[0], ret, 127), 0);
	close(ends[0]);
	waitpid(pid, NULL, 0);
}

Test(objects, other_users_may_read_but_not_change)
{
	char name[128];

	if (geteuid() != 0)
		cr_skip("only root can call as another user");
	define_vm("a", "");
	call_as_nobody("StartVM", "st", "a", name);
	cr_expect_str_eq(name, "org.freedesktop.DBus.Error.AccessDenied");
	call_as_nobody("UndefineVM", "st", "a", name);
	cr_expect_str_eq(name, "org.freedesktop.DBus.Error.AccessDenied");
	call_as_nobody("ValidateDefinition", "st", "<vm/>", name);
	cr_expect_str_eq(name, "none");
}

Test(objects, second_hvmd_on_the_bus_or_the_folder_is_refused)
{
	char program[256], bus[160], state[160], run[160];
	const char *build = getenv("top_builddir");
	int status;

	snprintf(program, sizeof(program), "%s/hvmd", build ? build : ".");
	snprintf(bus, sizeof(bus), "--bus=%s", harness.address);
	snprintf(run, sizeof(run), "--run-dir=%s", harness_path("run2"));
	for (int same_folder = 0; same_folder < 2; same_folder++) {
		char line[1024];

		snprintf(state, sizeof(state), "--state-dir=%s",
			harness_path(same_folder ? "state" : "state2"));
		snprintf(line, sizeof(line), "%s %s %s %s 2>%s", program, bus, state, run,
			harness_path("said"));
		status = system(line);
		cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 1);
		snprintf(line, sizeof(line), "grep -q '%s' %s",
			same_folder ? "is in use by another hvmd" : "another hvmd serves this bus",
			harness_path("said"));
		cr_expect_eq(system(line), 0);
	}
}

Test(objects, hvmd_goes_by_sigint_too)
{
	int status = hvmd_stop(SIGINT);

	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(objects, hvmd_ends_when_the_bus_is_lost_and_its_vms_run_on)
{
	pid_t monitor;
	int status = 0;

	define_vm("a", "");
	expect_success(call(MANAGER, "StartVM", "st", "a", (uint64_t)0));
	monitor = (pid_t)atoi(property(VM("a"), "Leader"));
	kill(harness.dbus, SIGKILL);
	cr_assert_eq(waitpid(harness.hvmd, &status, 0), harness.hvmd);
	harness.hvmd = 0;
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 1, "wait status 0x%x", (unsigned)status);
	cr_expect_eq(kill(monitor, 0), 0);
}
