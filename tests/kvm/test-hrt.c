/*
 * test-hrt.c - the reference HRT on real KVM, through hvm-monitor but without hvmd
 *
 * The guest (examples/guests) checks what it was promised; its verdict lines are
 * the assertions here. Then it misbehaves in each way it can, and the monitor
 * has to say what happened and to stay stoppable.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "abi/hrt.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/macro.h"
#include "large-image.h"
#include "monitor-client.h"

/* Verdict lines of one boot: core 0 also checks what is there once for all. The guest has no say in the numbers. */
#define PROMISES_CORE  82
#define PROMISES_FIRST 130
#define PROMISES_RELOCATED 2 /* more on core 0 */

#define BOOT_TIMEOUT_MS 180000 /* eight cores share what the host has, and are interpreted on some */
#define STOP_TIMEOUT_MS 1000   /* on a processor; see stop_timeout_ms() */

static struct monitor_client client = {.link = -1, .log = -1};

static void stop_all(void)
{
	monitor_fini(&client);
}

TestSuite(hrt, .fini = stop_all, .timeout = 400); /* twice the limit of a boot, which says more when it ends */

/* A machine with one ROS core, which stays parked, and 4 MiB for it. */
static struct test_machine machine_with(const char *image, uint32_t hrt_cores, const char *cmdline)
{
	return (struct test_machine){.image = image, .cmdline = cmdline, .memory_mib = 64, .ros_mib = 4,
		.cores = 1 + hrt_cores, .ros_cores = 1};
}

static void start(const struct test_machine *machine)
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
	r = monitor_request(&client, LINK_START, NULL, 0, -1, &e);
	cr_assert_eq(r, 0, "%s", error_text(&e, r));
}

static void reset_hrt(void)
{
	uint8_t scope = LINK_SCOPE_HRT;
	struct error e = {};
	int r = monitor_request(&client, LINK_RESET, &scope, 1, -1, &e);

	cr_assert_eq(r, 0, "%s", error_text(&e, r));
}

/* HVMD_TEST_SLOWNESS says how many times slower than a processor it is that we run on, where that is no processor. */
static unsigned stop_timeout_ms(void)
{
	const char *slowness = getenv("HVMD_TEST_SLOWNESS");

	return STOP_TIMEOUT_MS * (slowness ? (unsigned)strtoul(slowness, NULL, 10) : 1);
}

/* A second is promised, whatever the guest does. */
static void stop_in_time(void)
{
	uint64_t begin = clock_usec();
	struct error e = {};
	int r = monitor_request(&client, LINK_STOP, NULL, 0, -1, &e), status;

	cr_expect_eq(r, 0, "%s", error_text(&e, r));
	status = monitor_wait_end(&client, stop_timeout_ms());
	cr_expect_eq(status, 0, "the monitor ended with status %d", status);
	cr_expect_lt(clock_usec() - begin, stop_timeout_ms() * 1000, "stopping took %llu usec",
		(unsigned long long)(clock_usec() - begin));
}

/* --- Promises ------------------------------------------------------------- */

static unsigned promises_first = PROMISES_FIRST;

static void expect_core(uint32_t core, unsigned n_boots)
{
	unsigned promises = core == 0 ? promises_first : PROMISES_CORE, n;
	char text[64];

	snprintf(text, sizeof(text), "core %u: %u promises kept, 0 broken\n", core, promises);
	cr_assert(monitor_wait_text(&client, text, n_boots, BOOT_TIMEOUT_MS), "no line \"core %u: %u promises kept\" in:\n%s", core,
		promises, monitor_log(&client));
	snprintf(text, sizeof(text), "core %u: ok   ", core);
	n = monitor_count_text(&client, text);
	cr_expect_eq(n, promises * n_boots, "core %u has %u good verdicts, not %u", core, n, promises * n_boots);
}

static void expect_hello(const struct test_machine *machine, uint32_t core)
{
	char text[64];

	snprintf(text, sizeof(text), "hrt core %u (apic %u): hello\n", core, machine->ros_cores + core);
	cr_expect_geq(monitor_count_text(&client, text), 1, "no line \"%s\"", text);
}

static void expect_promises(const struct test_machine *machine, unsigned n_boots)
{
	for (uint32_t core = 0; core < machine->cores - machine->ros_cores; core++) {
		expect_core(core, n_boots);
		expect_hello(machine, core);
	}
	cr_expect_eq(monitor_count_text(&client, "FAIL"), 0, "broken promises in:\n%s", monitor_log(&client));
}

static void check_promises(const struct test_machine *machine)
{
	start(machine);
	expect_promises(machine, 1);
	stop_in_time();
}

static const uint8_t watch_hrt[] = {PARTITION_HRT, LINK_CONSOLE_WATCH};

Test(hrt, finds_all_promises_kept_on_one_core)
{
	struct test_machine machine = machine_with("reference.elf", 1, NULL);

	check_promises(&machine);
}

Test(hrt, finds_all_promises_kept_on_two_cores)
{
	struct test_machine machine = machine_with("reference.elf", 2, "mode=check");

	check_promises(&machine);
}

Test(hrt, finds_all_promises_kept_on_four_cores)
{
	struct test_machine machine = machine_with("reference.elf", 4, NULL);

	check_promises(&machine);
}

Test(hrt, finds_all_promises_kept_on_eight_cores)
{
	struct test_machine machine = machine_with("reference.elf", 8, NULL);

	check_promises(&machine);
}

Test(hrt, finds_all_promises_kept_at_offset_zero_on_one_core)
{
	struct test_machine machine = machine_with("reference-low.elf", 1, NULL);

	check_promises(&machine);
}

Test(hrt, finds_all_promises_kept_at_offset_zero_on_two_cores)
{
	struct test_machine machine = machine_with("reference-low.elf", 2, NULL);

	check_promises(&machine);
}

Test(hrt, finds_all_promises_kept_at_offset_zero_on_four_cores)
{
	struct test_machine machine = machine_with("reference-low.elf", 4, NULL);

	check_promises(&machine);
}

Test(hrt, finds_all_promises_kept_when_loaded_by_program_headers)
{
	struct test_machine machine = machine_with("reference-elf.elf", 2, NULL);

	check_promises(&machine);
}

Test(hrt, finds_all_promises_kept_where_it_was_placed_and_relocated)
{
	struct test_machine machine = machine_with("reference-pie.elf", 2, NULL);

	promises_first = PROMISES_FIRST + PROMISES_RELOCATED;
	check_promises(&machine);
	machine.memory_mib = 5000; /* and where memory goes on above the devices */
	monitor_fini(&client);
	check_promises(&machine);
}

/* 32 MiB of tables. */
Test(hrt, finds_all_promises_kept_with_pages_of_4_kib)
{
	struct test_machine machine = machine_with("reference-4k.elf", 2, NULL);

	machine.memory_mib = 128;
	check_promises(&machine);
}

/* Where the processor has none, it gets 2 MiB, and is told. */
Test(hrt, finds_all_promises_kept_with_pages_of_1_gib)
{
	struct test_machine machine = machine_with("reference-1g.elf", 2, NULL);

	check_promises(&machine);
}

Test(hrt, finds_all_promises_kept_in_16_mib)
{
	struct test_machine machine = machine_with("reference.elf", 1, NULL);

	machine.memory_mib = 16;
	check_promises(&machine);
}

Test(hrt, finds_all_promises_kept_in_8_gib_around_the_device_hole)
{
	struct test_machine machine = machine_with("reference.elf", 2, NULL);

	machine.memory_mib = 8192;
	check_promises(&machine);
}

Test(hrt, finds_all_promises_kept_behind_three_ros_cores)
{
	struct test_machine machine = machine_with("reference.elf", 1, NULL);

	machine.cores = 4;
	machine.ros_cores = 3;
	machine.ros_mib = 8;
	check_promises(&machine);
}

Test(hrt, finds_all_promises_kept_on_larger_stacks)
{
	struct test_machine machine = machine_with("reference.elf", 2, NULL);

	machine.stack = 16384;
	check_promises(&machine);
}

Test(hrt, finds_all_promises_kept_where_memory_shows_at_0_too)
{
	struct test_machine machine = machine_with("reference.elf", 2, "identity=y");

	machine.identity = true;
	start(&machine);
	expect_promises(&machine, 1);
	reset_hrt();
	expect_promises(&machine, 2);
	stop_in_time();
}

Test(hrt, finds_all_promises_kept_again_after_each_reset)
{
	struct test_machine machine = machine_with("reference.elf", 2, NULL);

	start(&machine);
	expect_promises(&machine, 1);
	reset_hrt();
	expect_promises(&machine, 2);
	reset_hrt();
	expect_promises(&machine, 3);
	cr_expect_eq(monitor_count_text(&client, "[hvmd: hrt reset 2]"), 1);
	stop_in_time();
}

static void expect_promises_where_mapped(const char *image, bool calls)
{
	struct test_machine machine = machine_with(image, 2, NULL);

	machine.sealed = machine.searched = true;
	start(&machine);
	expect_promises(&machine, 1);
	reset_hrt();
	expect_promises(&machine, 2);
	stop_in_time();
	monitor_fini(&client);
	machine = machine_with(image, 1, "mode=reset");
	machine.sealed = machine.searched = true;
	start(&machine);
	cr_expect_eq(client.hrt.n_patched > 5, calls, "%u were rewritten", client.hrt.n_patched);
	cr_assert(monitor_wait_text(&client, "core 0: 3 promises kept, 0 broken", 2, BOOT_TIMEOUT_MS), "%s", monitor_log(&client));
	cr_expect_eq(monitor_count_text(&client, "FAIL"), 0, "%s", monitor_log(&client));
	stop_in_time();
}

Test(hrt, finds_all_promises_kept_where_its_image_is_mapped_and_after_it_has_spoilt_it)
{
	expect_promises_where_mapped("reference.elf", false);
}

/* They are put back with what they were rewritten to; on a KVM that hangs on what they were. */
Test(hrt, finds_all_promises_kept_where_its_image_is_mapped_and_its_hypercalls_are_rewritten)
{
	expect_promises_where_mapped("reference-vmmcall.elf", true);
}

/* KiB of all mappings of a memfd of this name that the process has touched. */
static unsigned long resident_kib(pid_t pid, const char *memfd)
{
	unsigned long sum = 0, n;
	char path[64], line[512];
	bool wanted = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
	f = fopen(path, "re");
	cr_assert(f != NULL);
	while (fgets(line, sizeof(line), f)) {
		if (strchr(line, '-') && strchr(line, '-') < strchr(line, ' '))
			wanted = strstr(line, memfd);
		else if (wanted && sscanf(line, "Rss: %lu", &n) == 1)
			sum += n;
	}
	fclose(f);
	return sum;
}

Test(hrt, has_its_image_mapped_and_nobody_reads_it)
{
	struct test_machine machine = machine_with("", 2, NULL);

	for (int calls = 0; calls < 2; calls++) {
		machine.image_fd = large_image(16 * MiB, true, calls);
		machine.searched = true;
		machine.hypercall = SPEC_HYPERCALL_PATCH;
		start(&machine);
		cr_expect_eq(client.hrt.n_patched, calls);
		cr_expect_lt(resident_kib(client.pid, "/memfd:image"), 1024, "%lu KiB of 16 MiB were read",
			resident_kib(client.pid, "/memfd:image"));
		stop_in_time();
		monitor_fini(&client);
	}
	machine.searched = false; /* one that has to be searched is read: so it is seen that this can tell */
	start(&machine);
	cr_expect_gt(resident_kib(client.pid, "/memfd:image"), 16000);
	stop_in_time();
	close(machine.image_fd);
}

Test(hrt, is_told_to_hvmd_as_its_image_asks)
{
	struct test_machine machine = machine_with("reference.elf", 1, "mode=park");

	start(&machine);
	cr_expect_eq(client.hrt.flags, HVM_FLAG_MAP_2MB);
	cr_expect_eq(client.hrt.gva_offset, HVM_GVA_OFFSET_HIGH);
	cr_expect_eq(client.hrt.entry_gva >> 20, (HVM_GVA_OFFSET_HIGH + 8 * MiB) >> 20);
	cr_expect_eq(client.hrt.comm_page, 12 * GiB);
	cr_expect_eq(client.hrt.int_vector, 255);
	cr_expect_eq(client.partitions[PARTITION_ROS].state, PARTITION_PARKED);
	cr_expect_eq(client.partitions[PARTITION_HRT].state, PARTITION_RUNNING);
	stop_in_time();
}

Test(hrt, shows_its_lines_to_a_watcher_who_comes_late)
{
	struct test_machine machine = machine_with("reference.elf", 1, NULL);
	static char text[65536];
	int pipe_fds[2];
	struct error e = {};
	ssize_t n;

	start(&machine);
	expect_promises(&machine, 1);
	cr_assert_eq(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
	cr_assert_eq(monitor_request(&client, LINK_CONSOLE, watch_hrt, sizeof(watch_hrt), pipe_fds[1], &e), 0, "%s", e.text);
	n = read(pipe_fds[0], text, sizeof(text) - 1);
	cr_assert_gt(n, 0);
	text[n] = 0;
	cr_expect(strstr(text, "hrt core 0 (apic 1): hello\n"));
	cr_expect(strstr(text, " promises kept, 0 broken\n"));
	stop_in_time();
}

/* --- Misbehaviour --------------------------------------------------------- */

/* AMD's processors, where KVM uses them, lose all registers in a triple fault; others keep them. */
static bool have_svm(void)
{
	return access("/sys/module/kvm_amd", F_OK) == 0;
}

static void expect_crash(enum vm_reason reason, int32_t vcpu, const char *text)
{
	const struct partition_news *hrt = &client.partitions[PARTITION_HRT];

	cr_assert(monitor_wait_hrt(&client, PARTITION_CRASHED, BOOT_TIMEOUT_MS), "the HRT is %s, not crashed:\n%s",
		partition_state_to_string(hrt->state), monitor_log(&client));
	cr_expect_eq(hrt->reason, reason, "the reason is %s, not %s", vm_reason_to_string(hrt->reason),
		vm_reason_to_string(reason));
	cr_expect_eq(hrt->vcpu, vcpu, "it was core %d, not %d", hrt->vcpu, vcpu);
	if (reason == REASON_TRIPLE_FAULT && have_svm())
		cr_expect_eq(hrt->address, 0);
	else
		cr_expect_eq(hrt->address >> 16, (HVM_GVA_OFFSET_HIGH + 8 * MiB) >> 16,
			"it was at 0x%llx, outside the image", (unsigned long long)hrt->address);
	cr_expect(strstr(hrt->details, text), "\"%s\" does not say \"%s\"", hrt->details, text);
	cr_expect(monitor_wait_text(&client, hrt->details, 1, 1000), "the console does not say \"%s\"", hrt->details);
}

/* A crash is told with the core and the cause; a reset revives the HRT, which does the same again. */
static void check_crash(const char *cmdline, enum vm_reason reason, int32_t vcpu, const char *text)
{
	struct test_machine machine = machine_with("reference.elf", 2, cmdline);

	start(&machine);
	expect_crash(reason, vcpu, text);
	reset_hrt();
	cr_assert(monitor_wait_text(&client, "comes now", 2, BOOT_TIMEOUT_MS), "it did not boot again:\n%s",
		monitor_log(&client));
	expect_crash(reason, vcpu, text);
	stop_in_time();
}

Test(hrt, that_crashes_at_every_boot_is_reset_a_few_times_and_then_left_as_it_is)
{
	struct test_machine machine = machine_with("reference.elf", 1, "mode=triple");
	struct partition_news *hrt = &client.partitions[PARTITION_HRT];
	uint64_t until = clock_usec() + BOOT_TIMEOUT_MS * 1000ull;
	unsigned n_resets;

	machine.on_crash = SPEC_ON_CRASH_RESET;
	start(&machine);
	while (!strstr(hrt->details, "it is not reset any more") && clock_usec() < until)
		monitor_wait_hrt(&client, PARTITION_FAILED, 50);
	cr_assert(strstr(hrt->details, "that was 6 times in a row, each within 10 s of its boot, and it is not reset any more"),
		"%s", hrt->details);
	cr_expect_eq(hrt->state, PARTITION_CRASHED);
	cr_expect_eq(hrt->reason, REASON_TRIPLE_FAULT);
	n_resets = client.n_resets;
	cr_expect_eq(n_resets, 5);
	monitor_wait_hrt(&client, PARTITION_FAILED, 300);
	cr_expect_eq(client.n_resets, n_resets);
	cr_expect_eq(monitor_count_text(&client, "it is not reset any more"), 1);
	stop_in_time();
}

Test(hrt, crashes_by_a_triple_fault)
{
	check_crash("mode=triple", REASON_TRIPLE_FAULT, 2,
		have_svm() ? "core 2: triple fault; this processor" : "core 2: triple fault at RIP 0xffff80000080");
}

Test(hrt, crashes_on_the_core_that_its_command_line_names)
{
	check_crash("mode=triple core=0", REASON_TRIPLE_FAULT, 1,
		have_svm() ? "core 1: triple fault; this processor" : "core 1: triple fault at RIP 0xffff80000080");
}

Test(hrt, crashes_by_a_page_fault_that_only_the_null_handler_takes)
{
	check_crash("mode=unmapped", REASON_GUEST_PANIC, 2, "core 2: page fault (vector 14, error code 0x0) at RIP 0xffff80000080");
	cr_expect(strstr(client.partitions[PARTITION_HRT].details, "address 0xffff800400000000"));
}

Test(hrt, crashes_by_an_invalid_opcode_that_only_the_null_handler_takes)
{
	check_crash("mode=ud", REASON_GUEST_PANIC, 2, "core 2: invalid opcode (vector 6) at RIP 0xffff80000080");
}

Test(hrt, crashes_by_an_instruction_that_kvm_cannot_emulate)
{
	struct test_machine machine = machine_with("reference.elf", 2, "mode=emulation");

	start(&machine);
	expect_crash(REASON_EMULATION_FAILURE, 2, "core 2: KVM cannot emulate the instruction at RIP 0xffff80000080");
	cr_expect(strstr(client.partitions[PARTITION_HRT].details, "f3 48 0f b8"), "the bytes of popcnt are not in \"%s\"",
		client.partitions[PARTITION_HRT].details);
	stop_in_time();
}

Test(hrt, is_stopped_within_a_second_while_it_spins)
{
	struct test_machine machine = machine_with("reference.elf", 4, "mode=spin");

	start(&machine);
	cr_assert(monitor_wait_text(&client, "spins\n", 4, BOOT_TIMEOUT_MS));
	stop_in_time();
}

Test(hrt, is_stopped_within_a_second_after_a_raw_vmcall)
{
	struct test_machine machine = machine_with("reference.elf", 2, "mode=vmcall");

	machine.hypercall = SPEC_HYPERCALL_PORT; /* where KVM hands them over, we would answer otherwise */
	start(&machine);
	cr_assert(monitor_wait_text(&client, "core 1: vmcall comes now", 1, BOOT_TIMEOUT_MS));
	if (!have_svm())
		usleep(100000); /* into the hang, where there is one */
	else
		cr_expect(monitor_wait_text(&client, "core 1: vmcall answered 0xfffffffffffffc18", 1, BOOT_TIMEOUT_MS), "%s",
			monitor_log(&client)); /* -1000, KVM_ENOSYS in <linux/kvm_para.h> */
	cr_expect_eq(client.partitions[PARTITION_HRT].state, PARTITION_RUNNING);
	stop_in_time();
}

Test(hrt, is_reset_while_it_spins)
{
	struct test_machine machine = machine_with("reference.elf", 2, "mode=spin");

	start(&machine);
	cr_assert(monitor_wait_text(&client, "spins\n", 2, BOOT_TIMEOUT_MS));
	reset_hrt();
	cr_assert(monitor_wait_text(&client, "spins\n", 4, BOOT_TIMEOUT_MS));
	stop_in_time();
}

Test(hrt, ends_with_the_link_even_while_it_spins)
{
	struct test_machine machine = machine_with("reference.elf", 2, "mode=spin");

	start(&machine);
	cr_assert(monitor_wait_text(&client, "spins\n", 2, BOOT_TIMEOUT_MS));
	client.link = close_fd(client.link);
	cr_expect_eq(monitor_wait_end(&client, stop_timeout_ms()), 0);
}

/* --- The rest of what it can be told -------------------------------------- */

Test(hrt, resets_itself_and_finds_its_image_as_new)
{
	struct test_machine machine = machine_with("reference.elf", 2, "mode=reset");

	start(&machine);
	cr_assert(monitor_wait_text(&client, "3 promises kept, 0 broken", 2, BOOT_TIMEOUT_MS), "%s", monitor_log(&client));
	cr_expect_eq(monitor_count_text(&client, "core 0: boot 1\n"), 1);
	cr_expect_eq(monitor_count_text(&client, "core 0: boot 2\n"), 1);
	cr_expect_eq(monitor_count_text(&client, "FAIL"), 0, "%s", monitor_log(&client));
	cr_expect_eq(client.n_resets, 1);
	stop_in_time();
}

/* More pages than a dirty ring holds, and then more than are put back one by one (monitor/hrt-memory.h). */
/* A copy of the reference image whose one word `from` is another. */
static int image_with(uint64_t from, uint64_t to)
{
	static uint8_t bytes[1 << 20];
	_cleanup_close_ int image = monitor_open_image("reference.elf");
	ssize_t size = read(image, bytes, sizeof(bytes));
	uint8_t *at = size > 0 ? memmem(bytes, (size_t)size, &from, sizeof(from)) : NULL;
	int fd = memfd_create("other", MFD_CLOEXEC);

	cr_assert(at != NULL);
	memcpy(at, &to, sizeof(to));
	cr_assert_eq(write(fd, bytes, (size_t)size), size);
	return fd;
}

/* Palacios told the HRT of the new place and mapped nothing there. The reference HRT looks at the page where it is told that it is. */
Test(hrt, has_its_comm_page_where_another_image_wants_it_L13)
{
	struct test_machine machine = machine_with("reference.elf", 1, NULL);
	_cleanup_close_ int other = image_with(12 * GiB, 13 * GiB);
	struct error e = {};
	uint64_t size;

	start(&machine);
	expect_promises(&machine, 1);
	size = (uint64_t)lseek(other, 0, SEEK_END);
	cr_expect_eq(monitor_request(&client, LINK_LOAD, &size, sizeof(size), other, &e), 0, "%s", e.text);
	cr_expect_eq(client.hrt.comm_page, 12 * GiB);
	reset_hrt();
	expect_promises(&machine, 2);
	cr_expect_eq(client.hrt.comm_page, 13 * GiB);
	cr_expect_eq(monitor_count_text(&client, "comm page 0x340000000"), 1, "%s", monitor_log(&client));
	stop_in_time();
}

Test(hrt, finds_its_free_memory_zero_again_after_each_reset)
{
	static const struct {
		const char *cmdline, *text;
	} rounds[] = {
		{"mode=dirty pages=10", "dirtied 10 of 10 pages"},
		{"mode=dirty pages=5000", "dirtied 5000 of 5000 pages"},
		{"mode=dirty pages=20000", "dirtied 20000 of 20000 pages"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rounds); i++) {
		struct test_machine machine = machine_with("reference.elf", 1, rounds[i].cmdline);

		machine.memory_mib = 128;
		start(&machine);
		for (unsigned boot = 1; boot <= 3; boot++) {
			cr_assert(monitor_wait_text(&client, rounds[i].text, boot, BOOT_TIMEOUT_MS));
			reset_hrt();
		}
		cr_expect_eq(monitor_count_text(&client, "FAIL"), 0, "%s", monitor_log(&client));
		stop_in_time();
		monitor_fini(&client);
	}
}

/* --- What a definition asks for ------------------------------------------- */

static void expect_ros_memory(enum spec_access access, const char *text)
{
	struct test_machine machine = machine_with("reference.elf", 1, "mode=ros");

	machine.ros_memory = access;
	start(&machine);
	cr_expect(monitor_wait_text(&client, text, 1, BOOT_TIMEOUT_MS), "no line \"%s\" in:\n%s", text, monitor_log(&client));
	stop_in_time();
	monitor_fini(&client);
}

Test(hrt, has_the_memory_of_the_ros_as_far_as_its_definition_says)
{
	expect_ros_memory(SPEC_ACCESS_RW, "ros memory was 0x0, is 0x1234\n");
	expect_ros_memory(SPEC_ACCESS_RO, "ros memory was 0x0, is 0x0\n");
	expect_ros_memory(SPEC_ACCESS_NONE, "ros memory was 0xffffffffffffffff, is 0xffffffffffffffff\n");
}

/* Of LINK_PLAN; the digest is its end. */
static const uint8_t *digest_of_plan(void)
{
	struct cursor *c = &client.reply.payload;
	struct error e = {};
	int r = monitor_request(&client, LINK_PLAN, NULL, 0, -1, &e);

	cr_assert_eq(r, 0, "%s", error_text(&e, r));
	cursor_bytes(c, c->left - LINK_DIGEST_SIZE);
	return cursor_bytes(c, LINK_DIGEST_SIZE);
}

Test(hrt, has_the_same_launch_digest_whenever_the_same_starts_and_another_otherwise)
{
	struct test_machine machine = machine_with("reference.elf", 1, "mode=park");
	uint8_t first[LINK_DIGEST_SIZE];

	start(&machine);
	cr_assert(client.has_launch);
	memcpy(first, client.launch, sizeof(first));
	cr_expect_arr_eq(digest_of_plan(), first, sizeof(first));
	reset_hrt();
	cr_expect_arr_eq(digest_of_plan(), first, sizeof(first), "a reset starts the same");
	stop_in_time();
	monitor_fini(&client);
	start(&machine);
	cr_expect_arr_eq(client.launch, first, sizeof(first));
	stop_in_time();
	monitor_fini(&client);
	machine.cmdline = "mode=spin";
	start(&machine);
	cr_expect_arr_neq(client.launch, first, sizeof(first));
	stop_in_time();
}

/* The reference guest's mode says what it read; our numbers say that we have seen each of its accesses. */
Test(hrt, reads_all_ones_where_nothing_is_and_every_access_counts)
{
	struct test_machine machine = machine_with("reference.elf", 1, "mode=nothing");
	uint64_t reads, writes;

	start(&machine);
	cr_expect(monitor_wait_text(&client, "port 0xffffffff, msr 0x0, word 0xffffffff\n", 1, BOOT_TIMEOUT_MS),
		"not what it should read in:\n%s", monitor_log(&client));
	reads = monitor_telemetry(&client, "vcpu.1.unknown_reads", UINT64_MAX);
	writes = monitor_telemetry(&client, "vcpu.1.unknown_writes", UINT64_MAX);
	cr_expect_eq(reads, 4, "%llu reads of port and address", (unsigned long long)reads);
	cr_expect_eq(writes, 2, "%llu writes of the port", (unsigned long long)writes);
	cr_expect_eq(monitor_telemetry(&client, "vcpu.1.unknown_msrs", 0), 4);
	stop_in_time();
}

/* The CPUs that the thread of this name may run on, as the kernel lists them; NULL when there is none such. */
static char *allowed_cpus(pid_t pid, const char *name)
{
	char command[256], *line = NULL;
	size_t size = 0;
	FILE *f;

	snprintf(command, sizeof(command),
		"grep -lx '%s' /proc/%d/task/*/comm | sed 's,comm$,status,' | xargs sed -n 's/^Cpus_allowed_list:\t//p'", name,
		(int)pid);
	f = popen(command, "r");
	cr_assert(f);
	if (getline(&line, &size, f) < 0)
		cr_assert_fail("there is no thread \"%s\"", name);
	pclose(f);
	return line;
}

Test(hrt, runs_a_core_where_its_definition_pins_it)
{
	struct test_machine machine = machine_with("reference.elf", 2, "mode=park");

	machine.pin = (struct spec_core){.pinned = true, .cpu = 0};
	start(&machine);
	cr_expect_str_eq(allowed_cpus(client.pid, "core 2"), "0\n");
	cr_expect_str_neq(allowed_cpus(client.pid, "core 1"), "0\n", "only that core is pinned");
	stop_in_time();
}

Test(hrt, is_refused_when_pinned_to_a_cpu_that_is_not_there)
{
	struct test_machine machine = machine_with("reference.elf", 1, "mode=park");
	const char *unusable = monitor_unusable();
	struct error e = {};

	if (unusable)
		cr_skip_test("%s", unusable);
	machine.pin = (struct spec_core){.pinned = true, .cpu = 5000};
	cr_assert_eq(monitor_spawn(&client, &e), 0, "%s", e.text);
	cr_expect_eq(monitor_setup(&client, &machine, &e), -EINVAL);
	cr_expect_str_eq(e.text, "the hrt partition: core 1: the host has no CPU 5000 that this process may run on; "
		"choose another target_cpu, or none");
}

Test(hrt, counts_and_telemetry_shows_it)
{
	struct test_machine machine = machine_with("reference.elf", 2, "mode=count");
	uint64_t heartbeat = 0;

	start(&machine);
	cr_assert(monitor_wait_text(&client, "counts\n", 2, BOOT_TIMEOUT_MS));
	for (unsigned i = 0; i < 50 && heartbeat == 0; i++) {
		usleep(100000);
		heartbeat = monitor_telemetry(&client, "vcpu.2.heartbeat", 0);
	}
	cr_expect_gt(heartbeat, 0);
	stop_in_time();
}

/* --- Machines that cannot be ---------------------------------------------- */

static void expect_refusal(const struct test_machine *machine, int error, const char *text)
{
	const char *unusable = monitor_unusable();
	struct error e = {};
	int r;

	if (unusable)
		cr_skip_test("%s", unusable);
	cr_assert_eq(monitor_spawn(&client, &e), 0, "%s", e.text);
	r = monitor_setup(&client, machine, &e);
	cr_expect_eq(r, error, "errno %d, not %d: %s", -r, -error, e.text);
	cr_expect(strstr(e.text, text), "\"%s\" does not say \"%s\"", e.text, text);
	stop_in_time();
}

Test(hrt, is_refused_in_a_machine_that_ends_below_its_image)
{
	struct test_machine machine = machine_with("reference.elf", 1, NULL);

	machine.memory_mib = 8;
	expect_refusal(&machine, -ENOEXEC, "0x800000");
}
