/*
 * fake-monitor.c - a monitor without a machine
 *
 * Speaks the link protocol as hvm-monitor does, and misbehaves as it is told by
 * the words of the HRT's command line, or of the environment variable
 * FAKE_MONITOR for what happens before there is one:
 *
 *	no-hello        the first message is no greeting (environment)
 *	refuse-setup    LINK_SETUP is answered with -ENOEXEC
 *	only-sealed     LINK_SETUP is answered with -ENOEXEC where a file is not one that can be mapped
 *	die-in-setup    exits with status 3 instead of answering LINK_SETUP
 *	slow-setup      takes 0.3 s for LINK_SETUP
 *	hang-in-setup   does not answer LINK_SETUP
 *	refuse-start    LINK_START is answered with -EOPNOTSUPP
 *	crash           the HRT triple-faults after it has started
 *	fail            the HRT cannot go on, and it is the host's fault
 *	die             is killed by SIGILL after it has started (a fault: it is the first process of its namespace)
 *	close           closes the link after it has started, and stays
 *	garbage         sends bytes that are no message after it has started
 *	wrong-version   sends a message of another version after it has started
 *	unasked         answers a request that nobody made after it has started
 *	bad-telemetry   answers LINK_TELEMETRY with a record that is cut off
 *	bad-image       LINK_INSPECT finds an image that cannot be booted
 *	no-room         LINK_INSPECT finds that two want the same memory
 *	die-in-inspect  is killed by SIGILL instead of answering LINK_INSPECT
 *	hang-in-inspect does not answer LINK_INSPECT
 *	bad-inspect     answers LINK_INSPECT with bytes left over
 *	bad-plan        answers LINK_PLAN and LINK_INSPECT with regions that overlap
 *	mute            does not answer LINK_RESET
 *	hang-on-stop    does not answer LINK_STOP and does not go
 *	guest-reset     the guest resets itself after it has started
 *	ros-off         the ROS turns itself off after it has started
 *	ros-reset       the ROS resets itself after it has started
 *	exit-unheard    has ended the VM when a hvmd adopts it
 *	other-run       says to a hvmd that adopts it that it is another VM
 *	late-version    speaks a later version of the link to a hvmd that adopts it, with more to say
 *	early-version   speaks the oldest version that is still controlled
 *	ancient-version speaks one that is older than that
 *	mute-greeting   does not greet a hvmd that adopts it
 *
 * It outlives its hvmd as hvm-monitor does, but not for long.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/io.h"
#include "link/link.h"
#include "link/state.h"
#include "spec/spec.h"
#include "spec/wire.h"

#define N_RECORDS 300u
#define SLICE     100u

#define LIFE_SEC 120
#define LATE     (LINK_VERSION + 7)

static struct vm_spec *spec;
static int log_fd = -1, link_fd = LINK_FD, listener = -1;
static bool started, adopted;
static uint64_t started_usec;
static uint32_t n_resets, n_resets_of[N_PARTITION_ROLES];

/* The last news of each partition. */
static struct {
	enum partition_state state;
	enum vm_reason reason;
	uint32_t vcpu;
	uint64_t address;
	const char *details;
} last[N_PARTITION_ROLES];

/* Whether `word` stands in the command line or in FAKE_MONITOR. */
static bool told(const char *word)
{
	const char *texts[] = {spec ? spec->hrt_cmdline : NULL, spec ? spec->ros_cmdline : NULL, getenv("FAKE_MONITOR")};

	for (size_t i = 0; i < 3; i++) {
		const char *at = texts[i] ? strstr(texts[i], word) : NULL;

		if (at && (at == texts[i] || at[-1] == ' ') && strchr(" ", at[strlen(word)]))
			return true;
	}
	return false;
}

static void send_message(struct buffer *b)
{
	if (adopted && told("late-version")) {
		link_message_set_version(b, LATE);
		buffer_append(b, "more", 4);
	}
	if (adopted && told("early-version"))
		link_message_set_version(b, LINK_VERSION_OLDEST);
	if (adopted && told("ancient-version"))
		link_message_set_version(b, LINK_VERSION_OLDEST - 1);
	link_send(link_fd, b, NULL, 0);
	buffer_fini(b);
}

static void hello(void)
{
	struct buffer b = link_message_begin(LINK_HELLO, 0);

	link_append_string(&b, "");
	send_message(&b);
}

static void state(enum partition_role role, enum partition_state s, enum vm_reason reason, uint32_t vcpu,
	uint64_t address, const char *details)
{
	struct buffer b = link_message_begin(LINK_STATE, 0);

	last[role].state = s;
	last[role].reason = reason;
	last[role].vcpu = vcpu;
	last[role].address = address;
	last[role].details = details;
	buffer_append_uint(&b, role, 1);
	buffer_append_uint(&b, s, 1);
	buffer_append_uint(&b, reason, 1);
	buffer_append_uint(&b, vcpu, 4);
	buffer_append_uint(&b, address, 8);
	link_append_string(&b, details);
	send_message(&b);
}

static void reply(const struct link_message *m, int error, const char *sentence)
{
	struct error e = {};
	struct buffer b;

	if (error < 0)
		error_set(&e, error, "%s", sentence);
	b = link_reply_begin(m->header.serial, error, &e);
	send_message(&b);
}

static void hrt(void)
{
	struct buffer b = link_message_begin(LINK_HRT, 0);

	buffer_append_uint(&b, 0x201, 8);
	buffer_append_uint(&b, 0xffff800000000000, 8);
	buffer_append_uint(&b, 0xffff800000800040, 8);
	buffer_append_uint(&b, 0x1ff000, 8);
	buffer_append_uint(&b, 255, 4);
	link_append_string(&b, "patch");
	buffer_append_uint(&b, 3, 4);
	link_append_string(&b, "pf");
	send_message(&b);
}

static void append_digest(struct buffer *b, size_t size)
{
	for (size_t i = 0; i < size; i++)
		buffer_append_uint(b, i, 1);
}

static void launch(void)
{
	struct buffer b = link_message_begin(LINK_LAUNCH, 0);

	append_digest(&b, LINK_DIGEST_SIZE);
	send_message(&b);
}

static void reset_done(uint8_t scope)
{
	struct buffer b = link_message_begin(LINK_RESET_DONE, 0);

	n_resets++;
	n_resets_of[PARTITION_ROS] += scope != LINK_SCOPE_HRT;
	n_resets_of[PARTITION_HRT] += scope != LINK_SCOPE_ROS;
	buffer_append_uint(&b, scope, 1);
	buffer_append_uint(&b, scope == LINK_SCOPE_HRT ? spec->ros_cores : 0, 4);
	buffer_append_uint(&b, scope == LINK_SCOPE_ALL ? spec->cores
			: scope == LINK_SCOPE_HRT	? spec->cores - spec->ros_cores
							: spec->ros_cores, 4);
	send_message(&b);
}

/* Whether nobody can change the definition's files, which come last, and they have been searched. */
static bool have_sealed_files(const struct link_message *m)
{
	for (size_t i = 0; i < spec->n_files; i++) {
		int seals = fcntl(m->fds[m->n_fds - 1 - i], F_GET_SEALS);

		if (seals < 0 || !(seals & F_SEAL_WRITE) || !spec->files[i].sites.known)
			return false;
	}
	return true;
}

static void setup(struct link_message *m)
{
	struct error e = {};
	int r = spec_decode(&m->payload, &spec, &e);
	size_t n_logs = 0;

	for (int role = 0; r == 0 && role < N_PARTITION_ROLES; role++)
		n_logs += spec_has_console(spec, (enum partition_role)role);
	if (r < 0 || m->n_fds != 1 + n_logs + spec->n_files) {
		reply(m, -EPROTO, r < 0 ? e.text : "another number of descriptors");
		return;
	}
	if (told("die-in-setup"))
		exit(3);
	if (told("slow-setup"))
		usleep(300000);
	if (told("hang-in-setup"))
		return;
	if (told("refuse-setup")) {
		reply(m, -ENOEXEC, "file \"hrt\": there is no Multiboot2 header in its first 32768 bytes");
		return;
	}
	if (told("only-sealed") && !have_sealed_files(m)) {
		reply(m, -ENOEXEC, "a file is not sealed");
		return;
	}
	log_fd = n_logs > 0 ? link_message_take_fd(m, n_logs) : -1; /* the last: the HRT's where there is one */
	reply(m, 0, NULL);
	state(PARTITION_ROS, PARTITION_PARKED, REASON_BOOTED, UINT32_MAX, 0, "");
	if (!spec->hybrid)
		return;
	hrt();
	launch();
	state(PARTITION_HRT, PARTITION_PARKED, REASON_BOOTED, UINT32_MAX, 0, "");
}

static void guest_exit(void)
{
	struct buffer b = link_message_begin(LINK_EXIT, 0);

	buffer_append_uint(&b, 35, 4);
	link_append_string(&b, "the hrt has ended the VM with status 35");
	send_message(&b);
}

static void misbehave(void)
{
	if (told("crash"))
		state(PARTITION_HRT, PARTITION_CRASHED, REASON_TRIPLE_FAULT, spec->ros_cores, 0x1234,
			"core 1: triple fault at 0x1234");
	if (told("fail"))
		state(PARTITION_HRT, PARTITION_FAILED, REASON_UNKNOWN, spec->ros_cores, 0,
			"core 1: KVM_RUN: Bad address");
	if (told("die"))
		__builtin_trap();
	if (told("close"))
		close(link_fd);
	if (told("garbage"))
		send(link_fd, "garbage", 7, 0);
	if (told("wrong-version")) {
		struct buffer b = link_message_begin(LINK_RESET_DONE, 0);

		buffer_put_uint(&b, offsetof(struct link_header, version), 99, 2);
		send_message(&b);
	}
	if (told("unasked")) {
		struct buffer b = link_reply_begin(4711, 0, NULL);

		send_message(&b);
	}
	if (told("guest-exit"))
		guest_exit();
	if (told("guest-reset"))
		reset_done(LINK_SCOPE_HRT);
	if (told("ros-off"))
		state(PARTITION_ROS, PARTITION_PARKED, REASON_GUEST_POWEROFF, UINT32_MAX, 0, "");
	if (told("ros-reset"))
		state(PARTITION_ROS, PARTITION_RUNNING, REASON_GUEST_RESET, UINT32_MAX, 0, "");
}

static void start(struct link_message *m)
{
	static const char text[] = "hello from core 1\n";

	if (told("refuse-start")) {
		reply(m, -EOPNOTSUPP, "this host cannot run it");
		return;
	}
	write_full(log_fd, text, sizeof(text) - 1);
	started = true;
	started_usec = clock_usec();
	state(spec->hybrid ? PARTITION_HRT : PARTITION_ROS, PARTITION_RUNNING, REASON_BOOTED, UINT32_MAX, 0,
		"");
	reply(m, 0, NULL);
	misbehave();
}

static void reset(struct link_message *m)
{
	uint8_t scope = cursor_u8(&m->payload);
	struct buffer b;

	if (told("mute"))
		return;
	if (scope != LINK_SCOPE_ROS && spec->hybrid)
		state(PARTITION_HRT, PARTITION_RUNNING, REASON_HOST_REQUEST, UINT32_MAX, 0, "");
	reset_done(scope);
	b = link_reply_begin(m->header.serial, 0, NULL);
	buffer_append_uint(&b, 123, 8);
	send_message(&b);
}

static void append_text(struct buffer *b, const char *key, const char *value)
{
	link_append_string(b, key);
	buffer_append_uint(b, LINK_VALUE_STRING, 1);
	link_append_string(b, value);
}

/* A ROS that calls its HRT each time somebody looks */
static void append_talk(struct buffer *b)
{
	static uint64_t transactions;

	append_text(b, "partition.hrt.transaction_state", "parcall");
	link_append_string(b, "partition.hrt.transactions");
	buffer_append_uint(b, LINK_VALUE_UINT, 1);
	buffer_append_uint(b, ++transactions, 8);
}

static void append_record(struct buffer *b, uint32_t i)
{
	char key[64];

	if (i == 0) {
		append_text(b, "partition.hrt.state", "running");
		append_talk(b);
		return;
	}
	snprintf(key, sizeof(key), i % 2 ? "vcpu.%u.exits" : "kvm.vcpu.%u.exits", i);
	link_append_string(b, key);
	buffer_append_uint(b, LINK_VALUE_UINT, 1);
	buffer_append_uint(b, i, 8);
}

static void telemetry(struct link_message *m)
{
	uint32_t first = cursor_u32(&m->payload), end = first + SLICE;
	struct buffer b = link_reply_begin(m->header.serial, 0, NULL);

	buffer_append_uint(&b, end < N_RECORDS ? end : 0, 4);
	for (uint32_t i = first; i < end && i < N_RECORDS; i++)
		append_record(&b, i);
	if (told("bad-telemetry"))
		buffer_append_uint(&b, 100, 4);
	send_message(&b);
}

/* What is typed comes back, until there is no more. */
static void echo(int fd)
{
	char block[256];
	ssize_t n;

	if (fork() != 0)
		return;
	fcntl(fd, F_SETFL, 0);
	while ((n = read(fd, block, sizeof(block))) > 0)
		write_full(fd, block, (size_t)n);
	_exit(0);
}

static void console(struct link_message *m)
{
	static const char text[] = "hello from the console\n";
	static bool has_writer;
	uint8_t role = cursor_u8(&m->payload), mode = cursor_u8(&m->payload);
	int fd = link_message_take_fd(m, 0);

	if (mode == LINK_CONSOLE_WRITE && has_writer) {
		close_fd(fd);
		reply(m, -EUSERS, "somebody writes to this console already; it can be watched, or taken over by force");
		return;
	}
	write_full(fd, text, sizeof(text) - 1);
	if (mode != LINK_CONSOLE_WATCH) {
		has_writer = role == PARTITION_ROS;
		echo(fd);
	}
	close_fd(fd);
	reply(m, 0, NULL);
}

/* An image that begins with "bad" is none. */
static void load(struct link_message *m)
{
	uint64_t size = cursor_u64(&m->payload);
	int fd = link_message_take_fd(m, 0);
	char head[4] = "";
	ssize_t n = pread_full(fd, head, 3, 0);

	close_fd(fd);
	if (size == 0 || n <= 0)
		reply(m, -EINVAL, "the image is empty");
	else if (strcmp(head, "bad") == 0)
		reply(m, -ENOEXEC, "HRT image \"hrt\": there is no Multiboot2 header in its first 32768 bytes");
	else
		reply(m, 0, NULL);
}

static void append_region(
	struct buffer *b, const char *name, uint64_t gpa, uint64_t size, const char *access, const char *source)
{
	link_append_string(b, name);
	buffer_append_uint(b, gpa, 8);
	buffer_append_uint(b, size, 8);
	link_append_string(b, access);
	link_append_string(b, source);
}

static void append_plan(struct buffer *b)
{
	uint64_t ros = spec->ros_memory;

	buffer_append_uint(b, 3, 4);
	append_region(b, "ros memory", 0, ros, "both", "zero");
	append_region(b, "image 0", told("bad-plan") ? ros - 1 : ros, spec->memory - ros, "hrt", "file");
	link_append_string(b, spec->files[0].id);
	buffer_append_uint(b, 0x1000, 8);
	buffer_append_uint(b, 8, 8);
	append_digest(b, 32);
	append_region(b, "device hole", 0xFEC00000, 0x1400000, "device", "none");
	link_append_string(b, "a record\n");
	append_digest(b, 48);
}

static void plan(struct link_message *m)
{
	struct buffer b = link_reply_begin(m->header.serial, 0, NULL);

	append_plan(&b);
	send_message(&b);
}

static void append_findings(struct buffer *b)
{
	buffer_append_uint(b, spec->n_files, 4);
	for (size_t i = 0; i < spec->n_files; i++) {
		bool bad = told("bad-image");

		link_append_string(b, bad ? "no ELF file" : "an image");
		link_append_string(b, bad ? "" : "mb64");
		link_append_string(b, bad ? "it begins with 61 6e 79" : "");
	}
}

static void append_no_plan(struct buffer *b)
{
	if (told("bad-image")) {
		buffer_append_uint(b, (uint32_t)-ENOEXEC, 4);
		link_append_string(b, "HRT image \"hrt\": it begins with 61 6e 79");
	} else {
		buffer_append_uint(b, (uint32_t)-EADDRINUSE, 4);
		link_append_string(b, "ros memory [0x0, 0x2) and image 0 [0x1, 0x3) want the same memory");
	}
}

static void inspect(struct link_message *m)
{
	struct buffer b;
	int r = spec_decode(&m->payload, &spec, NULL);

	if (r < 0 || m->n_fds != spec->n_files) {
		reply(m, -EPROTO, "another definition, or another number of descriptors");
		return;
	}
	if (told("die-in-inspect"))
		__builtin_trap();
	if (told("hang-in-inspect"))
		return;
	b = link_reply_begin(m->header.serial, 0, NULL);
	append_findings(&b);
	if (told("bad-image") || told("no-room")) {
		append_no_plan(&b);
	} else {
		buffer_append_uint(&b, 0, 4);
		link_append_string(&b, "");
		append_plan(&b);
	}
	if (told("bad-inspect"))
		buffer_append_zeros(&b, 1);
	send_message(&b);
}

static void stop(struct link_message *m)
{
	if (told("hang-on-stop"))
		return;
	reply(m, 0, NULL);
	exit(0);
}

static void listen_for_hvmd(struct link_message *m)
{
	listener = link_message_take_fd(m, 0);
	reply(m, listen(listener, 4) < 0 ? -errno : 0, "it cannot be listened on");
}

static void tell_run(void)
{
	struct buffer b = link_message_begin(LINK_RUN, 0);
	uint8_t uuid[SPEC_UUID_SIZE];

	memcpy(uuid, spec->uuid, sizeof(uuid));
	uuid[0] ^= told("other-run");
	buffer_append(&b, uuid, sizeof(uuid));
	buffer_append_uint(&b, started_usec, 8);
	buffer_append_uint(&b, started_usec, 8);
	buffer_append_uint(&b, n_resets, 4);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		buffer_append_uint(&b, n_resets_of[role], 4);
	send_message(&b);
}

static void tell_everything(void)
{
	if (told("mute-greeting"))
		return;
	hello();
	if (spec->hybrid)
		hrt();
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		if (role == PARTITION_ROS || spec->hybrid)
			state((enum partition_role)role, last[role].state, last[role].reason, last[role].vcpu,
				last[role].address, last[role].details);
	tell_run();
	if (told("exit-unheard"))
		guest_exit();
}

/* Whether there is a hvmd again. */
static bool await_hvmd(void)
{
	struct pollfd p = {.fd = listener, .events = POLLIN};

	close(link_fd);
	if (!started || listener < 0 || poll(&p, 1, -1) < 0)
		return false;
	link_fd = accept(listener, NULL, NULL);
	adopted = true;
	if (link_fd >= 0)
		tell_everything();
	return link_fd >= 0;
}

static void serve(struct link_message *m)
{
	switch (m->header.type) {
	case LINK_LISTEN:
		listen_for_hvmd(m);
		break;
	case LINK_SETUP:
		setup(m);
		break;
	case LINK_START:
		start(m);
		break;
	case LINK_RESET:
		reset(m);
		break;
	case LINK_TELEMETRY:
		telemetry(m);
		break;
	case LINK_CONSOLE:
		console(m);
		break;
	case LINK_LOAD:
		load(m);
		break;
	case LINK_PLAN:
		plan(m);
		break;
	case LINK_INSPECT:
		inspect(m);
		break;
	case LINK_STOP:
		stop(m);
		break;
	default:
		exit(4);
	}
}

int main(void)
{
	static struct link_message m;

	signal(SIGALRM, SIG_DFL);
	alarm(LIFE_SEC);
	if (told("no-hello"))
		hrt();
	hello();
	do {
		while (link_receive_any_version(link_fd, &m, NULL) == 1) {
			serve(&m);
			link_message_fini(&m);
		}
	} while (!told("close") && await_hvmd());
	if (told("close"))
		pause();
	return 0;
}
