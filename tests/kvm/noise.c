/*
 * noise.c - guests that do whatever a guest can, through real KVM and very often (R2; `make check-noise`)
 *
 *	noise [OPERATIONS [SEED]]
 *
 * Two HRT cores and a process of the ROS make noise at ports, addresses and hypercalls (examples/guests), and are
 * reset again and again, one half or both: each time they draw anew. A half may end its own life, and the
 * process that of the HRT; their monitor may not, nor may it leave a question unanswered. Counted is what reached
 * the monitor.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "monitor-client.h"

#define N_CORES    3u
#define ROUND_MS   200u
#define REPORT_SEC 60u

static struct monitor_client client = {.link = -1, .log = -1};
static uint64_t wanted = 10000000, seed = 1, rounds, crashes, reported;

static void fail(const char *what, const struct error *e, int r)
{
	printf("FOUND in round %llu: %s: %s\n", (unsigned long long)rounds, what, error_text(e, r));
	monitor_fini(&client);
	exit(1);
}

static void request(enum link_type type, const void *payload, size_t size, const char *what)
{
	struct error e = {};
	int r = monitor_request(&client, type, payload, size, -1, &e);

	if (r < 0)
		fail(what, &e, r);
}

static void start(void)
{
	const struct test_machine machine = {.image = "reference.elf", .cmdline = "mode=noise rounds=1000000000",
		.kernel = "process.elf", .ros_cmdline = "noise doorbell", .memory_mib = 32, .ros_mib = 8, .cores = N_CORES,
		.ros_cores = 1, .deadline = 50};
	struct error e = {};
	int r = monitor_spawn(&client, &e);

	if (r == 0)
		r = monitor_setup(&client, &machine, &e);
	if (r < 0)
		fail("building the machine", &e, r);
	request(LINK_START, NULL, 0, "starting");
}

static uint64_t sum(const char *counter)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < N_CORES; i++) {
		char key[64];

		snprintf(key, sizeof(key), "vcpu.%u.%s", i, counter);
		n += monitor_telemetry(&client, key, 0);
	}
	return n;
}

static uint64_t operations(void)
{
	return sum("exits.io") + sum("exits.mmio") + sum("exits.hypercall");
}

static void report(uint64_t begin)
{
	uint64_t n = operations(), usec = clock_usec() - begin;

	printf("%llu operations of guests, %.0f a second: %llu hypercalls answered, %llu refused; %llu resets, before which "
		"the HRT had ended %llu times; nothing found\n", (unsigned long long)n, (double)n * 1e6 / (double)(usec ? usec : 1),
		(unsigned long long)sum("hypercalls"), (unsigned long long)sum("hypercalls_refused"), (unsigned long long)rounds,
		(unsigned long long)crashes);
	fflush(stdout);
}

/* An HRT that has ended makes no noise: it is reset at once. Of the ROS only every fourth reset is one. */
static void one_round(void)
{
	static const uint8_t scopes[] = {LINK_SCOPE_HRT, LINK_SCOPE_HRT, LINK_SCOPE_ROS, LINK_SCOPE_ALL};
	uint8_t scope;

	seed = seed * 6364136223846793005u + 1442695040888963407u; /* Knuth's MMIX */
	crashes += monitor_wait(&client, PARTITION_HRT, PARTITION_CRASHED, 1 + (unsigned)(seed >> 40) % ROUND_MS);
	scope = scopes[seed >> 60 & 3];
	if (scope == LINK_SCOPE_ROS && client.partitions[PARTITION_HRT].state != PARTITION_RUNNING)
		scope = LINK_SCOPE_ALL;
	request(LINK_RESET, &scope, 1, "a reset");
	if (client.partitions[PARTITION_HRT].state == PARTITION_FAILED || client.partitions[PARTITION_ROS].state == PARTITION_FAILED)
		fail("a partition has failed, which is our fault", NULL, -EIO);
	rounds++;
}

static void make_noise(void)
{
	uint64_t begin = clock_usec();

	reported = begin;
	do {
		one_round();
		if (clock_usec() - reported > REPORT_SEC * 1000000ull) {
			reported = clock_usec();
			report(begin);
		}
	} while (rounds % 8 || operations() < wanted);
	report(begin);
}

int main(int argc, char **argv)
{
	if (monitor_unusable()) {
		printf("%s\n", monitor_unusable());
		return 77;
	}
	if (argc > 1)
		wanted = strtoull(argv[1], NULL, 0);
	if (argc > 2)
		seed = strtoull(argv[2], NULL, 0);
	start();
	make_noise();
	request(LINK_STOP, NULL, 0, "stopping");
	if (monitor_wait_end(&client, 5000) != 0)
		fail("the monitor has not ended well", NULL, -EIO);
	monitor_fini(&client);
	return 0;
}
