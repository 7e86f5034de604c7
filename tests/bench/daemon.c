/* daemon.c - see daemon.h */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

#define READY_MSEC 120000

struct bench_daemon bench_daemon;

static int notify_fd = -1;
static char monitor_option[512], kvm_option[128];

void bench_fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fputs("bench: ", stderr);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

double bench_now(void)
{
	return (double)clock_nsec() / 1000;
}

const char *bench_path(const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", bench_daemon.dir, name);
	return path;
}

const char *bench_build_path(const char *name)
{
	static char paths[4][512];
	static unsigned next;
	char *path = paths[next++ % 4];
	const char *build = getenv("top_builddir");

	snprintf(path, sizeof(paths[0]), "%s/%s", build ? build : ".", name);
	return path;
}

pid_t bench_spawn(const char *const argv[])
{
	pid_t pid = fork();

	if (pid < 0)
		bench_fail("fork: %s", strerror(errno));
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR | O_CLOEXEC);

		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		dup2(null, STDOUT_FILENO);
		execvp(argv[0], (char *const *)argv);
		_exit(127);
	}
	return pid;
}

void bench_exec(const char *const argv[])
{
	pid_t pid = bench_spawn(argv);
	int status;

	if (waitpid(pid, &status, 0) != pid || status != 0)
		bench_fail("%s %s: wait status 0x%x", argv[0], argv[1] ? argv[1] : "", (unsigned)status);
}

static void write_bus_config(void)
{
	FILE *f = fopen(bench_path("bus.conf"), "we");

	if (!f)
		bench_fail("%s: %s", bench_path("bus.conf"), strerror(errno));
	fprintf(f,
		"<busconfig><type>session</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>"
		"<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/>"
		"<allow send_destination=\"*\"/><allow receive_sender=\"*\"/></policy></busconfig>",
		bench_daemon.dir);
	fclose(f);
}

static bool connect_bus(void)
{
	sd_bus *bus = NULL;

	if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, bench_daemon.address) < 0 ||
		sd_bus_set_bus_client(bus, 1) < 0 || sd_bus_start(bus) < 0) {
		sd_bus_unref(bus);
		return false;
	}
	bench_daemon.bus = bus;
	return true;
}

static void start_bus(void)
{
	char config[160];

	write_bus_config();
	snprintf(config, sizeof(config), "--config-file=%s", bench_path("bus.conf"));
	snprintf(bench_daemon.address, sizeof(bench_daemon.address), "unix:path=%s", bench_path("bus"));
	bench_daemon.dbus =
		bench_spawn((const char *[]){"dbus-daemon", config, "--nofork", "--nopidfile", NULL});
	for (int i = 0; i < 500 && !connect_bus(); i++)
		usleep(10000);
	if (!bench_daemon.bus)
		bench_fail("dbus-daemon does not come up");
}

static void listen_for_ready(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", bench_path("notify"));
	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify_fd < 0 || bind(notify_fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		bench_fail("%s: %s", address.sun_path, strerror(errno));
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
}

static void wait_until_ready(void)
{
	struct pollfd p = {.fd = notify_fd, .events = POLLIN};
	char text[256];

	while (poll(&p, 1, READY_MSEC) > 0) {
		ssize_t n = recv(notify_fd, text, sizeof(text) - 1, 0);

		if (n == 7 && memcmp(text, "READY=1", 7) == 0)
			return;
	}
	bench_fail("hvmd does not become ready");
}

static void start_hvmd(void)
{
	char bus[192], state[192], run[192];

	snprintf(bus, sizeof(bus), "--bus=%s", bench_daemon.address);
	snprintf(state, sizeof(state), "--state-dir=%s", bench_path("state"));
	snprintf(run, sizeof(run), "--run-dir=%s", bench_path("run"));
	bench_daemon.hvmd = bench_spawn((const char *[]){bench_build_path("hvmd"), bus, state, run,
		monitor_option, kvm_option, "--log-level=error", NULL});
	wait_until_ready();
}

void bench_daemon_start(const char *monitor, const char *kvm)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(bench_daemon.dir, sizeof(bench_daemon.dir), "%s/hvmd-bench-XXXXXX", tmp ? tmp : "/var/tmp");
	if (!mkdtemp(bench_daemon.dir))
		bench_fail("%s: %s", bench_daemon.dir, strerror(errno));
	atexit(bench_daemon_stop);
	snprintf(monitor_option, sizeof(monitor_option), "--monitor=%s", bench_build_path(monitor));
	snprintf(kvm_option, sizeof(kvm_option), "--kvm=%s", kvm);
	start_bus();
	listen_for_ready();
	start_hvmd();
}

static void end(pid_t *pid)
{
	if (*pid > 0) {
		kill(*pid, SIGTERM);
		waitpid(*pid, NULL, 0);
	}
	*pid = 0;
}

void bench_daemon_end(void)
{
	end(&bench_daemon.hvmd);
}

double bench_daemon_restart(void)
{
	double begin;

	bench_daemon_end();
	begin = bench_now();
	start_hvmd();
	return bench_now() - begin;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

void bench_daemon_stop(void)
{
	if (!bench_daemon.dir[0])
		return;
	bench_daemon.bus = sd_bus_flush_close_unref(bench_daemon.bus);
	end(&bench_daemon.hvmd);
	end(&bench_daemon.dbus);
	nftw(bench_daemon.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	bench_daemon.dir[0] = '\0';
}

void bench_call(sd_bus_message **ret_reply, const char *method, const char *types, ...)
{
	sd_bus_error error = SD_BUS_ERROR_NULL;
	sd_bus_message *m = NULL, *reply = NULL;
	va_list ap;
	int r;

	va_start(ap, types);
	r = sd_bus_message_new_method_call(bench_daemon.bus, &m, "org.hvmd1", MANAGER, method);
	if (r >= 0)
		r = sd_bus_message_appendv(m, types, ap);
	if (r >= 0)
		r = sd_bus_call(bench_daemon.bus, m, UINT64_MAX, &error, &reply);
	va_end(ap);
	if (r < 0)
		bench_fail("%s: %s", method, error.message ? error.message : strerror(-r));
	sd_bus_message_unref(m);
	if (ret_reply)
		*ret_reply = reply;
	else
		sd_bus_message_unref(reply);
}
