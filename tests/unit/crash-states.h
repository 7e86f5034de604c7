/*
 * crash-states.h - every state of a folder that a power cut may leave
 *
 * From the calls that faults.c has recorded. At each moment between two of them,
 * what has been flushed is there; of all else, any part may be there without the
 * rest: the names in a folder that has not been flushed since they changed,
 * and the bytes of a file that has not. Of a write there may also be the
 * first half, or only its length. Flushing a file does not flush its name.
 */
#pragma once

#include <stddef.h>

struct faults;

/* `n_marks` marks had been made before the power was cut. The state is in the scratch folder. */
typedef void (*crash_state_fn)(void *userdata, size_t n_marks);

/*
 * Builds each state of `folder` in the folder `scratch`, which must be empty and is left
 * so, and calls back. States that are the same are built once. Returns how many there were.
 */
size_t crash_states(const struct faults *recorded, const char *folder, const char *scratch, crash_state_fn fn,
	void *userdata);
