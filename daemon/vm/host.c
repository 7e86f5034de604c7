/* host.c - see host.h. The two system ioctls below are all of KVM that hvmd itself uses. */
#include "vm/host.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/cleanup.h"

static void group_name(gid_t group, char *ret, size_t size)
{
	struct group g, *found = NULL;
	char space[4096];

	if (getgrgid_r(group, &g, space, sizeof(space), &found) == 0 && found)
		snprintf(ret, size, "\"%s\"", g.gr_name);
	else
		snprintf(ret, size, "%u", (unsigned)group);
}

void host_kvm_explain(const char *path, gid_t group, mode_t mode, int error, struct error *ret)
{
	char name[64];

	switch (error) {
	case -EACCES:
	case -EPERM:
		group_name(group, name, sizeof(name));
		error_set(ret, error, "%s may not be opened by user %u: it belongs to group %s; %s", path,
			(unsigned)geteuid(), name,
			(mode & 060) == 060 ? "make the user a member of it"
					    : "give the group read and write access, and make the user a member of it");
		return;
	case -ENOENT:
		error_set(ret, error,
			"%s does not exist: the kernel module kvm_intel or kvm_amd is not loaded", path);
		return;
	case -ENODEV:
	case -ENXIO:
		error_set(ret, error,
			"%s has no driver: the processor has no VMX or SVM, or the firmware disables it",
			path);
		return;
	case -EBUSY:
		error_set(ret, error, "%s is busy: another hypervisor uses the processor's virtualization",
			path);
		return;
	default:
		error_set_errno(ret, error, "%s does not open", path);
	}
}

int host_kvm_open(const char *path, int *ret_fd, struct error *e)
{
	struct stat st = {};
	struct error why;
	int fd, r;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0) {
		*ret_fd = fd;
		return 0;
	}
	r = -errno;
	(void)stat(path, &st); /* what cannot be looked at belongs to group 0, closed to it */
	host_kvm_explain(path, st.st_gid, st.st_mode, r, &why);
	return error_set(e, r == -ENOMEM ? r : -ENODEV, "%s", why.text);
}

void host_probe(const char *path, struct host *ret)
{
	_cleanup_close_ int fd = -1;
	int version, n;

	*ret = (struct host){};
	if (host_kvm_open(path, &fd, &ret->why) < 0)
		return;
	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		error_set(&ret->why, -ENODEV, "%s is no KVM device of API version %d", path, KVM_API_VERSION);
		return;
	}
	n = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MAX_VCPUS);
	ret->available = true;
	ret->api_version = version;
	ret->max_vcpus = n > 0 ? (unsigned)n : 4; /* "assume 4": Documentation/virt/kvm/api.rst, 4.7 */
}

bool host_equal(const struct host *a, const struct host *b)
{
	return a->available == b->available && a->api_version == b->api_version &&
		a->max_vcpus == b->max_vcpus;
}
