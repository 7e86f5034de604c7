/*
 * test-cage.c - what can still be done from inside a running monitor's cage
 *
 * Each attempt is made by a process of its own, which enters the cage through the
 * same functions as a monitor does, and then tries one thing. tests/kvm/test-cage
 * looks at a real monitor from outside.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/macro.h"
#include "kvm/kvm.h"
#include "monitor/cage.h"
#include "monitor/filter.h"

#define LAST_CALL   600  /* no x86-64 Linux has as many */
#define X32_BIT     0x40000000
#define URETPROBE   335 /* newer kernels let no filter see these two, and refuse them to all but their own probes */
#define UPROBE      336
#define ENTER_WRONG 90   /* exit statuses of an attempt */
#define ANSWERED    91
#define REFUSED     92

TestSuite(cage, .timeout = 120);

static void skip_where_there_is_none(void)
{
#ifdef BUILT_WITH_SANITIZERS
	cr_skip_test("the sanitizers make system calls of their own: there is no filter");
#endif
}

/* Runs `attempt` in the cage and returns how that process ended: ANSWERED, REFUSED, or minus the signal. */
static int try(void (*enter)(void), void (*attempt)(const long *arguments), const long *arguments)
{
	pid_t pid = fork();
	int status;

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		dup2(open("/dev/null", O_WRONLY), STDERR_FILENO); /* each denied call says a line */
		enter();
		attempt(arguments);
		_exit(ANSWERED);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void enter_running(void)
{
	const struct cage_gift nothing = {};
	struct error e;

	if (cage_enter(&nothing, &e) < 0 || cage_enter_running(4096, &e) < 0)
		_exit(ENTER_WRONG);
}

static void enter_inspector(void)
{
	const struct cage_gift nothing = {};
	struct error e;

	if (cage_enter(&nothing, &e) < 0 || cage_enter_inspector(&e) < 0)
		_exit(ENTER_WRONG);
}

static void call(const long *a)
{
	if (syscall(a[0], a[1], a[2], a[3], a[4], a[5], a[6]) < 0 && errno == ENOSYS)
		_exit(REFUSED);
}

/* A call with arguments that cannot do anything. Whether it got past the filter. */
static bool gets_through(void (*enter)(void), long number)
{
	const long arguments[7] = {number, -1, 0, 0, 0, 0, 0};
	int end = try(enter, call, arguments);

	cr_assert_neq(end, ENTER_WRONG, "the cage could not be entered");
	return end != -SIGSYS && end != REFUSED;
}

static bool is_listed(const struct filter_list *list, long number)
{
	for (size_t i = 0; i < list->n_calls; i++)
		if (list->calls[i] == number)
			return true;
	return false;
}

static void expect_only_the_list(void (*enter)(void), const struct filter_list *list)
{
	for (long number = 0; number < LAST_CALL; number++)
		if (number != URETPROBE && number != UPROBE && gets_through(enter, number))
			cr_expect(is_listed(list, number), "system call %ld is not denied", number);
}

Test(cage, denies_a_running_monitor_each_call_that_is_not_in_its_list)
{
	skip_where_there_is_none();
	expect_only_the_list(enter_running, &filter_run);
}

Test(cage, denies_an_inspector_each_call_that_is_not_in_its_list)
{
	skip_where_there_is_none();
	expect_only_the_list(enter_inspector, &filter_inspect);
}

Test(cage, leaves_a_running_monitor_no_more_calls_and_requests_than_promised)
{
	cr_expect_leq(filter_run.n_calls, CAGE_CALLS_MAX, "%zu system calls are left", filter_run.n_calls);
	cr_expect_leq(kvm_run_requests.n, CAGE_REQUESTS_MAX, "%zu requests of ioctl() are left", kvm_run_requests.n);
}

Test(cage, denies_the_calls_of_the_other_two_calling_conventions)
{
	const long x32[7] = {X32_BIT | __NR_close, -1};
	int status;
	pid_t pid;

	skip_where_there_is_none();
	cr_expect_eq(try(enter_running, call, x32), -SIGSYS);
	pid = fork();
	if (pid == 0) {
		long ret = 6; /* close() of i386 */

		enter_running();
		__asm__ volatile("int $0x80" : "+a"(ret) : "b"(-1) : "memory");
		_exit(ANSWERED);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFSIGNALED(status), "a system call of i386 was answered");
}

static bool is_left(uint32_t request)
{
	for (size_t i = 0; i < kvm_run_requests.n; i++)
		if (kvm_run_requests.numbers[i] == request)
			return true;
	return false;
}

Test(cage, denies_each_request_of_ioctl_that_is_not_in_the_list)
{
	static const long sizes[] = {0, 4, 8, 16, 32, 64};

	skip_where_there_is_none();
	for (long number = 0; number < 256; number++)
		for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
			uint32_t request = (uint32_t)_IOC(i ? _IOC_WRITE : _IOC_NONE, 0xAE, number, sizes[i]);
			const long arguments[7] = {__NR_ioctl, -1, request};

			if (!is_left(request))
				cr_expect_eq(try(enter_running, call, arguments), -SIGSYS, "0x%x is not denied", request);
		}
}

/* What somebody who has broken in would try that a list of numbers does not show. */
static const struct {
	const char *what;
	long arguments[7];
} escapes[] = {
	{"executable memory", {__NR_mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
	{"typing into hvmd's terminal", {__NR_ioctl, 0, TIOCSTI}},
	{"the same behind 32 bits that the kernel does not look at", {__NR_ioctl, 0, TIOCSTI | 1L << 32}},
	{"another core", {__NR_ioctl, 3, 0xAE41 /* KVM_CREATE_VCPU */}},
	{"a signal to the first process", {__NR_tgkill, 1, 1, SIGTERM}},
	{"a filter that answers for it", {__NR_seccomp, 1, 0, 0}},
	{"becoming root", {__NR_setuid, 0}},
	{"mounting", {__NR_mount, 0, 0, 0}},
	{"another namespace", {__NR_setns, 0, 0}},
};

Test(cage, denies_what_a_burglar_would_try)
{
	skip_where_there_is_none();
	for (size_t i = 0; i < ARRAY_SIZE(escapes); i++)
		cr_expect_eq(try(enter_running, call, escapes[i].arguments), -SIGSYS, "%s is not denied", escapes[i].what);
}

/* --- What is said about a call that somebody forgot to write down ------------------------------------------ */

Test(cage, names_the_call_that_it_does_not_allow)
{
	char line[256] = "", number[64];
	int ends[2], status;
	pid_t pid;

	skip_where_there_is_none();
	cr_assert_eq(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		dup2(ends[1], STDERR_FILENO);
		enter_inspector();
		syscall(__NR_accept4, -1, 0, 0, 0);
		_exit(ANSWERED);
	}
	close(ends[1]);
	cr_assert_geq(read(ends[0], line, sizeof(line) - 1), 0);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
	snprintf(number, sizeof(number), "the cage does not allow system call %d (", __NR_accept4);
	cr_expect(strstr(line, number), "%s", line);
}
