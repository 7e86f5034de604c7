/*
 * test-faults.c - what survives when the process, the disk, the heap or the power fails
 *
 * Every operation of the store is tried with every fault at every place. What
 * is asked for is always the same: what was acknowledged is there after a restart, what was
 * not is as before or as after, and nothing else is.
 *
 * HVMD_FAULTS_WHOLE=1 in the environment (make check-faults) does not leave out what takes long.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/io.h"
#include "base/macro.h"
#include "crash-states.h"
#include "fakes/faults.h"
#include "state-dir.h"
#include "vm/store.h"

static bool is_whole(void)
{
	return getenv("HVMD_FAULTS_WHOLE");
}

/* Operations */

struct operation {
	const char *name;
	void (*prepare)(struct registry *registry, const char *dir);
	int (*run)(struct registry *registry, struct error *e);
	bool seldom; /* much like another: the longest tests leave it to make check-faults */
};

static void must(int r)
{
	cr_assert_eq(r, 0, "preparing");
}

static void prepare_nothing(struct registry *registry, const char *dir)
{
	(void)registry, (void)dir;
}

static void prepare_one(struct registry *registry, const char *dir)
{
	(void)dir;
	must(state_define(registry, "a", "first", "image 1", NULL));
}

static void prepare_shared(struct registry *registry, const char *dir)
{
	prepare_one(registry, dir);
	must(state_define(registry, "b", "", NULL, NULL));
}

static void prepare_two(struct registry *registry, const char *dir)
{
	prepare_one(registry, dir);
	must(state_define(registry, "b", "", "image 2", NULL));
}

static void prepare_enabled(struct registry *registry, const char *dir)
{
	prepare_one(registry, dir);
	must(registry_set_autostart(registry, registry_find(registry, "a", NULL), true, NULL));
	state_put(dir, "console/a.hrt.log", "hello");
}

static int define_a(struct registry *registry, struct error *e)
{
	return state_define(registry, "a", "first", "image 1", e);
}

static int define_b_by_digest(struct registry *registry, struct error *e)
{
	return state_define(registry, "b", "", NULL, e);
}

static int change_image(struct registry *registry, struct error *e)
{
	return state_define(registry, "a", "second", "image 2", e);
}

static int change_text(struct registry *registry, struct error *e)
{
	return state_define(registry, "a", "second", NULL, e);
}

static int undefine_a(struct registry *registry, struct error *e)
{
	struct vm *vm = registry_find(registry, "a", e);

	return vm ? registry_undefine(registry, vm, e) : 0;
}

static int enable_a(struct registry *registry, struct error *e)
{
	return registry_set_autostart(registry, registry_find(registry, "a", e), true, e);
}

static int disable_a(struct registry *registry, struct error *e)
{
	return registry_set_autostart(registry, registry_find(registry, "a", e), false, e);
}

static const struct operation operations[] = {
	{"defining", prepare_nothing, define_a},
	{"defining beside another", prepare_one, define_b_by_digest, true},
	{"redefining with another image", prepare_one, change_image},
	{"redefining with another VM's image", prepare_two, change_image, true},
	{"redefining where another VM keeps the image", prepare_shared, change_image, true},
	{"redefining with another text", prepare_one, change_text, true},
	{"undefining", prepare_one, undefine_a},
	{"undefining where another VM keeps the image", prepare_shared, undefine_a, true},
	{"undefining what is enabled", prepare_enabled, undefine_a},
	{"enabling", prepare_one, enable_a},
	{"disabling", prepare_enabled, disable_a},
};

/* Cases */

static char *dir;

static void make_dir(void)
{
	dir = state_dir_new();
	faults_reset("");
}

static void remove_dir(void)
{
	state_dir_remove(dir);
	free(dir);
}

TestSuite(faults, .init = make_dir, .fini = remove_dir, .timeout = 3600);

static char *join(const char *folder, const char *name)
{
	char *path;

	cr_assert_gt(asprintf(&path, "%s/%s", folder, name), 0);
	return path;
}

/* The folder as it is before the operation. */
static void prepare(const struct operation *o)
{
	struct registry *registry;

	state_dir_remove(dir);
	faults_reset("");
	registry = state_open(dir, NULL);
	cr_assert_not_null(registry);
	o->prepare(registry, dir);
	state_close(registry);
}

/* What an operation, or two tries of it, came to in a process that may not have lived to tell. */
struct outcome {
	bool opened, done;
	int error, second_error;
	struct error e, second_e;
	char before[STATE_TEXT_SIZE], memory[STATE_TEXT_SIZE];
};

static struct outcome *outcome;

struct fault {
	int action;
	bool for_good, reads;
	long call, allocation;
};

static void arm(const struct fault *f)
{
	faults_reset(dir);
	faults->action = f->action;
	faults->for_good = f->for_good;
	faults->reads = f->reads;
	faults->calls_until = f->call;
	faults->mallocs_until = f->allocation;
}

static void disarm(void)
{
	faults->calls_until = faults->mallocs_until = 0;
}

static void child_run(const struct operation *o, const struct fault *f, bool twice)
{
	struct registry *registry = state_open(dir, &outcome->e);

	outcome->opened = registry;
	if (!registry)
		_exit(1);
	state_describe(registry, outcome->before);
	arm(f);
	outcome->error = o->run(registry, &outcome->e);
	disarm();
	outcome->done = true;
	state_describe(registry, outcome->memory);
	if (twice)
		outcome->second_error = o->run(registry, &outcome->second_e);
	_exit(0);
}

/* Returns the wait status. */
static int run(const struct operation *o, const struct fault *f, bool twice)
{
	int status;
	pid_t pid;

	if (!outcome)
		outcome = mmap(
			NULL, sizeof(*outcome), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	memset(outcome, 0, sizeof(*outcome));
	pid = fork();
	if (pid == 0) {
		alarm(20);
		child_run(o, f, twice);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	return status;
}

struct expected {
	char before[STATE_TEXT_SIZE], after[STATE_TEXT_SIZE];
};

/* How the folder reads after a restart without the operation, and with it. */
static void expect(const struct operation *o, struct expected *ret)
{
	static const struct fault none;

	prepare(o);
	cr_assert(state_restart(dir, ret->before));
	cr_assert_eq(run(o, &none, false), 0);
	cr_assert_eq(outcome->error, 0, "%s: %s", o->name, outcome->e.text);
	cr_assert(state_restart(dir, ret->after), "%s", ret->after);
	cr_assert_str_neq(ret->before, ret->after, "%s", o->name);
}

static bool before_or_after(const struct expected *x, const char *text)
{
	return strcmp(text, x->before) == 0 || strcmp(text, x->after) == 0;
}

static bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

Test(faults, killed_at_any_call_leaves_old_or_new)
{
	char now[STATE_TEXT_SIZE];
	struct expected x;

	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		const struct operation *o = &operations[i];
		int status = 0;
		long call = 0;

		expect(o, &x);
		do {
			struct fault f = {.action = FAULT_KILL, .call = ++call};

			prepare(o);
			status = run(o, &f, false);
			cr_assert(status == 0 || was_killed(status), "%s: call %ld: wait status 0x%x",
				o->name, call, status);
			cr_assert(state_restart(dir, now));
			cr_expect(
				before_or_after(&x, now), "%s: killed at call %ld:\n%s", o->name, call, now);
		} while (status != 0);
		cr_expect_gt(call, 1, "%s makes no call", o->name);
	}
}

/* One call fails: the caller is told, nothing has changed, and the next try works. */
static void check_failure(
	const struct operation *o, const struct expected *x, const struct fault *f, bool twice)
{
	char now[STATE_TEXT_SIZE];
	int status;

	prepare(o);
	status = run(o, f, twice);
	cr_assert_eq(status, 0, "%s: %s at call %ld: wait status 0x%x", o->name, strerror(f->action), f->call,
		status);
	cr_assert(state_restart(dir, now));
	if (outcome->error < 0) {
		cr_expect(strstr(outcome->e.text, strerror(f->action)), "%s: %s at call %ld: \"%s\"", o->name,
			strerror(f->action), f->call, outcome->e.text);
		cr_expect_str_eq(outcome->memory, outcome->before, "%s: %s at call %ld has changed memory",
			o->name, strerror(f->action), f->call);
	}
	if (twice && outcome->error < 0)
		cr_expect_eq(outcome->second_error, 0, "%s: %s at call %ld: the second try: %s", o->name,
			strerror(f->action), f->call, outcome->second_e.text);
	if (outcome->error == 0 || twice)
		cr_expect_str_eq(now, x->after, "%s: %s at call %ld: acknowledged, and lost:\n%s", o->name,
			strerror(f->action), f->call, now);
	else
		cr_expect(before_or_after(x, now), "%s: %s at call %ld:\n%s", o->name, strerror(f->action),
			f->call, now);
}

Test(faults, failure_of_any_call_is_told_and_leaves_old_or_new)
{
	static const int errors[] = {EIO, ENOSPC, EROFS, EDQUOT, EMFILE, EACCES};
	struct expected x;

	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		expect(&operations[i], &x);
		for (size_t k = 0; k < (is_whole() ? ARRAY_SIZE(errors) : 2); k++)
			for (int variant = 0; variant < 4; variant++) {
				struct fault f = {.action = errors[k], .for_good = variant & 1};

				do {
					f.call++;
					check_failure(&operations[i], &x, &f, variant & 2);
				} while (faults->calls >= f.call);
			}
	}
}

Test(faults, failure_of_any_call_while_reading_loses_nothing)
{
	struct expected x;

	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		expect(&operations[i], &x);
		for (int variant = 0; variant < 2; variant++) {
			struct fault f = {.action = EIO, .reads = true};

			do {
				f.call++;
				check_failure(&operations[i], &x, &f, variant);
			} while (faults->calls >= f.call);
		}
	}
}

/* A start finds what interrupted operations have left, and is interrupted itself. */
static void prepare_leftovers(void)
{
	prepare(&(struct operation){"", prepare_enabled, NULL});
	state_put(dir, "definitions/.#a.xml", "<vm name=");
	state_put(dir, "images/.#image-1", "half");
	state_put(dir, "images/ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", "abc");
	state_put(dir, "autostart/gone", "");
	state_put(dir, "console/gone.hrt.log", "old");
	state_put(dir, "console/gone.hrt.log.1", "older");
}

static void check_start(const char *wanted, const struct fault *f)
{
	char now[STATE_TEXT_SIZE];
	int status;
	pid_t pid;

	prepare_leftovers();
	arm(f);
	pid = fork();
	if (pid == 0) {
		alarm(20);
		state_open(dir, NULL);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	disarm();
	cr_expect(status == 0 || was_killed(status), "call %ld, allocation %ld: wait status 0x%x", f->call,
		f->allocation, status);
	cr_expect(state_restart(dir, now));
	cr_expect_str_eq(now, wanted, "call %ld, allocation %ld:\n%s", f->call, f->allocation, now);
}

Test(faults, interrupted_start_loses_nothing)
{
	static const int actions[] = {FAULT_KILL, EIO, ENOSPC};
	char wanted[STATE_TEXT_SIZE];

	prepare_leftovers();
	cr_assert(state_restart(dir, wanted));
	cr_expect_null(strstr(wanted, ".#"), "%s", wanted);
	cr_expect_null(strstr(wanted, "gone"), "%s", wanted);
	cr_expect_null(strstr(wanted, "ba7816bf"), "%s", wanted);
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		for (int reads = 0; reads < 2; reads++) {
			struct fault f = {.action = actions[i], .reads = reads};

			do {
				f.call++;
				check_start(wanted, &f);
			} while (faults->calls >= f.call);
		}
}

/* A disk of 64 KiB of our own. */

#define SMALL (64 * KiB)

/* False when this process may not mount. The mount goes with the process. */
static bool mount_small(void)
{
	char options[32];

	snprintf(options, sizeof(options), "size=%llu", SMALL);
	return unshare(CLONE_NEWNS) == 0 && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
		mount("hvmd-test", dir, "tmpfs", 0, options) == 0;
}

static void fill(size_t leave)
{
	static char zeros[SMALL];
	char *path = join(dir, "filler");
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct statvfs st;

	cr_assert_geq(fd, 0);
	cr_assert_eq(fstatvfs(fd, &st), 0);
	if (st.f_bavail * st.f_bsize > leave)
		cr_assert_eq(write_full(fd, zeros, st.f_bavail * st.f_bsize - leave), 0);
	close(fd);
	free(path);
}

static void empty(void)
{
	char *path = join(dir, "filler");

	unlink(path);
	free(path);
}

/* With so little room: all or nothing, and when there is nothing, the reason. */
static void check_small(
	const struct operation *o, const struct expected *x, size_t leave, size_t *ret_failures)
{
	static const struct fault none;
	char now[STATE_TEXT_SIZE];

	prepare(o);
	fill(leave);
	cr_assert_eq(run(o, &none, false), 0);
	empty();
	cr_assert(state_restart(dir, now));
	if (outcome->error < 0) {
		++*ret_failures;
		cr_expect(strstr(outcome->e.text, "No space left on device"), "%s: \"%s\"", o->name,
			outcome->e.text);
		cr_expect_str_eq(now, x->before, "%s with %zu KiB left:\n%s", o->name, leave / 1024, now);
	} else
		cr_expect_str_eq(now, x->after, "%s with %zu KiB left:\n%s", o->name, leave / 1024, now);
}

Test(faults, full_disk_is_told_and_leaves_old_or_new)
{
	size_t n_failures = 0;
	struct expected x;

	if (!mount_small())
		cr_skip("no file system can be mounted: only root can");
	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		expect(&operations[i], &x);
		for (size_t leave = 0; leave <= 16 * KiB; leave += 4 * KiB)
			check_small(&operations[i], &x, leave, &n_failures);
	}
	cr_expect_gt(n_failures, 5, "only %zu operations failed", n_failures);
}

Test(faults, full_disk_can_be_cleared_by_undefining)
{
	struct registry *registry;
	struct error e = {};
	char name[16];
	int n = 0, r;

	if (!mount_small())
		cr_skip("no file system can be mounted: only root can");
	registry = state_open(dir, &e);
	do {
		snprintf(name, sizeof(name), "v%d", n);
		r = state_define(registry, name, "", name, &e);
		n += r == 0;
	} while (r == 0);
	cr_expect(strstr(e.text, "No space left on device"), "%s", e.text);
	cr_expect_gt(n, 4);
	cr_expect_eq(registry_undefine(registry, registry_find(registry, "v0", NULL), &e), 0);
	cr_expect_eq(state_define(registry, "w", "", "w", &e), 0, "%s", e.text);
	state_close(registry);
}

Test(faults, read_only_disk_is_told_and_what_is_there_is_served)
{
	char before[STATE_TEXT_SIZE], now[STATE_TEXT_SIZE];
	struct registry *registry;

	if (!mount_small())
		cr_skip("no file system can be mounted: only root can");
	prepare(&(struct operation){"", prepare_enabled, NULL});
	cr_assert(state_restart(dir, before));
	registry = state_open(dir, NULL);
	cr_assert_eq(mount(NULL, dir, NULL, MS_REMOUNT | MS_RDONLY, NULL), 0, "%s", strerror(errno));
	for (int restarted = 0; restarted < 2; restarted++) {
		static int (*const changes[])(struct registry *, struct error *) = {
			define_b_by_digest, change_image, change_text, undefine_a, enable_a, disable_a};

		for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
			struct error e = {};

			/* what changes nothing may succeed: it is enabled */
			if (changes[i](registry, &e) == 0 && changes[i] == enable_a)
				continue;
			cr_expect(strstr(e.text, "Read-only file system"), "change %zu: \"%s\"", i, e.text);
		}
		cr_expect_eq(registry->n_vms, 1);
		state_close(registry);
		registry = state_open(dir, NULL);
		cr_assert_not_null(registry, "it serves what is on a read-only disk");
	}
	state_close(registry);
	cr_assert_eq(mount(NULL, dir, NULL, MS_REMOUNT, NULL), 0);
	cr_assert(state_restart(dir, now));
	cr_expect_str_eq(now, before);
}

/* Memory */

Test(faults, failure_of_any_allocation_is_told_and_leaves_old_or_new)
{
#ifdef BUILT_WITH_SANITIZERS
	cr_skip("the sanitizers have the heap");
#else
	char now[STATE_TEXT_SIZE];
	struct expected x;

	for (size_t i = 0; i < ARRAY_SIZE(operations); i++) {
		const struct operation *o = &operations[i];
		struct fault f = {};

		if (o->seldom && !is_whole())
			continue;
		expect(o, &x);
		do {
			int status;

			f.allocation++;
			prepare(o);
			status = run(o, &f, true);
			cr_assert_eq(status, 0, "%s: allocation %ld: wait status 0x%x", o->name, f.allocation,
				status);
			cr_expect(outcome->error == 0 || strcmp(outcome->memory, outcome->before) == 0,
				"%s: allocation %ld: \"%s\", but memory has changed", o->name, f.allocation,
				outcome->e.text);
			cr_expect(outcome->error == 0 || outcome->e.text[0],
				"%s: allocation %ld: no sentence", o->name, f.allocation);
			cr_expect_eq(outcome->error < 0 ? outcome->second_error : 0, 0,
				"%s: allocation %ld: the second try: %s", o->name, f.allocation,
				outcome->second_e.text);
			cr_assert(state_restart(dir, now));
			cr_expect_str_eq(now, x.after, "%s: allocation %ld:\n%s", o->name, f.allocation, now);
		} while (faults->mallocs >= f.allocation);
		cr_expect_gt(f.allocation, 1);
	}
#endif
}

Test(faults, failure_of_any_allocation_at_the_start_loses_nothing)
{
#ifdef BUILT_WITH_SANITIZERS
	cr_skip("the sanitizers have the heap");
#else
	char wanted[STATE_TEXT_SIZE];
	struct fault f = {};

	prepare_leftovers();
	cr_assert(state_restart(dir, wanted));
	do {
		f.allocation++;
		check_start(wanted, &f);
	} while (faults->mallocs >= f.allocation);
#endif
}

/* Power */

#define SEQUENCE_MAX 8

struct sequence {
	const struct operation *operations[SEQUENCE_MAX];
	size_t n;
	char states[SEQUENCE_MAX + 1][STATE_TEXT_SIZE]; /* after so many operations, and a restart */
	char *scratch, *state;                          /* folders; the second is in the first */
	size_t n_bad;
};

/* Does the first n, marking the end of each. */
static void perform(const char *state, const struct sequence *s, size_t n)
{
	struct registry *registry = state_open(state, NULL);
	struct error e = {};

	cr_assert_not_null(registry);
	for (size_t i = 0; i < n; i++) {
		cr_assert_eq(
			s->operations[i]->run(registry, &e), 0, "%s: %s", s->operations[i]->name, e.text);
		faults_mark(s->operations[i]->name);
	}
	state_close(registry);
}

static void on_crash_state(void *userdata, size_t n_marks)
{
	struct sequence *s = userdata;
	char now[STATE_TEXT_SIZE];

	state_restart(s->state, now);
	if (strcmp(now, s->states[n_marks]) == 0 ||
		(n_marks < s->n && strcmp(now, s->states[n_marks + 1]) == 0))
		return;
	if (s->n_bad++ < 5)
		cr_expect(false, "power cut after %zu operations%s%s:\n%s", n_marks,
			n_marks < s->n ? ", in " : "", n_marks < s->n ? s->operations[n_marks]->name : "",
			now);
}

/* Returns how many states there were. */
static size_t cut_power(struct sequence *s)
{
	char *state = join(dir, "state");
	size_t n;

	for (size_t i = 0; i <= s->n; i++) {
		faults_reset("");
		state_dir_remove(state);
		perform(state, s, i);
		cr_assert(state_restart(state, s->states[i]));
	}
	state_dir_remove(state);
	faults_reset(dir);
	faults->recording = true;
	perform(state, s, s->n);
	faults->recording = false;
	faults->folder[0] = '\0';
	s->scratch = state_dir_new();
	s->state = join(s->scratch, "state");
	n = crash_states(faults, dir, s->scratch, on_crash_state, s);
	state_dir_remove(s->scratch);
	free(s->state);
	free(s->scratch);
	free(state);
	return n;
}

static const struct operation define_first = {"defining", NULL, define_a};
static const struct operation define_another = {"defining beside another", NULL, define_b_by_digest};
static const struct operation change_the_image = {"redefining with another image", NULL, change_image};
static const struct operation change_the_text = {"redefining with another text", NULL, change_text};
static const struct operation undefine = {"undefining", NULL, undefine_a};
static const struct operation enable = {"enabling", NULL, enable_a};
static const struct operation disable = {"disabling", NULL, disable_a};

Test(faults, power_cut_leaves_old_or_new_and_what_was_acknowledged)
{
	struct sequence first = {.operations = {&define_first, &define_another, &change_the_image,
					 &change_the_text, &undefine},
		.n = 5};
	struct sequence second = {.operations = {&define_first, &enable, &change_the_image, &disable, &enable,
					  &undefine, &define_first},
		.n = 7};

	cr_expect_gt(cut_power(&first), 20);
	cr_expect_gt(cut_power(&second), 20);
}

/* A thousand definitions in all, in sequences that are drawn. */
Test(faults, power_cut_in_any_of_a_thousand_definitions)
{
	static const struct operation *const with_a[] = {
		&define_another, &change_the_image, &change_the_text, &undefine, &enable, &disable};
	unsigned drawn = 1;
	size_t n_states = 0;

	if (!is_whole())
		cr_skip("this takes minutes: make check-faults");
	for (size_t n_defined = 0; n_defined < 1000;) {
		struct sequence s = {};
		bool has_a = false;

		while (s.n < SEQUENCE_MAX) {
			const struct operation *o;

			drawn = drawn * 1103515245u + 12345u;
			o = has_a ? with_a[(drawn >> 16) % ARRAY_SIZE(with_a)] : &define_first;
			has_a = o != &undefine;
			n_defined += o->run == define_a || o->run == define_b_by_digest ||
				o->run == change_image || o->run == change_text;
			s.operations[s.n++] = o;
		}
		n_states += cut_power(&s);
	}
	fprintf(stderr, "%zu states\n", n_states);
}
