/*
 * test-load.c - many definitions, many VMs at once, and one VM many times (R10)
 *
 * In make check few; make check-load says more, by HVMD_DEFINES, HVMD_VMS, HVMD_GUESTS, HVMD_KILLS, HVMD_RESETS and HVMD_SOAK,
 * which is minutes. No operation may fail, and neither hvmd nor a monitor may come to hold more and more.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "guests.h"

#define AT_ONCE     100u
#define ANSWER_USEC (600 * 1000000ull)
#define SLACK_KIB   64u /* of a heap that finds its size */
#define MINUTE_USEC 60000000ull

TestSuite(load, .init = guests_begin, .fini = harness_stop, .timeout = 200000);

/* --- What a process holds, over many operations ------------------------------------------------------------- */

#define SAMPLES_MAX 4096u

struct growth {
	const char *whose;
	pid_t pid;
	unsigned n;
	double at[SAMPLES_MAX], kib[SAMPLES_MAX]; /* at: operations so far */
	unsigned descriptors[SAMPLES_MAX];
};

static void growth_sample(struct growth *g, double operations)
{
	if (g->n >= SAMPLES_MAX)
		return;
	g->at[g->n] = operations;
	g->kib[g->n] = (double)process_resident(g->pid);
	g->descriptors[g->n++] = process_descriptors(g->pid);
}

/* Least squares over the second half of the samples: by then the heap has found its size. KiB per operation. */
static double growth_slope(const struct growth *g)
{
	double n = 0, x = 0, y = 0, xx = 0, xy = 0;

	for (unsigned i = g->n / 2; i < g->n; i++) {
		n++;
		x += g->at[i];
		y += g->kib[i];
		xx += g->at[i] * g->at[i];
		xy += g->at[i] * g->kib[i];
	}
	return n * xx - x * x > 0 ? (n * xy - x * y) / (n * xx - x * x) : 0;
}

/* 1 KiB for each 1000 operations; a few operations more say nothing, but for the slack. */
static void expect_no_growth(const struct growth *g)
{
	unsigned half = g->n / 2, last = g->n - 1;
	double operations = g->at[last] - g->at[half], slope = growth_slope(g);

	figure("%s after %.0f operations: %.0f KiB, %u descriptors; after %.0f: %.0f KiB, %u; slope of the latter half: %.3f KiB per 1000\n",
		g->whose, g->at[0], g->kib[0], g->descriptors[0], g->at[last], g->kib[last], g->descriptors[last], slope * 1000);
	cr_expect_leq(slope * operations, SLACK_KIB + operations / 1000, "%s grows by %.3f KiB in 1000 operations", g->whose,
		slope * 1000);
	if (operations >= 1000 * SLACK_KIB)
		cr_expect_leq(slope * 1000, 1, "%s grows by %.3f KiB in 1000 operations", g->whose, slope * 1000);
	cr_expect_eq(g->descriptors[half], g->descriptors[last], "%s: %u descriptors, and then %u", g->whose, g->descriptors[half],
		g->descriptors[last]);
}

static struct growth of_hvmd, of_monitor;

static void growth_begin(struct growth *g, const char *whose, pid_t pid)
{
	g->whose = whose;
	g->pid = pid;
	g->n = 0;
}

/* --- Definitions ---------------------------------------------------------------------------------------------- */

/* Each definition anew, round by round, with another command line. */
static void define_all(unsigned n_vms, unsigned round)
{
	char cmdline[32];

	snprintf(cmdline, sizeof(cmdline), "mode=park round=%u", round);
	guests_define(n_vms, cmdline);
}

static unsigned vms_listed(void)
{
	unsigned n = 0;

	expect_success(call(MANAGER, "ListVMs", ""));
	sd_bus_message_enter_container(call_reply, 'a', "(saysuo)");
	while (sd_bus_message_skip(call_reply, "(saysuo)") > 0)
		n++;
	return n;
}

Test(load, definitions_come_and_go_and_leave_nothing)
{
	unsigned n = number_of("HVMD_DEFINES", 120, 1000000), n_vms = number_of("HVMD_VMS", 20, GUESTS_MAX);

	growth_begin(&of_hvmd, "definitions: hvmd", harness.hvmd);
	for (unsigned round = 0; round * n_vms < n; round++) {
		define_all(n_vms, round);
		cr_assert_eq(vms_listed(), n_vms);
		growth_sample(&of_hvmd, (round + 1) * n_vms);
	}
	expect_no_growth(&of_hvmd);
	for (unsigned i = 0; i < n_vms; i++)
		expect_success(call(MANAGER, "UndefineVM", "st", guest_name(i), (uint64_t)0));
	cr_expect_eq(vms_listed(), 0);
}

/* --- Many at once --------------------------------------------------------------------------------------------- */

static unsigned n_answers, n_failures;

static int on_answer(sd_bus_message *reply, void *userdata, sd_bus_error *error)
{
	(void)userdata, (void)error;
	n_answers++;
	if (sd_bus_message_get_error(reply)) {
		n_failures++;
		fprintf(stderr, "%s\n", sd_bus_message_get_error(reply)->message);
	}
	return 0;
}

/* Asks for VMs [from, to) without waiting for any, and then for all. */
static void start_at_once(unsigned from, unsigned to)
{
	n_answers = 0;
	for (unsigned i = from; i < to; i++) {
		sd_bus_message *m = NULL;

		sd_bus_message_new_method_call(harness.bus, &m, "org.hvmd1", MANAGER, "StartVM");
		sd_bus_message_append(m, "st", guest_name(i), (uint64_t)0);
		expect_success(sd_bus_call_async(harness.bus, NULL, m, on_answer, NULL, ANSWER_USEC));
		sd_bus_message_unref(m);
	}
	while (n_answers < to - from)
		if (sd_bus_process(harness.bus, NULL) == 0)
			sd_bus_wait(harness.bus, UINT64_MAX);
}

static struct guest_look before[GUESTS_MAX], now[GUESTS_MAX];

static void expect_running(unsigned n)
{
	guests_look(n, now);
	for (unsigned i = 0; i < n; i++)
		cr_expect_str_eq(now[i].state, "running", "VM %s is %s", guest_name(i), now[i].state);
}

/* hvmd is killed again and again: the next one has them all (R4). */
static void expect_survival(unsigned n)
{
	guests_look(n, before);
	for (unsigned rounds = number_of("HVMD_KILLS", 3, 1000000); rounds > 0; rounds--) {
		hvmd_stop(SIGKILL);
		hvmd_start();
		expect_running(n);
		for (unsigned i = 0; i < n; i++)
			cr_expect_eq(now[i].leader, before[i].leader);
	}
}

Test(load, a_hundred_starts_at_once_all_go_well)
{
	unsigned n = number_of("HVMD_GUESTS", 12, GUESTS_MAX), n_vms = number_of("HVMD_VMS", 20, GUESTS_MAX), descriptors;
	uint64_t begin;

	define_all(n_vms, 0);
	descriptors = process_descriptors(harness.hvmd);
	begin = clock_usec();
	for (unsigned from = 0; from < n; from += AT_ONCE)
		start_at_once(from, from + AT_ONCE < n ? from + AT_ONCE : n);
	figure("%u defined, %u started, %u at a time, in %.1f s\n", n_vms, n, AT_ONCE, (double)(clock_usec() - begin) / 1e6);
	cr_expect_eq(n_failures, 0, "%u of %u starts failed", n_failures, n);
	expect_running(n);
	expect_survival(n);
	for (unsigned i = 0; i < n; i++)
		expect_success(reset_vm(guest_name(i), "hrt"));
	for (unsigned i = 0; i < n; i++)
		expect_success(terminate_vm(guest_name(i)));
	cr_expect_eq(monitors_alive(), 0);
	cr_expect_leq(process_descriptors(harness.hvmd), descriptors + 1, "the image stays in memory, and nothing else");
}

/* --- One many times ----------------------------------------------------------------------------------------------- */

Test(load, resets_leave_nothing)
{
	unsigned n = number_of("HVMD_RESETS", 300, UINT32_MAX), every = n / 200 + 1;

	guests_define(1, "mode=park");
	expect_success(start_vm(guest_name(0)));
	growth_begin(&of_hvmd, "resets: hvmd", harness.hvmd);
	growth_begin(&of_monitor, "resets: the monitor", vm_leader(guest_object(0)));
	for (unsigned i = 0; i < n; i++) {
		expect_success(reset_vm(guest_name(0), i % 2 ? "hrt" : "all"));
		if (i % every == 0 || i + 1 == n) {
			growth_sample(&of_hvmd, i + 1);
			growth_sample(&of_monitor, i + 1);
		}
	}
	expect_no_growth(&of_hvmd);
	expect_no_growth(&of_monitor);
	expect_success(terminate_vm(guest_name(0)));
}

/* All that is done with a VM in its life: five operations. */
static void live_once(unsigned i)
{
	expect_success(start_vm(guest_name(i)));
	expect_success(call(guest_object(i), "org.hvmd1.VM", "GetTelemetry", "ast", 0, (uint64_t)0));
	expect_success(reset_vm(guest_name(i), "hrt"));
	expect_success(reset_vm(guest_name(i), "all"));
	expect_success(i % 2 ? shutdown_vm(guest_name(i)) : terminate_vm(guest_name(i)));
}

/* HVMD_SOAK=1440 is a day. */
Test(load, soak_of_starts_resets_and_stops_leaves_nothing)
{
	unsigned minutes = getenv("HVMD_SOAK") ? number_of("HVMD_SOAK", 1, 100000) : 0, n = 0;
	uint64_t begin = clock_usec(), end = begin + minutes * MINUTE_USEC, step = (end - begin) / 400, next = begin;

	guests_define(4, "mode=tick hz=10");
	growth_begin(&of_hvmd, "soak: hvmd", harness.hvmd);
	for (; n < 30 || clock_usec() < end; n++) {
		live_once(n % 4);
		if (clock_usec() < next)
			continue;
		next = clock_usec() + step;
		growth_sample(&of_hvmd, 5.0 * (n + 1));
	}
	figure("soak of %u minutes: %u lives of VMs\n", minutes, n);
	expect_no_growth(&of_hvmd);
	cr_expect_eq(monitors_alive(), 0);
}
