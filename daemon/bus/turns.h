/*
 * turns.h - nobody waits behind a crowd of somebody else's calls
 *
 * All calls come over one connection, in the order in which they were made. Who makes hundreds at once, of those that
 * everybody may make, would have all others wait for the answers. So each caller has some time in a round, and what
 * it asks beyond that waits until nothing else is there to do: then the next round begins. Only small questions wait
 * (properties, introspection, GetManagedObjects), whose answers depend on no order; jobs keep theirs.
 */
#pragma once

#include <systemd/sd-bus.h>

struct turns;

/* Looks at every call on this bus from now on. After the policy, so that it is asked before it. */
int turns_new(sd_bus *sd, struct turns **ret);

/* Takes NULL; returns NULL. What waits is answered by nobody. */
struct turns *turns_free(struct turns *turns);

/* A message has been processed. */
void turns_end(struct turns *turns);

/* Nothing else is there to do: the next of those that wait is, if any does. 1 when there is one, 0, -errno. */
int turns_next(struct turns *turns);
