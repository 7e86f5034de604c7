/*
 * test-plan.c - where the boot state stands, and what is refused
 *
 * Every address over many sizes is compared with an independent computation in
 * test-layout.sh; here are the rules and the sentences.
 */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>

#include "abi/x86.h"
#include "base/macro.h"
#include "abi/multiboot2.h"
#include "guest/hrt-info.h"
#include "plans.h"

static struct wish wish;
static struct plan plan;
static struct error e;

static void set_up(void)
{
	wish = (struct wish)WISH_EXAMPLE;
	e = (struct error){};
}

static void cr_plans(void)
{
	cr_assert(eq(int, wish_plan(&wish, &plan, &e), 0), "%s", e.text);
}

static void cr_refuses(int error, const char *sentence)
{
	cr_assert(eq(int, wish_plan(&wish, &plan, &e), error));
	cr_assert_str_eq(e.text, sentence);
}

TestSuite(plan, .init = set_up);

Test(plan, stacks_the_boot_state_below_the_end_of_ram)
{
	cr_plans();
	cr_assert(eq(u64, plan.end, 0x10000000));
	cr_assert(eq(u64, plan.handler, 0xFFFF000));
	cr_assert(eq(u64, plan.idt, 0xFFFE000));
	cr_assert(eq(u64, plan.gdt, 0xFFFD000));
	cr_assert(eq(u64, plan.tss, 0xFFFC000));
	cr_assert(eq(u64, plan.page_table_pages, 10));
	cr_assert(eq(u64, plan.page_tables, 0xFFF2000));
	cr_assert(eq(u64, plan.info, 0xFFF1000));
	cr_assert(eq(u64, plan.stacks, 0xFFEF000));
}

Test(plan, takes_over_what_definition_and_image_say)
{
	wish.stack = 16384;
	cr_plans();
	cr_assert(eq(u64, plan.ros_bytes, 8 * MiB));
	cr_assert(eq(u32, plan.n_cores, 4));
	cr_assert(eq(u32, plan.first_hrt_core, 2));
	cr_assert(eq(u32, plan.n_hrt_cores, 2));
	cr_assert(eq(u64, plan.stack_size, 16384));
	cr_assert(eq(u64, plan.stacks, plan.info - 2 * 16384));
	cr_assert(eq(u64, plan.gva_offset, HVM_GVA_OFFSET_HIGH));
	cr_assert(eq(u64, plan.entry_gva, HVM_GVA_OFFSET_HIGH + 16 * MiB));
	cr_assert(eq(u64, plan.comm_page, 8 * GiB - 4096));
	cr_assert(eq(u8, plan.int_vector, 255));
}

/* --- Regions -------------------------------------------------------------- */

static void cr_regions_are(const char *const *lines)
{
	size_t n = 0;

	for (; lines[n]; n++) {
		const struct plan_region *r = &plan.regions[n];
		char line[128];

		cr_assert(lt(sz, n, plan.n_regions));
		snprintf(line, sizeof(line), "%s %llx %llx %s", r->name, (unsigned long long)r->gpa,
			(unsigned long long)(r->gpa + r->size), plan_access_to_string(r->access));
		cr_assert_str_eq(line, lines[n]);
	}
	cr_assert(eq(sz, n, plan.n_regions));
}

Test(plan, names_every_region)
{
	cr_plans();
	cr_regions_are((const char *const[]){
		"ros memory 0 800000 both",
		"hrt memory 800000 1000000 hrt",
		"image 0 1000000 1003000 hrt",
		"hrt memory 1003000 ffef000 hrt",
		"stacks ffef000 fff1000 hrt",
		"info block fff1000 fff2000 hrt",
		"page tables fff2000 fffc000 hrt",
		"tss fffc000 fffd000 hrt",
		"gdt fffd000 fffe000 hrt",
		"idt fffe000 ffff000 hrt",
		"null handler ffff000 10000000 hrt",
		"device hole fec00000 100000000 device",
		"comm page 1fffff000 200000000 both",
		NULL,
	});
}

static const struct plan_region *region(const char *name)
{
	for (size_t i = 0; i < plan.n_regions; i++)
		if (strcmp(plan.regions[i].name, name) == 0)
			return &plan.regions[i];
	cr_fatal("there is no region \"%s\"", name);
}

static const char *source(const char *name)
{
	return plan_source_to_string(region(name)->origin.source);
}

Test(plan, says_of_every_region_where_its_bytes_come_from)
{
	wish.file_size = 0x2345;
	cr_plans();
	cr_assert_str_eq(source("ros memory"), "zero");
	cr_assert_str_eq(source("hrt memory"), "zero");
	cr_assert_str_eq(source("image 0"), "file");
	cr_assert_str_eq(source("stacks"), "generated");
	cr_assert_str_eq(source("info block"), "generated");
	cr_assert_str_eq(source("page tables"), "generated");
	cr_assert_str_eq(source("tss"), "zero");
	cr_assert_str_eq(source("gdt"), "generated");
	cr_assert_str_eq(source("idt"), "generated");
	cr_assert_str_eq(source("null handler"), "generated");
	cr_assert_str_eq(source("device hole"), "none");
	cr_assert_str_eq(source("comm page"), "zero");
}

Test(plan, says_which_bytes_of_which_file_an_image_region_has)
{
	wish.file_size = 0x2345;
	cr_plans();
	cr_assert(eq(u32, region("image 0")->origin.file, 0));
	cr_assert(eq(u64, region("image 0")->origin.offset, 0x1000));
	cr_assert(eq(u64, region("image 0")->origin.size, 0x2345));
}

Test(plan, says_that_a_segment_without_bytes_in_the_file_is_zero)
{
	cr_plans();
	cr_assert_str_eq(source("image 0"), "zero");
}

Test(plan, puts_the_boot_state_above_4_gib_where_ram_goes_on_there)
{
	wish.memory = 5 * GiB;
	cr_plans();
	cr_regions_are((const char *const[]){
		"ros memory 0 800000 both",
		"hrt memory 800000 1000000 hrt",
		"image 0 1000000 1003000 hrt",
		"hrt memory 1003000 fec00000 hrt",
		"device hole fec00000 100000000 device",
		"hrt memory 100000000 1413ef000 hrt",
		"stacks 1413ef000 1413f1000 hrt",
		"info block 1413f1000 1413f2000 hrt",
		"page tables 1413f2000 1413fc000 hrt",
		"tss 1413fc000 1413fd000 hrt",
		"gdt 1413fd000 1413fe000 hrt",
		"idt 1413fe000 1413ff000 hrt",
		"null handler 1413ff000 141400000 hrt",
		"comm page 1fffff000 200000000 both",
		NULL,
	});
}

Test(plan, lets_an_image_fill_all_that_is_left)
{
	wish.image = 8 * MiB;
	wish.image_size = 0xFFEF000 - 8 * MiB;
	cr_plans();
	cr_assert(eq(sz, plan.n_regions, 11));
}

Test(plan, has_room_for_as_many_segments_as_an_image_may_have)
{
	struct vm_spec spec = {.memory = 5 * GiB,
		.cores = 2,
		.hybrid = true,
		.ros_cores = 1,
		.ros_memory = MiB,
		.hrt_stack = 4096};
	struct hrt_image image = {.flags = HVM_FLAG_MAP_2MB,
		.max_mem_to_map = 8 * GiB,
		.comm_page_gpa = 6 * GiB,
		.n_segments = HRT_SEGMENTS_MAX};
	struct hrt_source source = {.spec = &spec, .image = &image, .processor = {.gigabyte_pages = true}};

	for (size_t i = 0; i < HRT_SEGMENTS_MAX; i++)
		image.segments[i] = (struct image_segment){.gpa = (i + 2) * MiB, .memory_size = 1};
	cr_assert(eq(int, plan_hrt(&source, &plan, &e), 0), "%s", e.text);
	cr_assert_str_eq(plan_find(&plan, 33 * MiB)->name, "image 31");
}

Test(plan, finds_the_region_of_an_address)
{
	cr_plans();
	cr_assert_str_eq(plan_find(&plan, 0)->name, "ros memory");
	cr_assert_str_eq(plan_find(&plan, 0x1002FFF)->name, "image 0");
	cr_assert_str_eq(plan_find(&plan, 0x1003000)->name, "hrt memory");
	cr_assert_str_eq(plan_find(&plan, 0xFFFFFFFF)->name, "device hole");
	cr_assert(eq(ptr, (void *)plan_find(&plan, 0x10000000), NULL));
	cr_assert(eq(ptr, (void *)plan_find(&plan, UINT64_MAX), NULL));
}

Test(plan, has_a_word_for_each_kind_of_access)
{
	cr_assert_str_eq(plan_access_to_string(PLAN_ROS), "ros");
	cr_assert_str_eq(plan_access_to_string(PLAN_HRT), "hrt");
	cr_assert_str_eq(plan_access_to_string(PLAN_BOTH), "both");
	cr_assert_str_eq(plan_access_to_string(PLAN_HRT_READS), "hrt-reads");
	cr_assert_str_eq(plan_access_to_string(PLAN_DEVICE), "device");
}

/* --- Granule and map ------------------------------------------------------ */

Test(plan, maps_4_gib_at_least)
{
	wish.map = 0;
	wish.comm_page = 1 * GiB;
	cr_plans();
	cr_assert(eq(u64, plan.map_bytes, 4 * GiB));
	cr_assert(eq(u64, plan.page_table_pages, 6));
}

Test(plan, says_that_it_maps_whole_pages_of_the_granule)
{
	wish.map = 8 * GiB + 1;
	cr_plans();
	cr_assert(eq(u64, plan.map_bytes, 8 * GiB + 2 * MiB));
	wish.flags = HVM_FLAG_MAP_4KB;
	cr_plans();
	cr_assert(eq(u64, plan.map_bytes, 8 * GiB + 4 * KiB));
	wish.flags = HVM_FLAG_MAP_1GB;
	cr_plans();
	cr_assert(eq(u64, plan.map_bytes, 9 * GiB));
}

Test(plan, never_maps_more_than_half_a_pml4_or_than_can_be_addressed)
{
	wish.flags = HVM_FLAG_MAP_1GB;
	wish.map = UINT64_MAX;
	cr_plans();
	cr_assert(eq(u64, plan.map_bytes, 1ull << 47));
	cr_assert(eq(u64, plan.page_table_pages, 257));
	wish.physical_bits = 46;
	cr_plans();
	cr_assert(eq(u64, plan.map_bytes, 1ull << 46));
	cr_assert(eq(u64, plan.page_table_pages, 129));
	wish.physical_bits = 36;
	cr_plans();
	cr_assert(eq(u64, plan.map_bytes, 64 * GiB));
	wish.physical_bits = 48;
	cr_plans();
	cr_assert(eq(u64, plan.map_bytes, 1ull << 47));
}

Test(plan, has_all_bytes_of_an_image_of_more_than_2_gib_L15)
{
	wish.memory = 6 * GiB;
	wish.image_size = 3 * GiB + 1;
	wish.file_size = 3 * GiB;
	cr_plans();
	cr_assert(eq(u64, plan_find(&plan, wish.image)->size, 3 * GiB + 1));
	cr_assert(eq(u64, plan_find(&plan, wish.image)->origin.size, 3 * GiB));
	wish.memory = 3 * GiB;
	cr_assert(eq(int, wish_plan(&wish, &plan, &e), -ENOEXEC));
}

Test(plan, puts_modules_below_the_stacks)
{
	wish.n_modules = 2;
	wish.modules[0].size = 4097;
	wish.modules[1].size = 1;
	cr_plans();
	cr_assert(eq(u64, plan.modules[0].gpa, plan.stacks - 3 * 4096));
	cr_assert(eq(u64, plan.modules[0].size, 4097));
	cr_assert(eq(u64, plan.modules[1].gpa, plan.stacks - 4096));
	cr_assert_str_eq(plan_find(&plan, plan.stacks - 1)->name, "hrt memory");
	cr_assert_str_eq(plan_find(&plan, plan.modules[1].gpa)->name, "hrt module 1");
	cr_assert_str_eq(plan_find(&plan, plan.modules[0].gpa)->name, "hrt module 0");
	cr_assert(eq(u32, plan_find(&plan, plan.modules[0].gpa)->origin.file, 1));
	cr_assert(eq(u64, plan_find(&plan, plan.modules[0].gpa)->origin.size, 4097));
}

Test(plan, puts_modules_below_4_gib_where_the_stacks_are_above)
{
	wish.memory = 5 * GiB;
	wish.n_modules = 1;
	wish.modules[0].size = MiB;
	cr_plans();
	cr_assert(eq(u64, plan.modules[0].gpa, 0xFEC00000 - MiB));
	wish.ros_memory = 0xFEC00000;
	wish.image = 4 * GiB;
	cr_refuses(-EADDRINUSE,
		"the HRT's modules and sections need 0x100000 bytes below 0xfec00000; the HRT's memory there has only 0x0: "
		"give the VM more memory");
}

Test(plan, names_a_module_that_the_image_overlaps)
{
	wish.n_modules = 1;
	wish.modules[0].size = 1;
	cr_plans();
	wish.image = plan.modules[0].gpa - 0x2FFF;
	cr_assert(eq(int, wish_plan(&wish, &plan, &e), -EADDRINUSE));
	cr_assert(strstr(e.text, "and hrt module 0 [") != NULL, "%s", e.text);
}

Test(plan, grants_2_mib_where_there_are_no_1_gib_pages)
{
	wish.flags = HVM_FLAG_MAP_1GB;
	cr_plans();
	cr_assert(eq(u64, plan.flags, HVM_FLAG_MAP_1GB));
	cr_assert(eq(u64, plan.page_table_pages, 2));
	wish.no_gigabyte_pages = true;
	cr_plans();
	cr_assert(eq(u64, plan.flags, HVM_FLAG_MAP_2MB));
	cr_assert(eq(u64, plan.page_table_pages, 10));
}

Test(plan, keeps_smaller_granules_where_there_are_no_1_gib_pages)
{
	wish.no_gigabyte_pages = true;
	wish.flags = HVM_FLAG_MAP_4KB;
	cr_plans();
	cr_assert(eq(u64, plan.flags, HVM_FLAG_MAP_4KB));
}

Test(plan, refuses_a_map_that_does_not_reach_the_boot_state)
{
	wish.memory = 8 * GiB;
	cr_refuses(-ENOEXEC,
		"the image asks for a map of 0x200000000 bytes (max_mem_to_map); RAM ends at 0x201400000 and the boot state "
		"below that would not be mapped: at least 0x201400000 would be right, or less memory for the VM");
}

/* --- Comm page ------------------------------------------------------------ */

Test(plan, refuses_a_comm_page_in_ram)
{
	wish.comm_page = 0xFFFF000;
	cr_refuses(-ENOEXEC,
		"the image wants its comm page (comm_page_gpa) at 0xffff000, inside RAM, which ends at 0x10000000: "
		"0x10000000 or above would be right, or less memory for the VM");
	wish.comm_page = 0x10000000;
	cr_plans();
}

Test(plan, refuses_a_comm_page_that_is_not_mapped)
{
	wish.comm_page = 8 * GiB;
	cr_refuses(-ENOEXEC,
		"the image wants its comm page (comm_page_gpa) at 0x200000000, above what is mapped: "
		"0x1fffff000 would be the highest, or a larger max_mem_to_map");
	wish.comm_page = 0xFFFFFFFFFFFFF000;
	cr_assert(eq(int, wish_plan(&wish, &plan, &e), -ENOEXEC));
}

Test(plan, refuses_a_comm_page_among_the_devices)
{
	wish.comm_page = 0xFEE00000;
	cr_refuses(-ENOEXEC,
		"the image wants its comm page (comm_page_gpa) at 0xfee00000, among the device pages "
		"[0xfec00000, 0x100000000): 0x100000000 or above would be right");
	wish.comm_page = 0xFEBFF000;
	cr_plans();
	wish.comm_page = 0x100000000;
	cr_plans();
}

/* --- What does not fit ---------------------------------------------------- */

Test(plan, refuses_a_boot_state_that_reaches_into_ros_memory)
{
	wish.memory = 16 * MiB;
	wish.flags = HVM_FLAG_MAP_4KB;
	wish.image_size = 1;
	cr_refuses(-EADDRINUSE,
		"the boot state needs 0x1011000 bytes below 0x1000000, 0x100a000 of them for page tables that map "
		"0x200000000 bytes by pages of 0x1000; the HRT's memory there, [0x800000, 0x1000000), has only 0x800000: "
		"give the VM more memory, or let the image ask for larger pages");
}

Test(plan, refuses_a_boot_state_across_the_device_hole)
{
	wish.memory = 4077 * MiB;
	wish.flags = HVM_FLAG_MAP_4KB;
	cr_refuses(-EADDRINUSE,
		"the boot state needs 0x1011000 bytes below 0x100100000, 0x100a000 of them for page tables that map "
		"0x200000000 bytes by pages of 0x1000; the HRT's memory there, [0x100000000, 0x100100000), has only 0x100000: "
		"give the VM more memory, or let the image ask for larger pages");
}

Test(plan, names_both_regions_where_the_image_meets_the_boot_state_L17)
{
	wish.image = 0xFFEF000 - 0x3000;
	cr_plans();
	wish.image_size = 0x3001;
	cr_refuses(-EADDRINUSE,
		"image 0 [0xffec000, 0xffef001) and stacks [0xffef000, 0xfff1000) want the same memory; "
		"free for the image is [0x800000, 0xffef000): link it there, or change the VM's memory");
	wish.image = 0xFFF3000;
	wish.image_size = 1;
	cr_refuses(-EADDRINUSE,
		"page tables [0xfff2000, 0xfffc000) and image 0 [0xfff3000, 0xfff3001) want the same memory; "
		"free for the image is [0x800000, 0xffef000): link it there, or change the VM's memory");
}

Test(plan, names_both_regions_where_the_image_meets_the_ros)
{
	wish.image = 0x7FFFFF;
	cr_refuses(-EADDRINUSE,
		"ros memory [0x0, 0x800000) and image 0 [0x7fffff, 0x802fff) want the same memory; "
		"free for the image is [0x800000, 0xffef000): link it there, or change the VM's memory");
	wish.image = 0x800000;
	cr_plans();
}

Test(plan, names_both_regions_where_the_image_meets_the_devices)
{
	wish.memory = 5 * GiB;
	wish.image = 0xFEBFFFFF;
	wish.image_size = 2;
	cr_refuses(-EADDRINUSE,
		"image 0 [0xfebfffff, 0xfec00001) and device hole [0xfec00000, 0x100000000) want the same memory; "
		"free for the image is [0x800000, 0xfec00000): link it there, or change the VM's memory");
}

Test(plan, refuses_an_image_behind_the_end_of_ram)
{
	wish.image = 0xFFFFFFF;
	wish.image_size = 2;
	cr_refuses(-ENOEXEC,
		"image 0, 0x2 bytes at 0xfffffff, does not lie in RAM, which ends at 0x10000000: "
		"give the VM more memory, or link the image lower");
	wish.image = UINT64_MAX;
	cr_assert(eq(int, wish_plan(&wish, &plan, &e), -ENOEXEC));
}

Test(plan, does_without_a_blanket_reserve_L12)
{
	wish.memory = 16 * MiB;
	wish.image = 8 * MiB;
	wish.image_size = 8 * MiB - 17 * 4096;
	cr_plans();
	wish.image_size++;
	cr_assert(eq(int, wish_plan(&wish, &plan, &e), -EADDRINUSE));
}

Test(plan, works_where_the_ros_has_everything_below_the_devices)
{
	wish.memory = 5 * GiB;
	wish.ros_memory = 0xFEC00000;
	wish.image = 4 * GiB;
	cr_plans();
	cr_assert_str_eq(plan.regions[2].name, "image 0");
	wish.image = 0x1000;
	cr_refuses(-EADDRINUSE,
		"ros memory [0x0, 0xfec00000) and image 0 [0x1000, 0x4000) want the same memory; "
		"free for the image is [0x100000000, 0x1413ef000): link it there, or change the VM's memory");
}

Test(plan, memory_of_the_ros_that_the_hrt_may_not_see_is_reserved_for_it)
{
	struct memory_map_entry map[MEMORY_MAP_MAX];

	wish.ros_access = SPEC_ACCESS_NONE;
	cr_assert_eq(wish_plan(&wish, &plan, &e), 0, "%s", e.text);
	cr_expect_eq(plan_find(&plan, 0)->access, PLAN_ROS);
	cr_assert_geq(memory_map_hrt(&plan, map), 3);
	cr_expect(map[0].gpa == 0 && map[0].size == 8 * MiB && map[0].type == MULTIBOOT2_MEMORY_RESERVED);
	cr_expect(map[1].gpa == 8 * MiB && map[1].size == plan.stacks - 8 * MiB && map[1].type == MULTIBOOT2_MEMORY_RAM);
	wish.ros_access = SPEC_ACCESS_RO;
	cr_assert_eq(wish_plan(&wish, &plan, &e), 0, "%s", e.text);
	cr_expect_eq(plan_find(&plan, 0)->access, PLAN_HRT_READS);
	wish.ros_access = SPEC_ACCESS_RW;
	cr_assert_eq(wish_plan(&wish, &plan, &e), 0, "%s", e.text);
	cr_expect_eq(plan_find(&plan, 0)->access, PLAN_BOTH);
}

/* --- The memory of the ROS ---------------------------------------------------------------------------------- */

static struct vm_spec alone;

static void plan_alone(uint64_t memory)
{
	alone = (struct vm_spec){.memory = memory, .cores = 2, .ros_cores = 2, .ros_memory = memory};
	plan_ros_alone(&alone, &plan);
}

static int take(uint64_t gpa, uint64_t size, const char *name)
{
	struct plan_origin origin = {.source = PLAN_GENERATED};

	return plan_take(&plan, gpa, size, &origin, &e, "%s", name);
}

Test(plan, of_a_vm_without_hrt_is_all_ros_memory_around_the_device_hole)
{
	plan_alone(5 * GiB);
	cr_assert(eq(sz, plan.n_regions, 3));
	cr_assert(eq(u64, plan_find(&plan, 0)->size, DEVICE_HOLE_START));
	cr_assert(eq(int, plan_find(&plan, DEVICE_HOLE_START)->access, PLAN_DEVICE));
	cr_assert(eq(u64, plan_find(&plan, DEVICE_HOLE_END)->size, 5 * GiB - DEVICE_HOLE_START));
	cr_assert(eq(u64, plan.end, DEVICE_HOLE_END + 5 * GiB - DEVICE_HOLE_START));
}

Test(plan, cuts_what_is_taken_out_of_the_ros_memory)
{
	plan_alone(64 * MiB);
	cr_assert(eq(int, take(MiB, 0x1234, "kernel 0"), 0), "%s", e.text);
	cr_assert(eq(int, take(0, 0x1000, "first"), 0), "%s", e.text);
	cr_assert(eq(int, take(64 * MiB - 1, 1, "last"), 0), "%s", e.text);
	cr_assert(eq(sz, plan.n_regions, 6));
	cr_assert_str_eq(plan_find(&plan, MiB + 0x1233)->name, "kernel 0");
	cr_assert_str_eq(plan_find(&plan, MiB + 0x1234)->name, "ros memory");
	cr_assert_str_eq(plan_find(&plan, 0xFFF)->name, "first");
	cr_assert_str_eq(plan_find(&plan, 64 * MiB - 1)->name, "last");
}

Test(plan, refuses_two_things_in_the_same_ros_memory_and_names_both)
{
	plan_alone(64 * MiB);
	cr_assert(eq(int, take(MiB, 0x2000, "kernel 0"), 0));
	cr_assert(eq(int, take(MiB + 0x1FFF, 0x1000, "module 0"), -EADDRINUSE));
	cr_assert_str_eq(e.text, "module 0 [0x101fff, 0x102fff) and kernel 0 [0x100000, 0x102000) want the same memory of the ROS");
}

Test(plan, refuses_what_does_not_lie_in_the_ros_memory)
{
	cr_plans();
	cr_assert(eq(int, take(plan.ros_bytes - 1, 2, "kernel 0"), -ENOEXEC), "the HRT has the second byte");
	plan_alone(64 * MiB);
	cr_assert(eq(int, take(64 * MiB - 1, 2, "kernel 0"), -ENOEXEC));
	cr_assert_str_eq(e.text, "kernel 0, 0x2 bytes at 0x3ffffff, does not lie in the ROS's memory, which has 0x4000000 bytes "
				 "from 0 on: give the ROS more memory, or link the image lower");
	plan_alone(5 * GiB);
	cr_assert(eq(int, take(DEVICE_HOLE_START - 1, 2, "kernel 0"), -ENOEXEC));
	cr_assert_str_eq(e.text,
		"kernel 0, 0x2 bytes at 0xfebfffff, does not lie in the ROS's memory, which has 0x140000000 bytes from 0 on, "
		"less the device hole [0xfec00000, 0x100000000): give the ROS more memory, or link the image lower");
}

Test(plan, finds_the_lowest_and_the_highest_room_in_ros_memory)
{
	uint64_t at;

	plan_alone(64 * MiB);
	cr_assert(eq(int, take(MiB, 0x1234, "kernel 0"), 0));
	cr_assert(plan_find_room(&plan, PLAN_LOWEST, 0x1000, 0x1000, MiB, 4 * GiB, &at));
	cr_assert(eq(u64, at, MiB + 0x2000));
	cr_assert(plan_find_room(&plan, PLAN_LOWEST, 0x1000, 0x1000, 0x10001, 4 * GiB, &at));
	cr_assert(eq(u64, at, 0x11000));
	cr_assert(plan_find_room(&plan, PLAN_HIGHEST, 0x1001, 0x1000, 0, 4 * GiB, &at));
	cr_assert(eq(u64, at, 64 * MiB - 0x2000));
	cr_assert(plan_find_room(&plan, PLAN_HIGHEST, 0x1000, 0x1000, 0, MiB + 0x1000, &at));
	cr_assert(eq(u64, at, MiB - 0x1000));
	cr_assert_not(plan_find_room(&plan, PLAN_LOWEST, 64 * MiB, 1, 0, UINT64_MAX, &at));
	cr_assert_not(plan_find_room(&plan, PLAN_LOWEST, 1, 1, 64 * MiB, UINT64_MAX, &at));
}
