/*
 * terminate.h - SIGTERM: somebody on this host, who is not hvmd, wants the VM to end
 *
 * So does systemd when the scope of a monitor is stopped, and machinectl(1). Before there is a machine, the
 * signal just ends the process (main.c).
 */
#pragma once

#include <stdbool.h>

/* From now on the signal adds to this eventfd, which is borrowed. While the machine is built: later the cage forbids it. */
void terminate_watch(int eventfd);

/* Whether it has come. */
bool terminate_wanted(void);
