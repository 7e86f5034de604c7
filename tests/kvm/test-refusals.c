/*
 * test-refusals.c - every call of a monitor that the kernel may refuse, refused: in a start, a reset and a take-over (R6)
 *
 * make check refuses each call with one errno, the next call with the next; with HVMD_FAULTS_WHOLE=1 each with all.
 * Whatever fails, there is one sentence for it, the VM is in a state that says so, and its next start goes well.
 */
#include <assert.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "fakes/refusals.h"
#include "vms.h"

static const int errors[] = {ENOMEM, EIO, EINTR, EAGAIN, EMFILE, ENOSPC, EPERM};

static struct refusals *refusals;
static char path[] = "/tmp/hvmd-refusals.XXXXXX";

static void define_guest(void)
{
	int fd = open(built("examples/guests/reference.elf"), O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	expect_success(call(MANAGER, "DefineVM", "sa{sh}t", definition("a", "mode=count"), 1, "hrt", fd, (uint64_t)0));
	close(fd);
}

static void begin(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), fd = mkstemp(path);

	if (kvm < 0)
		cr_skip_test("/dev/kvm cannot be opened");
#ifdef BUILT_WITH_SANITIZERS
	cr_skip_test("the sanitizers make calls of their own");
#endif
	close(kvm);
	cr_assert_eq(ftruncate(fd, sizeof(*refusals)), 0);
	refusals = mmap(NULL, sizeof(*refusals), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(refusals, MAP_FAILED);
	close(fd);
	setenv("HVMD_REFUSALS", path, 1);
	harness.kvm = "/dev/kvm";
	harness.monitor = strdup(built("tests/fakes/refused-monitor"));
	harness_start();
	define_guest();
}

static void end(void)
{
	unlink(path);
	if (harness.dbus > 0)
		harness_stop();
}

TestSuite(refusals, .init = begin, .fini = end, .timeout = 1200);

static void arm(long nth, int error)
{
	assert(refusals); /* or gcc, with UBSan, warns of a store to nowhere */
	atomic_store(&refusals->nth, 0);
	refusals->error = error;
	refusals->what[0] = '\0';
	atomic_store(&refusals->calls, 0);
	atomic_store(&refusals->nth, nth);
}

static bool is_running(void)
{
	return strcmp(property(VM("a"), "State"), "running") == 0;
}

static int start(void)
{
	return call(MANAGER, "StartVM", "st", "a", (uint64_t)0);
}

/* It is in whatever state the refusal has left it in. */
static void expect_next_start(long nth, int error)
{
	char what[32];

	snprintf(what, sizeof(what), "%s", refusals->what);
	cr_expect_not(strstr(property(VM("a"), "StateDetails"), "signal"), "call %ld (%s), %s: %s", nth, what,
		strerrorname_np(error), property(VM("a"), "StateDetails"));
	arm(0, 0);
	if (atoi(property(VM("a"), "Leader")) > 0)
		cr_expect(call(MANAGER, "TerminateVM", "s", "a") >= 0 || strstr(call_error.message, "is not running"),
			"call %ld (%s), %s: it cannot be terminated: %s", nth, what, strerrorname_np(error), call_error.message);
	cr_expect_geq(start(), 0, "call %ld (%s), %s: the next start fails: %s", nth, what, strerrorname_np(error),
		call_error.message);
	cr_expect(is_running());
}

/* A sentence, and no more than one line. */
static void expect_sentence(int r, long nth, int error)
{
	cr_expect(r >= 0 || (call_error.message && strlen(call_error.message) > 10 && !strchr(call_error.message, '\n')),
		"call %ld (%s), %s: %s", nth, refusals->what, strerrorname_np(error), call_error.message);
}

static void terminate(void)
{
	if (atoi(property(VM("a"), "Leader")) > 0)
		expect_success(call(MANAGER, "TerminateVM", "s", "a"));
}

/* The calls of one job, each refused in turn. `ready` makes what it needs. */
static void refuse_each(void (*ready)(void), int (*job)(void))
{
	const bool whole = getenv("HVMD_FAULTS_WHOLE");
	unsigned descriptors = 0;
	long n;

	arm(0, 0);
	ready();
	arm(0, 0);
	expect_success(job());
	n = atomic_load(&refusals->calls);
	cr_assert_gt(n, 0);
	terminate();
	for (long nth = 1; nth <= n; nth++)
		for (size_t i = 0; i < (whole ? ARRAY_SIZE(errors) : 1); i++) {
			int error = errors[whole ? i : (size_t)nth % ARRAY_SIZE(errors)];

			ready();
			arm(nth, error);
			expect_sentence(job(), nth, error);
			expect_next_start(nth, error);
			terminate();
			if (nth == 5 && i == 0)
				descriptors = process_descriptors(harness.hvmd);
		}
	cr_expect(n < 5 || process_descriptors(harness.hvmd) == descriptors, "%u descriptors, then %u", descriptors, process_descriptors(harness.hvmd));
}

static void nothing(void)
{
}

static void runs(void)
{
	arm(0, 0);
	expect_success(start());
}

static int reset(void)
{
	return call(MANAGER, "ResetVM", "ssuu", "a", "all", 0, 0);
}

static int take_over(void)
{
	hvmd_stop(SIGKILL);
	hvmd_start();
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	return call(VM("a"), "GetTelemetry", "ast", 0, (uint64_t)0);
}

Test(refusals, in_a_start_has_a_sentence_and_the_next_start_goes_well)
{
	refuse_each(nothing, start);
}

Test(refusals, in_a_reset_has_a_sentence_and_the_next_start_goes_well)
{
	refuse_each(runs, reset);
}

Test(refusals, in_a_take_over_has_a_sentence_and_the_next_start_goes_well)
{
	refuse_each(runs, take_over);
}
