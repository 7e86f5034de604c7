/*
 * bench-survival.c - a hvmd that is started anew while VMs run (P16), and the death of a VM's process (P17)
 *
 * The floor of the first is to connect to the sockets of all monitors and to hear each greeting; of the second, the
 * moment at which the kernel tells of the end.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench.h"
#include "daemon.h"

static unsigned n_vms = 200, rounds = 21;
static bool running;

static const char *vm_name(unsigned i)
{
	static char name[16];

	snprintf(name, sizeof(name), "vm%u", i);
	return name;
}

static void define_vms(void)
{
	char text[512];
	int fd = memfd_create("image", MFD_CLOEXEC);

	if (fd < 0 || write(fd, "an image", 8) != 8)
		bench_fail("making an image: %s", strerror(errno));
	for (unsigned i = 0; i < n_vms; i++) {
		snprintf(text, sizeof(text),
			"<vm name=\"%s\" class=\"PC\"><memory>16</memory><cores count=\"2\"/>"
			"<files><file id=\"hrt\" filename=\"hrt.elf\"/></files>"
			"<hvm enable=\"y\"><ros cores=\"1\" mem=\"4\"/><hrt file_id=\"hrt\"/></hvm></vm>",
			vm_name(i));
		bench_call(NULL, "DefineVM", "sa{sh}t", text, 1, "hrt", fd, (uint64_t)0);
	}
	close(fd);
}

static void for_all(const char *method)
{
	for (unsigned i = 0; i < n_vms; i++)
		if (strcmp(method, "StartVM") == 0)
			bench_call(NULL, method, "st", vm_name(i), (uint64_t)0);
		else
			bench_call(NULL, method, "s", vm_name(i));
}

static void run_vms(bool run)
{
	if (run != running)
		for_all(run ? "StartVM" : "TerminateVM");
	running = run;
}

/* While there is no hvmd: a monitor talks to one at a time. */
static double connect_all(void *userdata)
{
	char greeting[256];
	double begin;

	(void)userdata;
	bench_daemon_end();
	begin = bench_now();
	for (unsigned i = 0; i < n_vms; i++) {
		struct sockaddr_un address = {.sun_family = AF_UNIX};
		int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
		char name[32];

		snprintf(name, sizeof(name), "run/vms/%s.link", vm_name(i));
		snprintf(address.sun_path, sizeof(address.sun_path), "%s", bench_path(name));
		if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
			recv(fd, greeting, sizeof(greeting), 0) <= 0)
			bench_fail("%s: %s", address.sun_path, strerror(errno));
		close(fd);
	}
	return bench_now() - begin;
}

static double restart(void *userdata)
{
	(void)userdata;
	return bench_daemon_restart();
}

static pid_t leader(const char *name)
{
	char path[64];
	uint32_t pid = 0;

	snprintf(path, sizeof(path), "/org/hvmd1/vm/%s", name);
	if (sd_bus_get_property_trivial(
		    bench_daemon.bus, "org.hvmd1", path, "org.hvmd1.VM", "Leader", NULL, 'u', &pid) < 0 || pid == 0)
		bench_fail("VM %s has no monitor", name);
	return (pid_t)pid;
}

static void bench_restart(void)
{
	static struct bench_row rows[] = {
		{.name = "floor: connect to each and hear its greeting", .run = connect_all},
		{.name = "hvmd is ended and started, all run", .run = restart},
	};
	static struct bench_row idle = {.name = "hvmd is ended and started, none runs", .run = restart};
	double extra;

	bench_run(&idle, 1, rounds);
	run_vms(true);
	bench_run(rows, 2, rounds);
	printf("\nStarting hvmd with %u VMs\n", n_vms);
	bench_print(rows, 2, rounds);
	bench_print(&idle, 1, rounds);
	extra = bench_quantile(rows[1].usec, rounds, 0.5) - bench_quantile(idle.usec, rounds, 0.5);
	leader(vm_name(n_vms - 1));
	bench_judge("P16", "what taking them over adds / floor", extra / bench_quantile(rows[0].usec, rounds, 0.5), "x", 10,
		bench_is_steady(&rows[0], rounds));
	bench_judge("P16", "and that", extra / 1000, " ms", n_vms * 0.25, bench_is_steady(&rows[0], rounds));
}

static double death_told_at;

static int on_state_changed(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *before, *after;

	(void)userdata, (void)error;
	if (sd_bus_message_read(m, "ss", &before, &after) >= 0 && strcmp(after, "failed") == 0)
		death_told_at = bench_now();
	return 0;
}

/* Kills a monitor; returns how long after the kernel's word hvmd's came. */
static double kill_one(void *userdata)
{
	static unsigned next;
	const char *name = vm_name(next++ % n_vms);
	pid_t pid = leader(name);
	struct pollfd p = {.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	double gone;

	(void)userdata;
	death_told_at = 0;
	kill(pid, SIGKILL);
	if (poll(&p, 1, 5000) != 1)
		bench_fail("process %d does not end", (int)pid);
	gone = bench_now();
	close(p.fd);
	while (death_told_at == 0)
		if (sd_bus_process(bench_daemon.bus, NULL) == 0)
			sd_bus_wait(bench_daemon.bus, 1000000);
	bench_call(NULL, "StartVM", "st", name, (uint64_t)0);
	return death_told_at > gone ? death_told_at - gone : 0;
}

static void bench_death(void)
{
	static struct bench_row row = {.name = "pidfd to StateChanged at a subscriber", .run = kill_one};

	if (sd_bus_match_signal(bench_daemon.bus, NULL, "org.hvmd1", NULL, "org.hvmd1.VM", "StateChanged",
		    on_state_changed, NULL) < 0)
		bench_fail("subscribing");
	bench_run(&row, 1, rounds);
	printf("\nA monitor of %u is killed\n", n_vms);
	bench_print(&row, 1, rounds);
	bench_judge("P17", "pidfd to StateChanged", bench_quantile(row.usec, rounds, 0.5) / 1000, " ms", 5, true);
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "--quick") == 0) {
		n_vms = 5;
		rounds = 3;
	}
	bench_print_machine();
	bench_daemon_start("tests/fakes/fake-monitor", "/dev/null");
	define_vms();
	bench_restart();
	bench_death();
	run_vms(false);
	return 0;
}
