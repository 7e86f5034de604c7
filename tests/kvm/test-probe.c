/*
 * test-probe.c - what can still be done from inside the cage of a real monitor whose guest runs (R12)
 *
 * Its threads are taken over with ptrace(2) as somebody would take them over who has broken out of KVM: each attempt is
 * made by the monitor itself, with its filters, its namespaces and its descriptors. A call that is denied
 * raises SIGSYS, which is caught here before its handler ends the monitor.
 */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macro.h"
#include "kvm/kvm.h"
#include "monitor-client.h"
#include "monitor/cage.h"
#include "monitor/filter.h"

#define LAST_CALL 600  /* no x86-64 Linux has as many */
#define URETPROBE 335  /* newer kernels let no filter see these two, and refuse them to all but their own probes */
#define UPROBE    336
#define X32_BIT   0x40000000
#define KVM_TYPE  0xAE /* of requests */

static struct monitor_client client = {.link = -1, .log = -1};

static void stop_all(void)
{
	monitor_fini(&client);
}

TestSuite(probe, .fini = stop_all, .timeout = 240);

static const struct test_machine machine = {
	.image = "reference.elf", .memory_mib = 64, .ros_mib = 4, .cores = 3, .ros_cores = 1};

static void start(void)
{
	const char *unusable = monitor_unusable();
	struct error e = {};
	int r;

	if (unusable)
		cr_skip_test("%s", unusable);
#ifdef BUILT_WITH_SANITIZERS
	cr_skip_test("the sanitizers make system calls of their own: there is no filter");
#endif
	r = monitor_spawn(&client, &e);
	if (r == 0)
		r = monitor_setup(&client, &machine, &e);
	if (r == 0)
		r = monitor_request(&client, LINK_START, NULL, 0, -1, &e);
	cr_assert_eq(r, 0, "%s", error_text(&e, r));
	cr_assert(monitor_wait_text(&client, "0 broken\n", 1, 60000));
}

/* --- A thread that has been taken over --------------------------------------------------------------------- */

struct captive {
	pid_t tid;
	struct user_regs_struct before;
	uint64_t gate; /* address of a syscall instruction */
};

static int wait_for(pid_t tid)
{
	int status;

	cr_assert_eq(waitpid(tid, &status, __WALL), tid);
	return status;
}

/* A syscall instruction somewhere in the monitor's code; 0: there is none between these addresses. */
static uint64_t find_gate(int memory, uint64_t from, uint64_t to)
{
	static uint8_t page[4096];

	for (; from < to; from += sizeof(page)) {
		ssize_t n = pread(memory, page, sizeof(page), (off_t)from);

		for (ssize_t i = 0; i + 1 < n; i++)
			if (page[i] == 0x0f && page[i + 1] == 0x05)
				return from + (uint64_t)i;
	}
	return 0;
}

static uint64_t gate_of_monitor(void)
{
	char path[64], line[512], access[8];
	uint64_t from, to, gate = 0;
	FILE *maps;
	int memory;

	snprintf(path, sizeof(path), "/proc/%d/mem", (int)client.pid);
	memory = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/%d/maps", (int)client.pid);
	maps = fopen(path, "re");
	cr_assert(memory >= 0 && maps);
	while (gate == 0 && fgets(line, sizeof(line), maps))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, access) == 3 && strcmp(access, "r-xp") == 0)
			gate = find_gate(memory, from, to);
	fclose(maps);
	close(memory);
	cr_assert_neq(gate, 0);
	return gate;
}

static void take(struct captive *c, pid_t tid)
{
	int status;

	*c = (struct captive){.tid = tid};
	if (ptrace(PTRACE_SEIZE, tid, NULL, NULL) < 0)
		cr_skip_test("this host lets nobody look into a process: %s", strerror(errno));
	cr_assert_eq(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL), 0);
	status = wait_for(tid);
	cr_assert(WIFSTOPPED(status));
	cr_assert_eq(ptrace(PTRACE_GETREGS, tid, NULL, &c->before), 0);
	c->gate = gate_of_monitor();
}

enum answer {
	DENIED, /* SIGSYS, or ENOSYS of the filter's */
	ANSWERED,
	ENDED,  /* it is gone */
};

/* The next stop of the thread, and its registers then: the signal, or 0 when it has ended. */
static int resume(const struct captive *c, struct user_regs_struct *regs)
{
	int status;

	cr_assert_eq(ptrace(PTRACE_SINGLESTEP, c->tid, NULL, NULL), 0);
	status = wait_for(c->tid);
	if (!WIFSTOPPED(status))
		return 0;
	cr_assert_eq(ptrace(PTRACE_GETREGS, c->tid, NULL, regs), 0);
	return WSTOPSIG(status);
}

static bool is_pending(const struct captive *c, int number)
{
	struct __ptrace_peeksiginfo_args which = {.nr = 8};
	siginfo_t infos[8];
	long n = ptrace(PTRACE_PEEKSIGINFO, c->tid, &which, infos);

	for (long i = 0; i < n; i++)
		if (infos[i].si_signo == number)
			return true;
	return false;
}

/*
 * Has the thread execute the instruction at the gate with these registers. What is denied raises SIGSYS; of the end
 * of a step we may hear before that or after, and other signals may come between.
 */
static enum answer step(const struct captive *c, const struct user_regs_struct *regs, long *ret)
{
	struct user_regs_struct after = *regs;
	int number;

	cr_assert_eq(ptrace(PTRACE_SETREGS, c->tid, NULL, regs), 0);
	do
		number = resume(c, &after);
	while (number > 0 && number != SIGSYS && (after.rip == c->gate || is_pending(c, SIGSYS)));
	if (number == 0)
		return ENDED;
	if (number == SIGSYS)
		return DENIED;
	*ret = (long)after.rax;
	return *ret == -ENOSYS ? DENIED : ANSWERED;
}

static enum answer try(const struct captive *c, const long a[7], long *ret)
{
	struct user_regs_struct regs = c->before;

	regs.orig_rax = (unsigned long long)-1; /* what it was interrupted in is not begun again */
	regs.rip = c->gate;
	regs.rax = (unsigned long long)a[0];
	regs.rdi = (unsigned long long)a[1];
	regs.rsi = (unsigned long long)a[2];
	regs.rdx = (unsigned long long)a[3];
	regs.r10 = (unsigned long long)a[4];
	regs.r8 = (unsigned long long)a[5];
	regs.r9 = (unsigned long long)a[6];
	return step(c, &regs, ret);
}

/* The call that it was interrupted in begins again, as if nothing had been. */
static void release(const struct captive *c)
{
	struct user_regs_struct regs = c->before;

	regs.orig_rax = (unsigned long long)-1;
	regs.rax = (unsigned long long)-EINTR;
	cr_assert_eq(ptrace(PTRACE_SETREGS, c->tid, NULL, &regs), 0);
	cr_assert_eq(ptrace(PTRACE_DETACH, c->tid, NULL, NULL), 0);
}

static bool is_core(const char *tid)
{
	char path[320], name[16] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%s/comm", (int)client.pid, tid);
	f = fopen(path, "re");
	if (f && !fgets(name, sizeof(name), f))
		name[0] = '\0';
	if (f)
		fclose(f);
	return strncmp(name, "core ", 5) == 0;
}

static pid_t thread_of_a_core(void)
{
	char path[64];
	pid_t tid = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", (int)client.pid);
	dir = opendir(path);
	cr_assert(dir);
	for (struct dirent *entry; (entry = readdir(dir));)
		if (is_core(entry->d_name))
			tid = atoi(entry->d_name);
	closedir(dir);
	cr_assert_gt(tid, 0);
	return tid;
}

/* --- Attempts ---------------------------------------------------------------------------------------------- */

static bool is_listed(long number)
{
	for (size_t i = 0; i < filter_run.n_calls; i++)
		if (filter_run.calls[i] == number)
			return true;
	return false;
}

static void expect_denied(const struct captive *c, const long a[7], const char *what)
{
	long ret = 0;
	enum answer answer = try(c, a, &ret);

	cr_expect_eq(answer, DENIED, "%s (call %ld): %s, %ld", what, a[0], answer == ENDED ? "it ended" : "answered", ret);
}

static unsigned try_all_numbers(const struct captive *c)
{
	unsigned n = 0;

	for (long number = 0; number < LAST_CALL; number++) {
		const long call[7] = {number, -1}, x32[7] = {number | X32_BIT, -1};

		expect_denied(c, x32, "a call of the x32 ABI");
		if (number == URETPROBE || number == UPROBE || is_listed(number))
			continue;
		expect_denied(c, call, "what is in no list");
		n++;
	}
	return n;
}

static bool is_left(uint32_t request)
{
	for (size_t i = 0; i < kvm_run_requests.n; i++)
		if (kvm_run_requests.numbers[i] == request)
			return true;
	return false;
}

static void try_all_requests(const struct captive *c)
{
	static const unsigned sizes[] = {0, 4, 8, 16, 32, 64, 128, 256};
	static const unsigned directions[] = {_IOC_NONE, _IOC_WRITE, _IOC_READ, _IOC_READ | _IOC_WRITE};

	for (unsigned number = 0; number < 256; number++)
		for (size_t i = 0; i < ARRAY_SIZE(sizes) * ARRAY_SIZE(directions); i++) {
			uint32_t request = _IOC(directions[i % 4], KVM_TYPE, number, sizes[i / 4]);
			const long call[7] = {__NR_ioctl, -1, request};

			if (!is_left(request))
				expect_denied(c, call, "a request of ioctl()");
		}
}

/* What somebody who has broken out would try first. */
static const struct {
	const char *what;
	long call[7];
} escapes[] = {
	{"opening the root folder", {__NR_openat, AT_FDCWD, 0, O_RDONLY}},
	{"opening by handle", {__NR_open_by_handle_at, AT_FDCWD, 0, 0}},
	{"a program of its own", {__NR_execveat, -1, 0, 0, 0, 0}},
	{"a network socket", {__NR_socket, 2, 1, 0}},
	{"connecting to hvmd's bus", {__NR_connect, 3, 0, 0}},
	{"a process of its own", {__NR_clone, SIGCHLD, 0, 0, 0, 0}},
	{"a process by clone3()", {__NR_clone3, 0, 0}},
	{"a thread in another user namespace", {__NR_clone, CLONE_NEWUSER | CLONE_THREAD, 0, 0, 0, 0}},
	{"looking into hvmd", {__NR_ptrace, PTRACE_ATTACH, 1, 0, 0}},
	{"reading hvmd's memory", {__NR_process_vm_readv, 1, 0, 0, 0, 0, 0}},
	{"taking a descriptor of hvmd's", {__NR_pidfd_getfd, 3, 0, 0}},
	{"a signal to hvmd", {__NR_kill, -1, SIGTERM}},
	{"a signal to a thread of somebody else", {__NR_tgkill, 2, 2, SIGTERM}},
	{"executable memory", {__NR_mmap, 0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1}},
	{"memory made executable", {__NR_mprotect, 0, 4096, PROT_READ | PROT_EXEC}},
	{"the same with a key", {__NR_pkey_mprotect, 0, 4096, PROT_READ | PROT_EXEC, -1}},
	{"executable by personality", {__NR_personality, 0x0400000}},
	{"typing into hvmd's terminal", {__NR_ioctl, 0, TIOCSTI}},
	{"the same behind 32 bits that the kernel does not look at", {__NR_ioctl, 0, TIOCSTI | 1L << 32}},
	{"pasting there", {__NR_ioctl, 0, 0x541C /* TIOCLINUX */}},
	{"another machine", {__NR_ioctl, 3, _IO(KVM_TYPE, 0x01)}},
	{"a device of the host for the machine", {__NR_ioctl, 3, _IOWR(KVM_TYPE, 0xe0, char[12])}},
	{"another core", {__NR_ioctl, 3, 0xAE41 /* KVM_CREATE_VCPU */}},
	{"another namespace", {__NR_setns, 3, 0}},
	{"namespaces of its own", {__NR_unshare, CLONE_NEWUSER}},
	{"mounting", {__NR_mount, 0, 0, 0, 0, 0}},
	{"moving the root", {__NR_pivot_root, 0, 0}},
	{"another root", {__NR_chroot, 0}},
	{"becoming root", {__NR_setresuid, 0, 0, 0}},
	{"capabilities", {__NR_capset, 0, 0}},
	{"no longer no_new_privs", {__NR_prctl, 38, 0, 0, 0, 0}},
	{"being dumped", {__NR_prctl, 4, 1, 0, 0, 0}},
	{"a filter that answers for it", {__NR_seccomp, 1, 0, 0}},
	{"higher limits", {__NR_prlimit64, 0, 0, 0, 0}},
	{"io_uring", {__NR_io_uring_setup, 8, 0}},
	{"a program for the kernel", {__NR_bpf, 0, 0, 0}},
	{"counters of the kernel", {__NR_perf_event_open, 0, 0, -1, -1, 0}},
	{"faults to be answered by itself", {__NR_userfaultfd, 0}},
	{"keys", {__NR_keyctl, 0, 0, 0, 0, 0}},
	{"a module of the kernel", {__NR_finit_module, 3, 0, 0}},
	{"another kernel", {__NR_kexec_load, 0, 0, 0, 0}},
	{"a file without a name", {__NR_memfd_create, 0, 0}},
};

Test(probe, no_call_but_those_of_the_list_gets_through)
{
	struct captive c;

	start();
	take(&c, client.pid);
	cr_expect_geq(try_all_numbers(&c), LAST_CALL - 2 - CAGE_CALLS_MAX);
	release(&c);
	cr_expect_gt(monitor_telemetry(&client, "vm.console_bytes", 0), 0, "and it runs on");
}

Test(probe, no_call_gets_through_from_the_thread_of_a_core)
{
	struct captive c;

	start();
	take(&c, thread_of_a_core());
	try_all_numbers(&c);
	release(&c);
}

Test(probe, no_request_but_those_of_the_list_gets_through)
{
	struct captive c;

	start();
	take(&c, client.pid);
	try_all_requests(&c);
	release(&c);
}

Test(probe, no_escape_gets_through)
{
	struct captive c;

	start();
	take(&c, client.pid);
	for (size_t i = 0; i < ARRAY_SIZE(escapes); i++)
		expect_denied(&c, escapes[i].call, escapes[i].what);
	release(&c);
	cr_expect_gt(monitor_telemetry(&client, "vm.console_bytes", 0), 0, "and it runs on");
}

/* close(-1), as a program for i386 would call it: that is the end. */
Test(probe, a_call_of_i386_ends_the_monitor)
{
	struct user_regs_struct regs;
	struct captive c;
	long ret, code;

	start();
	take(&c, client.pid);
	regs = c.before;
	code = ptrace(PTRACE_PEEKTEXT, c.tid, (void *)c.gate, NULL);
	cr_assert_eq(ptrace(PTRACE_POKETEXT, c.tid, (void *)c.gate, (void *)((code & ~0xffffl) | 0x80cd)), 0);
	regs.orig_rax = (unsigned long long)-1;
	regs.rip = c.gate;
	regs.rax = 6;
	regs.rbx = (unsigned long long)-1;
	cr_expect_eq(step(&c, &regs, &ret), ENDED);
	client.pid = 0; /* reaped */
}
