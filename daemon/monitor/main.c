/*
 * main.c - hvm-monitor: one running VM
 *
 * Spawned by hvmd with its end of the link as descriptor 3 (LINK_FD); everything
 * else it needs arrives over the link as descriptors. It opens no file, speaks
 * to nobody else, and ends with its hvmd.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi/link.h"
#include "base/log.h"
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

int main(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "--version") == 0) {
		printf("hvm-monitor %s, link version %u\n", PACKAGE_VERSION, LINK_VERSION);
		return 0;
	}
	if (argc != 1 || check_link() < 0) {
		fprintf(stderr, "hvm-monitor: started by hvmd only, with a SOCK_SEQPACKET socket as descriptor %d\n",
			LINK_FD);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN); /* ^C at hvmd's terminal is hvmd's business */
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	core_setup_signal();
	return server_run(LINK_FD);
}
