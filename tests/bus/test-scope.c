/* test-scope.c - what hvmd, and the registrar for it, ask of systemd and machined, both of which are fakes here */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "vms.h"

#define SYSTEMD "org.freedesktop.systemd1"

/* What it was asked last, and what it answers; shared with it. */
static struct {
	unsigned n;
	char name[128], mode[32], slice[64];
	uint32_t pid;
	uint64_t memory_max, cpu_weight;
	const char *refusal; /* name of an error */
	bool silent;
	unsigned delay_usec; /* between the answer and the end of the job */
	bool moves;          /* what it is asked for it does, in a cgroup below CGROUPS */
	unsigned n_machines; /* machined */
	char machine[128], machine_class[16];
	uint8_t uuid[16];
	uint32_t leader;
	const char *machine_refusal;
} *asked;

#define CGROUPS "/sys/fs/cgroup/systemd"

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
	if (strcmp(name, "CPUWeight") == 0)
		return sd_bus_message_read(m, "v", "t", &asked->cpu_weight);
	if (strcmp(name, "Slice") != 0)
		return sd_bus_message_skip(m, "v");
	r = sd_bus_message_read(m, "v", "s", &slice);
	if (r >= 0)
		snprintf(asked->slice, sizeof(asked->slice), "%s", slice);
	return r;
}

static void move_into_cgroup(const char *name, uint32_t pid)
{
	char path[256], text[16];
	int fd;

	snprintf(path, sizeof(path), CGROUPS "/%s", name);
	mkdir(path, 0755);
	strcat(path, "/cgroup.procs");
	snprintf(text, sizeof(text), "%u", pid);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		perror(path);
	close(fd);
}

static int end_job(sd_bus *bus, const char *unit)
{
	sd_bus_flush(bus);
	usleep(asked->delay_usec);
	if (asked->moves)
		move_into_cgroup(unit, asked->pid);
	return sd_bus_emit_signal(bus, "/org/freedesktop/systemd1", SYSTEMD ".Manager", "JobRemoved", "uoss", 1,
		"/org/freedesktop/systemd1/job/1", unit, "done");
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
	r = sd_bus_reply_method_return(m, "o", "/org/freedesktop/systemd1/job/1");
	return r < 0 ? r : end_job(sd_bus_message_get_bus(m), name);
}

static int register_machine(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
	const char *name, *service, *class, *root;
	const void *uuid;
	size_t size;
	int r = sd_bus_message_read(m, "s", &name);

	(void)userdata;
	if (r >= 0)
		r = sd_bus_message_read_array(m, 'y', &uuid, &size);
	if (r >= 0)
		r = sd_bus_message_read(m, "ssus", &service, &class, &asked->leader, &root);
	if (r < 0 || size != sizeof(asked->uuid))
		return -EINVAL;
	memcpy(asked->uuid, uuid, size);
	snprintf(asked->machine, sizeof(asked->machine), "%s", name);
	snprintf(asked->machine_class, sizeof(asked->machine_class), "%s", class);
	__atomic_add_fetch(&asked->n_machines, 1, __ATOMIC_SEQ_CST);
	if (asked->machine_refusal)
		return sd_bus_error_set(error, asked->machine_refusal, "no");
	return sd_bus_reply_method_return(m, "o", "/org/freedesktop/machine1/machine/a");
}

static const sd_bus_vtable machined[] = {
	SD_BUS_VTABLE_START(0),
	SD_BUS_METHOD("RegisterMachine", "sayssus", "o", register_machine, SD_BUS_VTABLE_UNPRIVILEGED),
	SD_BUS_VTABLE_END,
};

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
		sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/machine1", "org.freedesktop.machine1.Manager",
			machined, NULL) < 0 ||
		sd_bus_request_name(bus, "org.freedesktop.machine1", 0) < 0 ||
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

static void run_scoped(void)
{
	define_vm("a-b", "");
	expect_success(start_vm("a-b"));
}

Test(scope, each_monitor_gets_one_with_a_limit_of_memory)
{
	start_systemd(NULL, false);
	run_scoped();
	cr_assert(is_asked(1));
	cr_expect_str_eq(asked->name, "hvm-a-b.scope");
	cr_expect_str_eq(asked->mode, "fail");
	cr_expect_str_eq(asked->slice, "hvmd.slice");
	cr_expect_eq(asked->pid, (uint32_t)atoi(property(VM("a_2db"), "Leader")));
	cr_expect_eq(asked->memory_max, (2 * 16 + 512) * 1048576ull);
	cr_expect(property_becomes(VM("a_2db"), "Unit", "hvm-a-b.scope"));
	expect_success(call(MANAGER, "SummarizeVMs", "ast", 0, (uint64_t)0));
	cr_expect(strstr(call_text(), " Unit hvm-a-b.scope "));
	expect_success(terminate_vm("a-b"));
	cr_expect_str_eq(property(VM("a_2db"), "Unit"), "");
}

Test(scope, monitor_that_is_taken_over_keeps_its_own)
{
	start_systemd(SYSTEMD ".UnitExists", false);
	run_scoped();
	hvmd_stop(SIGKILL);
	hvmd_start();
	cr_assert(is_asked(2));
	cr_expect(property_becomes(VM("a_2db"), "Unit", "hvm-a-b.scope"));
}

Test(scope, vm_runs_without_one_where_systemd_refuses)
{
	start_systemd("org.freedesktop.DBus.Error.AccessDenied", false);
	run_scoped();
	cr_assert(is_asked(1));
	cr_expect_str_eq(property(VM("a_2db"), "State"), "running");
	cr_expect_str_eq(property(VM("a_2db"), "Unit"), "");
}

static uint64_t start_takes(void)
{
	uint64_t begin = clock_usec();

	expect_success(start_vm("a-b"));
	return clock_usec() - begin;
}

Test(scope, monitor_is_told_nothing_before_it_is_in_its_scope)
{
	uint64_t begin = clock_usec();

	start_systemd(NULL, false);
	asked->delay_usec = 700000;
	define_vm("a-b", "refuse-setup");
	expect_error(start_vm("a-b"), "org.hvmd1.BadBootImage", "");
	cr_expect_geq(clock_usec() - begin, 700000, "it was told what to build before");
}

Test(scope, vm_that_is_ended_while_it_waits_for_its_scope_is_ended)
{
	start_systemd(NULL, false);
	asked->delay_usec = 500000;
	define_vm("a-b", "");
	for (int i = 0; i < 2; i++) {
		sd_bus_call_method_async(harness.bus, NULL, "org.hvmd1", MANAGER, "StartVM", NULL, NULL, "st", "a-b", (uint64_t)0);
		sd_bus_flush(harness.bus);
		cr_assert(property_becomes(VM("a_2db"), "State", "starting"));
		expect_success(terminate_vm("a-b"));
		cr_expect_str_eq(property(VM("a_2db"), "State"), "inactive");
	}
	expect_success(start_vm("a-b"));
	cr_expect_str_eq(property(VM("a_2db"), "State"), "running");
}

Test(scope, vm_waits_five_seconds_for_a_systemd_that_does_not_answer_and_the_next_not_at_all)
{
	uint64_t took;

	start_systemd(NULL, true);
	define_vm("a-b", "");
	took = start_takes();
	cr_expect(took >= 4000000 && took < 12000000, "it took %lu us", took);
	cr_expect_str_eq(property(VM("a_2db"), "State"), "running");
	expect_success(terminate_vm("a-b"));
	took = start_takes();
	cr_expect_lt(took, 3000000, "it took %lu us", took);
}

Test(scope, vm_runs_where_there_is_no_systemd)
{
	run_scoped();
	cr_expect_str_eq(property(VM("a_2db"), "State"), "running");
	cr_expect_str_eq(property(VM("a_2db"), "Unit"), "");
}

Test(scope, cpu_weight_of_the_definition_is_its_own)
{
	start_systemd(NULL, false);
	expect_success(call(MANAGER, "DefineVM", "sa{sh}t",
		"<vm name=\"a\" class=\"PC\"><memory>16</memory><cores count=\"1\" cpu_weight=\"250\"/></vm>", 0, (uint64_t)0));
	expect_success(start_vm("a"));
	cr_assert(is_asked(1));
	cr_expect_eq(asked->cpu_weight, 250);
}

/* --- The registrar ---------------------------------------------------------------------------------------- */

#define REGISTRAR "org.hvmd1.Registrar"

static pid_t registrar;

static bool has_owner(const char *name)
{
	return sd_bus_get_name_creds(harness.bus, name, 0, NULL) >= 0;
}

static void start_registrar(void)
{
	const char *program = built("hvm-registrar");
	char bus[160];

	snprintf(bus, sizeof(bus), "--bus=%s", harness.address);
	registrar = fork();
	if (registrar == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
		execl(program, program, bus, NULL);
		_exit(127);
	}
	for (int i = 0; i < 500 && !has_owner(REGISTRAR); i++)
		usleep(10000);
	cr_assert(has_owner(REGISTRAR));
}

static void expect_cgroups(void)
{
	if (geteuid() != 0 || access(CGROUPS, W_OK) < 0)
		cr_skip_test("this test makes a cgroup in " CGROUPS ", and may not");
}

static void remove_cgroup(void)
{
	for (int i = 0; i < 100 && rmdir(CGROUPS "/hvm-a-b.scope") < 0 && errno == EBUSY; i++)
		usleep(10000);
}

static bool is_listed(void)
{
	for (int i = 0; i < 500 && __atomic_load_n(&asked->n_machines, __ATOMIC_SEQ_CST) < 1; i++)
		usleep(10000);
	return asked->n_machines == 1;
}

Test(scope, registrar_gives_the_scope_and_then_tells_machined)
{
	expect_cgroups();
	start_systemd(NULL, false);
	asked->moves = true;
	start_registrar();
	run_scoped();
	cr_assert(is_listed());
	cr_expect_eq(asked->n, 1);
	cr_expect_str_eq(asked->name, "hvm-a-b.scope");
	cr_expect_eq(asked->memory_max, (2 * 16 + 512) * 1048576ull);
	cr_expect_str_eq(asked->machine, "a-b");
	cr_expect_str_eq(asked->machine_class, "vm");
	cr_expect_eq(asked->leader, (uint32_t)atoi(property(VM("a_2db"), "Leader")));
	cr_expect(property_becomes(VM("a_2db"), "Unit", "hvm-a-b.scope"));
	expect_success(terminate_vm("a-b"));
	remove_cgroup();
}

Test(scope, registrar_gives_the_scope_where_machined_refuses)
{
	expect_cgroups();
	start_systemd(NULL, false);
	asked->moves = true;
	asked->machine_refusal = "org.freedesktop.DBus.Error.InvalidArgs";
	start_registrar();
	run_scoped();
	cr_expect(property_becomes(VM("a_2db"), "Unit", "hvm-a-b.scope"));
	expect_success(terminate_vm("a-b"));
	remove_cgroup();
}

Test(scope, monitor_is_told_nothing_before_the_registrar_has_seen_it_in_its_scope)
{
	uint64_t begin = clock_usec();

	expect_cgroups();
	start_systemd(NULL, false);
	asked->moves = true;
	asked->delay_usec = 700000;
	start_registrar();
	define_vm("a-b", "refuse-setup");
	expect_error(start_vm("a-b"), "org.hvmd1.BadBootImage", "");
	cr_expect_geq(clock_usec() - begin, 700000, "it was told what to build before");
	remove_cgroup();
}

Test(scope, registrar_does_not_believe_a_systemd_that_moves_nobody)
{
	start_systemd(NULL, false);
	start_registrar();
	run_scoped();
	cr_assert(is_asked(1));
	cr_expect_not(property_becomes(VM("a_2db"), "Unit", "hvm-a-b.scope"));
	cr_expect_eq(asked->n_machines, 0);
}

static int register_as(const char *name, pid_t leader, size_t uuid_size)
{
	sd_bus_message *m = NULL;
	uint8_t uuid[32] = {1};
	int r;

	sd_bus_error_free(&call_error);
	sd_bus_message_new_method_call(harness.bus, &m, REGISTRAR, "/org/hvmd1/Registrar", REGISTRAR, "Register");
	sd_bus_message_append(m, "s", name);
	sd_bus_message_append_array(m, 'y', uuid, uuid_size);
	sd_bus_message_append(m, "utt", (uint32_t)leader, (uint64_t)1, (uint64_t)0);
	r = sd_bus_call(harness.bus, m, 0, &call_error, NULL);
	sd_bus_message_unref(m);
	return r;
}

Test(scope, registrar_takes_no_name_that_is_none)
{
	start_systemd(NULL, false);
	start_registrar();
	expect_error(register_as("../x", getpid(), 16), "org.freedesktop.DBus.Error.InvalidArgs", "no name of a VM");
	expect_error(register_as("a b", getpid(), 16), "org.freedesktop.DBus.Error.InvalidArgs", "no name of a VM");
	expect_error(register_as("a", getpid(), 15), "org.freedesktop.DBus.Error.InvalidArgs", "a UUID has 16 bytes");
	cr_expect_eq(asked->n, 0);
}

static int call_as_nobody(void)
{
	bool denied;

	sd_bus_unref(harness.bus);
	if (setgid(65534) < 0 || setuid(65534) < 0 || sd_bus_new(&harness.bus) < 0 ||
		sd_bus_set_address(harness.bus, harness.address) < 0 || sd_bus_set_bus_client(harness.bus, 1) < 0 ||
		sd_bus_start(harness.bus) < 0)
		_exit(2);
	denied = register_as("a", getppid(), 16) < 0 && strstr(call_error.message, "is not one of user 65534");
	_exit(!denied);
}

Test(scope, registrar_moves_nobody_elses_process)
{
	int status;
	pid_t pid;

	if (geteuid() != 0)
		cr_skip_test("only root can be somebody else");
	start_systemd(NULL, false);
	start_registrar();
	pid = fork();
	if (pid == 0)
		call_as_nobody();
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "status %d", status);
	cr_expect_eq(asked->n, 0);
}
