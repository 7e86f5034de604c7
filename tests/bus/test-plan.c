/* test-plan.c - GetMemoryPlan: of the next start, asked of fakes and of the real monitor, and of the run in force */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "harness.h"

TestSuite(plan, .init = harness_start, .fini = harness_stop, .timeout = 60);

#define NEXT     0u
#define IN_FORCE 1u

static int get_plan(const char *name, uint64_t flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/org/hvmd1/vm/%s", name);
	return call(path, "org.hvmd1.VM", "GetMemoryPlan", "t", flags);
}

/* What else is said of a region, and the end of the line. */
static size_t append_details(char *text, size_t room)
{
	const char *key, *word;
	uint64_t number;
	size_t used = 0;

	cr_assert_gt(sd_bus_message_enter_container(call_reply, 'a', "{sv}"), 0);
	while (sd_bus_message_enter_container(call_reply, 'e', "sv") > 0) {
		cr_assert_gt(sd_bus_message_read(call_reply, "s", &key), 0);
		if (strcmp(key, "offset") == 0 || strcmp(key, "bytes") == 0) {
			cr_assert_gt(sd_bus_message_read(call_reply, "v", "t", &number), 0);
			used += (size_t)snprintf(text + used, room - used, " %s=0x%llx", key, (unsigned long long)number);
		} else {
			cr_assert_gt(sd_bus_message_read(call_reply, "v", "s", &word), 0);
			used += (size_t)snprintf(text + used, room - used, " %s=%s", key, word);
		}
		cr_assert_geq(sd_bus_message_exit_container(call_reply), 0);
	}
	cr_assert_geq(sd_bus_message_exit_container(call_reply), 0);
	return used + (size_t)snprintf(text + used, room - used, "\n");
}

/* The plan of the last reply, a line a region; static memory. */
static const char *plan_text(void)
{
	static char text[4096];
	const char *name, *access;
	uint64_t gpa, size;
	size_t used = 0;

	text[0] = '\0';
	cr_assert_gt(sd_bus_message_enter_container(call_reply, 'a', "(sttsa{sv})"), 0);
	while (sd_bus_message_enter_container(call_reply, 'r', "sttsa{sv}") > 0) {
		cr_assert_gt(sd_bus_message_read(call_reply, "stts", &name, &gpa, &size, &access), 0);
		used += (size_t)snprintf(text + used, sizeof(text) - used, "%s 0x%llx 0x%llx %s", name,
			(unsigned long long)gpa, (unsigned long long)size, access);
		used += append_details(text + used, sizeof(text) - used);
		cr_assert_geq(sd_bus_message_exit_container(call_reply), 0);
	}
	return text;
}

static void start(const char *name)
{
	expect_success(call(MANAGER, "StartVM", "st", name, (uint64_t)0));
}

/* harness.h: 16 MiB, of which the ROS has 4. */
static const char fake_plan[] = "ros memory 0x0 0x400000 both source=zero\n"
				"image 0 0x400000 0xc00000 hrt source=file file=hrt offset=0x1000 bytes=0x8 "
				"sha256=000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
				"device hole 0xfec00000 0x1400000 device source=none\n";

/* How many processes hvmd has. */
static unsigned n_children(void)
{
	char path[64], words[4096] = "";
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/children", (int)harness.hvmd, (int)harness.hvmd);
	f = fopen(path, "re");
	cr_assert_not_null(f);
	if (!fgets(words, sizeof(words), f))
		words[0] = 0;
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		n++;
	fclose(f);
	return n;
}

static bool children_become(unsigned n)
{
	for (int i = 0; i < 300; i++) {
		if (n_children() == n)
			return true;
		usleep(10000);
	}
	return false;
}

Test(plan, of_the_next_start_needs_no_running_vm)
{
	define_vm("a", "");
	expect_success(get_plan("a", NEXT));
	cr_expect_str_eq(plan_text(), fake_plan);
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
	cr_expect(children_become(0), "the inspector is still there");
}

Test(plan, of_the_run_in_force_is_asked_of_its_monitor)
{
	define_vm("a", "");
	start("a");
	expect_success(get_plan("a", IN_FORCE));
	cr_expect_str_eq(plan_text(), fake_plan);
	cr_expect(children_become(1));
}

static void expect_record(uint64_t flags)
{
	const char *digest, *record;

	expect_success(call("/org/hvmd1/vm/a", "org.hvmd1.VM", "GetLaunchRecord", "t", flags));
	cr_assert_gt(sd_bus_message_read(call_reply, "ss", &digest, &record), 0);
	cr_expect_str_eq(digest, "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
				 "202122232425262728292a2b2c2d2e2f");
	cr_expect_str_eq(record, "a record\n");
}

Test(plan, comes_with_the_launch_record_and_its_digest)
{
	define_vm("a", "");
	expect_record(NEXT);
	start("a");
	expect_record(IN_FORCE);
}

Test(plan, of_a_running_vm_and_of_its_next_start_may_differ)
{
	define_vm("a", "");
	start("a");
	define_vm("a", "no-room");
	expect_success(get_plan("a", IN_FORCE));
	expect_error(get_plan("a", NEXT), "org.hvmd1.ResourceConflict", "want the same memory");
}

Test(plan, of_the_run_in_force_needs_a_running_vm)
{
	define_vm("a", "");
	expect_error(get_plan("a", IN_FORCE), "org.hvmd1.NotRunning", "VM a is not running; it is inactive");
}

Test(plan, knows_its_flags)
{
	define_vm("a", "");
	expect_error(get_plan("a", 2), "org.freedesktop.DBus.Error.InvalidArgs", "flags 0x2 are not known; known are 0x1");
}

Test(plan, fails_with_the_planner_s_sentence_and_its_kind)
{
	define_vm("a", "bad-image");
	expect_error(get_plan("a", NEXT), "org.hvmd1.BadBootImage", "HRT image \"hrt\": it begins with 61 6e 79");
	define_vm("a", "no-room");
	expect_error(get_plan("a", NEXT), "org.hvmd1.ResourceConflict",
		"ros memory [0x0, 0x2) and image 0 [0x1, 0x3) want the same memory");
}

Test(plan, fails_when_its_inspector_dies)
{
	define_vm("a", "die-in-inspect");
	expect_error(get_plan("a", NEXT), "org.freedesktop.DBus.Error.Failed",
		"the monitor was killed by signal 4 (Illegal instruction)");
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
}

Test(plan, fails_when_its_inspector_answers_nonsense)
{
	define_vm("a", "bad-inspect");
	expect_error(get_plan("a", NEXT), "org.freedesktop.DBus.Error.Failed",
		"the monitor's answer to a request for the memory plan has another form");
	define_vm("a", "bad-plan");
	expect_error(get_plan("a", NEXT), "org.freedesktop.DBus.Error.Failed", "has another form");
	cr_expect(children_become(0));
}

Test(plan, of_overlapping_regions_ends_the_monitor_that_tells_it)
{
	define_vm("a", "bad-plan");
	start("a");
	expect_error(get_plan("a", IN_FORCE), "org.freedesktop.DBus.Error.Failed", "has another form");
	cr_expect(property_becomes(VM("a"), "State", "failed"));
	cr_expect(strstr(property(VM("a"), "StateDetails"), "broke the link protocol"));
}

Test(plan, is_refused_where_a_start_would_be)
{
	expect_success(define("<vm name=\"a\" class=\"PC\"><memory hugepages=\"y\">16</memory><cores count=\"2\"/>"
		"<files><file id=\"hrt\" filename=\"hrt.elf\"/></files>"
		"<hvm enable=\"y\"><ros cores=\"1\" mem=\"4\"/><hrt file_id=\"hrt\"/></hvm></vm>", "an image"));
	expect_error(get_plan("a", NEXT), "org.hvmd1.NotSupported", "VM a: memory hugepages=\"y\" is not built yet");
}

static int note_reply(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	unsigned *n = userdata;

	(void)error;
	*n += sd_bus_message_is_method_error(m, NULL) > 0;
	return 1;
}

static void ask_in_background(unsigned *n_errors)
{
	cr_assert_geq(sd_bus_call_method_async(harness.bus, NULL, "org.hvmd1", VM("a"), "GetMemoryPlan", note_reply,
		n_errors, "t", (uint64_t)0), 0);
}

Test(plan, that_never_comes_holds_up_nobody_and_few_are_under_way)
{
	unsigned n_errors = 0;

	define_vm("a", "hang-in-inspect");
	for (int i = 0; i < 8; i++)
		ask_in_background(&n_errors);
	expect_error(get_plan("a", NEXT), "org.hvmd1.Busy", "8 memory plans are being made already");
	cr_expect_eq(n_children(), 8);
	expect_success(call(MANAGER, "UndefineVM", "st", "a", (uint64_t)0)); /* nobody waits for them */
	cr_expect_eq(n_errors, 0);
}

Test(plan, that_does_not_come_in_time_is_given_up)
{
	uint64_t begin = clock_usec(), took;

	define_vm("a", "hang-in-inspect");
	expect_error(get_plan("a", NEXT), "org.freedesktop.DBus.Error.Timeout",
		"has not answered a request for an inspection within 10 s");
	took = clock_usec() - begin;
	cr_expect(took >= 9000000 && took < 20000000, "it took %llu us", (unsigned long long)took);
	cr_expect(children_become(0));
}

static void start_with_the_real_monitor(void)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/hvm-monitor", getenv("top_builddir"));
	harness.monitor = path;
	harness_start();
}

TestSuite(real, .init = start_with_the_real_monitor, .fini = harness_stop, .timeout = 60);

static int define_reference(const char *text)
{
	_cleanup_close_ int fd = -1;
	char path[256];

	snprintf(path, sizeof(path), "%s/examples/guests/reference.elf", getenv("top_builddir"));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0, "%s", path);
	return call(MANAGER, "DefineVM", "sa{sh}t", text, 1, "hrt", fd, (uint64_t)0);
}

Test(real, plan_needs_no_kvm)
{
	const char *text;

	expect_success(define_reference(definition("a", "")));
	expect_success(get_plan("a", NEXT));
	text = plan_text();
	cr_expect(strstr(text, "ros memory 0x0 0x400000 both source=zero\n") == text, "%s", text);
	cr_expect(strstr(text, "\nimage 0 0x800000 "), "%s", text);
	cr_expect(strstr(text, "\nnull handler 0xfff000 0x1000 hrt source=generated sha256="), "%s", text);
	cr_expect(strstr(text, "\ndevice hole 0xfec00000 0x1400000 device source=none\n"), "%s", text);
	cr_expect(children_become(0));
}

Test(real, plan_says_why_an_image_cannot_be_booted)
{
	define_vm("a", "");
	expect_error(get_plan("a", NEXT), "org.hvmd1.BadBootImage",
		"HRT image \"hrt\": the file has 8 bytes; an ELF64 header alone has 64");
}

Test(real, plan_names_both_that_want_the_same_memory)
{
	expect_success(define_reference("<vm name=\"a\" class=\"PC\"><memory>64</memory><cores count=\"2\"/>"
		"<files><file id=\"hrt\" filename=\"hrt.elf\"/></files>"
		"<hvm enable=\"y\"><ros cores=\"1\" mem=\"16\"/><hrt file_id=\"hrt\"/></hvm></vm>"));
	expect_error(get_plan("a", NEXT), "org.hvmd1.ResourceConflict",
		"HRT image \"hrt\": ros memory [0x0, 0x1000000) and image 0 [0x800000, ");
}

Test(real, plan_says_that_a_vm_without_hrt_has_nothing_to_run)
{
	expect_success(call(MANAGER, "DefineVM", "sa{sh}t",
		"<vm name=\"a\" class=\"PC\"><memory>64</memory><cores count=\"1\"/></vm>", 0, (uint64_t)0));
	expect_error(get_plan("a", NEXT), "org.hvmd1.NotSupported", "VM a has nothing to run: neither a kernel");
}
