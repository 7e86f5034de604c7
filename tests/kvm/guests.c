/* guests.c - see guests.h */
#include "guests.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void guests_begin(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		cr_skip_test("/dev/kvm cannot be opened");
	close(fd);
	harness.kvm = "/dev/kvm";
	harness.monitor = strdup(built("hvm-monitor"));
	harness_start();
}

const char *guest_name(unsigned i)
{
	static char names[4][16];
	char *name = names[i % 4];

	snprintf(name, sizeof(names[0]), "g%u", i);
	return name;
}

const char *guest_object(unsigned i)
{
	static char paths[4][64];
	char *path = paths[i % 4];

	snprintf(path, sizeof(paths[0]), "/org/hvmd1/vm/g%u", i);
	return path;
}

void guests_define(unsigned n, const char *cmdline)
{
	int fd = open(built("examples/guests/reference.elf"), O_RDONLY | O_CLOEXEC);

	cr_assert_geq(fd, 0);
	for (unsigned i = 0; i < n; i++)
		expect_success(call(MANAGER, "DefineVM", "sa{sh}t", definition(guest_name(i), cmdline), 1, "hrt", fd, (uint64_t)0));
	close(fd);
}

/* --- Looking ---------------------------------------------------------------------------------------------- */

static struct guest_look *look_of(const char *name, unsigned n, struct guest_look *looks)
{
	unsigned i;

	return sscanf(name, "g%u", &i) == 1 && i < n ? &looks[i] : NULL;
}

static void look_at_list(unsigned n, struct guest_look *ret)
{
	const char *name, *state, *path;
	struct guest_look *look;
	uint32_t leader;

	expect_success(call(MANAGER, "ListVMs", ""));
	sd_bus_message_enter_container(call_reply, 'a', "(saysuo)");
	while (sd_bus_message_enter_container(call_reply, 'r', "saysuo") > 0) {
		sd_bus_message_read(call_reply, "s", &name);
		sd_bus_message_skip(call_reply, "ay");
		sd_bus_message_read(call_reply, "suo", &state, &leader, &path);
		look = look_of(name, n, ret);
		if (look) {
			snprintf(look->state, sizeof(look->state), "%s", state);
			look->leader = (pid_t)leader;
		}
		sd_bus_message_exit_container(call_reply);
	}
}

static void read_record(struct guest_look *look)
{
	const char *key, *type;
	uint64_t value;

	sd_bus_message_read(call_reply, "s", &key);
	sd_bus_message_peek_type(call_reply, NULL, &type);
	if (!look || strcmp(type, "t") != 0) {
		sd_bus_message_skip(call_reply, "v");
		return;
	}
	sd_bus_message_read(call_reply, "v", "t", &value);
	if (strcmp(key, "vm.nresets") == 0)
		look->resets = value;
	if (strcmp(key, "vcpu.1.heartbeats") == 0)
		look->heartbeats = value;
}

static void look_at_telemetry(unsigned n, struct guest_look *ret)
{
	const char *path;

	expect_success(call(MANAGER, "GetTelemetry", "ast", 2, "vm", "vcpu", (uint64_t)0));
	sd_bus_message_enter_container(call_reply, 'a', "(oa{sv})");
	while (sd_bus_message_enter_container(call_reply, 'r', "oa{sv}") > 0) {
		sd_bus_message_read(call_reply, "o", &path);
		sd_bus_message_enter_container(call_reply, 'a', "{sv}");
		while (sd_bus_message_enter_container(call_reply, 'e', "sv") > 0) {
			read_record(look_of(strrchr(path, '/') + 1, n, ret));
			sd_bus_message_exit_container(call_reply);
		}
		sd_bus_message_exit_container(call_reply);
		sd_bus_message_exit_container(call_reply);
	}
}

void guests_look(unsigned n, struct guest_look *ret)
{
	memset(ret, 0, n * sizeof(*ret));
	look_at_list(n, ret);
	look_at_telemetry(n, ret);
}

/* --- Processes ---------------------------------------------------------------------------------------------- */

static bool is_our_monitor(const char *pid)
{
	char path[300], name[32] = "", state = 0;
	int parent = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%*d (%31[^)]) %c %d", name, &state, &parent) != 3)
		parent = 0;
	fclose(f);
	return strcmp(name, "hvm-monitor") == 0 && state != 'Z' && (parent == getpid() || parent == harness.hvmd);
}

unsigned monitors_alive(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	unsigned n = 0;

	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
	cr_assert(proc);
	while ((entry = readdir(proc)))
		n += entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && is_our_monitor(entry->d_name);
	closedir(proc);
	return n;
}

void figure(const char *format, ...)
{
	const char *path = getenv("HVMD_FIGURES");
	FILE *f = path ? fopen(path, "ae") : NULL;
	va_list ap;

	va_start(ap, format);
	vfprintf(f ? f : stderr, format, ap);
	va_end(ap);
	if (f)
		fclose(f);
}
