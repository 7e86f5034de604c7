/* test-launch.c - the launch record, line by line, and what its digest depends on; hvmd-digest(7) has the recipe */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>

#include "base/hex.h"
#include "guest/launch.h"
#include "plans.h"

#define EMPTY_RECORD "ff49ea585c1bda5f2a660537e0b3936f12d3926c37e4a5f2bdeed3efd53d5ed87a24b7f3300f23257710c68e6ecb80a9"
#define SHA256_OF_ZEROS "ad7facb2586fc6e966c004d7d1d16b024f5805ff7cb47c7a85dabd8b48892ca7" /* of 4096 of them */

static struct wish wish;
static struct plan plan;
static struct memory memory;
static struct launch launch;
static uint8_t files[1][SPEC_SHA256_SIZE];

static void set_up(void)
{
	struct error e;

	wish = (struct wish)WISH_EXAMPLE;
	wish.file_size = 0x2345;
	cr_assert(eq(int, wish_plan(&wish, &plan, &e), 0));
	plan_memory(&plan, &memory);
	memset(files, 0xAB, sizeof(files));
	launch_init(&launch);
}

static void tear_down(void)
{
	launch_fini(&launch);
	free(memory.windows[0].host);
}

TestSuite(launch, .init = set_up, .fini = tear_down);

/* Line `n` of the record, counted from 0; "" where there is none. */
static const char *line(unsigned n)
{
	static char text[1024];
	const char *p = (const char *)launch.record.data, *end = p + launch.record.size, *stop;

	for (; n > 0 && p < end; n--)
		p = (const char *)memchr(p, '\n', (size_t)(end - p)) + 1;
	stop = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
	cr_assert(stop == NULL || (size_t)(stop - p) < sizeof(text));
	snprintf(text, sizeof(text), "%.*s", stop ? (int)(stop - p) : 0, p);
	return text;
}

static void add_regions(void)
{
	launch_add_regions(&launch, &plan, &memory, (const uint8_t(*)[SPEC_SHA256_SIZE])files);
}

static const char *digest(void)
{
	static char hex[2 * LAUNCH_DIGEST_SIZE + 1];
	uint8_t bytes[LAUNCH_DIGEST_SIZE];

	cr_assert(eq(int, launch_digest(&launch, bytes), 0));
	hex_format(bytes, sizeof(bytes), hex);
	return hex;
}

Test(launch, record_begins_with_its_version)
{
	cr_assert_str_eq(line(0), "hvmd launch record 1");
}

Test(launch, has_a_line_for_each_region_in_the_order_of_the_plan)
{
	add_regions();
	cr_assert_str_eq(line(1), "region 0x0 0x800000 both zero");
	cr_assert_str_eq(line(2), "region 0x800000 0x800000 hrt zero");
	cr_assert_str_eq(line(1 + (unsigned)plan.n_regions), "");
	cr_assert_str_eq(line((unsigned)plan.n_regions - 1), "region 0xfec00000 0x1400000 device none");
	cr_assert_str_eq(line((unsigned)plan.n_regions), "region 0x1fffff000 0x1000 both zero");
}

Test(launch, a_region_of_a_file_enters_by_the_digest_of_the_whole_file)
{
	char hex[65];

	add_regions();
	hex_format(files[0], 32, hex);
	cr_assert_str_eq(hex, "abababababababababababababababababababababababababababababababab");
	cr_assert_str_eq(line(3),
		"region 0x1000000 0x3000 hrt file 0x1000 0x2345 abababababababababababababababababababababababababababababababab");
}

Test(launch, what_we_write_enters_by_its_bytes)
{
	add_regions();
	cr_assert_str_eq(plan.regions[5].name, "info block");
	cr_assert_str_eq(line(6), "region 0xfff1000 0x1000 hrt generated " SHA256_OF_ZEROS);
	cr_assert(eq(u8, plan.regions[5].digest[0], 0xad), "the plan has it, too");
}

Test(launch, a_byte_of_what_we_write_changes_the_digest)
{
	char before[2 * LAUNCH_DIGEST_SIZE + 1];

	add_regions();
	snprintf(before, sizeof(before), "%s", digest());
	((uint8_t *)memory_at(&memory, plan.gdt, 1))[0] = 1;
	launch_fini(&launch);
	launch_init(&launch);
	add_regions();
	cr_assert_str_neq(digest(), before);
}

Test(launch, a_core_has_its_registers_that_are_not_zero_and_the_next_one_what_differs)
{
	struct boot_registers r = {.rax = 0x36D76289, .rip = 0x1000, .rflags = 2, .gdt_base = 0x5000, .gdt_limit = 39,
		.cs = {.selector = 8, .limit = UINT32_MAX, .type = 0xB, .s = 1, .present = 1, .l = 1, .g = 1},
		.ldt = {.unusable = 1}};

	launch_add_core(&launch, 2, &r);
	r.rip = 0;
	r.rdx = 1;
	r.gdt_limit = 47;
	launch_add_core(&launch, 3, &r);
	launch_add_core(&launch, 4, &r);
	cr_assert_str_eq(line(1), "core 2 rax=0x36d76289 rip=0x1000 rflags=0x2 cs=0x8:0x0:0xffffffff:0xa09b "
				  "ldt=0x0:0x0:0x0:0x10000 gdt=0x5000:0x27");
	cr_assert_str_eq(line(2), "core 3 rdx=0x1 rip=0x0 gdt=0x5000:0x2f");
	cr_assert_str_eq(line(3), "core 4");
}

Test(launch, digest_is_the_sha_384_of_the_record)
{
	/* printf 'hvmd launch record 1\n' | sha384sum */
	cr_assert_str_eq(digest(), EMPTY_RECORD);
}

Test(launch, the_largest_record_fits)
{
	struct boot_registers odd, even;

	plan.n_regions = PLAN_REGIONS_MAX;
	for (size_t i = 0; i < plan.n_regions; i++)
		plan.regions[i] = (struct plan_region){.gpa = 0x10000000000 - 0x1000 * i, .size = 0x10000000000,
			.access = PLAN_DEVICE, .origin = {.source = i % 2 ? PLAN_FILE : PLAN_ZERO, .offset = 0x10000000, .size = 0x10000000}};
	memset(&odd, 0xFF, sizeof(odd));
	memset(&even, 0xFE, sizeof(even));
	add_regions();
	for (uint32_t i = 0; i < SPEC_CORES_MAX; i++) {
		struct boot_registers r = i ? odd : even;

		r.rcx = r.rdx = r.rsp = r.rbp = ~(uint64_t)i;
		launch_add_core(&launch, i, &r);
	}
	cr_assert(buffer_ok(&launch.record));
}

Test(launch, says_when_memory_was_short)
{
	uint8_t bytes[LAUNCH_DIGEST_SIZE];

	launch.record.failed = true;
	cr_assert(eq(int, launch_digest(&launch, bytes), -ENOMEM));
}
