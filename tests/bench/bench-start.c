/*
 * bench-start.c - what a start and a reset cost in a monitor, and what it is made of (P3, P4, P5, P7, P8, P11, P15)
 *
 * Monitors without hvmd, over a link of our own. Where a figure compares two of our own, the smaller is its floor.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/hrt.h"
#include "base/macro.h"
#include "bench.h"
#include "daemon.h"
#include "floor.h"
#include "guest/boot.h"
#include "guest/memory.h"
#include "large-image.h"
#include "monitor-client.h"
#include "monitor/measure.h"
#include "monitor/prepare.h"

static unsigned rounds = 101;
static struct monitor_client client = {.link = -1, .log = -1};

static void must(int r, const struct error *e)
{
	if (r < 0)
		bench_fail("%s", error_text(e, r));
}

/* --- Starting ------------------------------------------------------------------- */

static struct test_machine machine_of(uint32_t memory_mib, int image)
{
	return (struct test_machine){.image = "", .image_fd = image, .memory_mib = memory_mib, .ros_mib = 4, .cores = 2,
		.ros_cores = 1, .searched = true};
}

static void start(const struct test_machine *machine)
{
	struct error e = {};

	must(monitor_spawn(&client, &e), &e);
	must(monitor_setup(&client, machine, &e), &e);
	must(monitor_request(&client, LINK_START, NULL, 0, -1, &e), &e);
}

static void stop(void)
{
	struct error e = {};

	must(monitor_request(&client, LINK_STOP, NULL, 0, -1, &e), &e);
	monitor_wait_end(&client, 5000);
	monitor_fini(&client);
}

/* From the spawn of a monitor until it answers that its cores run. */
static double time_start(void *userdata)
{
	double begin = bench_now(), took;

	start(userdata);
	took = bench_now() - begin;
	stop();
	return took;
}

static void judge_ratio(const char *id, const char *what, struct bench_row *row, struct bench_row *floor, double goal)
{
	bench_judge(id, what, bench_ratio(row, floor, rounds), "x", goal, bench_is_steady(floor, rounds));
}

static void bench_starts(void)
{
	struct test_machine small = machine_of(64, large_image(0x2000, true, false));
	struct test_machine large = machine_of(64, large_image(16 * MiB, true, false));
	struct test_machine unsealed = machine_of(64, large_image(16 * MiB, false, false));
	struct test_machine two = machine_of(2048, small.image_fd), eight = machine_of(8192, small.image_fd);
	static struct bench_row rows[5];

	rows[0] = (struct bench_row){.name = "64 MiB, an image of 4 KiB", .run = time_start, .userdata = &small};
	rows[1] = (struct bench_row){.name = "64 MiB, an image of 16 MiB, mapped", .run = time_start, .userdata = &large};
	rows[2] = (struct bench_row){.name = "64 MiB, an image of 16 MiB, read", .run = time_start, .userdata = &unsealed};
	rows[3] = (struct bench_row){.name = "2 GiB, an image of 4 KiB", .run = time_start, .userdata = &two};
	rows[4] = (struct bench_row){.name = "8 GiB, an image of 4 KiB", .run = time_start, .userdata = &eight};
	bench_run(rows, 5, rounds);
	printf("\nStarting a monitor until its cores run\n");
	bench_print(rows, 5, rounds);
	judge_ratio("P3", "16 MiB of image / 4 KiB", &rows[1], &rows[0], 1.2);
	judge_ratio("P4", "2 GiB of RAM / 64 MiB", &rows[3], &rows[0], 1.4);
	judge_ratio("P4", "8 GiB of RAM / 64 MiB", &rows[4], &rows[0], 2.2);
}

/* --- Plan and boot state, in this process ------------------------------------------- */

struct state {
	struct vm_spec spec;
	struct spec_file file;
	struct guest_file image;
	struct prepared prepared;
};

static double time_state(void *userdata)
{
	static const struct hrt_processor usual = {.gigabyte_pages = true};
	struct state *s = userdata;
	const struct plan *plan = &s->prepared.plan;
	struct memory memory = {};
	struct error e = {};
	double begin = bench_now(), took;
	uint64_t size;
	void *host;

	must(prepare(&s->spec, &s->image, &usual, &s->prepared, &e), &e);
	size = plan->end - plan->stacks;
	host = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	memory_add(&memory, plan->stacks, size, host);
	must(boot_write_state(plan, &s->prepared.hrt, 2000000, &memory, &e), &e);
	took = bench_now() - begin;
	munmap(host, size);
	return took;
}

static double time_measure(void *userdata)
{
	struct state *s = userdata;
	struct measure *measure;
	struct error e = {};
	double begin = bench_now();

	must(measure_new(&s->spec, &s->image, &measure, &e), &e);
	measure_free(measure);
	return bench_now() - begin;
}

static void bench_state(void)
{
	static struct state s = {.file = {.id = (char *)"hrt", .stored = true},
		.spec = {.name = (char *)"bench", .memory = 64 * MiB, .cores = 2, .hybrid = true, .ros_cores = 1, .ros_memory = 4 * MiB,
			.n_files = 1, .hrt_stack = SPEC_STACK_DEFAULT}};
	static struct bench_row rows[] = {
		{.name = "plan and boot state", .run = time_state, .userdata = &s},
		{.name = "the launch digest, once the guest runs", .run = time_measure, .userdata = &s},
	};
	int fd = large_image(0x2000, false, false);

	s.spec.files = &s.file;
	s.image = (struct guest_file){.size = 0x2000, .data = mmap(NULL, 0x2000, PROT_READ, MAP_PRIVATE, fd, 0)};
	bench_run(rows, 2, rounds);
	printf("\nWhat a start makes, beyond the copy of the image\n");
	bench_print(rows, 2, rounds);
	bench_judge("4", "plan and boot state", bench_quantile(rows[0].usec, rounds, 0.5), " us", 200, true);
}

/* --- Resets ---------------------------------------------------------------------------- */

static unsigned n_pages, n_dirtied;

static double time_reset(void *userdata)
{
	uint8_t scope = LINK_SCOPE_HRT;
	struct error e = {};

	(void)userdata;
	if (!monitor_wait_text(&client, "dirtied ", ++n_dirtied, 60000))
		bench_fail("the guest does not dirty its memory");
	must(monitor_request(&client, LINK_RESET, &scope, 1, -1, &e), &e);
	return (double)cursor_u64(&client.reply.payload);
}

static double time_floor(void *userdata)
{
	(void)userdata;
	return floor_reset(n_pages);
}

/* Median of a reset at this many pages and MiB; the floor's in *ret_floor, and whether that is one to judge by. */
static double reset_at(unsigned pages, uint32_t memory_mib, double *ret_floor, bool *ret_steady)
{
	static struct bench_row rows[] = {
		{.name = "floor: kick, copy, set registers", .run = time_floor},
		{.name = "reset of the HRT", .run = time_reset},
	};
	unsigned n = rounds < 31 ? rounds : 31;
	char cmdline[64];
	struct test_machine machine = machine_of(memory_mib, 0);

	n_pages = pages;
	n_dirtied = 0;
	snprintf(cmdline, sizeof(cmdline), "mode=dirty pages=%u", pages);
	machine.image = "reference.elf";
	machine.sealed = true;
	machine.cmdline = cmdline;
	start(&machine);
	bench_run(rows, 2, n);
	stop();
	printf("\nReset at %u pages, %u MiB\n", pages, memory_mib);
	bench_print(rows, 2, n);
	*ret_floor = bench_quantile(rows[0].usec, n, 0.5);
	*ret_steady = bench_is_steady(&rows[0], n);
	return bench_quantile(rows[1].usec, n, 0.5);
}

static void bench_resets(void)
{
	static const unsigned pages[] = {4, 64, 1024};
	double floor, small, large;
	bool steady, still;
	char what[64];

	floor_start(1024);
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++) {
		double reset = reset_at(pages[i], 64, &floor, &steady);

		snprintf(what, sizeof(what), "reset at %u pages / floor", pages[i]);
		bench_judge("P7", what, reset / floor, "x", 1.5, steady);
	}
	small = reset_at(64, 128, &floor, &steady);
	large = reset_at(64, 8192, &floor, &still);
	bench_judge("P8", "reset at 8 GiB / 128 MiB", large / small, "x", 1.25, steady && still);
}

/* --- What a running monitor is made of ----------------------------------------------------- */

/* KiB that are this process's alone, beside the guest's: what it has only read of its program others share. */
static double private_kib(pid_t pid)
{
	char path[64], line[512];
	bool guest = false;
	unsigned long sum = 0, n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strchr(line, '-') && strchr(line, '-') < strchr(line, ' '))
			guest = strstr(line, "memfd:hvm-");
		else if (!guest && sscanf(line, "Private_Dirty: %lu", &n) == 1)
			sum += n;
	}
	if (f)
		fclose(f);
	return (double)sum;
}

static void bench_memory_and_telemetry(void)
{
	struct test_machine machine = machine_of(64, 0);
	unsigned reads = rounds * 100;
	uint64_t before, after = 0;
	double begin;

	machine.image = "reference.elf";
	machine.cmdline = "mode=spin";
	start(&machine);
	if (!monitor_wait_text(&client, "spins\n", 1, 60000))
		bench_fail("the guest does not spin");
	bench_judge("P11", "private memory of a monitor beside its guest's", private_kib(client.pid), " KiB", 512, true);
	before = monitor_telemetry(&client, "vcpu.1.exits", 0);
	begin = bench_now();
	for (unsigned i = 0; i < reads; i++)
		after = monitor_telemetry(&client, "vcpu.1.exits", 0);
	printf("a read of telemetry over the link: %.1f us\n", (bench_now() - begin) / reads);
	bench_judge("P15", "exits caused by reading telemetry", (double)(after - before), "", 0, true);
	stop();
}

/* --- The longest ioctl ---------------------------------------------------------------------- */

/* strace's -T: "ioctl(5, KVM_RUN, 0) = 0 <0.000012>"; a running core and what is not KVM's do not count. */
static double longest_ioctl(FILE *f, char *ret, size_t size)
{
	char line[1024], *at;
	double longest = 0;

	while (fgets(line, sizeof(line), f)) {
		double seconds;

		at = strrchr(line, '<');
		if (!strstr(line, "KVM_") || strstr(line, "KVM_RUN") || !at || sscanf(at, "<%lf>", &seconds) != 1 ||
			seconds <= longest)
			continue;
		longest = seconds;
		at = strstr(line, "KVM_");
		snprintf(ret, size, "%.*s", (int)strcspn(at, ",)"), at);
	}
	return longest * 1e6;
}

/* Of one start and stop, in milliseconds; negative where there is no strace. */
static double trace_once(const struct test_machine *machine, char *ret_name, size_t size)
{
	char path[] = "/tmp/hvmd-bench-XXXXXX", pid[16];
	int fd = mkstemp(path), status;
	struct error e = {};
	double longest;
	pid_t strace;
	FILE *f;

	must(monitor_spawn(&client, &e), &e);
	snprintf(pid, sizeof(pid), "%d", (int)client.pid);
	strace = fork();
	if (strace == 0) {
		execlp("strace", "strace", "-q", "-f", "-T", "-e", "trace=ioctl", "-o", path, "-p", pid, (char *)NULL);
		_exit(127);
	}
	usleep(300000); /* to attach in */
	must(monitor_setup(&client, machine, &e), &e);
	must(monitor_request(&client, LINK_START, NULL, 0, -1, &e), &e);
	stop();
	waitpid(strace, &status, 0);
	unlink(path);
	f = fdopen(fd, "r");
	longest = f ? longest_ioctl(f, ret_name, size) : 0;
	if (f)
		fclose(f);
	return longest > 0 ? longest / 1000 : -1;
}

/* The best of some: strace and whoever else wants the processor only add to it. */
static void bench_ioctls(void)
{
	struct test_machine machine = machine_of(2048, large_image(0x2000, true, false));
	char name[64] = "none", this[64], what[128];
	double best = -1;

	for (unsigned i = 0; i < (rounds < 5 ? rounds : 5); i++) {
		double longest = trace_once(&machine, this, sizeof(this));

		if (longest < 0) {
			printf("P5 is not measured: there is no strace\n");
			return;
		}
		if (best < 0 || longest < best) {
			best = longest;
			strcpy(name, this);
		}
	}
	snprintf(what, sizeof(what), "longest ioctl of start and stop, seen by strace (%s)", name);
	bench_judge("P5", what, best, " ms", 1, true);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--quick") == 0)
		rounds = 3;
	if (monitor_unusable())
		bench_fail("%s", monitor_unusable());
	bench_print_machine();
	bench_state();
	bench_starts();
	bench_ioctls();
	bench_resets();
	bench_memory_and_telemetry();
	return 0;
}
