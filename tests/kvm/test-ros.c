/*
 * test-ros.c - a small kernel in the ROS on real KVM, through hvm-monitor but without hvmd
 *
 * The kernel (examples/guests/kernel.c) prints what it found when it was entered,
 * and then does what its command line says.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "guest-memory.h"
#include "monitor-client.h"

#define TIMEOUT_MS 30000

static struct monitor_client client = {.link = -1, .log = -1};

static void stop_all(void)
{
	monitor_fini(&client);
}

TestSuite(ros, .fini = stop_all, .timeout = 120);

/* All of it is the ROS's. */
static struct test_machine kernel_with(const char *cmdline)
{
	return (struct test_machine){
		.kernel = "kernel.elf", .ros_cmdline = cmdline, .memory_mib = 32, .cores = 1};
}

static void setup(const struct test_machine *machine)
{
	const char *unusable = monitor_unusable();
	struct error e = {};
	int r;

	if (unusable)
		cr_skip_test("%s", unusable);
	r = monitor_spawn(&client, &e);
	cr_assert_eq(r, 0, "%s", error_text(&e, r));
	r = monitor_setup(&client, machine, &e);
	cr_assert_eq(r, 0, "%s", error_text(&e, r));
}

static void request(enum link_type type, const void *payload, size_t size)
{
	struct error e = {};
	int r = monitor_request(&client, type, payload, size, -1, &e);

	cr_assert_eq(r, 0, "%s", error_text(&e, r));
}

static void start(const struct test_machine *machine)
{
	setup(machine);
	request(LINK_START, NULL, 0);
}

static void reset(enum link_scope scope)
{
	uint8_t payload = (uint8_t)scope;

	request(LINK_RESET, &payload, 1);
}

static void expect_text(const char *text, unsigned n)
{
	_cleanup_free_ char *log = NULL;
	bool found = monitor_wait_text(&client, text, n, TIMEOUT_MS);

	log = monitor_log(&client);
	cr_assert(found, "the console lacks \"%s\", %u times; it has:\n%s", text, n, log);
}

Test(ros, enters_a_multiboot2_kernel_as_the_standard_says)
{
	struct test_machine machine = kernel_with("quiet");

	start(&machine);
	expect_text("ros: up\n", 1);
	expect_text("ros: eax 0x36d76289, cr0 0x11, cr3 0x0, cr4 0x0, cs 0x8, ds 0x10, ss 0x10, eflags 0x2\n", 1);
	expect_text("ros: command line: quiet\n", 1);
	expect_text("ros: loader: hvmd ", 1);
	expect_text("ros: 640 KiB and 31744 KiB\n", 1);
	expect_text("ros: memory 0x100000, 0x1f00000 bytes, type 1\n", 1);
	expect_text("ros: memory 0xa0000, 0x60000 bytes, type 2\n", 1);
	cr_expect_str_eq(client.ros.protocol, "multiboot2");
	cr_expect_eq(client.partitions[PARTITION_ROS].state, PARTITION_RUNNING);
	cr_expect_eq(client.partitions[PARTITION_HRT].state, PARTITION_INACTIVE);
	request(LINK_STOP, NULL, 0);
	cr_expect_eq(monitor_wait_end(&client, 5000), 0);
}

Test(ros, tells_a_multiboot2_kernel_of_its_sections_and_loads_those_that_no_segment_has)
{
	struct test_machine machine = kernel_with("quiet");

	start(&machine);
	expect_text("ros: section .text at 0x200000, ", 1);
	expect_text("ros: section .symtab at 0x1fff", 1);
	expect_text("ros: section .shstrtab at 0x1fff", 1);
	monitor_fini(&client);
	machine.protocol = SPEC_PROTOCOL_MULTIBOOT;
	start(&machine);
	expect_text("ros: up\n", 1);
	cr_expect_eq(monitor_count_text(&client, "ros: section"), 0, "nobody says that to a Multiboot 1 kernel");
}

Test(ros, hands_modules_over)
{
	struct test_machine machine = kernel_with("quiet");

	machine.modules[0] = "one";
	machine.module_cmdlines[0] = "the first one";
	machine.modules[1] = "another";
	start(&machine);
	expect_text("ros: module of 3 bytes at 0x205000, sum 322: the first one\n", 1);
	expect_text("ros: module of 7 bytes at 0x206000, sum 753: \n", 1);
}

Test(ros, enters_the_same_kernel_by_multiboot_1_where_it_is_told_to)
{
	struct test_machine machine = kernel_with("quiet");

	machine.protocol = SPEC_PROTOCOL_MULTIBOOT;
	machine.modules[0] = "one";
	machine.module_cmdlines[0] = "the first one";
	start(&machine);
	expect_text("ros: up\n", 1);
	expect_text("ros: eax 0x2badb002, cr0 0x11, ", 1);
	expect_text("ros: multiboot, flags 0x26d\n", 1); /* memory, command line, modules, ELF sections, map, loader */
	expect_text("ros: command line: quiet\n", 1);
	expect_text("ros: loader: hvmd ", 1);
	expect_text("ros: 640 KiB and 31744 KiB\n", 1);
	expect_text("ros: module of 3 bytes at 0x205000, sum 322: the first one\n", 1);
	expect_text("ros: memory 0x100000, 0x1f00000 bytes, type 1\n", 1);
	expect_text("ros: memory 0xfec00000, 0x1400000 bytes, type 2\n", 1);
	cr_expect_str_eq(client.ros.protocol, "multiboot");
}

Test(ros, lets_the_kernel_start_its_other_cores)
{
	struct test_machine machine = kernel_with("cores=2");

	machine.cores = 3;
	start(&machine);
	expect_text("ros: core 1 is up\n", 1);
	expect_text("ros: core 2 is up\n", 1);
	expect_text("ros: 2 cores started\n", 1);
}

Test(ros, a_reset_boots_it_anew_over_memory_of_zeroes)
{
	struct test_machine machine = kernel_with("dirty cores=1");

	machine.cores = 2;
	start(&machine);
	expect_text("ros: 1 cores started\n", 1);
	for (unsigned i = 1; i <= 3; i++) {
		reset(i % 2 ? LINK_SCOPE_ROS : LINK_SCOPE_ALL);
		expect_text("ros: the word at 0x300000 is 0x0\n", 1 + i);
		expect_text("ros: 1 cores started\n", 1 + i);
	}
	cr_expect_eq(client.n_resets, 3);
}

Test(ros, a_triple_fault_ends_it_with_a_sentence_and_a_reset_revives_it)
{
	struct test_machine machine = kernel_with("fault");

	start(&machine);
	cr_assert(monitor_wait(&client, PARTITION_ROS, PARTITION_CRASHED, TIMEOUT_MS));
	cr_expect_eq(client.partitions[PARTITION_ROS].reason, REASON_TRIPLE_FAULT);
	cr_expect(strstr(client.partitions[PARTITION_ROS].details, "core 0: triple fault"), "%s",
		client.partitions[PARTITION_ROS].details);
	client.partitions[PARTITION_ROS].state = PARTITION_INACTIVE;
	reset(LINK_SCOPE_ROS);
	expect_text("ros: up\n", 2);
	cr_expect(monitor_wait(&client, PARTITION_ROS, PARTITION_CRASHED, TIMEOUT_MS));
}

Test(ros, has_no_hrt_to_reset_where_there_is_none)
{
	struct test_machine machine = kernel_with("quiet");
	uint8_t scope = LINK_SCOPE_HRT;
	struct error e = {};

	start(&machine);
	cr_expect_eq(monitor_request(&client, LINK_RESET, &scope, 1, -1, &e), -ECHRNG);
	cr_expect_str_eq(e.text, "the VM has no hrt partition");
	expect_text("ros: up\n", 1);
}

/* --- A PC's devices ------------------------------------------------------------ */

Test(ros, turns_itself_off)
{
	struct test_machine machine = kernel_with("poweroff");

	start(&machine);
	expect_text("ros: up\n", 1);
	while (client.partitions[PARTITION_ROS].reason != REASON_GUEST_POWEROFF)
		cr_assert(monitor_wait(&client, PARTITION_ROS, PARTITION_PARKED, TIMEOUT_MS));
	expect_text("[hvmd: ros has turned itself off]\n", 1);
	client.partitions[PARTITION_ROS].state = PARTITION_INACTIVE;
	reset(LINK_SCOPE_ROS);
	expect_text("ros: up\n", 2);
}

Test(ros, resets_itself_in_each_way_that_a_pc_has)
{
	struct test_machine machine = kernel_with("resets=3 poweroff");

	start(&machine);
	expect_text("ros: has reset itself 3 times\n", 1);
	expect_text("[hvmd: ros has turned itself off]\n", 1);
	cr_expect_eq(monitor_count_text(&client, "still there"), 0);
	cr_expect_eq(monitor_count_text(&client, "[hvmd: ros has reset itself]\n"), 3);
	cr_expect_eq(client.n_resets, 3);
}

Test(ros, that_resets_itself_all_the_time_has_to_wait)
{
	struct test_machine machine = kernel_with("resets=100");

	start(&machine);
	expect_text("[hvmd: ros: it has reset itself 6 times in a row, each within 10 s of its boot, and waits 1 s before "
		    "the next]\n", 1);
	cr_assert(monitor_wait(&client, PARTITION_ROS, PARTITION_PAUSED, TIMEOUT_MS));
	cr_expect_eq(client.partitions[PARTITION_ROS].reason, REASON_GUEST_RESET);
	cr_assert(monitor_wait(&client, PARTITION_ROS, PARTITION_RUNNING, TIMEOUT_MS));
	cr_expect_eq(client.partitions[PARTITION_ROS].reason, REASON_GUEST_RESET);
}

static void expect_end(enum partition_state state, enum vm_reason reason)
{
	cr_assert(monitor_wait(&client, PARTITION_ROS, PARTITION_RUNNING, TIMEOUT_MS));
	cr_assert(monitor_wait(&client, PARTITION_ROS, state, TIMEOUT_MS));
	cr_expect_eq(client.partitions[PARTITION_ROS].reason, reason);
}

Test(ros, that_has_turned_itself_off_may_be_paused)
{
	struct test_machine machine = kernel_with("poweroff");

	machine.on_poweroff = SPEC_ON_POWEROFF_PAUSE;
	start(&machine);
	expect_end(PARTITION_PAUSED, REASON_GUEST_POWEROFF);
}

Test(ros, that_has_turned_itself_off_may_boot_again)
{
	struct test_machine machine = kernel_with("poweroff");

	machine.on_poweroff = SPEC_ON_POWEROFF_RESET;
	start(&machine);
	expect_text("ros: up\n", 3);
}

Test(ros, that_has_reset_itself_may_be_stopped_or_paused)
{
	struct test_machine machine = kernel_with("resets=1");

	machine.on_reset = SPEC_ON_RESET_STOP;
	start(&machine);
	expect_end(PARTITION_PARKED, REASON_GUEST_RESET);
	monitor_fini(&client);
	machine.on_reset = SPEC_ON_RESET_PAUSE;
	start(&machine);
	expect_end(PARTITION_PAUSED, REASON_GUEST_RESET);
}

Test(ros, that_has_crashed_may_boot_again_but_not_for_ever)
{
	struct test_machine machine = kernel_with("fault");

	machine.ros_on_crash = SPEC_ON_CRASH_RESET;
	start(&machine);
	expect_text("it is not reset any more", 1);
	expect_text("ros: up\n", 6);
	cr_assert(monitor_wait(&client, PARTITION_ROS, PARTITION_CRASHED, TIMEOUT_MS));
}

/* Returns our end of a console that takes input. */
static int attach(uint8_t mode)
{
	const uint8_t payload[] = {PARTITION_ROS, mode};
	struct error e = {};
	int ends[2], r;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
	cr_assert_eq(fcntl(ends[1], F_SETFL, O_NONBLOCK), 0);
	r = monitor_request(&client, LINK_CONSOLE, payload, sizeof(payload), ends[1], &e);
	cr_assert_eq(r, 0, "%s", error_text(&e, r));
	close(ends[1]);
	return ends[0];
}

Test(ros, has_a_serial_console_with_interrupts_in_and_out)
{
	struct test_machine machine = kernel_with("com1 echo poweroff");
	int fd;

	start(&machine);
	expect_text("ros: echoes\n", 1);
	fd = attach(LINK_CONSOLE_WRITE);
	cr_assert_eq(write(fd, "hello, ros", 10), 10);
	expect_text("hello, ros", 1);
	cr_assert_eq(write(fd, "!", 1), 1);
	expect_text("ros: was woken by interrupts\n", 1);
	expect_text("[hvmd: ros has turned itself off]\n", 1);
	close(fd);
}

Test(ros, takes_as_much_input_as_there_is_and_loses_none)
{
	struct test_machine machine = kernel_with("com1 echo");
	_cleanup_free_ char *log = NULL;
	char text[6001];
	int fd;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (char)('a' + i % 26);
	text[sizeof(text) - 1] = '\0';
	start(&machine);
	expect_text("ros: echoes\n", 1);
	fd = attach(LINK_CONSOLE_WRITE);
	cr_assert_eq(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
	cr_assert_eq(write(fd, "!", 1), 1);
	expect_text("ros: was woken by interrupts\n", 1);
	log = monitor_log(&client);
	cr_expect(strstr(log, text));
	close(fd);
}

Test(ros, ends_the_vm_with_a_status)
{
	struct test_machine machine = kernel_with("exit=16");

	machine.exit_port = 0xF4;
	start(&machine);
	cr_assert(monitor_wait_exit(&client, TIMEOUT_MS));
	cr_expect_eq(client.exit_status, 33);
	cr_expect_str_eq(client.exit_details,
		"the ros has ended the VM with status 33: it wrote 0x10 to the debug-exit port 0xf4");
	expect_text("[hvmd: the ros has ended the VM with status 33: ", 1);
	request(LINK_STOP, NULL, 0);
	cr_expect_eq(monitor_wait_end(&client, 5000), 0);
}

Test(ros, ends_nothing_where_there_is_no_such_port)
{
	struct test_machine machine = kernel_with("exit=16 fault");

	start(&machine);
	cr_assert(monitor_wait(&client, PARTITION_ROS, PARTITION_CRASHED, TIMEOUT_MS), "it has gone on");
	cr_expect_not(client.has_exit);
}

/* --- Beside an HRT ----------------------------------------------------------- */

static struct test_machine hybrid_with(const char *ros_cmdline)
{
	return (struct test_machine){.image = "reference.elf", .cmdline = "quiet", .kernel = "kernel.elf",
		.ros_cmdline = ros_cmdline, .memory_mib = 64, .ros_mib = 4, .cores = 3, .ros_cores = 2};
}

Test(ros, runs_beside_an_hrt_and_each_is_reset_alone)
{
	struct test_machine machine = hybrid_with("dirty cores=1");

	start(&machine);
	expect_text("ros: 1 cores started\n", 1);
	expect_text("): hello\n", 1);
	reset(LINK_SCOPE_ROS);
	expect_text("ros: 1 cores started\n", 2);
	expect_text("ros: the word at 0x300000 is 0x0\n", 2);
	cr_expect_eq(monitor_count_text(&client, "): hello\n"), 1, "the HRT has not noticed");
	reset(LINK_SCOPE_HRT);
	expect_text("): hello\n", 2);
	cr_expect_eq(monitor_count_text(&client, "ros: up\n"), 2, "the ROS has not noticed");
}

static void sum_memory(enum partition_role role, uint8_t ret[GUEST_SUM_SIZE])
{
	struct guest_memory memory;
	struct error e = {};
	int r = guest_memory_find(client.pid, 4 * MiB, 60 * MiB, &memory, &e);

	cr_assert(r == 0 || geteuid() != 0, "%s", e.text);
	r = r == 0 ? guest_memory_sum(client.pid, &memory, role, ret, &e) : -EPERM;
	if (r == -EPERM)
		cr_skip_test("%s", e.text);
	cr_assert_eq(r, 0, "%s", e.text);
}

/* What a guest has said is not yet its last push: it comes to rest a little later, on a busy host much later. */
static void sum_at_rest(enum partition_role role, uint8_t ret[GUEST_SUM_SIZE])
{
	uint8_t before[GUEST_SUM_SIZE];

	sum_memory(role, ret);
	do {
		memcpy(before, ret, sizeof(before));
		monitor_wait_text(&client, "what no guest prints", 1, 100);
		sum_memory(role, ret);
	} while (memcmp(before, ret, sizeof(before)) != 0);
}

/* Both are at rest by then, but for the HRT's core, which counts in registers. */
Test(ros, a_reset_of_one_half_changes_not_a_byte_of_the_other)
{
	uint8_t ros[GUEST_SUM_SIZE], hrt[GUEST_SUM_SIZE], now[GUEST_SUM_SIZE];
	struct test_machine machine = hybrid_with("dirty cores=1");
	uint64_t beat;

	machine.cmdline = "mode=count";
	start(&machine);
	expect_text("ros: 1 cores started\n", 1);
	expect_text("counts\n", 1);
	sum_at_rest(PARTITION_ROS, ros);
	reset(LINK_SCOPE_HRT);
	expect_text("counts\n", 2);
	sum_memory(PARTITION_ROS, now);
	cr_assert_arr_eq(now, ros, sizeof(ros), "of the ROS");

	sum_at_rest(PARTITION_HRT, hrt);
	beat = monitor_telemetry(&client, "vcpu.2.heartbeat", 0);
	reset(LINK_SCOPE_ROS);
	expect_text("ros: 1 cores started\n", 2);
	sum_memory(PARTITION_HRT, now);
	cr_assert_arr_eq(now, hrt, sizeof(hrt), "of the HRT");
	while (monitor_telemetry(&client, "vcpu.2.heartbeat", 0) <= beat)
		;
}

Test(ros, crashes_alone)
{
	struct test_machine machine = hybrid_with("fault");

	start(&machine);
	cr_assert(monitor_wait(&client, PARTITION_ROS, PARTITION_CRASHED, TIMEOUT_MS));
	expect_text("): hello\n", 1);
	cr_expect_eq(client.partitions[PARTITION_HRT].state, PARTITION_RUNNING);
}

Test(ros, is_told_of_its_own_memory_only)
{
	struct test_machine machine = hybrid_with("quiet");

	start(&machine);
	expect_text("ros: 640 KiB and 3072 KiB\n", 1);
	expect_text("ros: memory 0x100000, 0x300000 bytes, type 1\n", 1);
	expect_text("ros: up\n", 1);
	cr_expect_eq(monitor_count_text(&client, "bytes, type 1\n"), 2);
}

Test(ros, refuses_a_kernel_that_has_no_room)
{
	struct test_machine machine = hybrid_with("quiet");
	const char *unusable = monitor_unusable();
	struct error e = {};

	if (unusable)
		cr_skip_test("%s", unusable);
	machine.ros_mib = 2;
	cr_assert_eq(monitor_spawn(&client, &e), 0);
	cr_expect_eq(monitor_setup(&client, &machine, &e), -ENOEXEC);
	cr_expect(strstr(e.text, "kernel \"kernel\" of the ROS: kernel 0, 0x"), "%s", e.text);
	cr_expect(strstr(e.text, "at 0x200000, does not lie in the ROS's memory, which has 0x200000 bytes from 0 on"), "%s",
		e.text);
}

Test(ros, that_has_turned_itself_off_leaves_the_hrt_alone)
{
	struct test_machine machine = hybrid_with("poweroff");

	start(&machine);
	expect_text("[hvmd: ros has turned itself off]\n", 1);
	expect_text("): hello\n", 1);
	cr_expect_eq(client.partitions[PARTITION_HRT].state, PARTITION_RUNNING);
	reset(LINK_SCOPE_HRT);
	expect_text("): hello\n", 2);
}
