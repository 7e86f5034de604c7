/* test-define.c - definitions over the bus: define, refuse, find, remove, and what a restart keeps */
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

TestSuite(define, .init = harness_start, .fini = harness_stop, .timeout = 60);

static size_t count_files(const char *folder)
{
	DIR *dir = opendir(harness_path(folder));
	struct dirent *entry;
	size_t n = 0;

	cr_assert_not_null(dir);
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.' || entry->d_name[1] == '#';
	closedir(dir);
	return n;
}

/* The definition in its canonical form; the caller frees. */
static char *stored_definition(const char *path)
{
	const char *text;

	expect_success(call(path, "org.hvmd1.VM", "GetDefinition", "t", (uint64_t)0));
	sd_bus_message_read(call_reply, "s", &text);
	return strdup(text);
}

Test(define, answers_with_the_path_and_stores_definition_and_image)
{
	const char *path;
	struct stat st;

	expect_success(define(definition("a", ""), "an image"));
	sd_bus_message_read(call_reply, "o", &path);
	cr_expect_str_eq(path, "/org/hvmd1/vm/a");
	cr_expect_eq(stat(harness_path("state/definitions/a.xml"), &st), 0);
	cr_expect_eq(count_files("state/images"), 1);
}

Test(define, image_is_named_by_its_digest)
{
	char *text, line[512];

	define_vm("a", "");
	text = stored_definition("/org/hvmd1/vm/a");
	snprintf(line, sizeof(line), "cd %s && sha256sum * | awk '$1 != $2 { exit 1 }'",
		harness_path("state/images"));
	cr_expect_eq(system(line), 0);
	cr_expect(strstr(text, "sha256=\""));
	free(text);
}

Test(define, uuid_is_made_and_kept)
{
	char first[64];

	define_vm("a", "");
	snprintf(first, sizeof(first), "%s", property(VM("a"), "UUID"));
	define_vm("a", "other");
	cr_expect_str_eq(property(VM("a"), "UUID"), first);
}

Test(define, faulty_definition_is_refused_with_every_sentence)
{
	expect_error(define("<vm class=\"AT\"><memory>zero</memory></vm>", "an image"),
		"org.hvmd1.InvalidDefinition", ": error: ");
	cr_expect(strchr(call_error.message, '\n'), "\"%s\" is one line", call_error.message);
	cr_expect(strstr(call_error.message, "1: /vm"));
	cr_expect_eq(count_files("state/definitions"), 0);
	cr_expect_eq(count_files("state/images"), 0);
}

Test(define, definition_without_a_name_is_refused_and_says_so)
{
	expect_error(define("<vm class=\"PC\"><schedule_hz>100</schedule_hz><memory>64</memory><cores count=\"1\"/></vm>",
			     "an image"),
		"org.hvmd1.InvalidDefinition", "1:1: /vm: error: name is missing; write name=\"nautilus\"");
	cr_expect_null(strchr(call_error.message, '\n'), "what is ignored is no error: %s", call_error.message);
}

Test(define, no_xml_is_refused)
{
	expect_error(define("this is no XML", "an image"), "org.hvmd1.InvalidDefinition", "error: ");
	expect_error(define("", "an image"), "org.hvmd1.InvalidDefinition", "error: ");
}

Test(define, file_without_descriptor_is_refused_by_name)
{
	expect_error(call(MANAGER, "DefineVM", "sa{sh}t", definition("a", ""), 0, (uint64_t)0),
		"org.freedesktop.DBus.Error.InvalidArgs", "file \"hrt\": no descriptor was passed");
}

Test(define, descriptor_without_file_is_refused_by_name)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	expect_error(call(MANAGER, "DefineVM", "sa{sh}t", definition("a", ""), 1, "initrd", fd, (uint64_t)0),
		"org.freedesktop.DBus.Error.InvalidArgs", "file \"initrd\": a descriptor was passed");
	expect_error(call(MANAGER, "DefineVM", "sa{sh}t", definition("a", ""), 2, "hrt", fd, "hrt", fd,
			     (uint64_t)0),
		"org.freedesktop.DBus.Error.InvalidArgs", "passed twice");
	close(fd);
}

static void expect_bad_image(int fd, const char *part)
{
	expect_error(call(MANAGER, "DefineVM", "sa{sh}t", definition("a", ""), 1, "hrt", fd, (uint64_t)0),
		"org.freedesktop.DBus.Error.InvalidArgs", part);
	cr_expect_eq(count_files("state/images"), 0);
	cr_expect_eq(count_files("state/definitions"), 0);
	close(fd);
}

Test(define, useless_descriptors_are_refused_with_a_sentence)
{
	int pipe_ends[2], large = memfd_create("large", MFD_CLOEXEC);

	cr_assert_eq(pipe(pipe_ends), 0);
	close(pipe_ends[1]);
	cr_assert_eq(ftruncate(large, (256 << 20) + 1), 0);
	expect_bad_image(memfd_create("empty", MFD_CLOEXEC), "file \"hrt\": the file is empty");
	expect_bad_image(pipe_ends[0], "file \"hrt\": the descriptor is not of a regular file");
	expect_bad_image(
		open("/", O_RDONLY | O_CLOEXEC), "file \"hrt\": the descriptor is not of a regular file");
	expect_bad_image(large, "file \"hrt\": 268435457 bytes are more than the limit of 256 MiB");
	expect_bad_image(open(harness_path("bus.conf"), O_WRONLY | O_CLOEXEC), "is not open for reading");
}

Test(define, canonical_form_defines_again_without_descriptors)
{
	char *text, *again;

	define_vm("a", "mode=park");
	text = stored_definition("/org/hvmd1/vm/a");
	expect_success(call(MANAGER, "DefineVM", "sa{sh}t", text, 0, (uint64_t)0));
	again = stored_definition("/org/hvmd1/vm/a");
	cr_expect_str_eq(text, again);
	cr_expect_eq(count_files("state/images"), 1);
	free(text);
	free(again);
}

Test(define, digest_of_an_image_that_is_not_stored_is_refused)
{
	char text[1024];

	snprintf(text, sizeof(text),
		"<vm name=\"a\" class=\"PC\"><memory>16</memory><cores count=\"2\"/>"
		"<files><file id=\"hrt\" sha256=\"%064d\"/></files>"
		"<hvm enable=\"y\"><ros cores=\"1\" mem=\"4\"/><hrt file_id=\"hrt\"/></hvm></vm>", 7);
	expect_error(call(MANAGER, "DefineVM", "sa{sh}t", text, 0, (uint64_t)0),
		"org.freedesktop.DBus.Error.InvalidArgs",
		"file \"hrt\": no descriptor was passed and the image of its sha256 is not in the store");
}

Test(define, uuid_of_another_vm_is_refused)
{
	char *text, *name;

	define_vm("a", "");
	text = stored_definition("/org/hvmd1/vm/a");
	name = strstr(text, "name=\"a\"");
	cr_assert_not_null(name);
	name[6] = 'b';
	expect_error(call(MANAGER, "DefineVM", "sa{sh}t", text, 0, (uint64_t)0), "org.hvmd1.ResourceConflict",
		"VM b: its UUID is that of VM a");
	free(text);
}

Test(define, replacing_removes_the_image_that_nobody_has)
{
	define_vm("a", "");
	define_vm("b", "");
	cr_expect_eq(count_files("state/images"), 1);
	expect_success(define(definition("a", ""), "another image"));
	cr_expect_eq(count_files("state/images"), 2);
	expect_success(define(definition("b", ""), "another image"));
	cr_expect_eq(count_files("state/images"), 1);
}

Test(define, undefine_removes_definition_and_image)
{
	define_vm("a", "");
	expect_success(call(VM("a"), "Undefine", "t", (uint64_t)0));
	cr_expect_eq(count_files("state/images"), 0);
	cr_expect_eq(count_files("state/definitions"), 0);
	expect_error(call(MANAGER, "GetVM", "s", "a"), "org.hvmd1.NoSuchVM", "there is no VM \"a\"");
}

Test(define, validate_tells_line_path_severity_and_sentence)
{
	const char *path, *message;
	uint32_t line, severity;

	expect_success(call(MANAGER, "ValidateDefinition", "st",
		"<vm name=\"a\" class=\"PC\">\n<memory>x</memory>\n</vm>", (uint64_t)0));
	cr_assert_gt(sd_bus_message_enter_container(call_reply, 'a', "(usus)"), 0);
	cr_assert_gt(sd_bus_message_read(call_reply, "(usus)", &line, &path, &severity, &message), 0);
	cr_expect_geq(line, 1);
	cr_expect_eq(severity, 0, "0 is an error");
	cr_expect_eq(strncmp(path, "/vm", 3), 0);
	cr_expect_gt(strlen(message), 10);
}

Test(define, validate_finds_nothing_in_a_right_definition)
{
	expect_success(call(MANAGER, "ValidateDefinition", "st", definition("a", ""), (uint64_t)0));
	cr_assert_gt(sd_bus_message_enter_container(call_reply, 'a', "(usus)"), 0);
	cr_expect_gt(sd_bus_message_at_end(call_reply, 0), 0);
}

Test(define, vms_are_found_by_name_uuid_and_in_the_list)
{
	const char *path, *name, *state;
	uint8_t uuid[16];
	const void *bytes;
	size_t size;
	uint32_t pid;

	define_vm("b", "");
	define_vm("a", "");
	expect_success(call(MANAGER, "GetVM", "s", "b"));
	sd_bus_message_read(call_reply, "o", &path);
	cr_expect_str_eq(path, "/org/hvmd1/vm/b");
	expect_success(call(MANAGER, "ListVMs", ""));
	sd_bus_message_enter_container(call_reply, 'a', "(saysuo)");
	sd_bus_message_enter_container(call_reply, 'r', "saysuo");
	sd_bus_message_read(call_reply, "s", &name);
	sd_bus_message_read_array(call_reply, 'y', &bytes, &size);
	sd_bus_message_read(call_reply, "suo", &state, &pid, &path);
	cr_expect_str_eq(name, "a", "the list is sorted by name");
	cr_expect_str_eq(state, "inactive");
	cr_expect_eq(pid, 0);
	cr_assert_eq(size, 16);
	memcpy(uuid, bytes, 16);
	expect_success(call(MANAGER, "GetVMByUUID", "ay", 16, uuid[0], uuid[1], uuid[2], uuid[3], uuid[4],
		uuid[5], uuid[6], uuid[7], uuid[8], uuid[9], uuid[10], uuid[11], uuid[12], uuid[13], uuid[14],
		uuid[15]));
	sd_bus_message_read(call_reply, "o", &path);
	cr_expect_str_eq(path, "/org/hvmd1/vm/a");
	expect_error(call(MANAGER, "GetVMByUUID", "ay", 2, 1, 2), "org.freedesktop.DBus.Error.InvalidArgs",
		"a UUID has 16 bytes, not 2");
	expect_error(
		call(MANAGER, "GetVMByUUID", "ay", 16, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16),
		"org.hvmd1.NoSuchVM", "UUID");
	expect_error(
		call(MANAGER, "GetVMByPID", "u", 1), "org.hvmd1.NoSuchVM", "process 1 is no monitor of a VM");
}

Test(define, unknown_flags_are_refused_everywhere)
{
	static const char invalid[] = "org.freedesktop.DBus.Error.InvalidArgs",
			  part[] = "flags 0x80 are not known";
	uint64_t flags = 0x80, zero = 0;

	define_vm("a", "");
	expect_error(call(MANAGER, "DefineVM", "sa{sh}t", definition("b", ""), 0, flags), invalid, part);
	expect_error(call(MANAGER, "UndefineVM", "st", "a", flags), invalid, part);
	expect_error(call(MANAGER, "ValidateDefinition", "st", "<vm/>", flags), invalid, part);
	expect_error(call(MANAGER, "StartVM", "st", "a", flags), invalid, part);
	expect_error(call(MANAGER, "ShutdownVM", "stt", "a", zero, flags), invalid, part);
	expect_error(call(MANAGER, "GetTelemetry", "ast", 0, flags), invalid, part);
	expect_error(call(VM("a"), "Start", "t", flags), invalid, part);
	expect_error(call(VM("a"), "Shutdown", "tt", zero, flags), invalid, part);
	expect_error(call(VM("a"), "Undefine", "t", flags), invalid, part);
	expect_error(call(VM("a"), "GetDefinition", "t", flags), invalid, part);
	expect_error(call(VM("a"), "GetTelemetry", "ast", 0, flags), invalid, part);
	expect_error(call(VM("a"), "OpenConsole", "st", "", flags), invalid, part);
	expect_error(call(VM("a"), "OpenConsoleLog", "st", "", flags), invalid, part);
	expect_error(call(HRT("a"), "GetTelemetry", "ast", 0, flags), invalid, part);
}

Test(define, definitions_survive_a_restart)
{
	char *before, *after;

	define_vm("a", "mode=park");
	before = stored_definition("/org/hvmd1/vm/a");
	hvmd_stop(SIGTERM);
	hvmd_start();
	after = stored_definition("/org/hvmd1/vm/a");
	cr_expect_str_eq(before, after);
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
	free(before);
	free(after);
}

Test(define, definitions_survive_a_kill)
{
	define_vm("a", "");
	hvmd_stop(SIGKILL);
	hvmd_start();
	cr_expect_str_eq(property(VM("a"), "Name"), "a");
}

Test(define, faulty_definition_on_disk_does_not_keep_the_others_away)
{
	FILE *f;

	define_vm("a", "");
	hvmd_stop(SIGTERM);
	f = fopen(harness_path("state/definitions/broken.xml"), "we");
	fputs("<vm name=", f);
	fclose(f);
	hvmd_start();
	cr_expect_str_eq(property(MANAGER, "NVMs"), "1");
	expect_error(call(MANAGER, "GetVM", "s", "broken"), "org.hvmd1.NoSuchVM", "broken");
}
