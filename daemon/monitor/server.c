/*
 * server.c - see server.h
 *
 * Tour 310: Now you are in hvm-monitor, one process for each running VM. Its
 * main thread lives in this file and is the machine's coordinator: it alone
 * starts, resets and parks cores, so there is nothing to lock between these.
 */
#include "monitor/server.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/macro.h"
#include "link/link.h"
#include "monitor/console.h"
#include "monitor/measure.h"
#include "monitor/serve.h"
#include "monitor/terminate.h"

static void on_link(struct server *server)
{
	static struct link_message m; /* 64 KiB; one at a time */

	if (!connection_receive(&server->link, &m))
		return;
	serve_request(server, &m);
	link_message_fini(&m);
}

static void on_wake(struct server *server)
{
	uint64_t count;
	ssize_t n = read(server->machine->wake_fd, &count, sizeof(count)); /* cage(run): read */

	(void)n; /* only its arrival matters */
	if (terminate_wanted())
		serve_termination(server);
	else
		follow_cores(server);
}

/* Milliseconds until the next thing that is due by time; -1: nothing is. */
static int next_timeout(const struct server *server)
{
	uint64_t now = clock_usec(); /* cage(run): clock_gettime - where the vDSO has no clock */
	uint64_t due = follow_due(server);

	if (due == UINT64_MAX)
		return -1;
	return due <= now ? 0 : (int)((due - now) / 1000 + 1);
}

/* The console that somebody may type into; NULL: there is none. */
static struct console *input_console(const struct server *server)
{
	return server->machine ? server->machine->partitions[PARTITION_ROS].console : NULL;
}

static void step(struct server *server)
{
	struct console *console = input_console(server);
	struct pollfd fds[] = {
		{.fd = server->link.link, .events = POLLIN},
		{.fd = server->machine ? server->machine->wake_fd : -1, .events = POLLIN},
		{.fd = server->link.outlives ? server->link.listener : -1, .events = POLLIN},
		{.fd = console ? console_input_fd(console) : -1, .events = POLLIN},
	};
	int n = poll(fds, ARRAY_SIZE(fds), next_timeout(server)); /* cage(run): poll, restart_syscall */

	if (n < 0 && errno != EINTR) {
		log_error("poll: %s", error_text(NULL, -errno));
		server->stopping = true;
		server->status = 1;
	}
	if (n > 0 && fds[0].revents)
		on_link(server);
	if (n > 0 && fds[1].revents && !server->stopping)
		on_wake(server);
	if (n > 0 && fds[2].revents && connection_accept(&server->link))
		tell_everything(server);
	if (n > 0 && fds[3].revents && !server->stopping)
		console_input(console);
	if (server->machine && !server->stopping)
		follow_time(server);
	server->stopping |= server->link.over;
	server->status |= server->link.broken;
}

/*
 * In the cage no thread ends by itself; all of them end with the process, and what we hold goes with it. The
 * sanitizers, which have no cage, want to see that nothing leaks. A core that will not park must not hold up the end.
 */
static void end(struct server *server)
{
	bool parked = !server->machine || machine_park(server->machine, SERVE_PARK_USEC);

#ifdef BUILT_WITH_SANITIZERS
	if (parked) {
		server->machine = machine_free(server->machine);
		server->measure = measure_free(server->measure);
		return;
	}
#else
	(void)parked;
#endif
	_exit(server->status); /* cage(run, inspect): exit_group */
}

int server_run(int link_fd)
{
	struct server server = {.link = {.link = link_fd, .listener = -1}};

	tell_hello(&server);
	while (!server.stopping)
		step(&server);
	end(&server);
	return server.status;
}
