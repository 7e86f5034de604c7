/* terminal.c - see terminal.h */
#include "client/terminal.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <termios.h>
#include <unistd.h>

#include "base/macro.h"

static struct termios before, raw;
static volatile sig_atomic_t raw_fd = -1; /* -1: nothing to put back */

/* Whatever ends a process by default, but for those that cannot be caught. */
static const int ends[] = {
	SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGUSR1, SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM,
	SIGTERM, SIGSTKFLT, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGIO, SIGPWR, SIGSYS,
};
static const int stops[] = {SIGTSTP, SIGTTIN, SIGTTOU};

/* tcsetattr(), signal() and raise() may be called in a handler (signal-safety(7)). */
static void put_back(void)
{
	if (raw_fd >= 0)
		tcsetattr(raw_fd, TCSADRAIN, &before);
}

static void on_end(int number)
{
	put_back();
	signal(number, SIG_DFL);
	raise(number); /* it is blocked until we return, and then ends us */
}

/* SIGSTOP is not delivered later: we stand still here, and go on here. */
static void on_stop(int number)
{
	(void)number;
	put_back();
	raise(SIGSTOP);
}

static void on_continue(int number)
{
	int error = errno;

	(void)number;
	if (raw_fd >= 0)
		tcsetattr(raw_fd, TCSADRAIN, &raw);
	errno = error;
}

static void watch(const int *numbers, size_t n, void (*handler)(int))
{
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART}, old;

	for (size_t i = 0; i < n; i++)
		if (sigaction(numbers[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
			sigaction(numbers[i], &action, NULL);
}

int terminal_raw(int fd)
{
	static const int go_on[] = {SIGCONT};

	if (tcgetattr(fd, &before) < 0)
		return -errno;
	raw = before;
	cfmakeraw(&raw);
	raw_fd = fd;
	watch(ends, ARRAY_SIZE(ends), on_end);
	watch(stops, ARRAY_SIZE(stops), on_stop);
	watch(go_on, ARRAY_SIZE(go_on), on_continue);
	if (tcsetattr(fd, TCSADRAIN, &raw) < 0) {
		raw_fd = -1;
		return -errno;
	}
	return 0;
}

void terminal_restore(void)
{
	put_back();
	raw_fd = -1;
}
