/*
 * harness.h - a hvmd on a bus of its own, with monitors that are fakes
 *
 * Everything lives in a temporary folder: a dbus-daemon, the bus's socket, hvmd
 * with its state and run folders. Criterion runs each test in a process of its
 * own, so one harness a process is enough, and it is global.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#define MANAGER   "/org/hvmd1", "org.hvmd1.Manager"
#define VM(name)  "/org/hvmd1/vm/" name, "org.hvmd1.VM"
#define HRT(name) "/org/hvmd1/vm/" name "/partition/hrt", "org.hvmd1.Partition"
#define ROS(name) "/org/hvmd1/vm/" name "/partition/ros", "org.hvmd1.Partition"

struct harness {
	char dir[64];
	char address[128];
	const char *kvm;     /* --kvm=; set before harness_start() to change it */
	const char *monitor; /* --monitor=; NULL: the fake */
	const char *program; /* in the build folder; NULL: hvmd */
	pid_t dbus, hvmd;
	sd_bus *bus;
};

extern struct harness harness;

/* Starts the bus and hvmd, waits until hvmd is ready, connects. */
void harness_start(void);

/* Stops everything, and asserts that hvmd ended well: under ASan, without a leak. */
void harness_stop(void);

/* hvmd alone: SIGTERM (or another) and its end; and up again. Return the wait status. */
int hvmd_stop(int signal);
void hvmd_start(void);

/* As hvmd_start(), but it may end before it is ready: then false, and the wait status. */
bool hvmd_start_may_fail(int *ret_status);

/* What a process holds: open descriptors, and KiB of memory. */
unsigned process_descriptors(pid_t pid);
unsigned long process_resident(pid_t pid);

/* The number that an environment variable says, from 1 to `most`, or what it is otherwise. */
unsigned number_of(const char *variable, unsigned otherwise, unsigned most);

/* A path below the harness's folder, in static memory. */
const char *harness_path(const char *name);

/*
 * Calls hvmd. The last call's error and reply are kept in these two; what they hold is freed by the
 * next call.
 */
extern sd_bus_error call_error;
extern sd_bus_message *call_reply;
int call(const char *path, const char *interface, const char *member, const char *types, ...);

/*
 * Asserts that the last call, which returned r, went well, or failed with this name and a message that
 * has `part`.
 */
#define expect_success(r)           expect_success_at(__FILE__, __LINE__, r)
#define expect_error(r, name, part) expect_error_at(__FILE__, __LINE__, r, name, part)
void expect_success_at(const char *file, int line, int r);
void expect_error_at(const char *file, int line, int r, const char *name, const char *part);

/* A property as text ("s", "o", "u", "t", "b", "i"); static memory. */
const char *property(const char *path, const char *interface, const char *name);

/* All that the last call's reply holds, as one line of text; static memory. */
const char *call_text(void);

/* The text of a small hybrid definition; static memory. cmdline tells the fake monitor how to behave. */
const char *definition(const char *name, const char *cmdline);

/* Defines with one file "hrt" of these bytes. Returns what call() returns. */
int define(const char *text, const char *image);

/* Defines definition(name, cmdline) with an image, and asserts that it went well. */
void define_vm(const char *name, const char *cmdline);

/* From now on every signal of hvmd is noted as a line of text: its member, then its strings and numbers. */
void watch_signals(void);

/* Whether a signal whose line contains `part` has come or comes within 5 s. */
bool signal_comes(const char *part);

/* How many such have come until now. */
size_t signals_seen(const char *part);

/* Whether the property becomes this text within 5 s. */
bool property_becomes(const char *path, const char *interface, const char *name, const char *text);
