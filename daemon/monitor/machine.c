/* machine.c - building a machine and taking it down; see machine.h */
#include "monitor/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "abi/hrt.h"
#include "abi/x86.h"
#include "base/checked.h"
#include "base/clock.h"
#include "base/io.h"
#include "base/log.h"
#include "base/macro.h"
#include "guest/boot.h"
#include "guest/patch.h"
#include "kvm/kvm.h"
#include "monitor/console.h"
#include "monitor/pc.h"
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

/* An image that will be rewritten is not mapped but copied. One that hvmd has searched is not read to find that out. */
static void expect_patches(struct machine *machine)
{
	const struct hrt_image *image = &machine->boot.image;
	size_t file = machine->spec->hrt_file;
	uint32_t n = 0;

	if (machine->hypercall != SPEC_HYPERCALL_PATCH || machine->spec->files[file].no_sites)
		return;
	for (size_t i = 0; i < image->n_segments; i++)
		if (image->segments[i].executable)
			n += patch_count(machine->images.files[file].data + image->segments[i].offset,
				image->segments[i].file_size);
	machine->images.changed[file] = n > 0;
}

/* An image without such instructions calls by the port, or by the page. */
static void patch_hypercalls(struct machine *machine, struct memory *memory)
{
	enum spec_hypercall wish = machine->spec->hrt_hypercall;

	if (machine->hypercall != SPEC_HYPERCALL_PATCH)
		return;
	if (machine->images.changed[machine->spec->hrt_file])
		machine->n_patched = patch_image(&machine->boot.plan, &machine->boot.image, memory);
	if (machine->n_patched > 0)
		log_info("vm %s: %u hypercalls by instruction in the HRT's image now go by port 0x%x", machine->spec->name,
			machine->n_patched, HVM_PORT);
	else if (wish == SPEC_HYPERCALL_PATCH)
		log_warning("vm %s: the HRT's image has no hypercall by instruction that could be rewritten",
			machine->spec->name);
	if (machine->n_patched == 0 && wish == SPEC_HYPERCALL_AUTO)
		machine->hypercall = SPEC_HYPERCALL_PORT;
}

static int choose_hypercall(struct machine *machine, struct error *e)
{
	enum spec_hypercall wish = machine->spec->hrt_hypercall;
	bool intercepts = kvm_host_intercepts_hypercalls(machine->host);

	if (wish == SPEC_HYPERCALL_XEN && !intercepts)
		return error_set(e, -EOPNOTSUPP, "hrt hypercall=\"xen\": this kernel's KVM is built without CONFIG_KVM_XEN; "
			"hypercall=\"auto\" works");
	if (wish == SPEC_HYPERCALL_AUTO)
		wish = intercepts ? SPEC_HYPERCALL_XEN : SPEC_HYPERCALL_PATCH;
	machine->hypercall = wish;
	return 0;
}

/* The HRT's memory as it is at boot. What is a mapped file's is not written, but for the pages that it fills in part. */
static int write_template(struct machine *machine, const struct machine_fds *fds, struct error *e)
{
	const struct plan *plan = &machine->boot.plan;
	struct memory rest;
	int r;

	expect_patches(machine);
	images_rest(&machine->images, plan, &machine->memory, &rest);
	boot_write_image(plan, &machine->boot.hrt, &rest);
	patch_hypercalls(machine, &machine->memory);
	r = boot_write_state(plan, &machine->boot.hrt, machine->cpu_khz, &rest, e);
	if (r < 0)
		return r;
	images_write_edges(&machine->images, plan, &machine->memory);
	r = hrt_memory_seal(&machine->hrt_memory, kvm_host_has_dirty_ring(machine->host), e);
	if (r < 0)
		return r;
	return images_overlay(&machine->images, plan, fds->files, &machine->memory, &machine->hrt_memory, e);
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

/* --- The two KVM machines --------------------------------------------------------------------------------- */

/* Maps the part of a window of RAM that lies within [from, to), counted in bytes of RAM. */
static int map_part(struct machine *machine, struct partition *p, const struct memory_window *w, uint64_t from,
	uint64_t to, enum kvm_mapping mapping, struct error *e)
{
	uint64_t window = (uint64_t)(w->host - machine->ram), start = window, end = window + w->size;

	if (start < from)
		start = from;
	if (end > to)
		end = to;
	if (start >= end)
		return 0;
	return kvm_machine_map(p->kvm, w->gpa + (start - window), end - start, machine->ram + start, mapping, e);
}

static int map_ros_memory(struct machine *machine, struct partition *p, const struct memory_window *w, struct error *e)
{
	enum spec_access access = p->role == PARTITION_HRT ? machine->spec->hrt_ros_memory : SPEC_ACCESS_RW;

	if (access == SPEC_ACCESS_NONE)
		return 0;
	return map_part(machine, p, w, 0, machine->spec->ros_memory,
		access == SPEC_ACCESS_RO ? KVM_MAPPING_READONLY : KVM_MAPPING_PLAIN, e);
}

static int map_hrt_memory(struct machine *machine, struct partition *p, const struct memory_window *w, struct error *e)
{
	return map_part(machine, p, w, machine->spec->ros_memory, machine->ram_bytes,
		kvm_host_has_dirty_ring(machine->host) ? KVM_MAPPING_TRACKED : KVM_MAPPING_PLAIN, e);
}

/* ROS memory for both, as far as the HRT may see it; the HRT's for the HRT alone; the comm page for both. */
static int map_memory(struct machine *machine, struct partition *p, struct error *e)
{
	int r = 0;

	for (size_t i = 0; i < machine->memory.n_windows && r == 0; i++) {
		const struct memory_window *w = &machine->memory.windows[i];

		if (w->host == machine->comm_page) {
			r = kvm_machine_map(p->kvm, w->gpa, w->size, w->host, KVM_MAPPING_PLAIN, e);
			continue;
		}
		r = map_ros_memory(machine, p, w, e);
		if (r == 0 && p->role == PARTITION_HRT)
			r = map_hrt_memory(machine, p, w, e);
	}
	return r;
}

static int make_core(struct partition *p, struct core *core, uint32_t id, struct error *e)
{
	const struct vm_spec *spec = p->machine->spec;
	struct vcpu_topology topology = {
		.id = id,
		.first = p->first_core,
		.n_cores = p->role == PARTITION_ROS ? spec->ros_cores : spec->cores - spec->ros_cores,
		.role = p->role == PARTITION_HRT ? HVM_CPUID_ROLE_HRT : HVM_CPUID_ROLE_ROS,
		.hybrid = spec->hybrid,
		.comm_page = p->machine->boot.plan.comm_page,
	};
	int r;

	core->id = id;
	core->partition = p;
	core->pinned = spec->core[id].pinned;
	core->cpu = spec->core[id].cpu;
	core->listener = &machine_core_listener;
	debug_port_init(&core->port, id, &p->port_listener);
	p->n_cores++; /* from here on machine_free() knows it */
	r = kvm_vcpu_new(p->kvm, &topology, &core->vcpu, e);
	if (r < 0)
		return r;
	return core_start(core, e);
}

static int add_devices(struct partition *p, struct error *e)
{
	if (p->role == PARTITION_HRT)
		return pit_attach(&p->machine->pit, &p->ports, e);
	if (!p->machine->spec->ros_boots)
		return 0;
	p->pc = pc_new(p, e);
	if (!p->pc)
		return -ENOMEM;
	console_set_sink(p->console, &(struct console_sink){.take = pc_type, .data = p->pc});
	return 0;
}

/* A ROS that boots nothing needs no more than the HRT. */
static int add_interrupts(struct partition *p, struct error *e)
{
	return p->pc ? kvm_machine_add_pc(p->kvm, e) : kvm_machine_add_irqchip(p->kvm, e);
}

static void on_debug_exit(void *data, const struct debug_exit *device, uint32_t value)
{
	struct partition *p = data;
	struct guest_exit exit = {.valid = true, .role = p->role, .status = debug_exit_status(value)};

	snprintf(exit.text, sizeof(exit.text), "the %s has ended the VM with status %d: it wrote 0x%x to the debug-exit port 0x%x",
		partition_role_to_string(p->role), (int)exit.status, value, device->port);
	machine_report_exit(p->machine, &exit);
}

/* Either partition may end the VM. */
static int add_exits(struct partition *p, struct error *e)
{
	const struct vm_spec *spec = p->machine->spec;
	int r = 0;

	for (size_t i = 0; r == 0 && i < spec->n_devices; i++) {
		if (spec->devices[i].class != SPEC_DEVICE_DEBUG_EXIT)
			continue;
		p->exits[i] = (struct debug_exit){.port = (uint16_t)spec->devices[i].port, .exit = on_debug_exit, .data = p};
		r = debug_exit_attach(&p->exits[i], &p->ports, e);
	}
	return r;
}

static int make_partition(struct machine *machine, enum partition_role role, struct error *e)
{
	const struct vm_spec *spec = machine->spec;
	struct partition *p = &machine->partitions[role];
	uint32_t n = role == PARTITION_ROS ? spec->ros_cores : spec->cores - spec->ros_cores;
	int r;

	p->present = true;
	p->first_core = role == PARTITION_ROS ? 0 : spec->ros_cores;
	p->cores = calloc(n, sizeof(*p->cores));
	if (!p->cores)
		return error_set_errno(e, -ENOMEM, "making the %s partition", partition_role_to_string(role));
	r = add_devices(p, e);
	if (r == 0)
		r = add_exits(p, e);
	if (r < 0)
		return r;
	r = kvm_machine_new(machine->host, p->first_core, &p->kvm, e);
	if (r < 0)
		return r;
	if (role == PARTITION_HRT && kvm_host_has_dirty_ring(machine->host))
		r = kvm_machine_track(p->kvm, e);
	if (r == 0)
		r = map_memory(machine, p, e);
	if (r == 0 && role == PARTITION_HRT && machine->hypercall == SPEC_HYPERCALL_XEN)
		r = kvm_machine_intercept_hypercalls(p->kvm, e);
	if (r < 0)
		return r;
	r = add_interrupts(p, e);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < n; i++) {
		r = make_core(p, &p->cores[i], p->first_core + i, e);
		if (r < 0)
			return r;
	}
	p->state = PARTITION_PARKED;
	p->reason = REASON_DEFINED;
	return 0;
}

/* --- All of it ---------------------------------------------------------------------------------------------- */

static void on_line(void *data, uint32_t core, const char *text, size_t size)
{
	struct partition *p = data;

	console_write(p->console, core, text, size);
}

static void on_line_begun(void *data, uint32_t core)
{
	struct partition *p = data;

	(void)core;
	machine_want_flush(p->machine);
}

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
	int r = make_partition(machine, PARTITION_ROS, e);

	if (r < 0)
		return error_prefix(e, r, "the ros partition");
	if (!machine->spec->hybrid)
		return 0;
	r = make_partition(machine, PARTITION_HRT, e);
	return r < 0 ? error_prefix(e, r, "the hrt partition") : 0;
}

static struct hrt_processor processor_of(const struct machine *machine)
{
	return (struct hrt_processor){
		.gigabyte_pages = kvm_host_has_gigabyte_pages(machine->host),
		.physical_bits = kvm_host_physical_bits(machine->host),
	};
}

static int prepare_for_host(struct machine *machine, struct error *e)
{
	struct hrt_processor processor = processor_of(machine);

	return prepare(machine->spec, machine->images.files, &processor, &machine->boot, e);
}

int machine_offer_image(struct machine *machine, uint8_t *data, size_t size, struct error *e)
{
	_cleanup_free_ struct prepared *trial = calloc(1, sizeof(*trial));
	_cleanup_free_ uint8_t *image = data;
	struct hrt_processor processor = processor_of(machine);
	struct guest_file files[SPEC_FILES_MAX];
	size_t hrt = machine->spec->hrt_file;
	uint8_t *old;
	int r;

	if (!trial)
		return error_set_errno(e, -ENOMEM, "looking at an image");
	memcpy(files, machine->images.files, sizeof(files));
	files[hrt] = (struct guest_file){.data = image, .size = size};
	r = prepare(machine->spec, files, &processor, trial, e);
	if (r < 0)
		return r;
	pthread_mutex_lock(&machine->lock);
	old = machine->next_image;
	machine->next_image = take_ptr(image);
	machine->next_image_size = size;
	pthread_mutex_unlock(&machine->lock);
	free(old);
	return 0;
}

/* The HRT's own memory as a reset puts it back. */
static void add_pristine(const struct machine *machine, struct memory *ret)
{
	uint64_t ros = machine->spec->ros_memory;

	*ret = (struct memory){};
	for (size_t i = 0; i < machine->memory.n_windows; i++) {
		const struct memory_window *w = &machine->memory.windows[i];
		uint64_t start = (uint64_t)(w->host - machine->ram), skip = start < ros ? ros - start : 0;

		if (w->host != machine->comm_page && skip < w->size)
			memory_add(ret, w->gpa + skip, w->size - skip, machine->hrt_memory.pristine + (start + skip - ros));
	}
}

/* What the plan has in the HRT's memory is about to change; `clear`: it was the old image's. */
static int replace_regions(struct machine *machine, const struct memory *pristine, bool clear, struct error *e)
{
	int r = 0;

	for (size_t i = 0; i < machine->boot.plan.n_regions && r == 0; i++) {
		const struct plan_region *region = &machine->boot.plan.regions[i];
		uint8_t *at = region->free ? NULL : memory_at(pristine, region->gpa, region->size);

		if (!at)
			continue;
		r = hrt_memory_replace(&machine->hrt_memory, (uint64_t)(at - machine->hrt_memory.pristine), region->size, e);
		if (r == 0 && clear)
			memset(at, 0, region->size);
	}
	return r;
}

static int write_pristine(struct machine *machine, struct memory *pristine, struct error *e)
{
	struct memory rest;

	images_rest(&machine->images, &machine->boot.plan, pristine, &rest);
	boot_write_image(&machine->boot.plan, &machine->boot.hrt, &rest);
	patch_hypercalls(machine, pristine);
	return boot_write_state(&machine->boot.plan, &machine->boot.hrt, machine->cpu_khz, &rest, e);
}

/* To where another image wants it. The ROS may be running. */
static int move_comm_page(struct machine *machine, uint64_t from, struct error *e)
{
	uint64_t to = machine->boot.plan.comm_page;
	int r = 0;

	if (to == from)
		return 0;
	for (int role = 0; role < N_PARTITION_ROLES && r == 0; role++)
		r = kvm_machine_move(machine->partitions[role].kvm, from, to, PAGE_SIZE, machine->comm_page, e);
	if (r == 0)
		memory_move(&machine->memory, machine->comm_page, to);
	if (r == 0)
		talk_move_page(machine, to);
	return r;
}

int machine_adopt_image(struct machine *machine, struct error *e)
{
	uint64_t comm_page = machine->boot.plan.comm_page;
	struct memory pristine;
	uint8_t *image;
	size_t size;
	int r;

	pthread_mutex_lock(&machine->lock);
	image = take_ptr(machine->next_image);
	size = machine->next_image_size;
	pthread_mutex_unlock(&machine->lock);
	if (!image)
		return 0;
	add_pristine(machine, &pristine);
	r = replace_regions(machine, &pristine, true, e);
	images_replace(&machine->images, machine->spec->hrt_file, image, size);
	if (machine->hypercall == SPEC_HYPERCALL_PORT && machine->spec->hrt_hypercall == SPEC_HYPERCALL_AUTO)
		machine->hypercall = SPEC_HYPERCALL_PATCH;
	machine->n_patched = 0;
	if (r == 0)
		r = prepare_for_host(machine, e);
	if (r == 0)
		r = move_comm_page(machine, comm_page, e);
	if (r == 0)
		r = replace_regions(machine, &pristine, false, e);
	if (r == 0)
		r = write_pristine(machine, &pristine, e);
	if (r == 0)
		hrt_memory_show_replaced(&machine->hrt_memory);
	machine->n_images++;
	if (r == 0)
		log_notice("vm %s: the HRT has another image from this reset on (%zu bytes)", machine->spec->name, size);
	return r;
}

static int build(struct machine *machine, struct machine_fds *fds, struct error *e)
{
	int r;

	r = kvm_host_new(take_fd(fds->kvm), &machine->host, e);
	if (r == 0)
		r = choose_hypercall(machine, e);
	if (r == 0)
		r = load_files(machine, fds, e);
	if (r == 0)
		r = prepare_for_host(machine, e);
	if (r == 0)
		r = make_memory(machine, e);
	if (r == 0)
		r = make_partitions(machine, e);
	if (r < 0)
		return r;
	machine->cpu_khz = kvm_vcpu_tsc_khz(machine->partitions[PARTITION_ROS].cores[0].vcpu);
	if (machine->spec->hybrid)
		r = write_template(machine, fds, e);
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
	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		struct partition *p = &machine->partitions[role];

		*p = (struct partition){.role = (enum partition_role)role, .machine = machine};
		p->port_listener = (struct debug_port_listener){.line = on_line, .begun = on_line_begun, .data = p};
		unknown_init(&machine->partitions[role].unknown, machine->spec->name,
			partition_role_to_string((enum partition_role)role));
	}
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
	for (int role = 0; role < N_PARTITION_ROLES; role++) {
		struct partition *p = &machine->partitions[role];

		for (uint32_t i = 0; i < p->n_cores; i++)
			core_fini(&p->cores[i]);
		free(p->cores);
		p->pc = pc_free(p->pc);
		p->kvm = kvm_machine_free(p->kvm);
		p->console = console_free(p->console);
		unknown_fini(&p->unknown);
	}
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
