/*
 * spec.h - what a VM is meant to be
 *
 * A `struct vm_spec` is a definition that has been read and found right:
 * everybody downstream may rely on what the comments below promise, except the
 * monitor, which gets it over the link and checks again (spec_check()).
 *
 * Tour 220: What a VM is meant to be, in one struct. XML is read into it, with
 * all its faults told at once; the monitor gets it as bytes; from here on
 * everybody relies on what the comments promise.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "link/state.h"

struct error;

#define SPEC_NAME_MAX   63   /* bytes; letters, digits, '_', '-', '.', the first a letter or digit */
#define SPEC_CORES_MAX  64   /* of both partitions together */
#define SPEC_FILES_MAX  14 /* with /dev/kvm and the console log they fit into one message of the link */
#define SPEC_MODULES_MAX 8 /* of each partition */
#define SPEC_DEVICES_MAX 8
#define SPEC_FILE_ID_MAX 255 /* bytes */
#define SPEC_DEVICE_ID_MAX 63 /* bytes */
#define SPEC_CPU_MAX    8191 /* of the host: the most that Linux can be built for (NR_CPUS) */
#define SPEC_CPU_WEIGHT_MAX 10000 /* systemd.resource-control(5), CPUWeight= */
#define SPEC_CMDLINE_MAX 1024 /* bytes; the info block has one page */
#define SPEC_SHA256_SIZE 32
#define SPEC_UUID_SIZE   16
#define SPEC_STACK_DEFAULT 4096u /* bytes for each HRT core */
#define SPEC_NODES_MAX     8u
#define SPEC_DEADLINE_MAX  3600000u /* milliseconds: an hour */
#define SPEC_STACK_MAX     (1u << 20)
#define SPEC_HUGE_PAGE     (2ull << 20) /* bytes */
#define SPEC_DEBUG_EXIT_PORT 0xF4 /* where QEMU's isa-debug-exit is usually put */
#define SPEC_BLOB_ENTRY    0x40u /* bytes: the size of an ELF64 header */
#define SPEC_SITES_MAX     64u /* offsets of hypercalls by instruction that are told of a file */
#define SPEC_MEMORY_MIN    (2ull << 20) /* bytes */
#define SPEC_MEMORY_MAX    (1ull << 40) /* bytes: 1 TiB */

/* Hypercalls by instruction in a file (sites.h), as hvmd has found them; no definition says that. */
struct spec_sites {
	bool known; /* it has these, and no other */
	uint32_t n;
	uint32_t at[SPEC_SITES_MAX]; /* offsets, ascending */
};

struct spec_file {
	char *id;       /* unique within the definition, case-sensitive; not empty, no control characters */
	char *filename; /* as the user wrote it; only hvmctl ever opens it. NULL in a monitor, and where sha256 is enough */
	bool stored;    /* sha256 says which object of the image store it is */
	uint8_t sha256[SPEC_SHA256_SIZE];
	struct spec_sites sites;
	bool packed;    /* the definition came in an image container and `index` is the file's place there; only hvmctl looks */
	uint32_t index;
};

/* A file that the boot loader hands to a kernel beside it, with the text that says what it is for. */
struct spec_module {
	size_t file;   /* index into files */
	char *cmdline; /* owned; no control characters; NULL where none is given */
};

struct spec_modules {
	struct spec_module *items; /* owned */
	size_t n;                  /* up to SPEC_MODULES_MAX */
};

struct spec_core {
	bool pinned;
	uint32_t cpu; /* of the host, up to SPEC_CPU_MAX */
};

/* How a kernel is entered. */
enum spec_protocol {
	SPEC_PROTOCOL_AUTO, /* as the image asks */
	SPEC_PROTOCOL_LINUX,
	SPEC_PROTOCOL_PVH,
	SPEC_PROTOCOL_MULTIBOOT,
	SPEC_PROTOCOL_MULTIBOOT2,
	N_SPEC_PROTOCOLS,
};

/* What an HRT finds when it is entered. */
enum spec_layout {
	SPEC_LAYOUT_FINAL, /* [spec 2.1] */
	SPEC_LAYOUT_SEED,  /* [spec 2.2] */
	N_SPEC_LAYOUTS,
};

/* By which pages memory is mapped in the seed layout; in the final one the image says that. */
enum spec_granule {
	SPEC_GRANULE_2M,
	SPEC_GRANULE_4K,
	SPEC_GRANULE_1G,
	N_SPEC_GRANULES,
};

/* How a hypercall reaches us [spec 11.3]. */
enum spec_hypercall {
	SPEC_HYPERCALL_AUTO,
	SPEC_HYPERCALL_PORT,
	SPEC_HYPERCALL_PATCH,
	SPEC_HYPERCALL_XEN,
	SPEC_HYPERCALL_MMIO,
	N_SPEC_HYPERCALLS,
};

/* How we call into the HRT [spec 6.5]. */
enum spec_upcall {
	SPEC_UPCALL_AUTO,
	SPEC_UPCALL_PF,
	SPEC_UPCALL_GPF,
	SPEC_UPCALL_VECTOR,
	N_SPEC_UPCALLS,
};

/* What becomes of a ROS that has turned itself off ... */
enum spec_on_poweroff {
	SPEC_ON_POWEROFF_STOP,  /* it stands still, and the VM stops where nothing else runs */
	SPEC_ON_POWEROFF_RESET,
	SPEC_ON_POWEROFF_PAUSE, /* it stays as it is, and so does the VM */
	N_SPEC_ON_POWEROFFS,
};

/* ... and of one that has reset itself. */
enum spec_on_reset {
	SPEC_ON_RESET_RESET,
	SPEC_ON_RESET_STOP,
	SPEC_ON_RESET_PAUSE,
	N_SPEC_ON_RESETS,
};

/* What becomes of a partition that has crashed. */
enum spec_on_crash {
	SPEC_ON_CRASH_PAUSE, /* it stays as it is, to be looked at */
	SPEC_ON_CRASH_STOP,  /* the whole VM stops */
	SPEC_ON_CRASH_RESET,
	SPEC_ON_CRASH_IGNORE,
	N_SPEC_ON_CRASHES,
};

/* What the HRT may do with the memory of the ROS. */
enum spec_access {
	SPEC_ACCESS_RW,
	SPEC_ACCESS_RO,
	SPEC_ACCESS_NONE,
	N_SPEC_ACCESSES,
};

enum spec_device_class {
	SPEC_DEVICE_SERIAL,     /* the four serial ports of a PC; at most one such device */
	SPEC_DEVICE_DEBUG_EXIT, /* a port by which the guest ends the VM with a status */
	N_SPEC_DEVICE_CLASSES,
};

struct spec_device {
	enum spec_device_class class;
	char *id;      /* owned; unique among the devices, no control characters; NULL where none is given */
	uint32_t port; /* debug-exit: 1 to 0xFFFF, none of those that every VM has; otherwise 0 */
};

struct vm_spec {
	char *name; /* owned; never NULL */
	bool has_uuid;
	uint8_t uuid[SPEC_UUID_SIZE];
	uint64_t memory;     /* bytes of RAM, M: a multiple of 1 MiB, SPEC_MEMORY_MIN to SPEC_MEMORY_MAX */
	bool hugepages;      /* of the host, for all memory: M and R are then multiples of SPEC_HUGE_PAGE */
	uint32_t cores;      /* N: 1 to SPEC_CORES_MAX */
	uint32_t nodes;      /* of NUMA, that the ROS is told of: up to SPEC_NODES_MAX and its cores; 0: it is told nothing */
	struct spec_core core[SPEC_CORES_MAX]; /* none behind core N-1 is pinned */
	uint32_t cpu_weight; /* 1 to SPEC_CPU_WEIGHT_MAX; 0: none is given. hvmd's alone: no monitor is told */
	bool hybrid;         /* <hvm enable="y">; without it all is one ROS partition */
	uint32_t ros_cores;  /* k: hybrid: 1 to N-1; otherwise N */
	uint64_t ros_memory; /* bytes, R: hybrid: a multiple of 1 MiB, > 0, < M, <= DEVICE_HOLE_START; otherwise M */
	struct spec_file *files; /* owned */
	size_t n_files;
	struct spec_device *devices; /* owned */
	size_t n_devices;            /* up to SPEC_DEVICES_MAX */
	/* ROS: without a kernel it stays parked, and none of the others is given */
	bool ros_boots;      /* it has a kernel */
	size_t ros_file;     /* index into files */
	bool ros_has_initrd;
	size_t ros_initrd;   /* index into files */
	char *ros_cmdline;   /* owned; no control characters; NULL where none is given */
	bool ros_append;     /* a start may add to it */
	enum spec_protocol ros_protocol;
	enum spec_on_poweroff ros_on_poweroff;
	enum spec_on_reset ros_on_reset;
	enum spec_on_crash ros_on_crash;
	struct spec_modules ros_modules;
	/* HRT; only where hybrid */
	size_t hrt_file;   /* index into files */
	char *hrt_cmdline; /* owned; no control characters; NULL where none is given */
	bool hrt_append;   /* a start may add to it */
	uint32_t hrt_stack; /* bytes for each core: a multiple of 4096, up to SPEC_STACK_MAX; all stacks fit into M - R */
	struct spec_modules hrt_modules;
	enum spec_layout hrt_layout;
	/* Of the seed layout; load and entry are those of an image that is no ELF file, and cannot say it itself */
	uint64_t hrt_load;  /* GPA of a page, at the ROS's memory or above; 0: where the HRT's memory begins */
	uint32_t hrt_entry; /* bytes from there */
	enum spec_granule hrt_granule;
	bool hrt_identity; /* memory is mapped at address 0, too, where the image has it elsewhere */
	enum spec_hypercall hrt_hypercall;
	enum spec_upcall hrt_upcall;
	uint32_t hrt_deadline; /* milliseconds of each transaction, up to SPEC_DEADLINE_MAX; 0: none for calls, ten seconds for others */
	enum spec_on_crash hrt_on_crash;
	enum spec_access hrt_ros_memory;
};

/* Frees the definition and what it owns. Takes NULL; returns NULL. */
struct vm_spec *vm_spec_free(struct vm_spec *spec);
DEFINE_CLEANUP(struct vm_spec *, vm_spec_free);

/* Whether a partition can print: the HRT, and a ROS that boots a kernel. */
bool spec_has_console(const struct vm_spec *spec, enum partition_role role);

/* What becomes of a partition that has crashed. */
enum spec_on_crash spec_on_crash(const struct vm_spec *spec, enum partition_role role);

/* Whether `name` may be the name of a VM. */
bool spec_name_valid(const char *name);

/* Whether `text` has no control characters: it can stand in an attribute, and on a terminal. */
bool spec_text_valid(const char *text);

/* The file with this id, or NULL. */
struct spec_file *spec_file_find(const struct vm_spec *spec, const char *id);

/*
 * Checks every promise above that one value or several together can break.
 * Returns 0, or -EBADMSG with a sentence about the first fault.
 */
int spec_check(const struct vm_spec *spec, struct error *e);
