/*
 * io.h - descriptors and whole files
 *
 * All of these retry on EINTR. None opens a path that a caller of ours chose.
 */
#pragma once

#include <stdint.h>
#include <stddef.h>
#include <sys/types.h>

struct error;

/* Writes all of it, or returns a negative errno. Borrows fd. */
int write_full(int fd, const void *data, size_t size);

/* Reads until `size` bytes or the end of the file; returns how many, or a negative errno. Borrows fd. */
ssize_t read_full(int fd, void *data, size_t size);

/* As read_full(), from `offset`, without moving the descriptor's own position. */
ssize_t pread_full(int fd, void *data, size_t size, uint64_t offset);

/*
 * Reads a whole regular file from its beginning into fresh memory that the
 * caller frees; a NUL stands behind the last byte. -EFBIG when it has more than
 * `limit` bytes, -EINVAL when it is no regular file. Borrows fd. `what` names
 * it in the sentence; NULL: whoever reads that knows.
 */
int file_read(int fd, const char *what, size_t limit, char **ret, size_t *ret_size, struct error *e);

/*
 * Replaces `name` in the folder `dirfd` by `size` bytes: temporary file beside it,
 * write, fsync, rename. The temporary's name begins with ".#". When this fails, the
 * old file is in place; when it succeeds, dir_sync() makes that last.
 */
int file_replace(int dirfd, const char *name, const void *data, size_t size, struct error *e);

/*
 * file_replace() and dir_sync(): after a power cut there is the old file or the
 * new one, and once this has succeeded, the new one.
 */
int file_write_atomic(int dirfd, const char *name, const void *data, size_t size, struct error *e);

/* Flushes a folder's entries to disk. Borrows dirfd. */
int dir_sync(int dirfd);

/*
 * Creates a folder and its parents where missing (mode 0755 for parents, `mode` for itself), so that they last,
 * and opens it.
 */
int dir_open_make(const char *path, mode_t mode, int *ret_fd, struct error *e);

/*
 * Holds a folder against other processes as long as it is open; -EWOULDBLOCK when another has it. Waits a moment for that one:
 * what somebody was about to spawn when he was killed has all of his descriptors until its execve().
 */
int dir_hold(int dirfd);
