/* inspect.c - see inspect.h */
#include "client/inspect.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "client/load.h"
#include "client/memory.h"
#include "client/options.h"
#include "client/say.h"
#include "link/link.h"
#include "spec/support.h"
#include "spec/wire.h"

#define DYING_MSEC 100 /* who dies closes the link a moment before the process is gone */
#define SERIAL     1u
#define FILE_PATH  "/vm/files/file" /* in a definition */

struct inspector {
	const char *path; /* borrowed */
	pid_t pid;        /* 0: none */
	int link;         /* owned */
	uint64_t deadline; /* CLOCK_MONOTONIC, microseconds */
};

/* --- The process ---------------------------------------------------------- */

/*
 * The inspector gets nothing but the link and standard error: its output must not get among ours, and
 * what else this process has open is none of its business.
 */
static int spawn(const char *path, int link, pid_t *ret)
{
	const char *const argv[] = {path, NULL};
	posix_spawn_file_actions_t actions;
	int r;

	posix_spawn_file_actions_init(&actions);
	r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDWR, 0);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, STDIN_FILENO, STDOUT_FILENO);
	if (r == 0)
		r = posix_spawn_file_actions_adddup2(&actions, link, LINK_FD);
	if (r == 0)
		r = posix_spawn_file_actions_addclosefrom_np(&actions, LINK_FD + 1);
	if (r == 0)
		r = posix_spawn(ret, path, &actions, NULL, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

static int inspector_start(struct inspector *i, struct error *e)
{
	_cleanup_close_ int theirs = -1;
	int pair[2], r;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(e, -errno, "making a link to %s", i->path);
	i->link = pair[0];
	theirs = pair[1];
	r = spawn(i->path, theirs, &i->pid);
	if (r < 0) {
		i->pid = 0;
		return error_set(e, r, "%s cannot be started: %s (--monitor= names another)", i->path,
			strerrordesc_np(-r));
	}
	return 0;
}

/* Lets go of it: kills what still runs, and returns its wait status. */
static int inspector_end(struct inspector *i)
{
	int status = 0;

	i->link = close_fd(i->link);
	if (i->pid > 0) {
		kill(i->pid, SIGKILL);
		while (waitpid(i->pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	i->pid = 0;
	return status;
}

/* It has closed the link: says how it ended, which may still be happening. */
static int inspector_gone(struct inspector *i, struct error *e)
{
	_cleanup_close_ int pidfd = (int)syscall(SYS_pidfd_open, i->pid, 0);
	struct pollfd p = {.fd = pidfd, .events = POLLIN};
	int alive = poll(&p, 1, DYING_MSEC) <= 0, status = inspector_end(i);

	if (alive)
		return error_set(e, -EPROTO, "%s closed its link without an answer", i->path);
	if (WIFSIGNALED(status))
		return error_set(e, -ECANCELED, "%s was killed by signal %d (%s) before it had answered", i->path,
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	return error_set(e, -ECANCELED, "%s exited with status %d before it had answered", i->path,
		WEXITSTATUS(status));
}

/* --- The conversation ------------------------------------------------------ */

static int broke_protocol(const struct inspector *i, const char *what, struct error *e)
{
	return error_set(e, -EPROTO, "%s broke the link protocol: %s; is it the hvm-monitor of hvmd %s?", i->path, what,
		PACKAGE_VERSION);
}

/* Not a number of milliseconds that is too small for what is left: 0 is the end. */
static int milliseconds_left(const struct inspector *i)
{
	uint64_t now = clock_usec();

	return now >= i->deadline ? 0 : (int)((i->deadline - now) / 1000 + 1);
}

/* The next message: 0, or a negative errno with a sentence. */
static int receive(struct inspector *i, struct link_message *m, struct error *e)
{
	struct pollfd p = {.fd = i->link, .events = POLLIN};
	struct error why = {};
	int r;

	do
		r = poll(&p, 1, milliseconds_left(i));
	while (r < 0 && errno == EINTR);
	if (r == 0)
		return error_set(e, -ETIMEDOUT, "%s has not answered in time and was killed", i->path);
	r = r < 0 ? -errno : link_receive(i->link, m, &why);
	if (r == 0)
		return inspector_gone(i, e);
	return r < 0 ? broke_protocol(i, error_text(&why, r), e) : 0;
}

static int receive_hello(struct inspector *i, struct link_message *m, struct error *e)
{
	int r = receive(i, m, e);

	if (r < 0)
		return r;
	r = m->header.type == LINK_HELLO;
	link_message_fini(m);
	return r ? 0 : broke_protocol(i, "its first message is no greeting", e);
}

/* Reads a reply; its own failure comes with the monitor's sentence. */
static int take_reply(const struct inspector *i, struct link_message *m, size_t n_images, struct inspection *ret,
	struct error *e)
{
	struct cursor *c = &m->payload;
	int32_t error = (int32_t)cursor_u32(c);
	_cleanup_free_ char *sentence = link_read_string(c);
	int r;

	if (m->header.type != LINK_REPLY || m->header.serial != SERIAL || !cursor_ok(c) || error > 0)
		return broke_protocol(i, "its second message is no answer", e);
	if (error < 0)
		return error_set(e, error, "%s: %s", i->path, sentence);
	r = inspection_read(c, n_images, ret);
	return r == -EPROTO ? broke_protocol(i, "its answer has another form", e) : r;
}

static int receive_reply(struct inspector *i, struct link_message *m, size_t n_images, struct inspection *ret,
	struct error *e)
{
	int r = receive(i, m, e);

	if (r < 0)
		return r;
	r = take_reply(i, m, n_images, ret, e);
	link_message_fini(m);
	return r;
}

/* Where an image is missing, the monitor gets a device that it will find unreadable. */
static int send_request(struct inspector *i, const struct vm_spec *spec, const int *images, struct error *e)
{
	_cleanup_close_ int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct buffer b = link_message_begin(LINK_INSPECT, SERIAL);
	int fds[SPEC_FILES_MAX], r;

	for (size_t f = 0; f < spec->n_files; f++)
		fds[f] = images[f] >= 0 ? images[f] : nothing;
	spec_encode(spec, &b);
	r = link_send(i->link, &b, fds, spec->n_files);
	buffer_fini(&b);
	if (r == -EPIPE || r == -ECONNRESET)
		return inspector_gone(i, e);
	return r < 0 ? error_set_errno(e, r, "asking %s", i->path) : 0;
}

static int converse(struct inspector *i, const struct vm_spec *spec, const int *images, struct inspection *ret,
	struct error *e)
{
	_cleanup_free_ struct link_message *m = memory_zeroed(1, sizeof(*m));
	int r = inspector_start(i, e);

	if (r == 0)
		r = send_request(i, spec, images, e);
	if (r == 0)
		r = receive_hello(i, m, e);
	return r < 0 ? r : receive_reply(i, m, spec->n_files, ret, e);
}

int inspect(const char *path, uint64_t timeout_usec, const struct vm_spec *spec, const int *images,
	struct inspection *ret, struct error *e)
{
	struct inspector i = {.path = path, .link = -1, .deadline = clock_usec() + timeout_usec};
	int r = converse(&i, spec, images, ret, e);

	inspector_end(&i);
	return r;
}

/* --- What comes of it ------------------------------------------------------- */

enum exit_status inspect_definition(
	const struct options *o, const struct definition_file *f, struct inspection *ret)
{
	struct error e = {};
	int r = inspect(o->monitor, INSPECT_USEC, f->spec, f->images, ret, &e);

	if (r < 0)
		say_error(f->path, "its images cannot be looked at: %s", error_text(&e, r));
	return r < 0 ? STATUS_FAILED : STATUS_OK;
}

static bool is_module(const struct spec_modules *modules, size_t file)
{
	for (size_t i = 0; i < modules->n; i++)
		if (modules->items[i].file == file)
			return true;
	return false;
}

static bool is_booted(const struct vm_spec *spec, size_t file)
{
	return (spec->hybrid && file == spec->hrt_file) || (spec->ros_boots && file == spec->ros_file);
}

static bool is_handed_over(const struct vm_spec *spec, size_t file)
{
	return (spec->ros_has_initrd && file == spec->ros_initrd) || is_module(&spec->ros_modules, file) ||
		is_module(&spec->hrt_modules, file);
}

/* What becomes of an image that has no protocol. */
static const char *fate(const struct vm_spec *spec, size_t file)
{
	if (is_booted(spec, file))
		return ""; /* an error says more */
	return is_handed_over(spec, file) ? "; it is handed to a kernel" : "; this definition does not boot it";
}

static void add_notice(struct definition_file *f, size_t file, const struct image_finding *found)
{
	const char *how = found->protocol[0] ? "; boots by " : fate(f->spec, file);

	diagnostics_add(&f->diagnostics, f->places.files[file], FILE_PATH, SEVERITY_NOTICE, "file \"%s\": %s%s%s",
		f->spec->files[file].id, found->what, how, found->protocol);
}

static void add_finding(struct definition_file *f, bool quiet, size_t file, const struct image_finding *found)
{
	if (!quiet)
		add_notice(f, file, found);
	if (found->why_not[0])
		diagnostics_add(&f->diagnostics, f->places.files[file], FILE_PATH, SEVERITY_ERROR,
			"file \"%s\" cannot be booted: %s", f->spec->files[file].id, found->why_not);
}

/* A right definition, but more than this version can run. */
static void add_refusal(struct definition_file *f, bool quiet, const struct error *why)
{
	if (!quiet)
		diagnostics_add(&f->diagnostics, f->places.vm, "/vm", SEVERITY_NOTICE, "it cannot be started: %s", why->text);
}

const struct spec_file *inspect_missing(const struct definition_file *f)
{
	for (size_t file = 0; file < f->spec->n_files; file++)
		if (f->images[file] < 0 && (is_booted(f->spec, file) || is_handed_over(f->spec, file)))
			return &f->spec->files[file];
	return NULL;
}

/* Something is wrong already with what is booted: it could not be looked at, or the image is no good. */
static bool has_bad_image(const struct definition_file *f, const struct inspection *i)
{
	if (inspect_missing(f))
		return true;
	for (size_t file = 0; file < i->n_images; file++)
		if (i->images[file].why_not[0])
			return true;
	return false;
}

/* Why there is no plan is news only where all images could be looked at and are right. */
static void add_plan(struct definition_file *f, bool quiet, const struct inspection *i)
{
	if (i->error == 0 || has_bad_image(f, i))
		return;
	if (i->error == -EOPNOTSUPP)
		add_refusal(f, quiet, &i->why);
	else
		diagnostics_add(&f->diagnostics, f->places.memory, "/vm/memory", SEVERITY_ERROR,
			"there is no place for it in memory: %s", i->why.text);
}

static bool has_images(const struct definition_file *f)
{
	for (size_t i = 0; i < f->spec->n_files; i++)
		if (f->images[i] >= 0)
			return true;
	return false;
}

static enum exit_status diagnose_images(const struct options *o, struct definition_file *f)
{
	struct inspection i = {};
	enum exit_status status = inspect_definition(o, f, &i);

	if (status != STATUS_OK)
		return status;
	for (size_t file = 0; file < i.n_images; file++)
		if (f->images[file] >= 0)
			add_finding(f, o->quiet, file, &i.images[file]);
	add_plan(f, o->quiet, &i);
	inspection_fini(&i);
	return STATUS_OK;
}

enum exit_status inspect_diagnose(const struct options *o, struct definition_file *f)
{
	enum exit_status status = STATUS_OK;
	struct error why = {};

	if (!f->spec)
		return STATUS_OK;
	if (has_images(f))
		status = diagnose_images(o, f);
	if (spec_check_supported(f->spec, &why) < 0)
		add_refusal(f, o->quiet, &why);
	diagnostics_sort(&f->diagnostics);
	return status == STATUS_OK && f->diagnostics.n_errors > 0 ? STATUS_INVALID_DEFINITION : status;
}
