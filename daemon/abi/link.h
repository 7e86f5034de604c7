/*
 * link.h - what hvmd and a monitor say to each other
 *
 * One SOCK_SEQPACKET socket a VM; one packet a message: a header, then the
 * payload below. Integers are little endian; a string is a u32 length and its
 * bytes without NUL. hvmd asks, the monitor answers each request with one
 * LINK_REPLY of the same serial, in any order, and tells news unasked (serial
 * 0). A message of another version, of unknown type, or with bytes missing or
 * left over is the peer's fault and ends the link.
 *
 * The version moves when any layout here, or the wire form of a definition
 * (spec/wire.h), moves. A monitor speaks one version, that of the hvmd which
 * started it, and may outlive that hvmd. A later one learns the version from the
 * greeting, puts it into what it sends, and confines itself to what never changes:
 * the header, LINK_RESET, LINK_STOP, LINK_REPLY, LINK_HELLO, LINK_STATE,
 * LINK_RESET_DONE, LINK_EXIT and LINK_RUN. A later version may append to the payloads of
 * these; who knows less takes no notice of what is left over, nor of news of other types.
 *
 * Tour 300: Between hvmd and a running VM there is one socket and these
 * messages. Both ends treat each other as strangers: every number is checked,
 * and nonsense ends the link, not the process that received it.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"

#define LINK_MAGIC       0x4C4D5648u /* "HVML" */
#define LINK_VERSION     12u
#define LINK_VERSION_OLDEST 7u /* the oldest that a monitor may speak and still be controlled */
#define LINK_MESSAGE_MAX 65536u /* bytes, with the header */
#define LINK_FDS_MAX     18u
#define LINK_DIGEST_SIZE 48u /* SHA-384 */
#define LINK_FD          3 /* the monitor finds its end of the link here */

struct link_header {
	uint32_t magic;
	uint16_t version;
	uint16_t type;   /* enum link_type */
	uint32_t serial; /* 0: news */
	uint32_t size;   /* bytes of payload behind this header */
};
assert_size(struct link_header, 16);

enum link_type {
	/*
	 * Build the machine, run nothing yet. Payload: the definition (spec/wire.h).
	 * Descriptors: /dev/kvm, the log of the console of the ROS where there is one
	 * (spec_has_console()), that of the HRT likewise (O_APPEND), then one image
	 * for each file of the definition, in its order.
	 */
	LINK_SETUP = 1,
	/* Run the partitions that have something to run. No payload. */
	LINK_START = 2,
	/* Payload: u8 scope (enum link_scope). Reply body: u64 usec from acceptance to the first core running again. */
	LINK_RESET = 3,
	/* Stop all cores and exit with status 0 after the reply. No payload. */
	LINK_STOP = 4,
	/*
	 * Payload: u32 first record wanted. Reply body: u32 first record that did not
	 * fit (0: none left), then records of string key, u8 kind (enum link_value),
	 * u64 or string. Keys: monitor/telemetry.h.
	 */
	LINK_TELEMETRY = 5,
	/*
	 * Payload: u8 role (enum partition_role) whose console it is, u8 mode (enum link_console). Descriptor: gets
	 * the last 64 KiB of its output and then all that follows, and is read from where the mode says so; it does
	 * not block (O_NONBLOCK).
	 */
	LINK_CONSOLE = 6,
	/*
	 * Reply body: u32 count, then for each region string name, u64 GPA, u64 bytes,
	 * string who may touch it, string where its bytes come from. Where that is
	 * "file": string id of the file, u64 offset in it, u64 bytes of it; where it is
	 * "file" or "generated": 32 bytes of SHA-256. Then string the launch record
	 * (hvmd-digest(7); empty: not known) and 48 bytes, the SHA-384 of it.
	 */
	LINK_PLAN = 7,
	/*
	 * Instead of LINK_SETUP: say what the definition and its images would make.
	 * Payload: the definition. Descriptors: one image for each file, in order;
	 * none at all where images are not to be looked at. Reply body:
	 * u32 number of files looked at; for each string what it is, string the boot
	 * protocol that would be used (empty: none), string why none (empty: there
	 * is one, or the definition does not boot the file). Then i32 0, or the
	 * negative errno with which a start would fail for want of a plan; string that
	 * failure's sentence (empty: there is a plan) and, where there is one, the plan
	 * as in LINK_PLAN.
	 * The monitor parses in a cage and ends after its reply.
	 */
	LINK_INSPECT = 8,
	/*
	 * Before LINK_SETUP. Descriptor: a SOCK_SEQPACKET socket that is bound where hvmd looks for
	 * monitors. The monitor listens there. From LINK_START's success on it does not end
	 * with its link, and whoever connects there is its hvmd from then on: it is greeted,
	 * told all news that there have been (LINK_HRT, LINK_STATE of each partition as it is now),
	 * and LINK_RUN. No payload.
	 */
	LINK_LISTEN = 9,
	/*
	 * Another image for the HRT, in force from its next reset on, and until the VM stops. Payload: u64 bytes.
	 * Descriptor: a file that has them, from its beginning. It is looked at in full first: when it is not good the
	 * reply says why, and nothing has changed.
	 */
	LINK_LOAD = 10,

	/* Payload: i32 0 or negative errno, string sentence (empty on success), then the body of that request. */
	LINK_REPLY = 0x100,
	/* First message on the link. Payload: string what the host refuses to its cage; empty: nothing. */
	LINK_HELLO = 0x101,
	/*
	 * A partition has another state. Payload: u8 role (enum partition_role),
	 * u8 state (enum partition_state), u8 reason (enum vm_reason), i32 vcpu
	 * or -1, u64 address (RIP or 0), string details.
	 */
	LINK_STATE = 0x102,
	/* A reset is done. Payload: u8 scope, u32 first vcpu, u32 number of vcpus. */
	LINK_RESET_DONE = 0x103,
	/*
	 * What the HRT image asked for and got, sent once a successful LINK_SETUP where there is one.
	 * Payload: u64 flags, u64 gva_offset, u64 gva_entry, u64 comm page GPA, u32 vector, string how hypercalls come,
	 * u32 how many in the image were rewritten, string how upcalls go. Again when another image is in force.
	 */
	LINK_HRT = 0x104,
	/*
	 * How the kernel of the ROS is booted, sent once a successful LINK_SETUP where
	 * there is one. Payload: string boot protocol, u64 GPA of its first instruction.
	 */
	LINK_ROS = 0x105,
	/*
	 * The guest has ended the VM with a status, at a debug-exit port; no core runs any
	 * longer. Payload: i32 status, string sentence. hvmd answers with LINK_STOP.
	 */
	LINK_EXIT = 0x107,
	/*
	 * To a hvmd that has connected: which VM this is, and that all is told. Payload: 16 bytes
	 * UUID, u64 when it was started, u64 when a partition last changed its
	 * state (both CLOCK_MONOTONIC, usec), u32 resets, u32 resets of the ROS, u32 of the HRT.
	 */
	LINK_RUN = 0x10F,
	/* The launch digest, sent before the reply to a successful LINK_START. Payload: LINK_DIGEST_SIZE bytes. */
	LINK_LAUNCH = 0x106,
};

enum link_console {
	LINK_CONSOLE_WATCH = 0,
	LINK_CONSOLE_WRITE = 1,     /* fails when somebody else writes */
	LINK_CONSOLE_TAKE_OVER = 2, /* who writes now goes on watching */
};

enum link_scope {
	LINK_SCOPE_ALL = 0,
	LINK_SCOPE_ROS = 1,
	LINK_SCOPE_HRT = 2,
};

enum link_value {
	LINK_VALUE_UINT = 0,   /* u64 */
	LINK_VALUE_STRING = 1, /* string */
};
