/*
 * refusals.h - a kernel that refuses one call of a program
 *
 * refusals.c takes the place of the C library's calls in the program that it is linked into, for the libraries
 * that it is linked with, too. It counts those that the kernel may refuse, and has one of them fail. What is told
 * and seen stands in memory that the test shares: a file, which the environment variable HVMD_REFUSALS names.
 *
 * What is said to systemd is never refused: the test waits for it.
 */
#pragma once

#include <stdatomic.h>

struct refusals {
	atomic_long calls; /* since the test has set it to 0 */
	atomic_long nth;   /* which of them fails, from 1; 0: none */
	int error;         /* with this errno */
	char what[32];     /* the call that has failed; "": none has yet */
};
