/*
 * faults.h - a file system and a heap that fail when they are told to
 *
 * faults.c takes the place of the C library's calls in the program that it is linked
 * into. Calls outside the folder pass; inside it they are counted, recorded, fail, or
 * kill the process. What is told and what was seen stands in memory that
 * children share: their parent arms, forks, and looks.
 *
 * A program that is somebody else's child finds that memory by the file that the
 * environment variable HVMD_FAULTS names.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FAULT_KILL (-1) /* instead of an errno: SIGKILL, before the call is made */

#define FAULTS_LOG_SIZE (4u << 20)

struct faults {
	char folder[256]; /* without a slash at its end; "": no call is looked at */
	bool reads;       /* calls that change nothing count as well */
	atomic_long calls_until;   /* 1: the next call fails; 0: none does */
	int action;                /* an errno, or FAULT_KILL */
	bool for_good;             /* and so do all that follow */
	atomic_long mallocs_until; /* 1: the next allocation fails, wherever it is; 0: none does */

	/* What has been seen since faults_reset() */
	atomic_long calls, mallocs;
	bool recording;
	size_t log_size;
	uint8_t log[FAULTS_LOG_SIZE]; /* struct record after struct record */
};

extern struct faults *faults;

/* Forgets everything and arms nothing. Makes the shared memory when there is none. */
void faults_reset(const char *folder);

enum record_type {
	RECORD_MARK, /* path: whatever faults_mark() was given */
	RECORD_MKDIR,
	RECORD_CREATE,
	RECORD_TRUNCATE, /* to nothing */
	RECORD_WRITE,    /* data at offset */
	RECORD_RENAME,   /* data: the new path, with its NUL */
	RECORD_UNLINK,
	RECORD_SYNC, /* of a file, or of a folder */
};

/* Behind it: path with its NUL, then data. */
struct record {
	uint32_t type, path_size, data_size;
	uint32_t reserved;
	uint64_t offset;
};

/* Notes something of the caller's own among the calls. */
void faults_mark(const char *text);
