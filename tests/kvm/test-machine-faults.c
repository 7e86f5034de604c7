/*
 * test-machine-faults.c - a machine whose memory or whose KVM fails at any step is refused with a sentence, and nothing is left
 *
 * mmap() and ioctl() stand here in front of the C library's: the nth call fails. Each
 * trial is a process of its own. "L14": tests/data/loader-bugs.txt; the comm page is
 * one of what is mapped and given to KVM.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/macro.h"
#include "monitor/core.h"
#include "monitor/machine.h"
#include "monitor-client.h"

/* 1: the next call fails; 0: none does. */
static long mmaps_until, ioctls_until;

static bool is_due(long *until)
{
	return *until > 0 && --*until == 0;
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
	if (is_due(&mmaps_until)) {
		errno = ENOMEM;
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}

/* Those that take memory or make something: KVM refuses them when it has no more. */
static bool may_fail(unsigned long request)
{
	return request == KVM_SET_USER_MEMORY_REGION || request == KVM_CREATE_VM || request == KVM_CREATE_VCPU ||
		request == KVM_CREATE_IRQCHIP || request == KVM_SET_CPUID2;
}

int ioctl(int fd, unsigned long request, ...)
{
	unsigned long argument;
	va_list ap;

	va_start(ap, request);
	argument = va_arg(ap, unsigned long);
	va_end(ap);
	if (may_fail(request) && is_due(&ioctls_until)) {
		errno = ENOMEM;
		return -1;
	}
	return (int)syscall(SYS_ioctl, fd, request, argument);
}

static struct vm_spec *make_spec(void)
{
	struct vm_spec *spec = calloc(1, sizeof(*spec));

	spec->name = strdup("test");
	spec->memory = 64 * MiB;
	spec->cores = 2;
	spec->hybrid = true;
	spec->ros_cores = 1;
	spec->ros_memory = 4 * MiB;
	spec->files = calloc(1, sizeof(*spec->files));
	spec->n_files = 1;
	spec->files[0].id = strdup("hrt");
	spec->hrt_stack = SPEC_STACK_DEFAULT;
	return spec;
}

enum { REFUSED, BUILT, NO_SENTENCE };

static int count_descriptors(void)
{
	int n = 0;

	for (int fd = 0; fd < 64; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* In a process of its own. */
static int build_once(long mmaps, long ioctls)
{
	struct machine_fds fds = {.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), .logs = {-1, -1}};
	struct machine *machine = NULL;
	struct error e = {};
	int r, before;

	for (size_t i = 0; i < SPEC_FILES_MAX; i++)
		fds.files[i] = -1;
	fds.logs[PARTITION_HRT] = memfd_create("log", MFD_CLOEXEC);
	fds.files[0] = monitor_open_image("reference.elf");
	before = count_descriptors() - 3;
	core_setup_signal();
	mmaps_until = mmaps;
	ioctls_until = ioctls;
	r = machine_new(make_spec(), &fds, &machine, &e);
	mmaps_until = ioctls_until = 0;
	machine_free(machine);
	if (r == 0)
		return BUILT;
	if (count_descriptors() != before)
		fprintf(stderr, "%d descriptors are left behind\n", count_descriptors() - before);
	return e.text[0] && count_descriptors() == before ? REFUSED : NO_SENTENCE;
}

static int trial(long mmaps, long ioctls)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		exit(build_once(mmaps, ioctls));
	waitpid(pid, &status, 0);
	cr_assert(WIFEXITED(status), "mmap %ld, ioctl %ld: signal %d", mmaps, ioctls, WTERMSIG(status));
	cr_assert_neq(WEXITSTATUS(status), NO_SENTENCE, "mmap %ld, ioctl %ld", mmaps, ioctls);
	return WEXITSTATUS(status);
}

Test(machine_faults, of_memory_at_each_mapping_are_refusals_L14, .timeout = 120)
{
	long n = 1;

	if (monitor_unusable())
		cr_skip_test("%s", monitor_unusable());
	while (trial(n, 0) == REFUSED)
		n++;
	cr_expect_gt(n, 4, "of RAM, of the ROS's, of the HRT's and the comm page are four");
}

Test(machine_faults, of_kvm_at_each_request_are_refusals_L14, .timeout = 120)
{
	long n = 1;

	if (monitor_unusable())
		cr_skip_test("%s", monitor_unusable());
	while (trial(0, n) == REFUSED)
		n++;
	cr_expect_gt(n, 2 + 2 + 5, "two machines, two cores, three mappings of the HRT and two of the ROS");
}
