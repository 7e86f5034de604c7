/*
 * test-ros-linux.c - what a Linux finds in the ROS when it is entered
 *
 * The zero page byte by byte, for three kernels: what is expected stands here as
 * offsets and values of boot.rst, and every other byte is zero.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>

#include <sys/mman.h>

#include "abi/x86.h"
#include "base/error.h"
#include "base/macro.h"
#include "bzimages.h"
#include "guest/boot.h"
#include "guest/memory.h"
#include "guest/paging.h"
#include "guest/plan.h"
#include "guest/ros-boot.h"

static struct vm_spec spec;
static struct spec_file ids[] = {{.id = (char *)"vmlinuz"}, {.id = (char *)"root"}};
static struct guest_file files[2];
static struct plan plan;
static struct ros_boot ros;
static struct memory memory;
static struct boot_registers registers;
static struct error e;
static uint8_t *ram;

static void tear_down(void)
{
	free((void *)(uintptr_t)files[0].data);
	files[0].data = NULL;
	if (ram)
		munmap(ram, spec.memory);
	ram = NULL;
}

TestSuite(ros_linux, .fini = tear_down);
TestSuite(ros_memory, .fini = tear_down);

/* A ROS alone, without a byte of memory. */
static int try(struct bzimage b, uint64_t ros_bytes, uint64_t initrd_size, const char *cmdline)
{
	static const uint8_t initrd[64 * KiB] = {'r', 'o', 'o', 't'};
	int r;

	tear_down();
	files[0] = (struct guest_file){.data = bzimage_build(&b), .size = b.size};
	files[1] = (struct guest_file){.data = initrd, .size = initrd_size};
	spec = (struct vm_spec){.name = (char *)"test", .memory = ros_bytes, .ros_memory = ros_bytes, .cores = 1, .ros_cores = 1,
		.files = ids, .n_files = 2, .ros_boots = true, .ros_has_initrd = initrd_size > 0, .ros_initrd = 1,
		.ros_cmdline = (char *)(uintptr_t)cmdline, .ros_protocol = SPEC_PROTOCOL_LINUX};
	e = (struct error){};
	plan_ros_alone(&spec, &plan);
	r = ros_boot_init(&ros, &spec, files, &e);
	return r < 0 ? r : ros_boot_plan(&ros, &plan, &e);
}

static void boot(struct bzimage b, uint64_t ros_bytes, uint64_t initrd_size, const char *cmdline)
{
	cr_assert(eq(int, try(b, ros_bytes, initrd_size, cmdline), 0), "%s", e.text);
	ram = mmap(NULL, ros_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	cr_assert(ne(ptr, ram, MAP_FAILED));
	memory = (struct memory){};
	memory_add(&memory, 0, ros_bytes, ram);
	cr_assert(eq(int, ros_boot_write(&ros, &memory, &e), 0));
	ros_boot_registers(&ros, &registers);
}

static void refuses(int r, const char *sentence)
{
	cr_assert(eq(int, r, -ENOEXEC));
	cr_assert_str_eq(e.text, sentence);
}

/* --- The zero page ---------------------------------------------------------------- */

struct field {
	unsigned offset, size;
	uint64_t value;
};

/* E820 of 256 MiB: three words each, in two fields of 8 bytes and one of 4. */
#define E820(i, addr, bytes, type) {0x2D0 + 20 * (i), 8, addr}, {0x2D8 + 20 * (i), 8, bytes}, {0x2E0 + 20 * (i), 4, type}
#define E820_256_MIB                                                                                            \
	{0x070, 8, 0xE0000},                                                                                     \
	{0x1E8, 1, 4}, E820(0, 0, 0xA0000, 1), E820(1, 0xA0000, 0x60000, 2), E820(2, 0x100000, 0xFF00000, 1),     \
		E820(3, 0xFEC00000, 0x1400000, 2)

static void compare(const struct field *fields, size_t n)
{
	uint8_t expected[4096] = {};

	for (size_t i = 0; i < n; i++)
		memcpy(expected + fields[i].offset, &fields[i].value, fields[i].size);
	for (unsigned i = 0; i < sizeof(expected); i++)
		cr_assert(eq(u8, ram[0x2000 + i], expected[i]), "at 0x%03x", i);
}

Test(ros_linux, the_zero_page_of_debians_kernel)
{
	static const struct field fields[] = {
		E820_256_MIB,
		{0x1F1, 1, 39}, {0x1F2, 2, 1}, {0x1F4, 4, 0x100}, {0x1FA, 2, 0xFFFF}, {0x1FE, 2, 0xAA55},
		{0x202, 4, 0x53726448}, {0x206, 2, 0x20F}, {0x20E, 2, 0x42C0}, {0x210, 1, 0xFF}, {0x211, 1, 1},
		{0x200, 2, 0x6A00}, {0x212, 2, 0x8000}, {0x214, 4, 0x100000}, {0x218, 4, 0xFFFE000}, {0x21C, 4, 0x1800},
		{0x224, 2, 0x5BE0}, {0x228, 4, 0x3000}, {0x22C, 4, 0x7FFFFFFF}, {0x230, 4, 0x200000}, {0x234, 1, 1},
		{0x235, 1, 21}, {0x236, 2, 0x7F}, {0x238, 4, 2047}, {0x248, 4, 0x2CC}, {0x24C, 4, 0xD696CC},
		{0x258, 8, 0x1000000}, {0x260, 4, 0x3378000}, {0x264, 4, 0xD72F10}, {0x268, 4, 0xD7F91C},
	};

	boot(bzimage_debian(), 256 * MiB, 0x1800, "console=ttyS0");
	compare(fields, ARRAY_SIZE(fields));
	cr_assert_str_eq((char *)ram + 0x3000, "console=ttyS0");
	cr_assert(eq(u64, registers.rip, 0x1000200));
	cr_assert(eq(u64, registers.rsi, 0x2000));
}

Test(ros_linux, the_zero_page_of_memtest)
{
	static const struct field fields[] = {
		E820_256_MIB,
		{0x1F1, 1, 2}, {0x1F4, 4, 0x101}, {0x1FE, 2, 0xAA55}, {0x200, 2, 0x6600}, {0x202, 4, 0x53726448},
		{0x206, 2, 0x20C}, {0x20E, 2, 0x260}, {0x210, 1, 0xFF}, {0x211, 1, 1}, {0x214, 4, 0x100000},
		{0x228, 4, 0x3000}, {0x22C, 4, 0xFFFFFFFF}, {0x230, 4, 0x1000}, {0x236, 2, 9}, {0x238, 4, 255},
		{0x258, 8, 0x100000}, {0x260, 4, 0x6ACF8},
	};

	boot(bzimage_memtest(), 256 * MiB, 0, NULL);
	compare(fields, ARRAY_SIZE(fields));
	cr_assert_str_empty((char *)ram + 0x3000);
	cr_assert(eq(u64, registers.rip, 0x100200));
}

Test(ros_linux, the_zero_page_of_memtest_for_32_bits)
{
	static const struct field fields[] = {
		E820_256_MIB,
		{0x1F1, 1, 2}, {0x1F4, 4, 0x101}, {0x1FE, 2, 0xAA55}, {0x200, 2, 0x6600}, {0x202, 4, 0x53726448},
		{0x206, 2, 0x20C}, {0x20E, 2, 0x260}, {0x210, 1, 0xFF}, {0x211, 1, 1}, {0x214, 4, 0x100000},
		{0x218, 4, 0xFFFF000}, {0x21C, 4, 0x1000}, {0x228, 4, 0x3000}, {0x22C, 4, 0xFFFFFFFF}, {0x230, 4, 0x1000},
		{0x236, 2, 4}, {0x238, 4, 255}, {0x258, 8, 0x100000}, {0x260, 4, 0x687F8},
	};

	boot(bzimage_memtest_32(), 256 * MiB, 0x1000, "console=ttyS0");
	compare(fields, ARRAY_SIZE(fields));
}

Test(ros_linux, a_vmlinux_finds_a_header_all_the_same)
{
	static const struct field fields[] = {
		E820_256_MIB,
		{0x1FE, 2, 0xAA55}, {0x202, 4, 0x53726448}, {0x206, 2, 0x20F}, {0x210, 1, 0xFF}, {0x211, 1, 1},
		{0x228, 4, 0x3000}, {0x230, 4, 0x200000},
	};

	boot(bzimage_debian(), 256 * MiB, 0, "quiet");
	ros.kernel.bzimage = (struct linux_image){.entry_64 = true};
	memset(ram, 0, 1 * MiB);
	cr_assert(eq(int, ros_boot_write(&ros, &memory, &e), 0));
	compare(fields, ARRAY_SIZE(fields));
}

Test(ros_linux, the_code_and_the_initrd_stand_where_the_plan_says)
{
	boot(bzimage_debian(), 256 * MiB, 0x1800, NULL);
	for (unsigned i = 0; i < 0x1000; i++)
		cr_assert(eq(u8, ram[16 * MiB + i], (uint8_t)(40 * 512 + i)));
	cr_assert(eq(u8, ram[16 * MiB + 0x1000], 0), "no signature");
	cr_assert_str_eq((char *)ram + 0xFFFE000, "root");
	cr_assert_str_eq(plan_find(&plan, 16 * MiB + 0x3378000 - 1)->name, "kernel 0");
	cr_assert_str_eq(plan_find(&plan, 0xFFFE000 + 0x17FF)->name, "initrd");
	cr_assert_str_eq(plan_find(&plan, 0x2000)->name, "zero page");
}

/* --- What does not fit --------------------------------------------------------------- */

Test(ros_linux, the_kernel_has_to_fit)
{
	refuses(try(bzimage_debian(), 67 * MiB, 0, NULL),
		"kernel \"vmlinuz\" of the ROS: kernel 0, 0x3378000 bytes at 0x1000000, does not lie in the ROS's memory, which has "
		"0x4300000 bytes from 0 on: give the ROS more memory, or link the image lower");
	cr_assert(eq(int, try(bzimage_debian(), 68 * MiB, 0, NULL), 0));
}

Test(ros_linux, the_command_line_has_to_fit)
{
	char cmdline[300] = "";

	memset(cmdline, 'x', 255);
	cr_assert(eq(int, try(bzimage_memtest(), 64 * MiB, 0, cmdline), 0));
	cmdline[255] = 'x';
	refuses(try(bzimage_memtest(), 64 * MiB, 0, cmdline),
		"kernel \"vmlinuz\" of the ROS: the command line has 256 bytes; the kernel takes 255 (cmdline_size)");
}

/* --- The processor --------------------------------------------------------------------- */

Test(ros_linux, long_mode_maps_4_gib_as_they_are)
{
	static const uint64_t gpas[] = {0, 0x2000, 0x1000200, 0xFEC00000, 4 * GiB - 1};
	uint64_t gpa;

	boot(bzimage_debian(), 256 * MiB, 0, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(gpas); i++) {
		cr_assert(eq(int, paging_walk(&memory, registers.cr3, gpas[i], &gpa), 0));
		cr_assert(eq(u64, gpa, gpas[i]));
	}
	cr_assert(eq(int, paging_walk(&memory, registers.cr3, 4 * GiB, &gpa), -EFAULT));
	cr_assert(eq(u64, registers.cr0 & (CR0_PG | CR0_PE), CR0_PG | CR0_PE));
	cr_assert(eq(u64, registers.efer, EFER_LMA | EFER_LME));
	cr_assert(eq(u8, registers.cs.l, 1));
	cr_assert(eq(u8, registers.cs.db, 0));
	cr_assert(eq(u64, registers.rflags & RFLAGS_IF, 0));
}

Test(ros_linux, a_kernel_of_32_bits_finds_flat_segments_and_no_paging)
{
	boot(bzimage_memtest_32(), 256 * MiB, 0, NULL);
	cr_assert(eq(u64, registers.rip, 0x100000));
	cr_assert(eq(u64, registers.rsi, 0x2000));
	cr_assert(eq(u64, registers.rbx | registers.rdi | registers.rbp, 0));
	cr_assert(eq(u64, registers.cr0, CR0_PE | CR0_ET));
	cr_assert(eq(u64, registers.cr4 | registers.efer, 0));
	cr_assert(eq(u8, registers.cs.l, 0));
	cr_assert(eq(u8, registers.cs.db, 1));
	cr_assert(eq(u32, registers.cs.limit, UINT32_MAX));
	cr_assert(eq(u8, ram[0x4000], 0), "no page tables");
}

/* A descriptor of the GDT, as the processor would load it: SDM volume 3A, 3.4.5 */
static void same_segment(const struct boot_segment *s)
{
	uint64_t d;
	uint32_t limit;

	memcpy(&d, ram + registers.gdt_base + s->selector, sizeof(d));
	limit = (uint32_t)((d & 0xFFFF) | (d >> 32 & 0xF0000));
	cr_assert(eq(u64, (d >> 16 & 0xFFFFFF) | (d >> 32 & 0xFF000000), s->base));
	cr_assert(eq(u32, s->g ? limit << 12 | 0xFFF : limit, s->limit));
	cr_assert(eq(u8, (uint8_t)(d >> 40 & 15), s->type));
	cr_assert(eq(u8, (uint8_t)(d >> 44 & 1), s->s));
	cr_assert(eq(u8, (uint8_t)(d >> 47 & 1), s->present));
	cr_assert(eq(u8, (uint8_t)(d >> 53 & 1), s->l));
	cr_assert(eq(u8, (uint8_t)(d >> 54 & 1), s->db));
	cr_assert(le(u32, s->selector + 7u, registers.gdt_limit));
}

Test(ros_linux, the_gdt_says_what_the_segment_registers_hold)
{
	boot(bzimage_debian(), 256 * MiB, 0, NULL);
	same_segment(&registers.cs);
	same_segment(&registers.data);
	same_segment(&registers.tr);
	boot(bzimage_memtest_32(), 256 * MiB, 0, NULL);
	same_segment(&registers.cs);
	same_segment(&registers.data);
	same_segment(&registers.tr);
}

/* --- The memory map ------------------------------------------------------------------------ */

static struct memory_map_entry map[ROS_MAP_MAX];

static unsigned map_of(uint64_t bytes)
{
	spec = (struct vm_spec){.memory = bytes, .ros_memory = bytes};
	return ros_memory_map(&spec, map);
}

static void entry_is(unsigned i, uint64_t start, uint64_t end, uint32_t type)
{
	cr_assert(eq(u64, map[i].gpa, start), "entry %u", i);
	cr_assert(eq(u64, map[i].gpa + map[i].size, end), "entry %u", i);
	cr_assert(eq(u32, map[i].type, type), "entry %u", i);
}

Test(ros_memory, the_map_of_2_mib)
{
	cr_assert(eq(u32, map_of(2 * MiB), 4));
	entry_is(0, 0, 0xA0000, 1);
	entry_is(1, 0xA0000, 1 * MiB, 2);
	entry_is(2, 1 * MiB, 2 * MiB, 1);
	entry_is(3, 0xFEC00000, 4 * GiB, 2);
}

Test(ros_memory, the_map_of_1_mib_has_no_memory_above_it)
{
	cr_assert(eq(u32, map_of(1 * MiB), 3));
	entry_is(2, 0xFEC00000, 4 * GiB, 2);
}

Test(ros_memory, ram_ends_where_the_hole_begins)
{
	cr_assert(eq(u32, map_of(0xFEC00000 - 1 * MiB), 4));
	entry_is(2, 1 * MiB, 0xFEB00000, 1);
	cr_assert(eq(u32, map_of(0xFEC00000), 4));
	entry_is(2, 1 * MiB, 0xFEC00000, 1);
	entry_is(3, 0xFEC00000, 4 * GiB, 2);
}

Test(ros_memory, ram_goes_on_above_the_hole)
{
	cr_assert(eq(u32, map_of(0xFEC00000 + 1 * MiB), 5));
	entry_is(2, 1 * MiB, 0xFEC00000, 1);
	entry_is(3, 0xFEC00000, 4 * GiB, 2);
	entry_is(4, 4 * GiB, 4 * GiB + 1 * MiB, 1);
	cr_assert(eq(u32, map_of(8 * GiB), 5));
	entry_is(4, 4 * GiB, 8 * GiB + 0x1400000, 1);
}

Test(ros_memory, of_a_hybrid_vm_the_ros_is_told_its_own_part)
{
	spec = (struct vm_spec){.memory = 8 * GiB, .hybrid = true, .ros_memory = 256 * MiB};
	cr_assert(eq(u32, ros_memory_map(&spec, map), 4));
	entry_is(2, 1 * MiB, 256 * MiB, 1);
}

/* --- The initrd ----------------------------------------------------------------------------- */

/* Where it goes beside a kernel that takes 1 MiB at 1 MiB */
static uint64_t place(uint64_t ros_bytes, uint64_t size, uint32_t max)
{
	struct bzimage b = bzimage_memtest();

	b.header.init_size = 1 * MiB;
	b.header.initrd_addr_max = max;
	cr_assert(eq(int, try(b, ros_bytes, size, NULL), 0), "%s", e.text);
	return ros.initrd;
}

Test(ros_memory, an_initrd_ends_where_the_memory_ends)
{
	cr_assert(eq(u64, place(64 * MiB, 4096, 0x7FFFFFFF), 64 * MiB - 4096));
	cr_assert(eq(u64, place(64 * MiB, 4097, 0x7FFFFFFF), 64 * MiB - 8192));
	cr_assert(eq(u64, place(64 * MiB, 1, 0x7FFFFFFF), 64 * MiB - 4096));
}

Test(ros_memory, an_initrd_ends_where_the_kernel_wants_it_to)
{
	cr_assert(eq(u64, place(4 * GiB, 4096, 0x7FFFFFFF), 2 * GiB - 4096));
	cr_assert(eq(u64, place(4 * GiB, 4096, 0x37FFFFFF), 0x38000000 - 4096));
	/* A limit that is no page's last byte */
	cr_assert(eq(u64, place(4 * GiB, 4096, 0x37FFFFFE), 0x38000000 - 8192));
}

Test(ros_memory, an_initrd_stays_below_the_device_hole)
{
	cr_assert(eq(u64, place(8 * GiB, 4096, UINT32_MAX), 0xFEC00000 - 4096));
}

Test(ros_memory, an_initrd_may_begin_where_the_kernel_ends)
{
	cr_assert(eq(u64, place(3 * MiB, 1 * MiB, 0x7FFFFFFF), 2 * MiB));
}

static void refuses_initrd(uint64_t ros_bytes, uint64_t size, uint32_t max, const char *sentence)
{
	struct bzimage b = bzimage_memtest();

	b.header.init_size = 1 * MiB;
	b.header.initrd_addr_max = max;
	refuses(try(b, ros_bytes, size, NULL), sentence);
}

Test(ros_memory, an_initrd_that_does_not_fit_is_refused)
{
	refuses_initrd(3 * MiB, 1 * MiB + 1, 0x7FFFFFFF,
		"kernel \"vmlinuz\" of the ROS: the initrd \"root\" of 0x100001 bytes does not fit between the kernel's end, 0x200000, "
		"and 0x300000, where the memory ends; more memory for the ROS or a smaller initrd would be right");
	refuses_initrd(3 * MiB, UINT64_MAX, 0x7FFFFFFF,
		"kernel \"vmlinuz\" of the ROS: the initrd \"root\" of 0xffffffffffffffff bytes does not fit between the kernel's end, "
		"0x200000, and 0x300000, where the memory ends; more memory for the ROS or a smaller initrd would be right");
	refuses_initrd(3 * MiB, 4096, 0x1FFFFF,
		"kernel \"vmlinuz\" of the ROS: the initrd \"root\" of 0x1000 bytes does not fit between the kernel's end, 0x200000, "
		"and 0x200000, where the kernel wants it to end; more memory for the ROS or a smaller initrd would be right");
	refuses_initrd(3 * MiB, 1, 0,
		"kernel \"vmlinuz\" of the ROS: the initrd \"root\" of 0x1 bytes does not fit between the kernel's end, 0x200000, "
		"and 0x1, where the kernel wants it to end; more memory for the ROS or a smaller initrd would be right");
}

Test(ros_memory, an_empty_initrd_is_refused)
{
	(void)try(bzimage_memtest(), 64 * MiB, 1, NULL);
	files[1].size = 0;
	plan_ros_alone(&spec, &plan);
	refuses(ros_boot_plan(&ros, &plan, &e), "kernel \"vmlinuz\" of the ROS: the initrd \"root\" is empty");
}
