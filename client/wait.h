/* wait.h - until VMs have ended, and how */
#pragma once

#include "client/bus.h"

/* Has hvmd tell what becomes of these VMs. Before whatever may end them. */
enum exit_status wait_listen(struct client *c, char **names);

/*
 * Waits until each has ended or crashed. The first status of a guest that is not 0,
 * or STATUS_FAILED where hvmd goes, or somebody else stops one.
 */
enum exit_status wait_for_end(struct client *c, char **names);
