/*
 * cleanup.h - locals that let go by themselves
 *
 * A local that owns says so in its declaration:
 *
 *	_cleanup_free_ char *text = NULL;
 *	_cleanup_close_ int fd = -1;
 *	_cleanup_(vm_freep) struct vm *vm = NULL;
 *
 * and hands over with take_ptr() or take_fd() when it has succeeded.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f)    __attribute__((cleanup(f)))
#define _cleanup_free_  _cleanup_(cleanup_free)
#define _cleanup_close_ _cleanup_(cleanup_close)
#define _cleanup_fclose_ _cleanup_(cleanup_fclose)

/* Defines f##p(), what _cleanup_() calls for a pointer that f() frees. f takes NULL. */
#define DEFINE_CLEANUP(type, f)                                                                                \
	static inline void f##p(type *p)                                                                       \
	{                                                                                                      \
		f(*p);                                                                                         \
	}                                                                                                      \
	struct cleanup_needs_a_semicolon

/* The pointer, which the variable no longer owns. */
#define take_ptr(p)                                                                                            \
	({                                                                                                     \
		__typeof__(p) taken_ = (p);                                                                    \
		(p) = NULL;                                                                                    \
		taken_;                                                                                        \
	})

static inline int take_fd_from(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

/* The descriptor, which the variable no longer owns. */
#define take_fd(fd) take_fd_from(&(fd))

/* Closes what is there; returns -1 so that `fd = close_fd(fd)` forgets it. Keeps errno. */
int close_fd(int fd);

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	close_fd(*fd);
}

static inline void cleanup_fclose(FILE **f)
{
	if (*f)
		fclose(*f);
}
