/*
 * console.c - verbs that show what a guest says: log, console; see console.h
 *
 * The log is a file that hvmd's descriptor lets us read: to follow it we look
 * every so often whether it has grown, and ask hvmd for the VM's state when it
 * has not.
 */
#include "client/console.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/names.h"
#include "base/io.h"
#include "client/json.h"
#include "client/memory.h"
#include "client/options.h"
#include "client/say.h"
#include "client/session.h"
#include "client/text.h"
#include "client/verbs.h"

#define OPEN_CONSOLE_FORCE     UINT64_C(1) /* flags of org.hvmd1.VM.OpenConsole */
#define OPEN_CONSOLE_READ_ONLY UINT64_C(2)

#define FOLLOW_MSEC            200 /* between two looks at a log: soon for an eye, rare for a core */

static enum exit_status take_descriptor(const char *name, sd_bus_message *reply, int *ret_fd)
{
	int fd, r = sd_bus_message_read(reply, "h", &fd);

	if (r < 0)
		return say_bad_reply(name, r);
	fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return say_bad_reply(name, -errno);
	*ret_fd = fd;
	return STATUS_OK;
}

enum exit_status console_log_open(struct client *c, const char *name, bool may_be_absent, int *ret_fd)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
	enum exit_status status = vm_message(c, name, "OpenConsoleLog", &m);
	int r;

	*ret_fd = -1;
	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_append(m, "st", c->options->console, UINT64_C(0));
	if (r < 0)
		return say_bad_arguments(name, r);
	if (client_try(c, m, &error, &reply) == 0)
		return take_descriptor(name, reply, ret_fd);
	if (may_be_absent && sd_bus_error_has_name(&error, "org.hvmd1.NoSuchConsole"))
		return STATUS_OK;
	return client_failed(c, name, &error);
}

/* Looks upwards for the newline behind which *newlines more follow; false when it is not in this block. */
static bool tail_in_block(const char *block, size_t size, uint64_t *newlines, size_t *ret)
{
	while (size > 0) {
		if (block[size - 1] == '\n' && (*newlines)-- == 0) {
			*ret = size;
			return true;
		}
		size--;
	}
	return false;
}

/* Bytes, or a negative errno. */
static int64_t file_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) < 0 ? -errno : st.st_size;
}

/* The newline at the very end ends the last line; it does not begin another. */
static uint64_t without_last_newline(int fd, uint64_t size)
{
	char last;

	return size > 0 && pread_full(fd, &last, 1, size - 1) == 1 && last == '\n' ? size - 1 : size;
}

/* As log_tail(), for the first `end` bytes of a file, without the newline that ends its last line. */
static int tail_before(int fd, uint64_t end, uint64_t newlines, uint64_t *ret_offset)
{
	char block[4096];

	while (end > 0) {
		size_t n = end < sizeof(block) ? (size_t)end : sizeof(block), at;
		ssize_t got = pread_full(fd, block, n, end - n);

		if (got < 0)
			return (int)got;
		end -= n;
		if (tail_in_block(block, (size_t)got, &newlines, &at)) {
			*ret_offset = end + at;
			return 0;
		}
	}
	*ret_offset = 0;
	return 0;
}

int log_tail(int fd, uint64_t lines, uint64_t *ret_offset)
{
	int64_t size = file_size(fd);

	if (size < 0)
		return (int)size;
	if (lines > 0)
		return tail_before(fd, without_last_newline(fd, (uint64_t)size), lines - 1, ret_offset);
	*ret_offset = (uint64_t)size;
	return 0;
}

/* Prints from *offset to the end as it is now, and moves *offset there. */
static int print_to_end(int fd, uint64_t *offset, struct escaper *x)
{
	char block[4096];
	ssize_t n;

	while ((n = pread_full(fd, block, sizeof(block), *offset)) > 0) {
		escaper_write(x, block, (size_t)n);
		*offset += (uint64_t)n;
	}
	fflush(x->out);
	return (int)n;
}

/* Whether the VM may still write to its log; not when it is gone. */
static enum exit_status ask_alive(struct client *c, const char *path, bool *ret)
{
	_cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
	_cleanup_free_ char *state = NULL;
	int r = sd_bus_get_property_string(
		c->bus, HVMD_BUS_NAME, path, HVMD_IFACE_VM, "State", &error, &state);

	if (r < 0 && !sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_OBJECT)) {
		say_error(NULL, "hvmd no longer says how the VM is: %s",
			error.message ? error.message : strerrordesc_np(-r));
		return STATUS_FAILED;
	}
	*ret = r >= 0 && strcmp(state, "inactive") != 0 && strcmp(state, "failed") != 0;
	return STATUS_OK;
}

static enum exit_status say_read_failed(const char *name, const char *what, int error)
{
	say_error(name, "reading the %s: %s", what, strerrordesc_np(-error));
	return STATUS_FAILED;
}

/* Prints what has been added; a log that has been cut to keep its bound is new from its beginning. */
static int print_added(int fd, uint64_t *offset, struct escaper *x)
{
	int64_t size = file_size(fd);

	if (size < 0)
		return (int)size;
	if ((uint64_t)size < *offset)
		*offset = 0;
	return print_to_end(fd, offset, x);
}

/* Until the VM is inactive, failed or gone. Its state is asked first: last words may come after that. */
static enum exit_status follow(
	struct client *c, const char *name, const char *path, int fd, uint64_t offset, struct escaper *x)
{
	bool alive = true;

	while (alive) {
		uint64_t before = offset;
		enum exit_status status = ask_alive(c, path, &alive);
		int r;

		if (status != STATUS_OK)
			return status;
		r = print_added(fd, &offset, x);
		if (r < 0)
			return say_read_failed(name, "log", r);
		if (alive && offset == before)
			poll(NULL, 0, FOLLOW_MSEC);
	}
	return STATUS_OK;
}

static enum exit_status follow_vm(
	struct client *c, const char *name, int fd, uint64_t offset, struct escaper *x)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	enum exit_status status = manager_call(c, name, &reply, "GetVM", "s", name);
	const char *path;
	int r;

	if (status != STATUS_OK)
		return status;
	r = sd_bus_message_read(reply, "o", &path);
	return r < 0 ? say_bad_reply(name, r) : follow(c, name, path, fd, offset, x);
}

static enum exit_status print_log(struct client *c, const char *name, int fd, uint64_t offset)
{
	struct escaper x = escaper_init(stdout);
	enum exit_status status = STATUS_OK;
	int r = print_to_end(fd, &offset, &x);

	if (r < 0)
		return say_read_failed(name, "log", r);
	if (c->options->follow)
		status = follow_vm(c, name, fd, offset, &x);
	escaper_end(&x);
	return status;
}

int console_log_lines(int fd, uint64_t offset, struct json **ret)
{
	_cleanup_fclose_ FILE *f = fdopen(fcntl(fd, F_DUPFD_CLOEXEC, 3), "r");
	_cleanup_json_ struct json *lines = json_new(JSON_ARRAY);
	_cleanup_free_ char *line = NULL;
	size_t capacity = 0;
	ssize_t n;

	if (!f || fseeko(f, (off_t)offset, SEEK_SET) < 0)
		return -errno;
	while ((n = getline(&line, &capacity, f)) > 0) {
		if (line[n - 1] == '\n')
			n--;
		json_append(lines, json_bytes(line, (size_t)n));
	}
	if (ferror(f))
		return -EIO;
	*ret = take_ptr(lines);
	return 0;
}

static enum exit_status print_log_json(const struct options *o, const char *name, int fd, uint64_t offset)
{
	_cleanup_json_ struct json *lines = NULL;
	int r = console_log_lines(fd, offset, &lines);

	if (r < 0)
		return say_read_failed(name, "log", r);
	json_print(lines, o->json, stdout);
	return STATUS_OK;
}

enum exit_status verb_log(struct client *c, char **names)
{
	_cleanup_close_ int fd = -1;
	enum exit_status status;
	uint64_t offset = 0;
	int r = 0;

	if (c->options->follow && c->options->json != JSON_OFF) {
		say_error(NULL, "--follow and --json exclude each other: the array would never end");
		return STATUS_USAGE;
	}
	status = console_log_open(c, names[0], false, &fd);
	if (status != STATUS_OK)
		return status;
	if (c->options->lines != UINT64_MAX)
		r = log_tail(fd, c->options->lines, &offset);
	if (r < 0)
		return say_read_failed(names[0], "log", r);
	if (c->options->json != JSON_OFF)
		return print_log_json(c->options, names[0], fd, offset);
	return print_log(c, names[0], fd, offset);
}

/* Where input may go, too, it is a socket. */
static bool takes_input(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISSOCK(st.st_mode);
}

static enum exit_status watch(const struct options *o, const char *name, const char *console, int fd)
{
	int r;

	if (!o->quiet)
		fprintf(stderr, "Console %s of %s, read only. Interrupt (^C) to leave.\n", console, name);
	r = session_print(fd);
	return r < 0 ? say_read_failed(name, "console", r) : STATUS_OK;
}

static enum exit_status converse(const struct options *o, const char *name, const char *console, int fd)
{
	bool says = !o->quiet && isatty(STDIN_FILENO);
	enum session_end end;
	int r;

	if (says)
		fprintf(stderr, "Console %s of %s. ^] leaves it.\n", console, name);
	r = session_run(fd, &end);
	if (r < 0)
		return say_read_failed(name, "console", r);
	if (says)
		fprintf(stderr, end == SESSION_LEFT ? "\nLeft console %s of %s.\n" : "\nConsole %s of %s has ended.\n",
			console, name);
	return STATUS_OK;
}

static uint64_t console_flags(const struct options *o)
{
	return (o->force ? OPEN_CONSOLE_FORCE : 0) | (o->read_only ? OPEN_CONSOLE_READ_ONLY : 0);
}

enum exit_status verb_console(struct client *c, char **names)
{
	_cleanup_message_ sd_bus_message *reply = NULL;
	_cleanup_close_ int fd = -1;
	enum exit_status status =
		vm_call(c, names[0], &reply, "OpenConsole", "st", c->options->console, console_flags(c->options));
	const char *console;

	if (status == STATUS_OK)
		status = take_descriptor(names[0], reply, &fd);
	if (status != STATUS_OK)
		return status;
	if (sd_bus_message_read(reply, "s", &console) < 0)
		return say_bad_reply(names[0], -EBADMSG);
	return takes_input(fd) ? converse(c->options, names[0], console, fd) : watch(c->options, names[0], console, fd);
}
