/* test-client-inspect.c - hvmctl and a monitor that does not answer */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "client/inspect.h"
#include "specs.h"

static unsigned count_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static int inspect_with_fake(struct inspection *ret, struct error *e)
{
	_cleanup_(vm_spec_freep) struct vm_spec *spec = spec_example();
	_cleanup_free_ char *path = NULL;
	const int images[SPEC_FILES_MAX] = {-1, -1};

	cr_assert(asprintf(&path, "%s/tests/fakes/fake-monitor", getenv("top_builddir")) > 0);
	return inspect(path, 300000, spec, images, ret, e);
}

Test(inspect, kills_what_does_not_answer_in_time, .timeout = 20)
{
	unsigned fds = count_open_fds();
	uint64_t begin = clock_usec(), took;
	struct inspection i;
	struct error e = {};

	setenv("FAKE_MONITOR", "hang-in-inspect", 1);
	cr_assert(eq(int, inspect_with_fake(&i, &e), -ETIMEDOUT));
	took = clock_usec() - begin;
	cr_expect(took >= 300000 && took < 5000000, "it took %llu us", (unsigned long long)took);
	cr_expect(ne(ptr, strstr(e.text, "fake-monitor has not answered in time and was killed"), NULL), "%s", e.text);
	cr_expect(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a child is left");
	cr_expect(eq(uint, count_open_fds(), fds));
}

Test(inspect, leaves_nothing_behind_when_it_succeeds, .timeout = 20)
{
	unsigned fds = count_open_fds();
	struct inspection i;
	struct error e = {};

	cr_assert(eq(int, inspect_with_fake(&i, &e), 0), "%s", e.text);
	cr_expect(eq(sz, i.plan.n, 3));
	inspection_fini(&i);
	cr_expect(waitpid(-1, NULL, WNOHANG) < 0 && errno == ECHILD, "a child is left");
	cr_expect(eq(uint, count_open_fds(), fds));
}
