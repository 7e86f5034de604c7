/* test-linux.c - what is read out of a bzImage, and every way it may be wrong */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>

#include "base/error.h"
#include "base/macro.h"
#include "bzimages.h"
#include "image/kernel.h"

static struct bzimage b;
static struct kernel_image image;
static struct error e;

static void set_up(void)
{
	b = bzimage_debian();
	e = (struct error){};
}

TestSuite(bzimage, .init = set_up);

static int parse(void)
{
	uint8_t *file = bzimage_build(&b);
	int r = kernel_image_parse_as(file, b.size, KERNEL_LINUX, &image, &e);

	free(file);
	return r;
}

static uint64_t segment_end(void)
{
	return image.segments[0].gpa + image.segments[0].memory_size;
}

static void accepts(void)
{
	cr_assert(eq(int, parse(), 0), "%s", e.text);
}

static void refuses(const char *sentence)
{
	cr_assert(eq(int, parse(), -ENOEXEC));
	cr_assert_str_eq(e.text, sentence);
}

static void is_none(const char *sentence)
{
	cr_assert(eq(int, parse(), -ENOENT));
	cr_assert_str_eq(e.text, sentence);
}

Test(bzimage, debians_kernel_goes_where_it_wants_to_run)
{
	accepts();
	cr_assert(image.bzimage.entry_64);
	cr_assert(eq(u64, image.segments[0].gpa, 16 * MiB));
	cr_assert(eq(u64, segment_end(), 16 * MiB + 0x3378000));
	cr_assert(eq(u64, image.segments[0].offset, 40 * 512));
	cr_assert(eq(u64, image.segments[0].file_size, 0x1000), "a signature behind the code is not loaded");
	cr_assert(eq(u64, image.bzimage.initrd_max, 0x7FFFFFFF));
	cr_assert(eq(u32, image.bzimage.cmdline_max, 2047));
}

Test(bzimage, what_stands_behind_the_headers_end_is_code_and_not_believed)
{
	accepts();
	cr_assert(eq(u32, image.bzimage.header.kernel_info_offset, 0xD7F91C));
	b.header_end = 0x62; /* 2.12 */
	accepts();
	cr_assert(eq(u32, image.bzimage.header.init_size, 0x3378000));
	cr_assert(eq(u32, image.bzimage.header.handover_offset, 0));
	cr_assert(eq(u32, image.bzimage.header.kernel_info_offset, 0));
}

Test(bzimage, memtest_stays_at_1_mib)
{
	b = bzimage_memtest();
	accepts();
	cr_assert(image.bzimage.entry_64);
	cr_assert(eq(u64, image.segments[0].gpa, 1 * MiB));
	cr_assert(eq(u64, segment_end(), 1 * MiB + 0x6ACF8));
	cr_assert(eq(u64, image.segments[0].file_size, 0x1008), "syssize counts in 16 bytes, and the file ends within the last");
}

Test(bzimage, without_a_64_bit_entry_the_32_bit_entry_is_taken)
{
	b = bzimage_memtest_32();
	accepts();
	cr_assert(not(image.bzimage.entry_64));
	b = bzimage_memtest();
	b.header.version = 0x20B; /* has no xloadflags */
	accepts();
	cr_assert(not(image.bzimage.entry_64));
}

Test(bzimage, the_code_may_need_more_than_init_size_says)
{
	b.header.init_size = 1;
	accepts();
	cr_assert(eq(u64, segment_end(), image.segments[0].gpa + image.segments[0].file_size));
}

Test(bzimage, setup_sects_0_stands_for_4)
{
	b.header.setup_sects = 0;
	b.size = 5 * 512 + 0x1000;
	accepts();
	cr_assert(eq(u64, image.segments[0].offset, 5 * 512));
}

Test(bzimage, a_wish_below_1_mib_is_1_mib)
{
	b.header.pref_address = 0;
	b.header.kernel_alignment = 1;
	accepts();
	cr_assert(eq(u64, image.segments[0].gpa, 1 * MiB));
}

Test(bzimage, alignment_moves_it_up)
{
	b.header.pref_address = 16 * MiB + 1;
	accepts();
	cr_assert(eq(u64, image.segments[0].gpa, 18 * MiB));
}

Test(bzimage, a_16_bit_entry_alone_is_refused_with_that_sentence)
{
	b = bzimage_ipxe();
	refuses("the image has a 16-bit entry only (boot protocol 2.07), which hvmd does not use: "
		"it enters kernels in 64-bit mode, or from boot protocol 2.10 on in 32-bit mode");
}

Test(bzimage, a_zimage_is_refused_with_that_sentence)
{
	b.header.loadflags = 0x80;
	refuses("the image has a 16-bit entry only (a zImage: loadflags 0x80 lack LOADED_HIGH), which hvmd does not use");
}

Test(bzimage, a_boot_sector_is_refused_with_that_sentence)
{
	b.header.header = 0;
	is_none("no bzImage: header (0x202) is 0x00000000; 0x53726448 (\"HdrS\") would be right. "
		"What has a boot sector alone has a 16-bit entry only, which hvmd does not use");
}

Test(bzimage, other_files_are_no_bzimage)
{
	b.header.boot_flag = 0x1234;
	is_none("no bzImage: boot_flag (0x1fe) is 0x1234; 0xaa55 would be right");
	b.size = 300;
	is_none("the file has 300 bytes; the header of a bzImage alone begins at 0x1f1");
}

Test(bzimage, the_header_has_to_reach_init_size)
{
	b.header_end = 0x61;
	refuses("the header of the bzImage ends at 0x263 (the byte at 0x201); from boot protocol 2.10 on it reaches 0x264");
}

Test(bzimage, the_header_lies_within_the_file)
{
	b.size = 0x26B;
	refuses("the header of the bzImage ends at 0x26c; the file has only 0x26b bytes");
}

Test(bzimage, the_code_lies_within_the_file)
{
	b.size = 40 * 512;
	refuses("the protected-mode code of the bzImage begins at 0x5000 (setup_sects 39); the file has only 0x5000 bytes");
	b.size = 40 * 512 + 0xFF0;
	refuses("the protected-mode code of the bzImage has 0x1000 bytes (syssize), and the file has 0xff0 from 0x5000 on: "
		"it is cut off, or damaged");
	b = bzimage_debian();
	b.header.syssize = UINT32_MAX;
	refuses("the protected-mode code of the bzImage has 0xffffffff0 bytes (syssize), and the file has 0x15c0 from 0x5000 on: "
		"it is cut off, or damaged");
	b.header.syssize = 0;
	refuses("the protected-mode code of the bzImage has 0x0 bytes (syssize), and the file has 0x15c0 from 0x5000 on: "
		"it is cut off, or damaged");
}

Test(bzimage, the_64_bit_entry_lies_within_the_code)
{
	b.header.syssize = 0x20;
	refuses("the protected-mode code of the bzImage has 0x200 bytes; its 64-bit entry is at 0x200");
	b.header.syssize = 0x21;
	accepts();
}

Test(bzimage, an_alignment_is_a_power_of_two)
{
	b.header.kernel_alignment = 3;
	refuses("kernel_alignment of the bzImage is 0x3; a power of two would be right");
	b.header.kernel_alignment = 0;
	refuses("kernel_alignment of the bzImage is 0x0; a power of two would be right");
}

Test(bzimage, a_wish_above_4_gib_is_refused)
{
	b.header.pref_address = UINT64_MAX;
	refuses("the bzImage wants to run at 0xffffffffffffffff (pref_address), aligned to 0x200000; below 4 GiB would be right");
	b.header.pref_address = 0x90000000;
	b.header.kernel_alignment = 0x80000000;
	refuses("the bzImage wants to run at 0x90000000 (pref_address), aligned to 0x80000000; below 4 GiB would be right");
}

Test(bzimage, one_that_cannot_be_moved_has_its_place_in_memory)
{
	b = bzimage_memtest();
	b.header.pref_address = 0x1000;
	refuses("the bzImage runs at 0x1000 (pref_address) and cannot be moved; from 1 MiB on and below 4 GiB would be right");
	b.header.pref_address = UINT64_MAX;
	refuses("the bzImage runs at 0xffffffffffffffff (pref_address) and cannot be moved; "
		"from 1 MiB on and below 4 GiB would be right");
}
