/* runs.c - see runs.h */
#include "vm/runs.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "spec/definition.h"
#include "spec/spec.h"
#include "vm/spawn.h"
#include "vm/store.h"

#define LINK_ENDING ".link"

int runs_open(const char *run_dir, int *ret_dirfd, struct error *e)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1;
	int r;

	if (asprintf(&path, "%s/vms", run_dir) < 0) {
		path = NULL;
		return error_set_errno(e, -ENOMEM, "%s", run_dir);
	}
	r = dir_open_make(path, 0700, &fd, e);
	if (r < 0)
		return r == -ENOMEM ? r : -EIO;
	if (dir_hold(fd) < 0)
		return error_set(e, -EBUSY, "the run folder %s is in use by another hvmd", run_dir);
	*ret_dirfd = take_fd(fd);
	return 0;
}

/* A folder's path may be longer than the address of a socket; its descriptor is not. */
static socklen_t address_of(int dirfd, const char *name, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){.sun_family = AF_UNIX};
	static_assert(sizeof(ret->sun_path) > sizeof("/proc/self/fd/2147483647/" LINK_ENDING) + SPEC_NAME_MAX,
		"the longest name of a VM has to fit");
	snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s" LINK_ENDING, dirfd, name);
	return sizeof(*ret);
}

static void file_of(const char *name, const char *ending, char ret[NAME_MAX + 1])
{
	snprintf(ret, NAME_MAX + 1, "%s%s", name, ending);
}

static int write_definition(int dirfd, const struct vm_spec *spec, struct error *e)
{
	_cleanup_free_ char *text = definition_format(spec);
	_cleanup_close_ int fd = -1;
	char file[NAME_MAX + 1];
	int r;

	if (!text)
		return error_set_errno(e, -ENOMEM, "VM %s", spec->name);
	file_of(spec->name, DEFINITION_ENDING, file);
	unlinkat(dirfd, file, 0);
	fd = openat(dirfd, file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	r = fd < 0 ? -errno : write_full(fd, text, strlen(text));
	return r < 0 ? error_set(e, -EIO, "noting that VM %s runs: %s", spec->name, strerror(-r)) : 0;
}

static int bind_socket(int dirfd, const char *name, int *ret_socket, struct error *e)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	socklen_t size = address_of(dirfd, name, &address);
	char file[NAME_MAX + 1];

	file_of(name, LINK_ENDING, file);
	unlinkat(dirfd, file, 0);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) < 0 ||
		fchmodat(dirfd, file, 0600, 0) < 0)
		return error_set(e, -EIO, "making the socket of VM %s: %s", name, strerror(errno));
	*ret_socket = take_fd(fd);
	return 0;
}

int runs_begin(int dirfd, const struct vm_spec *spec, int *ret_socket, struct error *e)
{
	int r = write_definition(dirfd, spec, e);

	return r < 0 ? r : bind_socket(dirfd, spec->name, ret_socket, e);
}

/* The socket last: it is what a run is found by. */
void runs_end(int dirfd, const char *name)
{
	char file[NAME_MAX + 1];

	file_of(name, DEFINITION_ENDING, file);
	unlinkat(dirfd, file, 0);
	file_of(name, LINK_ENDING, file);
	unlinkat(dirfd, file, 0);
}

int runs_list(int dirfd, struct store_names *ret, struct error *e)
{
	return store_names_read(dirfd, LINK_ENDING, ret, e);
}

struct vm_spec *runs_definition(int dirfd, const char *name, struct error *e)
{
	static const struct definition_options stored = {.stored = true};
	struct diagnostics diagnostics _cleanup_(diagnostics_fini) = {};
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	struct vm_spec *spec = NULL;
	char file[NAME_MAX + 1];
	size_t size;

	file_of(name, DEFINITION_ENDING, file);
	fd = openat(dirfd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0) {
		error_set(e, -EIO, "what VM %s was started with cannot be read: %s", name, strerror(errno));
		return NULL;
	}
	if (file_read(fd, file, DEFINITION_SIZE_MAX, &text, &size, e) < 0)
		return NULL;
	if (definition_parse(text, size, &stored, &diagnostics, &spec) < 0 || strcmp(spec->name, name) != 0) {
		error_set(e, -EIO, "what VM %s was started with is not a definition of it", name);
		return vm_spec_free(spec);
	}
	return spec;
}

/* Whoever listens did so as the user that his cage left him. */
static int check_peer(int link, const char *name, pid_t *ret, struct error *e)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(link, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
		return error_set(e, -EIO, "asking who runs VM %s: %s", name, strerror(errno));
	if (peer.pid <= 0 || (peer.uid != geteuid() && !spawn_gives_user(peer.uid)))
		return error_set(e, -EPERM, "process %d of user %u, which listens in the place of VM %s, is no monitor",
			(int)peer.pid, (unsigned)peer.uid, name);
	*ret = peer.pid;
	return 0;
}

/* While the link stands the process is there, so its number has not been given to another one. */
static int open_process(int link, pid_t pid, const char *name, int *ret_pidfd, struct error *e)
{
	struct pollfd p = {.fd = link};
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

	if ((pidfd < 0 && errno == ESRCH) || (poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR))))
		return error_set(e, -ESRCH, "the monitor of VM %s (PID %d) is ending", name, (int)pid);
	if (pidfd < 0)
		return error_set(e, -EIO, "watching the monitor of VM %s: %s", name, strerror(errno));
	*ret_pidfd = take_fd(pidfd);
	return 0;
}

int runs_connect(int dirfd, const char *name, struct run_found *ret, struct error *e)
{
	_cleanup_close_ int link = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un address;
	socklen_t size = address_of(dirfd, name, &address);
	int r;

	if (link < 0)
		return error_set(e, -EIO, "making a socket: %s", strerror(errno));
	if (connect(link, (struct sockaddr *)&address, size) < 0)
		return error_set(e, errno == ECONNREFUSED || errno == ENOENT ? -ESRCH : -EIO,
			"the monitor of VM %s does not listen: %s", name, strerror(errno));
	r = check_peer(link, name, &ret->pid, e);
	if (r == 0)
		r = open_process(link, ret->pid, name, &ret->pidfd, e);
	if (r == 0)
		ret->link = take_fd(link);
	return r;
}

int runs_check_ended(int dirfd, const char *name, struct error *e)
{
	struct run_found found;
	char file[NAME_MAX + 1];
	int r;

	file_of(name, LINK_ENDING, file);
	if (faccessat(dirfd, file, F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
		return 0;
	r = runs_connect(dirfd, name, &found, e);
	if (r < 0)
		return r == -ESRCH || r == -EPERM ? 0 : r;
	close_fd(found.link);
	close_fd(found.pidfd);
	return error_set(e, -EALREADY, "VM %s runs already, and hvmd could not take it over (its monitor is PID %d); "
		"\"hvmctl reload\" tries that again", name, (int)found.pid);
}
