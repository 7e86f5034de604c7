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

static char folder[] = "/tmp/hvmd-test-XXXXXX";
static struct event_base *base;
static struct workers *workers;
static struct sealed *sealed;
static uint8_t digest[IMAGE_DIGEST_SIZE];
static int dirfd_ = -1;
static bool no_sites;

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
	cr_assert(eq(int, sealed_open(sealed, digest, &no_sites), -1));
	cr_assert(eq(int, sealed_open(sealed, digest, &no_sites), -1), "it is made once");
	wait_for_work();
	fd = sealed_open(sealed, digest, &no_sites);
	cr_assert(ge(int, fd, 0));
	cr_expect(eq(i64, pread(fd, bytes, 5, 0), 5));
	cr_expect_str_eq(bytes, "hello");
	again = sealed_open(sealed, digest, &no_sites);
	cr_expect(ne(int, again, fd), "each caller has a descriptor of his own");
	close(fd);
	close(again);
}

/* printf '\110\273dddddddd\17\1\301' | sha256sum: vmcall, with the marker in rbx */
#define CALLS "94b6eb6c23a4ee574f63bfa9c2748314c2494f9ada50be2cfa81bce8b71309fc"

Test(sealed, it_is_known_whether_an_image_calls_by_instruction)
{
	store(HELLO, "hello");
	store(CALLS, "\x48\xBB" "dddddddd" "\x0F\x01\xC1");
	for (int again = 0; again < 2; again++) {
		cr_assert(hex_parse(HELLO, digest, sizeof(digest)));
		close_fd(sealed_open(sealed, digest, &no_sites));
		cr_expect(eq(int, no_sites, again > 0), "nothing is known of what nobody has looked at");
		cr_assert(hex_parse(CALLS, digest, sizeof(digest)));
		close_fd(sealed_open(sealed, digest, &no_sites));
		cr_expect(not(no_sites));
		wait_for_work();
	}
	unlinkat(dirfd_, CALLS, 0);
}

Test(sealed, nobody_can_change_it)
{
	int fd;

	store(HELLO, "hello");
	sealed_open(sealed, digest, &no_sites);
	wait_for_work();
	fd = sealed_open(sealed, digest, &no_sites);
	cr_expect(lt(i64, pwrite(fd, "x", 1, 0), 0));
	cr_expect(lt(int, ftruncate(fd, 0), 0));
	cr_expect(lt(int, fcntl(fd, F_ADD_SEALS, 0), 0));
	close(fd);
}

Test(sealed, a_damaged_image_is_not_kept)
{
	store(HELLO, "hullo");
	sealed_open(sealed, digest, &no_sites);
	wait_for_work();
	cr_expect(eq(int, sealed_open(sealed, digest, &no_sites), -1));
	wait_for_work();
	store(HELLO, "hello");
	cr_expect(eq(int, sealed_open(sealed, digest, &no_sites), -1), "it is tried again");
	wait_for_work();
	cr_expect(ge(int, sealed_open(sealed, digest, &no_sites), 0));
}

Test(sealed, an_image_that_is_not_there_is_none)
{
	sealed_open(sealed, digest, &no_sites);
	wait_for_work();
	cr_expect(eq(int, sealed_open(sealed, digest, &no_sites), -1));
}
