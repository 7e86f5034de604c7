/* test-link.c - messages over a real socket, whole and broken */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/io.h"
#include "link/link.h"
#include "link/state.h"

static int ends[2];
static struct link_message *message;
static struct error e;

static void set_up(void)
{
	cr_assert(eq(int, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0));
	message = calloc(1, sizeof(*message));
	e = (struct error){};
}

static void tear_down(void)
{
	close_fd(ends[0]);
	close_fd(ends[1]);
	free(message);
}

TestSuite(link, .init = set_up, .fini = tear_down);

static unsigned count_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void send_raw(const void *bytes, size_t size)
{
	cr_assert(eq(int, (int)send(ends[0], bytes, size, MSG_NOSIGNAL), (int)size));
}

/* A right message without payload; the caller bends it. */
static struct link_header header(void)
{
	return (struct link_header){
		.magic = LINK_MAGIC, .version = LINK_VERSION, .type = LINK_STOP, .serial = 1};
}

static void cr_refuses(const char *sentence)
{
	cr_assert(eq(int, link_receive(ends[1], message, &e), -EPROTO));
	cr_assert_str_eq(e.text, sentence);
}

static void refuses_version(unsigned version)
{
	char sentence[128];

	snprintf(sentence, sizeof(sentence), "a message has protocol version %u; this side speaks %u", version, LINK_VERSION);
	cr_refuses(sentence);
}

Test(link, a_message_arrives_as_it_was_sent)
{
	struct buffer b = link_message_begin(LINK_SETUP, 42);
	_cleanup_free_ char *first = NULL, *second = NULL;

	link_append_string(&b, "nautilus");
	link_append_string(&b, NULL);
	buffer_append_uint(&b, 7, 8);
	cr_assert(eq(int, link_send(ends[0], &b, NULL, 0), 0));
	buffer_fini(&b);
	cr_assert(eq(int, link_receive(ends[1], message, &e), 1), "%s", e.text);
	cr_assert(eq(uint, message->header.type, LINK_SETUP));
	cr_assert(eq(u32, message->header.serial, 42));
	first = link_read_string(&message->payload);
	second = link_read_string(&message->payload);
	cr_assert_str_eq(first, "nautilus");
	cr_assert_str_eq(second, "");
	cr_assert(eq(u64, cursor_u64(&message->payload), 7));
	cr_assert(cursor_ok(&message->payload));
	cr_assert(eq(u64, message->payload.left, 0));
	link_message_fini(message);
}

Test(link, descriptors_come_along_and_are_closed_unless_taken)
{
	unsigned before = count_open_fds();
	struct buffer b = link_message_begin(LINK_CONSOLE, 1);
	int pipes[2], taken;

	cr_assert(eq(int, pipe2(pipes, O_CLOEXEC), 0));
	cr_assert(eq(int, link_send(ends[0], &b, pipes, 2), 0));
	buffer_fini(&b);
	cr_assert(eq(int, link_receive(ends[1], message, &e), 1));
	cr_assert(eq(sz, message->n_fds, 2));
	taken = link_message_take_fd(message, 1);
	cr_assert(ge(int, taken, 0));
	cr_assert(eq(int, fcntl(taken, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC));
	cr_assert(eq(int, link_message_take_fd(message, 1), -1));
	cr_assert(eq(int, link_message_take_fd(message, 2), -1));
	link_message_fini(message);
	cr_assert(eq(int, write_full(taken, "x", 1), 0));
	close_fd(taken);
	close_fd(pipes[0]);
	close_fd(pipes[1]);
	cr_assert(eq(uint, count_open_fds(), before));
}

Test(link, a_refused_message_leaks_no_descriptor)
{
	struct link_header bad = header();
	struct buffer b = BUFFER_INIT(64);
	unsigned before = count_open_fds();
	int fds[LINK_FDS_MAX];

	for (size_t i = 0; i < LINK_FDS_MAX; i++)
		fds[i] = STDIN_FILENO;
	bad.version = LINK_VERSION + 1;
	buffer_append(&b, &bad, sizeof(bad));
	cr_assert(eq(int, link_send(ends[0], &b, fds, LINK_FDS_MAX), 0));
	buffer_fini(&b);
	refuses_version(LINK_VERSION + 1);
	cr_assert(eq(uint, count_open_fds(), before));
}

Test(link, another_version_is_refused)
{
	struct link_header h = header();

	h.version = 0;
	send_raw(&h, sizeof(h));
	refuses_version(0);
}

Test(link, another_magic_is_refused)
{
	struct link_header h = header();

	h.magic = 0x12345678;
	send_raw(&h, sizeof(h));
	cr_refuses("a message begins with 0x12345678, not 0x4c4d5648");
}

Test(link, a_header_cut_at_any_byte_is_refused)
{
	struct link_header h = header();

	for (size_t size = 1; size < sizeof(h); size++) {
		send_raw(&h, size);
		cr_assert(eq(int, link_receive(ends[1], message, &e), -EPROTO));
		cr_assert(strstr(e.text, "is shorter than its header") != NULL);
	}
}

Test(link, a_size_that_is_not_so_is_refused)
{
	struct link_header h = header();

	h.size = 5;
	send_raw(&h, sizeof(h));
	cr_refuses("a message announces 5 bytes and has 0");
	h.size = UINT32_MAX;
	send_raw(&h, sizeof(h));
	cr_refuses("a message announces 4294967295 bytes and has 0");
}

Test(link, a_packet_that_is_too_long_is_refused)
{
	_cleanup_free_ uint8_t *bytes = calloc(1, LINK_MESSAGE_MAX + 1);
	struct link_header h = header();

	h.size = LINK_MESSAGE_MAX + 1 - sizeof(h);
	memcpy(bytes, &h, sizeof(h));
	send_raw(bytes, LINK_MESSAGE_MAX + 1);
	cr_refuses("a message is longer than 65536 bytes or has more than 18 descriptors");
}

Test(link, the_longest_message_passes_and_one_byte_more_is_not_sent)
{
	struct buffer b = link_message_begin(LINK_SETUP, 1);

	buffer_append_zeros(&b, LINK_MESSAGE_MAX - sizeof(struct link_header));
	cr_assert(eq(int, link_send(ends[0], &b, NULL, 0), 0));
	cr_assert(eq(int, link_receive(ends[1], message, &e), 1), "%s", e.text);
	buffer_append_zeros(&b, 1);
	cr_assert(eq(int, link_send(ends[0], &b, NULL, 0), -EMSGSIZE));
	cr_assert(eq(int, link_receive(ends[1], message, &e), -EAGAIN));
	buffer_fini(&b);
}

Test(link, too_many_descriptors_are_not_sent)
{
	struct buffer b = link_message_begin(LINK_SETUP, 1);
	int fds[LINK_FDS_MAX + 1] = {};

	cr_assert(eq(int, link_send(ends[0], &b, fds, LINK_FDS_MAX + 1), -EMSGSIZE));
	buffer_fini(&b);
}

Test(link, nothing_there_and_nobody_there_are_told_apart)
{
	struct buffer b = link_message_begin(LINK_STOP, 1);

	cr_assert(eq(int, link_receive(ends[1], message, &e), -EAGAIN));
	ends[0] = close_fd(ends[0]);
	cr_assert(eq(int, link_receive(ends[1], message, &e), 0));
	cr_assert(eq(int, link_send(ends[1], &b, NULL, 0), -EPIPE));
	buffer_fini(&b);
}

Test(link, a_string_with_a_nul_or_a_false_length_is_refused)
{
	static const uint8_t with_nul[] = {3, 0, 0, 0, 'a', 0, 'b'};
	static const uint8_t too_long[] = {4, 0, 0, 0, 'a', 'b', 'c'};
	static const uint8_t huge[] = {0xFF, 0xFF, 0xFF, 0xFF, 'a'};
	struct cursor c = cursor_init(with_nul, sizeof(with_nul));

	cr_assert(zero(ptr, link_read_string(&c)));
	cr_assert(not(cursor_ok(&c)));
	c = cursor_init(too_long, sizeof(too_long));
	cr_assert(zero(ptr, link_read_string(&c)));
	cr_assert(not(cursor_ok(&c)));
	c = cursor_init(huge, sizeof(huge));
	cr_assert(zero(ptr, link_read_string(&c)));
	cr_assert(not(cursor_ok(&c)));
}

Test(link, a_reply_carries_the_errno_and_its_sentence)
{
	struct buffer b;
	_cleanup_free_ char *text = NULL;

	error_set(&e, -ENOEXEC, "hrt: no multiboot2 header");
	b = link_reply_begin(9, -ENOEXEC, &e);
	cr_assert(eq(int, link_send(ends[0], &b, NULL, 0), 0));
	buffer_fini(&b);
	cr_assert(eq(int, link_receive(ends[1], message, &e), 1));
	cr_assert(eq(uint, message->header.type, LINK_REPLY));
	cr_assert(eq(u32, message->header.serial, 9));
	cr_assert(eq(int, (int)cursor_u32(&message->payload), -ENOEXEC));
	text = link_read_string(&message->payload);
	cr_assert_str_eq(text, "hrt: no multiboot2 header");
	cr_assert(cursor_ok(&message->payload));
}

Test(link, a_reply_of_success_has_an_empty_sentence)
{
	struct buffer b = link_reply_begin(9, 0, &e);
	struct cursor c =
		cursor_init(b.data + sizeof(struct link_header), b.size - sizeof(struct link_header));
	_cleanup_free_ char *text = NULL;

	cr_assert(eq(u32, cursor_u32(&c), 0));
	text = link_read_string(&c);
	cr_assert_str_eq(text, "");
	cr_assert(eq(u64, c.left, 0));
	buffer_fini(&b);
}

Test(state, each_has_a_word_of_its_own)
{
	for (int i = 0; i < N_VM_STATES; i++)
		for (int j = 0; j < i; j++)
			cr_assert_str_neq(
				vm_state_to_string((enum vm_state)i), vm_state_to_string((enum vm_state)j));
	for (int i = 0; i < N_REASONS; i++)
		for (int j = 0; j < i; j++)
			cr_assert_str_neq(vm_reason_to_string((enum vm_reason)i),
				vm_reason_to_string((enum vm_reason)j));
	cr_assert_str_eq(partition_state_to_string(PARTITION_PARKED), "parked");
	cr_assert_str_eq(partition_role_to_string(PARTITION_HRT), "hrt");
	cr_assert_str_eq(vm_reason_to_string(REASON_TRIPLE_FAULT), "triple-fault");
}
