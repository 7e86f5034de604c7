/* test-sealed.c - images in memory: made when they are wanted, sealed, and never another's bytes */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hex.h"
#include "base/io.h"
#include "vm/sealed.h"
#include "vm/work.h"

/* printf hello | sha256sum */
#define HELLO "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
/* printf '\110\273dddddddd\17\1\301' | sha256sum: vmcall, with the marker in rbx */
#define CALLS "94b6eb6c23a4ee574f63bfa9c2748314c2494f9ada50be2cfa81bce8b71309fc"

#define OTHER "0000000000000000000000000000000000000000000000000000000000000000"

static char folder[] = "/tmp/hvmd-test-XXXXXX";
static struct event_base *base;
static struct workers *workers;
static struct sealed *sealed;
static uint8_t digest[IMAGE_DIGEST_SIZE];
static int dirfd_ = -1;
static struct spec_sites sites;

static void store(const char *name, const char *bytes)
{
	int fd = openat(dirfd_, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert(eq(int, write_full(fd, bytes, strlen(bytes)), 0));
	close(fd);
}

static void set_up(void)
{
	cr_assert(mkdtemp(folder) != NULL);
	dirfd_ = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	cr_assert(hex_parse(HELLO, digest, sizeof(digest)));
	base = event_base_new();
	workers = workers_new(base);
	sealed = sealed_new(workers, dirfd_);
}

static void tear_down(void)
{
	workers_free(workers);
	sealed_free(sealed);
	event_base_free(base);
	unlinkat(dirfd_, HELLO, 0);
	unlinkat(dirfd_, CALLS, 0);
	unlinkat(dirfd_, OTHER, 0);
	close(dirfd_);
	rmdir(folder);
}

TestSuite(sealed, .init = set_up, .fini = tear_down, .timeout = 20);

static void wait_for_work(void)
{
	while (workers_n(workers) > 0)
		event_base_loop(base, EVLOOP_ONCE);
}

Test(sealed, an_image_is_there_once_it_has_been_wanted)
{
	char bytes[6] = "";
	int fd, again;

	store(HELLO, "hello");
	cr_assert(eq(int, sealed_open(sealed, digest, &sites), -1));
	cr_assert(eq(int, sealed_open(sealed, digest, &sites), -1), "it is made once");
	wait_for_work();
	fd = sealed_open(sealed, digest, &sites);
	cr_assert(ge(int, fd, 0));
	cr_expect(eq(i64, pread(fd, bytes, 5, 0), 5));
	cr_expect_str_eq(bytes, "hello");
	again = sealed_open(sealed, digest, &sites);
	cr_expect(ne(int, again, fd), "each caller has a descriptor of his own");
	close(fd);
	close(again);
}

Test(sealed, it_is_known_where_an_image_calls_by_instruction)
{
	store(HELLO, "hello");
	store(CALLS, "\x48\xBB" "dddddddd" "\x0F\x01\xC1");
	for (int again = 0; again < 2; again++) {
		cr_assert(hex_parse(HELLO, digest, sizeof(digest)));
		close_fd(sealed_open(sealed, digest, &sites));
		cr_expect(eq(int, sites.known, again > 0), "nothing is known of what nobody has looked at");
		cr_expect(eq(u32, sites.n, 0));
		cr_assert(hex_parse(CALLS, digest, sizeof(digest)));
		close_fd(sealed_open(sealed, digest, &sites));
		cr_expect(eq(int, sites.known, again > 0));
		cr_expect(eq(u32, sites.n, again));
		cr_expect(eq(u32, sites.at[0], again ? 10 : 0));
		wait_for_work();
	}
}

Test(sealed, nobody_can_change_it)
{
	int fd;

	store(HELLO, "hello");
	sealed_open(sealed, digest, &sites);
	wait_for_work();
	fd = sealed_open(sealed, digest, &sites);
	cr_expect(lt(i64, pwrite(fd, "x", 1, 0), 0));
	cr_expect(lt(int, ftruncate(fd, 0), 0));
	cr_expect(lt(int, fcntl(fd, F_ADD_SEALS, 0), 0));
	close(fd);
}

Test(sealed, a_damaged_image_is_not_kept)
{
	store(HELLO, "hullo");
	sealed_open(sealed, digest, &sites);
	wait_for_work();
	cr_expect(eq(int, sealed_open(sealed, digest, &sites), -1));
	wait_for_work();
	store(HELLO, "hello");
	cr_expect(eq(int, sealed_open(sealed, digest, &sites), -1), "it is tried again");
	wait_for_work();
	cr_expect(ge(int, sealed_open(sealed, digest, &sites), 0));
}

Test(sealed, an_image_that_is_not_there_is_none)
{
	sealed_open(sealed, digest, &sites);
	wait_for_work();
	cr_expect(eq(int, sealed_open(sealed, digest, &sites), -1));
}

/* --- Before anybody has wanted one ------------------------------------------------ */

static int open_image(const char *name)
{
	cr_assert(hex_parse(name, digest, sizeof(digest)));
	return sealed_open(sealed, digest, &sites);
}

static bool expect_image(const char *name)
{
	cr_assert(hex_parse(name, digest, sizeof(digest)));
	return sealed_expect(sealed, digest);
}

Test(sealed, what_is_expected_is_there_when_it_is_wanted_first)
{
	store(HELLO, "hello");
	store(CALLS, "\x48\xBB" "dddddddd" "\x0F\x01\xC1");
	cr_expect(expect_image(HELLO));
	cr_expect(expect_image(CALLS));
	cr_expect(expect_image(CALLS), "twice does no harm");
	cr_expect(eq(sz, workers_n(workers), 1), "one is made at a time");
	wait_for_work();
	cr_expect(ge(int, open_image(HELLO), 0));
	cr_expect(ge(int, open_image(CALLS), 0));
	cr_expect(eq(u32, sites.n, 1));
}

Test(sealed, what_is_expected_and_wanted_meanwhile_is_made_once)
{
	store(HELLO, "hello");
	store(CALLS, "\x48\xBB" "dddddddd" "\x0F\x01\xC1");
	expect_image(HELLO);
	expect_image(CALLS);
	cr_expect(eq(int, open_image(HELLO), -1));
	cr_expect(eq(int, open_image(CALLS), -1));
	cr_expect(eq(sz, workers_n(workers), 2), "who wants it does not wait for those before it");
	wait_for_work();
	cr_expect(ge(int, open_image(HELLO), 0));
	cr_expect(ge(int, open_image(CALLS), 0));
}

static void expect_large(const char *name, off_t size, bool room)
{
	int fd = openat(dirfd_, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	cr_assert(eq(int, ftruncate(fd, size), 0));
	close(fd);
	cr_expect(eq(int, expect_image(name), room));
}

/* Of what no thread gets to see: the workers are closed. */
Test(sealed, nothing_is_expected_that_there_is_no_room_for)
{
	workers_close(workers);
	expect_large(HELLO, SEALED_BYTES_MAX - 4, true);
	expect_large(CALLS, 8, true); /* not this one, but there may be smaller ones */
	expect_large(CALLS, 4, true);
	expect_large(OTHER, 1, false);
	cr_expect(eq(int, open_image(OTHER), -1));
}

Test(sealed, one_that_nobody_wants_any_more_is_not_kept_when_it_is_made)
{
	char path[64], target[64] = "";
	unsigned n = 0;

	store(HELLO, "hello");
	expect_image(HELLO);
	sealed_forget(sealed, digest);
	wait_for_work();
	for (int fd = 0; fd < 64; fd++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
		memset(target, 0, sizeof(target));
		n += readlink(path, target, sizeof(target) - 1) > 0 && strstr(target, "hvm-image");
	}
	cr_expect(eq(u32, n, 0));
	expect_image(HELLO);
	sealed_forget(sealed, digest);
	expect_image(HELLO);
	wait_for_work();
	cr_expect(ge(int, open_image(HELLO), 0), "but if somebody does meanwhile, it is");
}

Test(sealed, one_that_was_made_elsewhere_is_taken_over)
{
	struct sealed_image image;
	int memory = sealed_image_begin();

	cr_assert(eq(int, write_full(memory, "hello", 5), 0));
	cr_assert(eq(int, sealed_image_init(&image, memory, NULL), 0));
	close(memory);
	sealed_keep(sealed, digest, &image);
	cr_expect(eq(int, image.fd, -1));
	cr_expect(ge(int, open_image(HELLO), 0), "there is no file, and nobody needs it");
	cr_expect(sites.known);
	sealed_forget(sealed, digest);
	cr_expect(eq(int, open_image(HELLO), -1));
	wait_for_work();
}
