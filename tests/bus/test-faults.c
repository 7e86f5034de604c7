/*
 * test-faults.c - hvmd when the heap refuses, and when it is killed at the worst moment
 *
 * Each allocation that a call makes in hvmd fails once, sd-bus's own among them. The
 * call may fail, or never be answered when it was the answer that had no room; hvmd
 * must live, know what it knew, and answer the next.
 *
 * And hvmd is killed before each call that changes its folder: what it has answered
 * is there when it is started again.
 *
 * HVMD_FAULTS_WHOLE=1 in the environment (make check-faults) tries every allocation, not every third.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fakes/faults.h"
#include "harness.h"

#define PATIENCE_USEC 200000   /* for an answer that may not come */
#define WORTH_USEC    10000000 /* for one that has to, on a machine that does much else */

static struct faults *told; /* shared with hvmd */

static void start(void)
{
	static char variable[64];
	int fd = memfd_create("faults", 0);

	cr_assert_eq(ftruncate(fd, sizeof(*told)), 0);
	told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(told, MAP_FAILED);
	snprintf(variable, sizeof(variable), "/proc/%d/fd/%d", (int)getpid(), fd);
	setenv("HVMD_FAULTS", variable, 1);
	harness.program = "tests/fakes/faulty-hvmd";
	harness_start();
	sd_bus_set_method_call_timeout(harness.bus, PATIENCE_USEC);
}

static void start_with_heap(void)
{
#ifdef BUILT_WITH_SANITIZERS
	cr_skip("the sanitizers have the heap");
#else
	start();
#endif
}

static void stop(void)
{
	if (told)
		harness_stop();
}

TestSuite(memory, .init = start_with_heap, .fini = stop, .timeout = 3600);
TestSuite(killed, .init = start, .fini = stop, .timeout = 600);

static bool is_alive(void)
{
	return waitpid(harness.hvmd, NULL, WNOHANG) == 0;
}

static int do_list(void)
{
	return call(MANAGER, "ListVMs", "");
}

static int do_define(void)
{
	return define(definition("b", ""), "another image");
}

static int do_define_by_digest(void)
{
	return call(MANAGER, "DefineVM", "sa{sh}t",
		"<vm name='b' class='PC'><memory>16</memory><cores count='1'/></vm>", 0, (uint64_t)0);
}

static int do_undefine(void)
{
	return call(MANAGER, "UndefineVM", "st", "b", (uint64_t)0);
}

static int do_start(void)
{
	return call(MANAGER, "StartVM", "st", "b", (uint64_t)0);
}

static int do_terminate(void)
{
	return call(MANAGER, "TerminateVM", "s", "b");
}

static int do_reload(void)
{
	return call(MANAGER, "Reload", "");
}

static int do_verify(void)
{
	return call(MANAGER, "Verify", "ast", 0, (uint64_t)0);
}

static int do_managed(void)
{
	return call("/org/hvmd1", "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", "");
}

static void nothing(void)
{
}

static void define_b(void)
{
	while (do_define() < 0)
		;
}

static void start_b(void)
{
	define_b();
	do_start();
	property_becomes(VM("b"), "State", "running");
}

static void without_b(void)
{
	do_terminate();
	do_undefine();
}

static int is_known(const char *name)
{
	int r;

	sd_bus_set_method_call_timeout(harness.bus, WORTH_USEC);
	r = call(MANAGER, "GetVM", "s", name);
	sd_bus_set_method_call_timeout(harness.bus, PATIENCE_USEC);
	return r;
}

/* Tries `run` with every allocation failing in turn; `before` prepares each. */
static void fail_each(const char *name, void (*before)(void), int (*run)(void), void (*after)(void))
{
	long n = 1, step = getenv("HVMD_FAULTS_WHOLE") ? 1 : 3, left;

	define_vm("a", "");
	for (left = 0; left <= 0; n += step) {
		before();
		told->mallocs_until = n;
		run();
		left = told->mallocs_until;
		told->mallocs_until = 0;
		cr_assert(is_alive(), "%s: hvmd did not survive allocation %ld", name, n);
		cr_assert_geq(is_known("a"), 0, "%s: after allocation %ld: %s", name, n,
			call_error.message);
		after();
	}
	cr_expect_gt(n, 1 + step, "%s allocates nothing", name);
}

Test(memory, list_survives_any_failure)
{
	fail_each("list", nothing, do_list, nothing);
	fail_each("managed objects", nothing, do_managed, nothing);
}

Test(memory, define_survives_any_failure)
{
	fail_each("define", nothing, do_define, without_b);
	fail_each("define without image", nothing, do_define_by_digest, without_b);
}

Test(memory, undefine_survives_any_failure)
{
	fail_each("undefine", define_b, do_undefine, nothing);
}

Test(memory, start_survives_any_failure)
{
	fail_each("start", define_b, do_start, without_b);
}

Test(memory, terminate_survives_any_failure)
{
	fail_each("terminate", start_b, do_terminate, without_b);
}

Test(memory, reload_and_verify_survive_any_failure)
{
	fail_each("reload", define_b, do_reload, nothing);
	fail_each("verify", define_b, do_verify, nothing);
}

/* Killing */

static bool has(const char *name)
{
	return is_known(name) >= 0;
}

/* Runs the call with hvmd dying before its nth change; restarts it if it did. True when hvmd has answered. */
static bool run_killed(long n, int (*run)(void), bool *ret_died)
{
	bool answered;

	snprintf(told->folder, sizeof(told->folder), "%s", harness_path("state"));
	told->action = FAULT_KILL;
	told->calls_until = n;
	answered = run() >= 0;
	*ret_died = told->calls_until <= 0;
	told->calls_until = 0;
	if (*ret_died) {
		cr_assert_eq(waitpid(harness.hvmd, NULL, 0), harness.hvmd);
		hvmd_start();
	}
	return answered;
}

static int verify_all(void)
{
	return call(MANAGER, "Verify", "ast", 0, (uint64_t)0) >= 0 &&
		sd_bus_message_enter_container(call_reply, 'a', "(sss)") > 0 &&
		sd_bus_message_at_end(call_reply, 0) > 0;
}

Test(killed, definition_that_was_answered_is_there)
{
	bool died = true;

	define_vm("a", "");
	for (long n = 1; died; n++) {
		bool answered = run_killed(n, do_define, &died);

		cr_expect(has("a"), "killed before change %ld", n);
		cr_expect(!answered || has("b"), "killed before change %ld", n);
		cr_expect(verify_all(), "killed before change %ld", n);
		without_b();
		cr_expect_not(has("b"), "killed before change %ld", n);
	}
}

Test(killed, undefinition_that_was_answered_has_happened)
{
	bool died = true;

	define_vm("a", "");
	for (long n = 1; died; n++) {
		bool answered;

		define_b();
		answered = run_killed(n, do_undefine, &died);
		cr_expect(has("a"), "killed before change %ld", n);
		cr_expect(!answered || !has("b"), "killed before change %ld", n);
		cr_expect(verify_all(), "killed before change %ld", n);
	}
}
