/*
 * build.h - the steps of building a machine, between the files that take them
 *
 * machine.c has memory, and goes through the steps; partition.c makes a partition's
 * KVM machine, cores and devices; template.c fills the HRT's memory, at first and
 * when another image takes the place of the definition's. For these three only.
 */
#pragma once

#include "link/state.h"

struct error;
struct guest_file;
struct machine;
struct machine_fds;
struct partition;
struct prepared;

/* machine.c: prepare() for the host that the machine is on; `files` as there. */
int machine_prepare(
	const struct machine *machine, const struct guest_file *files, struct prepared *ret, struct error *e);

/* partition.c: one that the VM does not have yet; it can be let go. */
void partition_init(struct partition *p, enum partition_role role, struct machine *machine);

/* Makes it, parked, with its cores' threads. The machine has its memory, and knows what is planned. */
int partition_make(struct partition *p, struct error *e);

/* Its cores are parked. */
void partition_fini(struct partition *p);

/* template.c: how the HRT's hypercalls come to us here. -EOPNOTSUPP, with a sentence, where they cannot as is wished. */
int template_choose_hypercall(struct machine *machine, struct error *e);

/* Fills the HRT's memory as it is at boot, and seals it. The cores are there: how fast they count is told to the guest. */
int template_write(struct machine *machine, const struct machine_fds *fds, struct error *e);
