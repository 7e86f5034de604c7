/*
 * test-talk.c - a process of the ROS and the reference HRT talk on real KVM, without hvmd
 *
 * The process (examples/guests/process.c) checks from CPL 3 what it is promised; its
 * verdict lines are the assertions here.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "monitor-client.h"

#define TIMEOUT_MS 60000

static struct monitor_client client = {.link = -1, .log = -1};

static void stop_all(void)
{
	monitor_fini(&client);
}

TestSuite(talk, .fini = stop_all, .timeout = 180);

/* The HRT has two cores, and memory from 8 MiB on. */
static struct test_machine pair(const char *process, const char *hrt)
{
	return (struct test_machine){.image = "reference.elf", .cmdline = hrt, .kernel = "process.elf",
		.ros_cmdline = process, .memory_mib = 32, .ros_mib = 8, .cores = 3, .ros_cores = 1};
}

static void start(const struct test_machine *machine)
{
	const char *unusable = monitor_unusable();
	struct error e = {};
	int r;

	if (unusable)
		cr_skip_test("%s", unusable);
	r = monitor_spawn(&client, &e);
	cr_assert_eq(r, 0, "%s", error_text(&e, r));
	r = monitor_setup(&client, machine, &e);
	cr_assert_eq(r, 0, "%s", error_text(&e, r));
	r = monitor_request(&client, LINK_START, NULL, 0, -1, &e);
	cr_assert_eq(r, 0, "%s", error_text(&e, r));
}

static void expect_text(const char *text)
{
	_cleanup_free_ char *log = NULL;
	bool found = monitor_wait_text(&client, text, 1, TIMEOUT_MS);

	log = monitor_log(&client);
	cr_assert(found, "the console lacks \"%s\"; it has:\n%s", text, log);
}

#define PROMISES 51
/* Where the kernel has to do the outs of the process (process-entry.S), three promises to the process are not tried. */
#define PROMISES_HELPED (PROMISES - 3)

/* All verdicts are good. */
static void expect_promises(const struct test_machine *machine, unsigned n)
{
	bool by_port = !strstr(machine->ros_cmdline, "doorbell") && !strstr(machine->ros_cmdline, "instruction");
	_cleanup_free_ char *log = NULL;
	char text[64], lesser[64];

	start(machine);
	snprintf(lesser, sizeof(lesser), "process: %u promises kept\n", PROMISES_HELPED);
	snprintf(text, sizeof(text), "process: %u promises kept\n", n);
	expect_text(" broken\n");
	log = monitor_log(&client);
	cr_expect(strstr(log, text) || (by_port && strstr(log, lesser)), "not \"%s\" in:\n%s", text, log);
	cr_expect(strstr(log, "process: 0 broken\n"), "broken promises in:\n%s", log);
}

Test(talk, keeps_all_promises_by_the_port)
{
	struct test_machine machine = pair("calls=100", "mode=serve");

	expect_promises(&machine, PROMISES);
	expect_text("process: cores that took part: 2\n");
}

Test(talk, keeps_all_promises_by_the_doorbell_page)
{
	struct test_machine machine = pair("calls=100 doorbell", "mode=serve");

	expect_promises(&machine, PROMISES + 1);
}

Test(talk, keeps_all_promises_to_who_looks_at_the_comm_page)
{
	struct test_machine machine = pair("calls=100 doorbell page", "mode=serve");

	expect_promises(&machine, PROMISES + 1);
}

Test(talk, keeps_all_promises_of_an_hrt_that_spins)
{
	struct test_machine machine = pair("calls=100", "mode=serve wait=spin");

	expect_promises(&machine, PROMISES);
}

Test(talk, keeps_all_promises_of_an_hrt_that_takes_no_interrupts)
{
	struct test_machine machine = pair("calls=20 doorbell", "mode=serve wait=masked");

	expect_promises(&machine, PROMISES + 1);
}

Test(talk, loses_no_read_that_an_upcall_interrupts)
{
	struct test_machine machine = pair("calls=50 doorbell", "mode=serve wait=read");
	_cleanup_free_ char *log = NULL;

	expect_promises(&machine, PROMISES + 1);
	log = monitor_log(&client);
	cr_expect(!strstr(log, "FAIL"), "%s", log);
	cr_expect_gt(monitor_telemetry(&client, "vcpu.1.unknown_reads", 0), 100);
}

Test(talk, delivers_upcalls_as_general_protection_faults)
{
	struct test_machine machine = pair("calls=10", "mode=serve");

	machine.upcall = SPEC_UPCALL_GPF;
	expect_promises(&machine, PROMISES);
}

/* Either way reaches an image whose hypercalls are instructions: which one is this KVM's matter. */
static void expect_by_instruction(void)
{
	bool intercepted = strcmp(client.hrt.hypercall, "xen") == 0;

	cr_expect(intercepted || strcmp(client.hrt.hypercall, "patch") == 0, "%s", client.hrt.hypercall);
	cr_expect_eq(client.hrt.n_patched > 5, !intercepted, "%u", client.hrt.n_patched);
}

/* An image as Palacios has them: built with vmmcall, on which some KVMs hang. */
static void expect_patched(enum spec_hypercall wish)
{
	struct test_machine machine = pair("calls=10 doorbell", "mode=serve");

	machine.image = "reference-vmmcall.elf";
	machine.hypercall = wish;
	expect_promises(&machine, PROMISES + 1);
	expect_by_instruction();
}

Test(talk, rewrites_the_hypercalls_of_an_image_that_calls_by_instruction)
{
	expect_patched(SPEC_HYPERCALL_AUTO);
	stop_all();
	expect_patched(SPEC_HYPERCALL_PATCH);
}

/* The process of the ROS, at CPL 3, and the HRT's image, both by an instruction that nobody has rewritten. */
Test(talk, keeps_all_promises_by_instruction_where_this_kvm_hands_it_over)
{
	struct test_machine machine = pair("calls=100 instruction", "mode=serve");
	struct error e = {};

	if (monitor_unusable())
		cr_skip_test("%s", monitor_unusable());
	machine.image = "reference-vmmcall.elf";
	machine.hypercall = SPEC_HYPERCALL_XEN;
	cr_assert_eq(monitor_spawn(&client, &e), 0, "%s", e.text);
	if (monitor_setup(&client, &machine, &e) < 0)
		cr_skip_test("%s", e.text);
	stop_all();
	expect_promises(&machine, PROMISES);
	cr_expect_str_eq(client.hrt.hypercall, "xen");
	cr_expect_eq(client.hrt.n_patched, 0);
}

Test(talk, refuses_to_intercept_what_this_kvm_does_not_hand_over)
{
	struct test_machine machine = pair("calls=1", "mode=serve");
	struct error e = {};
	int r;

	if (monitor_unusable())
		cr_skip_test("%s", monitor_unusable());
	machine.hypercall = SPEC_HYPERCALL_XEN;
	cr_assert_eq(monitor_spawn(&client, &e), 0, "%s", e.text);
	r = monitor_setup(&client, &machine, &e);
	if (r == 0)
		cr_skip_test("this KVM does");
	cr_expect_eq(r, -EOPNOTSUPP);
	cr_expect(strstr(e.text, "is built without CONFIG_KVM_XEN; hypercall=\"auto\" works"), "%s", e.text);
}

Test(talk, takes_hypercalls_by_the_page_where_the_definition_says_so)
{
	struct test_machine machine = pair("calls=1 doorbell", "mode=serve");

	machine.hypercall = SPEC_HYPERCALL_MMIO;
	expect_promises(&machine, PROMISES + 1);
	cr_expect_str_eq(client.hrt.hypercall, "mmio");
	cr_expect_eq(client.hrt.n_patched, 0);
}

Test(talk, rewrites_nothing_where_the_definition_says_port)
{
	struct test_machine machine = pair("calls=1 doorbell", "mode=serve");

	machine.hypercall = SPEC_HYPERCALL_PORT;
	expect_promises(&machine, PROMISES + 1);
	cr_expect_str_eq(client.hrt.hypercall, "port");
	cr_expect_str_eq(client.hrt.upcall, "pf");
	cr_expect_eq(client.hrt.n_patched, 0);
}

Test(talk, ends_a_call_that_takes_longer_than_the_definition_allows)
{
	struct test_machine machine = pair("spin doorbell", "mode=serve");

	machine.deadline = 500;
	start(&machine);
	expect_text("process: the call ended with 2\n");
	expect_text("process: 2 promises kept\n");
	cr_expect_eq(monitor_telemetry(&client, "partition.hrt.transactions_failed", 0) > 0, 1);
}

#define PROMISES_SYNC 7

Test(talk, delivers_upcalls_as_interrupts_and_takes_them_out_of_service)
{
	struct test_machine machine = pair("calls=10 doorbell nosync", "mode=serve");

	machine.upcall = SPEC_UPCALL_VECTOR;
	expect_promises(&machine, PROMISES + 1 - PROMISES_SYNC);
}

Test(talk, replaces_the_image_at_the_next_reset)
{
	struct test_machine machine = pair("replace doorbell", "mode=serve");

	machine.modules[0] = "@reference-vmmcall.elf";
	expect_promises(&machine, 8);
	expect_by_instruction();
}

Test(talk, a_null_hypercall_costs_one_exit)
{
	struct test_machine machine = {.image = "reference.elf", .cmdline = "mode=null rounds=1000", .memory_mib = 32,
		.ros_mib = 8, .cores = 2, .ros_cores = 1};
	uint64_t printed;

	start(&machine);
	expect_text("time null ");
	printed = monitor_telemetry(&client, "vm.console_bytes", 0); /* an exit each */
	cr_expect_eq(monitor_telemetry(&client, "vcpu.1.hypercalls", 0), 1000);
	cr_expect_eq(monitor_telemetry(&client, "vcpu.1.exits.io", 0), 1000 + printed);
}

/* What hvmd sends for `hvmctl load`. */
static int load(int fd, uint64_t size, struct error *e)
{
	return monitor_request(&client, LINK_LOAD, &size, sizeof(size), fd, e);
}

static void expect_refused(int fd, uint64_t size, int error, const char *part)
{
	struct error e = {};
	int r = load(fd, size, &e);

	cr_expect_eq(r, error, "%d: %s", r, e.text);
	cr_expect(strstr(e.text, part), "not \"%s\": %s", part, e.text);
}

Test(talk, takes_another_image_from_hvmd_which_the_next_reset_boots)
{
	_cleanup_close_ int good = monitor_open_image("reference-vmmcall.elf"), none = memfd_create("none", MFD_CLOEXEC);
	struct test_machine machine = pair("linger doorbell", "mode=serve");
	uint8_t scope = LINK_SCOPE_HRT;
	struct error e = {};
	uint64_t before;
	struct stat st;

	start(&machine);
	expect_text("process: lingers\n");
	cr_assert_eq(fstat(good, &st), 0);
	expect_refused(none, 100, -EINVAL, "less than the 100 bytes");
	expect_refused(good, 0, -EINVAL, "an image has 1 byte to 256 MiB");
	expect_refused(good, UINT64_MAX, -EINVAL, "an image has 1 byte to 256 MiB");
	expect_refused(good, 4096, -ENOEXEC, "HRT image \"image\"");
	cr_expect_eq(load(good, (uint64_t)st.st_size, &e), 0, "%s", e.text);
	cr_expect_lt(client.hrt.n_patched, 5, "it is in force before the reset");
	expect_refused(good, (uint64_t)st.st_size / 2, -ENOEXEC, "HRT image \"image\"");
	cr_assert_eq(monitor_request(&client, LINK_RESET, &scope, 1, -1, &e), 0, "%s", e.text);
	cr_assert(monitor_wait_text(&client, "core 0: serves\n", 2, TIMEOUT_MS), "%s", monitor_log(&client));
	before = monitor_telemetry(&client, "partition.hrt.transactions", 0);
	for (unsigned i = 0; i < 100 && monitor_telemetry(&client, "partition.hrt.transactions", 0) < before + 10; i++)
		monitor_wait_text(&client, "nothing", 1, 50);
	cr_expect_geq(monitor_telemetry(&client, "partition.hrt.transactions", 0), before + 10, "nobody is called");
	expect_by_instruction();
	cr_expect_eq(monitor_telemetry(&client, "partition.hrt.images_replaced", 9), 1);
}

/* How often a partition that makes noise is reset; each time it draws anew. */
static unsigned noise_rounds(void)
{
	const char *text = getenv("HVMD_NOISE");

	return text ? (unsigned)strtoul(text, NULL, 10) : 5;
}

/* Hypercalls of the ROS so far. */
static uint64_t asked(void)
{
	return monitor_telemetry(&client, "vcpu.0.hypercalls", 0) + monitor_telemetry(&client, "vcpu.0.hypercalls_refused", 0);
}

/* The monitor answers, keeps its word to the other half, and ends when it is told to. */
static void expect_well(enum partition_role other)
{
	struct error e = {};

	cr_expect_eq(client.partitions[other].state, PARTITION_RUNNING);
	cr_assert_eq(monitor_request(&client, LINK_STOP, NULL, 0, -1, &e), 0, "%s", e.text);
	cr_expect_eq(monitor_wait_end(&client, 5000), 0);
}

/* The HRT may end, its monitor may not, and the process in the ROS still has its questions answered. */
Test(talk, an_hrt_that_makes_noise_harms_nobody_else, .timeout = 0)
{
	struct test_machine machine = pair("linger doorbell", "mode=noise rounds=2000");
	uint8_t scope = LINK_SCOPE_HRT;
	struct error e = {};

	start(&machine);
	for (unsigned round = 1; round <= noise_rounds(); round++) {
		uint64_t before = asked();

		monitor_wait_text(&client, "made noise", 2 * round, 10000);
		cr_assert_eq(monitor_request(&client, LINK_RESET, &scope, 1, -1, &e), 0, "%s", e.text);
		cr_assert_eq(client.partitions[PARTITION_ROS].state, PARTITION_RUNNING);
		cr_expect_gt(asked(), before);
	}
	cr_expect_geq(monitor_count_text(&client, "made noise"), 2 * noise_rounds() - 2, "%s", monitor_log(&client));
	expect_well(PARTITION_ROS);
}

/* It draws from all requests, also those that call the HRT with nonsense, which may end that one until the next reset. */
Test(talk, a_process_that_makes_noise_ends_at_most_who_it_calls, .timeout = 0)
{
	struct test_machine machine = pair("noise doorbell", "mode=serve");
	uint8_t scope = LINK_SCOPE_ALL;
	struct error e = {};
	uint64_t before = 0;

	machine.deadline = 50;
	start(&machine);
	for (unsigned round = 1; round <= noise_rounds(); round++) {
		monitor_wait_text(&client, "process: makes noise", round, 10000);
		monitor_wait_text(&client, "never said", 1, 500);
		cr_assert_eq(monitor_request(&client, LINK_RESET, &scope, 1, -1, &e), 0, "%s", e.text);
		cr_assert_eq(client.partitions[PARTITION_ROS].state, PARTITION_RUNNING, "%s", client.partitions[PARTITION_ROS].details);
		cr_expect_gt(asked(), before);
		before = asked();
	}
	expect_well(PARTITION_ROS);
}

Test(talk, survives_a_reset_of_the_hrt_in_the_middle_of_a_call)
{
	struct test_machine machine = pair("reset", "mode=serve");

	expect_promises(&machine, 8);
}

/* The core that was called is still in its upcall when the next process calls it. */
Test(talk, survives_a_reset_of_the_ros_in_the_middle_of_a_call)
{
	struct test_machine machine = pair("hold doorbell calls=10", "mode=serve");
	_cleanup_free_ char *log = NULL;
	uint8_t scope = LINK_SCOPE_ROS;
	struct error e = {};

	start(&machine);
	for (unsigned round = 1; round <= 2; round++) {
		cr_assert(monitor_wait_text(&client, "process: holds\n", round, TIMEOUT_MS), "%s", monitor_log(&client));
		cr_assert_eq(monitor_request(&client, LINK_RESET, &scope, 1, -1, &e), 0, "%s", e.text);
	}
	cr_assert(monitor_wait_text(&client, "process: holds\n", 3, TIMEOUT_MS), "%s", monitor_log(&client));
	log = monitor_log(&client);
	cr_expect(!strstr(log, "FAIL"), "broken promises in:\n%s", log);
	cr_expect_eq(client.partitions[PARTITION_HRT].state, PARTITION_RUNNING);
	cr_expect_eq(monitor_telemetry(&client, "partition.hrt.resets", 9), 0);
}

Test(talk, tells_the_process_of_a_crash_of_the_hrt)
{
	struct test_machine machine = pair("crash", "mode=serve");

	start(&machine);
	expect_text("process: the call ended with 3\n");
	expect_text("process: told of event 3\n");
	expect_text("process: 1 promises kept\n");
}
