/* partition.c - a partition of a machine: its KVM machine, its cores, its devices; see build.h */
#include "monitor/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "abi/hrt.h"
#include "guest/memory.h"
#include "kvm/kvm.h"
#include "monitor/console.h"
#include "monitor/machine.h"
#include "monitor/pc.h"
#include "spec/spec.h"

/* --- What its guest prints ------------------------------------------------------------------------------ */

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

void partition_init(struct partition *p, enum partition_role role, struct machine *machine)
{
	*p = (struct partition){.role = role, .machine = machine};
	p->port_listener = (struct debug_port_listener){.line = on_line, .begun = on_line_begun, .data = p};
	unknown_init(&p->unknown, machine->spec->name, partition_role_to_string(role));
}

/* --- Its memory ----------------------------------------------------------------------------------------- */

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

/* --- Its cores and devices ------------------------------------------------------------------------------ */

/*
 * Of the ROS only where the definition says so, for then every process in it may have the HRT run its code in kernel
 * mode: nobody is to find that out because the host has got another kernel.
 */
static bool intercepts(const struct partition *p)
{
	const struct machine *machine = p->machine;

	if (p->role == PARTITION_ROS && machine->spec->hrt_hypercall != SPEC_HYPERCALL_XEN)
		return false;
	return machine->spec->hybrid && machine->hypercall == SPEC_HYPERCALL_XEN;
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
		.intercepted = intercepts(p),
		.comm_page = p->machine->boot.plan.comm_page,
	};
	int r;

	core->id = id;
	core->partition = p;
	core->pinned = spec->core[id].pinned;
	core->cpu = spec->core[id].cpu;
	core->listener = &machine_core_listener;
	debug_port_init(&core->port, id, &p->port_listener);
	p->n_cores++; /* from here on partition_fini() knows it */
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

/* --- All of it ------------------------------------------------------------------------------------------ */

int partition_make(struct partition *p, struct error *e)
{
	struct machine *machine = p->machine;
	const struct vm_spec *spec = machine->spec;
	uint32_t n = p->role == PARTITION_ROS ? spec->ros_cores : spec->cores - spec->ros_cores;
	int r;

	p->present = true;
	p->first_core = p->role == PARTITION_ROS ? 0 : spec->ros_cores;
	p->cores = calloc(n, sizeof(*p->cores));
	if (!p->cores)
		return error_set_errno(e, -ENOMEM, "making the %s partition", partition_role_to_string(p->role));
	r = add_devices(p, e);
	if (r == 0)
		r = add_exits(p, e);
	if (r < 0)
		return r;
	r = kvm_machine_new(machine->host, p->first_core, &p->kvm, e);
	if (r < 0)
		return r;
	if (p->role == PARTITION_HRT && kvm_host_has_dirty_ring(machine->host))
		r = kvm_machine_track(p->kvm, e);
	if (r == 0)
		r = map_memory(machine, p, e);
	if (r == 0 && intercepts(p))
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

void partition_fini(struct partition *p)
{
	for (uint32_t i = 0; i < p->n_cores; i++)
		core_fini(&p->cores[i]);
	free(p->cores);
	p->pc = pc_free(p->pc);
	p->kvm = kvm_machine_free(p->kvm);
	p->console = console_free(p->console);
	unknown_fini(&p->unknown);
}
