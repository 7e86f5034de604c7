/* test-session.c - a person at a console: every key, every byte, and a terminal that is put back whatever happens */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "base/io.h"
#include "base/macro.h"
#include "client/session.h"

#define EXIT_LEFT  10
#define EXIT_ENDED 11

static int master = -1, slave = -1; /* the terminal */
static int console = -1;            /* hvmd's end */
static struct termios before;
static pid_t child;

static void run_session(int fd)
{
	enum session_end end;
	int r = session_run(fd, &end);

	_exit(r < 0 ? 1 : end == SESSION_LEFT ? EXIT_LEFT : EXIT_ENDED);
}

static bool is_raw(void)
{
	struct termios now;

	cr_assert_eq(tcgetattr(slave, &now), 0);
	return !(now.c_lflag & ICANON);
}

static void expect_restored(void)
{
	struct termios now;

	cr_assert_eq(tcgetattr(slave, &now), 0);
	cr_expect_eq(now.c_iflag, before.c_iflag);
	cr_expect_eq(now.c_oflag, before.c_oflag);
	cr_expect_eq(now.c_lflag, before.c_lflag);
}

static void wait_raw(void)
{
	for (int i = 0; i < 5000 && !is_raw(); i++)
		usleep(1000);
	cr_assert(is_raw());
}

static void start_on_terminal(void)
{
	int ends[2];

	cr_assert_eq(openpty(&master, &slave, NULL, NULL, NULL), 0);
	cr_assert_eq(tcgetattr(slave, &before), 0);
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	console = ends[0];
	child = fork();
	if (child == 0) {
		setsid();
		ioctl(slave, TIOCSCTTY, 0);
		for (int i = 0; i < 3; i++)
			dup2(slave, i);
		close(ends[0]);
		run_session(ends[1]);
	}
	close(ends[1]);
	wait_raw();
}

static int end_of_child(void)
{
	int status;

	cr_assert_eq(waitpid(child, &status, 0), child);
	child = 0;
	return status;
}

static void expect_exit(int code)
{
	int status = end_of_child();

	cr_expect(WIFEXITED(status));
	cr_expect_eq(WEXITSTATUS(status), code);
}

static void expect_bytes(int fd, const char *bytes, size_t size)
{
	char got[64] = {};

	cr_assert_leq(size, sizeof(got));
	cr_expect_eq(read_full(fd, got, size), (ssize_t)size);
	cr_expect_arr_eq(got, bytes, size);
}

static void type(const char *keys, size_t n)
{
	cr_assert_eq(write_full(master, keys, n), 0);
}

TestSuite(session, .timeout = 60);

Test(session, every_key_but_the_escape_goes_to_the_guest)
{
	start_on_terminal();
	type("ls\r\x03\x1a\x04\x11\x7f", 8);
	expect_bytes(console, "ls\r\x03\x1a\x04\x11\x7f", 8);
	type("tail\x1d not this", 14);
	expect_exit(EXIT_LEFT);
	expect_bytes(console, "tail", 4);
	expect_restored();
}

Test(session, every_byte_of_the_guest_reaches_the_terminal)
{
	start_on_terminal();
	cr_assert_eq(write_full(console, "a\n\033[1mb\r\n", 10), 0);
	expect_bytes(master, "a\n\033[1mb\r\n", 10);
	close(console);
	expect_exit(EXIT_ENDED);
	expect_restored();
}

Test(session, a_guest_that_takes_no_keys_can_be_left)
{
	static char keys[1 << 20];

	start_on_terminal();
	memset(keys, 'k', sizeof(keys));
	type(keys, sizeof(keys));
	type("\x1d", 1);
	expect_exit(EXIT_LEFT);
	expect_restored();
}

Test(session, any_signal_that_ends_it_leaves_the_terminal_as_it_was)
{
	static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGALRM, SIGPIPE, SIGABRT,
#ifndef BUILT_WITH_SANITIZERS /* which take these for themselves */
		SIGSEGV, SIGBUS,
#endif
	};

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
		int status;

		start_on_terminal();
		cr_assert_eq(kill(child, signals[i]), 0);
		status = end_of_child();
		cr_expect(WIFSIGNALED(status), "signal %d", signals[i]);
		cr_expect_eq(WTERMSIG(status), signals[i]);
		expect_restored();
		close(master);
		close(slave);
		close(console);
	}
}

Test(session, a_stop_puts_the_terminal_back_and_going_on_makes_it_raw_again)
{
	int status;

	start_on_terminal();
	cr_assert_eq(kill(child, SIGTSTP), 0);
	cr_assert_eq(waitpid(child, &status, WUNTRACED), child);
	cr_assert(WIFSTOPPED(status));
	expect_restored();
	cr_assert_eq(kill(child, SIGCONT), 0);
	wait_raw();
	type("x\x1d", 2);
	expect_bytes(console, "x", 1);
	expect_exit(EXIT_LEFT);
	expect_restored();
}

/* --- Without a terminal ----------------------------------------------------------------------------------- */

static int in = -1, out = -1;

static void start_on_pipes(void)
{
	int ends[2], input[2], output[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	cr_assert_eq(pipe2(input, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(output, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		dup2(input[0], 0);
		dup2(output[1], 1);
		close(ends[0]);
		close(input[1]);
		run_session(ends[1]);
	}
	close(ends[1]);
	close(input[0]);
	close(output[1]);
	console = ends[0];
	in = input[1];
	out = output[0];
}

Test(session, a_pipe_is_passed_on_to_its_end_and_then_the_guest_is_listened_to)
{
	char byte;

	start_on_pipes();
	cr_assert_eq(write_full(in, "poweroff\n\x1d\n", 11), 0);
	close(in);
	expect_bytes(console, "poweroff\n\x1d\n", 11);
	cr_expect_eq(read(console, &byte, 1), 0, "the guest hears that there is no more");
	cr_assert_eq(write_full(console, "bye\n", 4), 0);
	expect_bytes(out, "bye\n", 4);
	close(console);
	expect_exit(EXIT_ENDED);
}

Test(session, a_long_pipe_waits_for_a_slow_guest)
{
	static char sent[1 << 18], got[1 << 18];

	start_on_pipes();
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (char)('a' + i % 26);
	if (fork() == 0) {
		write_full(in, sent, sizeof(sent));
		_exit(0);
	}
	close(in);
	usleep(100000);
	cr_expect_eq(read_full(console, got, sizeof(got)), (ssize_t)sizeof(got));
	cr_expect_arr_eq(got, sent, sizeof(got));
	close(console);
	expect_exit(EXIT_ENDED);
}
