/* test-console.c - what guests print: lines stay whole, logs are bounded, watchers never block a core */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "device/debug-port.h"
#include "monitor/console.h"

static int log_fd(void)
{
	int fd = memfd_create("log", MFD_CLOEXEC);

	cr_assert_geq(fd, 0);
	return fd;
}

/* What stands in a file or comes out of a pipe now. */
static char *contents(int fd, size_t size)
{
	char *text = calloc(1, size + 1);

	if (lseek(fd, 0, SEEK_SET) == 0)
		read_full(fd, text, size);
	else
		cr_assert_geq(read(fd, text, size), 0);
	return text;
}

static void write_text(struct console *console, uint32_t core, const char *text)
{
	console_write(console, core, text, strlen(text));
}

Test(console, keeps_the_log_from_byte_zero)
{
	int fd = log_fd();
	struct console *console = console_new(dup(fd));

	write_text(console, 1, "hello\n");
	console_mark(console, "hrt reset %d", 1);
	write_text(console, 1, "again\n");
	cr_expect_str_eq(contents(fd, 4096), "hello\n[hvmd: hrt reset 1]\nagain\n");
	console_free(console);
}

Test(console, ends_the_unfinished_line_of_another_core)
{
	int fd = log_fd();
	struct console *console = console_new(dup(fd));

	write_text(console, 1, "half");
	write_text(console, 1, " a line");
	write_text(console, 2, "whole\n");
	console_mark(console, "mark");
	cr_expect_str_eq(contents(fd, 4096), "half a line\nwhole\n[hvmd: mark]\n");
	console_free(console);
}

Test(console, stops_logging_at_its_bound_and_says_so_once)
{
	int fd = log_fd();
	struct console *console = console_new(dup(fd));
	uint64_t bytes = 0, dropped = 0;
	char line[1024];
	char *text;

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\n';
	for (int i = 0; i < 1030; i++)
		console_write(console, 1, line, sizeof(line));
	console_counts(console, &bytes, &dropped);
	cr_expect_eq(bytes, 1030 * 1024);
	cr_expect_eq(dropped, 6 * 1024);
	text = contents(fd, 2 * CONSOLE_LOG_MAX);
	cr_expect_lt(strlen(text), CONSOLE_LOG_MAX + 128);
	cr_expect_str_eq(text + CONSOLE_LOG_MAX, "\n[hvmd: the log is full; what follows is not kept]\n");
	console_free(console);
}

Test(console, replays_the_last_64_kib_to_a_new_watcher)
{
	struct console *console = console_new(-1);
	struct error e = {};
	int fds[2];
	char line[32];
	char *text;

	for (int i = 0; i < 8192; i++) {
		snprintf(line, sizeof(line), "line %9d\n", i); /* 15 bytes */
		write_text(console, 1, line);
	}
	cr_assert_eq(pipe2(fds, O_NONBLOCK), 0);
	fcntl(fds[1], F_SETPIPE_SZ, 1 << 20);
	cr_assert_eq(console_attach(console, fds[1], CONSOLE_WATCH, &e), 0);
	write_text(console, 1, "after\n");
	text = contents(fds[0], 1 << 20);
	cr_expect_eq(strlen(text), CONSOLE_RING_SIZE + 6);
	cr_expect_str_eq(text + CONSOLE_RING_SIZE - 15, "line      8191\nafter\n");
	console_free(console);
}

Test(console, a_watcher_that_does_not_read_blocks_nobody, .timeout = 10)
{
	struct console *console = console_new(-1);
	struct error e = {};
	int fds[2];

	cr_assert_eq(pipe2(fds, O_NONBLOCK), 0);
	cr_assert_eq(console_attach(console, fds[1], CONSOLE_WATCH, &e), 0);
	for (int i = 0; i < 100000; i++)
		write_text(console, 1, "the pipe is full long before this is over\n");
	console_free(console);
}

Test(console, refuses_a_seventeenth_watcher_with_a_sentence)
{
	struct console *console = console_new(-1);
	struct error e = {};
	int fds[2];

	for (int i = 0; i < CONSOLE_WATCHERS_MAX; i++) {
		cr_assert_eq(pipe(fds), 0);
		cr_assert_eq(console_attach(console, fds[1], CONSOLE_WATCH, &e), 0);
	}
	cr_assert_eq(pipe(fds), 0);
	cr_expect_eq(console_attach(console, fds[1], CONSOLE_WATCH, &e), -EUSERS);
	cr_expect_str_eq(e.text, "16 watchers have this console open already, which is the limit");
	console_free(console);
}

Test(console, a_watcher_that_has_left_makes_room_for_another)
{
	struct console *console = console_new(-1);
	struct error e = {};
	int fds[2];

	for (int i = 0; i < 3 * CONSOLE_WATCHERS_MAX; i++) {
		cr_assert_eq(pipe2(fds, O_NONBLOCK), 0);
		cr_assert_eq(console_attach(console, fds[1], CONSOLE_WATCH, &e), 0, "%s", e.text);
		close(fds[0]);
	}
	console_free(console);
}

Test(console, a_slow_watcher_is_told_what_it_has_lost)
{
	struct console *console = console_new(-1);
	struct error e = {};
	char page[4096], *text;
	int fds[2];

	memset(page, 'x', sizeof(page));
	cr_assert_eq(pipe2(fds, O_NONBLOCK), 0);
	cr_assert_eq(fcntl(fds[1], F_SETPIPE_SZ, 4096), 4096);
	cr_assert_eq(console_attach(console, fds[1], CONSOLE_WATCH, &e), 0);
	console_write(console, 1, page, sizeof(page));
	write_text(console, 1, "lost");
	write_text(console, 1, "lost, too\n");
	free(contents(fds[0], sizeof(page)));
	write_text(console, 1, "here again\n");
	text = contents(fds[0], sizeof(page));
	cr_expect_str_eq(text, "\n[hvmd: 14 bytes are lost here: they were not read in time]\nhere again\n");
	console_free(console);
}

/* --- Input ----------------------------------------------------------------------------------------------------- */

static char taken[4096];
static size_t n_taken, room;

static size_t take(void *data, const void *bytes, size_t size)
{
	size_t n = size < room ? size : room;

	(void)data;
	memcpy(taken + n_taken, bytes, n);
	n_taken += n;
	room -= n;
	return n;
}

static struct console *with_input(size_t space)
{
	struct console *console = console_new(-1);

	room = space;
	console_set_sink(console, &(struct console_sink){.take = take});
	return console;
}

/* Returns the far end of a socket whose near end is attached, or -1. */
static int join(struct console *console, enum console_mode mode, struct error *e)
{
	int fds[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	if (console_attach(console, fds[1], mode, e) == 0)
		return fds[0];
	close(fds[0]);
	return -1;
}

Test(console, what_the_writer_types_reaches_the_guest)
{
	struct console *console = with_input(100);
	int fd = join(console, CONSOLE_WRITE, NULL);

	cr_expect(console_has_writer(console));
	console_input(console);
	cr_expect_eq(n_taken, 0, "nothing was typed yet");
	cr_expect_eq(write(fd, "ls\n", 3), 3);
	console_input(console);
	cr_expect_eq(n_taken, 3);
	cr_expect_arr_eq(taken, "ls\n", 3);
	console_free(console);
}

Test(console, input_is_read_only_as_fast_as_the_guest_takes_it)
{
	struct console *console = with_input(2);
	int fd = join(console, CONSOLE_WRITE, NULL);

	cr_expect_eq(write(fd, "abcdef", 6), 6);
	cr_expect_geq(console_input_fd(console), 0);
	console_input(console);
	cr_expect_eq(n_taken, 2);
	cr_expect_eq(console_input_fd(console), -1, "the rest comes first");
	room = 3;
	console_push(console);
	cr_expect_eq(console_input_fd(console), -1);
	room = 10;
	console_push(console);
	cr_expect_arr_eq(taken, "abcdef", 6);
	cr_expect_geq(console_input_fd(console), 0);
	console_free(console);
}

Test(console, has_one_writer_and_others_who_watch)
{
	struct console *console = with_input(100);
	struct error e = {};
	char *text;
	int first, second, third;

	first = join(console, CONSOLE_WRITE, &e);
	cr_expect_eq(join(console, CONSOLE_WRITE, &e), -1);
	cr_expect_str_eq(e.text,
		"somebody writes to this console already; it can be watched, or taken over by force");
	second = join(console, CONSOLE_WATCH, &e);
	third = join(console, CONSOLE_TAKE_OVER, &e);
	write_text(console, 1, "to all\n");
	cr_expect_eq(write(first, "old", 3), 3);
	cr_expect_eq(write(second, "watcher", 7), 7);
	cr_expect_eq(write(third, "new", 3), 3);
	console_input(console);
	cr_expect_eq(n_taken, 3);
	cr_expect_arr_eq(taken, "new", 3);
	text = contents(first, 100);
	cr_expect_str_eq(text, "\n[hvmd: somebody else writes from here on]\nto all\n");
	text = contents(second, 100);
	cr_expect_str_eq(text, "to all\n");
	console_free(console);
}

Test(console, a_writer_that_leaves_makes_place_for_the_next)
{
	struct console *console = with_input(100);

	signal(SIGPIPE, SIG_IGN); /* as in the monitor */
	close(join(console, CONSOLE_WRITE, NULL));
	write_text(console, 1, "nobody hears this\n");
	console_input(console);
	cr_expect_not(console_has_writer(console));
	cr_expect_eq(console_input_fd(console), -1);
	cr_expect_geq(join(console, CONSOLE_WRITE, NULL), 0);
	console_free(console);
}

Test(console, a_writer_who_has_said_all_goes_on_watching)
{
	struct console *console = with_input(100);
	int fd = join(console, CONSOLE_WRITE, NULL);
	char *text;

	cr_expect_eq(write(fd, "x", 1), 1);
	cr_expect_eq(shutdown(fd, SHUT_WR), 0);
	console_input(console);
	console_input(console);
	cr_expect_eq(n_taken, 1);
	cr_expect_not(console_has_writer(console));
	join(console, CONSOLE_WATCH, NULL);
	write_text(console, 1, "an answer\n");
	text = contents(fd, 100);
	cr_expect_str_eq(text, "an answer\n");
	console_free(console);
}

Test(console, without_input_can_only_be_watched)
{
	struct console *console = console_new(-1);
	struct error e = {};

	cr_expect_eq(join(console, CONSOLE_TAKE_OVER, &e), -1);
	cr_expect_str_eq(e.text, "this console has no input; it can be watched");
	cr_expect_geq(join(console, CONSOLE_WATCH, &e), 0);
	console_free(console);
}

static char seen[4096];
static int begun;

static void see_line(void *data, uint32_t core, const char *text, size_t size)
{
	(void)data;
	sprintf(seen + strlen(seen), "%u<%.*s>", core, (int)size, text);
}

static void see_begun(void *data, uint32_t core)
{
	(void)data;
	(void)core;
	begun++;
}

static const struct debug_port_listener listener = {.line = see_line, .begun = see_begun};

Test(debug_port, hands_on_whole_lines)
{
	struct debug_port port;

	debug_port_init(&port, 3, &listener);
	debug_port_write(&port, (const uint8_t *)"one\ntw", 6);
	cr_expect_str_eq(seen, "3<one\n>");
	debug_port_write(&port, (const uint8_t *)"o\n", 2);
	cr_expect_str_eq(seen, "3<one\n>3<two\n>");
	cr_expect_eq(begun, 2);
	debug_port_fini(&port);
}

Test(debug_port, ends_a_line_of_1023_bytes)
{
	struct debug_port port;
	uint8_t bytes[DEBUG_PORT_LINE_MAX + 1];

	memset(bytes, 'x', sizeof(bytes));
	debug_port_init(&port, 0, &listener);
	debug_port_write(&port, bytes, sizeof(bytes));
	cr_expect_eq(strlen(seen), DEBUG_PORT_LINE_MAX + 3);
	debug_port_flush(&port, UINT64_MAX);
	cr_expect_str_eq(seen + DEBUG_PORT_LINE_MAX + 3, "0<x>");
	debug_port_fini(&port);
}

Test(debug_port, flushes_only_what_has_rested_long_enough)
{
	struct debug_port port;
	uint64_t first;

	debug_port_init(&port, 0, &listener);
	debug_port_write(&port, (const uint8_t *)"abc", 3);
	first = port.last_usec;
	while (clock_usec() == first)
		;
	debug_port_write(&port, (const uint8_t *)"d", 1);
	debug_port_flush(&port, first);
	cr_expect_str_eq(seen, "");
	debug_port_flush(&port, port.last_usec);
	cr_expect_str_eq(seen, "0<abcd>");
	debug_port_flush(&port, UINT64_MAX);
	cr_expect_str_eq(seen, "0<abcd>");
	debug_port_fini(&port);
}
