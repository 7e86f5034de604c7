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
#include "link/inspection.h"
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

/* What the monitor answers; its body has been read to the last byte. */
static struct inspection *ask(const struct test_machine *m, int fd)
{
	static struct inspection inspection;
	struct error e = {};
	int r = monitor_spawn(&client, &e);

	cr_assert_eq(r, 0, "%s", error_text(&e, r));
	r = monitor_inspect(&client, m, fd, &e);
	cr_assert_eq(r, 0, "%s", error_text(&e, r));
	cr_assert_eq(inspection_read(&client.reply.payload, fd >= 0, &inspection), 0);
	return &inspection;
}

static void expect_text(const char *text, const char *part)
{
	cr_expect(strstr(text, part), "\"%s\" lacks \"%s\"", text, part);
}

Test(inspect, tells_what_an_hrt_image_is_and_plans_with_it)
{
	struct inspection *i = ask(&machine, reference());

	cr_expect_str_eq(i->images[0].what,
		"ELF64, little-endian, for x86-64, executable; Multiboot2 header at 0x1000, with HRT tag "
		"(hrt_flags 0x200, gva_offset 0xffff800000000000)");
	cr_expect_str_eq(i->images[0].protocol, "mb64");
	cr_expect_str_eq(i->images[0].why_not, "");
	cr_expect_eq(i->error, 0);
	cr_assert_geq(i->plan.n, 10);
	cr_expect_str_eq(i->plan.regions[0].name, "ros memory");
	cr_expect_str_eq(i->plan.regions[0].access, "both");
	cr_expect(i->plan.regions[0].gpa == 0 && i->plan.regions[0].size == 4 << 20);
	cr_expect_eq(monitor_wait_end(&client, 5000), 0, "it ends after its reply");
	inspection_fini(i);
}

static int kernel(void)
{
	_cleanup_free_ char *path = NULL;
	int fd;

	cr_assert_gt(asprintf(&path, "%s/examples/guests/kernel.elf", getenv("top_builddir")), 0);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
	return fd;
}

Test(inspect, tells_which_boot_protocols_take_a_kernel_and_plans_with_the_first)
{
	struct test_machine alone = {.kernel = "kernel.elf", .memory_mib = 32, .cores = 1};
	struct inspection *i = ask(&alone, kernel());

	expect_text(i->images[0].what, "; multiboot2 takes it; multiboot takes it, too; pvh: ");
	expect_text(i->images[0].what, "; linux: ");
	cr_expect_str_eq(i->images[0].protocol, "multiboot2");
	cr_expect_eq(i->error, 0, "%s", i->why.text);
	inspection_fini(i);
}

Test(inspect, tells_which_boot_protocols_a_definition_does_not_want)
{
	struct test_machine alone = {
		.kernel = "kernel.elf", .memory_mib = 32, .cores = 1, .protocol = SPEC_PROTOCOL_MULTIBOOT};
	struct inspection *i = ask(&alone, kernel());

	expect_text(i->images[0].what, "; multiboot2 is not what protocol= says; multiboot takes it; pvh is not what ");
	cr_expect_str_eq(i->images[0].protocol, "multiboot");
	inspection_fini(i);
}

Test(inspect, says_why_an_image_is_not_booted)
{
	struct inspection *i = ask(&machine, file_of("#!/bin/sh\n", 10));

	cr_expect_str_eq(i->images[0].protocol, "");
	expect_text(i->images[0].why_not, "the file has 10 bytes; an ELF64 header alone has 64");
	cr_expect_eq(i->error, -ENOEXEC);
	expect_text(i->why.text, "HRT image \"image\": ");
	expect_text(i->why.text, i->images[0].why_not);
	inspection_fini(i);
}

Test(inspect, says_why_there_is_no_plan_when_the_image_does_not_fit)
{
	struct test_machine small = machine;
	struct inspection *i;

	small.memory_mib = 8;
	i = ask(&small, reference());
	cr_expect_str_eq(i->images[0].protocol, "mb64");
	cr_expect_str_eq(i->images[0].why_not, "");
	cr_expect_eq(i->error, -ENOEXEC);
	expect_text(i->why.text, "does not lie in RAM, which ends at 0x800000: give the VM more memory");
	inspection_fini(i);
}

Test(inspect, says_which_two_want_the_same_memory)
{
	struct test_machine greedy = machine;
	struct inspection *i;

	greedy.ros_mib = 32; /* the image is linked for 8 MiB */
	i = ask(&greedy, reference());
	cr_expect_eq(i->error, -EADDRINUSE);
	expect_text(i->why.text, "HRT image \"image\": ros memory [0x0, 0x2000000) and image 0 [0x800000, ");
	inspection_fini(i);
}

Test(inspect, does_without_images)
{
	struct inspection *i = ask(&machine, -1);

	cr_expect_eq(i->error, -ENOEXEC);
	cr_expect_str_eq(i->why.text, "the image \"image\" was not looked at");
	inspection_fini(i);
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
