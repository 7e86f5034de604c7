/*
 * filter.c - see filter.h
 *
 * Some calls are allowed with some arguments only: memory is never executable,
 * signals go to our own threads, what is started is a thread. Two are answered
 * with ENOSYS, at which the C library takes another way: clone3(), whose
 * arguments a filter cannot see, and mremap(), which is only malloc()'s.
 */
#include "monitor/filter.h"

#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cage-calls.h"
#include "base/error.h"
#include "base/io.h"
#include "base/log.h"
#include "base/macro.h"
#include "kvm/kvm.h"

#define CALL(name) __NR_##name,

static const int build_calls[] = {CAGE_BUILD_CALLS(CALL)};
static const int run_calls[] = {CAGE_RUN_CALLS(CALL)};
static const int inspect_calls[] = {CAGE_INSPECT_CALLS(CALL)};

const struct filter_list filter_build = {
	.calls = build_calls, .n_calls = ARRAY_SIZE(build_calls), .requests = &kvm_build_requests,
};

const struct filter_list filter_run = {
	.calls = run_calls, .n_calls = ARRAY_SIZE(run_calls), .requests = &kvm_run_requests,
};

const struct filter_list filter_inspect = {.calls = inspect_calls, .n_calls = ARRAY_SIZE(inspect_calls)};

/* execve() is in no list, so the filter ends us here: this signal is blocked while it is handled. */
static void on_denied_call(int number, siginfo_t *info, void *context)
{
	char line[160];
	int n = snprintf(line, sizeof(line), "%shvm-monitor: the cage does not allow system call %d (at %p); see cage.h\n",
		log_to_journal() ? "<3>" : "", info->si_syscall, info->si_call_addr);

	(void)number, (void)context;
	write_full(STDERR_FILENO, line, (size_t)n);
	syscall(__NR_execve, NULL, NULL, NULL);
}

void filter_setup(void)
{
	struct sigaction action = {.sa_sigaction = on_denied_call, .sa_flags = SA_SIGINFO};

	sigaction(SIGSYS, &action, NULL);
}

#define FILTER_MAX 512u

struct program {
	struct sock_filter code[FILTER_MAX];
	unsigned short n;
};

static void add(struct program *p, struct sock_filter instruction)
{
	if (p->n < FILTER_MAX)
		p->code[p->n] = instruction;
	p->n++;
}

#define ADD_LOAD(p, field)                                                                                     \
	add(p, (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field)))
#define ADD_RETURN(p, value) add(p, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, value))
/* The next instruction counts only if the word equals `value` (or has none of the bits, or has one). */
#define ADD_IF_EQUAL(p, value) add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1))
#define ADD_IF_SET(p, bits)    add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 0, 1))
#define ADD_IF_CLEAR(p, bits)  add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits, 1, 0))

static void add_condition(struct program *p, int call, const struct filter_list *list)
{
	switch (call) {
	case __NR_ioctl: /* the kernel looks at 32 bits of the number */
		ADD_LOAD(p, args[1]);
		for (size_t i = 0; list->requests && i < list->requests->n; i++) {
			ADD_IF_EQUAL(p, list->requests->numbers[i]);
			ADD_RETURN(p, SECCOMP_RET_ALLOW);
		}
		break;
	case __NR_mmap:
	case __NR_mprotect:
		ADD_LOAD(p, args[2]);
		ADD_IF_CLEAR(p, PROT_EXEC);
		ADD_RETURN(p, SECCOMP_RET_ALLOW);
		break;
	case __NR_tgkill:
		ADD_LOAD(p, args[0]);
		ADD_IF_EQUAL(p, (unsigned)getpid());
		ADD_RETURN(p, SECCOMP_RET_ALLOW);
		break;
	case __NR_clone:
		ADD_LOAD(p, args[0]);
		ADD_IF_SET(p, CLONE_THREAD);
		ADD_RETURN(p, SECCOMP_RET_ALLOW);
		break;
	case __NR_prctl:
		ADD_LOAD(p, args[0]);
		ADD_IF_EQUAL(p, PR_SET_NAME);
		ADD_RETURN(p, SECCOMP_RET_ALLOW);
		break;
	default:
		ADD_RETURN(p, SECCOMP_RET_ALLOW);
	}
	ADD_RETURN(p, SECCOMP_RET_TRAP);
}

/* Where it is this call, what follows decides. */
static void add_call(struct program *p, int call, const struct filter_list *list)
{
	unsigned short at = p->n, end;

	add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)call, 0, 0));
	add_condition(p, call, list);
	end = p->n;
	if (end <= FILTER_MAX && end - at - 1 <= UINT8_MAX)
		p->code[at].jf = (uint8_t)(end - at - 1);
	else
		p->n = UINT16_MAX; /* too long: filter_enter() says so */
}

static void build_program(struct program *p, const struct filter_list *list)
{
	ADD_LOAD(p, arch);
	add(p, (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0));
	ADD_RETURN(p, SECCOMP_RET_KILL_PROCESS);
	ADD_LOAD(p, nr);
	for (size_t i = 0; i < list->n_calls && p->n < FILTER_MAX; i++)
		add_call(p, list->calls[i], list);
	for (const int *call = (const int[]){__NR_clone3, __NR_mremap, -1}; *call >= 0; call++) {
		ADD_IF_EQUAL(p, (unsigned)*call);
		ADD_RETURN(p, SECCOMP_RET_ERRNO | ENOSYS);
	}
	ADD_RETURN(p, SECCOMP_RET_TRAP);
}

int filter_enter(const struct filter_list *list, struct error *e)
{
	struct program p = {};
	struct sock_fprog program = {.filter = p.code};

	build_program(&p, list);
	if (p.n > FILTER_MAX)
		return error_set(e, -E2BIG, "the filter of system calls has more than %u instructions", FILTER_MAX);
	program.len = p.n;
	if (syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC, &program) != 0) /* cage(build): seccomp */
		return error_set_errno(e, -errno, "filtering system calls");
	return 0;
}
