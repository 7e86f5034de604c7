/*
 * server.h - the monitor's side of the link: requests in, replies and news out
 *
 * The monitor's main thread lives here. It is the coordinator of the machine:
 * it alone starts, resets and parks cores, one thing after the other.
 */
#pragma once

/*
 * Serves the link, which it takes over, and those that come after it (connection.h), until hvmd says stop,
 * or goes away before the machine runs. Returns the
 * process's exit status: 0 after a stop or when hvmd has gone, 1 when the link broke.
 */
int server_run(int link_fd);
