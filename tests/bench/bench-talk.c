/*
 * bench-talk.c - what it costs the ROS and the HRT to talk (P18, P19)
 *
 * A monitor without hvmd, and two of our guests: the process (examples/guests/process.c, "time") and the
 * reference HRT. Each round resets one of them, which then measures in cycles of the TSC. The floors: the same exits in
 * a machine of our own that only enters again; two threads, pinned to a processor each, that wake each other by
 * eventfds; and two that look at the same word.
 *
 * Our doorbell is an exit, not an ioeventfd: a request has its arguments in registers and its answer in rax, which
 * an eventfd neither carries nor brings back, and nothing in the protocol is a mere ring. What an ioeventfd would be is
 * measured beside it, with its price: where it is registered, recent kernels have the end of a machine wait for SRCU.
 *
 * P19 is a goal for processors with VMX or SVM. A KVM without either interprets the HRT's kernel mode at a few
 * instructions a microsecond, and lets a process run: there both calls are mostly the HRT's own instructions.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <x86intrin.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "bench.h"
#include "daemon.h"
#include "floor-exit.h"
#include "monitor-client.h"

#define EXITS      500u
#define WAKES      500u
#define TURNS      20000u
#define NULLS      "500"
#define TIMEOUT_MS 60000

static unsigned rounds = 51;
static double cycles_per_usec;
static struct monitor_client client = {.link = -1, .log = -1};

static void must(int r, const struct error *e)
{
	if (r < 0)
		bench_fail("%s", error_text(e, r));
}

static void calibrate(void)
{
	double begin = bench_now();
	uint64_t tsc = __rdtsc();

	usleep(100000);
	cycles_per_usec = (double)(__rdtsc() - tsc) / (bench_now() - begin);
}

/* --- What a guest measures ------------------------------------------------------- */

struct figure {
	enum link_scope scope; /* whose reset measures anew */
	const char *what;      /* "time null " */
	const char *last;      /* what the guest says last */
	unsigned n;            /* rounds so far */
};

static void start(const char *process, const char *hrt)
{
	const struct test_machine machine = {.image = "reference.elf", .cmdline = hrt, .kernel = process ? "process.elf" : NULL,
		.ros_cmdline = process, .memory_mib = 32, .ros_mib = 8, .cores = 2, .ros_cores = 1, .pin = {true, 1}};
	struct error e = {};

	must(monitor_spawn(&client, &e), &e);
	must(monitor_setup(&client, &machine, &e), &e);
	must(monitor_request(&client, LINK_START, NULL, 0, -1, &e), &e);
}

static void reset(enum link_scope scope)
{
	uint8_t payload = (uint8_t)scope;
	struct error e = {};

	must(monitor_request(&client, LINK_RESET, &payload, 1, -1, &e), &e);
}

/* The number behind the last of these words in the log, in microseconds. */
static double last_time(const char *what)
{
	_cleanup_free_ char *log = monitor_log(&client);
	const char *at = log, *last = NULL;

	while (at && (at = strstr(at, what)))
		last = at += strlen(what);
	if (!last)
		bench_fail("the guest does not say \"%s\": %s", what, log);
	return strtod(last, NULL) / cycles_per_usec;
}

/* One reset serves all figures of a round: the first of them makes it. */
static void measure(struct figure *f)
{
	if (f->n++ > 0)
		reset(f->scope);
	if (!monitor_wait_text(&client, f->last, f->n, TIMEOUT_MS))
		bench_fail("the guest does not say \"%s\" %u times: %s", f->last, f->n, monitor_log(&client));
}

static double time_null_of_hrt(void *userdata)
{
	measure(userdata);
	return last_time("time null ") / atoi(NULLS);
}

static double time_null_of_process(void *userdata)
{
	measure(userdata);
	return last_time("time null ");
}

static double read_time(void *userdata)
{
	return last_time(userdata);
}

/* --- Floors ------------------------------------------------------------------------ */

static double time_exit(void *userdata)
{
	return floor_exit_run(userdata, EXITS);
}

static void pin(pthread_attr_t *attributes, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_attr_init(attributes);
	pthread_attr_setaffinity_np(attributes, sizeof(set), &set);
}

/* Both functions in threads pinned to the first two processors, until they end; microseconds for each of n turns. */
static double time_pair(void *(*one)(void *), void *(*other)(void *), unsigned n)
{
	void *(*const functions[])(void *) = {one, other};
	pthread_t threads[2];
	double begin = bench_now();

	for (int i = 0; i < 2; i++) {
		pthread_attr_t attributes;

		pin(&attributes, i);
		if (pthread_create(&threads[i], &attributes, functions[i], NULL) != 0)
			bench_fail("a thread cannot be pinned to processor %d", i);
		pthread_attr_destroy(&attributes);
	}
	for (int i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	return (bench_now() - begin) / n;
}

static int there, back;

static void *wake(void *data)
{
	uint64_t value = 1;

	for (unsigned i = 0; i < WAKES; i++)
		if (write(there, &value, 8) != 8 || read(back, &value, 8) != 8)
			bench_fail("an eventfd");
	return data;
}

static void *answer(void *data)
{
	uint64_t value = 1;

	for (unsigned i = 0; i < WAKES; i++)
		if (read(there, &value, 8) != 8 || write(back, &value, 8) != 8)
			bench_fail("an eventfd");
	return data;
}

static double time_eventfds(void *userdata)
{
	(void)userdata;
	return time_pair(wake, answer, WAKES);
}

static struct {
	_Alignas(64) unsigned issued;
	_Alignas(64) unsigned completed;
} words;

static void *issue(void *data)
{
	for (unsigned i = 1; i <= TURNS; i++) {
		__atomic_store_n(&words.issued, i, __ATOMIC_RELEASE);
		while (__atomic_load_n(&words.completed, __ATOMIC_ACQUIRE) != i)
			_mm_pause();
	}
	return data;
}

static void *complete(void *data)
{
	for (unsigned i = 1; i <= TURNS; i++) {
		while (__atomic_load_n(&words.issued, __ATOMIC_ACQUIRE) != i)
			_mm_pause();
		__atomic_store_n(&words.completed, i, __ATOMIC_RELEASE);
	}
	return data;
}

static double time_words(void *userdata)
{
	(void)userdata;
	words.issued = words.completed = 0;
	return time_pair(issue, complete, TURNS);
}

/* --- Both ---------------------------------------------------------------------------- */

static void judge(const char *id, const char *what, const struct bench_row *row, const struct bench_row *floor, double goal)
{
	bench_judge(id, what, bench_ratio(row, floor, rounds), "x", goal, bench_is_steady(floor, rounds));
}

static void bench_null_of_hrt(void)
{
	struct figure figure = {.scope = LINK_SCOPE_HRT, .last = "time null "};
	static struct bench_row rows[2];

	rows[0] = (struct bench_row){.name = "floor: exit by a port, CPL 0", .run = time_exit, .userdata = floor_exit_start(FLOOR_PORT)};
	rows[1] = (struct bench_row){.name = "null hypercall by the port", .run = time_null_of_hrt, .userdata = &figure};
	start(NULL, "mode=null rounds=" NULLS);
	bench_run(rows, 2, rounds);
	monitor_fini(&client);
	printf("\nA null hypercall of the HRT\n");
	bench_print(rows, 2, rounds);
	judge("P18", "null hypercall by the port / exit", &rows[1], &rows[0], 1.15);
}

/* A process cannot ring without an exit, which the eventfds of two threads do without. */
static void say_what_a_call_needs(const struct bench_row *call, const struct bench_row *way_out, const struct bench_row *way)
{
	double needed = bench_quantile(way_out->usec, rounds, 0.5) + bench_quantile(way->usec, rounds, 0.5);

	printf("An asynchronous call takes %.2f of that exit and those eventfds together\n",
		bench_quantile(call->usec, rounds, 0.5) / needed);
}

static void bench_process(void)
{
	struct figure figure = {.scope = LINK_SCOPE_ROS, .last = "process: time sync "};
	static struct bench_row rows[8];

	rows[0] = (struct bench_row){.name = "floor: exit by a page, CPL 3", .run = time_exit, .userdata = floor_exit_start(FLOOR_PAGE)};
	rows[1] = (struct bench_row){.name = "floor: two threads and eventfds", .run = time_eventfds};
	rows[2] = (struct bench_row){.name = "floor: two threads and a word", .run = time_words};
	rows[3] = (struct bench_row){.name = "null hypercall by the page", .run = time_null_of_process, .userdata = &figure};
	rows[4] = (struct bench_row){.name = "asynchronous call", .run = read_time, .userdata = (char *)"time call "};
	rows[5] = (struct bench_row){.name = "synchronous call", .run = read_time, .userdata = (char *)"time sync "};
	rows[7] = (struct bench_row){.name = "no exit: a store to an ioeventfd", .run = time_exit,
		.userdata = floor_exit_start(FLOOR_EVENTFD)};
	rows[6] = (struct bench_row){.name = "merge", .run = read_time, .userdata = (char *)"time merge "};
	start("time doorbell page", "mode=serve");
	bench_run(rows, ARRAY_SIZE(rows), rounds);
	monitor_fini(&client);
	printf("\nA process of the ROS and the HRT\n");
	bench_print(rows, ARRAY_SIZE(rows), rounds);
	judge("P18", "null hypercall by the page / exit", &rows[3], &rows[0], 1.15);
	judge("P19", "asynchronous call / eventfds", &rows[4], &rows[1], 1.5);
	judge("P19", "synchronous call / threads", &rows[5], &rows[2], 1.2);
	say_what_a_call_needs(&rows[4], &rows[0], &rows[1]);
	printf("\nA ring without a question: an ioeventfd takes %.2f of our doorbell\n", bench_ratio(&rows[7], &rows[3], rounds));
}

static double time_close(void *kind)
{
	struct floor_exit *f = floor_exit_start(*(const enum floor_exit_kind *)kind);

	floor_exit_run(f, 1);
	return floor_exit_close(f);
}

static void bench_ends(void)
{
	static enum floor_exit_kind page = FLOOR_PAGE, eventfd_kind = FLOOR_EVENTFD;
	static struct bench_row rows[2];

	rows[0] = (struct bench_row){.name = "without", .run = time_close, .userdata = &page};
	rows[1] = (struct bench_row){.name = "with an ioeventfd", .run = time_close, .userdata = &eventfd_kind};
	bench_run(rows, 2, rounds);
	printf("\nThe end of a machine\n");
	bench_print(rows, 2, rounds);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--quick") == 0)
		rounds = 3;
	if (monitor_unusable())
		bench_fail("%s", monitor_unusable());
	bench_print_machine();
	calibrate();
	there = eventfd(0, EFD_CLOEXEC);
	back = eventfd(0, EFD_CLOEXEC);
	bench_null_of_hrt();
	bench_process();
	bench_ends();
	return 0;
}
