/*
 * test-boot-state.c - what a core of a real machine finds at its first instruction
 *
 * The reference HRT prints every register; here each is compared with its row in
 * the table of [spec 4.1], right-hand column, which is written down a second time.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/macro.h"
#include "kvm/kvm.h"
#include "monitor-client.h"

#define BOOT_TIMEOUT_MS 60000
#define STEP_MS         20 /* between two looks at the log */

#define HIGH 0xFFFF800000000000ull
#define PG   4096ull

static struct monitor_client client = {.link = -1, .log = -1};

static void stop_all(void)
{
	monitor_fini(&client);
}

TestSuite(boot_state, .fini = stop_all, .timeout = 120);

static void start(const struct test_machine *machine)
{
	const char *unusable = monitor_unusable();
	struct error e = {};
	int r;

	if (unusable)
		cr_skip_test("%s", unusable);
	r = monitor_spawn(&client, &e);
	if (r == 0)
		r = monitor_setup(&client, machine, &e);
	if (r == 0)
		r = monitor_request(&client, LINK_START, NULL, 0, -1, &e);
	cr_assert_eq(r, 0, "%s", error_text(&e, r));
}

/* A line is cut in two where its core stood still for long, as on a busy host: without ends of lines that does not show. */
static char *log_in_one_line(void)
{
	char *log = monitor_log(&client), *to = log;

	for (const char *from = log; *from; from++)
		if (*from != '\n')
			*to++ = *from;
	*to = '\0';
	return log;
}

/* Empty where the log has it; otherwise how the row differs that does. */
static void compare(const char *log, const char *expected, char *ret, size_t size)
{
	const char *begin;
	char first[16];
	size_t row = 0;

	ret[0] = '\0';
	if (strstr(log, expected))
		return;
	snprintf(first, sizeof(first), "%.15s", expected); /* it begins with what no other line does */
	begin = strstr(log, first);
	for (size_t n = 0; begin && begin[n] && begin[n] == expected[n]; n++)
		row = strncmp(expected + n, "core ", 5) == 0 ? n : row;
	snprintf(ret, size, "found \"%.60s\", expected \"%.60s\"", begin ? begin + row : "nothing", expected + row);
}

/* The console shows `expected`, given time. */
static void expect_shown(const char *expected)
{
	char difference[160] = "not looked";

	for (unsigned waited = 0; waited < BOOT_TIMEOUT_MS && difference[0]; waited += STEP_MS) {
		_cleanup_free_ char *log = NULL;

		monitor_wait_text(&client, "what no guest prints", 1, STEP_MS);
		log = log_in_one_line();
		compare(log, expected, difference, sizeof(difference));
	}
	cr_assert_str_empty(difference, "%s", difference);
}

/* --- Registers -------------------------------------------------------------- */

#define ROS_CORES 2
#define HRT_CORES 3
#define MEMORY    (64 * MiB)
#define STACK     8192ull
#define TABLES    18ull /* [spec 2.4], of 16 GiB by 2 MiB: a PML4, a PDPT, 16 PDs */
#define PT        (MEMORY - (4 + TABLES) * PG)
#define MBI       (PT - PG)

struct row {
	const char *name;
	uint64_t value;
};

/* Of HRT core n. The entry point is where the dump was made, so that there is no row for RIP. */
static size_t rows_of(uint32_t n, struct row ret[64])
{
	const struct row rows[] = {
		{"rax", 0x36D76289}, {"rbx", MBI + HIGH}, {"rcx", ROS_CORES + n}, {"rdx", n}, {"rsp", MBI + HIGH - n * STACK - 16},
		{"rbp", MBI + HIGH - n * STACK - 8}, {"rdi", 0}, {"rsi", 0}, {"r8", 0}, {"r9", 0}, {"r10", 0}, {"r11", 0},
		{"r12", 0}, {"r13", 0}, {"r14", 0}, {"r15", 0}, {"rflags", 2}, {"cr0", 0x80010033}, {"cr2", 0}, {"cr3", PT},
		{"cr4", 0xB0}, {"cr8", 0}, {"efer", 0xD00}, {"dr0", 0}, {"dr1", 0}, {"dr2", 0}, {"dr3", 0},
		{"dr6", 0xFFFF0FF0}, {"dr7", 0x400}, {"star", 0}, {"lstar", 0}, {"sfmask", 0}, {"kernel_gs_base", 0},
		{"fs_base", 0}, {"gs_base", 0}, {"pat", 0x0007040600070406}, {"apic_base", 0xFEE00800 | (n == 0 ? 0x100 : 0)},
		{"idtr.base", MEMORY - 2 * PG + HIGH}, {"idtr.limit", 0xFFF}, {"gdtr.base", MEMORY - 3 * PG + HIGH},
		{"gdtr.limit", 0x27}, {"tr", 0x18}, {"ldtr", 0}, {"cs", 8}, {"ds", 0x10}, {"es", 0x10}, {"fs", 0x10},
		{"gs", 0x10}, {"ss", 0x10}, {"fcw", 0x37F}, {"ftw", 0}, {"mxcsr", 0x1F80},
	};

	memcpy(ret, rows, sizeof(rows));
	return ARRAY_SIZE(rows);
}

/* All rows of a core, in order; the cores take turns. */
static void expected_rows(uint32_t core, char *ret, size_t size)
{
	struct row rows[64];
	size_t n = rows_of(core, rows), used = 0;

	for (size_t i = 0; i < n; i++)
		used += (size_t)snprintf(ret + used, size - used, "core %u: reg %s 0x%" PRIx64, core, rows[i].name, rows[i].value);
	snprintf(ret + used, size - used, "core %u: reg end", core);
}

Test(boot_state, of_every_core_is_as_in_the_table)
{
	struct test_machine machine = {.image = "reference.elf", .cmdline = "mode=registers", .memory_mib = MEMORY / MiB,
		.ros_mib = 4, .cores = ROS_CORES + HRT_CORES, .ros_cores = ROS_CORES, .stack = STACK};
	char expected[4096];

	start(&machine);
	for (uint32_t core = 0; core < HRT_CORES; core++) {
		expected_rows(core, expected, sizeof(expected));
		expect_shown(expected);
	}
}

/* --- What is handed over ---------------------------------------------------- */

Test(boot_state, has_the_modules_where_the_block_says)
{
	struct test_machine machine = {.image = "reference.elf", .cmdline = "mode=modules", .memory_mib = 64, .ros_mib = 4,
		.cores = 2, .ros_cores = 1, .modules = {"one module", "another"}, .module_cmdlines = {"first of two", NULL}};

	start(&machine);
	expect_shown("core 0: module 0: 10 bytes, sum 1000, text first of two");
	expect_shown("core 0: module 1: 7 bytes, sum 753, text ");
}

Test(boot_state, has_them_below_4_gib_where_memory_goes_on_above)
{
	struct test_machine machine = {.image = "reference.elf", .cmdline = "mode=modules", .memory_mib = 6000, .ros_mib = 4,
		.cores = 2, .ros_cores = 1, .modules = {"one module"}};

	start(&machine);
	expect_shown("core 0: module 0: 10 bytes, sum 1000, text ");
}

/* --- The seed --------------------------------------------------------------- */

/* [spec 4.1, 4.3], for a blob: the boundary page is below the end of memory, or of the first GiB, and all ones. */
static void expect_seed(uint32_t memory_mib, uint64_t boundary, uint64_t load, enum spec_granule granule)
{
	struct test_machine machine = {.image = "seed.bin", .layout = SPEC_LAYOUT_SEED, .memory_mib = memory_mib, .ros_mib = 4,
		.cores = 2, .ros_cores = 1, .load = load, .granule = granule};
	char line[200];

	snprintf(line, sizeof(line), "%016x %016x %016x %016x %016" PRIx64 " %016" PRIx64 " %016" PRIx64 " %s", 0, 0, 0, 0,
		boundary, boundary, boundary, "ffffffffffffffff");
	start(&machine);
	expect_shown(line);
	monitor_fini(&client);
}

Test(boot_state, of_a_seeds_blob_is_the_boundary_page_in_three_registers)
{
	expect_seed(64, 64 * MiB - 8 * PG, 0, SPEC_GRANULE_2M);
	expect_seed(2048, 1024 * MiB - 8 * PG, 0, SPEC_GRANULE_2M);
}

Test(boot_state, of_a_seeds_blob_is_the_same_where_the_definition_places_it_and_maps_it_otherwise)
{
	expect_seed(64, 64 * MiB - 8 * PG, 16 * MiB, SPEC_GRANULE_2M);
	expect_seed(64, 64 * MiB - 8 * PG - 512 * PG, 0, SPEC_GRANULE_4K);
}

static bool has_gigabyte_pages(void)
{
	_cleanup_(kvm_host_freep) struct kvm_host *host = NULL;
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct error e;

	return fd >= 0 && kvm_host_new(fd, &host, &e) == 0 && kvm_host_has_gigabyte_pages(host);
}

/* They take a page less of page tables; where the processor has none, there are pages of 2 MiB. */
Test(boot_state, of_a_seed_by_pages_of_1_gib_is_the_table_of_the_variant_that_the_processor_has)
{
	expect_seed(2048, 1024 * MiB - (has_gigabyte_pages() ? 7 : 8) * PG, 0, SPEC_GRANULE_1G);
}
