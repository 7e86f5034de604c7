/*
 * unknown.h - what a guest touches where nothing is
 *
 * Every access is counted by its core; here is remembered what has been logged, so
 * that each place is logged once, and a guest that touches a great many of them
 * does not flood the log: of each kind UNKNOWN_PLACES_MAX are logged, a few at a
 * time. What a reset does not change: what has been logged stays so.
 */
#pragma once

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"

#define UNKNOWN_PLACES_MAX 32

enum unknown_kind {
	UNKNOWN_PORT,
	UNKNOWN_PAGE, /* of guest physical addresses */
	UNKNOWN_MSR,
	N_UNKNOWN_KINDS,
};

/* Of one partition. */
struct unknown {
	pthread_mutex_t lock; /* of all of it: any core may come */
	struct ratelimit limit;
	struct {
		uint64_t places[UNKNOWN_PLACES_MAX];
		size_t n;
	} logged[N_UNKNOWN_KINDS];
	/* borrowed */
	const char *vm, *partition; /* their names */
};

enum unknown_news {
	UNKNOWN_OLD,  /* it has been logged, or is not going to be */
	UNKNOWN_NEW,  /* log it */
	UNKNOWN_LAST, /* log it, and that no other of its kind will be */
};

void unknown_init(struct unknown *unknown, const char *vm, const char *partition);
void unknown_fini(struct unknown *unknown);

/* A core has touched a place: logs it where that is news. From any thread. */
void unknown_met(struct unknown *unknown, enum unknown_kind kind, uint64_t place, uint32_t core);

/* Notes a place without logging it, from any thread. Where too much is logged at the moment it is old, and new another time. */
enum unknown_news unknown_note(struct unknown *unknown, enum unknown_kind kind, uint64_t place);
