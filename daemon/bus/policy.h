/*
 * policy.h - who may do what
 *
 * Every call is looked at before it reaches an object. What changes nothing is for
 * everybody; all else is an action of polkit's (units/org.hvmd1.policy). Root, and
 * the user that hvmd runs as, may do everything. Others are asked about at polkit,
 * without anybody waiting for that but themselves; on a user's bus, and where there is no
 * polkit, the answer is no. A call that this folder's table does not know is for
 * root and hvmd's user only, so nothing is open because somebody forgot it.
 *
 * Each decision about somebody else is logged.
 */
#pragma once

#include <stdbool.h>
#include <systemd/sd-bus.h>

struct policy;

/* Looks at every call on this bus from now on; `asks` says whether polkit is to be asked. Before objects are added. */
int policy_new(sd_bus *sd, bool asks, struct policy **ret);

/* Takes NULL; returns NULL. What is still asked about is answered by nobody. */
struct policy *policy_free(struct policy *policy);

/* The action for a method, "" when it is for everybody, NULL when nobody has said. */
const char *policy_action(const char *interface, const char *member);
