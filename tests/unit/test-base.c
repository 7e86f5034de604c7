/* test-base.c - sentences, bytes, sums and files */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/cursor.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/io.h"
#include "base/log.h"

Test(error, a_sentence_travels_with_its_errno)
{
	struct error e = {};

	cr_assert(eq(int, error_set(&e, -EINVAL, "%d is more than %d", 5, 4), -EINVAL));
	cr_assert_str_eq(error_text(&e, -EINVAL), "5 is more than 4");
	cr_assert(eq(int, error_prefix(&e, -EINVAL, "reading %s", "a.xml"), -EINVAL));
	cr_assert_str_eq(error_text(&e, -EINVAL), "reading a.xml: 5 is more than 4");
}

Test(error, the_systems_words_stand_in)
{
	struct error e = {};

	cr_assert_str_eq(error_text(&e, -ENOENT), "No such file or directory");
	cr_assert_str_eq(error_text(NULL, -ENOENT), "No such file or directory");
	cr_assert_str_eq(error_text(NULL, -100000), "unknown error");
	error_set_errno(&e, -EACCES, "opening /dev/kvm");
	cr_assert_str_eq(e.text, "opening /dev/kvm: Permission denied");
	e = (struct error){};
	error_prefix(&e, -EIO, "reading");
	cr_assert_str_eq(e.text, "reading: Input/output error");
}

Test(error, nobody_has_to_listen)
{
	cr_assert(eq(int, error_set(NULL, -EPERM, "unheard"), -EPERM));
	cr_assert(eq(int, error_set_errno(NULL, -EPERM, "unheard"), -EPERM));
	cr_assert(eq(int, error_prefix(NULL, -EPERM, "unheard"), -EPERM));
}

Test(error, a_long_sentence_is_cut_and_says_so)
{
	char text[ERROR_TEXT_MAX + 1];
	struct error e = {};

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	error_set(&e, -EINVAL, "%s", text);
	cr_assert(eq(sz, strlen(e.text), ERROR_TEXT_MAX - 1));
	cr_assert_str_eq(e.text + ERROR_TEXT_MAX - 4, "...");
	error_set(&e, -EINVAL, "%.511s", text);
	cr_assert(eq(chr, e.text[ERROR_TEXT_MAX - 2], 'x'));
	error_prefix(&e, -EINVAL, "front");
	cr_assert(eq(int, strncmp(e.text, "front: xxx", 10), 0));
	cr_assert_str_eq(e.text + ERROR_TEXT_MAX - 4, "...");
}

Test(buffer, grows_as_it_is_written)
{
	struct buffer b = BUFFER_INIT(100000);
	_cleanup_free_ char *text = NULL;

	for (unsigned i = 0; i < 10000; i++)
		buffer_printf(&b, "%u,", i % 10);
	cr_assert(buffer_ok(&b));
	cr_assert(eq(sz, b.size, 20000));
	text = buffer_take_string(&b);
	cr_assert(eq(sz, strlen(text), 20000));
	cr_assert(eq(sz, b.size, 0));
	cr_assert(eq(sz, b.limit, 100000));
}

Test(buffer, stops_at_its_limit_for_good)
{
	struct buffer b = BUFFER_INIT(4);

	buffer_append_string(&b, "abcd");
	cr_assert(buffer_ok(&b));
	buffer_append(&b, "", 0);
	cr_assert(buffer_ok(&b));
	buffer_append_uint(&b, 1, 1);
	cr_assert(not(buffer_ok(&b)));
	buffer_append(&b, "", 0);
	cr_assert(not(buffer_ok(&b)));
	cr_assert(eq(sz, b.size, 4));
	cr_assert(zero(ptr, buffer_take_string(&b)));
	cr_assert(buffer_ok(&b));
	buffer_append_zeros(&b, SIZE_MAX);
	cr_assert(not(buffer_ok(&b)));
	buffer_fini(&b);
}

Test(buffer, writes_little_endian_and_aligned)
{
	struct buffer b = BUFFER_INIT(64);
	static const uint8_t expected[] = {
		0x04, 0x03, 0x02, 0x01, 0xAA, 0, 0, 0, 0x08, 0x07, 0x06, 0x05, 0, 0, 0, 0};

	buffer_append_uint(&b, 0x01020304, 4);
	buffer_append_uint(&b, 0x55, 1);
	buffer_align(&b, 8);
	buffer_align(&b, 8);
	buffer_append_uint(&b, 0x05060708, 8);
	buffer_put_uint(&b, 4, 0xAA, 1);
	cr_assert(eq(sz, b.size, sizeof(expected)));
	cr_assert(eq(int, memcmp(b.data, expected, sizeof(expected)), 0));
	buffer_fini(&b);
}

Test(cursor, reads_what_a_buffer_wrote)
{
	struct buffer b = BUFFER_INIT(64);
	struct cursor c;

	buffer_append_uint(&b, 0x12, 1);
	buffer_append_uint(&b, 0x3456, 2);
	buffer_append_uint(&b, 0x789ABCDE, 4);
	buffer_append_uint(&b, UINT64_MAX - 1, 8);
	c = cursor_init(b.data, b.size);
	cr_assert(eq(u8, cursor_u8(&c), 0x12));
	cr_assert(eq(u16, cursor_u16(&c), 0x3456));
	cr_assert(eq(u32, cursor_u32(&c), 0x789ABCDE));
	cr_assert(eq(u64, cursor_u64(&c), UINT64_MAX - 1));
	cr_assert(cursor_ok(&c));
	cr_assert(eq(u64, c.left, 0));
	buffer_fini(&b);
}

Test(cursor, is_overrun_for_good)
{
	static const uint8_t bytes[] = {1, 2, 3};
	struct cursor c = cursor_init(bytes, sizeof(bytes));

	cr_assert(eq(u32, cursor_u32(&c), 0));
	cr_assert(not(cursor_ok(&c)));
	cr_assert(eq(u8, cursor_u8(&c), 0));
	cr_assert(not(cursor_ok(&c)));
	c = cursor_init(bytes, sizeof(bytes));
	cr_assert(zero(ptr, (void *)cursor_bytes(&c, UINT64_MAX)));
	cr_assert(not(cursor_ok(&c)));
}

Test(checked, sums_and_products_that_do_not_fit_are_refused)
{
	uint64_t value = 7;

	cr_assert(u64_add(UINT64_MAX - 1, 1, &value));
	cr_assert(eq(u64, value, UINT64_MAX));
	value = 7;
	cr_assert(not(u64_add(UINT64_MAX, 1, &value)));
	cr_assert(not(u64_mul(1ull << 32, 1ull << 32, &value)));
	cr_assert(eq(u64, value, 7));
	cr_assert(u64_mul(1ull << 32, (1ull << 32) - 1, &value));
}

Test(checked, ranges_do_not_wrap)
{
	cr_assert(range_within(0, 10, 10));
	cr_assert(range_within(10, 0, 10));
	cr_assert(not(range_within(11, 0, 10)));
	cr_assert(not(range_within(5, 6, 10)));
	cr_assert(not(range_within(UINT64_MAX, 2, 10)));
	cr_assert(not(range_within(2, UINT64_MAX, 10)));
	cr_assert(ranges_overlap(0, 10, 9, 1));
	cr_assert(ranges_overlap(9, 1, 0, 10));
	cr_assert(not(ranges_overlap(0, 10, 10, 1)));
	cr_assert(not(ranges_overlap(5, 0, 0, 10)));
	cr_assert(ranges_overlap(UINT64_MAX - 1, 1, 0, UINT64_MAX));
}

Test(checked, rounding_goes_to_multiples)
{
	cr_assert(eq(u64, round_down(8191, 4096), 4096));
	cr_assert(eq(u64, round_up(4097, 4096), 8192));
	cr_assert(eq(u64, round_up(4096, 4096), 4096));
	cr_assert(eq(u64, round_up(UINT64_MAX, 4096), 0));
	cr_assert(eq(u64, div_up(10, 5), 2));
	cr_assert(eq(u64, div_up(11, 5), 3));
	cr_assert(eq(u64, div_up(UINT64_MAX, 1), UINT64_MAX));
}

Test(hex, reads_what_it_wrote_and_nothing_else)
{
	static const uint8_t bytes[] = {0x00, 0x9A, 0xFF};
	uint8_t read[3];
	char text[7];

	hex_format(bytes, sizeof(bytes), text);
	cr_assert_str_eq(text, "009aff");
	cr_assert(hex_parse("009AfF", read, 3));
	cr_assert(eq(int, memcmp(read, bytes, 3), 0));
	cr_assert(not(hex_parse("009af", read, 3)));
	cr_assert(not(hex_parse("0x9aff", read, 3)));
	cr_assert(not(hex_parse("", read, 1)));
}

static char folder[32];
static int folder_fd = -1;

static void folder_new(void)
{
	strcpy(folder, "/tmp/test-base-XXXXXX");
	cr_assert(mkdtemp(folder) != NULL);
	folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert(ge(int, folder_fd, 0));
}

static void remove_entries(int dirfd)
{
	DIR *dir = fdopendir(dup(dirfd));
	struct dirent *entry;

	rewinddir(dir);
	while ((entry = readdir(dir)))
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
			unlinkat(dirfd, entry->d_name, 0) < 0)
			unlinkat(dirfd, entry->d_name, AT_REMOVEDIR);
	closedir(dir);
}

static void folder_remove(void)
{
	remove_entries(folder_fd);
	folder_fd = close_fd(folder_fd);
	rmdir(folder);
}

TestSuite(io, .init = folder_new, .fini = folder_remove);

static unsigned count_entries(void)
{
	DIR *dir = fdopendir(dup(folder_fd));
	unsigned n = 0;

	rewinddir(dir);
	for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
		n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
	closedir(dir);
	return n;
}

static char *content_of(const char *name)
{
	_cleanup_close_ int fd = openat(folder_fd, name, O_RDONLY | O_CLOEXEC);
	char *text = NULL;
	size_t size;

	cr_assert(eq(int, file_read(fd, name, 4096, &text, &size, NULL), 0));
	cr_assert(eq(sz, strlen(text), size));
	return text;
}

Test(io, a_file_is_replaced_whole)
{
	_cleanup_free_ char *first = NULL, *second = NULL;

	cr_assert(eq(int, file_write_atomic(folder_fd, "a.xml", "old and long", 12, NULL), 0));
	first = content_of("a.xml");
	cr_assert_str_eq(first, "old and long");
	cr_assert(eq(int, file_write_atomic(folder_fd, "a.xml", "new", 3, NULL), 0));
	second = content_of("a.xml");
	cr_assert_str_eq(second, "new");
	cr_assert(eq(uint, count_entries(), 1));
}

Test(io, a_file_that_cannot_be_replaced_leaves_nothing_behind)
{
	struct error e = {};

	cr_assert(eq(int, mkdirat(folder_fd, "a.xml", 0755), 0));
	cr_assert(eq(int, file_write_atomic(folder_fd, "a.xml", "new", 3, &e), -EISDIR));
	cr_assert_str_eq(e.text, "writing a.xml: Is a directory");
	cr_assert(eq(uint, count_entries(), 1));
}

Test(io, a_temporary_that_is_a_link_is_not_followed)
{
	_cleanup_free_ char *text = NULL;

	cr_assert(eq(int, file_write_atomic(folder_fd, "victim", "kept", 4, NULL), 0));
	cr_assert(eq(int, symlinkat("victim", folder_fd, ".#a.xml"), 0));
	file_write_atomic(folder_fd, "a.xml", "new", 3, NULL);
	text = content_of("victim");
	cr_assert_str_eq(text, "kept");
}

Test(io, a_file_over_the_limit_is_not_read)
{
	_cleanup_close_ int fd = -1;
	struct error e = {};
	char *text = NULL;
	size_t size;

	cr_assert(eq(int, file_write_atomic(folder_fd, "big", "0123456789", 10, NULL), 0));
	fd = openat(folder_fd, "big", O_RDONLY | O_CLOEXEC);
	cr_assert(eq(int, file_read(fd, "big", 9, &text, &size, &e), -EFBIG));
	cr_assert_str_eq(e.text, "big: 10 bytes are more than the limit of 9");
	cr_assert(eq(int, file_read(folder_fd, "the folder", 9, &text, &size, &e), -EINVAL));
	cr_assert_str_eq(e.text, "the folder: not a regular file");
}

Test(io, reading_does_not_move_the_descriptor_and_begins_at_the_beginning)
{
	_cleanup_free_ char *text = NULL;
	_cleanup_close_ int fd = -1;
	size_t size;

	cr_assert(eq(int, file_write_atomic(folder_fd, "f", "abcdef", 6, NULL), 0));
	fd = openat(folder_fd, "f", O_RDONLY | O_CLOEXEC);
	cr_assert(eq(int, (int)lseek(fd, 3, SEEK_SET), 3));
	cr_assert(eq(int, file_read(fd, "f", 100, &text, &size, NULL), 0));
	cr_assert_str_eq(text, "abcdef");
	cr_assert(eq(int, (int)lseek(fd, 0, SEEK_CUR), 3));
}

Test(io, a_pipe_is_read_to_its_end)
{
	char text[16] = {};
	int fds[2];

	cr_assert(eq(int, pipe2(fds, O_CLOEXEC), 0));
	cr_assert(eq(int, write_full(fds[1], "hello", 5), 0));
	close_fd(fds[1]);
	cr_assert(eq(int, (int)read_full(fds[0], text, sizeof(text)), 5));
	cr_assert_str_eq(text, "hello");
	close_fd(fds[0]);
}

Test(io, folders_are_made_with_their_parents)
{
	_cleanup_free_ char *path = NULL;
	_cleanup_close_ int fd = -1, again = -1;
	struct stat st;

	cr_assert(asprintf(&path, "%s/a/b", folder) > 0);
	cr_assert(eq(int, dir_open_make(path, 0700, &fd, NULL), 0));
	cr_assert(eq(int, fstat(fd, &st), 0));
	cr_assert(eq(uint, st.st_mode & 07777u, 0700));
	cr_assert(eq(int, dir_open_make(path, 0700, &again, NULL), 0));
	cr_assert(eq(int, rmdir(path), 0));
}

Test(io, closing_nothing_is_allowed_and_errno_stays)
{
	errno = ENOTTY;
	cr_assert(eq(int, close_fd(-1), -1));
	cr_assert(eq(int, close_fd(dup(0)), -1));
	cr_assert(eq(int, errno, ENOTTY));
}

Test(log, levels_have_words)
{
	enum log_level level = LOG_LEVEL_INFO;

	cr_assert(log_level_from_string("debug", &level));
	cr_assert(eq(int, (int)level, LOG_LEVEL_DEBUG));
	cr_assert(not(log_level_from_string("loud", &level)));
	cr_assert(not(log_level_from_string("", &level)));
}

Test(log, a_burst_is_bounded)
{
	struct ratelimit limit = {.interval_usec = 3600ull * 1000000, .burst = 3};
	unsigned n = 0;

	for (unsigned i = 0; i < 100; i++)
		n += log_ratelimit(&limit);
	cr_assert(eq(uint, n, 3));
}

/* --- Where lines go ------------------------------------------------------- */

static struct {
	char line[64], vm[32], partition[8];
	enum log_level level;
	unsigned n;
	bool takes;
} sunk;

static bool sink(const struct log_about *about, enum log_level level, const char *line)
{
	snprintf(sunk.line, sizeof(sunk.line), "%s", line);
	snprintf(sunk.vm, sizeof(sunk.vm), "%s", about->vm ? about->vm : "");
	snprintf(sunk.partition, sizeof(sunk.partition), "%s", about->partition ? about->partition : "");
	sunk.level = level;
	sunk.n++;
	return sunk.takes;
}

Test(log, gives_a_line_and_what_it_is_about_to_whoever_takes_lines)
{
	const struct log_about about = {.vm = "a", .partition = "hrt"};

	sunk.takes = true;
	log_set_sink(sink);
	log_line_about(&about, LOG_LEVEL_WARNING, "vm %s: gone", "a");
	cr_assert_str_eq(sunk.line, "vm a: gone");
	cr_assert_str_eq(sunk.vm, "a");
	cr_assert_str_eq(sunk.partition, "hrt");
	cr_assert(eq(int, (int)sunk.level, LOG_LEVEL_WARNING));
	log_info("about nothing");
	cr_assert_str_eq(sunk.vm, "");
	log_debug("not asked for");
	cr_assert(eq(int, (int)sunk.n, 2));
}

Test(log, writes_a_line_that_nobody_takes)
{
	char text[64] = "";
	int ends[2];

	cr_assert(eq(int, pipe(ends), 0));
	dup2(ends[1], STDERR_FILENO);
	setenv("JOURNAL_STREAM", "1:2", 1); /* of another process: standard error is not that */
	log_set_sink(sink);
	log_error("disk on fire");
	cr_assert(gt(int, (int)read(ends[0], text, sizeof(text) - 1), 0));
	cr_assert_str_eq(text, "disk on fire\n");
}
