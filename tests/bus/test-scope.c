/* test-scope.c - what hvmd asks of systemd, with a systemd that is a fake */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

#define SYSTEMD "org.freedesktop.systemd1"

/* What it was asked last, and what it answers; shared with it. */
static struct {
	unsigned n;
	char name[128], mode[32], slice[64];
	uint32_t pid;
	uint64_t memory_max;
	const char *refusal; /* name of an error */
	bool silent;
} *asked;

static pid_t systemd;

TestSuite(scope, .init = harness_start, .fini = harness_stop, .timeout = 60);

static int read_property(sd_bus_message *m)
{
	const char *name, *contents, *slice;
	int r = sd_bus_message_read(m, "s", &name);

	if (r < 0)
		return r;
	sd_bus_message_peek_type(m, NULL, &contents);
	if (strcmp(name, "PIDs") == 0)
		return sd_bus_message_read(m, "v", "au", 1, &asked->pid);
	if (strcmp(name, "MemoryMax") == 0)
		return sd_bus_message_read(m, "v", "t", &asked->memory_max);
	if (strcmp(name, "Slice") != 0)
		return sd_bus_message_skip(m, "v");
	r = sd_bus_message_read(m, "v", "s", &slice);
	if (r >= 0)
		snprintf(asked->slice, sizeof(asked->slice), "%s", slice);
	return r;
}

static int start_transient_unit(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *name, *mode;
	int r = sd_bus_message_read(m, "ss", &name, &mode);

	(void)userdata;
	if (r >= 0)
		r = sd_bus_message_enter_container(m, 'a', "(sv)");
	while (r >= 0 && sd_bus_message_enter_container(m, 'r', "sv") > 0) {
		r = read_property(m);
		if (r >= 0)
			r = sd_bus_message_exit_container(m);
	}
	if (r < 0)
		return r;
	snprintf(asked->name, sizeof(asked->name), "%s", name);
	snprintf(asked->mode, sizeof(asked->mode), "%s", mode);
	__atomic_add_fetch(&asked->n, 1, __ATOMIC_SEQ_CST);
	if (asked->silent)
		return 1;
	if (asked->refusal)
		return sd_bus_error_set(error, asked->refusal, "no");
	return sd_bus_reply_method_return(m, "o", "/org/freedesktop/systemd1/job/1");
}

static const sd_bus_vtable manager[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("StartTransientUnit", "ssa(sv)a(sa(sv))", "o", start_transient_unit, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

static void serve(int ready)
{
	sd_bus *bus = NULL;

	prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	if (sd_bus_new(&bus) < 0 || sd_bus_set_address(bus, harness.address) < 0 ||
		sd_bus_set_bus_client(bus, 1) < 0 || sd_bus_start(bus) < 0 ||
		sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/systemd1", SYSTEMD ".Manager", manager, NULL) <
			0 ||
		sd_bus_request_name(bus, SYSTEMD, 0) < 0 || write(ready, "", 1) != 1)
		_exit(1);
	for (;;)
		if (sd_bus_process(bus, NULL) == 0)
			sd_bus_wait(bus, UINT64_MAX);
}

static void start_systemd(const char *refusal, bool silent)
{
	int ready[2];
	char byte;

	asked = mmap(NULL, sizeof(*asked), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	cr_assert_neq(asked, MAP_FAILED);
	asked->refusal = refusal;
	asked->silent = silent;
	cr_assert_eq(pipe(ready), 0);
	systemd = fork();
	if (systemd == 0)
		serve(ready[1]);
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 1);
	close(ready[0]);
}

static bool is_asked(unsigned n)
{
	for (int i = 0; i < 500 && __atomic_load_n(&asked->n, __ATOMIC_SEQ_CST) < n; i++)
		usleep(10000);
	return asked->n == n;
}

static void run_vm(void)
{
	define_vm("a-b", "");
	expect_success(call(MANAGER, "StartVM", "st", "a-b", (uint64_t)0));
}

Test(scope, each_monitor_gets_one_with_a_limit_of_memory)
{
	start_systemd(NULL, false);
	run_vm();
	cr_assert(is_asked(1));
	cr_expect_str_eq(asked->name, "hvm-a-b.scope");
	cr_expect_str_eq(asked->mode, "fail");
	cr_expect_str_eq(asked->slice, "hvmd.slice");
	cr_expect_eq(asked->pid, (uint32_t)atoi(property(VM("a_2db"), "Leader")));
	cr_expect_eq(asked->memory_max, (2 * 16 + 512) * 1048576ull);
	cr_expect(property_becomes(VM("a_2db"), "Unit", "hvm-a-b.scope"));
	expect_success(call(MANAGER, "SummarizeVMs", "ast", 0, (uint64_t)0));
	cr_expect(strstr(call_text(), " Unit hvm-a-b.scope "));
	expect_success(call(MANAGER, "TerminateVM", "s", "a-b"));
	cr_expect_str_eq(property(VM("a_2db"), "Unit"), "");
}

Test(scope, monitor_that_is_taken_over_keeps_its_own)
{
	start_systemd(SYSTEMD ".UnitExists", false);
	run_vm();
	hvmd_stop(SIGKILL);
	hvmd_start();
	cr_assert(is_asked(2));
	cr_expect(property_becomes(VM("a_2db"), "Unit", "hvm-a-b.scope"));
}

Test(scope, vm_runs_without_one_where_systemd_refuses)
{
	start_systemd("org.freedesktop.DBus.Error.AccessDenied", false);
	run_vm();
	cr_assert(is_asked(1));
	cr_expect_str_eq(property(VM("a_2db"), "State"), "running");
	cr_expect_str_eq(property(VM("a_2db"), "Unit"), "");
}

Test(scope, vm_does_not_wait_for_a_systemd_that_does_not_answer)
{
	start_systemd(NULL, true);
	run_vm();
	cr_expect_str_eq(property(VM("a_2db"), "State"), "running");
}

Test(scope, vm_runs_where_there_is_no_systemd)
{
	run_vm();
	cr_expect_str_eq(property(VM("a_2db"), "State"), "running");
	cr_expect_str_eq(property(VM("a_2db"), "Unit"), "");
}
