/* test-survival.c - VMs that outlive their hvmd, and the hvmd that finds them */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/link.h"
#include "base/clock.h"
#include "vms.h"

#define HRT_ITSELF "/org/hvmd1/vm/a/partition/hrt", "org.hvmd1.HRT"

TestSuite(survival, .init = harness_start, .fini = harness_stop, .timeout = 60);

static pid_t leader(void)
{
	return vm_leader("/org/hvmd1/vm/a");
}

/* Ends hvmd so, and starts another. */
static void change_hvmd(int number)
{
	hvmd_stop(number);
	hvmd_start();
}

static void expect_adopted(pid_t pid, const char *state)
{
	cr_expect_eq(leader(), pid);
	cr_expect_str_eq(property(VM("a"), "State"), state);
	cr_expect_eq(kill(pid, 0), 0);
}

Test(survival, vms_run_on_when_hvmd_ends_and_the_next_one_has_them)
{
	int status;
	pid_t pid;

	run_vm("");
	pid = leader();
	status = hvmd_stop(SIGTERM);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	cr_expect_eq(kill(pid, 0), 0);
	hvmd_start();
	expect_adopted(pid, "running");
}

Test(survival, vms_run_on_when_hvmd_is_killed_and_can_be_controlled_as_before)
{
	char since[64];
	pid_t pid;

	run_vm("");
	expect_success(call(MANAGER, "ResetVM", "ssuu", "a", "hrt", 0, 0));
	pid = leader();
	for (int i = 0; i < 3; i++) {
		change_hvmd(SIGKILL);
		expect_adopted(pid, "running");
	}
	cr_expect_str_eq(property(VM("a"), "StateReason"), "booted");
	cr_expect_str_eq(property(VM("a"), "NResets"), "1");
	cr_expect_str_eq(property(ROS("a"), "NResets"), "0");
	cr_expect_str_eq(property(HRT("a"), "NResets"), "1");
	cr_expect_str_eq(property(HRT("a"), "State"), "running");
	cr_expect_str_eq(property(HRT_ITSELF, "CommPage"), "2093056");
	snprintf(since, sizeof(since), "%s", property(VM("a"), "StateChangeTimestampMonotonic"));
	cr_expect_lt(strtoull(since, NULL, 10), clock_usec());
	expect_success(call(VM("a"), "GetTelemetry", "ast", 0, (uint64_t)0));
	expect_success(call(VM("a"), "OpenConsole", "st", "", (uint64_t)0));
	expect_success(call(VM("a"), "GetMemoryPlan", "t", (uint64_t)1));
	expect_error(start_vm("a"), "org.hvmd1.AlreadyRunning", "VM a is already running");
	expect_success(call(MANAGER, "ResetVM", "ssuu", "a", "all", 0, 0));
	cr_expect_str_eq(property(VM("a"), "NResets"), "2");
	expect_success(shutdown_vm("a"));
	cr_expect(process_gone(pid));
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
	expect_success(start_vm("a"));
}

/* Puts something in the place of the monitor's socket that no hvmd can talk to, and the right one aside. */
static int hide_monitor(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(rename(harness_path("run/vms/a.link"), harness_path("run/vms/hidden")), 0);
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", harness_path("run/vms/a.link"));
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(listen(fd, 1), 0);
	return fd;
}

Test(survival, vm_that_cannot_be_taken_over_is_not_started_twice)
{
	pid_t pid;
	int fd;

	run_vm("");
	pid = leader();
	hvmd_stop(SIGKILL);
	fd = hide_monitor();
	hvmd_start();
	cr_expect_str_eq(property(VM("a"), "State"), "failed");
	cr_expect_str_eq(property(VM("a"), "StateDetails"), "it runs, and cannot be controlled: the monitor of VM a does not "
		"listen: Protocol wrong type for socket");
	cr_expect_lt(start_vm("a"), 0);
	close(fd);
	cr_assert_eq(rename(harness_path("run/vms/hidden"), harness_path("run/vms/a.link")), 0);
	expect_error(start_vm("a"), "org.hvmd1.AlreadyRunning", "VM a runs already, and hvmd could not take it over");
	expect_success(call(MANAGER, "Reload", ""));
	cr_assert(property_becomes(VM("a"), "State", "running"));
	expect_adopted(pid, "running");
	expect_success(shutdown_vm("a"));
	cr_expect(process_gone(pid));
	expect_success(start_vm("a"));
}

Test(survival, uptime_goes_on)
{
	uint64_t before, after;

	run_vm("");
	before = strtoull(property(VM("a"), "StateChangeTimestampMonotonic"), NULL, 10);
	change_hvmd(SIGKILL);
	after = strtoull(property(VM("a"), "StateChangeTimestampMonotonic"), NULL, 10);
	cr_expect_leq(after > before ? after - before : before - after, 1000000);
}

Test(survival, crash_is_still_told_with_its_sentence)
{
	run_vm("crash");
	cr_assert(property_becomes(VM("a"), "State", "crashed"));
	change_hvmd(SIGKILL);
	cr_expect_str_eq(property(VM("a"), "State"), "crashed");
	cr_expect_str_eq(property(VM("a"), "StateReason"), "triple-fault");
	cr_expect_str_eq(property(VM("a"), "StateDetails"), "core 1: triple fault at 0x1234");
	cr_expect_str_eq(property(VM("a"), "ExitReason"), "triple-fault");
	cr_expect_str_eq(property(HRT("a"), "State"), "crashed");
}

Test(survival, end_that_a_guest_has_made_meanwhile_is_not_lost)
{
	run_vm("exit-unheard");
	change_hvmd(SIGKILL);
	cr_expect(property_becomes(VM("a"), "State", "inactive"));
	cr_expect_str_eq(property(VM("a"), "ExitReason"), "guest-poweroff");
	cr_expect_str_eq(property(VM("a"), "ExitStatus"), "35");
}

Test(survival, end_that_a_guest_has_made_is_understood_from_a_later_version_too)
{
	run_vm("exit-unheard late-version");
	change_hvmd(SIGKILL);
	cr_expect(property_becomes(VM("a"), "State", "inactive"));
	cr_expect_str_eq(property(VM("a"), "ExitStatus"), "35");
}

Test(survival, definition_in_force_is_remembered)
{
	const char *text;
	pid_t pid;

	run_vm("first");
	pid = leader();
	define_vm("a", "second");
	change_hvmd(SIGKILL);
	expect_adopted(pid, "running");
	cr_expect_str_eq(property(VM("a"), "DefinitionChanged"), "1");
	expect_success(call(VM("a"), "GetDefinition", "t", (uint64_t)1));
	sd_bus_message_read(call_reply, "s", &text);
	cr_expect(strstr(text, "first"), "%s", text);
	expect_success(shutdown_vm("a"));
	cr_expect_str_eq(property(VM("a"), "DefinitionChanged"), "0");
}

Test(survival, vm_whose_definition_has_been_lost_runs_on_and_can_be_stopped)
{
	pid_t pid;

	run_vm("");
	pid = leader();
	hvmd_stop(SIGKILL);
	cr_assert_eq(unlink(harness_path("state/definitions/a.xml")), 0);
	hvmd_start();
	expect_adopted(pid, "running");
	expect_success(shutdown_vm("a"));
	cr_expect(process_gone(pid));
}

Test(survival, vm_that_ended_meanwhile_has_failed_and_starts_again)
{
	pid_t pid;

	run_vm("");
	pid = leader();
	hvmd_stop(SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	hvmd_start();
	cr_expect_str_eq(property(VM("a"), "State"), "failed");
	cr_expect_str_eq(property(VM("a"), "StateReason"), "vmm-died");
	cr_expect_str_eq(property(VM("a"), "StateDetails"), "its monitor ended while no hvmd was there to see it");
	expect_success(start_vm("a"));
	change_hvmd(SIGKILL);
	cr_expect_str_eq(property(VM("a"), "State"), "running");
}

Test(survival, end_of_an_adopted_monitor_is_noticed)
{
	pid_t pid;

	run_vm("");
	pid = leader();
	change_hvmd(SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cr_expect(property_becomes(VM("a"), "State", "failed"));
	cr_expect(strstr(property(VM("a"), "StateDetails"), "ended"));
	cr_expect_neq(access(harness_path("run/vms/a.link"), F_OK), 0);
	cr_expect_neq(access(harness_path("run/vms/a.xml"), F_OK), 0);
}

Test(survival, monitor_of_another_vm_is_not_taken_for_this_one)
{
	run_vm("other-run");
	change_hvmd(SIGKILL);
	cr_expect(property_becomes(VM("a"), "State", "failed"));
	cr_expect(strstr(property(VM("a"), "StateDetails"), "it runs another VM"));
}

/* Start, stop, reset, status. */
static void expect_control_of_another_version(const char *behaviour, unsigned version)
{
	char why[256];
	pid_t pid;

	run_vm(behaviour);
	pid = leader();
	change_hvmd(SIGKILL);
	expect_adopted(pid, "running");
	cr_expect_str_eq(property(HRT("a"), "State"), "running");
	expect_success(call(MANAGER, "SummarizeVMs", "ast", 0, (uint64_t)0));
	snprintf(why, sizeof(why),
		"was started by another version of hvmd (link version %u, and this is %u): telemetry is not to be had until",
		version, LINK_VERSION);
	expect_error(call(VM("a"), "GetTelemetry", "ast", 0, (uint64_t)0), "org.hvmd1.NotSupported", why);
	expect_success(call(MANAGER, "ResetVM", "ssuu", "a", "all", 0, 0));
	cr_expect_str_eq(property(VM("a"), "NResets"), "1");
	expect_success(shutdown_vm("a"));
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
	expect_success(start_vm("a"));
	expect_success(call(MANAGER, "TerminateVM", "s", "a"));
}

Test(survival, monitor_of_a_later_version_can_be_reset_and_stopped_and_nothing_else)
{
	expect_control_of_another_version("late-version", LINK_VERSION + 7);
}

Test(survival, monitor_of_an_older_version_can_be_reset_and_stopped_and_nothing_else)
{
	if (LINK_VERSION_OLDEST == LINK_VERSION)
		cr_skip_test("there is no older version that is still controlled");
	expect_control_of_another_version("early-version", LINK_VERSION_OLDEST);
}

/* Its guest has done nothing to be ended for. */
Test(survival, monitor_that_is_too_old_runs_on_and_can_be_terminated)
{
	pid_t pid;

	run_vm("ancient-version");
	pid = leader();
	change_hvmd(SIGKILL);
	expect_adopted(pid, "running");
	cr_expect_str_eq(property(VM("a"), "Responsive"), "0");
	expect_error(call(MANAGER, "ResetVM", "ssuu", "a", "all", 0, 0), "org.hvmd1.NotSupported",
		"was started by a hvmd that is too old");
	usleep(300000);
	cr_expect_eq(kill(pid, 0), 0);
	expect_success(call(MANAGER, "TerminateVM", "s", "a"));
	cr_expect(process_gone(pid));
	expect_success(start_vm("a"));
}

Test(survival, monitor_that_does_not_greet_holds_nobody_up_and_can_be_ended)
{
	uint64_t begin;
	pid_t pid;

	run_vm("mute-greeting");
	pid = leader();
	hvmd_stop(SIGKILL);
	begin = clock_usec();
	hvmd_start();
	cr_expect_lt(clock_usec() - begin, 4000000);
	expect_adopted(pid, "running");
	expect_success(call(MANAGER, "TerminateVM", "s", "a"));
	waitpid(pid, NULL, 0);
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
}

Test(survival, who_listens_in_the_place_of_a_vm_is_told_from_its_monitor_by_its_user)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (geteuid() != 0)
		cr_skip_test("only root can be somebody else");
	define_vm("a", "");
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", harness_path("run/vms/a.link"));
	cr_assert_eq(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	cr_assert_eq(seteuid(65534), 0);
	cr_assert_eq(listen(fd, 1), 0);
	cr_assert_eq(seteuid(0), 0);
	change_hvmd(SIGKILL);
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
	close(fd);
}

Test(survival, second_hvmd_does_not_take_the_vms_of_the_first)
{
	const char *build = getenv("top_builddir");
	char line[1024];

	run_vm("");
	snprintf(line, sizeof(line), "%s/hvmd --bus=%s --state-dir=%s --run-dir=%s 2>%s; grep -q '%s' %s",
		build ? build : ".", harness.address, harness_path("state2"), harness_path("run"), harness_path("said"),
		"the run folder .*/run is in use by another hvmd", harness_path("said"));
	cr_expect_eq(system(line), 0);
	cr_expect_str_eq(property(VM("a"), "State"), "running");
}

Test(survival, start_that_is_under_way_ends_with_hvmd)
{
	pid_t pid;

	define_vm("a", "hang-in-setup");
	expect_success(sd_bus_call_method_async(
		harness.bus, NULL, "org.hvmd1", MANAGER, "StartVM", NULL, NULL, "st", "a", (uint64_t)0));
	sd_bus_flush(harness.bus);
	cr_assert(property_becomes(VM("a"), "State", "starting"));
	pid = leader();
	change_hvmd(SIGTERM);
	cr_expect(process_gone(pid));
	cr_expect_str_eq(property(VM("a"), "State"), "inactive");
}

Test(survival, autostart_leaves_alone_what_runs)
{
	pid_t pid;

	run_vm("");
	expect_success(sd_bus_set_property(harness.bus, "org.hvmd1", VM("a"), "Autostart", &call_error, "b", 1));
	pid = leader();
	change_hvmd(SIGKILL);
	expect_adopted(pid, "running");
}
