/* vms.h - what tests do with a VM of the harness, whether its monitor is a fake or real */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "harness.h"

/* The path of something in the build folder; static memory. */
const char *built(const char *name);

/* Return what call() returns. */
int start_vm(const char *name);
int shutdown_vm(const char *name);
int terminate_vm(const char *name);
int reset_vm(const char *name, const char *which);

/* Defines VM "a" with a fake monitor that behaves like this, and starts it. */
void run_vm(const char *behaviour);

/* Its monitor's process, or 0. */
pid_t vm_leader(const char *path);

/* Whether a process, which may be our child, is gone within 3 s. */
bool process_gone(pid_t pid);
