/* rules.c - see rules.h */
#include "spec/rules.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "abi/hrt.h"
#include "abi/x86.h"
#include "base/checked.h"
#include "base/error.h"
#include "base/macro.h"
#include "spec/spec.h"

static int check_name(const struct vm_spec *spec, struct error *e)
{
	if (!spec->name || !spec_name_valid(spec->name))
		return error_set(e, -EBADMSG,
			"name: \"%.80s\" cannot be the name of a VM; write 1 to %d letters, digits, '_', "
			"'-', '.', "
			"the first a letter or a digit",
			spec->name ? spec->name : "", SPEC_NAME_MAX);
	return 0;
}

static int check_memory(const struct vm_spec *spec, struct error *e)
{
	if (spec->memory < SPEC_MEMORY_MIN || spec->memory > SPEC_MEMORY_MAX || spec->memory % MiB != 0)
		return error_set(e, -EBADMSG,
			"memory: %" PRIu64 " bytes; a VM has whole MiB, from %llu to %llu of them",
			spec->memory, SPEC_MEMORY_MIN / MiB, SPEC_MEMORY_MAX / MiB);
	return 0;
}

static int check_cores(const struct vm_spec *spec, struct error *e)
{
	if (spec->cores < 1 || spec->cores > SPEC_CORES_MAX)
		return error_set(
			e, -EBADMSG, "cores: a VM has 1 to %d, not %" PRIu32, SPEC_CORES_MAX, spec->cores);
	return 0;
}

static int check_cores_for_both(const struct vm_spec *spec, struct error *e)
{
	if (spec->hybrid && spec->cores == 1)
		return error_set(e, -EBADMSG,
			"cores: a hybrid VM needs at least 2, one for the ROS and one for the HRT, and 1 is "
			"given");
	return 0;
}

static int check_hugepages(const struct vm_spec *spec, struct error *e)
{
	if (spec->hugepages && spec->memory % SPEC_HUGE_PAGE != 0)
		return error_set(e, -EBADMSG,
			"hugepages: a huge page has %llu MiB, and memory, %llu MiB, is no multiple of it",
			SPEC_HUGE_PAGE / MiB, spec->memory / MiB);
	return 0;
}

static int check_hugepages_of_ros(const struct vm_spec *spec, struct error *e)
{
	if (spec->hugepages && spec->hybrid && spec->ros_memory % SPEC_HUGE_PAGE != 0)
		return error_set(e, -EBADMSG,
			"hugepages: a huge page has %llu MiB, and ros mem, %llu MiB, is no multiple of it",
			SPEC_HUGE_PAGE / MiB, spec->ros_memory / MiB);
	return 0;
}

static int check_pins(const struct vm_spec *spec, struct error *e)
{
	for (uint32_t i = 0; i < SPEC_CORES_MAX; i++) {
		const struct spec_core *core = &spec->core[i];

		if (core->pinned && i >= spec->cores)
			return error_set(e, -EBADMSG, "core: core %" PRIu32 " is pinned, and the VM has %" PRIu32, i,
				spec->cores);
		if (core->cpu > (core->pinned ? SPEC_CPU_MAX : 0))
			return error_set(e, -EBADMSG, "core: core %" PRIu32 " cannot be pinned to CPU %" PRIu32, i,
				core->cpu);
	}
	return 0;
}

static int check_nodes(const struct vm_spec *spec, struct error *e)
{
	if (spec->nodes > SPEC_NODES_MAX || spec->nodes > spec->ros_cores)
		return error_set(e, -EBADMSG, "cores nodes: %" PRIu32 " NUMA nodes are more than the ROS has cores, %" PRIu32
			", or more than %u", spec->nodes, spec->ros_cores, SPEC_NODES_MAX);
	return 0;
}

static int check_file(const struct vm_spec *spec, const struct spec_file *file, struct error *e)
{
	if (!file->id || !file->id[0] || strlen(file->id) > SPEC_FILE_ID_MAX || !spec_text_valid(file->id))
		return error_set(e, -EBADMSG, "files: an id has 1 to %d bytes and no control characters",
			SPEC_FILE_ID_MAX);
	if (spec_file_find(spec, file->id) != file)
		return error_set(e, -EBADMSG, "files: two have the id \"%s\"; each needs its own", file->id);
	return 0;
}

static int check_files(const struct vm_spec *spec, struct error *e)
{
	if (spec->n_files > SPEC_FILES_MAX)
		return error_set(e, -EBADMSG, "files: %zu are more than the %d that a VM may have",
			spec->n_files, SPEC_FILES_MAX);
	for (size_t i = 0; i < spec->n_files; i++) {
		int r = check_file(spec, &spec->files[i], e);

		if (r < 0)
			return r;
	}
	return 0;
}

static int check_ros_cores(const struct vm_spec *spec, struct error *e)
{
	if (!spec->hybrid && spec->ros_cores != spec->cores)
		return error_set(e, -EBADMSG,
			"ros cores: without an HRT all %" PRIu32 " cores are the ROS's, not %" PRIu32,
			spec->cores, spec->ros_cores);
	if (!spec->hybrid || spec->cores < 2) /* check_cores_for_both() says it */
		return 0;
	if (spec->ros_cores < 1)
		return error_set(e, -EBADMSG, "ros cores: 0; the ROS boots on core 0, so give it at least 1");
	if (spec->ros_cores >= spec->cores)
		return error_set(e, -EBADMSG,
			"ros cores: %" PRIu32 " of %" PRIu32
			" cores leave none for the HRT; give the ROS %" PRIu32 " at most",
			spec->ros_cores, spec->cores, spec->cores - 1);
	return 0;
}

static int check_ros_memory(const struct vm_spec *spec, struct error *e)
{
	uint64_t ros = spec->ros_memory;

	if (!spec->hybrid && ros != spec->memory)
		return error_set(e, -EBADMSG,
			"ros mem: without an HRT all %llu MiB are the ROS's, not %" PRIu64 " bytes",
			spec->memory / MiB, ros);
	if (!spec->hybrid)
		return 0;
	if (ros == 0 || ros % MiB != 0)
		return error_set(
			e, -EBADMSG, "ros mem: %" PRIu64 " bytes; the ROS has whole MiB, at least one", ros);
	if (ros >= spec->memory)
		return error_set(e, -EBADMSG,
			"ros mem: %llu MiB of %llu MiB leave none for the HRT; give the ROS less than %llu",
			ros / MiB, spec->memory / MiB, spec->memory / MiB);
	if (ros > DEVICE_HOLE_START)
		return error_set(e, -EBADMSG,
			"ros mem: %llu MiB reach into the device hole, which begins at %llu MiB; give the "
			"ROS no more",
			ros / MiB, DEVICE_HOLE_START / MiB);
	return 0;
}

static int check_cmdline(const char *partition, const char *cmdline, struct error *e)
{
	if (!cmdline)
		return 0;
	if (strlen(cmdline) > SPEC_CMDLINE_MAX)
		return error_set(e, -EBADMSG, "%s cmdline: %zu bytes are more than %d", partition, strlen(cmdline),
			SPEC_CMDLINE_MAX);
	if (!spec_text_valid(cmdline))
		return error_set(
			e, -EBADMSG, "%s cmdline: it holds a control character; write it in one line", partition);
	return 0;
}

static int check_index(const struct vm_spec *spec, const char *what, size_t index, struct error *e)
{
	if (index >= spec->n_files)
		return error_set(e, -EBADMSG, "%s: there is no file %zu among %zu", what, index, spec->n_files);
	return 0;
}

static int check_modules(
	const struct vm_spec *spec, const char *partition, const struct spec_modules *modules, struct error *e)
{
	if (modules->n > SPEC_MODULES_MAX)
		return error_set(e, -EBADMSG, "%s: %zu modules are more than the %d that a partition may have", partition,
			modules->n, SPEC_MODULES_MAX);
	for (size_t i = 0; i < modules->n; i++) {
		int r = check_index(spec, "module file_id", modules->items[i].file, e);

		if (r == 0)
			r = check_cmdline("module", modules->items[i].cmdline, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int check_ros_file(const struct vm_spec *spec, struct error *e)
{
	return spec->ros_boots ? check_index(spec, "ros file_id", spec->ros_file, e) : 0;
}

static int needs_kernel(const struct vm_spec *spec, const char *what, struct error *e)
{
	if (!spec->ros_boots)
		return error_set(e, -EBADMSG, "ros %s: there is no kernel that it could be for; add file_id=\"...\"", what);
	return 0;
}

static bool is_multiboot(const struct vm_spec *spec)
{
	return spec->ros_protocol == SPEC_PROTOCOL_MULTIBOOT || spec->ros_protocol == SPEC_PROTOCOL_MULTIBOOT2;
}

static int check_ros_initrd(const struct vm_spec *spec, struct error *e)
{
	if (!spec->ros_has_initrd)
		return 0;
	if (is_multiboot(spec))
		return error_set(e, -EBADMSG,
			"ros initrd_id: a multiboot kernel takes modules; write <module file_id=\"...\"/> instead");
	if (check_index(spec, "ros initrd_id", spec->ros_initrd, e) < 0)
		return -EBADMSG;
	return needs_kernel(spec, "initrd_id", e);
}

static int check_ros_cmdline(const struct vm_spec *spec, struct error *e)
{
	if (!spec->ros_cmdline)
		return 0;
	if (check_cmdline("ros", spec->ros_cmdline, e) < 0)
		return -EBADMSG;
	return needs_kernel(spec, "cmdline", e);
}

static int check_ros_append(const struct vm_spec *spec, struct error *e)
{
	return spec->ros_append ? needs_kernel(spec, "append", e) : 0;
}

static int check_ros_protocol(const struct vm_spec *spec, struct error *e)
{
	if (spec->ros_protocol >= N_SPEC_PROTOCOLS)
		return error_set(e, -EBADMSG, "ros protocol: there is no protocol %u", spec->ros_protocol);
	return spec->ros_protocol == SPEC_PROTOCOL_AUTO ? 0 : needs_kernel(spec, "protocol", e);
}

/* A text cannot say otherwise; the link could. */
static int check_ros_ends(const struct vm_spec *spec, struct error *e)
{
	if (spec->ros_on_poweroff >= N_SPEC_ON_POWEROFFS || spec->ros_on_reset >= N_SPEC_ON_RESETS ||
		spec->ros_on_crash >= N_SPEC_ON_CRASHES)
		return error_set(e, -EBADMSG, "ros: one of on_poweroff %u, on_reset %u and on_crash %u does not exist",
			spec->ros_on_poweroff, spec->ros_on_reset, spec->ros_on_crash);
	return 0;
}

static int check_ros_modules(const struct vm_spec *spec, struct error *e)
{
	if (spec->ros_modules.n == 0)
		return 0;
	if (spec->ros_protocol == SPEC_PROTOCOL_LINUX)
		return error_set(e, -EBADMSG,
			"ros module: the protocol linux knows no modules; write initrd_id=\"...\" instead");
	if (check_modules(spec, "ros", &spec->ros_modules, e) < 0)
		return -EBADMSG;
	return needs_kernel(spec, "module", e);
}

static int check_hrt_file(const struct vm_spec *spec, struct error *e)
{
	return spec->hybrid ? check_index(spec, "hrt file_id", spec->hrt_file, e) : 0;
}

static int check_hrt_cmdline(const struct vm_spec *spec, struct error *e)
{
	return spec->hybrid ? check_cmdline("hrt", spec->hrt_cmdline, e) : 0;
}

static int check_hrt_modules(const struct vm_spec *spec, struct error *e)
{
	return check_modules(spec, "hrt", &spec->hrt_modules, e);
}

/* A text cannot say otherwise; the link could. */
static int check_hrt_words(const struct vm_spec *spec, struct error *e)
{
	if (spec->hrt_layout >= N_SPEC_LAYOUTS || spec->hrt_hypercall >= N_SPEC_HYPERCALLS ||
		spec->hrt_upcall >= N_SPEC_UPCALLS || spec->hrt_on_crash >= N_SPEC_ON_CRASHES ||
		spec->hrt_ros_memory >= N_SPEC_ACCESSES || spec->hrt_granule >= N_SPEC_GRANULES)
		return error_set(e, -EBADMSG,
			"hrt: one of layout %u, hypercall %u, upcall %u, on_crash %u, ros_memory %u and granule %u does not exist",
			spec->hrt_layout, spec->hrt_hypercall, spec->hrt_upcall, spec->hrt_on_crash,
			spec->hrt_ros_memory, spec->hrt_granule);
	return 0;
}

static int check_hrt_stack(const struct vm_spec *spec, struct error *e)
{
	if (!spec->hybrid)
		return 0;
	if (spec->hrt_stack < PAGE_SIZE || spec->hrt_stack > SPEC_STACK_MAX ||
		spec->hrt_stack % PAGE_SIZE != 0)
		return error_set(e, -EBADMSG,
			"hrt stack: %" PRIu32 " bytes; it is a multiple of 4096, up to %u", spec->hrt_stack,
			SPEC_STACK_MAX);
	return 0;
}

/* That it ends below the boot state is for who knows the image. */
static int check_hrt_load(const struct vm_spec *spec, struct error *e)
{
	uint64_t load = spec->hrt_load;

	if (!spec->hybrid || load == 0)
		return 0;
	if (load % PAGE_SIZE != 0)
		return error_set(e, -EBADMSG, "hrt load: 0x%" PRIx64 "; it is a multiple of 0x1000", load);
	if (load < spec->ros_memory)
		return error_set(e, -EBADMSG,
			"hrt load: 0x%" PRIx64 " is memory of the ROS, which ends at 0x%" PRIx64 "; that or more would be right", load,
			spec->ros_memory);
	return 0;
}

static int check_hrt_deadline(const struct vm_spec *spec, struct error *e)
{
	if (spec->hybrid && spec->hrt_deadline > SPEC_DEADLINE_MAX)
		return error_set(e, -EBADMSG, "hrt deadline: %" PRIu32 " ms; the longest is %u", spec->hrt_deadline,
			SPEC_DEADLINE_MAX);
	return 0;
}

static int check_hrt_stacks_fit(const struct vm_spec *spec, struct error *e)
{
	uint64_t n, room;

	if (!spec->hybrid || spec->ros_cores >= spec->cores || spec->ros_memory >= spec->memory)
		return 0;
	n = spec->cores - spec->ros_cores;
	room = spec->memory - spec->ros_memory;
	if (n * spec->hrt_stack >= room) /* at most 64 * 1 MiB */
		return error_set(e, -EBADMSG,
			"hrt stack: %" PRIu64 " cores with %" PRIu32
			" bytes each do not fit into the %llu MiB that the HRT owns; "
			"give it more memory or smaller stacks",
			n, spec->hrt_stack, room / MiB);
	return 0;
}

/* Ports that every VM has, or whose device a definition can ask for. */
static const struct {
	uint32_t first, last;
	const char *what;
} taken_ports[] = {
	{0x20, 0x21, "the interrupt controller's"},
	{0x40, 0x43, "the timer's"},
	{0x60, 0x64, "the keyboard controller's and the timer's"},
	{0x70, 0x71, "the clock's"},
	{0x80, 0x80, "written by guests to pass time"},
	{HVM_PORT_HEARTBEAT, HVM_PORT_HEARTBEAT, "the heartbeat's"},
	{0xA0, 0xA1, "the interrupt controller's"},
	{HVM_PORT, HVM_PORT, "that of hypercalls"},
	{0x2E8, 0x2EF, "a serial port's"},
	{0x2F8, 0x2FF, "a serial port's"},
	{0x3E8, 0x3EF, "a serial port's"},
	{0x3F8, 0x3FF, "a serial port's"},
	{0xCF8, 0xCFF, "the PCI bus's"},
	{HVM_PORT_CONSOLE, HVM_PORT_CONSOLE, "the debug port"},
};

#define DEBUG_EXIT_BYTES 4u /* from `port` on; as QEMU's isa-debug-exit has with iosize=4 */

static int check_port(uint32_t port, struct error *e)
{
	if (port < 1 || port > 0xFFFF)
		return error_set(e, -EBADMSG, "port: 0x%" PRIx32 " is no port", port);
	for (size_t i = 0; i < ARRAY_SIZE(taken_ports); i++)
		if (port + DEBUG_EXIT_BYTES > taken_ports[i].first && port <= taken_ports[i].last)
			return error_set(e, -EBADMSG,
				"port: four ports from 0x%" PRIx32 " on include 0x%" PRIx32 ", which is %s; 0x%x is free", port,
				taken_ports[i].first > port ? taken_ports[i].first : port, taken_ports[i].what,
				SPEC_DEBUG_EXIT_PORT);
	return 0;
}

static int check_device(const struct spec_device *device, struct error *e)
{
	if (device->class >= N_SPEC_DEVICE_CLASSES)
		return error_set(e, -EBADMSG, "device: there is no class %u", device->class);
	if (device->id && (!device->id[0] || strlen(device->id) > SPEC_DEVICE_ID_MAX || !spec_text_valid(device->id)))
		return error_set(e, -EBADMSG, "device: an id has 1 to %d bytes and no control characters",
			SPEC_DEVICE_ID_MAX);
	if (device->class == SPEC_DEVICE_DEBUG_EXIT)
		return check_port(device->port, e);
	return device->port == 0 ? 0 : error_set(e, -EBADMSG, "device: only a debug-exit device has a port");
}

static int check_two_devices(const struct spec_device *a, const struct spec_device *b, struct error *e)
{
	if (a->id && b->id && strcmp(a->id, b->id) == 0)
		return error_set(e, -EBADMSG, "devices: two have the id \"%s\"; each needs its own", a->id);
	if (a->class == SPEC_DEVICE_SERIAL && b->class == SPEC_DEVICE_SERIAL)
		return error_set(e, -EBADMSG, "devices: one of class SERIAL has all four serial ports; take the other out");
	if (a->class == b->class && ranges_overlap(a->port, DEBUG_EXIT_BYTES, b->port, DEBUG_EXIT_BYTES))
		return error_set(e, -EBADMSG,
			"devices: the four ports from 0x%" PRIx32 " on and those from 0x%" PRIx32 " on overlap", a->port,
			b->port);
	return 0;
}

int spec_check_device(const struct vm_spec *spec, size_t i, struct error *e)
{
	int r = check_device(&spec->devices[i], e);

	for (size_t k = 0; r == 0 && k < i; k++)
		r = check_two_devices(&spec->devices[k], &spec->devices[i], e);
	return r;
}

static int check_devices(const struct vm_spec *spec, struct error *e)
{
	int r = 0;

	if (spec->n_devices > SPEC_DEVICES_MAX)
		return error_set(e, -EBADMSG, "devices: %zu are more than the %d that a VM may have", spec->n_devices,
			SPEC_DEVICES_MAX);
	for (size_t i = 0; r == 0 && i < spec->n_devices; i++)
		r = spec_check_device(spec, i, e);
	return r;
}

#define NAME         SPEC_FIELD_BIT(SPEC_FIELD_NAME)
#define MEMORY       SPEC_FIELD_BIT(SPEC_FIELD_MEMORY)
#define HUGEPAGES    SPEC_FIELD_BIT(SPEC_FIELD_HUGEPAGES)
#define CORES        SPEC_FIELD_BIT(SPEC_FIELD_CORES)
#define FILES        SPEC_FIELD_BIT(SPEC_FIELD_FILES)
#define ROS_CORES    SPEC_FIELD_BIT(SPEC_FIELD_ROS_CORES)
#define ROS_MEMORY   SPEC_FIELD_BIT(SPEC_FIELD_ROS_MEMORY)
#define ROS_FILE     SPEC_FIELD_BIT(SPEC_FIELD_ROS_FILE)
#define ROS_INITRD   SPEC_FIELD_BIT(SPEC_FIELD_ROS_INITRD)
#define ROS_CMDLINE  SPEC_FIELD_BIT(SPEC_FIELD_ROS_CMDLINE)
#define ROS_APPEND   SPEC_FIELD_BIT(SPEC_FIELD_ROS_APPEND)
#define ROS_ENDS     SPEC_FIELD_BIT(SPEC_FIELD_ROS_ENDS)
#define ROS_PROTOCOL SPEC_FIELD_BIT(SPEC_FIELD_ROS_PROTOCOL)
#define ROS_MODULES  SPEC_FIELD_BIT(SPEC_FIELD_ROS_MODULES)
#define HRT_FILE     SPEC_FIELD_BIT(SPEC_FIELD_HRT_FILE)
#define HRT_CMDLINE  SPEC_FIELD_BIT(SPEC_FIELD_HRT_CMDLINE)
#define HRT_STACK    SPEC_FIELD_BIT(SPEC_FIELD_HRT_STACK)
#define HRT_MODULES  SPEC_FIELD_BIT(SPEC_FIELD_HRT_MODULES)
#define DEVICES      SPEC_FIELD_BIT(SPEC_FIELD_DEVICES)

const struct spec_rule spec_rules[] = {
	{NAME, SPEC_FIELD_NAME, check_name},
	{MEMORY, SPEC_FIELD_MEMORY, check_memory},
	{MEMORY | HUGEPAGES, SPEC_FIELD_HUGEPAGES, check_hugepages},
	{CORES, SPEC_FIELD_CORES, check_cores},
	{CORES, SPEC_FIELD_CORES, check_cores_for_both},
	{CORES, SPEC_FIELD_CORES, check_pins},
	{CORES | ROS_CORES, SPEC_FIELD_CORES, check_nodes},
	{FILES, SPEC_FIELD_FILES, check_files},
	{CORES | ROS_CORES, SPEC_FIELD_ROS_CORES, check_ros_cores},
	{MEMORY | ROS_MEMORY, SPEC_FIELD_ROS_MEMORY, check_ros_memory},
	{ROS_MEMORY | HUGEPAGES, SPEC_FIELD_HUGEPAGES, check_hugepages_of_ros},
	{FILES | ROS_FILE, SPEC_FIELD_ROS_FILE, check_ros_file},
	{FILES | ROS_INITRD, SPEC_FIELD_ROS_INITRD, check_ros_initrd},
	{ROS_CMDLINE, SPEC_FIELD_ROS_CMDLINE, check_ros_cmdline},
	{ROS_APPEND, SPEC_FIELD_ROS_APPEND, check_ros_append},
	{ROS_PROTOCOL, SPEC_FIELD_ROS_PROTOCOL, check_ros_protocol},
	{ROS_ENDS, SPEC_FIELD_ROS_ENDS, check_ros_ends},
	{FILES | ROS_MODULES, SPEC_FIELD_ROS_MODULES, check_ros_modules},
	{FILES | HRT_FILE, SPEC_FIELD_HRT_FILE, check_hrt_file},
	{HRT_CMDLINE, SPEC_FIELD_HRT_CMDLINE, check_hrt_cmdline},
	{HRT_STACK, SPEC_FIELD_HRT_STACK, check_hrt_stack},
	{SPEC_FIELD_BIT(SPEC_FIELD_HRT_LOAD) | ROS_MEMORY, SPEC_FIELD_HRT_LOAD, check_hrt_load},
	{SPEC_FIELD_BIT(SPEC_FIELD_HRT_DEADLINE), SPEC_FIELD_HRT_DEADLINE, check_hrt_deadline},
	{MEMORY | CORES | ROS_CORES | ROS_MEMORY | HRT_STACK, SPEC_FIELD_HRT_STACK, check_hrt_stacks_fit},
	{HRT_STACK, SPEC_FIELD_HRT_STACK, check_hrt_words},
	{FILES | HRT_MODULES, SPEC_FIELD_HRT_MODULES, check_hrt_modules},
	{DEVICES, SPEC_FIELD_DEVICES, check_devices},
};
const size_t n_spec_rules = ARRAY_SIZE(spec_rules);
