/* connection.c - see connection.h */
#include "monitor/connection.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "link/link.h"

int connection_listen(struct connection *c, int listener, struct error *e)
{
	if (listener < 0)
		return error_set(e, -EINVAL, "no socket came to listen on");
	if (listen(listener, 4) < 0) { /* cage(build): listen - it is what makes SO_PEERCRED there name us */
		close_fd(listener);
		return error_set_errno(e, -errno, "listening for hvmd");
	}
	close_fd(c->listener);
	c->listener = listener;
	return 0;
}

static void hang_up(struct connection *c, bool broken)
{
	if (!c->outlives) {
		c->over = true;
		c->broken = broken;
		return;
	}
	c->link = close_fd(c->link);
}

bool connection_accept(struct connection *c)
{
	int link = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC); /* cage(run): accept4 */

	if (link < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			log_warning("accepting a connection of hvmd: %s", error_text(NULL, -errno));
		return false;
	}
	close_fd(c->link);
	c->link = link;
	return true;
}

void connection_send(struct connection *c, struct buffer *message)
{
	int r = c->link >= 0 ? link_send(c->link, message, NULL, 0) : 0;

	if (r < 0) { /* hvmd has gone or is broken */
		if (r != -EPIPE && r != -ECONNRESET)
			log_error("sending to hvmd: %s", error_text(NULL, r));
		hang_up(c, false);
	}
	buffer_fini(message);
}

bool connection_receive(struct connection *c, struct link_message *m)
{
	struct error e = {};
	int r = link_receive(c->link, m, &e);

	if (r == -EAGAIN)
		return false;
	if (r < 0)
		log_error("hvmd's link: %s", error_text(&e, r));
	if (r <= 0)
		hang_up(c, r < 0);
	return r > 0;
}

void connection_break(struct connection *c)
{
	hang_up(c, true);
}
