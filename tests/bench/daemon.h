/*
 * daemon.h - a hvmd on a bus of its own, for benchmarks
 *
 * As tests/bus/harness.h, without criterion: whatever does not work ends the program with a
 * sentence. All lives in a folder that goes with it, on a real file system ($TMPDIR, else /var/tmp), since what
 * lasts is what is measured.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>
#include <systemd/sd-bus.h>

#define MANAGER "/org/hvmd1", "org.hvmd1.Manager"

struct bench_daemon {
	char dir[128], address[160];
	pid_t dbus, hvmd;
	sd_bus *bus;
};

extern struct bench_daemon bench_daemon;

/* A bus, and a hvmd with this monitor (in the build folder) and this KVM device; and its end. */
void bench_daemon_start(const char *monitor, const char *kvm);
void bench_daemon_stop(void);

/* Ends hvmd if it is there; and starts it anew, which took so long from its start until it was ready, in microseconds. */
void bench_daemon_end(void);
double bench_daemon_restart(void);

/* A path below the folder, and one in the build folder; static memory. */
const char *bench_path(const char *name);
const char *bench_build_path(const char *name);

/* Ends the program with a sentence. */
void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));

/* Calls the Manager and, unless ret_reply is NULL, hands over the reply. */
void bench_call(sd_bus_message **ret_reply, const char *method, const char *types, ...);

/* Starts a program without output; 0 ends the child's life with ours. Runs one, and expects success. */
pid_t bench_spawn(const char *const argv[]);
void bench_exec(const char *const argv[]);

/* Microseconds since some moment. */
double bench_now(void);
