/* monitor-client.c - see monitor-client.h */
#include "monitor-client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/macro.h"
#include "kvm/kvm.h"
#include "spec/sites.h"
#include "spec/spec.h"
#include "spec/wire.h"
#include "vm/spawn.h"

#define REPLY_TIMEOUT_MS 20000
#define STEP_MS          20

const char *monitor_unusable(void)
{
	static struct error e;
	_cleanup_(kvm_host_freep) struct kvm_host *host = NULL;
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC), r;

	if (fd < 0)
		r = error_set_errno(&e, -errno, "/dev/kvm cannot be opened");
	else
		r = kvm_host_new(fd, &host, &e);
	return r < 0 ? error_text(&e, r) : NULL;
}

static char *build_path(const char *name)
{
	const char *top = getenv("top_builddir");
	char *path = NULL;

	return asprintf(&path, "%s/%s", top ? top : ".", name) < 0 ? NULL : path;
}

/* --- In ------------------------------------------------------------------- */

static void read_text(struct cursor *c, char *ret, size_t size)
{
	_cleanup_free_ char *text = link_read_string(c);

	snprintf(ret, size, "%s", text ? text : "");
}

static void take_state(struct monitor_client *client, struct cursor *c)
{
	uint8_t role = cursor_u8(c);
	struct partition_news *news = &client->partitions[role < N_PARTITION_ROLES ? role : 0];

	news->state = cursor_u8(c);
	news->reason = cursor_u8(c);
	news->vcpu = (int32_t)cursor_u32(c);
	news->address = cursor_u64(c);
	read_text(c, news->details, sizeof(news->details));
}

static void take_hrt(struct monitor_client *client, struct cursor *c)
{
	client->hrt.flags = cursor_u64(c);
	client->hrt.gva_offset = cursor_u64(c);
	client->hrt.entry_gva = cursor_u64(c);
	client->hrt.comm_page = cursor_u64(c);
	client->hrt.int_vector = cursor_u32(c);
	read_text(c, client->hrt.hypercall, sizeof(client->hrt.hypercall));
	client->hrt.n_patched = cursor_u32(c);
	read_text(c, client->hrt.upcall, sizeof(client->hrt.upcall));
}

static void take_ros(struct monitor_client *client, struct cursor *c)
{
	read_text(c, client->ros.protocol, sizeof(client->ros.protocol));
	client->ros.entry = cursor_u64(c);
}

static void take_launch(struct monitor_client *client, struct cursor *c)
{
	const uint8_t *digest = cursor_bytes(c, LINK_DIGEST_SIZE);

	client->has_launch = digest && c->left == 0;
	if (client->has_launch)
		memcpy(client->launch, digest, LINK_DIGEST_SIZE);
}

static void take_news(struct monitor_client *client, struct link_message *m)
{
	switch ((enum link_type)m->header.type) {
	case LINK_HELLO:
		read_text(&m->payload, client->cage_lacks, sizeof(client->cage_lacks));
		client->hello = true;
		break;
	case LINK_STATE:
		take_state(client, &m->payload);
		break;
	case LINK_RESET_DONE:
		client->n_resets++;
		break;
	case LINK_LAUNCH:
		take_launch(client, &m->payload);
		break;
	case LINK_HRT:
		take_hrt(client, &m->payload);
		break;
	case LINK_ROS:
		take_ros(client, &m->payload);
		break;
	case LINK_EXIT:
		client->has_exit = true;
		client->exit_status = (int32_t)cursor_u32(&m->payload);
		read_text(&m->payload, client->exit_details, sizeof(client->exit_details));
		break;
	case LINK_REPLY: /* of a request that nobody waits for any more */
	case LINK_SETUP:
	case LINK_START:
	case LINK_RESET:
	case LINK_STOP:
	case LINK_TELEMETRY:
	case LINK_CONSOLE:
	case LINK_PLAN:
	case LINK_INSPECT:
	case LINK_LISTEN:
	case LINK_LOAD:
	case LINK_RUN:
		break;
	}
}

/* Takes in one message if there is one within STEP_MS. 1: it is the reply to `serial`; 0: it is not; or -errno. */
static int take_one(struct monitor_client *client, uint32_t serial, struct error *e)
{
	struct pollfd p = {.fd = client->link, .events = POLLIN};
	int r;

	if (client->link < 0 || poll(&p, 1, STEP_MS) <= 0)
		return 0;
	r = link_receive(client->link, &client->reply, e);
	if (r == -EAGAIN)
		return 0;
	if (r <= 0) {
		client->link = close_fd(client->link);
		return r < 0 ? r : error_set(e, -EPIPE, "the monitor has closed the link");
	}
	if (serial && client->reply.header.type == LINK_REPLY && client->reply.header.serial == serial)
		return 1;
	take_news(client, &client->reply);
	link_message_fini(&client->reply);
	return 0;
}

static int take_reply(struct monitor_client *client, struct error *e)
{
	uint64_t deadline = clock_usec() + REPLY_TIMEOUT_MS * 1000;
	int r = 0;

	while (r == 0 && clock_usec() < deadline)
		r = take_one(client, client->serial, e);
	if (r < 0)
		return r;
	if (r == 0)
		return error_set(e, -ETIMEDOUT, "the monitor has not answered within %u ms", REPLY_TIMEOUT_MS);
	r = (int32_t)cursor_u32(&client->reply.payload);
	read_text(&client->reply.payload, e->text, sizeof(e->text));
	return r;
}

/* --- Out ------------------------------------------------------------------ */

static int spawn(struct monitor_client *client, int peer)
{
	_cleanup_free_ char *path = build_path("hvm-monitor");
	struct spawned process;
	int r;

	close_range(LINK_FD + 1, ~0u, CLOSE_RANGE_CLOEXEC); /* what the tests' runner has open */
	r = path ? spawn_monitor(path, peer, &process) : -ENOMEM;
	if (r < 0)
		return r;
	close_fd(process.pidfd);
	client->pid = process.pid;
	return 0;
}

int monitor_spawn(struct monitor_client *client, struct error *e)
{
	uint64_t deadline = clock_usec() + REPLY_TIMEOUT_MS * 1000;
	int pair[2], r;

	*client = (struct monitor_client){.link = -1, .log = memfd_create("console", MFD_CLOEXEC)};
	if (client->log < 0 || fcntl(client->log, F_SETFL, O_APPEND) < 0 ||
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return error_set_errno(e, -errno, "preparing to spawn a monitor");
	client->link = pair[0];
	r = spawn(client, pair[1]);
	close_fd(pair[1]);
	if (r < 0)
		return error_set_errno(e, r, "spawning hvm-monitor");
	while (r == 0 && !client->hello && clock_usec() < deadline)
		r = take_one(client, 0, e);
	return client->hello ? 0 : error_set(e, r < 0 ? r : -ETIMEDOUT, "the monitor has not said hello");
}

static int request(struct monitor_client *client, struct buffer *message, const int *fds, size_t n_fds, struct error *e)
{
	int r = link_send(client->link, message, fds, n_fds);

	buffer_fini(message);
	return r < 0 ? error_set_errno(e, r, "sending to the monitor") : take_reply(client, e);
}

int monitor_request(struct monitor_client *client, enum link_type type, const void *payload, size_t size, int fd,
	struct error *e)
{
	struct buffer message = link_message_begin(type, ++client->serial);

	buffer_append(&message, payload, size);
	return request(client, &message, &fd, fd >= 0, e);
}

#define TEST_FILES_MAX (2 + TEST_MODULES_MAX)

static void search_image(const struct test_machine *machine, struct spec_sites *ret)
{
	_cleanup_close_ int own = machine->image_fd ? -1 : monitor_open_image(machine->image);
	int fd = machine->image_fd ? machine->image_fd : own;
	struct stat st;
	void *p;

	if (fstat(fd, &st) < 0)
		return;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return;
	sites_find(p, (uint64_t)st.st_size, ret);
	munmap(p, (size_t)st.st_size);
}

static void append_definition(const struct test_machine *machine, struct buffer *b)
{
	static char ids[TEST_FILES_MAX][16] = {"image", "kernel", "module-0", "module-1"};
	struct spec_file files[TEST_FILES_MAX] = {};
	struct spec_module modules[TEST_MODULES_MAX];
	struct spec_device exit = {.class = SPEC_DEVICE_DEBUG_EXIT, .port = machine->exit_port};
	size_t n_modules = 0, n = 0;
	struct vm_spec spec = {
		.name = (char *)"test",
		.memory = machine->memory_mib * MiB,
		.cores = machine->cores,
		.hybrid = machine->image,
		.ros_cores = machine->image ? machine->ros_cores : machine->cores,
		.ros_memory = (machine->image ? machine->ros_mib : machine->memory_mib) * MiB,
		.ros_boots = machine->kernel,
		.ros_cmdline = (char *)machine->ros_cmdline,
		.ros_protocol = machine->protocol,
		.ros_on_poweroff = machine->on_poweroff,
		.ros_on_reset = machine->on_reset,
		.ros_on_crash = machine->ros_on_crash,
		.files = files,
		.hrt_cmdline = (char *)machine->cmdline,
		.hrt_stack = machine->stack ? machine->stack : SPEC_STACK_DEFAULT,
		.hrt_ros_memory = machine->ros_memory,
		.hrt_on_crash = machine->on_crash,
		.hrt_upcall = machine->upcall,
		.hrt_hypercall = machine->hypercall,
		.hrt_layout = machine->layout,
		.hrt_load = machine->load,
		.hrt_entry = machine->load ? 0 : SPEC_BLOB_ENTRY,
		.hrt_granule = machine->granule,
		.hrt_identity = machine->identity,
		.hrt_deadline = machine->deadline,
	};

	if (machine->image)
		files[n++] = (struct spec_file){.id = ids[0], .stored = machine->image_fd};
	if (machine->searched)
		search_image(machine, &files[0].sites);
	spec.ros_file = n;
	if (machine->kernel)
		files[n++].id = ids[1];
	for (; n_modules < TEST_MODULES_MAX && machine->modules[n_modules]; n_modules++) {
		modules[n_modules] = (struct spec_module){n, (char *)machine->module_cmdlines[n_modules]};
		files[n++].id = ids[2 + n_modules];
	}
	spec.n_files = n;
	spec.devices = &exit;
	spec.n_devices = machine->exit_port ? 1 : 0;
	*(machine->kernel ? &spec.ros_modules : &spec.hrt_modules) = (struct spec_modules){modules, n_modules};
	spec.core[machine->cores - 1] = machine->pin;
	spec_encode(&spec, b);
}

int monitor_open_image(const char *name)
{
	_cleanup_free_ char *folder = build_path("examples/guests/"), *path = NULL;

	if (!folder || asprintf(&path, "%s%s", folder, name) < 0)
		return -1;
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* What hvmd hands over: nobody can change it. */
static int seal(int file)
{
	_cleanup_close_ int from = file;
	int to = memfd_create("image", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	char chunk[65536];
	ssize_t n;

	while (to >= 0 && (n = read(from, chunk, sizeof(chunk))) > 0)
		write_full(to, chunk, (size_t)n);
	fcntl(to, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	return to;
}

static int make_module(const char *bytes)
{
	int fd;

	if (bytes[0] == '@')
		return monitor_open_image(bytes + 1);
	fd = memfd_create("module", MFD_CLOEXEC);
	return fd >= 0 && write(fd, bytes, strlen(bytes)) == (ssize_t)strlen(bytes) ? fd : -1;
}

/* What the definition's files are, in its order. Returns their number. */
static size_t open_files(const struct test_machine *machine, int ret[TEST_FILES_MAX])
{
	size_t n = 0;

	if (machine->image)
		ret[n++] = machine->image_fd ? fcntl(machine->image_fd, F_DUPFD_CLOEXEC, 3) :
			machine->sealed ? seal(monitor_open_image(machine->image)) : monitor_open_image(machine->image);
	if (machine->kernel)
		ret[n++] = monitor_open_image(machine->kernel);
	for (size_t i = 0; i < TEST_MODULES_MAX && machine->modules[i]; i++)
		ret[n++] = make_module(machine->modules[i]);
	return n;
}

int monitor_inspect(struct monitor_client *client, const struct test_machine *machine, int image, struct error *e)
{
	struct buffer message = link_message_begin(LINK_INSPECT, ++client->serial);

	append_definition(machine, &message);
	return request(client, &message, &image, image >= 0, e);
}

static bool is_told(const struct monitor_client *client, const struct test_machine *machine)
{
	return client->partitions[machine->image ? PARTITION_HRT : PARTITION_ROS].state != PARTITION_INACTIVE;
}

int monitor_setup(struct monitor_client *client, const struct test_machine *machine, struct error *e)
{
	int fds[1 + N_PARTITION_ROLES + TEST_FILES_MAX] = {open("/dev/kvm", O_RDWR | O_CLOEXEC)}, r = 0;
	size_t n = 1;
	struct buffer message = link_message_begin(LINK_SETUP, ++client->serial);

	for (size_t i = 0; i < (size_t)!!machine->kernel + !!machine->image; i++)
		fds[n++] = dup(client->log); /* one log for both consoles */
	n += open_files(machine, fds + n);
	for (size_t i = 0; i < n; i++)
		if (fds[i] < 0)
			r = error_set(e, -ENOENT, "/dev/kvm, or an image in examples/guests, cannot be opened");
	append_definition(machine, &message);
	if (r == 0)
		r = request(client, &message, fds, n, e);
	else
		buffer_fini(&message);
	for (size_t i = 0; i < n; i++)
		close_fd(fds[i]);
	while (r == 0 && !is_told(client, machine))
		r = take_one(client, 0, e); /* what an image got, and how partitions are, comes behind the reply */
	return r;
}

/* --- Waiting -------------------------------------------------------------- */

bool monitor_wait(struct monitor_client *client, enum partition_role role, enum partition_state state,
	unsigned timeout_ms)
{
	uint64_t deadline = clock_usec() + timeout_ms * 1000ull;
	struct error e;

	while (client->partitions[role].state != state && clock_usec() < deadline)
		if (take_one(client, 0, &e) < 0)
			return false;
	return client->partitions[role].state == state;
}

bool monitor_wait_exit(struct monitor_client *client, unsigned timeout_ms)
{
	uint64_t deadline = clock_usec() + timeout_ms * 1000ull;
	struct error e;

	while (!client->has_exit && clock_usec() < deadline)
		if (take_one(client, 0, &e) < 0)
			return false;
	return client->has_exit;
}

bool monitor_wait_hrt(struct monitor_client *client, enum partition_state state, unsigned timeout_ms)
{
	return monitor_wait(client, PARTITION_HRT, state, timeout_ms);
}

bool monitor_wait_text(struct monitor_client *client, const char *text, unsigned n, unsigned timeout_ms)
{
	uint64_t deadline = clock_usec() + timeout_ms * 1000ull;
	struct error e;

	while (monitor_count_text(client, text) < n && clock_usec() < deadline)
		if (take_one(client, 0, &e) < 0)
			break;
	return monitor_count_text(client, text) >= n;
}

char *monitor_log(const struct monitor_client *client)
{
	off_t size = lseek(client->log, 0, SEEK_END);
	char *text = size < 0 ? NULL : malloc((size_t)size + 1);
	ssize_t n;

	if (!text)
		return NULL;
	n = pread_full(client->log, text, (size_t)size, 0);
	text[n < 0 ? 0 : n] = 0;
	return text;
}

unsigned monitor_count_text(const struct monitor_client *client, const char *text)
{
	_cleanup_free_ char *log = monitor_log(client);
	unsigned n = 0;

	for (const char *p = log; p && (p = strstr(p, text)); p += strlen(text))
		n++;
	return n;
}

/* One slice of telemetry. Returns the first record that is not in it, or 0. */
static uint32_t find_in_slice(struct cursor *c, const char *key, uint64_t *value)
{
	uint32_t next = cursor_u32(c);

	while (c->left > 0 && cursor_ok(c)) {
		_cleanup_free_ char *name = link_read_string(c), *text = NULL;

		if (cursor_u8(c) == LINK_VALUE_STRING)
			text = link_read_string(c);
		else if (name && strcmp(name, key) == 0)
			*value = cursor_u64(c);
		else
			cursor_u64(c);
	}
	return next;
}

uint64_t monitor_telemetry(struct monitor_client *client, const char *key, uint64_t missing)
{
	uint32_t first = 0;
	struct error e;

	do {
		if (monitor_request(client, LINK_TELEMETRY, &first, sizeof(first), -1, &e) < 0)
			return missing;
		first = find_in_slice(&client->reply.payload, key, &missing);
	} while (first);
	return missing;
}

/* --- The end -------------------------------------------------------------- */

int monitor_wait_end(struct monitor_client *client, unsigned timeout_ms)
{
	uint64_t deadline = clock_usec() + timeout_ms * 1000ull;
	const struct timespec nap = {.tv_nsec = 5000000};
	int status;

	while (client->pid > 0) {
		if (waitpid(client->pid, &status, WNOHANG) == client->pid) {
			client->pid = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		}
		if (clock_usec() >= deadline)
			return -1;
		nanosleep(&nap, NULL);
	}
	return -1;
}

void monitor_fini(struct monitor_client *client)
{
	if (client->pid > 0) {
		kill(client->pid, SIGKILL);
		waitpid(client->pid, NULL, 0);
	}
	client->pid = 0;
	client->link = close_fd(client->link);
	client->log = close_fd(client->log);
}
