/* vms.c - see vms.h */
#include "vms.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

const char *built(const char *name)
{
	static char path[512];
	const char *build = getenv("top_builddir");

	snprintf(path, sizeof(path), "%s/%s", build ? build : ".", name);
	return path;
}

int start_vm(const char *name)
{
	return call(MANAGER, "StartVM", "st", name, (uint64_t)0);
}

int shutdown_vm(const char *name)
{
	return call(MANAGER, "ShutdownVM", "stt", name, (uint64_t)0, (uint64_t)0);
}

int terminate_vm(const char *name)
{
	return call(MANAGER, "TerminateVM", "s", name);
}

int reset_vm(const char *name, const char *which)
{
	return call(MANAGER, "ResetVM", "ssuu", name, which, 0, 0);
}

void run_vm(const char *behaviour)
{
	define_vm("a", behaviour);
	expect_success(start_vm("a"));
}

pid_t vm_leader(const char *path)
{
	return (pid_t)atoi(property(path, "org.hvmd1.VM", "Leader"));
}

/* Of a hvmd that is gone we inherit the monitors, and are the ones to reap them. */
bool process_gone(pid_t pid)
{
	for (int i = 0; i < 300; i++) {
		waitpid(pid, NULL, WNOHANG);
		if (kill(pid, 0) < 0 && errno == ESRCH)
			return true;
		usleep(10000);
	}
	return false;
}
