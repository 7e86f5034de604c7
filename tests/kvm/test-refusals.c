/*
 * test-refusals.c - every call that the kernel may refuse to a monitor, or to hvmd, refused (R6)
 *
 * A job (a start, a reset, ...) is done once, to count the calls that the program makes meanwhile, and then once
 * for each of them, with that one refused. make check refuses each call with one errno, the next call with the next;
 * with HVMD_FAULTS_WHOLE=1 each with all.
 *
 * Whatever fails, there is one sentence for it, nothing is left behind, and the next time it goes well. hvmd may
 * end, if it has lost its bus or its loop, as long as it does so in good order: then it is started again, as systemd
 * would, and has all that runs. A VM that the job is not about never notices.
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

#define STOP_USEC     ((uint64_t)1000000)
#define PATIENCE_USEC 5000000 /* for an answer that may be lost with the call that failed */

static const int errors[] = {ENOMEM, EIO, EINTR, EAGAIN, EMFILE, ENOSPC, EPERM};

static struct refusals *refusals;
static char path[] = "/tmp/hvmd-refusals.XXXXXX";
static char bystander[16]; /* the PID of a VM that no job is about; "": there is none */

static long nth_call;

/* What has been tried, and what came of it. */
static struct {
	long pairs, refused, hvmd_ended;
} sum;

static void define_guest(const char *name)
{
	int fd = open(built("examples/guests/reference.elf"), O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	expect_success(call(MANAGER, "DefineVM", "sa{sh}t", definition(name, "mode=count"), 1, "hrt", fd, (uint64_t)0));
	close(fd);
}

static void begin(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), fd;

	if (kvm < 0)
		cr_skip_test("/dev/kvm cannot be opened");
#ifdef BUILT_WITH_SANITIZERS
	cr_skip_test("the sanitizers make calls of their own");
#endif
	close(kvm);
	fd = mkstemp(path);
	cr_assert_eq(ftruncate(fd, sizeof(*refusals)), 0);
	refusals = mmap(NULL, sizeof(*refusals), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	cr_assert_neq(refusals, MAP_FAILED);
	close(fd);
	setenv("HVMD_REFUSALS", path, 1);
	harness.kvm = "/dev/kvm";
}

static void begin_monitor(void)
{
	begin();
	harness.monitor = strdup(built("tests/fakes/refused-monitor"));
	harness_start();
	define_guest("a");
}

static void begin_hvmd(void)
{
	begin();
	harness.program = "tests/fakes/refused-hvmd";
	harness.monitor = strdup(built("hvm-monitor"));
	harness_start();
	define_guest("a");
	define_guest("bystander");
	expect_success(call(MANAGER, "StartVM", "st", "bystander", (uint64_t)0));
	snprintf(bystander, sizeof(bystander), "%s", property(VM("bystander"), "Leader"));
	sd_bus_set_method_call_timeout(harness.bus, PATIENCE_USEC);
}

static void end(void)
{
	unlink(path);
	if (harness.dbus > 0)
		harness_stop();
}

TestSuite(monitor, .init = begin_monitor, .fini = end, .timeout = 3600);
TestSuite(hvmd, .init = begin_hvmd, .fini = end, .timeout = 3600);

/* --- One pair of a call and an errno ---------------------------------------------------------------------- */

static void arm(long nth, int error)
{
	assert(refusals); /* or gcc, with UBSan, warns of a store to nowhere */
	atomic_store(&refusals->nth, 0);
	refusals->error = error;
	nth_call = nth;
	refusals->what[0] = '\0';
	atomic_store(&refusals->calls, 0);
	atomic_store(&refusals->nth, nth);
}

/* For messages. */
static const char *pair(void)
{
	static char text[96];

	snprintf(text, sizeof(text), "call %ld (%s), %s", nth_call, refusals->what, strerrorname_np(refusals->error));
	return text;
}

static void disarm(void)
{
	assert(refusals);
	atomic_store(&refusals->nth, 0);
}

/* A sentence, and no more than one line. */
static void expect_sentence(int r)
{
	if (r < 0)
		sum.refused++;
	cr_expect(r >= 0 || (call_error.message && strlen(call_error.message) > 10 && !strchr(call_error.message, '\n')),
		"%s: %s", pair(), call_error.message);
}

static void expect_order(int status, const char *what)
{
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 1, "%s: hvmd ended with wait status 0x%x", what,
		(unsigned)status);
}

/* Who has lost the bus answers what came before that: so it is asked twice. */
static bool answers(void)
{
	return call(MANAGER, "ListVMs", "") >= 0 && call(MANAGER, "ListVMs", "") >= 0;
}

/* If hvmd has ended, it is started again. */
static void revive(const char *what)
{
	int status = 0;

	while (harness.hvmd > 0 && !answers() && waitpid(harness.hvmd, &status, 0) == harness.hvmd) {
		sum.hvmd_ended++;
		expect_order(status, what);
		hvmd_start();
	}
}

static void expect_bystander(const char *what)
{
	if (!bystander[0])
		return;
	cr_expect_str_eq(property(VM("bystander"), "State"), "running", "%s: a VM that runs is lost: %s", what,
		property(VM("bystander"), "StateDetails"));
	cr_expect_str_eq(property(VM("bystander"), "Leader"), bystander, "%s: a VM that runs is lost", what);
	if (atoi(property(VM("bystander"), "Leader")) == 0) /* for the pairs that follow */
		expect_success(call(MANAGER, "StartVM", "st", "bystander", (uint64_t)0));
	snprintf(bystander, sizeof(bystander), "%s", property(VM("bystander"), "Leader"));
}

/* --- Jobs --------------------------------------------------------------------------------------------------- */

struct job {
	void (*ready)(void);
	int (*run)(void);
	void (*after)(const char *what); /* it goes well now, and nothing is left of it */
};

static void nothing(void)
{
}

static int start(void)
{
	return call(MANAGER, "StartVM", "st", "a", (uint64_t)0);
}

static void runs(void)
{
	expect_success(start());
}

static int reset(void)
{
	return call(MANAGER, "ResetVM", "ssuu", "a", "all", 0, 0);
}

static int shut_down(void)
{
	return call(MANAGER, "ShutdownVM", "stt", "a", STOP_USEC, (uint64_t)0);
}

static int terminate(void)
{
	return call(MANAGER, "TerminateVM", "s", "a");
}

static bool is_up(void)
{
	return atoi(property(VM("a"), "Leader")) > 0;
}

/* It is in whatever state the refusal has left it in. */
static void next_start(const char *what)
{
	cr_expect_not(strstr(property(VM("a"), "StateDetails"), "signal"), "%s: %s", what, property(VM("a"), "StateDetails"));
	if (is_up())
		cr_expect(terminate() >= 0 || strstr(call_error.message, "is not running"), "%s: it cannot be terminated: %s",
			what, call_error.message);
	cr_expect_geq(start(), 0, "%s: the next start fails: %s", what, call_error.message);
	cr_expect_str_eq(property(VM("a"), "State"), "running", "%s", what);
	if (is_up())
		expect_success(terminate());
}

/* Monitors of a hvmd that is gone are ours to reap. The hvmd that may have ended meanwhile is not meant. */
static void reap_monitors(void)
{
	siginfo_t info = {};

	while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0 && info.si_pid != harness.hvmd)
		waitpid(info.si_pid, NULL, 0);
}

static int take_over(void)
{
	int status = 0;

	hvmd_stop(SIGKILL);
	if (!hvmd_start_may_fail(&status)) {
		disarm();
		cr_assert_eq(harness.hvmd, 0, "%s: hvmd hangs", pair());
		sum.hvmd_ended++;
		expect_order(status, pair());
		hvmd_start();
	}
	reap_monitors();
	return call(VM("a"), "GetTelemetry", "ast", 0, (uint64_t)0);
}

static int define_c(void)
{
	return define(definition("c", ""), "an image");
}

static int undefine_c(void)
{
	return call(MANAGER, "UndefineVM", "st", "c", (uint64_t)0);
}

static void has_c(void)
{
	expect_success(define_c());
}

static void next_definition(const char *what)
{
	if (call(MANAGER, "GetVM", "s", "c") >= 0)
		cr_expect_geq(undefine_c(), 0, "%s: the next undefine fails: %s", what, call_error.message);
	cr_expect_geq(define_c(), 0, "%s: the next define fails: %s", what, call_error.message);
	cr_expect_geq(undefine_c(), 0, "%s: the next undefine fails: %s", what, call_error.message);
	expect_success(call(MANAGER, "Verify", "ast", 0, (uint64_t)0));
	cr_expect_str_eq(call_text(), "", "%s: something is left: %s", what, call_text());
}

/* --- All pairs ---------------------------------------------------------------------------------------------- */

static void refuse_one(const struct job *job, long nth, int error)
{
	char what[96];

	job->ready();
	arm(nth, error);
	expect_sentence(job->run());
	snprintf(what, sizeof(what), "%s", pair());
	sum.pairs += refusals->what[0] != '\0';
	disarm();
	revive(what);
	expect_bystander(what);
	job->after(what);
}

/* A thread may have something for a moment longer. After hvmd has been started anew there is nothing to compare. */
static void expect_held(pid_t hvmd, unsigned before, const char *what)
{
	unsigned now = before;

	for (int i = 0; i < 100 && harness.hvmd == hvmd; i++) {
		now = process_descriptors(hvmd);
		if (now == before)
			return;
		usleep(10000);
	}
	cr_expect(harness.hvmd != hvmd, "%s: hvmd had %u descriptors, and has %u", what, before, now);
}

static void refuse_each(const char *name, const struct job *job)
{
	const bool whole = getenv("HVMD_FAULTS_WHOLE");
	long n;

	job->ready();
	arm(0, 0);
	expect_success(job->run());
	n = atomic_load(&refusals->calls);
	cr_assert_gt(n, 0);
	job->after("nothing refused");
	for (long nth = 1; nth <= n; nth++)
		for (size_t i = 0; i < (whole ? ARRAY_SIZE(errors) : 1); i++) {
			unsigned before = process_descriptors(harness.hvmd);
			pid_t hvmd = harness.hvmd;

			refuse_one(job, nth, errors[whole ? i : (size_t)nth % ARRAY_SIZE(errors)]);
			if (nth > 1) /* what is kept for later has come with the first */
				expect_held(hvmd, before, pair());
		}
	fprintf(stderr, "# %s: %ld calls, %ld pairs, of which %ld said why, and %ld ended hvmd\n", name, n, sum.pairs, sum.refused,
		sum.hvmd_ended);
}

Test(monitor, calls_in_a_start)
{
	refuse_each("monitor, start", &(struct job){nothing, start, next_start});
}

Test(monitor, calls_in_a_reset)
{
	refuse_each("monitor, reset", &(struct job){runs, reset, next_start});
}

Test(monitor, calls_in_a_shutdown)
{
	refuse_each("monitor, shutdown", &(struct job){runs, shut_down, next_start});
}

Test(monitor, calls_in_a_take_over)
{
	refuse_each("monitor, take-over", &(struct job){runs, take_over, next_start});
}

Test(hvmd, calls_in_a_start)
{
	refuse_each("hvmd, start", &(struct job){nothing, start, next_start});
}

Test(hvmd, calls_in_a_reset)
{
	refuse_each("hvmd, reset", &(struct job){runs, reset, next_start});
}

Test(hvmd, calls_in_a_shutdown)
{
	refuse_each("hvmd, shutdown", &(struct job){runs, shut_down, next_start});
}

Test(hvmd, calls_in_a_termination)
{
	refuse_each("hvmd, termination", &(struct job){runs, terminate, next_start});
}

Test(hvmd, calls_in_a_take_over)
{
	refuse_each("hvmd, take-over", &(struct job){runs, take_over, next_start});
}

Test(hvmd, calls_in_a_definition)
{
	refuse_each("hvmd, define", &(struct job){nothing, define_c, next_definition});
}

Test(hvmd, calls_in_an_undefinition)
{
	refuse_each("hvmd, undefine", &(struct job){has_c, undefine_c, next_definition});
}
