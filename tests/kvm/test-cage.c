/* test-cage.c - a real monitor with a running guest, looked at from outside: what it has given up */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "guest-memory.h"
#include "monitor-client.h"

#define BOOT_TIMEOUT_MS 60000

static struct monitor_client client = {.link = -1, .log = -1};

static void stop_all(void)
{
	monitor_fini(&client);
}

TestSuite(cage, .fini = stop_all, .timeout = 120);

#define ROS_MIB 4

static const struct test_machine machine = {
	.image = "reference.elf", .memory_mib = 64, .ros_mib = ROS_MIB, .cores = 3, .ros_cores = 1};

static void start(void)
{
	const char *unusable = monitor_unusable();
	struct error e = {};
	int r;

	if (unusable)
		cr_skip_test("%s", unusable);
	r = monitor_spawn(&client, &e);
	if (r == 0)
		r = monitor_setup(&client, &machine, &e);
	if (r == 0)
		r = monitor_request(&client, LINK_START, NULL, 0, -1, &e);
	cr_assert_eq(r, 0, "%s", error_text(&e, r));
	cr_assert(monitor_wait_text(&client, "0 broken\n", 1, BOOT_TIMEOUT_MS));
}

/* A file below /proc/PID, which the caller frees. */
static char *proc_file(const char *name)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_fclose_ FILE *f = NULL;
	char *text = NULL;
	size_t size = 0;

	cr_assert_gt(asprintf(&path, "/proc/%d/%s", (int)client.pid, name), 0);
	f = fopen(path, "re");
	cr_assert(f, "%s cannot be opened", path);
	cr_assert_geq(getdelim(&text, &size, '\0', f), 0);
	return text;
}

static void expect_lines(const char *text, const char *const *lines, size_t n)
{
	for (size_t i = 0; i < n; i++)
		cr_expect(strstr(text, lines[i]), "no line \"%s\" in:\n%s", lines[i], text);
}

/* Calls fn with the name of each entry of a folder below /proc/PID. Returns how many there are. */
static unsigned each_entry(const char *folder, void (*fn)(const char *name))
{
	_cleanup_free_ char *path = NULL;
	unsigned n = 0;
	DIR *dir;

	cr_assert_gt(asprintf(&path, "/proc/%d/%s", (int)client.pid, folder), 0);
	dir = opendir(path);
	cr_assert(dir, "%s cannot be opened", path);
	for (struct dirent *entry; (entry = readdir(dir));)
		if (entry->d_name[0] != '.') {
			fn(entry->d_name);
			n++;
		}
	closedir(dir);
	return n;
}

static void expect_caged_thread(const char *tid)
{
	static const char *const lines[] = {
		"\nCapInh:\t0000000000000000\n", "\nCapPrm:\t0000000000000000\n", "\nCapEff:\t0000000000000000\n",
		"\nCapBnd:\t0000000000000000\n", "\nCapAmb:\t0000000000000000\n", "\nNoNewPrivs:\t1\n",
#ifndef BUILT_WITH_SANITIZERS
		"\nSeccomp:\t2\n", "\nSeccomp_filters:\t2\n",
#endif
	};
	_cleanup_free_ char *name = NULL, *text = NULL;

	cr_assert_gt(asprintf(&name, "task/%s/status", tid), 0);
	text = proc_file(name);
	expect_lines(text, lines, ARRAY_SIZE(lines));
}

static const uint8_t watch_hrt[] = {PARTITION_HRT, LINK_CONSOLE_WATCH};

Test(cage, holds_every_thread_of_a_running_monitor)
{
	start();
	cr_expect_geq(each_entry("task", expect_caged_thread), 1 + machine.cores);
}

Test(cage, limits_a_running_monitor)
{
	static const char *const lines[] = {
		"Max core file size        0                    0 ",
		"Max file locks            0                    0 ",
		"Max msgqueue size         0                    0 ",
	};
	_cleanup_free_ char *text = NULL;
	unsigned files, log;

	start();
	text = proc_file("limits");
	expect_lines(text, lines, ARRAY_SIZE(lines));
	cr_assert_eq(sscanf(strstr(text, "Max open files"), "Max open files %u", &files), 1, "%s", text);
	cr_expect_lt(files, 100);
	cr_assert_eq(sscanf(strstr(text, "Max file size"), "Max file size %u", &log), 1, "%s", text);
	cr_expect_lt(log, 2 * MiB);
}

/* What a monitor may hold, as /proc shows it. */
static bool is_expected(const char *target)
{
	static const char *const prefixes[] = {"socket:", "anon_inode:kvm-vm", "anon_inode:kvm-vcpu", "anon_inode:kvm-vcpu-stats",
		"anon_inode:kvm-vm-stats", "anon_inode:[eventfd]", "/dev/kvm", "/memfd:console"};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++)
		if (strncmp(target, prefixes[i], strlen(prefixes[i])) == 0)
			return true;
	return false;
}

static void expect_expected(const char *fd)
{
	_cleanup_free_ char *path = NULL;
	char target[256] = "";

	if (atoi(fd) <= STDERR_FILENO) /* the tests' own */
		return;
	cr_assert_gt(asprintf(&path, "/proc/%d/fd/%s", (int)client.pid, fd), 0);
	cr_assert_gt(readlink(path, target, sizeof(target) - 1), 0);
	cr_expect(is_expected(target), "descriptor %s is %s", fd, target);
}

Test(cage, has_no_descriptor_of_anything_but_its_machine)
{
	start();
	each_entry("fd", expect_expected);
}

/* The mapping's line in smaps, and whether it has a flag. */
static bool has_flag(const char *smaps, const char *mapping, const char *flag)
{
	const char *at = strstr(smaps, mapping), *flags = at ? strstr(at, "VmFlags:") : NULL, *end = flags ? strchr(flags, '\n') : NULL;
	const char *found = flags ? strstr(flags, flag) : NULL;

	return found && end && found < end;
}

Test(cage, leaves_guest_memory_out_of_core_dumps)
{
	_cleanup_free_ char *smaps = NULL;
	struct guest_memory memory;
	struct error e = {};
	char ros[64];

	start();
	smaps = proc_file("smaps");
	cr_assert(strstr(smaps, "/memfd:hvm-hrt"));
	for (const char *at = smaps; (at = strstr(at, "/memfd:hvm-")); at++)
		cr_expect(has_flag(at, "/memfd:hvm-", " dd"), "this may be dumped: %.40s", at);
	cr_assert_eq(guest_memory_find(client.pid, ROS_MIB * MiB, 1, &memory, &e), 0, "%s", e.text);
	snprintf(ros, sizeof(ros), "%" PRIx64 "-%" PRIx64 " ", memory.ros, memory.hrt);
	cr_assert(strstr(smaps, ros));
	cr_expect(has_flag(smaps, ros, " dd"), "the ROS's memory may be dumped");
}

Test(cage, does_not_hinder_resets_telemetry_and_consoles)
{
	uint8_t scope = LINK_SCOPE_ALL;
	struct error e = {};
	int ends[2], r;

	start();
	r = monitor_request(&client, LINK_RESET, &scope, 1, -1, &e);
	cr_expect_eq(r, 0, "%s", error_text(&e, r));
	cr_expect_gt(monitor_telemetry(&client, "vm.console_bytes", 0), 0);
	cr_assert_eq(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
	r = monitor_request(&client, LINK_CONSOLE, watch_hrt, sizeof(watch_hrt), ends[1], &e);
	cr_expect_eq(r, 0, "%s", error_text(&e, r));
	r = monitor_request(&client, LINK_PLAN, NULL, 0, -1, &e);
	cr_expect_eq(r, 0, "%s", error_text(&e, r));
	r = monitor_request(&client, LINK_STOP, NULL, 0, -1, &e);
	cr_expect_eq(r, 0, "%s", error_text(&e, r));
	cr_expect_eq(monitor_wait_end(&client, 2000), 0);
}

/* --- Namespaces ------------------------------------------------------------------------------------------- */

static const char *const kinds[] = {"mnt", "pid", "net", "ipc", "uts"};

static void read_namespace(const char *whose, const char *kind, char *ret, size_t size)
{
	_cleanup_free_ char *path = NULL;
	ssize_t n;

	cr_assert_gt(asprintf(&path, "/proc/%s/ns/%s", whose, kind), 0);
	n = readlink(path, ret, size - 1);
	cr_assert_gt(n, 0, "%s cannot be read", path);
	ret[n] = '\0';
}

static void nothing_is_expected(const char *name)
{
	cr_expect(false, "there is \"%s\"", name);
}

static void spawn_only(void)
{
	struct error e = {};
	int r = monitor_spawn(&client, &e);

	cr_assert_eq(r, 0, "%s", error_text(&e, r));
}

Test(cage, is_in_namespaces_of_its_own_and_sees_an_empty_root)
{
	char pid[16], ours[64], theirs[64];

#ifdef BUILT_WITH_SANITIZERS
	cr_skip_test("the sanitizers need /proc at the end of a monitor");
#endif
	spawn_only();
	if (client.cage_lacks[0])
		cr_skip_test("this host refuses %s", client.cage_lacks);
	snprintf(pid, sizeof(pid), "%d", (int)client.pid);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		read_namespace("self", kinds[i], ours, sizeof(ours));
		read_namespace(pid, kinds[i], theirs, sizeof(theirs));
		cr_expect_str_neq(ours, theirs);
	}
	cr_expect_eq(each_entry("root", nothing_is_expected), 0);
	cr_expect_eq(each_entry("cwd", nothing_is_expected), 0);
}

static unsigned long user_of_monitor(void)
{
	_cleanup_free_ char *text = proc_file("status");
	unsigned long real = 0, effective = 0, saved = 0, fs = 0;

	cr_assert_eq(sscanf(strstr(text, "\nUid:"), "\nUid: %lu %lu %lu %lu", &real, &effective, &saved, &fs), 4);
	cr_expect(real == effective && real == saved && real == fs);
	return real;
}

Test(cage, has_a_user_of_its_own_where_hvmd_is_root)
{
	unsigned long first;

	if (geteuid() != 0)
		cr_skip_test("only root may give a user");
	spawn_only();
	if (client.cage_lacks[0])
		cr_skip_test("this host refuses %s", client.cage_lacks);
	first = user_of_monitor();
	cr_expect_geq(first, 0x70000000ul);
	monitor_fini(&client);
	spawn_only();
	cr_expect_neq(user_of_monitor(), first);
}

static void become_nobody(void)
{
	if (geteuid() != 0)
		return;
	cr_assert_eq(setgroups(0, NULL), 0);
	cr_assert_eq(setresgid(65534, 65534, 65534), 0);
	cr_assert_eq(setresuid(65534, 65534, 65534), 0);
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0); /* as after execve(): /proc/self is ours */
}

/* In a process of its own, since one with several threads cannot enter a user namespace. Its exit status. */
static int in_child(int (*fn)(void))
{
	pid_t pid = fork();
	int status = 0;

	cr_assert_geq(pid, 0);
	if (pid == 0)
		_exit(fn());
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int enter_user_namespace(void)
{
	return unshare(CLONE_NEWUSER) < 0;
}

Test(cage, is_whole_where_hvmd_is_an_ordinary_user)
{
	become_nobody();
	if (in_child(enter_user_namespace) != 0)
		cr_skip_test("this host lets no ordinary user make namespaces");
	if (access(getenv("top_builddir") ? getenv("top_builddir") : ".", X_OK) < 0)
		cr_skip_test("an ordinary user may not read the build folder");
	spawn_only();
	cr_expect_str_eq(client.cage_lacks, "");
}

static bool write_text(const char *path, const char *text)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

enum {
	LACKS_NAMESPACES,
	LACKS_SOMETHING_ELSE,
	CANNOT_FORBID,
};

/* A user namespace has limits of its own for what is made below it. */
static int spawn_where_namespaces_are_forbidden(void)
{
	struct error e;
	char map[32];
	int r;

	snprintf(map, sizeof(map), "0 %u 1", (unsigned)geteuid());
	if (unshare(CLONE_NEWUSER) < 0 || !write_text("/proc/self/uid_map", map))
		return CANNOT_FORBID;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		_cleanup_free_ char *limit = NULL;

		if (asprintf(&limit, "/proc/sys/user/max_%s_namespaces", kinds[i]) < 0 || !write_text(limit, "0"))
			return CANNOT_FORBID;
	}
	r = monitor_spawn(&client, &e);
	return r == 0 && strcmp(client.cage_lacks, "namespaces") == 0 ? LACKS_NAMESPACES : LACKS_SOMETHING_ELSE;
}

Test(cage, is_entered_as_far_as_a_host_without_namespaces_allows)
{
	int end = in_child(spawn_where_namespaces_are_forbidden);

	if (end == CANNOT_FORBID)
		cr_skip_test("this host lets us make no user namespace, in which we could forbid others");
	cr_expect_eq(end, LACKS_NAMESPACES);
}
