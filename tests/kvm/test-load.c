/*
 * test-load.c - many VMs at once, and one VM many times (R10)
 *
 * In make check few; make check-load says more, by HVMD_GUESTS, HVMD_KILLS, HVMD_RESETS and HVMD_CYCLES. No operation may fail,
 * and neither hvmd nor a monitor may hold more in the end than at the beginning.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "harness.h"

#define GUESTS_MAX    1000u
#define AT_ONCE       100u
#define ANSWER_USEC   (600 * 1000000ull)
#define SLACK_KIB     64u   /* of the heap */
#define OPERATIONS_PER_KIB 1000u

static const char *built(const char *name)
{
	static char path[512];
	const char *build = getenv("top_builddir");

	snprintf(path, sizeof(path), "%s/%s", build ? build : ".", name);
	return path;
}

static void begin(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		cr_skip_test("/dev/kvm cannot be opened");
	close(fd);
	harness.kvm = "/dev/kvm";
	harness.monitor = strdup(built("hvm-monitor"));
	harness_start();
}

static void end(void)
{
	if (harness.dbus > 0)
		harness_stop();
}

TestSuite(load, .init = begin, .fini = end, .timeout = 100000);

static const char *vm_name(unsigned i)
{
	static char name[16];

	snprintf(name, sizeof(name), "g%u", i);
	return name;
}

static const char *object(unsigned i)
{
	static char path[64];

	snprintf(path, sizeof(path), "/org/hvmd1/vm/g%u", i);
	return path;
}

/* A guest that does nothing, so that it is hvmd and the monitors that have the load. */
static void define_guests(unsigned n)
{
	int fd = open(built("examples/guests/reference.elf"), O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	for (unsigned i = 0; i < n; i++)
		expect_success(call(MANAGER, "DefineVM", "sa{sh}t", definition(vm_name(i), "mode=park"), 1, "hrt", fd, (uint64_t)0));
	close(fd);
}

static int start(unsigned i)
{
	return call(MANAGER, "StartVM", "st", vm_name(i), (uint64_t)0);
}

static int terminate(unsigned i)
{
	return call(MANAGER, "TerminateVM", "s", vm_name(i));
}

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
		sd_bus_message_append(m, "st", vm_name(i), (uint64_t)0);
		expect_success(sd_bus_call_async(harness.bus, NULL, m, on_answer, NULL, ANSWER_USEC));
		sd_bus_message_unref(m);
	}
	while (n_answers < to - from)
		if (sd_bus_process(harness.bus, NULL) == 0)
			sd_bus_wait(harness.bus, UINT64_MAX);
}

static pid_t leader(unsigned i)
{
	return (pid_t)atoi(property(object(i), "org.hvmd1.VM", "Leader"));
}

/* hvmd is killed again and again: the next one has them all (R4). */
static void expect_survival(unsigned n)
{
	static pid_t leaders[GUESTS_MAX];

	for (unsigned i = 0; i < n; i++)
		leaders[i] = leader(i);
	for (unsigned rounds = number_of("HVMD_KILLS", 3, 1000000); rounds > 0; rounds--) {
		hvmd_stop(SIGKILL);
		hvmd_start();
		for (unsigned i = 0; i < n; i++) {
			cr_expect_eq(leader(i), leaders[i]);
			cr_expect_str_eq(property(object(i), "org.hvmd1.VM", "State"), "running");
		}
	}
}

Test(load, a_hundred_starts_at_once_all_go_well)
{
	unsigned n = number_of("HVMD_GUESTS", 12, GUESTS_MAX), descriptors;

	define_guests(n);
	descriptors = process_descriptors(harness.hvmd);
	for (unsigned from = 0; from < n; from += AT_ONCE)
		start_at_once(from, from + AT_ONCE < n ? from + AT_ONCE : n);
	cr_expect_eq(n_failures, 0, "%u of %u starts failed", n_failures, n);
	for (unsigned i = 0; i < n; i++)
		cr_expect_str_eq(property(object(i), "org.hvmd1.VM", "State"), "running");
	expect_survival(n);
	for (unsigned i = 0; i < n; i++)
		expect_success(call(MANAGER, "ResetVM", "ssuu", vm_name(i), "hrt", 0, 0));
	for (unsigned i = 0; i < n; i++)
		expect_success(terminate(i));
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	cr_expect_leq(process_descriptors(harness.hvmd), descriptors + 1, "the image stays in memory, and nothing else");
}

/* What is held, before and after. */
static void expect_no_growth(pid_t pid, const char *whose, unsigned long resident, unsigned descriptors, unsigned n)
{
	unsigned long now = process_resident(pid);

	cr_expect_leq(now, resident + SLACK_KIB + n / OPERATIONS_PER_KIB, "%s: %lu KiB, and after %u operations %lu", whose,
		resident, n, now);
	cr_expect_eq(process_descriptors(pid), descriptors, "%s: %u descriptors, and then %u", whose, descriptors,
		process_descriptors(pid));
}

Test(load, resets_leave_nothing)
{
	unsigned n = number_of("HVMD_RESETS", 300, UINT32_MAX), warm_up = n / 10;
	unsigned long hvmd = 0, monitor = 0;
	unsigned hvmds = 0, monitors = 0;
	pid_t pid;

	define_guests(1);
	expect_success(start(0));
	pid = (pid_t)atoi(property(object(0), "org.hvmd1.VM", "Leader"));
	for (unsigned i = 0; i < n + warm_up; i++) {
		if (i == warm_up) {
			hvmd = process_resident(harness.hvmd);
			hvmds = process_descriptors(harness.hvmd);
			monitor = process_resident(pid);
			monitors = process_descriptors(pid);
		}
		expect_success(call(MANAGER, "ResetVM", "ssuu", "g0", i % 2 ? "hrt" : "all", 0, 0));
	}
	expect_no_growth(harness.hvmd, "hvmd", hvmd, hvmds, n);
	expect_no_growth(pid, "the monitor", monitor, monitors, n);
	expect_success(terminate(0));
}

Test(load, starts_and_stops_leave_nothing)
{
	unsigned n = number_of("HVMD_CYCLES", 30, UINT32_MAX), warm_up = n / 10 + 3, descriptors = 0;
	unsigned long resident = 0;

	define_guests(1);
	for (unsigned i = 0; i < n + warm_up; i++) {
		if (i == warm_up) {
			resident = process_resident(harness.hvmd);
			descriptors = process_descriptors(harness.hvmd);
		}
		expect_success(start(0));
		expect_success(call(object(0), "org.hvmd1.VM", "GetTelemetry", "ast", 0, (uint64_t)0));
		expect_success(call(MANAGER, "ResetVM", "ssuu", "g0", "hrt", 0, 0));
		expect_success(call(MANAGER, "ShutdownVM", "stt", "g0", (uint64_t)0, (uint64_t)0));
	}
	expect_no_growth(harness.hvmd, "hvmd", resident, descriptors, 4 * n);
}
