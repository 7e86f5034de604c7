/* grammar.c - the table; see grammar.h, and lookup.c for what is asked of it */
#include "spec/grammar.h"

#include "abi/x86.h"
#include "base/macro.h"
#include "spec/container.h"
#include "spec/spec.h"

/* Bytes in a filename: PATH_MAX of Linux without the NUL. */
#define FILENAME_BYTES_MAX 4095

/* Bytes in the name of an override: far more than a person types. */
#define TAG_BYTES_MAX 255

/* Rows that several groups have alike. */
#define FILE_REFERENCE(name_, parent_, ...)                                                                    \
	{.name = name_, .parent = parent_, .kind = GRAMMAR_TEXT, .min = 1, .max = SPEC_FILE_ID_MAX, __VA_ARGS__}
#define COMMAND_LINE(parent_, ...)                                                                             \
	{.name = "cmdline", .parent = parent_, .kind = GRAMMAR_TEXT, .max = SPEC_CMDLINE_MAX, .fallback = "",  \
		__VA_ARGS__}
#define WORD(name_, parent_, ...) {.name = name_, .parent = parent_, .kind = GRAMMAR_WORD, __VA_ARGS__}
#define FOREIGN(name_, parent_, ...) {.name = name_, .parent = parent_, .kind = GRAMMAR_FOREIGN, __VA_ARGS__}
#define VERDICT(name_, parent_, ...) {.name = name_, .parent = parent_, .kind = GRAMMAR_VERDICT, __VA_ARGS__}

/* Reasons that several rows share. */
#define EDF_ONLY "only Palacios' EDF scheduler reads it; here the host's kernel shares out its CPUs"
#define ONE_NODE "NUMA nodes are shared out evenly, by <cores nodes=\"...\"/>"
#define NO_SWAP  "hvmd swaps nothing itself"

/* clang-format off: one thing, one paragraph */
const struct grammar_rule grammar[N_GRAMMAR] = {
	[GRAMMAR_VM] = {.name = "vm", .parent = GRAMMAR_NONE, .kind = GRAMMAR_GROUP, .required = true,
		.about = "the definition of one VM"},
	[GRAMMAR_OPT_TAG] = {.name = "opt_tag", .parent = GRAMMAR_ANY, .kind = GRAMMAR_TEXT, .max = TAG_BYTES_MAX,
		.about = "the word by which hvmctl define --set replaces the element's text"},
	[GRAMMAR_VM_NAME] = {.name = "name", .parent = GRAMMAR_VM, .kind = GRAMMAR_NAME, .required = true,
		.example = "name=\"nautilus\"", .about = "the name by which the VM is known"},
	[GRAMMAR_VM_CLASS] = WORD("class", GRAMMAR_VM, .required = true, .example = "class=\"PC\"",
		.about = "the kind of machine"),
	[GRAMMAR_VM_UUID] = {.name = "uuid", .parent = GRAMMAR_VM, .kind = GRAMMAR_UUID,
		.about = "the identity of the VM; hvmd makes one where none is given"},

	[GRAMMAR_MEMORY] = {.name = "memory", .parent = GRAMMAR_VM, .kind = GRAMMAR_NUMBER, .required = true,
		.as_element = true, .min = SPEC_MEMORY_MIN / MiB, .max = SPEC_MEMORY_MAX / MiB, .step = 1,
		.unit = "MiB", .example = "<memory>256</memory>", .about = "RAM of the whole VM, in MiB"},
	[GRAMMAR_MEMORY_HUGEPAGES] = {.name = "hugepages", .parent = GRAMMAR_MEMORY, .kind = GRAMMAR_SWITCH,
		.fallback = "n", .about = "whether the memory consists of huge pages of the host"},
	[GRAMMAR_MEMORY_ALIGNMENT] = VERDICT("alignment", GRAMMAR_MEMORY,
		.ignored = "the host's kernel aligns guest memory as its pages need it"),

	[GRAMMAR_CORES] = {.name = "cores", .parent = GRAMMAR_VM, .kind = GRAMMAR_GROUP, .required = true,
		.example = "<cores count=\"4\"/>", .about = "the cores of the whole VM"},
	[GRAMMAR_CORES_COUNT] = {.name = "count", .parent = GRAMMAR_CORES, .kind = GRAMMAR_NUMBER, .required = true,
		.min = 1, .max = SPEC_CORES_MAX, .step = 1, .example = "count=\"4\"",
		.about = "how many cores both partitions have together"},
	[GRAMMAR_CORES_CPU_WEIGHT] = {.name = "cpu_weight", .parent = GRAMMAR_CORES, .kind = GRAMMAR_NUMBER, .min = 1,
		.max = SPEC_CPU_WEIGHT_MAX, .step = 1,
		.about = "the VM's share of the host's CPUs where they are short; others have 100"},
	[GRAMMAR_CORES_NODES] = {.name = "nodes", .parent = GRAMMAR_CORES, .kind = GRAMMAR_NUMBER, .min = 1,
		.max = SPEC_NODES_MAX, .step = 1, .about = "how many NUMA nodes the ROS is told of"},
	[GRAMMAR_CORE] = {.name = "core", .parent = GRAMMAR_CORES, .kind = GRAMMAR_GROUP, .repeats = true,
		.about = "one core: the first such element is core 0, the next one core 1"},
	[GRAMMAR_CORE_TARGET_CPU] = {.name = "target_cpu", .parent = GRAMMAR_CORE, .kind = GRAMMAR_NUMBER, .min = 0,
		.max = SPEC_CPU_MAX, .step = 1, .about = "the CPU of the host that the core runs on, and no other"},
	[GRAMMAR_CORE_VNODE] = VERDICT("vnode", GRAMMAR_CORE,
		.refused = ONE_NODE "; take vnode out"),
	[GRAMMAR_CORE_KHZ] = VERDICT("khz", GRAMMAR_CORE,
		.refused = "a core runs at the clock rate of the host's CPU; take it out"),
	[GRAMMAR_CORE_VCPU_ID] = VERDICT("vcpu_id", GRAMMAR_CORE, .ignored = EDF_ONLY),
	[GRAMMAR_CORE_PERIOD] = VERDICT("period", GRAMMAR_CORE, .ignored = EDF_ONLY),
	[GRAMMAR_CORE_SLICE] = VERDICT("slice", GRAMMAR_CORE, .ignored = EDF_ONLY),
	[GRAMMAR_CORE_EXTRA_TIME] = VERDICT("extra_time", GRAMMAR_CORE, .ignored = EDF_ONLY),

	[GRAMMAR_FILES] = {.name = "files", .parent = GRAMMAR_VM, .kind = GRAMMAR_GROUP,
		.about = "the files that the VM needs"},
	[GRAMMAR_FILE] = {.name = "file", .parent = GRAMMAR_FILES, .kind = GRAMMAR_GROUP, .repeats = true,
		.about = "one file"},
	[GRAMMAR_FILE_ID] = {.name = "id", .parent = GRAMMAR_FILE, .kind = GRAMMAR_TEXT, .required = true, .min = 1,
		.max = SPEC_FILE_ID_MAX, .example = "id=\"hrt\"", .about = "the word by which other elements name the file"},
	[GRAMMAR_FILE_FILENAME] = {.name = "filename", .parent = GRAMMAR_FILE, .kind = GRAMMAR_TEXT, .min = 1,
		.max = FILENAME_BYTES_MAX, .about = "where hvmctl finds the file, relative to the definition's folder"},
	[GRAMMAR_FILE_SHA256] = {.name = "sha256", .parent = GRAMMAR_FILE, .kind = GRAMMAR_SHA256,
		.about = "the SHA-256 of the file as hvmd stores it"},
	[GRAMMAR_FILE_INDEX] = {.name = "index", .parent = GRAMMAR_FILE, .kind = GRAMMAR_NUMBER, .min = 0,
		.max = CONTAINER_FILES_MAX - 1, .step = 1,
		.about = "which file of the image container it is that the definition came in"},

	[GRAMMAR_VM_ROS] = {.name = "ros", .parent = GRAMMAR_VM, .kind = GRAMMAR_GROUP,
		.about = "what a VM without an HRT boots"},
	[GRAMMAR_VM_ROS_FILE_ID] = FILE_REFERENCE("file_id", GRAMMAR_VM_ROS, .about = "the id of the kernel's file"),
	[GRAMMAR_VM_ROS_INITRD_ID] = FILE_REFERENCE("initrd_id", GRAMMAR_VM_ROS,
		.about = "the id of the file with the initial RAM disk"),
	[GRAMMAR_VM_ROS_CMDLINE] = COMMAND_LINE(GRAMMAR_VM_ROS, .about = "the kernel's command line"),
	[GRAMMAR_VM_ROS_APPEND] = {.name = "append", .parent = GRAMMAR_VM_ROS, .kind = GRAMMAR_SWITCH, .fallback = "n",
		.about = "whether a start may add to the command line"},
	[GRAMMAR_VM_ROS_PROTOCOL] = WORD("protocol", GRAMMAR_VM_ROS, .fallback = "auto",
		.about = "how the kernel is entered"),
	[GRAMMAR_VM_ROS_ON_POWEROFF] = WORD("on_poweroff", GRAMMAR_VM_ROS, .fallback = "stop",
		.about = "what becomes of the ROS when it has turned itself off"),
	[GRAMMAR_VM_ROS_ON_RESET] = WORD("on_reset", GRAMMAR_VM_ROS, .fallback = "restart",
		.about = "what becomes of the ROS when it has reset itself"),
	[GRAMMAR_VM_ROS_ON_CRASH] = WORD("on_crash", GRAMMAR_VM_ROS, .fallback = "pause",
		.about = "what becomes of the ROS when it has crashed"),
	[GRAMMAR_VM_ROS_MODULE] = {.name = "module", .parent = GRAMMAR_VM_ROS, .kind = GRAMMAR_GROUP, .repeats = true,
		.about = "a file that a multiboot kernel gets beside it"},
	[GRAMMAR_VM_ROS_MODULE_FILE_ID] = FILE_REFERENCE("file_id", GRAMMAR_VM_ROS_MODULE, .required = true,
		.example = "file_id=\"data\"", .about = "the id of the module's file"),
	[GRAMMAR_VM_ROS_MODULE_CMDLINE] = COMMAND_LINE(GRAMMAR_VM_ROS_MODULE, .about = "the text that the module is given with"),

	[GRAMMAR_HVM] = {.name = "hvm", .parent = GRAMMAR_VM, .kind = GRAMMAR_GROUP,
		.about = "makes the VM a hybrid of two partitions"},
	[GRAMMAR_HVM_ENABLE] = {.name = "enable", .parent = GRAMMAR_HVM, .kind = GRAMMAR_SWITCH, .fallback = "n",
		.example = "enable=\"y\"", .about = "whether the VM is a hybrid"},

	[GRAMMAR_ROS] = {.name = "ros", .parent = GRAMMAR_HVM, .kind = GRAMMAR_GROUP,
		.example = "<ros cores=\"2\" mem=\"8\"/>", .about = "the partition of the regular OS"},
	[GRAMMAR_ROS_CORES] = {.name = "cores", .parent = GRAMMAR_ROS, .kind = GRAMMAR_NUMBER, .required = true,
		.min = 1, .max = SPEC_CORES_MAX - 1, .step = 1, .example = "cores=\"2\"",
		.about = "how many cores the ROS has, from core 0 on"},
	[GRAMMAR_ROS_MEM] = {.name = "mem", .parent = GRAMMAR_ROS, .kind = GRAMMAR_NUMBER, .required = true, .min = 1,
		.max = DEVICE_HOLE_START / MiB, .step = 1, .unit = "MiB", .example = "mem=\"8\"",
		.about = "RAM of the ROS from address 0 on, in MiB"},
	[GRAMMAR_ROS_FILE_ID] = FILE_REFERENCE("file_id", GRAMMAR_ROS, .about = "the id of the kernel's file"),
	[GRAMMAR_ROS_INITRD_ID] = FILE_REFERENCE("initrd_id", GRAMMAR_ROS,
		.about = "the id of the file with the initial RAM disk"),
	[GRAMMAR_ROS_CMDLINE] = COMMAND_LINE(GRAMMAR_ROS, .about = "the kernel's command line"),
	[GRAMMAR_ROS_APPEND] = {.name = "append", .parent = GRAMMAR_ROS, .kind = GRAMMAR_SWITCH, .fallback = "n",
		.about = "whether a start may add to the command line"},
	[GRAMMAR_ROS_PROTOCOL] = WORD("protocol", GRAMMAR_ROS, .fallback = "auto", .about = "how the kernel is entered"),
	[GRAMMAR_ROS_ON_POWEROFF] = WORD("on_poweroff", GRAMMAR_ROS, .fallback = "stop",
		.about = "what becomes of the ROS when it has turned itself off"),
	[GRAMMAR_ROS_ON_RESET] = WORD("on_reset", GRAMMAR_ROS, .fallback = "restart",
		.about = "what becomes of the ROS when it has reset itself"),
	[GRAMMAR_ROS_ON_CRASH] = WORD("on_crash", GRAMMAR_ROS, .fallback = "pause",
		.about = "what becomes of the ROS when it has crashed"),
	[GRAMMAR_ROS_MODULE] = {.name = "module", .parent = GRAMMAR_ROS, .kind = GRAMMAR_GROUP, .repeats = true,
		.about = "a file that a multiboot kernel gets beside it"},
	[GRAMMAR_ROS_MODULE_FILE_ID] = FILE_REFERENCE("file_id", GRAMMAR_ROS_MODULE, .required = true,
		.example = "file_id=\"data\"", .about = "the id of the module's file"),
	[GRAMMAR_ROS_MODULE_CMDLINE] = COMMAND_LINE(GRAMMAR_ROS_MODULE, .about = "the text that the module is given with"),

	[GRAMMAR_HRT] = {.name = "hrt", .parent = GRAMMAR_HVM, .kind = GRAMMAR_GROUP,
		.example = "<hrt file_id=\"hrt\"/>", .about = "the partition of the hybrid runtime"},
	[GRAMMAR_HRT_FILE_ID] = FILE_REFERENCE("file_id", GRAMMAR_HRT, .required = true, .example = "file_id=\"hrt\"",
		.about = "the id of the file that holds the HRT's image"),
	[GRAMMAR_HRT_CMDLINE] = COMMAND_LINE(GRAMMAR_HRT, .about = "the command line that the HRT is told"),
	[GRAMMAR_HRT_APPEND] = {.name = "append", .parent = GRAMMAR_HRT, .kind = GRAMMAR_SWITCH, .fallback = "n",
		.about = "whether a start may add to the command line"},
	[GRAMMAR_HRT_STACK] = {.name = "stack", .parent = GRAMMAR_HRT, .kind = GRAMMAR_NUMBER, .min = PAGE_SIZE,
		.max = SPEC_STACK_MAX, .step = PAGE_SIZE, .unit = "bytes", .fallback = "4096",
		.about = "size of each HRT core's first stack, in bytes"},
	[GRAMMAR_HRT_LAYOUT] = WORD("layout", GRAMMAR_HRT, .fallback = "final",
		.about = "what the HRT finds when it is entered"),
	[GRAMMAR_HRT_LOAD] = {.name = "load", .parent = GRAMMAR_HRT, .kind = GRAMMAR_ADDRESS, .min = PAGE_SIZE,
		.max = GiB - PAGE_SIZE, .unit = "address", .about = "where a raw image is loaded"},
	[GRAMMAR_HRT_ENTRY] = {.name = "entry", .parent = GRAMMAR_HRT, .kind = GRAMMAR_ADDRESS, .max = 256 * MiB - 1,
		.unit = "offset", .fallback = "0x40", .about = "where a raw image is entered, from its begin"},
	[GRAMMAR_HRT_GRANULE] = WORD("granule", GRAMMAR_HRT, .fallback = "2M",
		.about = "the pages by which the seed layout maps memory"),
	[GRAMMAR_HRT_IDENTITY] = {.name = "identity", .parent = GRAMMAR_HRT, .kind = GRAMMAR_SWITCH, .fallback = "n",
		.about = "whether memory is mapped at address 0, too"},
	[GRAMMAR_HRT_HYPERCALL] = WORD("hypercall", GRAMMAR_HRT, .fallback = "auto", .about = "how hypercalls reach hvmd"),
	[GRAMMAR_HRT_UPCALL] = WORD("upcall", GRAMMAR_HRT, .fallback = "auto", .about = "how hvmd calls into the HRT"),
	[GRAMMAR_HRT_DEADLINE] = {.name = "deadline", .parent = GRAMMAR_HRT, .kind = GRAMMAR_NUMBER, .min = 0,
		.max = SPEC_DEADLINE_MAX, .step = 1, .unit = "milliseconds", .fallback = "0",
		.about = "how long the HRT may take for what the ROS asks of it, in milliseconds"},
	[GRAMMAR_HRT_ON_CRASH] = WORD("on_crash", GRAMMAR_HRT, .fallback = "pause",
		.about = "what becomes of the HRT when it has crashed"),
	[GRAMMAR_HRT_ROS_MEMORY] = WORD("ros_memory", GRAMMAR_HRT, .fallback = "rw",
		.about = "what the HRT may do with the memory of the ROS"),
	[GRAMMAR_HRT_MODULE] = {.name = "module", .parent = GRAMMAR_HRT, .kind = GRAMMAR_GROUP, .repeats = true,
		.about = "a file that the HRT gets beside its image"},
	[GRAMMAR_HRT_MODULE_FILE_ID] = FILE_REFERENCE("file_id", GRAMMAR_HRT_MODULE, .required = true,
		.example = "file_id=\"data\"", .about = "the id of the module's file"),
	[GRAMMAR_HRT_MODULE_CMDLINE] = COMMAND_LINE(GRAMMAR_HRT_MODULE, .about = "the text that the module is given with"),

	[GRAMMAR_DEVICES] = {.name = "devices", .parent = GRAMMAR_VM, .kind = GRAMMAR_GROUP,
		.about = "the devices beyond those that every VM has"},
	[GRAMMAR_DEVICE] = {.name = "device", .parent = GRAMMAR_DEVICES, .kind = GRAMMAR_GROUP, .repeats = true,
		.about = "one device"},
	[GRAMMAR_DEVICE_CLASS] = WORD("class", GRAMMAR_DEVICE, .required = true, .example = "class=\"SERIAL\"",
		.about = "the kind of device"),
	[GRAMMAR_DEVICE_ID] = {.name = "id", .parent = GRAMMAR_DEVICE, .kind = GRAMMAR_TEXT, .min = 1,
		.max = SPEC_DEVICE_ID_MAX, .about = "a word for the device"},
	[GRAMMAR_DEVICE_PORT] = {.name = "port", .parent = GRAMMAR_DEVICE, .kind = GRAMMAR_ADDRESS, .min = 1, .max = 0xFFFF,
		.unit = "port", .fallback = "0xf4", .about = "the port of a debug-exit device"},
	[GRAMMAR_GENERIC] = FOREIGN("device", GRAMMAR_DEVICES, .repeats = true, .variant = true),
	[GRAMMAR_GENERIC_CLASS] = VERDICT("class", GRAMMAR_GENERIC),
	[GRAMMAR_GENERIC_ID] = VERDICT("id", GRAMMAR_GENERIC, .ignored = ""),
	[GRAMMAR_GENERIC_FORWARD] = VERDICT("forward", GRAMMAR_GENERIC, .ignored = ""),
	[GRAMMAR_GENERIC_PORTS] = FOREIGN("ports", GRAMMAR_GENERIC, .repeats = true),
	[GRAMMAR_GENERIC_PORTS_START] = VERDICT("start", GRAMMAR_GENERIC_PORTS, .ignored = ""),
	[GRAMMAR_GENERIC_PORTS_END] = VERDICT("end", GRAMMAR_GENERIC_PORTS, .ignored = ""),
	[GRAMMAR_GENERIC_PORTS_MODE] = VERDICT("mode", GRAMMAR_GENERIC_PORTS),
	[GRAMMAR_GENERIC_MEMORY] = FOREIGN("memory", GRAMMAR_GENERIC, .repeats = true),
	[GRAMMAR_GENERIC_MEMORY_START] = VERDICT("start", GRAMMAR_GENERIC_MEMORY, .ignored = ""),
	[GRAMMAR_GENERIC_MEMORY_END] = VERDICT("end", GRAMMAR_GENERIC_MEMORY, .ignored = ""),
	[GRAMMAR_GENERIC_MEMORY_MODE] = VERDICT("mode", GRAMMAR_GENERIC_MEMORY),

	[GRAMMAR_MULTIBOOT] = {.name = "multiboot", .parent = GRAMMAR_VM, .kind = GRAMMAR_GROUP,
		.about = "gives the ROS a multiboot2 kernel, as Palacios writes it"},
	[GRAMMAR_MULTIBOOT_ENABLE] = {.name = "enable", .parent = GRAMMAR_MULTIBOOT, .kind = GRAMMAR_SWITCH,
		.fallback = "n", .example = "enable=\"y\"", .about = "whether the kernel is booted"},
	[GRAMMAR_MULTIBOOT_FILE_ID] = FILE_REFERENCE("file_id", GRAMMAR_MULTIBOOT, .required = true,
		.example = "file_id=\"kernel\"", .about = "the id of the kernel's file"),

	[GRAMMAR_SCHEDULE_HZ] = VERDICT("schedule_hz", GRAMMAR_VM, .ignored = "the host's kernel shares out its CPUs"),
	[GRAMMAR_TELEMETRY] = VERDICT("telemetry", GRAMMAR_VM, .ignored = "it is always on; hvmctl telemetry shows it"),

	[GRAMMAR_PAGING] = FOREIGN("paging", GRAMMAR_VM),
	[GRAMMAR_PAGING_MODE] = VERDICT("mode", GRAMMAR_PAGING),
	[GRAMMAR_PAGING_LARGE_PAGES] = VERDICT("large_pages", GRAMMAR_PAGING,
		.ignored = "KVM maps large pages wherever the host's memory has them"),
	[GRAMMAR_PAGING_STRATEGY] = VERDICT("strategy", GRAMMAR_PAGING),
	[GRAMMAR_PAGING_CACHE_SIZE] = VERDICT("cache_size", GRAMMAR_PAGING,
		.ignored = "it sizes a cache of shadow paging, which hvmd does not have"),

	[GRAMMAR_MEMMAP] = FOREIGN("memmap", GRAMMAR_VM),
	[GRAMMAR_MEMMAP_REGION] = {.name = "region", .parent = GRAMMAR_MEMMAP, .kind = GRAMMAR_GROUP, .repeats = true,
		.refused = "memory of the host is not passed through to a VM; take memmap out"},

	[GRAMMAR_MEM_LAYOUT] = FOREIGN("mem_layout", GRAMMAR_VM),
	[GRAMMAR_MEM_LAYOUT_VNODES] = VERDICT("vnodes", GRAMMAR_MEM_LAYOUT,
		.refused = ONE_NODE "; take mem_layout out"),
	[GRAMMAR_MEM_LAYOUT_REGION] = {.name = "region", .parent = GRAMMAR_MEM_LAYOUT, .kind = GRAMMAR_GROUP,
		.repeats = true, .refused = ONE_NODE ", and their memory is where the host's kernel puts it; take mem_layout out"},

	[GRAMMAR_BIOSES] = FOREIGN("bioses", GRAMMAR_VM),
	[GRAMMAR_BIOSES_DISABLE_VGABIOS] = VERDICT("disable_vgabios", GRAMMAR_BIOSES, .ignored = "a VM has no VGA BIOS"),
	[GRAMMAR_BIOSES_DISABLE_ROMBIOS] = VERDICT("disable_rombios", GRAMMAR_BIOSES, .ignored = "a VM has no BIOS"),
	[GRAMMAR_BIOSES_BIOS] = {.name = "bios", .parent = GRAMMAR_BIOSES, .kind = GRAMMAR_GROUP, .repeats = true,
		.refused = "no firmware runs in a VM; give the ROS a kernel with <ros file_id=\"...\"/> and take it out"},

	[GRAMMAR_TIME] = FOREIGN("time", GRAMMAR_VM),
	[GRAMMAR_TIME_SOURCE] = VERDICT("source", GRAMMAR_TIME, .ignored = "guest time follows the host's clock"),
	[GRAMMAR_TIME_TSC] = VERDICT("tsc", GRAMMAR_TIME, .ignored = "KVM gives each core its time stamp counter"),
	[GRAMMAR_TIME_DILATION] = VERDICT("dilation", GRAMMAR_TIME,
		.refused = "guest time runs as fast as the host's; write 1 or take it out"),

	[GRAMMAR_PERFTUNE] = {.name = "perftune", .parent = GRAMMAR_VM, .kind = GRAMMAR_GROUP,
		.ignored = "a core that has nothing to do sleeps in KVM, and there is nothing to tune"},

	[GRAMMAR_SWAPPING] = FOREIGN("swapping", GRAMMAR_VM),
	[GRAMMAR_SWAPPING_ENABLE] = VERDICT("enable", GRAMMAR_SWAPPING),
	[GRAMMAR_SWAPPING_ALLOCATED] = VERDICT("allocated", GRAMMAR_SWAPPING, .ignored = NO_SWAP),
	[GRAMMAR_SWAPPING_FILE] = VERDICT("file", GRAMMAR_SWAPPING, .ignored = NO_SWAP),
	[GRAMMAR_SWAPPING_STRATEGY] = VERDICT("strategy", GRAMMAR_SWAPPING, .ignored = NO_SWAP),

	[GRAMMAR_CACHEPART] = {.name = "cachepart", .parent = GRAMMAR_VM, .kind = GRAMMAR_GROUP,
		.refused = "hvmd does not divide the host's caches; take it out (Linux can, for a monitor's process: resctrl)"},

	[GRAMMAR_EXTENSIONS] = FOREIGN("extensions", GRAMMAR_VM),
	[GRAMMAR_EXTENSION] = FOREIGN("extension", GRAMMAR_EXTENSIONS, .repeats = true),
	[GRAMMAR_EXTENSION_NAME] = VERDICT("name", GRAMMAR_EXTENSION, .required = true, .example = "name=\"MTRRS\"",
		.about = "which extension of Palacios"),
};

/* Reasons that several words share. */
#define NO_SHADOW  "it is a strategy of shadow paging, and hvmd has nested paging only; take it out"
#define HAS_PICS   "each partition has the interrupt controllers that it needs"
#define HAS_TIMERS "each partition has the timers that it needs"
#define NO_PCI     "a VM has no PCI bus, and nothing that hvmd has needs one"
#define NO_BIOS    "there is no BIOS that would read or write it"
#define NO_DISK    "hvmd has no disks; boot a kernel with an initial RAM disk, <ros file_id=\"...\" initrd_id=\"...\"/>, and " \
		   "take it out"
#define NO_NETWORK "hvmd has no network devices; take it out"
#define NO_SCREEN  "a VM has no screen; its console is serial (class=\"SERIAL\", hvmctl console), so take it out"
#define NO_PASS    "devices of the host are not passed through to a VM; take it out"
#define NO_SYMBIOT "hvmd has no symbiotic interface; take it out"
#define NO_GEARS   "hvmd changes nothing inside a running guest; take it out"
#define NO_EDF     "the host's kernel schedules the cores; take it out, and pin cores with <core target_cpu=\"...\"/>"
#define NO_PORT_IO "ports of the host are not passed through to a VM; write mode=\"ignore\" or take it out"
#define NO_MEMORY  "memory of the host is not passed through to a VM; write mode=\"ignore\" or take it out"

const struct grammar_word grammar_words[] = {
	{GRAMMAR_VM_CLASS, "PC"},

	{GRAMMAR_CORE_VNODE, "0", .ignored = ONE_NODE},

	{GRAMMAR_VM_ROS_PROTOCOL, "auto", SPEC_PROTOCOL_AUTO},
	{GRAMMAR_VM_ROS_PROTOCOL, "linux", SPEC_PROTOCOL_LINUX},
	{GRAMMAR_VM_ROS_PROTOCOL, "pvh", SPEC_PROTOCOL_PVH},
	{GRAMMAR_VM_ROS_PROTOCOL, "multiboot", SPEC_PROTOCOL_MULTIBOOT},
	{GRAMMAR_VM_ROS_PROTOCOL, "multiboot2", SPEC_PROTOCOL_MULTIBOOT2},
	{GRAMMAR_ROS_PROTOCOL, "auto", SPEC_PROTOCOL_AUTO},
	{GRAMMAR_ROS_PROTOCOL, "linux", SPEC_PROTOCOL_LINUX},
	{GRAMMAR_ROS_PROTOCOL, "pvh", SPEC_PROTOCOL_PVH},
	{GRAMMAR_ROS_PROTOCOL, "multiboot", SPEC_PROTOCOL_MULTIBOOT},
	{GRAMMAR_ROS_PROTOCOL, "multiboot2", SPEC_PROTOCOL_MULTIBOOT2},
	{GRAMMAR_VM_ROS_ON_POWEROFF, "stop", SPEC_ON_POWEROFF_STOP},
	{GRAMMAR_VM_ROS_ON_POWEROFF, "restart", SPEC_ON_POWEROFF_RESET},
	{GRAMMAR_VM_ROS_ON_POWEROFF, "pause", SPEC_ON_POWEROFF_PAUSE},
	{GRAMMAR_VM_ROS_ON_RESET, "stop", SPEC_ON_RESET_STOP},
	{GRAMMAR_VM_ROS_ON_RESET, "restart", SPEC_ON_RESET_RESET},
	{GRAMMAR_VM_ROS_ON_RESET, "pause", SPEC_ON_RESET_PAUSE},
	{GRAMMAR_VM_ROS_ON_CRASH, "stop", SPEC_ON_CRASH_STOP},
	{GRAMMAR_VM_ROS_ON_CRASH, "restart", SPEC_ON_CRASH_RESET},
	{GRAMMAR_VM_ROS_ON_CRASH, "pause", SPEC_ON_CRASH_PAUSE},
	{GRAMMAR_VM_ROS_ON_CRASH, "ignore", SPEC_ON_CRASH_IGNORE},
	{GRAMMAR_ROS_ON_POWEROFF, "stop", SPEC_ON_POWEROFF_STOP},
	{GRAMMAR_ROS_ON_POWEROFF, "restart", SPEC_ON_POWEROFF_RESET},
	{GRAMMAR_ROS_ON_POWEROFF, "pause", SPEC_ON_POWEROFF_PAUSE},
	{GRAMMAR_ROS_ON_RESET, "stop", SPEC_ON_RESET_STOP},
	{GRAMMAR_ROS_ON_RESET, "restart", SPEC_ON_RESET_RESET},
	{GRAMMAR_ROS_ON_RESET, "pause", SPEC_ON_RESET_PAUSE},
	{GRAMMAR_ROS_ON_CRASH, "stop", SPEC_ON_CRASH_STOP},
	{GRAMMAR_ROS_ON_CRASH, "restart", SPEC_ON_CRASH_RESET},
	{GRAMMAR_ROS_ON_CRASH, "pause", SPEC_ON_CRASH_PAUSE},
	{GRAMMAR_ROS_ON_CRASH, "ignore", SPEC_ON_CRASH_IGNORE},

	{GRAMMAR_HRT_LAYOUT, "final", SPEC_LAYOUT_FINAL},
	{GRAMMAR_HRT_LAYOUT, "seed", SPEC_LAYOUT_SEED},
	{GRAMMAR_HRT_GRANULE, "4K", SPEC_GRANULE_4K},
	{GRAMMAR_HRT_GRANULE, "2M", SPEC_GRANULE_2M},
	{GRAMMAR_HRT_GRANULE, "1G", SPEC_GRANULE_1G},
	{GRAMMAR_HRT_HYPERCALL, "auto", SPEC_HYPERCALL_AUTO},
	{GRAMMAR_HRT_HYPERCALL, "port", SPEC_HYPERCALL_PORT},
	{GRAMMAR_HRT_HYPERCALL, "patch", SPEC_HYPERCALL_PATCH},
	{GRAMMAR_HRT_HYPERCALL, "xen", SPEC_HYPERCALL_XEN},
	{GRAMMAR_HRT_HYPERCALL, "mmio", SPEC_HYPERCALL_MMIO},
	{GRAMMAR_HRT_UPCALL, "auto", SPEC_UPCALL_AUTO},
	{GRAMMAR_HRT_UPCALL, "pf", SPEC_UPCALL_PF},
	{GRAMMAR_HRT_UPCALL, "gpf", SPEC_UPCALL_GPF},
	{GRAMMAR_HRT_UPCALL, "vector", SPEC_UPCALL_VECTOR},
	{GRAMMAR_HRT_ON_CRASH, "stop", SPEC_ON_CRASH_STOP},
	{GRAMMAR_HRT_ON_CRASH, "reset", SPEC_ON_CRASH_RESET},
	{GRAMMAR_HRT_ON_CRASH, "pause", SPEC_ON_CRASH_PAUSE},
	{GRAMMAR_HRT_ON_CRASH, "ignore", SPEC_ON_CRASH_IGNORE},
	{GRAMMAR_HRT_ROS_MEMORY, "rw", SPEC_ACCESS_RW},
	{GRAMMAR_HRT_ROS_MEMORY, "ro", SPEC_ACCESS_RO},
	{GRAMMAR_HRT_ROS_MEMORY, "none", SPEC_ACCESS_NONE},

	{GRAMMAR_PAGING_MODE, "nested", .ignored = "paging is always nested"},
	{GRAMMAR_PAGING_MODE, "shadow", .refused = "hvmd has nested paging only; write mode=\"nested\" or take paging out"},
	{GRAMMAR_PAGING_STRATEGY, "VTLB", .ignored = "it is a strategy of shadow paging, which hvmd does not have"},
	{GRAMMAR_PAGING_STRATEGY, "VTLB_CACHING", .refused = NO_SHADOW},
	{GRAMMAR_PAGING_STRATEGY, "SHADOW_CACHE", .refused = NO_SHADOW},
	{GRAMMAR_PAGING_STRATEGY, "SWAPBYPASS", .refused = NO_SHADOW},
	{GRAMMAR_MEM_LAYOUT_VNODES, "0", .ignored = "a guest is told of no NUMA nodes, unless <cores nodes=\"...\"/> says so"},
	{GRAMMAR_TIME_DILATION, "1", .ignored = "guest time runs as fast as the host's"},
	{GRAMMAR_SWAPPING_ENABLE, "n", .ignored = NO_SWAP},
	{GRAMMAR_SWAPPING_ENABLE, "y",
		.refused = NO_SWAP "; the host's kernel swaps a VM's memory when it has to, so take swapping out"},

	/* Extensions [spec 1.3, below the table] */
	{GRAMMAR_EXTENSION_NAME, "MTRRS", .ignored = "KVM gives each core its memory type range registers"},
	{GRAMMAR_EXTENSION_NAME, "MCHECK", .ignored = "KVM gives each core its machine check registers"},
	{GRAMMAR_EXTENSION_NAME, "VMWARE_IFACE", .ignored = "a guest that looks for VMware's interface finds none and goes on"},
	{GRAMMAR_EXTENSION_NAME, "inspector", .ignored = "hvmctl status and hvmctl telemetry show what a VM does"},
	{GRAMMAR_EXTENSION_NAME, "trans_mem", .refused = "transactional memory is not emulated; take it out"},
	{GRAMMAR_EXTENSION_NAME, "EDF Scheduler", .refused = NO_EDF},
	{GRAMMAR_EXTENSION_NAME, "cpu_mapper for EDF Scheduler", .refused = NO_EDF},
	{GRAMMAR_EXTENSION_NAME, "code_inject", .refused = NO_GEARS},
	{GRAMMAR_EXTENSION_NAME, "env_inject", .refused = NO_GEARS},
	{GRAMMAR_EXTENSION_NAME, "execve_intercept", .refused = NO_GEARS},
	{GRAMMAR_EXTENSION_NAME, "guard_mods", .refused = NO_GEARS},
	{GRAMMAR_EXTENSION_NAME, "privilege", .refused = NO_GEARS},
	{GRAMMAR_EXTENSION_NAME, "swintr_intercept", .refused = NO_GEARS},
	{GRAMMAR_EXTENSION_NAME, "syscall_intercept", .refused = NO_GEARS},

	/* Devices [spec 1.4] */
	{GRAMMAR_DEVICE_CLASS, "SERIAL", SPEC_DEVICE_SERIAL},
	{GRAMMAR_DEVICE_CLASS, "debug-exit", SPEC_DEVICE_DEBUG_EXIT},
	{GRAMMAR_DEVICE_CLASS, "8259A", .ignored = HAS_PICS},
	{GRAMMAR_DEVICE_CLASS, "LAPIC", .ignored = HAS_PICS},
	{GRAMMAR_DEVICE_CLASS, "IOAPIC", .ignored = HAS_PICS},
	{GRAMMAR_DEVICE_CLASS, "SIMPLE_PIC", .ignored = HAS_PICS},
	{GRAMMAR_DEVICE_CLASS, "8254_PIT", .ignored = HAS_TIMERS},
	{GRAMMAR_DEVICE_CLASS, "HPET", .ignored = HAS_TIMERS},
	{GRAMMAR_DEVICE_CLASS, "TIMER", .ignored = HAS_TIMERS},
	{GRAMMAR_DEVICE_CLASS, "PCI", .ignored = NO_PCI},
	{GRAMMAR_DEVICE_CLASS, "i440FX", .ignored = NO_PCI},
	{GRAMMAR_DEVICE_CLASS, "PIIX3", .ignored = NO_PCI},
	{GRAMMAR_DEVICE_CLASS, "NVRAM", .ignored = NO_BIOS},
	{GRAMMAR_DEVICE_CLASS, "BOCHS_DEBUG", .ignored = NO_BIOS},
	{GRAMMAR_DEVICE_CLASS, "MPTABLE", .ignored = "hvmd tells each partition of its cores without it"},
	{GRAMMAR_DEVICE_CLASS, "KEYBOARD", .ignored = "a VM has no keyboard; its console is serial"},
	{GRAMMAR_DEVICE_CLASS, "OS_DEBUG", .ignored = "the debug port 0xC0C0 is in every VM"},
	{GRAMMAR_DEVICE_CLASS, "CHAR_STREAM", .ignored = "hvmctl console shows what goes through a VM's console"},
	{GRAMMAR_DEVICE_CLASS, "GENERIC", .look_as = GRAMMAR_GENERIC, .ignored = ""},
	{GRAMMAR_GENERIC_CLASS, "GENERIC",
		.ignored = "reads of ports and addresses where nothing is give all ones, and writes vanish, without it"},
	{GRAMMAR_GENERIC_FORWARD, "host_device", .refused = NO_PASS},
	{GRAMMAR_GENERIC_PORTS_MODE, "ignore", .ignored = ""},
	{GRAMMAR_GENERIC_PORTS_MODE, "print_and_ignore", .ignored = ""},
	{GRAMMAR_GENERIC_PORTS_MODE, "passthrough", .refused = NO_PORT_IO},
	{GRAMMAR_GENERIC_PORTS_MODE, "print_and_passthrough", .refused = NO_PORT_IO},
	{GRAMMAR_GENERIC_MEMORY_MODE, "ignore", .ignored = ""},
	{GRAMMAR_GENERIC_MEMORY_MODE, "print_and_ignore", .ignored = ""},
	{GRAMMAR_GENERIC_MEMORY_MODE, "passthrough", .refused = NO_MEMORY},
	{GRAMMAR_GENERIC_MEMORY_MODE, "print_and_passthrough", .refused = NO_MEMORY},
	{GRAMMAR_DEVICE_CLASS, "IDE", .refused = NO_DISK},
	{GRAMMAR_DEVICE_CLASS, "RAMDISK", .refused = NO_DISK},
	{GRAMMAR_DEVICE_CLASS, "FILEDISK", .refused = NO_DISK},
	{GRAMMAR_DEVICE_CLASS, "QCOWDISK", .refused = NO_DISK},
	{GRAMMAR_DEVICE_CLASS, "TMPDISK", .refused = NO_DISK},
	{GRAMMAR_DEVICE_CLASS, "NETDISK", .refused = NO_DISK},
	{GRAMMAR_DEVICE_CLASS, "DISK_MODEL", .refused = NO_DISK},
	{GRAMMAR_DEVICE_CLASS, "SWAPBYPASS_CACHE", .refused = NO_DISK},
	{GRAMMAR_DEVICE_CLASS, "SWAPBYPASS_CACHE2", .refused = NO_DISK},
	{GRAMMAR_DEVICE_CLASS, "LNX_VIRTIO_BLK", .refused = NO_DISK},
	{GRAMMAR_DEVICE_CLASS, "LNX_VIRTIO_BALLOON", .refused = "memory that a guest does not touch costs nothing, and what it has "
		"touched is not taken back; take it out"},
	{GRAMMAR_DEVICE_CLASS, "LNX_VIRTIO_CONSOLE", .refused = "a VM's console is serial (class=\"SERIAL\", hvmctl console); take it out"},
	{GRAMMAR_DEVICE_CLASS, "LNX_VIRTIO_SYM", .refused = NO_SYMBIOT},
	{GRAMMAR_DEVICE_CLASS, "LNX_VIRTIO_SYMMOD", .refused = NO_SYMBIOT},
	{GRAMMAR_DEVICE_CLASS, "LNX_VIRTIO_NIC", .refused = NO_NETWORK},
	{GRAMMAR_DEVICE_CLASS, "LNX_VIRTIO_VNET", .refused = NO_NETWORK},
	{GRAMMAR_DEVICE_CLASS, "VNET_GUEST_IFACE", .refused = NO_NETWORK},
	{GRAMMAR_DEVICE_CLASS, "VMNET", .refused = NO_NETWORK},
	{GRAMMAR_DEVICE_CLASS, "NE2000", .refused = NO_NETWORK},
	{GRAMMAR_DEVICE_CLASS, "RTL8139", .refused = NO_NETWORK},
	{GRAMMAR_DEVICE_CLASS, "NIC_BRIDGE", .refused = NO_NETWORK},
	{GRAMMAR_DEVICE_CLASS, "VNET_NIC", .refused = NO_NETWORK},
	{GRAMMAR_DEVICE_CLASS, "CGA_VIDEO", .refused = NO_SCREEN},
	{GRAMMAR_DEVICE_CLASS, "VGA", .refused = NO_SCREEN},
	{GRAMMAR_DEVICE_CLASS, "CIRRUS_GFX_CARD", .refused = NO_SCREEN},
	{GRAMMAR_DEVICE_CLASS, "PARAGRAPH", .refused = NO_SCREEN},
	{GRAMMAR_DEVICE_CLASS, "CURSES_CONSOLE", .refused = NO_SCREEN},
	{GRAMMAR_DEVICE_CLASS, "TELNET_CONSOLE", .refused = NO_SCREEN},
	{GRAMMAR_DEVICE_CLASS, "PCI_PASSTHROUGH", .refused = NO_PASS},
	{GRAMMAR_DEVICE_CLASS, "HOST_PCI", .refused = NO_PASS},
	{GRAMMAR_DEVICE_CLASS, "HOST_PCI_SELPRIV", .refused = NO_PASS},
	{GRAMMAR_DEVICE_CLASS, "PCI_FRONT", .refused = NO_PASS},
};
/* clang-format on */
const size_t n_grammar_words = ARRAY_SIZE(grammar_words);

static_assert(SPEC_STACK_DEFAULT == 4096, "the default of hrt@stack says otherwise");
static_assert(SPEC_DEBUG_EXIT_PORT == 0xf4, "the default of device@port says otherwise");
static_assert(SPEC_BLOB_ENTRY == 0x40, "the default of hrt@entry says otherwise");
