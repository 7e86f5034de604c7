/* cage.c - see cage.h */
#include "monitor/cage.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/macro.h"
#include "link/link.h"
#include "monitor/filter.h"

#ifdef BUILT_WITH_SANITIZERS
#define SANITIZERS 1                   /* they trace their own process at its end, and look it up in /proc */
#define INSPECTOR_MEMORY RLIM_INFINITY /* ASan maps terabytes of shadow */
#else
#define SANITIZERS 0
#define INSPECTOR_MEMORY (2 * GiB)
#endif

#define ROOM_FOR_FDS (2 * LINK_FDS_MAX) /* descriptors that may still come: a message's, beside those that are kept */

static const char *lacks = "";

/* The first that is missing counts: the others follow from it. */
static void miss(const char *what)
{
	if (!lacks[0])
		lacks = what;
}

struct limit {
	int resource;
	rlim_t limit;
};

static int set_limits(const struct limit *limits, size_t n, struct error *e)
{
	for (size_t i = 0; i < n; i++) {
		struct rlimit limit = {.rlim_cur = limits[i].limit, .rlim_max = limits[i].limit};

		if (setrlimit((__rlimit_resource_t)limits[i].resource, &limit) < 0) /* cage(build): prlimit64 */
			return error_set_errno(e, -errno, "limiting resource %d", limits[i].resource);
	}
	return 0;
}

static int limits(const struct cage_gift *gift, struct error *e)
{
	static const struct limit at_once[] = {
		{RLIMIT_CORE, 0},
		{RLIMIT_LOCKS, 0},
		{RLIMIT_MSGQUEUE, 0},
		{RLIMIT_NICE, 0},
		{RLIMIT_RTPRIO, 0},
	};

	(void)gift;
	return set_limits(at_once, ARRAY_SIZE(at_once), e);
}

/*
 * The old root goes with the last mount of it. Where it is the kernel's first one (an initramfs), which nobody
 * can leave, ours lies above it; without capabilities there is no way below.
 */
static int enter_mount(const char *folder)
{
	if (chdir(folder) < 0)
		return -errno;
	if (syscall(SYS_pivot_root, ".", ".") == 0)
		return umount2(".", MNT_DETACH) < 0 || chdir("/") < 0 ? -errno : 0;
	if (errno != EINVAL)
		return -errno;
	return mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0 || chdir("/") < 0 ? -errno : 0;
}

/* Some hosts give a user namespace and then no rights in it: we go on without, and say so. */
static int root(const struct cage_gift *gift, struct error *e)
{
	static const char place[] = "/proc"; /* any folder: it is covered for us alone */
	int r;

	if (!gift->namespaces) {
		miss("namespaces");
		return 0;
	}
	if (SANITIZERS)
		return 0;
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
		mount("none", place, "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,mode=0555") < 0) {
		miss("an empty root");
		return errno == EPERM || errno == EACCES ? 0 : error_set_errno(e, -errno, "making an empty root");
	}
	r = enter_mount(place);
	return r < 0 ? error_set_errno(e, r, "entering an empty root") : 0;
}

/* Who has not the right to change the set has nothing to gain from it: see "privileges". */
static int bounds(const struct cage_gift *gift, struct error *e)
{
	(void)gift;
	for (int capability = 0; prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0; capability++)
		;
	return errno == EINVAL || errno == EPERM ? 0 : error_set_errno(e, -errno, "emptying the bounding set");
}

/* In a container root may have few users to give. */
static int user(const struct cage_gift *gift, struct error *e)
{
	if (gift->user == 0)
		return 0;
	if (setgroups(0, NULL) == 0 && setresgid(gift->user, gift->user, gift->user) == 0 &&
		setresuid(gift->user, gift->user, gift->user) == 0)
		return SANITIZERS ? prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) : 0;
	if (errno != EPERM && errno != EINVAL)
		return error_set_errno(e, -errno, "becoming user %u", (unsigned)gift->user);
	miss("a user of its own");
	return 0;
}

static int capabilities(const struct cage_gift *gift, struct error *e)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {};

	(void)gift;
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &header, none) < 0 ? error_set_errno(e, -errno, "giving up capabilities") : 0;
}

static int privileges(const struct cage_gift *gift, struct error *e)
{
	(void)gift;
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? error_set_errno(e, -errno, "giving up new privileges") : 0;
}

/* ASan makes calls of its own, most of all when it has something to say. */
static int allow(const struct filter_list *list, struct error *e)
{
#ifdef BUILT_WITH_SANITIZERS
	(void)list, (void)e;
	return 0;
#else
	return filter_enter(list, e);
#endif
}

static int building(const struct cage_gift *gift, struct error *e)
{
	(void)gift;
	filter_setup();
	return allow(&filter_build, e);
}

static const struct {
	const char *name;
	int (*enter)(const struct cage_gift *gift, struct error *e);
} stages[] = {
	{"limits", limits},
	{"root", root},
	{"bounds", bounds},
	{"user", user},
	{"capabilities", capabilities},
	{"privileges", privileges},
	{"building", building},
};

int cage_enter(const struct cage_gift *gift, struct error *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(stages); i++) {
		int r = stages[i].enter(gift, e);

		if (r < 0)
			return error_prefix(e, r, "entering the cage, stage \"%s\"", stages[i].name);
	}
	return 0;
}

const char *cage_lacks(void)
{
	return lacks;
}

int cage_enter_running(uint64_t file_max, struct error *e)
{
	int next = dup(STDERR_FILENO), r; /* cage(build): dup */
	const struct limit running[] = {
		{RLIMIT_FSIZE, file_max},
		{RLIMIT_NOFILE, (rlim_t)next + ROOM_FOR_FDS},
	};

	if (next < 0)
		return error_set_errno(e, -errno, "counting descriptors");
	close_fd(next);
	r = set_limits(running, ARRAY_SIZE(running), e);
	if (r == 0)
		r = allow(&filter_run, e);
	return r < 0 ? error_prefix(e, r, "entering the cage, stage \"running\"") : 0;
}

int cage_enter_inspector(struct error *e)
{
	static const struct limit inspecting[] = {
		{RLIMIT_CPU, 60},
		{RLIMIT_AS, INSPECTOR_MEMORY},
		{RLIMIT_FSIZE, 0},
	};
	int r = set_limits(inspecting, ARRAY_SIZE(inspecting), e);

	return r < 0 ? r : allow(&filter_inspect, e);
}
