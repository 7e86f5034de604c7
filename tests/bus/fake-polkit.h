/*
 * fake-polkit.h - an authority on the harness's bus that answers what a test tells it to
 *
 * It is a process of its own, so that it answers while the test waits for hvmd.
 */
#pragma once

#include <stdint.h>

struct fake_polkit {
	/* Told by the test */
	int authorized, challenge;
	int silent; /* answers nothing at all */
	/* Told by the authority */
	unsigned n_questions;
	uint32_t flags;
	char action[64], vm[64], verb[64], subject[64];
};

/* In memory that both share. */
extern struct fake_polkit *fake_polkit;

/* Takes org.freedesktop.PolicyKit1 on the bus of a harness that runs. Its end is the test's. */
void fake_polkit_start(void);
