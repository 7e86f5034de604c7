/*
 * main.c - hvm-monitor: one running VM
 *
 * Spawned by hvmd with its end of the link as descriptor 3 (LINK_FD); everything
 * else it needs arrives over the link as descriptors. It opens no file and speaks
 * to nobody else; when its hvmd goes it runs on, and waits for the next one. Before it reads
 * anything it enters its cage (cage.h).
 */
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi/link.h"
#include "base/error.h"
#include "base/log.h"
#include "base/macro.h"
#include "monitor/cage.h"
#include "monitor/core.h"
#include "monitor/server.h"

static int check_link(void)
{
	int type = 0;
	socklen_t size = sizeof(type);

	if (getsockopt(LINK_FD, SOL_SOCKET, SO_TYPE, &type, &size) < 0 || type != SOCK_SEQPACKET)
		return -1;
	return fcntl(LINK_FD, F_SETFD, FD_CLOEXEC);
}

/* What hvmd gave to the cage: "--namespaces" and "--user=N". Whether there is nothing else. */
static bool parse_gift(int argc, char **argv, struct cage_gift *ret)
{
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--namespaces") == 0)
			ret->namespaces = true;
		else if (strncmp(argv[i], "--user=", 7) == 0)
			ret->user = (uid_t)strtoul(argv[i] + 7, NULL, 10);
		else
			return false;
	return true;
}

/* One heap for all threads: a second one is made of calls that the cage does not allow. */
static void setup_heap(void)
{
	mallopt(M_ARENA_MAX, 1); /* cage(run, inspect): brk, mmap, munmap */
}

/*
 * Who is the first process of a pid namespace dies of no signal that it does not handle. A fault happens again
 * when this returns, and then it does kill; what somebody sent ends us with the status that a shell would give.
 */
static void on_fatal(int number, siginfo_t *info, void *context)
{
	(void)context;
	if (info->si_code <= 0)
		_exit(128 + number);
}

static void setup_fatal_signals(void)
{
	static const int numbers[] = {SIGHUP, SIGQUIT, SIGILL, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGTERM};
	const struct sigaction action = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | (int)SA_RESETHAND};

	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		sigaction(numbers[i], &action, NULL);
}

static void setup_signals(void)
{
	if (getpid() == 1)
		setup_fatal_signals();
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a log that is full is an errno */
	signal(SIGINT, SIG_IGN);  /* ^C at hvmd's terminal is hvmd's business */
	core_setup_signal();
}

int main(int argc, char **argv)
{
	struct cage_gift gift = {};
	struct error e = {};
	int r;

	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("hvm-monitor %s, link version %u\n", PACKAGE_VERSION, LINK_VERSION);
		return 0;
	}
	if (!parse_gift(argc, argv, &gift) || check_link() < 0) {
		fprintf(stderr, "hvm-monitor: started by hvmd only, with a SOCK_SEQPACKET socket as descriptor %d\n",
			LINK_FD);
		return 2;
	}
	log_to_journal(); /* while it can still look */
	setup_heap();
	setup_signals();
	r = cage_enter(&gift, &e);
	if (r < 0) {
		log_error("hvm-monitor: %s", error_text(&e, r));
		return 1;
	}
	return server_run(LINK_FD);
}
