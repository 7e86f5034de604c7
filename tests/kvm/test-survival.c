/*
 * test-survival.c - real guests that count, and a hvmd, or a monitor, that is killed again and again (R4, R5)
 *
 * hvmd's kills come at drawn moments, while nothing happens or while VMs are reset, defined, started or ended. HVMD_KILLS
 * says how many, HVMD_GUESTS how many guests; make check has few of both, make check-survival 1000 kills of 200.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "guests.h"

#define EXTRA        "extra" /* a VM beside the others, which is started and ended */
#define HZ           2u      /* what guests count */
#define STILL_USEC   5000000 /* a guest that has not counted for so long has stopped; a loaded host may be slow */
#define SETTLE_USEC  5000000
#define WARM_UP      5
#define GROWTH_KIB   64      /* R5 */

static struct guest_look first[GUESTS_MAX], before[GUESTS_MAX], now[GUESTS_MAX];
static uint64_t counted_usec[GUESTS_MAX]; /* when it was last seen to have counted */
static uint64_t longest_still;
static unsigned n_guests;

TestSuite(survival, .init = guests_begin, .fini = harness_stop, .timeout = 40000);

static bool all_count(void)
{
	guests_look(n_guests, now);
	for (unsigned i = 0; i < n_guests; i++)
		if (now[i].heartbeats == before[i].heartbeats)
			return false;
	return true;
}

/* From here on they are looked at. */
static void expect_all_count(const char *when)
{
	uint64_t until = clock_usec() + 6 * STILL_USEC;
	bool ok;

	guests_look(n_guests, before);
	while (!(ok = all_count()) && clock_usec() < until)
		usleep(50000);
	cr_assert(ok, "%s: not all count", when);
	memcpy(before, now, sizeof(before));
	for (unsigned i = 0; i < n_guests; i++)
		counted_usec[i] = clock_usec();
}

static void start_guests(unsigned n)
{
	char cmdline[32];

	n_guests = n;
	snprintf(cmdline, sizeof(cmdline), "mode=tick hz=%u", HZ);
	guests_define(n, cmdline);
	for (unsigned i = 0; i < n; i++)
		expect_success(start_vm(guest_name(i)));
	expect_all_count("at first");
	memcpy(first, before, sizeof(first));
}

/* --- hvmd is killed ----------------------------------------------------------------------------------------- */

static void send(const char *method, const char *types, const char *name, uint64_t flags)
{
	sd_bus_call_method_async(harness.bus, NULL, "org.hvmd1", MANAGER, method, NULL, NULL, types, name, flags);
}

/* Calls whose answers nobody waits for, so that the kill comes in the middle of them. Which VM may be reset, or n_guests. */
static unsigned ask_for_something(unsigned round)
{
	unsigned guest = (unsigned)rand() % n_guests;

	switch (round % 5) {
	case 0:
		sd_bus_call_method_async(harness.bus, NULL, "org.hvmd1", MANAGER, "ResetVM", NULL, NULL, "ssuu",
			guest_name(guest), "hrt", 0, 0);
		break;
	case 1:
		sd_bus_call_method_async(harness.bus, NULL, "org.hvmd1", MANAGER, "DefineVM", NULL, NULL, "sa{sh}t",
			"<vm name=\"other\" class=\"PC\"><memory>16</memory><cores count=\"1\"/></vm>", 0, (uint64_t)0);
		break;
	case 2:
		send("StartVM", "st", EXTRA, 0);
		break;
	case 3:
		send("TerminateVM", "s", EXTRA, 0);
		break;
	}
	sd_bus_flush(harness.bus);
	usleep((useconds_t)(rand() % 5000));
	return round % 5 == 0 ? guest : n_guests;
}

static void expect_guest_as_before(unsigned i, unsigned round, bool maybe_reset)
{
	cr_assert_str_eq(now[i].state, "running", "round %u: VM %s is %s", round, guest_name(i), now[i].state);
	cr_assert_eq(now[i].leader, before[i].leader, "round %u: VM %s has another process", round, guest_name(i));
	cr_assert(now[i].resets == before[i].resets || (maybe_reset && now[i].resets == before[i].resets + 1),
		"round %u: VM %s had %lu resets, and has %lu", round, guest_name(i), before[i].resets, now[i].resets);
	cr_assert_geq(now[i].heartbeats, before[i].heartbeats, "round %u: VM %s: counters are never lost", round, guest_name(i));
}

static void expect_guest_counts(unsigned i, unsigned round)
{
	uint64_t still = clock_usec() - counted_usec[i];

	if (now[i].heartbeats > before[i].heartbeats)
		counted_usec[i] = clock_usec();
	else if (still > longest_still)
		longest_still = still;
	cr_assert_leq(still, STILL_USEC, "round %u: VM %s does not count any more", round, guest_name(i));
}

/* No VM has two, and none has outlived its VM. */
static void expect_one_monitor_each(unsigned round)
{
	uint64_t until = clock_usec() + SETTLE_USEC;
	unsigned wanted, found;

	do {
		wanted = n_guests + (vm_leader("/org/hvmd1/vm/" EXTRA) != 0);
		found = monitors_alive();
	} while (found != wanted && clock_usec() < until && usleep(10000) == 0);
	cr_assert_eq(found, wanted, "round %u: %u monitors for %u VMs", round, found, wanted);
}

static void kill_hvmd_once(unsigned round)
{
	unsigned reset = ask_for_something(round);

	hvmd_stop(SIGKILL);
	hvmd_start();
	guests_look(n_guests, now);
	for (unsigned i = 0; i < n_guests; i++) {
		expect_guest_as_before(i, round, i == reset);
		expect_guest_counts(i, round);
	}
	memcpy(before, now, sizeof(before));
	expect_one_monitor_each(round);
}

/* At half its pace or better, over all: no kill has cost it much. A reset may cost it two seconds. */
static void expect_pace(uint64_t usec)
{
	for (unsigned i = 0; i < n_guests; i++) {
		uint64_t counted = now[i].heartbeats - first[i].heartbeats, resets = now[i].resets - first[i].resets;

		cr_expect_geq(2 * counted / HZ + 2 * (resets + 1), usec / 1000000, "VM %s has counted %lu in %lu s, with %lu resets",
			guest_name(i), counted, (unsigned long)(usec / 1000000), resets);
	}
}

Test(survival, guests_count_on_while_hvmd_is_killed_again_and_again)
{
	unsigned n = number_of("HVMD_KILLS", 15, 1000000);
	uint64_t begin;

	srand(1);
	start_guests(number_of("HVMD_GUESTS", 5, GUESTS_MAX));
	define_vm(EXTRA, ""); /* its image is none: a start is refused, unless it is killed before */
	begin = clock_usec();
	for (unsigned round = 0; round < n; round++)
		kill_hvmd_once(round);
	expect_all_count("in the end");
	expect_pace(clock_usec() - begin);
	figure("%u guests, hvmd killed %u times in %.0f s; none was seen to stand still for longer than %.1f s\n", n_guests, n,
		(double)(clock_usec() - begin) / 1e6, (double)longest_still / 1e6);
	terminate_vm(EXTRA);
	for (unsigned i = 0; i < n_guests; i++)
		expect_success(shutdown_vm(guest_name(i)));
	cr_expect_eq(monitors_alive(), 0);
}

/* --- A monitor is killed ------------------------------------------------------------------------------------ */

static void kill_and_restart(unsigned round)
{
	cr_assert_eq(kill(vm_leader(guest_object(0)), round % 2 ? SIGKILL : SIGSEGV), 0);
	cr_assert(property_becomes(guest_object(0), "org.hvmd1.VM", "State", "failed"), "round %u", round);
	cr_expect_str_eq(property(guest_object(0), "org.hvmd1.VM", "StateReason"), "vmm-died");
	cr_expect_neq(access(harness_path("run/vms/g0.link"), F_OK), 0);
	cr_expect_neq(access(harness_path("run/vms/g0.xml"), F_OK), 0);
	cr_expect_eq(monitors_alive(), n_guests - 1);
	expect_success(start_vm(guest_name(0)));
}

Test(survival, a_monitor_that_is_killed_again_and_again_leaves_nothing)
{
	unsigned n = number_of("HVMD_KILLS", 15, 1000000) + WARM_UP, descriptors = 0;
	unsigned long resident = 0;
	struct guest_look witness;

	start_guests(3);
	witness = before[1];
	for (unsigned round = 0; round < n; round++) {
		kill_and_restart(round);
		if (round == WARM_UP) {
			descriptors = process_descriptors(harness.hvmd);
			resident = process_resident(harness.hvmd);
		}
	}
	figure("a monitor killed %u times: hvmd had %u descriptors and %lu KiB, and has %u and %lu\n", n, descriptors, resident,
		process_descriptors(harness.hvmd), process_resident(harness.hvmd));
	cr_expect_eq(process_descriptors(harness.hvmd), descriptors);
	cr_expect_leq(process_resident(harness.hvmd), resident + GROWTH_KIB);
	expect_all_count("in the end");
	cr_expect_eq(now[1].leader, witness.leader);
	cr_expect_eq(now[1].resets, witness.resets);
	cr_expect_gt(now[1].heartbeats, witness.heartbeats, "the other VM has noticed");
}

/* --- A monitor is told to end ------------------------------------------------------------------------------- */

static void expect_terminated(unsigned i)
{
	cr_assert(property_becomes(guest_object(i), "org.hvmd1.VM", "State", "inactive"));
	cr_expect_str_eq(property(guest_object(i), "org.hvmd1.VM", "StateReason"), "host-request");
	cr_expect_str_eq(property(guest_object(i), "org.hvmd1.VM", "StateDetails"),
		"the monitor was told to end by SIGTERM, as when its scope is stopped");
	cr_expect_neq(access(harness_path("run/vms/g0.link"), F_OK), 0);
}

/* What systemd does when somebody stops its scope, and machinectl terminate. */
Test(survival, a_monitor_that_gets_sigterm_ends_its_vm_as_a_stop_does)
{
	pid_t pid;

	start_guests(2);
	for (int i = 0; i < 3; i++) {
		pid = vm_leader(guest_object(0));
		cr_assert_eq(kill(pid, SIGTERM), 0);
		expect_terminated(0);
		cr_expect(process_gone(pid));
		expect_success(start_vm(guest_name(0)));
		expect_all_count("it is started again");
	}
	hvmd_stop(SIGKILL);
	hvmd_start();
	kill(vm_leader(guest_object(0)), SIGTERM);
	expect_terminated(0);
	cr_expect_eq(monitors_alive(), 1);
}

Test(survival, a_monitor_that_gets_sigterm_goes_whatever_its_guest_does)
{
	guests_define(1, "mode=spin");
	expect_success(start_vm(guest_name(0)));
	kill(vm_leader(guest_object(0)), SIGTERM);
	expect_terminated(0);
	guests_define(1, "mode=triple");
	expect_success(start_vm(guest_name(0)));
	cr_assert(property_becomes(guest_object(0), "org.hvmd1.VM", "State", "crashed"));
	kill(vm_leader(guest_object(0)), SIGTERM);
	expect_terminated(0);
}

Test(survival, a_monitor_that_gets_sigterm_while_there_is_no_hvmd_goes_too)
{
	pid_t pid;

	start_guests(1);
	pid = before[0].leader;
	hvmd_stop(SIGKILL);
	kill(pid, SIGTERM);
	cr_expect(process_gone(pid));
	hvmd_start();
	cr_expect_str_eq(property(guest_object(0), "org.hvmd1.VM", "State"), "failed");
	cr_expect_str_eq(property(guest_object(0), "org.hvmd1.VM", "StateDetails"),
		"its monitor ended while no hvmd was there to see it");
}
