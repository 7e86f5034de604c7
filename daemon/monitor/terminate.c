/* terminate.c - see terminate.h; the signal may come on any thread, and a core takes it for a kick */
#include "monitor/terminate.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

static atomic_bool wanted;
static int wake_fd = -1;

static void on_signal(int number)
{
	const uint64_t one = 1;
	int saved = errno;
	ssize_t n;

	(void)number;
	atomic_store(&wanted, true);
	n = write(wake_fd, &one, sizeof(one));
	(void)n; /* it is full of wakes otherwise */
	errno = saved;
}

void terminate_watch(int eventfd)
{
	const struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

	wake_fd = eventfd;
	sigaction(SIGTERM, &action, NULL); /* cage(build): rt_sigaction */
}

bool terminate_wanted(void)
{
	return atomic_load(&wanted);
}
