/* test-cage.c - a real monitor with a running guest, looked at from outside: what it has given up */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "monitor-client.h"

#define BOOT_TIMEOUT_MS 60000

static struct monitor_client client = {.link = -1, .log = -1};

static void stop_all(void)
{
	monitor_fini(&client);
}

TestSuite(cage, .fini = stop_all, .timeout = 120);

static const struct test_machine machine = {
	.image = "reference.elf", .memory_mib = 64, .ros_mib = 4, .cores = 3, .ros_cores = 1};

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
		"anon_inode:kvm-vm-stats", "anon_inode:[eventfd]", "/dev/kvm", "/memfd:hvm-ros", "/memfd:console"};

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

	start();
	smaps = proc_file("smaps");
	cr_assert(strstr(smaps, "/memfd:hvm-ros") && strstr(smaps, "/memfd:hvm-hrt"));
	for (const char *at = smaps; (at = strstr(at, "/memfd:hvm-")); at++)
		cr_expect(has_flag(at, "/memfd:hvm-", " dd"), "this may be dumped: %.40s", at);
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
	r = monitor_request(&client, LINK_CONSOLE, NULL, 0, ends[1], &e);
	cr_expect_eq(r, 0, "%s", error_text(&e, r));
	r = monitor_request(&client, LINK_PLAN, NULL, 0, -1, &e);
	cr_expect_eq(r, 0, "%s", error_text(&e, r));
	r = monitor_request(&client, LINK_STOP, NULL, 0, -1, &e);
	cr_expect_eq(r, 0, "%s", error_text(&e, r));
	cr_expect_eq(monitor_wait_end(&client, 2000), 0);
}
