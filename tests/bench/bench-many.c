/*
 * bench-many.c - a hundred starts at once (P20), and the end of one VM (P21)
 *
 * A hvmd with real monitors. The floor of both is a process of our own that makes the smallest machine there is, says
 * so when its guest has run, and waits for its end: this program, executed anew with --floor.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "daemon.h"

#define VMS_MAX    100u
#define MEMORY     (64u << 20) /* bytes, of a floor and of a VM */
#define CODE_GPA   0x1000u
#define SAY_PORT   0x80
#define TOUCHED_US 31 /* a MiB that a guest has touched: what the kernel needs to free it */

static unsigned n_vms = VMS_MAX, rounds = 5, ends = 51;

/* --- The floor -------------------------------------------------------------- */

static void must(long r, const char *what)
{
	if (r < 0)
		bench_fail("floor: %s: %s", what, strerror(errno));
}

static int make_core(int kvm, int vm, struct kvm_run **ret_area)
{
	struct kvm_regs regs = {.rip = CODE_GPA, .rflags = 2};
	int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	struct kvm_sregs sregs;

	must(vcpu, "KVM_CREATE_VCPU");
	*ret_area = mmap(NULL, (size_t)ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	must(*ret_area == MAP_FAILED ? -1 : 0, "the run area");
	must(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = sregs.cs.selector = 0;
	must(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	return vcpu;
}

/* A guest that writes to a port; then this process says so and waits. */
static int be_floor(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), vm = ioctl(kvm, KVM_CREATE_VM, 0), vcpu;
	struct kvm_userspace_memory_region region = {.memory_size = MEMORY};
	uint8_t *memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct kvm_run *area;

	must(vm, "KVM_CREATE_VM");
	region.userspace_addr = (uintptr_t)memory;
	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
	memcpy(memory + CODE_GPA, (uint8_t[]){0xE6, SAY_PORT, 0xF4}, 3); /* out %al, the port; hlt */
	vcpu = make_core(kvm, vm, &area);
	must(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
	if (area->exit_reason != KVM_EXIT_IO || write(STDOUT_FILENO, "!", 1) != 1)
		bench_fail("floor: the guest ended with exit %u", area->exit_reason);
	for (;;)
		pause();
}

struct floor {
	pid_t pid;
	int out;
};

static struct floor floor_start(void)
{
	const char *const argv[] = {"/proc/self/exe", "--floor", NULL};
	posix_spawn_file_actions_t actions;
	struct floor f;
	int out[2];

	if (pipe2(out, O_CLOEXEC) < 0)
		bench_fail("a pipe: %s", strerror(errno));
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
	if (posix_spawn(&f.pid, argv[0], &actions, NULL, (char *const *)argv, environ) != 0)
		bench_fail("the floor does not start");
	posix_spawn_file_actions_destroy(&actions);
	close(out[1]);
	f.out = out[0];
	return f;
}

static void floor_wait(const struct floor *f)
{
	char byte;

	if (read(f->out, &byte, 1) != 1)
		bench_fail("the floor has ended without a word");
}

static void floor_end(struct floor *f)
{
	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
	close(f->out);
}

/* --- A hundred at once --------------------------------------------------------- */

static const char *vm_name(unsigned i)
{
	static char name[16];

	snprintf(name, sizeof(name), "vm%u", i);
	return name;
}

static void define_vms(void)
{
	char text[512];
	int fd = open(bench_build_path("examples/guests/reference.elf"), O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		bench_fail("%s: %s", bench_build_path("examples/guests/reference.elf"), strerror(errno));
	for (unsigned i = 0; i < n_vms; i++) {
		snprintf(text, sizeof(text),
			"<vm name=\"%s\" class=\"PC\"><memory>64</memory><cores count=\"2\"/>"
			"<files><file id=\"hrt\" filename=\"reference.elf\"/></files>"
			"<hvm enable=\"y\"><ros cores=\"1\" mem=\"4\"/><hrt file_id=\"hrt\" cmdline=\"mode=park\" hypercall=\"port\"/></hvm></vm>",
			vm_name(i));
		bench_call(NULL, "DefineVM", "sa{sh}t", text, 1, "hrt", fd, (uint64_t)0);
	}
	close(fd);
}

/* From the first spawn until all guests have run. */
static double start_floors(void *userdata)
{
	struct floor floors[VMS_MAX];
	double begin = bench_now(), took;

	(void)userdata;
	for (unsigned i = 0; i < n_vms; i++)
		floors[i] = floor_start();
	for (unsigned i = 0; i < n_vms; i++)
		floor_wait(&floors[i]);
	took = bench_now() - begin;
	for (unsigned i = 0; i < n_vms; i++)
		floor_end(&floors[i]);
	return took;
}

static unsigned n_answers, n_failures;

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	(void)userdata, (void)error;
	n_answers++;
	if (sd_bus_message_is_method_error(m, NULL)) {
		printf("StartVM fails: %s\n", sd_bus_message_get_error(m)->message);
		n_failures++;
	}
	return 0;
}

static void ask_to_start(const char *name)
{
	if (sd_bus_call_method_async(bench_daemon.bus, NULL, "org.hvmd1", MANAGER, "StartVM", on_answer, NULL, "st", name,
		    (uint64_t)0) < 0)
		bench_fail("StartVM of %s cannot be sent", name);
}

/* From the first call until all are answered, that is until their cores run. */
static double start_vms(void *userdata)
{
	double begin = bench_now(), took;

	(void)userdata;
	n_answers = 0;
	for (unsigned i = 0; i < n_vms; i++)
		ask_to_start(vm_name(i));
	while (n_answers < n_vms)
		if (sd_bus_process(bench_daemon.bus, NULL) == 0)
			sd_bus_wait(bench_daemon.bus, UINT64_MAX);
	took = bench_now() - begin;
	for (unsigned i = 0; i < n_vms; i++)
		bench_call(NULL, "TerminateVM", "s", vm_name(i));
	return took;
}

static void bench_starts(void)
{
	static struct bench_row rows[] = {
		{.name = "floor: as many processes with a machine", .run = start_floors},
		{.name = "StartVM of all at once", .run = start_vms},
	};

	printf("\nStarting %u VMs at once\n", n_vms);
	bench_run(rows, 2, rounds);
	bench_print(rows, 2, rounds);
	printf("%.0f starts a second, the floor has %.0f\n", n_vms / bench_quantile(rows[1].usec, rounds, 0.5) * 1e6,
		n_vms / bench_quantile(rows[0].usec, rounds, 0.5) * 1e6);
	bench_judge("P20", "starts at once / floor", bench_ratio(&rows[1], &rows[0], rounds), "x", 1 / 0.4,
		bench_is_steady(&rows[0], rounds));
	bench_judge("P20", "of them failed", n_failures, "", 0, true);
}

/* --- The end of one --------------------------------------------------------------- */

static double end_floor(void *userdata)
{
	struct floor f = floor_start();
	double begin;

	(void)userdata;
	floor_wait(&f);
	begin = bench_now();
	floor_end(&f);
	return bench_now() - begin;
}

static double timed_end(const char *method, const char *types)
{
	double begin;

	bench_call(NULL, "StartVM", "st", vm_name(0), (uint64_t)0);
	begin = bench_now();
	bench_call(NULL, method, types, vm_name(0), (uint64_t)0, (uint64_t)0);
	return bench_now() - begin;
}

static double terminate(void *userdata)
{
	(void)userdata;
	return timed_end("TerminateVM", "s");
}

static double shut_down(void *userdata)
{
	(void)userdata;
	return timed_end("ShutdownVM", "stt");
}

static double call_nothing(void *userdata)
{
	double begin = bench_now();

	(void)userdata;
	bench_call(NULL, "GetVM", "s", vm_name(0));
	return bench_now() - begin;
}

static void bench_ends(void)
{
	static struct bench_row rows[] = {
		{.name = "floor: kill a process with a machine, reap it", .run = end_floor},
		{.name = "GetVM, for what a call costs", .run = call_nothing},
		{.name = "TerminateVM", .run = terminate},
		{.name = "ShutdownVM", .run = shut_down},
	};
	bool steady;

	printf("\nEnding a VM; its guest has touched less than 1 MiB (%d us)\n", TOUCHED_US);
	bench_run(rows, 4, ends);
	bench_print(rows, 4, ends);
	steady = bench_is_steady(&rows[0], ends);
	bench_judge("P21", "TerminateVM / floor", bench_ratio(&rows[2], &rows[0], ends), "x", 3, steady);
	bench_judge("P21", "ShutdownVM / floor", bench_ratio(&rows[3], &rows[0], ends), "x", 3, steady);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--floor") == 0)
		return be_floor();
	if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
		n_vms = 3;
		rounds = ends = 3;
	}
	bench_print_machine();
	bench_daemon_start("hvm-monitor", "/dev/kvm");
	define_vms();
	bench_starts();
	bench_ends();
	return 0;
}
