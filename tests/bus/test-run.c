/* test-run.c - running VMs over the bus: start, stop, reset, watch, and monitors that misbehave */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"
#include "vms.h"

TestSuite(run, .init = harness_start, .fini = harness_stop, .timeout = 60);

static pid_t leader(void)
{
	return vm_leader("/org/hvmd1/vm/a");
}

/* Images that hvmd has in memory. */
static unsigned count_sealed(void)
{
	char path[64], target[64];
	unsigned n = 0;

	for (int fd = 0; fd < 256; fd++) {
		ssize_t size;

		snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)harness.hvmd, fd);
		size = readlink(path, target, sizeof(target) - 1);
		target[size > 0 ? size : 0] = '\0';
		n += strncmp(target, "/memfd:hvm-image", strlen("/memfd:hvm-image")) == 0;
	}
	return n;
}

static unsigned count_threads(void)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)harness.hvmd);
	return stat(path, &st) == 0 ? (unsigned)st.st_nlink - 2 : 0;
}

static bool becomes(unsigned (*count)(void), unsigned n)
{
	for (int i = 0; i < 500 && count() != n; i++)
		usleep(10000);
	return count() == n;
}

Test(run, start_ends_when_the_hrt_runs)
{
	run_vm("");
	cr_expect_str_eq(property(VM("a"), "State"), "running");
	cr_expect_str_eq(property(VM("a"), "StateReason"), "booted");
	cr_expect_str_eq(property(HRT("a"), "State"), "running");
	cr_expect_str_eq(property(ROS("a"), "State"), "parked");
	cr_expect_gt(leader(), 0);
	cr_expect_str_eq(property(VM("a"), "ExitReason"), "");
}

Test(run, no_start_after_a_define_has_to_read_an_image)
{
	run_vm("only-sealed");
	expect_success(shutdown_vm("a"));
	expect_success(call(MANAGER, "UndefineVM", "st", "a", (uint64_t)0));
	cr_expect(becomes(count_sealed, 0), "what no definition has is not kept");
}

/* Nobody starts anything; hvmd makes them ready by itself. */
Test(run, no_start_some_moments_after_a_restart_has_to_read_an_image)
{
	define_vm("a", "only-sealed");
	hvmd_stop(SIGTERM);
	hvmd_start();
	cr_assert(becomes(count_sealed, 1));
	cr_assert(becomes(count_threads, 1), "it is not written any more");
	property(VM("a"), "State");
	usleep(100000); /* hvmd goes round its loop in between, and has seen to that when it answers again */
	property(VM("a"), "State");
	expect_success(start_vm("a"));
}

Test(run, shows_the_launch_digest_of_the_run)
{
	define_vm("a", "");
	cr_expect_str_eq(property(VM("a"), "LaunchDigest"), "");
	expect_success(start_vm("a"));
	cr_expect_str_eq(property(VM("a"), "LaunchDigest"),
		"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f");
	expect_success(shutdown_vm("a"));
	cr_expect_str_neq(property(VM("a"), "LaunchDigest"), "", "it stays known");
}

Test(run, hrt_shows_what_its_image_got)
{
	run_vm("");
	cr_expect_str_eq(property("/org/hvmd1/vm/a/partition/hrt", "org.hvmd1.HRT", "Flags"), "513");
	cr_expect_str_eq(property("/org/hvmd1/vm/a/partition/hrt", "org.hvmd1.HRT", "GVAOffset"),
		"18446603336221196288");
	cr_expect_str_eq(property("/org/hvmd1/vm/a/partition/hrt", "org.hvmd1.HRT", "GVAEntry"),
		"18446603336229584960");
	cr_expect_str_eq(property("/org/hvmd1/vm/a/partition/hrt", "org.hvmd1.HRT", "CommPage"), "2093056");
	cr_expect_str_eq(
		property("/org/hvmd1/vm/a/partition/hrt", "org.hvmd1.HRT", "InterruptVector"), "255");
	cr_expect_str_eq(property(HRT("a"), "EntryAddress"), "8388672");
}

#define HRT_INTERFACE "/org/hvmd1/vm/a/partition/hrt", "org.hvmd1.HRT"

/* The fake's ROS calls its HRT each time somebody looks. */
Test(run, how_far_ros_and_hrt_are_is_asked_for_when_somebody_reads_it_and_never_told)
{
	define_vm("a", "");
	cr_expect_str_eq(property(HRT_INTERFACE, "TransactionState"), "idle");
	cr_expect_str_eq(property(HRT_INTERFACE, "NTransactions"), "0");
	expect_success(start_vm("a"));
	watch_signals();
	cr_expect_str_eq(property(HRT_INTERFACE, "TransactionState"), "parcall");
	cr_expect_str_eq(property(HRT_INTERFACE, "NTransactions"), "2");
	cr_expect_str_eq(property(HRT_INTERFACE, "Flags"), "513", "nobody is asked for that");
	cr_expect_str_eq(property(HRT_INTERFACE, "NTransactions"), "3");
	expect_success(call("/org/hvmd1/vm/a/partition/hrt", "org.freedesktop.DBus.Properties", "GetAll", "s", "org.hvmd1.HRT"));
	cr_expect_str_eq(property(HRT_INTERFACE, "NTransactions"), "5");
	expect_success(call(MANAGER, "TerminateVM", "s", "a"));
	cr_expect_str_eq(property(HRT_INTERFACE, "TransactionState"), "idle");
	cr_expect_str_eq(property(HRT_INTERFACE, "NTransactions"), "5", "of the last run");
	cr_expect(!signal_comes("NTransactions"));
}

/* --- Adding to a command line: the fake does what stands there ------------- */

/* Defines VM "a", whose HRT's command line begins with `cmdline` and may be added to. */
static void define_open(const char *cmdline)
{
	const char *closed = definition("a", cmdline), *at = strstr(closed, "cmdline=");
	char open[4096];

	snprintf(open, sizeof(open), "%.*sappend=\"y\" %s", (int)(at - closed), closed, at);
	expect_success(define(open, "an image"));
}

static int start_with(const char *option, const char *text)
{
	return call(MANAGER, "StartVMWithOptions", "sta{sv}", "a", (uint64_t)0, 1, option, "s", text);
}

Test(run, start_adds_to_the_command_line_for_this_run)
{
	define_open("");
	expect_error(start_with("append-hrt", "refuse-start"), "org.hvmd1.NotSupported", "");
	expect_success(start_vm("a"));
	expect_success(shutdown_vm("a"));
	expect_error(start_with("append", "refuse-setup"), "org.hvmd1.BadBootImage", "");
}

Test(run, start_adds_behind_what_is_there)
{
	define_open("refuse-");
	expect_success(start_with("append-hrt", "start"));
	expect_success(shutdown_vm("a"));
	expect_success(start_with("append-hrt", "")); /* nothing is added */
}

Test(run, start_with_options_works_on_the_vm_itself_and_without_any)
{
	define_vm("a", "");
	expect_success(call(VM("a"), "StartWithOptions", "ta{sv}", (uint64_t)0, 0));
	cr_expect_str_eq(property(VM("a"), "State"), "running");
}

Test(run, start_adds_nothing_where_the_definition_does_not_let_it)
{
	define_vm("a", "");
	expect_error(start_with("append", "x"), "org.hvmd1.NotSupported",
		"VM a: its definition lets nobody add to a command line; append=\"y\" at ros or hrt would");
	expect_error(start_with("append-hrt", "x"), "org.hvmd1.NotSupported",
		"VM a: its definition lets nobody add to the command line of hrt; append=\"y\" there would");
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
}

Test(run, start_refuses_options_that_it_does_not_know_and_texts_that_cannot_be)
{
	define_open("");
	expect_error(start_with("cmdline", "x"), "org.freedesktop.DBus.Error.InvalidArgs",
		"option \"cmdline\" is not known; known are append, append-ros and append-hrt");
	expect_error(start_with("append", "two\nlines"), "org.freedesktop.DBus.Error.InvalidArgs", "control character");
	expect_error(call(MANAGER, "StartVMWithOptions", "sta{sv}", "a", (uint64_t)0, 1, "append", "u", 7),
		"org.freedesktop.DBus.Error.InvalidArgs", "option \"append\" is not a text (s)");
}

Test(run, vm_is_found_by_its_process)
{
	const char *path;
	uint32_t pid;

	run_vm("");
	pid = (uint32_t)leader();
	expect_success(call(MANAGER, "GetVMByPID", "u", pid));
	sd_bus_message_read(call_reply, "o", &path);
	cr_expect_str_eq(path, "/org/hvmd1/vm/a");
}

Test(run, shutdown_ends_the_monitor)
{
	pid_t pid;

	run_vm("");
	pid = leader();
	expect_success(shutdown_vm("a"));
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
	cr_expect_str_eq(property(VM("a"), "StateReason"), "host-request");
	cr_expect_str_eq(property(VM("a"), "ExitReason"), "host-request");
	cr_expect_str_eq(property(HRT("a"), "State"), "inactive");
	cr_expect_eq(leader(), 0);
	cr_expect(process_gone(pid));
	expect_success(start_vm("a"));
}

Test(run, methods_of_the_vm_itself_do_the_same)
{
	define_vm("a", "");
	expect_success(call(VM("a"), "Start", "t", (uint64_t)0));
	expect_success(call(VM("a"), "Reset", "suu", "hrt", 0, 0));
	expect_success(call(VM("a"), "Shutdown", "tt", (uint64_t)0, (uint64_t)0));
	expect_success(call(VM("a"), "Start", "t", (uint64_t)0));
	expect_success(call(VM("a"), "Terminate", ""));
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
	expect_success(call(VM("a"), "Undefine", "t", (uint64_t)0));
}

Test(run, monitor_that_does_not_go_is_killed_after_a_second)
{
	uint64_t begin, took;

	run_vm("hang-on-stop");
	begin = clock_usec();
	expect_success(shutdown_vm("a"));
	took = clock_usec() - begin;
	cr_expect(took >= 900000 && took < 2500000, "it took %llu us", (unsigned long long)took);
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
}

Test(run, terminate_does_not_wait_for_the_monitor)
{
	uint64_t begin;

	run_vm("hang-on-stop");
	begin = clock_usec();
	expect_success(call(MANAGER, "TerminateVM", "s", "a"));
	cr_expect_lt(clock_usec() - begin, 900000);
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
}

Test(run, what_runs_is_not_started_again)
{
	run_vm("");
	expect_error(start_vm("a"), "org.hvmd1.AlreadyRunning", "VM a is already running");
}

Test(run, what_does_not_run_cannot_be_stopped_reset_or_watched)
{
	static const char name[] = "org.hvmd1.NotRunning", part[] = "VM a is not running; it is inactive";

	define_vm("a", "");
	expect_error(shutdown_vm("a"), name, part);
	expect_error(call(MANAGER, "TerminateVM", "s", "a"), name, part);
	expect_error(call(MANAGER, "ResetVM", "ssuu", "a", "all", 0, 0), name, part);
	expect_error(call(HRT("a"), "Reset", ""), name, part);
	expect_error(call(VM("a"), "OpenConsole", "st", "hrt", (uint64_t)0), name, part);
}

Test(run, what_runs_cannot_be_undefined)
{
	run_vm("");
	expect_error(call(MANAGER, "UndefineVM", "st", "a", (uint64_t)0), "org.hvmd1.Busy",
		"VM a is running; stop it first");
}

Test(run, vm_that_is_not_there_is_named)
{
	static const char name[] = "org.hvmd1.NoSuchVM", part[] = "there is no VM \"x\"";
	uint64_t zero = 0;

	expect_error(call(MANAGER, "StartVM", "st", "x", zero), name, part);
	expect_error(call(MANAGER, "ShutdownVM", "stt", "x", zero, zero), name, part);
	expect_error(call(MANAGER, "TerminateVM", "s", "x"), name, part);
	expect_error(call(MANAGER, "ResetVM", "ssuu", "x", "all", 0, 0), name, part);
	expect_error(call(MANAGER, "UndefineVM", "st", "x", zero), name, part);
}

Test(run, life_is_signalled)
{
	watch_signals();
	run_vm("");
	cr_expect(signal_comes("StateChanged inactive starting host-request"));
	cr_expect(signal_comes("StateChanged starting running booted"));
	cr_expect(signal_comes("PropertiesChanged org.hvmd1.VM State running StateReason booted"));
	cr_expect(signal_comes("PropertiesChanged org.hvmd1.Partition State running"));
	cr_expect(signal_comes("PropertiesChanged org.hvmd1.HRT Flags 513"));
	expect_success(call(MANAGER, "ResetVM", "ssuu", "a", "hrt", 0, 0));
	cr_expect(signal_comes("ResetDone hrt 1 1"));
	expect_success(shutdown_vm("a"));
	cr_expect(signal_comes("StateChanged running stopping host-request"));
	cr_expect(signal_comes("StateChanged stopping inactive host-request"));
}

Test(run, image_that_is_refused_is_said_and_kept)
{
	define_vm("a", "refuse-setup");
	expect_error(start_vm("a"), "org.hvmd1.BadBootImage", "there is no Multiboot2 header");
	cr_expect_str_eq(property(VM("a"), "State"), "failed");
	cr_expect_str_eq(property(VM("a"), "StateReason"), "start-failed");
	cr_expect(strstr(property(VM("a"), "StateDetails"), "there is no Multiboot2 header"));
	cr_expect_str_eq(property(VM("a"), "ExitReason"), "start-failed");
	cr_expect_eq(leader(), 0);
}

Test(run, refused_start_ends_the_monitor)
{
	define_vm("a", "refuse-start");
	expect_error(start_vm("a"), "org.hvmd1.NotSupported", "this host cannot run it");
	cr_expect_str_eq(property(VM("a"), "State"), "failed");
}

Test(run, failed_vm_can_be_defined_anew_and_started)
{
	define_vm("a", "refuse-setup");
	expect_error(start_vm("a"), "org.hvmd1.BadBootImage", "");
	define_vm("a", "");
	expect_success(start_vm("a"));
	cr_expect_str_eq(property(VM("a"), "State"), "running");
}

Test(run, monitor_that_dies_while_it_builds_fails_the_start)
{
	define_vm("a", "die-in-setup");
	expect_error(start_vm("a"), "org.freedesktop.DBus.Error.Failed", "exited with status 3");
	cr_expect_str_eq(property(VM("a"), "State"), "failed");
	cr_expect_str_eq(property(VM("a"), "StateReason"), "vmm-died");
}

Test(run, start_under_way_can_be_stopped_and_is_busy_otherwise)
{
	sd_bus_slot *slot = NULL;

	define_vm("a", "hang-in-setup");
	sd_bus_call_method_async(
		harness.bus, &slot, "org.hvmd1", MANAGER, "StartVM", NULL, NULL, "st", "a", (uint64_t)0);
	cr_assert(property_becomes(VM("a"), "State", "starting"));
	expect_error(start_vm("a"), "org.hvmd1.Busy", "VM a is starting");
	expect_error(call(HRT("a"), "Reset", ""), "org.hvmd1.Busy", "VM a is starting");
	expect_success(call(MANAGER, "TerminateVM", "s", "a"));
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
	sd_bus_slot_unref(slot);
}

Test(run, job_ends_without_its_caller)
{
	sd_bus *other = NULL;

	define_vm("a", "slow-setup");
	sd_bus_new(&other);
	sd_bus_set_address(other, harness.address);
	sd_bus_set_bus_client(other, 1);
	sd_bus_start(other);
	sd_bus_call_method_async(
		other, NULL, "org.hvmd1", MANAGER, "StartVM", NULL, NULL, "st", "a", (uint64_t)0);
	sd_bus_flush(other);
	cr_assert(property_becomes(VM("a"), "State", "starting"));
	sd_bus_close_unref(other);
	cr_expect(property_becomes(VM("a"), "State", "running"));
}

Test(run, crash_is_told_with_core_address_and_sentence)
{
	watch_signals();
	run_vm("crash");
	cr_expect(signal_comes("GuestCrashed 1 triple-fault message core 1: triple fault at 0x1234 partition "
			       "hrt vcpu 1 address 4660"));
	cr_expect(signal_comes("StateChanged running crashed triple-fault message core 1: triple fault at "
			       "0x1234 vcpu 1 address 4660"));
	cr_expect_str_eq(property(VM("a"), "State"), "crashed");
	cr_expect_str_eq(property(VM("a"), "StateReason"), "triple-fault");
	cr_expect_str_eq(property(VM("a"), "StateDetails"), "core 1: triple fault at 0x1234");
	cr_expect_str_eq(property(VM("a"), "ExitReason"), "triple-fault");
	cr_expect_str_eq(property(HRT("a"), "State"), "crashed");
	cr_expect_str_eq(property(HRT("a"), "StateReason"), "triple-fault");
	cr_expect_gt(leader(), 0, "the monitor keeps it for inspection");
	expect_error(start_vm("a"), "org.hvmd1.AlreadyRunning", "has crashed; reset it, or stop it first");
}

/* definition() with hrt on_crash="...", started. */
static void run_vm_with_policy(const char *policy)
{
	char text[2048], attribute[64];
	const char *plain = definition("a", "crash"), *at = strstr(plain, "cmdline=");

	snprintf(attribute, sizeof(attribute), "on_crash=\"%s\" ", policy);
	snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - plain), plain, attribute, at);
	expect_success(define(text, "an image"));
	expect_success(call(MANAGER, "StartVM", "st", "a", (uint64_t)0));
}

Test(run, on_crash_stop_ends_the_vm_and_keeps_why)
{
	run_vm_with_policy("stop");
	cr_expect(property_becomes(VM("a"), "State", "inactive"));
	cr_expect_str_eq(property(VM("a"), "StateReason"), "triple-fault");
	cr_expect_str_eq(property(VM("a"), "ExitReason"), "triple-fault");
	cr_expect_str_eq(property(VM("a"), "StateDetails"), "core 1: triple fault at 0x1234");
}

Test(run, on_crash_ignore_goes_on_without_the_hrt)
{
	run_vm_with_policy("ignore");
	cr_expect(property_becomes(HRT("a"), "State", "crashed"));
	cr_expect_str_eq(property(VM("a"), "State"), "running");
	expect_success(call(HRT("a"), "Reset", ""));
	cr_expect_str_eq(property(HRT("a"), "State"), "running");
}

Test(run, reset_revives_what_has_crashed)
{
	run_vm("crash");
	cr_assert(property_becomes(VM("a"), "State", "crashed"));
	expect_success(call(HRT("a"), "Reset", ""));
	cr_expect_str_eq(property(VM("a"), "State"), "running");
	cr_expect_str_eq(property(VM("a"), "ExitReason"), "");
	cr_expect_str_eq(property(VM("a"), "NResets"), "1");
	cr_expect_str_eq(property(HRT("a"), "NResets"), "1");
	cr_expect_str_eq(property(ROS("a"), "NResets"), "0");
}

Test(run, why_it_crashed_is_known_after_the_stop)
{
	run_vm("crash");
	cr_assert(property_becomes(VM("a"), "State", "crashed"));
	expect_success(shutdown_vm("a"));
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
	cr_expect_str_eq(property(VM("a"), "StateReason"), "host-request");
	cr_expect_str_eq(property(VM("a"), "ExitReason"), "triple-fault");
	cr_expect_str_eq(property(VM("a"), "StateDetails"), "core 1: triple fault at 0x1234");
}

Test(run, host_fault_ends_the_vm_as_failed)
{
	run_vm("fail");
	cr_expect(property_becomes(VM("a"), "State", "failed"));
	cr_expect_str_eq(property(VM("a"), "StateDetails"), "core 1: KVM_RUN: Bad address");
	cr_expect_eq(leader(), 0);
}

/* The VM has failed by vmm-died, says how, and hvmd serves on. */
static void expect_monitor_death(const char *behaviour, const char *part)
{
	run_vm(behaviour);
	cr_expect(property_becomes(VM("a"), "State", "failed"));
	cr_expect_str_eq(property(VM("a"), "StateReason"), "vmm-died");
	cr_expect(strstr(property(VM("a"), "StateDetails"), part), "%s", property(VM("a"), "StateDetails"));
	cr_expect_eq(leader(), 0);
	define_vm("a", "");
	expect_success(start_vm("a"));
}

Test(run, monitor_that_dies_is_noticed)
{
	expect_monitor_death("die", "was killed by signal 4 (Illegal instruction)");
}

Test(run, monitor_that_closes_its_link_is_killed)
{
	expect_monitor_death("close", "closed its link without being asked");
}

Test(run, monitor_that_sends_garbage_is_killed)
{
	expect_monitor_death(
		"garbage", "broke the link protocol: a message of 7 bytes is shorter than its header");
}

Test(run, monitor_of_another_version_is_killed)
{
	expect_monitor_death("wrong-version",
		"broke the link protocol: a message has another protocol version than its greeting");
}

Test(run, monitor_that_answers_unasked_is_killed)
{
	expect_monitor_death("unasked", "broke the link protocol: it answered what nobody asked");
}

Test(run, monitor_killed_from_outside_is_noticed)
{
	pid_t pid;

	run_vm("");
	pid = leader();
	cr_assert_gt(pid, 0);
	kill(pid, SIGKILL);
	cr_expect(property_becomes(VM("a"), "State", "failed"));
	cr_expect(strstr(property(VM("a"), "StateDetails"), "was killed by signal 9"));
}

Test(run, monitor_that_does_not_greet_is_killed)
{
	hvmd_stop(SIGTERM);
	setenv("FAKE_MONITOR", "no-hello", 1);
	hvmd_start();
	define_vm("a", "");
	expect_error(start_vm("a"), "org.freedesktop.DBus.Error.Failed",
		"broke the link protocol: its first message is no greeting");
}

Test(run, monitor_program_that_is_missing_is_named)
{
	hvmd_stop(SIGTERM);
	harness.monitor = "/nonexistent/hvm-monitor";
	hvmd_start();
	define_vm("a", "");
	expect_error(start_vm("a"), "org.freedesktop.DBus.Error.Failed",
		"starting /nonexistent/hvm-monitor: No such file or directory");
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
}

Test(run, missing_kvm_is_said_with_what_to_do)
{
	hvmd_stop(SIGTERM);
	harness.kvm = "/nonexistent/kvm";
	hvmd_start();
	define_vm("a", "");
	expect_error(start_vm("a"), "org.hvmd1.KVMUnavailable",
		"/nonexistent/kvm does not exist: the kernel module kvm_intel or kvm_amd is not loaded");
	cr_expect_str_eq(property(MANAGER, "KVMAvailable"), "0");
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
}

Test(run, reset_knows_its_scopes)
{
	watch_signals();
	run_vm("");
	expect_success(call(MANAGER, "ResetVM", "ssuu", "a", "all", 0, 0));
	cr_expect(signal_comes("ResetDone all 0 2"));
	expect_success(call(MANAGER, "ResetVM", "ssuu", "a", "ros", 0, 0));
	cr_expect(signal_comes("ResetDone ros 0 1"));
	expect_success(call(MANAGER, "ResetVM", "ssuu", "a", "range", 1, 1));
	cr_expect(signal_comes("ResetDone hrt 1 1"));
	expect_success(call(MANAGER, "ResetVM", "ssuu", "a", "range", 0, 2));
	expect_success(call(ROS("a"), "Reset", ""));
	cr_expect_str_eq(property(VM("a"), "NResets"), "5");
	cr_expect_str_eq(property(HRT("a"), "NResets"), "3");
	cr_expect_str_eq(property(ROS("a"), "NResets"), "4");
	expect_error(call(MANAGER, "ResetVM", "ssuu", "a", "range", 1, 7), "org.hvmd1.NotSupported",
		"7 cores from core 1 on are not all the cores of a partition");
	expect_error(call(MANAGER, "ResetVM", "ssuu", "a", "gpu", 0, 0),
		"org.freedesktop.DBus.Error.InvalidArgs",
		"scope \"gpu\" is not known; known are all, ros, hrt and range");
}

Test(run, reset_by_the_guest_counts_and_is_signalled)
{
	watch_signals();
	run_vm("guest-reset");
	cr_expect(signal_comes("ResetDone hrt 1 1"));
	cr_expect(property_becomes(VM("a"), "NResets", "1"));
}

Test(run, hrt_that_is_not_there_is_no_partition)
{
	expect_success(call(MANAGER, "DefineVM", "sa{sh}t",
		"<vm name=\"a\" class=\"PC\"><memory>16</memory><cores count=\"2\"/></vm>", 0, (uint64_t)0));
	expect_error(call(VM("a"), "OpenConsole", "st", "hrt", (uint64_t)0), "org.hvmd1.NoSuchConsole",
		"VM a has no console: nothing in it boots");
	cr_expect_str_eq(property(VM("a"), "Consoles"), "");
	cr_expect_str_eq(property(VM("a"), "BootProtocol"), "none");
	expect_success(start_vm("a"));
	expect_error(call(MANAGER, "ResetVM", "ssuu", "a", "hrt", 0, 0), "org.hvmd1.InvalidPartition",
		"VM a has no HRT");
}

/* Defines VM "a" that is one ROS, with a kernel, and starts it. */
static void run_ros(const char *behaviour)
{
	char text[1024];

	snprintf(text, sizeof(text),
		"<vm name=\"a\" class=\"PC\"><memory>16</memory><cores count=\"1\"/>"
		"<files><file id=\"hrt\" filename=\"kernel\"/></files><ros file_id=\"hrt\" cmdline=\"%s\"/></vm>",
		behaviour);
	expect_success(define(text, "a kernel"));
	expect_success(start_vm("a"));
}

Test(run, a_ros_that_turns_itself_off_ends_its_vm_for_that_reason)
{
	watch_signals();
	run_ros("ros-off");
	cr_expect(property_becomes(VM("a"), "State", "inactive"));
	cr_expect_str_eq(property(VM("a"), "StateReason"), "guest-poweroff");
	cr_expect_str_eq(property(VM("a"), "ExitReason"), "guest-poweroff");
	expect_success(start_vm("a"));
}

Test(run, a_ros_that_turns_itself_off_leaves_the_hrt_running)
{
	run_vm("ros-off");
	cr_expect(property_becomes(ROS("a"), "StateReason", "guest-poweroff"));
	cr_expect_str_eq(property(ROS("a"), "State"), "parked");
	cr_expect_str_eq(property(HRT("a"), "State"), "running");
	cr_expect_str_eq(property(VM("a"), "State"), "running");
}

Test(run, a_ros_that_resets_itself_is_the_reason_of_its_vms_state)
{
	run_ros("ros-reset");
	cr_expect(property_becomes(VM("a"), "StateReason", "guest-reset"));
	cr_expect_str_eq(property(VM("a"), "State"), "running");
	cr_expect_str_eq(property(ROS("a"), "StateReason"), "guest-reset");
}

Test(run, request_that_is_not_answered_times_out)
{
	run_vm("mute");
	expect_error(call(MANAGER, "ResetVM", "ssuu", "a", "hrt", 0, 0), "org.freedesktop.DBus.Error.Timeout",
		"has not answered a request for a reset within 20 s");
	cr_expect_str_eq(property(VM("a"), "State"), "running");
	expect_success(shutdown_vm("a"));
}

/* The number of keys in the a{sv} that the reply has next; *ret_has says whether `wanted` is among them. */
static size_t count_keys(const char *wanted, bool *ret_has)
{
	const char *key;
	size_t n = 0;

	*ret_has = false;
	cr_assert_gt(sd_bus_message_enter_container(call_reply, 'a', "{sv}"), 0);
	while (sd_bus_message_enter_container(call_reply, 'e', "sv") > 0) {
		sd_bus_message_read(call_reply, "s", &key);
		*ret_has |= strcmp(key, wanted) == 0;
		sd_bus_message_skip(call_reply, "v");
		sd_bus_message_exit_container(call_reply);
		n++;
	}
	sd_bus_message_exit_container(call_reply);
	return n;
}

Test(run, telemetry_comes_in_slices_and_by_groups)
{
	bool has;

	run_vm("");
	/* the fake has 302 records: three of a partition, 150 of vcpus, 149 of kvm; hvmd adds three */
	expect_success(call(VM("a"), "GetTelemetry", "ast", 0, (uint64_t)0));
	cr_expect_eq(count_keys("vm.nresets", &has), 156);
	cr_expect(has);
	expect_success(call(VM("a"), "GetTelemetry", "ast", 1, "kvm", (uint64_t)0));
	cr_expect_eq(count_keys("kvm.vcpu.298.exits", &has), 149);
	cr_expect(has);
	expect_success(call(VM("a"), "GetTelemetry", "ast", 2, "vm", "partition", (uint64_t)0));
	cr_expect_eq(count_keys("partition.hrt.state", &has), 6);
	cr_expect(has);
	expect_success(call(HRT("a"), "GetTelemetry", "ast", 0, (uint64_t)0));
	cr_expect_eq(count_keys("vcpu.1.exits", &has), 4);
	cr_expect(has);
	expect_error(call(VM("a"), "GetTelemetry", "ast", 1, "gpu", (uint64_t)0),
		"org.freedesktop.DBus.Error.InvalidArgs", "telemetry group \"gpu\" is not known");
}

Test(run, telemetry_of_all_has_those_that_do_not_run_too)
{
	size_t n_vms = 0, n_keys = 0;
	const char *path;
	bool has;

	run_vm("");
	define_vm("b", "");
	expect_success(call(MANAGER, "GetTelemetry", "ast", 0, (uint64_t)0));
	cr_assert_gt(sd_bus_message_enter_container(call_reply, 'a', "(oa{sv})"), 0);
	while (sd_bus_message_enter_container(call_reply, 'r', "oa{sv}") > 0) {
		sd_bus_message_read(call_reply, "o", &path);
		n_keys += count_keys("vm.state", &has);
		cr_expect(has);
		sd_bus_message_exit_container(call_reply);
		n_vms++;
	}
	cr_expect_eq(n_vms, 2);
	cr_expect_eq(n_keys, 156 + 3);
}

Test(run, telemetry_that_is_no_telemetry_is_the_monitors_end)
{
	run_vm("bad-telemetry");
	expect_error(call(VM("a"), "GetTelemetry", "ast", 0, (uint64_t)0),
		"org.freedesktop.DBus.Error.Failed", "telemetry has another form");
	cr_expect(property_becomes(VM("a"), "State", "failed"));
	cr_expect_str_eq(property(VM("a"), "StateReason"), "vmm-died");
}

Test(run, console_is_a_pipe_from_the_guest)
{
	char text[128] = "";
	const char *name;
	int fd;

	run_vm("");
	expect_success(call(VM("a"), "OpenConsole", "st", "", (uint64_t)2));
	sd_bus_message_read(call_reply, "hs", &fd, &name);
	cr_expect_str_eq(name, "hrt");
	cr_assert_gt(read(fd, text, sizeof(text) - 1), 0);
	cr_expect_str_eq(text, "hello from the console\n");
	cr_expect_eq(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE), O_RDONLY, "the reader's end blocks");
	expect_error(call(VM("a"), "OpenConsole", "st", "com1", (uint64_t)0), "org.hvmd1.NoSuchConsole",
		"VM a has no console \"com1\"; it has \"hrt\"");
}

Test(run, console_of_a_ros_takes_what_one_writes_and_others_watch)
{
	static const char greeting[] = "hello from the console\n";
	char text[128] = "";
	const char *name;
	int fd, watching;

	run_ros("");
	cr_expect_str_eq(property(VM("a"), "Consoles"), "ros");
	expect_success(call(VM("a"), "OpenConsole", "st", "", (uint64_t)0));
	sd_bus_message_read(call_reply, "hs", &fd, &name);
	cr_expect_str_eq(name, "ros");
	fd = dup(fd);
	cr_assert_eq(read_full(fd, text, sizeof(greeting) - 1), (ssize_t)sizeof(greeting) - 1);
	cr_assert_eq(write(fd, "typed", 5), 5);
	cr_assert_eq(read_full(fd, text, 5), 5);
	cr_expect_arr_eq(text, "typed", 5);
	expect_error(call(VM("a"), "OpenConsole", "st", "ros", (uint64_t)0), "org.hvmd1.ConsoleBusy",
		"somebody writes to this console already; it can be watched, or taken over by force");
	expect_success(call(VM("a"), "OpenConsole", "st", "ros", (uint64_t)1));
	expect_success(call(VM("a"), "OpenConsole", "st", "ros", (uint64_t)2));
	sd_bus_message_read(call_reply, "hs", &watching, &name);
	cr_expect_eq(fcntl(watching, F_GETFL) & O_ACCMODE, O_RDONLY, "who watches has a pipe");
	expect_error(call(VM("a"), "OpenConsole", "st", "hrt", (uint64_t)0), "org.hvmd1.NoSuchConsole",
		"VM a has no console \"hrt\"; it has \"ros\"");
	close(fd);
}

Test(run, console_log_is_kept_and_the_one_before_too)
{
	char text[128] = "";
	int fd;

	define_vm("a", "");
	expect_error(call(VM("a"), "OpenConsoleLog", "st", "hrt", (uint64_t)0), "org.hvmd1.NoSuchConsole",
		"it has not been started yet");
	expect_success(start_vm("a"));
	expect_success(shutdown_vm("a"));
	expect_success(start_vm("a"));
	expect_success(call(VM("a"), "OpenConsoleLog", "st", "hrt", (uint64_t)0));
	sd_bus_message_read(call_reply, "h", &fd);
	cr_assert_gt(read(fd, text, sizeof(text) - 1), 0);
	cr_expect_str_eq(text, "hello from core 1\n");
	cr_expect_lt(write(fd, "x", 1), 0, "the log is for reading");
	cr_expect_eq(access(harness_path("state/console/a.hrt.log.1"), R_OK), 0);
}

Test(run, definition_replaced_while_it_runs_holds_from_the_next_start_on)
{
	const char *text;

	run_vm("first");
	watch_signals();
	define_vm("a", "second");
	cr_expect(signal_comes("PropertiesChanged org.hvmd1.VM UUID DefinitionChanged 1"));
	expect_success(call(VM("a"), "GetDefinition", "t", (uint64_t)1));
	sd_bus_message_read(call_reply, "s", &text);
	cr_expect(strstr(text, "first"));
	expect_success(call(VM("a"), "GetDefinition", "t", (uint64_t)0));
	sd_bus_message_read(call_reply, "s", &text);
	cr_expect(strstr(text, "second"));
	expect_success(shutdown_vm("a"));
	cr_expect_str_eq(property(VM("a"), "DefinitionChanged"), "0");
}

Test(run, nothing_leaks_over_many_lives)
{
	char line[256];
	size_t before = 0, after = 0;

	define_vm("a", "");
	snprintf(line, sizeof(line), "/proc/%d/fd", (int)harness.hvmd);
	for (int i = 0; i < 10; i++) {
		FILE *f;
		char command[300];
		size_t n;

		expect_success(start_vm("a"));
		expect_success(shutdown_vm("a"));
		snprintf(command, sizeof(command), "ls %s | wc -l", line);
		f = popen(command, "re");
		cr_assert_eq(fscanf(f, "%zu", &n), 1);
		pclose(f);
		*(i == 0 ? &before : &after) = n;
	}
	cr_expect_eq(before, after, "%zu descriptors, then %zu", before, after);
}
