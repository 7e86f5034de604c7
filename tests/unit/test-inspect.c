/* test-inspect.c - what hvm-monitor says of a definition and its images without running them, and its cage */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/io.h"
#include "image/describe.h"
#include "monitor-client.h"
#include "monitor/cage.h"

static struct monitor_client client = {.link = -1, .log = -1};

static void stop(void)
{
	monitor_fini(&client);
}

TestSuite(inspect, .fini = stop, .timeout = 30);

static const struct test_machine machine = {
	.image = "reference.elf", .memory_mib = 64, .ros_mib = 4, .cores = 3, .ros_cores = 1};

static int reference(void)
{
	_cleanup_free_ char *path = NULL;
	int fd;

	cr_assert_gt(asprintf(&path, "%s/examples/guests/reference.elf", getenv("top_builddir")), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
	return fd;
}

static int file_of(const void *data, size_t size)
{
	int fd = memfd_create("image", MFD_CLOEXEC);

	cr_assert_eq(write_full(fd, data, size), 0);
	return fd;
}

static struct cursor *ask(const struct test_machine *m, int fd)
{
	struct error e = {};
	int r = monitor_spawn(&client, &e);

	cr_assert_eq(r, 0, "%s", error_text(&e, r));
	r = monitor_inspect(&client, m, fd, &e);
	cr_assert_eq(r, 0, "%s", error_text(&e, r));
	return &client.reply.payload;
}

static void expect_string(struct cursor *c, const char *text)
{
	_cleanup_free_ char *found = link_read_string(c);

	cr_assert_not_null(found);
	cr_expect_str_eq(found, text);
}

Test(inspect, tells_what_an_hrt_image_is_and_plans_with_it)
{
	struct cursor *c = ask(&machine, reference());
	uint64_t end = 0;
	uint32_t n;

	cr_expect_eq(cursor_u32(c), 1);
	expect_string(c, "ELF64, little-endian, for x86-64, executable; Multiboot2 header at 0x1000, with HRT tag "
		"(hrt_flags 0x200, gva_offset 0xffff800000000000)");
	expect_string(c, "mb64");
	expect_string(c, "");
	expect_string(c, "");
	n = cursor_u32(c);
	cr_expect_geq(n, 10);
	for (uint32_t i = 0; i < n; i++) {
		_cleanup_free_ char *name = link_read_string(c), *access = NULL;
		uint64_t gpa = cursor_u64(c), size = cursor_u64(c);

		access = link_read_string(c);
		cr_assert(name && access);
		cr_expect_geq(gpa, end, "%s", name);
		end = gpa + size;
		if (i == 0)
			cr_expect(strcmp(name, "ros memory") == 0 && size == 4 << 20 && strcmp(access, "both") == 0);
	}
	cr_expect(cursor_ok(c) && c->left == 0);
	cr_expect_eq(monitor_wait_end(&client, 5000), 0, "it ends after its reply");
}

Test(inspect, says_why_an_image_is_not_booted)
{
	struct cursor *c = ask(&machine, file_of("#!/bin/sh\n", 10));

	cr_expect_eq(cursor_u32(c), 1);
	free(link_read_string(c));
	expect_string(c, "");
	cr_expect_gt(strlen(link_read_string(c)), 20);
	cr_expect_gt(strlen(link_read_string(c)), 20);
	cr_expect(cursor_ok(c) && c->left == 0);
}

Test(inspect, says_why_there_is_no_plan_when_the_image_does_not_fit)
{
	struct test_machine small = machine;
	struct cursor *c;

	small.memory_mib = 8;
	c = ask(&small, reference());
	cr_expect_eq(cursor_u32(c), 1);
	free(link_read_string(c));
	expect_string(c, "mb64");
	expect_string(c, "");
	cr_expect_gt(strlen(link_read_string(c)), 20);
	cr_expect(cursor_ok(c) && c->left == 0);
}

Test(inspect, does_without_images)
{
	struct cursor *c = ask(&machine, -1);

	cr_expect_eq(cursor_u32(c), 0);
	expect_string(c, "the HRT's image was not looked at");
	cr_expect(cursor_ok(c) && c->left == 0);
}

static void expect_description(const void *data, size_t size, const char *text)
{
	struct buffer b = BUFFER_INIT(1024);
	_cleanup_free_ char *found = NULL;

	image_describe(data, size, &b);
	found = buffer_take_string(&b);
	cr_expect(strncmp(found, text, strlen(text)) == 0, "found \"%s\"", found);
}

Test(describe, knows_a_bzimage)
{
	uint8_t data[0x300] = {};

	memcpy(data + 0x202, "HdrS", 4);
	data[0x206] = 15;
	data[0x207] = 2;
	expect_description(data, sizeof(data), "Linux bzImage, boot protocol 2.15;");
}

Test(describe, knows_a_multiboot_1_kernel)
{
	uint8_t data[64] = {};
	uint32_t words[] = {0x1BADB002, 3, -(0x1BADB002 + 3u)};

	memcpy(data + 16, words, sizeof(words));
	expect_description(data, sizeof(data), "no ELF file and no bzImage; Multiboot 1 header at 0x10;");
}

Test(describe, survives_every_length_of_nothing)
{
	uint8_t data[0x300];

	memset(data, 0xFF, sizeof(data));
	for (size_t size = 0; size < sizeof(data); size++)
		expect_description(data, size, "no ELF file and no bzImage;");
}

#ifndef BUILT_WITH_SANITIZERS /* the filter is not there: see monitor/cage.c */

/* The status of a child that enters the cage and then does this. */
static int caged(void (*act)(void))
{
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		if (cage_enter_inspector(NULL) < 0)
			_exit(99);
		act();
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

static void do_nothing(void)
{
}

static void do_open(void)
{
	open("/dev/null", O_RDONLY);
}

static void do_socket(void)
{
	socket(AF_UNIX, SOCK_STREAM, 0);
}

static void do_fork(void)
{
	fork();
}

static void do_execve(void)
{
	execl("/bin/true", "true", NULL);
}

static void do_map_executable(void)
{
	mprotect((void *)((uintptr_t)do_nothing & ~4095ul), 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
}

Test(cage, lets_go_out)
{
	cr_expect_eq(caged(do_nothing), 0);
}

Test(cage, kills_what_is_not_allowed)
{
	static void (*const acts[])(void) = {do_open, do_socket, do_fork, do_execve, do_map_executable};

	for (size_t i = 0; i < sizeof(acts) / sizeof(acts[0]); i++) {
		int status = caged(acts[i]);

		cr_expect(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "act %zu: status 0x%x", i, status);
	}
}

#endif
