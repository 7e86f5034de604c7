/*
 * host.h - what this host can do about virtual machines
 *
 * Opens the KVM device for a monitor and asks it its two numbers. Everything
 * else about KVM is the monitor's business.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define HOST_KVM_PATH "/dev/kvm"

struct host {
	bool available;     /* the device opens and speaks KVM's API */
	struct error why;   /* why it does not; empty when available */
	int api_version;    /* 0 when not known */
	unsigned max_vcpus; /* of one KVM VM; 0 when not known */
};

/* Opens the KVM device at `path`, for the caller. Returns 0, or -ENODEV (-ENOMEM) with a sentence. */
int host_kvm_open(const char *path, int *ret_fd, struct error *e);

/*
 * Writes the sentence for a KVM device at `path`, of this group and with these
 * permission bits, that did not open because of `error`.
 */
void host_kvm_explain(const char *path, gid_t group, mode_t mode, int error, struct error *ret);

/* Tries the KVM device at `path`. */
void host_probe(const char *path, struct host *ret);

/* Whether two probes found the same. */
bool host_equal(const struct host *a, const struct host *b);
