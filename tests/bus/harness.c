/* harness.c - see harness.h */
#include "harness.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/io.h"

#define WAIT_USEC 5000000

struct harness harness;
sd_bus_error call_error;
sd_bus_message *call_reply;

static int notify_fd = -1;

static char **signals_noted;
static size_t n_signals;

const char *harness_path(const char *name)
{
	static char paths[4][256];
	static unsigned next;
	char *path = paths[next++ % 4];

	snprintf(path, sizeof(paths[0]), "%s/%s", harness.dir, name);
	return path;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

/* Everybody may connect, own and call: who may do what is for hvmd to say. */
static void write_bus_config(void)
{
	char text[1024];

	snprintf(text, sizeof(text),
		"<busconfig><type>session</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>"
		"<policy context=\"default\"><allow user=\"*\"/><allow own=\"*\"/><allow "
		"send_destination=\"*\"/>"
		"<allow send_type=\"signal\"/><allow receive_sender=\"*\"/></policy>"
		"</busconfig>",
		harness.dir);
	write_file(harness_path("bus.conf"), text);
}

/* Children go with a test that crashes. */
static pid_t spawn(const char *program, const char *const argv[])
{
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		execvp(program, (char *const *)argv);
		_exit(127);
	}
	return pid;
}

static struct sockaddr_un socket_address(const char *name)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", harness_path(name));
	return address;
}

/* The socket is there a moment before anybody listens: only a connection shows that the daemon is up. */
static bool bus_answers(void)
{
	struct sockaddr_un address = socket_address("bus");
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool answers = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;

	close(fd);
	return answers;
}

static void dbus_start(void)
{
	char config[128];
	bool up = false;

	write_bus_config();
	snprintf(config, sizeof(config), "--config-file=%s", harness_path("bus.conf"));
	harness.dbus = spawn(
		"dbus-daemon", (const char *[]){"dbus-daemon", config, "--nofork", "--nopidfile", NULL});
	snprintf(harness.address, sizeof(harness.address), "unix:path=%s", harness_path("bus"));
	for (int i = 0; i < 1000 && !(up = bus_answers()); i++)
		usleep(10000);
	cr_assert(up, "dbus-daemon did not come up");
}

/* hvmd's word that it is ready is the way systemd hears it: sd_notify(3). */
static void notify_open(void)
{
	struct sockaddr_un address = socket_address("notify");

	notify_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(notify_fd, (struct sockaddr *)&address, sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", address.sun_path, 1);
}

/* Whether hvmd says so within 20 s; otherwise it may have ended before. */
static bool notify_wait(const char *wanted, int *ret_status)
{
	uint64_t until = clock_usec() + 4 * WAIT_USEC;
	struct pollfd p = {.fd = notify_fd, .events = POLLIN};
	char text[256];
	ssize_t n;

	while (clock_usec() < until) {
		if (poll(&p, 1, 20) == 0) {
			if (waitpid(harness.hvmd, ret_status, WNOHANG) != harness.hvmd)
				continue;
			harness.hvmd = 0;
			return false;
		}
		n = recv(notify_fd, text, sizeof(text) - 1, 0);
		cr_assert_geq(n, 0);
		text[n] = '\0';
		if (strcmp(text, wanted) == 0)
			return true;
	}
	return false;
}

bool hvmd_start_may_fail(int *ret_status)
{
	const char *build = getenv("top_builddir");
	char program[256], bus[160], state[160], run[160], monitor[256], kvm[160];

	snprintf(program, sizeof(program), "%s/%s", build ? build : ".", harness.program ? harness.program : "hvmd");
	snprintf(bus, sizeof(bus), "--bus=%s", harness.address);
	snprintf(state, sizeof(state), "--state-dir=%s", harness_path("state"));
	snprintf(run, sizeof(run), "--run-dir=%s", harness_path("run"));
	if (harness.monitor)
		snprintf(monitor, sizeof(monitor), "--monitor=%s", harness.monitor);
	else
		snprintf(monitor, sizeof(monitor), "--monitor=%s/tests/fakes/fake-monitor",
			build ? build : ".");
	snprintf(kvm, sizeof(kvm), "--kvm=%s", harness.kvm ? harness.kvm : "/dev/null");
	harness.hvmd = spawn(
		program, (const char *[]){program, bus, state, run, monitor, kvm, "--log-level=debug", NULL});
	return notify_wait("READY=1", ret_status);
}

void hvmd_start(void)
{
	int status;

	cr_assert(hvmd_start_may_fail(&status), "hvmd did not become ready");
}

int hvmd_stop(int number)
{
	int status = 0;

	kill(harness.hvmd, number);
	cr_assert_eq(waitpid(harness.hvmd, &status, 0), harness.hvmd);
	harness.hvmd = 0;
	return status;
}

unsigned process_descriptors(pid_t pid)
{
	char path[32];
	unsigned n = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	cr_assert(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

unsigned long process_resident(pid_t pid)
{
	char path[32], line[256];
	unsigned long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	f = fopen(path, "re");
	cr_assert(f);
	while (fgets(line, sizeof(line), f))
		sscanf(line, "VmRSS: %lu", &kib);
	fclose(f);
#ifdef BUILT_WITH_SANITIZERS
	return 0; /* ASan keeps what is freed for a while, and LSan finds what is not */
#endif
	return kib;
}

unsigned number_of(const char *variable, unsigned otherwise, unsigned most)
{
	const char *said = getenv(variable);
	unsigned n = said ? (unsigned)atoi(said) : otherwise;

	return n < 1 ? 1 : n > most ? most : n;
}

static void connect_bus(void)
{
	cr_assert_geq(sd_bus_new(&harness.bus), 0);
	sd_bus_set_address(harness.bus, harness.address);
	sd_bus_set_bus_client(harness.bus, 1);
	cr_assert_geq(sd_bus_start(harness.bus), 0);
}

static pid_t parent_of(const char *pid)
{
	char path[300], text[512] = "";
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "re");
	if (f && fgets(text, sizeof(text), f) && strrchr(text, ')'))
		sscanf(strrchr(text, ')'), ") %*c %d", &parent);
	if (f)
		fclose(f);
	return parent;
}

/* What hvmd leaves running becomes ours, and goes with us. */
static void kill_children(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc)))
		if (parent_of(entry->d_name) == getpid())
			kill((pid_t)atoi(entry->d_name), SIGKILL);
	if (proc)
		closedir(proc);
	while (waitpid(-1, NULL, 0) > 0)
		;
}

void harness_start(void)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	snprintf(harness.dir, sizeof(harness.dir), "/tmp/hvmd-test-XXXXXX");
	cr_assert_not_null(mkdtemp(harness.dir));
	chmod(harness.dir, 0755); /* for callers who are somebody else */
	dbus_start();
	notify_open();
	hvmd_start();
	connect_bus();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void forget_last_call(void)
{
	sd_bus_error_free(&call_error);
	call_reply = sd_bus_message_unref(call_reply);
}

void harness_stop(void)
{
	int status = 0;

	if (harness.dbus <= 0) /* it was never started */
		return;
	forget_last_call();
	sd_bus_flush_close_unref(harness.bus);
	if (harness.hvmd > 0)
		status = hvmd_stop(SIGTERM);
	kill(harness.dbus, SIGTERM);
	waitpid(harness.dbus, NULL, 0);
	kill_children();
	close(notify_fd);
	for (size_t i = 0; i < n_signals; i++)
		free(signals_noted[i]);
	free(signals_noted);
	nftw(harness.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "hvmd ended with wait status 0x%x",
		(unsigned)status);
}

int call(const char *path, const char *interface, const char *member, const char *types, ...)
{
	va_list ap;
	int r;

	forget_last_call();
	va_start(ap, types);
	r = sd_bus_call_methodv(
		harness.bus, "org.hvmd1", path, interface, member, &call_error, &call_reply, types, ap);
	va_end(ap);
	return r;
}

void expect_success_at(const char *file, int line, int r)
{
	cr_assert(r >= 0, "%s:%d: %s: %s", file, line, call_error.name ? call_error.name : strerror(-r),
		call_error.message ? call_error.message : "");
}

void expect_error_at(const char *file, int line, int r, const char *name, const char *part)
{
	cr_assert(r < 0, "%s:%d: succeeded, but %s was expected", file, line, name);
	cr_expect_str_eq(call_error.name ? call_error.name : "", name, "%s:%d: %s: %s", file, line,
		call_error.name, call_error.message);
	cr_expect(call_error.message && strstr(call_error.message, part), "%s:%d: \"%s\" lacks \"%s\"", file,
		line, call_error.message, part);
}

/* Appends the next basic value of a message to text; false at the end, or where a container begins. */
static bool append_basic(sd_bus_message *m, char *text, size_t size)
{
	const char *word, *contents;
	union {
		uint32_t u;
		int32_t i;
		uint64_t t;
		int b;
	} value;
	size_t used = strlen(text);
	char type;

	if (sd_bus_message_peek_type(m, &type, &contents) <= 0)
		return false;
	switch (type) {
	case 's':
	case 'o':
		sd_bus_message_read_basic(m, type, &word);
		snprintf(text + used, size - used, " %s", word);
		return true;
	case 'u':
	case 'b':
		sd_bus_message_read_basic(m, type, &value);
		snprintf(text + used, size - used, " %u", value.u);
		return true;
	case 'i':
		sd_bus_message_read_basic(m, type, &value);
		snprintf(text + used, size - used, " %d", value.i);
		return true;
	case 't':
		sd_bus_message_read_basic(m, type, &value);
		snprintf(text + used, size - used, " %llu", (unsigned long long)value.t);
		return true;
	default:
		return false;
	}
}

/* All that is in a message, containers opened, on one line. */
static void append_all(sd_bus_message *m, char *text, size_t size)
{
	const char *contents;
	char type;

	while (sd_bus_message_peek_type(m, &type, &contents) > 0)
		if (strchr("aver", type)) {
			sd_bus_message_enter_container(m, type, contents);
			append_all(m, text, size);
			sd_bus_message_exit_container(m);
		} else if (!append_basic(m, text, size)) {
			sd_bus_message_skip(m, NULL);
		}
}

const char *property(const char *path, const char *interface, const char *name)
{
	static char text[1024];

	text[0] = '\0';
	expect_success(call(path, "org.freedesktop.DBus.Properties", "Get", "ss", interface, name));
	append_all(call_reply, text, sizeof(text));
	return text[0] ? text + 1 : text;
}

const char *call_text(void)
{
	static char text[65536];

	text[0] = '\0';
	append_all(call_reply, text, sizeof(text));
	return text[0] ? text + 1 : text;
}

bool property_becomes(const char *path, const char *interface, const char *name, const char *text)
{
	uint64_t until = clock_usec() + WAIT_USEC;

	do {
		if (strcmp(property(path, interface, name), text) == 0)
			return true;
		usleep(10000);
	} while (clock_usec() < until);
	return false;
}

const char *definition(const char *name, const char *cmdline)
{
	static char text[2048];

	snprintf(text, sizeof(text),
		"<vm name=\"%s\" class=\"PC\">\n"
		"  <memory>16</memory>\n"
		"  <cores count=\"2\"/>\n"
		"  <files><file id=\"hrt\" filename=\"hrt.elf\"/></files>\n"
		"  <hvm enable=\"y\"><ros cores=\"1\" mem=\"4\"/><hrt file_id=\"hrt\" "
		"cmdline=\"%s\"/></hvm>\n"
		"</vm>\n",
		name, cmdline);
	return text;
}

int define(const char *text, const char *image)
{
	int fd = memfd_create("image", MFD_CLOEXEC), r;

	cr_assert_eq(write_full(fd, image, strlen(image)), 0);
	r = call(MANAGER, "DefineVM", "sa{sh}t", text, 1, "hrt", fd, (uint64_t)0);
	close(fd);
	return r;
}

void define_vm(const char *name, const char *cmdline)
{
	expect_success(define(definition(name, cmdline), "an image"));
}

static int note_signal(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	char line[4096];

	(void)userdata, (void)error;
	snprintf(line, sizeof(line), "%s", sd_bus_message_get_member(m));
	append_all(m, line, sizeof(line));
	signals_noted = reallocarray(signals_noted, n_signals + 1, sizeof(*signals_noted));
	signals_noted[n_signals++] = strdup(line);
	return 0;
}

void watch_signals(void)
{
	cr_assert_geq(
		sd_bus_match_signal(harness.bus, NULL, "org.hvmd1", NULL, NULL, NULL, note_signal, NULL), 0);
}

static void process(void)
{
	while (sd_bus_process(harness.bus, NULL) > 0)
		;
}

size_t signals_seen(const char *part)
{
	size_t n = 0;

	process();
	for (size_t i = 0; i < n_signals; i++)
		n += strstr(signals_noted[i], part) != NULL;
	return n;
}

bool signal_comes(const char *part)
{
	uint64_t until = clock_usec() + WAIT_USEC;

	while (signals_seen(part) == 0) {
		if (clock_usec() >= until)
			return false;
		sd_bus_wait(harness.bus, 100000);
	}
	return true;
}
