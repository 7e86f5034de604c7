/* machine.c - building a machine and taking it down; see machine.h, and build.h for the rest of the building */
#include "monitor/machine.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "abi/x86.h"
#include "base/checked.h"
#include "base/io.h"
#include "kvm/kvm.h"
#include "monitor/build.h"
#include "monitor/console.h"
#include "spec/spec.h"

#define HUGE_PAGE (2 * MiB)

#define THREADS_DEADLINE_USEC 10000000 /* to begin in: until then they need more than the cage will leave them */

/* --- Memory --------------------------------------------------------------------------------------------- */

/* At a border of huge pages, so that where the guest has one, the host can have one, too. */
static int reserve_memory(struct machine *machine, struct error *e)
{
	uint64_t bytes = machine->spec->memory;
	void *p = mmap(NULL, bytes + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		return error_set_errno(e, -errno, "reserving %llu MiB of addresses", bytes / MiB);
	machine->reserved = p;
	machine->ram = (uint8_t *)(uintptr_t)round_up((uintptr_t)p, HUGE_PAGE);
	machine->ram_bytes = bytes;
	return 0;
}

/*
 * Anonymous, because that is what the host's kernel makes huge pages of, and Linux in a ROS touches most of its
 * memory: each page of 4 KiB that is new to KVM costs an exit. A parked ROS has none to save.
 */
static int make_ros_memory(struct machine *machine, struct error *e)
{
	uint64_t size = machine->spec->ros_memory;
	void *p = mmap(machine->ram, size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);

	if (p == MAP_FAILED)
		return error_set_errno(e, -errno, "mapping %llu MiB of ROS memory", size / MiB);
	if (machine->spec->ros_boots)
		madvise(p, size, MADV_HUGEPAGE); /* a kernel that has none goes on with small ones */
	return 0;
}

static void add_windows(struct machine *machine)
{
	struct ram_range ranges[2];
	size_t n = ram_layout(machine->spec->memory, ranges);

	for (size_t i = 0; i < n; i++)
		memory_add(&machine->memory, ranges[i].gpa, ranges[i].size, machine->ram + ranges[i].offset);
	if (machine->boot.plan.comm_page)
		memory_add(&machine->memory, machine->boot.plan.comm_page, PAGE_SIZE, machine->comm_page);
}

/* What only a machine with an HRT has: the HRT's own memory, and the page that both partitions see. */
static int make_hrt_memory(struct machine *machine, struct error *e)
{
	const struct vm_spec *spec = machine->spec;
	void *p;
	int r;

	r = hrt_memory_init(&machine->hrt_memory, machine->ram + spec->ros_memory, spec->memory - spec->ros_memory, e);
	if (r < 0)
		return r;
	p = mmap(NULL, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return error_set_errno(e, -errno, "making the comm page");
	machine->comm_page = p;
	return 0;
}

static int make_memory(struct machine *machine, struct error *e)
{
	int r = reserve_memory(machine, e);

	if (r == 0)
		r = make_ros_memory(machine, e);
	if (r == 0 && machine->spec->hybrid)
		r = make_hrt_memory(machine, e);
	if (r < 0)
		return r;
	add_windows(machine);
	talk_init(machine);
	return 0;
}

/* What is a guest's stays out of core dumps, whoever makes one of us. The last step: a new mapping forgets it. */
static int keep_from_dumps(struct machine *machine, struct error *e)
{
	bool hybrid = machine->spec->hybrid;

	if (madvise(machine->ram, machine->ram_bytes, MADV_DONTDUMP) < 0 ||
		(hybrid && madvise((void *)machine->hrt_memory.pristine, machine->hrt_memory.size, MADV_DONTDUMP) < 0) ||
		(hybrid && madvise(machine->comm_page, PAGE_SIZE, MADV_DONTDUMP) < 0))
		return error_set_errno(e, -errno, "keeping guest memory out of core dumps");
	return 0;
}

/* --- All of it ---------------------------------------------------------------------------------------------- */

static int load_files(struct machine *machine, const struct machine_fds *fds, struct error *e)
{
	const struct vm_spec *spec = machine->spec;

	for (size_t i = 0; i < spec->n_files; i++) {
		int r = prepare_needs_file(spec, i) ?
			images_take(&machine->images, i, fds->files[i], spec->files[i].id, e) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

static int make_partitions(struct machine *machine, struct error *e)
{
	int r = partition_make(&machine->partitions[PARTITION_ROS], e);

	if (r < 0)
		return error_prefix(e, r, "the ros partition");
	if (!machine->spec->hybrid)
		return 0;
	r = partition_make(&machine->partitions[PARTITION_HRT], e);
	return r < 0 ? error_prefix(e, r, "the hrt partition") : 0;
}

int machine_prepare(
	const struct machine *machine, const struct guest_file *files, struct prepared *ret, struct error *e)
{
	const struct hrt_processor processor = {
		.gigabyte_pages = kvm_host_has_gigabyte_pages(machine->host),
		.physical_bits = kvm_host_physical_bits(machine->host),
	};

	return prepare(machine->spec, files, &processor, ret, e);
}

static int build(struct machine *machine, struct machine_fds *fds, struct error *e)
{
	int r;

	r = kvm_host_new(take_fd(fds->kvm), &machine->host, e);
	if (r == 0)
		r = template_choose_hypercall(machine, e);
	if (r == 0)
		r = load_files(machine, fds, e);
	if (r == 0)
		r = machine_prepare(machine, machine->images.files, &machine->boot, e);
	if (r == 0)
		r = make_memory(machine, e);
	if (r == 0)
		r = make_partitions(machine, e);
	if (r < 0)
		return r;
	machine->cpu_khz = kvm_vcpu_tsc_khz(machine->partitions[PARTITION_ROS].cores[0].vcpu);
	if (machine->spec->hybrid)
		r = template_write(machine, fds, e);
	if (r == 0)
		r = keep_from_dumps(machine, e);
	if (r == 0 && !machine_park(machine, THREADS_DEADLINE_USEC))
		r = error_set(e, -ETIMEDOUT, "the cores' threads did not begin within %u s", THREADS_DEADLINE_USEC / 1000000);
	return r;
}

static void machine_fds_fini(struct machine_fds *fds)
{
	fds->kvm = close_fd(fds->kvm);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		fds->logs[role] = close_fd(fds->logs[role]);
	for (size_t i = 0; i < SPEC_FILES_MAX; i++)
		fds->files[i] = close_fd(fds->files[i]);
}

static int make_consoles(struct machine *machine, struct machine_fds *fds, struct error *e)
{
	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		if (!spec_has_console(machine->spec, (enum partition_role)role))
			continue;
		machine->partitions[role].console = console_new(take_fd(fds->logs[role]));
		if (!machine->partitions[role].console)
			return error_set_errno(e, -ENOMEM, "making the %s console",
				partition_role_to_string((enum partition_role)role));
	}
	return 0;
}

static int make(struct machine *machine, struct machine_fds *fds, struct error *e)
{
	int r;

	machine->wake_fd = -1;
	pthread_mutex_init(&machine->lock, NULL);
	pit_init(&machine->pit);
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		partition_init(&machine->partitions[role], (enum partition_role)role, machine);
	r = make_consoles(machine, fds, e);
	if (r < 0)
		return r;
	machine->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); /* cage(build): eventfd2 */
	if (machine->wake_fd < 0)
		return error_set_errno(e, -errno, "making an eventfd");
	return build(machine, fds, e);
}

int machine_new(struct vm_spec *spec, struct machine_fds *fds, struct machine **ret, struct error *e)
{
	_cleanup_(machine_freep) struct machine *machine = calloc(1, sizeof(*machine));
	int r;

	if (machine) {
		machine->spec = spec;
		r = make(machine, fds, e);
	} else {
		vm_spec_free(spec);
		r = error_set_errno(e, -ENOMEM, "making a machine");
	}
	machine_fds_fini(fds);
	if (r == 0)
		*ret = take_ptr(machine);
	return r;
}

struct machine *machine_free(struct machine *machine)
{
	if (!machine)
		return NULL;
	for (int role = 0; role < N_PARTITION_ROLES; role++)
		partition_fini(&machine->partitions[role]);
	if (machine->comm_page)
		munmap(machine->comm_page, PAGE_SIZE);
	hrt_memory_fini(&machine->hrt_memory);
	if (machine->reserved)
		munmap(machine->reserved, machine->ram_bytes + HUGE_PAGE);
	close_fd(machine->wake_fd);
	kvm_host_free(machine->host);
	pit_fini(&machine->pit);
	if (machine->comm_page)
		talk_fini(machine);
	pthread_mutex_destroy(&machine->lock);
	free(machine->next_image);
	images_fini(&machine->images);
	vm_spec_free(machine->spec);
	free(machine);
	return NULL;
}

