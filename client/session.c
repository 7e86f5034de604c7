/* session.c - see session.h */
#include "client/session.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/io.h"
#include "base/macro.h"
#include "client/terminal.h"
#include "client/text.h"

struct session {
	int fd; /* borrowed */
	bool terminal;     /* both ends of us are one, and it is raw */
	bool input_over;   /* standard input has ended */
	bool input_closed; /* ... and the guest's side has been told */
	bool left;
	char pending[4096]; /* typed, and not yet taken by the other side */
	size_t n_pending;
	struct escaper escaper;
};

/* --- Output ------------------------------------------------------------------------------------------------- */

static void print(struct session *s, const char *data, size_t size)
{
	if (s->terminal) {
		write_full(STDOUT_FILENO, data, size);
		return;
	}
	escaper_write(&s->escaper, data, size);
	fflush(s->escaper.out);
}

/* Returns 1, 0 at the end, or a negative errno. */
static int receive(struct session *s)
{
	char block[4096];
	ssize_t n = read(s->fd, block, sizeof(block));

	if (n > 0)
		print(s, block, (size_t)n);
	if (n >= 0)
		return n > 0;
	return errno == EAGAIN || errno == EINTR ? 1 : errno == ECONNRESET ? 0 : -errno;
}

/* --- Input -------------------------------------------------------------------------------------------------- */

/* Keys that come while the guest takes none, and that no longer fit, are lost: ^] must get through. */
static void keep(struct session *s, const char *keys, size_t size)
{
	size_t room = sizeof(s->pending) - s->n_pending;

	if (size > room)
		size = room;
	memcpy(s->pending + s->n_pending, keys, size);
	s->n_pending += size;
}

static void take_keys(struct session *s, const char *keys, size_t size)
{
	const char *escape = s->terminal ? memchr(keys, SESSION_ESCAPE, size) : NULL;

	s->left = escape;
	keep(s, keys, escape ? (size_t)(escape - keys) : size);
}

static int read_input(struct session *s)
{
	char keys[sizeof(s->pending)];
	size_t room = s->terminal ? sizeof(keys) : sizeof(keys) - s->n_pending;
	ssize_t n = read(STDIN_FILENO, keys, room);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		s->input_over = true;
	take_keys(s, keys, (size_t)n);
	return 0;
}

/* What the other side does not want, since it is about to end, is not missed. */
static void send_pending(struct session *s)
{
	ssize_t n;

	if (s->n_pending > 0) {
		n = send(s->fd, s->pending, s->n_pending, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			n = (ssize_t)s->n_pending;
		if (n > 0) {
			s->n_pending -= (size_t)n;
			memmove(s->pending, s->pending + n, s->n_pending);
		}
	}
	if (s->input_over && s->n_pending == 0 && !s->input_closed) {
		shutdown(s->fd, SHUT_WR);
		s->input_closed = true;
	}
}

static bool wants_input(const struct session *s)
{
	return !s->input_over && (s->terminal || s->n_pending < sizeof(s->pending));
}

/* Returns 1, 0 at the end, or a negative errno. */
static int step(struct session *s)
{
	struct pollfd fds[] = {
		{.fd = wants_input(s) ? STDIN_FILENO : -1, .events = POLLIN},
		{.fd = s->fd, .events = (short)(POLLIN | (s->n_pending > 0 ? POLLOUT : 0))},
	};
	int r = 0;

	if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
		return errno == EINTR ? 1 : -errno;
	if (fds[0].revents)
		r = read_input(s);
	if (r < 0)
		return r;
	send_pending(s);
	if (s->left)
		return 0;
	return fds[1].revents & ~POLLOUT ? receive(s) : 1;
}

static int run(struct session *s)
{
	int r;

	do
		r = step(s);
	while (r > 0);
	escaper_end(&s->escaper);
	return r;
}

int session_run(int fd, enum session_end *ret)
{
	struct session s = {.fd = fd, .escaper = escaper_init(stdout)};
	int r = 0;

	s.terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
	if (s.terminal)
		r = terminal_raw(STDIN_FILENO);
	if (r < 0)
		return r;
	r = run(&s);
	terminal_restore();
	*ret = s.left ? SESSION_LEFT : SESSION_ENDED;
	return r;
}

int session_print(int fd)
{
	struct session s = {.fd = fd, .input_over = true, .input_closed = true, .escaper = escaper_init(stdout)};

	return run(&s);
}
