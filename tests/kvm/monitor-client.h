/*
 * monitor-client.h - a test's end of the link to one hvm-monitor, without hvmd
 *
 * Spawns the monitor of the build folder and speaks the link (abi/link.h) with
 * it. News are taken in whenever a function here waits; what a partition last
 * said of itself stands in `partitions`. Every wait has a deadline.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cursor.h"
#include "base/error.h"
#include "link/link.h"
#include "link/state.h"
#include "spec/spec.h"

struct buffer;

struct partition_news {
	enum partition_state state;
	enum vm_reason reason;
	int32_t vcpu;
	uint64_t address;
	char details[ERROR_TEXT_MAX];
};

struct hrt_news { /* LINK_HRT */
	uint64_t flags, gva_offset, entry_gva, comm_page;
	uint32_t int_vector;
	char hypercall[16], upcall[16];
	uint32_t n_patched;
};

struct ros_news { /* LINK_ROS */
	char protocol[16];
	uint64_t entry;
};

struct monitor_client {
	int link;    /* owned; -1: closed */
	int log;     /* owned: the console log */
	pid_t pid;   /* 0: there is no monitor */
	uint32_t serial;
	bool has_launch; /* it has told its launch digest: */
	uint8_t launch[LINK_DIGEST_SIZE];
	bool hello;  /* the monitor has greeted */
	char cage_lacks[64];
	struct partition_news partitions[N_PARTITION_ROLES];
	struct hrt_news hrt;
	struct ros_news ros;
	bool has_exit; /* LINK_EXIT has come: */
	int32_t exit_status;
	char exit_details[ERROR_TEXT_MAX];
	unsigned n_resets; /* LINK_RESET_DONE so far */
	struct link_message reply; /* the last one; its payload is behind errno and sentence */
};

#define TEST_MODULES_MAX 2

/* A machine as a test describes it. Files are those of examples/guests in the build folder. */
struct test_machine {
	const char *image;   /* of the HRT: "reference.elf"; NULL: there is no HRT, and all is the ROS's */
	bool sealed;         /* the image is a sealed memfd, as hvmd has it */
	int image_fd;        /* borrowed: in place of that file, and as if its SHA-256 were known; 0: none */
	uint64_t load;       /* a raw image goes to this GPA, and is entered at its first byte; 0: the seed's defaults */
	enum spec_granule granule; /* of the seed */
	bool identity;       /* memory is mapped at 0, too */
	bool searched;       /* hvmd has searched the image for hypercalls by instruction */
	const char *cmdline; /* NULL: none */
	const char *kernel;  /* of the ROS; NULL: it stays parked */
	const char *ros_cmdline; /* NULL: none */
	enum spec_protocol protocol;
	uint32_t exit_port; /* of a debug-exit device; 0: there is none */
	/* Of the ROS where it has a kernel, else of the HRT: their bytes; "@NAME": those of an image. */
	const char *modules[TEST_MODULES_MAX], *module_cmdlines[TEST_MODULES_MAX];
	enum spec_on_poweroff on_poweroff; /* of the ROS */
	enum spec_on_reset on_reset;
	enum spec_on_crash ros_on_crash;
	uint32_t memory_mib, ros_mib;
	uint32_t cores, ros_cores;
	enum spec_layout layout;
	uint32_t stack; /* bytes for each HRT core; 0: SPEC_STACK_DEFAULT */
	enum spec_access ros_memory; /* of the HRT */
	enum spec_upcall upcall;
	enum spec_hypercall hypercall;
	uint32_t deadline; /* milliseconds of each transaction */
	enum spec_on_crash on_crash; /* of the HRT */
	struct spec_core pin; /* of the last core */
};

/* NULL, or why there can be no virtual machine here. */
const char *monitor_unusable(void);

/* An image of examples/guests in the build folder: a descriptor for the caller, or -1. */
int monitor_open_image(const char *name);

/* Spawns a monitor and waits for its hello. Returns 0, or a negative errno and a sentence. */
int monitor_spawn(struct monitor_client *client, struct error *e);

/* LINK_SETUP. Returns what the monitor answered. */
int monitor_setup(struct monitor_client *client, const struct test_machine *machine, struct error *e);

/* LINK_INSPECT with an image (borrowed descriptor; -1: none) in place of the machine's; `client->reply` is the body. */
int monitor_inspect(struct monitor_client *client, const struct test_machine *machine, int image, struct error *e);

/*
 * Sends a request with a payload and a descriptor (borrowed; -1: none) and waits
 * for its reply, of which `client->reply` is the body. Returns what the monitor
 * answered, with its sentence; -ETIMEDOUT when it did not.
 */
int monitor_request(struct monitor_client *client, enum link_type type, const void *payload, size_t size, int fd,
	struct error *e);

/* Takes in news until the partition is in this state. False when the deadline passes first. */
bool monitor_wait(struct monitor_client *client, enum partition_role role, enum partition_state state,
	unsigned timeout_ms);
/* Takes in news until the guest has ended the VM. */
bool monitor_wait_exit(struct monitor_client *client, unsigned timeout_ms);
bool monitor_wait_hrt(struct monitor_client *client, enum partition_state state, unsigned timeout_ms);

/* Takes in news until the console log has this text `n` times. False when the deadline passes first. */
bool monitor_wait_text(struct monitor_client *client, const char *text, unsigned n, unsigned timeout_ms);

/* The console log so far, which the caller frees. NULL when memory is short. */
char *monitor_log(const struct monitor_client *client);

/* How often `text` stands in the console log. */
unsigned monitor_count_text(const struct monitor_client *client, const char *text);

/* The number that telemetry has under this key; `missing` when it has none. */
uint64_t monitor_telemetry(struct monitor_client *client, const char *key, uint64_t missing);

/* Waits for the monitor's end. Its exit status; -1 when it was killed, or is still there after the timeout. */
int monitor_wait_end(struct monitor_client *client, unsigned timeout_ms);

/* Kills the monitor if it is there, and lets go of everything. */
void monitor_fini(struct monitor_client *client);
