/*
 * test-survival.c - real guests that count, and a hvmd, or a monitor, that is killed again and again (R4, R5)
 *
 * hvmd's kills come at drawn moments, while nothing happens or while guests are reset or defined. HVMD_KILLS says how
 * many, HVMD_GUESTS how many guests; make check has few of both, make check-survival 1000 kills of 10.
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

#define VMS_MAX 200u
#define BEAT_MSEC 3000 /* guests beat ten times a second; a loaded host may take longer */

static pid_t leaders[VMS_MAX];
static uint64_t beats[VMS_MAX];
static unsigned n_vms = 3;

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

TestSuite(survival, .fini = harness_stop, .timeout = 3600);

static const char *vm_name(unsigned i)
{
	static char names[4][16];
	char *name = names[i % 4];

	snprintf(name, sizeof(names[0]), "g%u", i);
	return name;
}

static const char *vm_object(unsigned i)
{
	static char path[64];

	snprintf(path, sizeof(path), "/org/hvmd1/vm/g%u", i);
	return path;
}

static void define_guest(const char *name)
{
	int fd = open(built("examples/guests/reference.elf"), O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	expect_success(call(MANAGER, "DefineVM", "sa{sh}t", definition(name, "mode=count"), 1, "hrt", fd, (uint64_t)0));
	close(fd);
}

static uint64_t heartbeats(unsigned i)
{
	const char *key, *contents;
	uint64_t value = 0;

	expect_success(call(vm_object(i), "org.hvmd1.VM", "GetTelemetry", "ast", 0, (uint64_t)0));
	sd_bus_message_enter_container(call_reply, 'a', "{sv}");
	while (sd_bus_message_enter_container(call_reply, 'e', "sv") > 0) {
		sd_bus_message_read(call_reply, "s", &key);
		sd_bus_message_peek_type(call_reply, NULL, &contents);
		if (strcmp(key, "vcpu.1.heartbeats") == 0)
			sd_bus_message_read(call_reply, "v", "t", &value);
		else
			sd_bus_message_skip(call_reply, "v");
		sd_bus_message_exit_container(call_reply);
	}
	return value;
}

static bool beats_on(unsigned i, uint64_t before)
{
	for (int wait = 0; wait < BEAT_MSEC / 20; wait++) {
		if (heartbeats(i) > before)
			return true;
		usleep(20000);
	}
	return false;
}

static void start_guests(void)
{
	for (unsigned i = 0; i < n_vms; i++) {
		define_guest(vm_name(i));
		expect_success(call(MANAGER, "StartVM", "st", vm_name(i), (uint64_t)0));
		leaders[i] = (pid_t)atoi(property(vm_object(i), "org.hvmd1.VM", "Leader"));
		cr_assert(beats_on(i, 0), "VM %s does not count", vm_name(i));
	}
}

/* Calls whose answers nobody waits for, so that the kill comes in the middle of them. */
static void ask_for_something(unsigned round)
{
	const char *name = vm_name(round % n_vms);

	if (round % 3 == 0)
		sd_bus_call_method_async(harness.bus, NULL, "org.hvmd1", MANAGER, "ResetVM", NULL, NULL, "ssuu", name,
			"hrt", 0, 0);
	if (round % 3 == 1)
		sd_bus_call_method_async(harness.bus, NULL, "org.hvmd1", MANAGER, "DefineVM", NULL, NULL, "sa{sh}t",
			"<vm name=\"other\" class=\"PC\"><memory>16</memory><cores count=\"1\"/></vm>", 0, (uint64_t)0);
	sd_bus_flush(harness.bus);
	usleep((useconds_t)(rand() % 3000));
}

static unsigned n_monitors(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < n_vms; i++)
		n += kill(leaders[i], 0) == 0;
	return n;
}

/* All of them at once: what one has counted while others were asked counts. */
static void expect_all_count(unsigned round)
{
	for (unsigned i = 0; i < n_vms; i++) {
		uint64_t now = heartbeats(i);

		cr_expect_geq(now, beats[i], "round %u: counters are never lost", round);
		beats[i] = now;
	}
	for (unsigned i = 0; i < n_vms; i++)
		cr_expect(beats_on(i, beats[i]), "round %u: VM %s does not count any more", round, vm_name(i));
}

static void expect_as_before(unsigned round, const unsigned resets[VMS_MAX])
{
	for (unsigned i = 0; i < n_vms; i++) {
		unsigned n = (unsigned)atoi(property(vm_object(i), "org.hvmd1.VM", "NResets"));

		cr_expect_str_eq(property(vm_object(i), "org.hvmd1.VM", "State"), "running", "round %u", round);
		cr_expect_eq(atoi(property(vm_object(i), "org.hvmd1.VM", "Leader")), leaders[i], "round %u", round);
		cr_expect(n == resets[i] || n == resets[i] + 1, "round %u: %u resets, then %u", round, resets[i], n);
	}
	expect_all_count(round);
}

Test(survival, guests_count_on_while_hvmd_is_killed_again_and_again, .init = begin)
{
	unsigned n = number_of("HVMD_KILLS", 12, 1000000), resets[VMS_MAX];

	n_vms = number_of("HVMD_GUESTS", n_vms, VMS_MAX);
	srand(1);
	start_guests();
	for (unsigned round = 0; round < n; round++) {
		for (unsigned i = 0; i < n_vms; i++)
			resets[i] = (unsigned)atoi(property(vm_object(i), "org.hvmd1.VM", "NResets"));
		ask_for_something(round);
		hvmd_stop(SIGKILL);
		hvmd_start();
		expect_as_before(round, resets);
	}
	cr_expect_eq(n_monitors(), n_vms);
	for (unsigned i = 0; i < n_vms; i++)
		expect_success(call(MANAGER, "ShutdownVM", "stt", vm_name(i), (uint64_t)0, (uint64_t)0));
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	cr_expect_eq(n_monitors(), 0);
}

/* --- A monitor that is killed ------------------------------------------------------------------------------ */

static void kill_and_restart(unsigned i, unsigned round)
{
	cr_assert_eq(kill(leaders[i], round % 2 ? SIGKILL : SIGSEGV), 0);
	cr_assert(property_becomes(vm_object(i), "org.hvmd1.VM", "State", "failed"), "round %u", round);
	cr_expect_str_eq(property(vm_object(i), "org.hvmd1.VM", "StateReason"), "vmm-died");
	cr_expect_neq(access(harness_path("run/vms/g0.link"), F_OK), 0);
	cr_expect_neq(access(harness_path("run/vms/g0.xml"), F_OK), 0);
	expect_success(call(MANAGER, "StartVM", "st", vm_name(i), (uint64_t)0));
	leaders[i] = (pid_t)atoi(property(vm_object(i), "org.hvmd1.VM", "Leader"));
}

#define WARM_UP     5
#define GROWTH_KIB 64 /* R5 */

Test(survival, a_monitor_that_is_killed_again_and_again_leaves_nothing, .init = begin)
{
	unsigned n = number_of("HVMD_KILLS", 12, 1000000) + WARM_UP, descriptors = 0;
	unsigned long resident = 0;
	uint64_t witness;

	n_vms = 2;
	start_guests();
	witness = heartbeats(1);
	for (unsigned round = 0; round < n; round++) {
		kill_and_restart(0, round);
		if (round == WARM_UP) {
			descriptors = process_descriptors(harness.hvmd);
			resident = process_resident(harness.hvmd);
		}
	}
	cr_expect_eq(process_descriptors(harness.hvmd), descriptors, "%u descriptors, then %u", descriptors, process_descriptors(harness.hvmd));
	cr_expect_leq(process_resident(harness.hvmd), resident + GROWTH_KIB, "%lu KiB, then %lu", resident, process_resident(harness.hvmd));
	cr_expect(beats_on(1, witness), "the other VM has noticed");
	cr_expect_eq(kill(leaders[1], 0), 0);
}
