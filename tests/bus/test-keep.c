/* test-keep.c - what hvmd keeps: images, verified and large; autostart; the store, read again */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <glob.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/io.h"
#include "harness.h"

TestSuite(keep, .init = harness_start, .fini = harness_stop, .timeout = 60);

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(harness_path(name), "we");

	cr_assert_not_null(f, "%s", name);
	fputs(text, f);
	fclose(f);
}

static char *read_file(const char *name)
{
	FILE *f = fopen(harness_path(name), "re");
	char *text = calloc(1, 65536);

	cr_assert_not_null(f, "%s", name);
	cr_assert_gt(fread(text, 1, 65535, f), 0);
	fclose(f);
	return text;
}

static bool exists(const char *name)
{
	return access(harness_path(name), F_OK) == 0;
}

static size_t count(const char *pattern)
{
	glob_t found;
	size_t n;

	glob(harness_path(pattern), 0, NULL, &found);
	n = found.gl_pathc;
	globfree(&found);
	return n;
}

/* Replaces a word of a stored definition, as an administrator with an editor would. */
static void edit(const char *name, const char *from, const char *to)
{
	char *text = read_file(name), *at = strstr(text, from), *longer;

	cr_assert_not_null(at, "%s", text);
	*at = '\0';
	cr_assert_gt(asprintf(&longer, "%s%s%s", text, to, at + strlen(from)), 0);
	write_file(name, longer);
	free(longer);
	free(text);
}

/* The faults of the last reply, one a line: what Verify and Reload return. */
static const char *faults(const char *types, int n)
{
	static char text[4096];
	const char *words[3];

	text[0] = '\0';
	cr_assert_gt(sd_bus_message_enter_container(call_reply, 'a', types), 0);
	while (sd_bus_message_enter_container(call_reply, 'r', n == 2 ? "ss" : "sss") > 0) {
		for (int i = 0; i < n; i++) {
			sd_bus_message_read(call_reply, "s", &words[i]);
			strcat(strcat(text, words[i]), i < n - 1 ? ": " : "\n");
		}
		sd_bus_message_exit_container(call_reply);
	}
	return text;
}

static const char *verify(const char *name)
{
	expect_success(name ? call(MANAGER, "Verify", "ast", 1, name, (uint64_t)0)
			    : call(MANAGER, "Verify", "ast", 0, (uint64_t)0));
	return faults("(sss)", 3);
}

static const char *reload(void)
{
	expect_success(call(MANAGER, "Reload", ""));
	return faults("(ss)", 2);
}

/* Verify */

static const char *image_path(void)
{
	static char path[512];
	glob_t found;

	cr_assert_eq(glob(harness_path("state/images/*"), 0, NULL, &found), 0);
	snprintf(path, sizeof(path), "%s", found.gl_pathv[0]);
	globfree(&found);
	return path;
}

Test(keep, verify_finds_nothing_where_all_is_well)
{
	cr_expect_str_eq(verify(NULL), "");
	define_vm("a", "");
	cr_expect_str_eq(verify(NULL), "");
	cr_expect_str_eq(verify("a"), "");
}

Test(keep, verify_names_each_vm_whose_image_is_damaged)
{
	const char *said;
	FILE *f;

	define_vm("a", "");
	define_vm("b", "");
	expect_success(call(MANAGER, "DefineVM", "sa{sh}t",
		"<vm name=\"c\" class=\"PC\"><memory>16</memory><cores count=\"2\"/></vm>", 0, (uint64_t)0));
	f = fopen(image_path(), "r+e");
	fputs("AN", f);
	fclose(f);
	said = verify(NULL);
	cr_expect_eq(strncmp(said, "a: hrt: image ", 14), 0, "%s", said);
	cr_expect(strstr(said, "\nb: hrt: image "), "%s", said);
	cr_expect_not(strstr(said, "c:"), "%s", said);
	cr_expect(strstr(said, "it is damaged, its SHA-256 is "), "%s", said);
	said = verify("b");
	cr_expect_eq(strncmp(said, "b: hrt: ", 8), 0, "%s", said);
	define_vm("a", "");
	cr_expect_str_eq(verify(NULL), "", "defining with the image heals it, for all who have it");
}

Test(keep, verify_names_an_image_that_is_gone)
{
	define_vm("a", "");
	unlink(image_path());
	cr_expect(strstr(verify(NULL), ": it is gone; define the VM again with the right file"));
}

Test(keep, verify_of_a_vm_that_is_not_there_is_refused)
{
	expect_error(call(MANAGER, "Verify", "ast", 1, "a", (uint64_t)0), "org.hvmd1.NoSuchVM",
		"there is no VM \"a\"");
	expect_error(call(MANAGER, "Verify", "ast", 0, (uint64_t)2), "org.freedesktop.DBus.Error.InvalidArgs",
		"flags 0x2 are not known");
}

/* Large images */

static int n_answers;
static char answers[2][128];

static int note_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const sd_bus_error *failure = sd_bus_message_get_error(m);

	(void)error;
	snprintf(answers[n_answers++], sizeof(answers[0]), "%s", failure ? failure->name : (const char *)userdata);
	return 1;
}

/* Begins a definition with an image of so many MiB of zeros, and does not wait. */
static void define_large(off_t size)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	cr_assert_eq(ftruncate(fd, size << 20), 0);
	cr_assert_geq(
		sd_bus_call_method_async(harness.bus, NULL, "org.hvmd1", MANAGER, "DefineVM", note_answer,
			(void *)"define", "sa{sh}t", definition("large", ""), 1, "hrt", fd, (uint64_t)0),
		0);
	close(fd);
}

static void wait_for_answers(int n)
{
	while (n_answers < n) {
		if (sd_bus_process(harness.bus, NULL) == 0)
			sd_bus_wait(harness.bus, UINT64_MAX);
	}
}

Test(keep, others_are_served_while_a_large_image_is_copied)
{
	define_large(64);
	cr_assert_geq(sd_bus_call_method_async(harness.bus, NULL, "org.hvmd1", MANAGER, "ListVMs",
			      note_answer, (void *)"list", ""),
		0);
	wait_for_answers(2);
	cr_expect_str_eq(answers[0], "list");
	cr_expect_str_eq(answers[1], "define");
	cr_expect_str_eq(property(VM("large"), "Name"), "large");
	cr_expect_str_eq(verify("large"), "");
}

Test(keep, hvmd_ends_while_a_large_image_is_copied)
{
	define_large(256);
	cr_expect_str_eq(property(MANAGER, "NVMs"), "0", "the call before has been seen");
	cr_expect_eq(hvmd_stop(SIGTERM), 0);
	wait_for_answers(1);
	cr_expect_str_eq(answers[0], "org.freedesktop.DBus.Error.Failed");
	hvmd_start();
	cr_expect_eq(count("state/images/*") + count("state/images/.#*"), 0);
}

Test(keep, images_of_definitions_that_come_together_stay_apart)
{
	int fds[2] = {memfd_create("a", MFD_CLOEXEC), memfd_create("b", MFD_CLOEXEC)};

	for (int i = 0; i < 2; i++) {
		cr_assert_eq(ftruncate(fds[i], (8 << 20) + i), 0);
		cr_assert_geq(sd_bus_call_method_async(harness.bus, NULL, "org.hvmd1", MANAGER, "DefineVM",
				      note_answer, (void *)"define", "sa{sh}t", definition(i ? "b" : "a", ""),
				      1, "hrt", fds[i], (uint64_t)0),
			0);
		close(fds[i]);
	}
	wait_for_answers(2);
	cr_expect_str_eq(answers[0], "define");
	cr_expect_str_eq(answers[1], "define");
	cr_expect_eq(count("state/images/*"), 2);
	cr_expect_str_eq(verify(NULL), "");
}

/* Autostart */

static int set_autostart(const char *path, int on)
{
	return call(
		path, "org.freedesktop.DBus.Properties", "Set", "ssv", "org.hvmd1.VM", "Autostart", "b", on);
}

Test(keep, autostart_is_off_until_it_is_switched_on)
{
	define_vm("a", "");
	cr_expect_str_eq(property(VM("a"), "Autostart"), "0");
	watch_signals();
	expect_success(set_autostart("/org/hvmd1/vm/a", 1));
	cr_expect_str_eq(property(VM("a"), "Autostart"), "1");
	cr_expect(signal_comes("PropertiesChanged org.hvmd1.VM Autostart 1"));
	expect_success(set_autostart("/org/hvmd1/vm/a", 0));
	cr_expect_str_eq(property(VM("a"), "Autostart"), "0");
	expect_success(set_autostart("/org/hvmd1/vm/a", 0));
}

Test(keep, vms_with_autostart_are_started_with_hvmd_and_a_bad_one_does_not_stop_them)
{
	for (const char *name = "a"; name; name = *name == 'a' ? "b"
			: *name == 'b'                         ? "c"
			: *name == 'c'                         ? "d"
							       : NULL)
		define_vm(name, *name == 'b' ? "refuse-setup" : "");
	expect_success(set_autostart("/org/hvmd1/vm/a", 1));
	expect_success(set_autostart("/org/hvmd1/vm/b", 1));
	expect_success(set_autostart("/org/hvmd1/vm/c", 1));
	hvmd_stop(SIGKILL);
	harness.kvm = "/dev/null";
	hvmd_start();
	cr_expect(property_becomes(VM("a"), "State", "running"));
	cr_expect(property_becomes(VM("b"), "State", "failed"));
	cr_expect(property_becomes(VM("c"), "State", "running"));
	cr_expect_str_eq(property(VM("d"), "State"), "inactive");
}

Test(keep, autostart_of_many_vms_starts_them_all)
{
	char name[8], path[32];

	for (int i = 0; i < 30; i++) {
		snprintf(name, sizeof(name), "v%d", i);
		snprintf(path, sizeof(path), "/org/hvmd1/vm/v%d", i);
		define_vm(name, "");
		expect_success(set_autostart(path, 1));
	}
	hvmd_stop(SIGTERM);
	hvmd_start();
	for (int i = 0; i < 30; i++) {
		snprintf(path, sizeof(path), "/org/hvmd1/vm/v%d", i);
		cr_expect(property_becomes(path, "org.hvmd1.VM", "State", "running"), "%s", path);
	}
}

Test(keep, autostart_that_fails_at_once_is_logged_and_hvmd_serves)
{
	define_vm("a", "");
	expect_success(set_autostart("/org/hvmd1/vm/a", 1));
	hvmd_stop(SIGTERM);
	harness.kvm = "/nonexistent";
	hvmd_start();
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
	cr_expect_str_eq(property(VM("a"), "Autostart"), "1");
}

Test(keep, autostart_outlives_redefinition_and_ends_with_undefine)
{
	define_vm("a", "");
	expect_success(set_autostart("/org/hvmd1/vm/a", 1));
	define_vm("a", "other");
	cr_expect_str_eq(property(VM("a"), "Autostart"), "1");
	hvmd_stop(SIGTERM);
	hvmd_start();
	cr_expect_str_eq(property(VM("a"), "Autostart"), "1");
	cr_expect(property_becomes(VM("a"), "State", "running"));
	expect_success(call(VM("a"), "Terminate", ""));
	expect_success(call(VM("a"), "Undefine", "t", (uint64_t)0));
	define_vm("a", "");
	cr_expect_str_eq(property(VM("a"), "Autostart"), "0");
}

Test(keep, autostart_of_a_vm_that_is_gone_is_forgotten)
{
	hvmd_stop(SIGTERM);
	write_file("state/autostart/a", "");
	write_file("state/console/a.hrt.log", "old");
	hvmd_start();
	cr_expect_not(exists("state/autostart/a"));
	cr_expect_not(exists("state/console/a.hrt.log"));
	define_vm("a", "");
	cr_expect_str_eq(property(VM("a"), "Autostart"), "0");
}

/* Redefining what runs */

/* The definition of VM "a"; the caller frees. */
static char *definition_of(uint64_t flags)
{
	const char *text;

	expect_success(call(VM("a"), "GetDefinition", "t", flags));
	sd_bus_message_read(call_reply, "s", &text);
	return strdup(text);
}

Test(keep, redefinition_of_what_runs_holds_from_the_next_start_on)
{
	char *stored, *in_force;

	define_vm("a", "first");
	expect_success(call(VM("a"), "Start", "t", (uint64_t)0));
	define_vm("a", "second");
	cr_expect_str_eq(property(VM("a"), "DefinitionChanged"), "1");
	stored = definition_of(0);
	in_force = definition_of(1);
	cr_expect(strstr(stored, "second"));
	cr_expect(strstr(in_force, "first"));
	free(stored);
	free(in_force);
	expect_success(call(VM("a"), "Terminate", ""));
	cr_expect_str_eq(property(VM("a"), "DefinitionChanged"), "0");
	in_force = definition_of(1);
	cr_expect(strstr(in_force, "second"));
	free(in_force);
}

/* Reload */

Test(keep, reload_takes_what_has_changed_come_and_gone)
{
	char *text;

	define_vm("a", "old");
	define_vm("b", "");
	cr_expect_str_eq(reload(), "");
	watch_signals();
	edit("state/definitions/a.xml", "old", "new");
	unlink(harness_path("state/definitions/b.xml"));
	write_file("state/definitions/c.xml",
		"<vm name='c' class='PC' uuid='1b4e28ba-2fa1-41d2-883f-0016d3cca427'><memory>16</memory>"
		"<cores count='1'/></vm>");
	cr_expect_str_eq(reload(), "");
	text = definition_of(0);
	cr_expect(strstr(text, "cmdline=\"new\""), "%s", text);
	free(text);
	expect_error(call(MANAGER, "GetVM", "s", "b"), "org.hvmd1.NoSuchVM", "b");
	cr_expect_str_eq(property(VM("c"), "VCPUs"), "1");
	cr_expect(signal_comes("VMNew c /org/hvmd1/vm/c"));
	cr_expect(signal_comes("VMRemoved b /org/hvmd1/vm/b"));
	cr_expect(signal_comes("Reloading 0"));
	cr_expect_eq(signals_seen("Reloading 1"), 1);
}

Test(keep, reload_says_what_is_bad_and_keeps_what_it_had)
{
	const char *said;

	define_vm("a", "old");
	write_file("state/definitions/a.xml", "<vm name=");
	write_file("state/definitions/notes.txt", "");
	said = reload();
	cr_expect(strstr(said, "definitions/a.xml: line 1: "), "%s", said);
	cr_expect(strstr(said, "definitions/notes.txt: it is no definition"), "%s", said);
	cr_expect_str_eq(property(VM("a"), "Name"), "a");
	expect_success(define(definition("a", "old"), "an image"));
	cr_expect_null(strstr(reload(), "a.xml"), "defining the same again has mended it");
}

Test(keep, reload_leaves_alone_what_runs)
{
	const char *said;

	define_vm("a", "old");
	define_vm("b", "");
	expect_success(call(VM("a"), "Start", "t", (uint64_t)0));
	expect_success(call(VM("b"), "Start", "t", (uint64_t)0));
	edit("state/definitions/a.xml", "old", "new");
	unlink(harness_path("state/definitions/b.xml"));
	said = reload();
	cr_expect_str_eq(said,
		"definitions/b.xml: it is gone, but the VM runs; define it again, or stop and undefine it\n");
	cr_expect_str_eq(property(VM("a"), "State"), "running");
	cr_expect_str_eq(property(VM("a"), "DefinitionChanged"), "1");
	cr_expect_str_eq(property(VM("b"), "State"), "running");
	expect_success(call(VM("b"), "Terminate", ""));
	cr_expect_str_eq(reload(), "");
	expect_error(call(MANAGER, "GetVM", "s", "b"), "org.hvmd1.NoSuchVM", "b");
}

Test(keep, sighup_is_a_reload)
{
	define_vm("a", "old");
	watch_signals();
	edit("state/definitions/a.xml", "count=\"2\"", "count=\"3\"");
	kill(harness.hvmd, SIGHUP);
	cr_expect(signal_comes("Reloading 0"));
	cr_expect_str_eq(property(VM("a"), "VCPUs"), "3");
}

Test(keep, reload_takes_autostart_too)
{
	define_vm("a", "");
	write_file("state/autostart/a", "");
	cr_expect_str_eq(reload(), "");
	cr_expect_str_eq(property(VM("a"), "Autostart"), "1");
}

Test(keep, definition_file_is_told)
{
	define_vm("a", "");
	cr_expect_str_eq(property(VM("a"), "DefinitionFile"), harness_path("state/definitions/a.xml"));
}
