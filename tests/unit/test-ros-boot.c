/* test-ros-boot.c - where the ROS's kernel and what it is told stand, and its first registers */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/x86.h"
#include "base/macro.h"
#include "guest/boot.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "guest/ros-boot.h"
#include "image-builder.h"

#define RAM (64 * MiB)

static struct recipe recipe;
static struct buffer kernel;
static struct spec_file names[3] = {{.id = (char *)"kernel"}, {.id = (char *)"first"}, {.id = (char *)"second"}};
static struct spec_module modules[2] = {{.file = 1, .cmdline = (char *)"root=/dev/ram0"}, {.file = 2}};
static struct guest_file files[3];
static struct vm_spec spec;
static struct plan plan;
static struct ros_boot boot;
static struct memory memory;
static uint8_t *ram;
static struct error e;

static void set_up(void)
{
	recipe_bare(&recipe);
	recipe.n_segments = 1;
	recipe.segments[0] = (struct recipe_segment){.type = 1, .flags = 5, .offset = EXAMPLE_OFFSET,
		.virtual_address = EXAMPLE_GPA, .physical_address = EXAMPLE_GPA, .file_size = EXAMPLE_LOADED,
		.memory_size = EXAMPLE_LOADED + EXAMPLE_BSS};
	recipe_tag_end(&recipe);
	files[1] = (struct guest_file){(const uint8_t *)"the first module", 16};
	files[2] = (struct guest_file){(const uint8_t *)"", 0};
	spec = (struct vm_spec){.memory = RAM, .ros_memory = RAM, .cores = 2, .ros_cores = 2, .files = names, .n_files = 3,
		.ros_boots = true, .ros_cmdline = (char *)"console=com1"};
	memory = (struct memory){};
	ram = calloc(1, RAM);
	memory_add(&memory, 0, RAM, ram);
}

static void tear_down(void)
{
	buffer_fini(&kernel);
	free(ram);
}

TestSuite(ros_boot, .init = set_up, .fini = tear_down);

static int start(void)
{
	int r;

	recipe_build(&recipe, &kernel);
	files[0] = (struct guest_file){kernel.data, kernel.size};
	plan_ros_alone(&spec, &plan);
	r = ros_boot_init(&boot, &spec, files, &e);
	return r < 0 ? r : ros_boot_plan(&boot, &plan, &e);
}

static void cr_starts(void)
{
	cr_assert(eq(int, start(), 0), "%s", e.text);
	cr_assert(eq(int, ros_boot_write(&boot, &memory, &e), 0), "%s", e.text);
}

static void cr_refuses(int error, const char *sentence)
{
	cr_assert(eq(int, start(), error));
	cr_assert_str_eq(e.text, sentence);
}

static uint32_t word(uint64_t gpa)
{
	uint32_t value;

	memcpy(&value, ram + gpa, sizeof(value));
	return value;
}

/* The information tag of this type; 0 where there is none. */
static uint64_t find_tag(uint32_t type)
{
	uint64_t end = boot.info + word(boot.info);

	for (uint64_t at = boot.info + 8; at < end; at += (word(at + 4) + 7) & ~7u)
		if (word(at) == type)
			return at;
	return 0;
}

Test(ros_boot, puts_the_kernel_where_it_wants_to_be)
{
	cr_starts();
	cr_assert_arr_eq(ram + EXAMPLE_GPA, (const uint8_t *)kernel.data + EXAMPLE_OFFSET, EXAMPLE_LOADED);
	cr_assert_str_eq(plan_find(&plan, EXAMPLE_GPA)->name, "kernel 0");
	cr_assert(eq(int, plan_find(&plan, EXAMPLE_GPA)->origin.source, PLAN_FILE));
}

Test(ros_boot, enters_a_multiboot2_kernel_in_32_bit_protected_mode)
{
	struct boot_registers r;

	cr_starts();
	ros_boot_registers(&boot, &r);
	cr_assert(eq(u64, r.rax, 0x36D76289));
	cr_assert(eq(u64, r.rbx, boot.info));
	cr_assert(eq(u64, r.rip, EXAMPLE_ENTRY));
	cr_assert(eq(u64, r.cr0 & (CR0_PE | CR0_PG), CR0_PE));
	cr_assert(eq(u64, r.rflags & (RFLAGS_IF | 1 << 17), 0));
	cr_assert(eq(u64, r.efer | r.cr3 | r.cr4, 0));
	cr_assert(r.cs.db && !r.cs.l && r.cs.g && r.cs.base == 0 && r.cs.limit == UINT32_MAX && r.cs.type == 0xB);
	cr_assert(r.data.db && r.data.g && r.data.base == 0 && r.data.limit == UINT32_MAX && r.data.type == 0x3);
}

Test(ros_boot, tells_a_multiboot2_kernel_of_its_machine)
{
	uint64_t map;

	cr_starts();
	cr_assert(eq(u64, boot.info, 64 * KiB));
	cr_assert_str_eq((char *)ram + find_tag(1) + 8, "console=com1");
	cr_assert(eq(u32, word(find_tag(4) + 8), 640));
	cr_assert(eq(u32, word(find_tag(4) + 12), (RAM - MiB) / KiB));
	map = find_tag(6);
	cr_assert(eq(u32, word(map + 8), 24));
	cr_assert(eq(u32, (word(map + 4) - 16) / 24, 4));
	cr_assert(eq(u32, word(map + 16 + 2 * 24), MiB), "RAM goes on at 1 MiB");
	cr_assert(eq(u32, word(map + 16 + 2 * 24 + 8), RAM - MiB));
	cr_assert(eq(u64, find_tag(3), 0), "there are no modules");
}

Test(ros_boot, hands_modules_over_with_their_strings)
{
	uint64_t module;

	spec.ros_modules = (struct spec_modules){modules, 2};
	cr_starts();
	module = find_tag(3);
	cr_assert(eq(u32, word(module + 8), 0x2002000), "on the first page behind the kernel");
	cr_assert(eq(u32, word(module + 12), 0x2002010));
	cr_assert_str_eq((char *)ram + module + 16, "root=/dev/ram0");
	cr_assert_arr_eq(ram + 0x2002000, "the first module", 16);
	module += 32;
	cr_assert(eq(u32, word(module), 3));
	cr_assert(eq(u32, word(module + 8), word(module + 12)), "the second is empty");
	cr_assert_str_eq((char *)ram + module + 16, "");
}

Test(ros_boot, refuses_a_kernel_outside_the_ros_memory)
{
	spec.memory = spec.ros_memory = 32 * MiB;
	cr_refuses(-ENOEXEC,
		"kernel \"kernel\" of the ROS: kernel 0, 0x1200 bytes at 0x2000000, does not lie in the ROS's memory, which has "
		"0x2000000 bytes from 0 on: give the ROS more memory, or link the image lower");
}

Test(ros_boot, refuses_a_module_that_has_no_room)
{
	files[1].size = 33 * MiB;
	spec.ros_modules = (struct spec_modules){modules, 1};
	cr_refuses(-ENOEXEC,
		"kernel \"kernel\" of the ROS: the ROS has no room for module 0, \"first\": 0x2100000 bytes beside the kernel, "
		"between 1 MiB and 4 GiB; more memory for the ROS would be right");
}

/* The ROS's table with this signature: it begins at some multiple of 64. 0 where there is none. */
static uint64_t find_table(const char *signature)
{
	for (uint64_t at = 0xE0000; at < 0xF0000; at += 64)
		if (memcmp(ram + at, signature, 4) == 0)
			return at;
	return 0;
}

Test(ros_boot, tells_of_numa_nodes_only_where_they_are_asked_for)
{
	cr_starts();
	cr_assert(eq(u64, find_table("SRAT") + find_table("SLIT"), 0));
}

Test(ros_boot, shares_cores_and_memory_out_among_numa_nodes)
{
	uint64_t srat;

	spec.nodes = 2;
	cr_starts();
	cr_assert(ne(u64, find_table("SLIT"), 0));
	srat = find_table("SRAT");
	cr_assert(eq(u32, word(srat + 4), 48 + 2 * 16 + 2 * 40));
	cr_assert(eq(u8, ram[srat + 48 + 2], 0), "the node of core 0");
	cr_assert(eq(u8, ram[srat + 48 + 16 + 2], 1), "the node of core 1");
	cr_assert(eq(u32, word(srat + 80 + 8), 0));
	cr_assert(eq(u32, word(srat + 80 + 16), RAM / 2));
	cr_assert(eq(u32, word(srat + 120 + 2), 1));
	cr_assert(eq(u32, word(srat + 120 + 8), RAM / 2));
	cr_assert(eq(u32, word(srat + 120 + 16), RAM / 2));
}

Test(ros_boot, puts_information_above_1_mib_when_the_kernel_has_low_memory)
{
	recipe.segments[0].physical_address = recipe.segments[0].virtual_address = 0x8000;
	recipe.segments[0].memory_size = 0x98000;
	recipe.entry = 0x8010;
	cr_starts();
	cr_assert(eq(u64, boot.info, MiB));
}

Test(ros_boot, names_the_kernel_that_no_protocol_takes)
{
	recipe.magic = 0;
	cr_refuses(-ENOEXEC, "kernel \"kernel\" of the ROS: no boot protocol takes it: multiboot2: no Multiboot2 header (0xe85250d6, "
			     "8-byte aligned) in the first 32768 bytes of the file; multiboot: no Multiboot header "
			     "(0x1badb002, 4-byte aligned) in the first 8192 bytes of the file; pvh: the ELF file has no PVH note "
			     "(XEN_ELFNOTE_PHYS32_ENTRY); linux: the ELF file has no note of Linux's (\"Linux\"), as a vmlinux has");
}

Test(ros_boot, finds_acpi_and_the_mp_table_where_a_pc_has_them)
{
	uint64_t acpi;

	cr_starts();
	cr_assert_arr_eq(ram + 0xE0000, "RSD PTR ", 8);
	cr_assert_arr_eq(ram + 0xF0000, "_MP_", 4);
	cr_assert_str_eq(plan_find(&plan, 0xE0000)->name, "acpi tables");
	cr_assert_str_eq(plan_find(&plan, 0x400)->name, "bios data");
	cr_assert_str_eq(plan_find(&plan, 0xF0000)->name, "mp table");
	cr_assert(eq(int, plan_find(&plan, 0xE0000)->origin.source, PLAN_GENERATED));
	acpi = find_tag(15);
	cr_assert(ne(u64, acpi, 0), "a Multiboot2 kernel is handed the pointer");
	cr_assert_arr_eq(ram + acpi + 8, ram + 0xE0000, 36);
}

Test(ros_boot, tells_a_multiboot2_kernel_of_acpi_in_both_forms)
{
	cr_starts();
	cr_assert(find_tag(14) && find_tag(15));
	cr_assert_arr_eq(ram + find_tag(15) + 8, boot.firmware.rsdp, sizeof(boot.firmware.rsdp));
	cr_assert(eq(u32, word(find_tag(14) + 8 + 16), word(find_tag(15) + 8 + 16)), "the same RSDT");
}

/* Two sections behind the segment's bytes: what is loaded, and eight bytes that are not. */
static void with_sections(uint32_t size)
{
	Elf64_Shdr sections[3] = {{.sh_type = SHT_NULL},
		{.sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC, .sh_addr = EXAMPLE_GPA, .sh_offset = EXAMPLE_OFFSET, .sh_size = 64},
		{.sh_type = SHT_STRTAB, .sh_offset = EXAMPLE_OFFSET + 8, .sh_size = size}};

	recipe.section_offset = EXAMPLE_SIZE - sizeof(sections);
	recipe.n_sections = 3;
	recipe_build(&recipe, &kernel);
	memcpy(kernel.data + recipe.section_offset, sections, sizeof(sections));
}

/* The tag has them at a multiple of 4 only. */
static uint64_t told_address(unsigned i)
{
	Elf64_Shdr section;

	memcpy(&section, ram + find_tag(9) + 20 + i * sizeof(section), sizeof(section));
	return section.sh_addr;
}

static int start_built(void)
{
	int r;

	files[0] = (struct guest_file){kernel.data, kernel.size};
	plan_ros_alone(&spec, &plan);
	r = ros_boot_init(&boot, &spec, files, &e);
	if (r == 0)
		r = ros_boot_plan(&boot, &plan, &e);
	return r == 0 ? ros_boot_write(&boot, &memory, &e) : r;
}

static void request(uint16_t flags, uint32_t information)
{
	recipe_bare(&recipe);
	recipe.n_segments = 1;
	recipe_tag(&recipe, 1, flags, &information, 1);
	recipe_tag_end(&recipe);
}

Test(ros_boot, tells_a_multiboot2_kernel_of_its_elf_sections_and_loads_the_rest)
{
	with_sections(8);
	cr_assert(eq(int, start_built(), 0), "%s", e.text);
	cr_assert(eq(u32, word(find_tag(9) + 4), 20 + 3 * 64));
	cr_assert(eq(u32, word(find_tag(9) + 8), 3));
	cr_assert(eq(u32, word(find_tag(9) + 12), 64));
	cr_assert(eq(u64, told_address(1), EXAMPLE_GPA));
	cr_assert(eq(u64, told_address(2), RAM - 4096));
	cr_assert_arr_eq(ram + RAM - 4096, kernel.data + EXAMPLE_OFFSET + 8, 8);
	cr_assert_str_eq(plan_find(&plan, RAM - 4096)->name, "elf sections");
}

Test(ros_boot, tells_nothing_of_sections_that_leave_the_file)
{
	with_sections(EXAMPLE_SIZE);
	cr_assert(eq(int, start_built(), 0), "%s", e.text);
	cr_assert(eq(u64, find_tag(9), 0));
}

Test(ros_boot, refuses_sections_that_leave_the_file_where_the_kernel_requires_them)
{
	struct recipe_segment segment = recipe.segments[0];

	request(0, 9);
	recipe.segments[0] = segment;
	with_sections(EXAMPLE_SIZE);
	cr_assert(eq(int, start_built(), -ENOEXEC));
	cr_assert_str_eq(e.text, "kernel \"kernel\" of the ROS: multiboot2: section 2 wants 0x400 bytes at offset 0x208; the file has only "
				 "0x400 bytes");
	buffer_fini(&kernel);
	with_sections(8);
	cr_assert(eq(int, start_built(), 0), "%s", e.text);
	cr_assert(ne(u64, find_tag(9), 0));
}

Test(ros_boot, refuses_a_kernel_where_firmware_would_be)
{
	recipe.segments[0].physical_address = recipe.segments[0].virtual_address = 0xEF000;
	recipe.entry = 0xEF010;
	cr_refuses(-EADDRINUSE,
		"kernel \"kernel\" of the ROS: acpi tables [0xe0000, 0xf0000) and kernel 0 [0xef000, 0xf0200) want the same memory "
		"of the ROS");
}

/* --- Kernels that may stand anywhere ------------------------------------------------------------------------- */

/* Multiboot2's relocatable header tag; recipe.tags has its end tag already. */
static void relocatable(uint32_t min, uint32_t max, uint32_t align, uint32_t preference)
{
	recipe.tags_size = 0;
	recipe_tag(&recipe, 10, 0, (uint32_t[]){min, max, align, preference}, 4);
	recipe_tag_end(&recipe);
}

static void cr_moves_to(uint64_t base)
{
	struct boot_registers r;
	uint64_t tag;

	cr_starts();
	ros_boot_registers(&boot, &r);
	tag = find_tag(21);
	cr_assert(eq(u64, r.rip, base + EXAMPLE_ENTRY - EXAMPLE_GPA));
	cr_assert_str_eq(plan_find(&plan, base)->name, "kernel 0");
	cr_assert_arr_eq(ram + base, (const uint8_t *)kernel.data + EXAMPLE_OFFSET, EXAMPLE_LOADED);
	cr_assert(tag && word(tag + 8) == base, "it is told of its load base");
}

Test(ros_boot, leaves_a_relocatable_kernel_where_it_is_linked)
{
	relocatable(0, 0xFFFFFFFF, 0x1000, 0);
	cr_moves_to(EXAMPLE_GPA);
}

Test(ros_boot, moves_a_relocatable_kernel_that_has_no_room_where_it_is_linked)
{
	relocatable(0, 0xFFFFFFFF, 0x200000, 0);
	spec.memory = spec.ros_memory = 32 * MiB;
	cr_moves_to(2 * MiB);
}

Test(ros_boot, moves_a_relocatable_kernel_as_low_as_it_wants)
{
	relocatable(0x300001, 0xFFFFFFFF, 0x1000, 1);
	cr_moves_to(0x301000);
}

Test(ros_boot, moves_a_relocatable_kernel_as_high_as_it_wants)
{
	relocatable(0, 0x1000000, 0x1000, 2);
	cr_moves_to(0xFFE000);
}

Test(ros_boot, puts_modules_below_a_kernel_that_stands_at_the_end_of_memory)
{
	relocatable(0, 0xFFFFFFFF, 0x1000, 2);
	spec.ros_modules = (struct spec_modules){modules, 1};
	cr_moves_to(RAM - 0x2000);
	cr_assert(eq(u32, word(find_tag(3) + 8), RAM - 0x3000));
	cr_assert_arr_eq(ram + RAM - 0x3000, "the first module", 16);
}

Test(ros_boot, moves_a_relocatable_kernel_below_1_mib_only_if_it_has_to)
{
	relocatable(0x10000, 0x80000, 0x1000, 1);
	cr_moves_to(0x10000);
}

Test(ros_boot, refuses_a_relocatable_kernel_that_has_no_room)
{
	relocatable(0x10000, 0x11000, 0x1000, 1);
	cr_refuses(-ENOEXEC, "kernel \"kernel\" of the ROS: the ROS has no room for the kernel: it wants 0x1200 bytes at a multiple of "
			     "0x1000 within [0x10000, 0x11000); more memory for the ROS would be right");
}

Test(ros_boot, does_not_tell_a_kernel_of_a_load_base_that_it_knows)
{
	cr_starts();
	cr_assert(eq(u64, find_tag(21), 0));
}

/* --- Multiboot 1 ----------------------------------------------------------------------------------------------- */

Test(ros_boot, tells_a_multiboot_kernel_of_its_machine_and_modules)
{
	static const uint32_t header[] = {0x1BADB002, 0, -0x1BADB002u};
	struct boot_registers r;
	uint32_t list;

	spec.ros_modules = (struct spec_modules){modules, 2};
	spec.ros_protocol = SPEC_PROTOCOL_MULTIBOOT;
	recipe_build(&recipe, &kernel);
	memcpy(kernel.data + EXAMPLE_HEADER, header, sizeof(header));
	files[0] = (struct guest_file){kernel.data, kernel.size};
	plan_ros_alone(&spec, &plan);
	cr_assert(eq(int, ros_boot_init(&boot, &spec, files, &e), 0), "%s", e.text);
	cr_assert(eq(int, ros_boot_plan(&boot, &plan, &e), 0), "%s", e.text);
	cr_assert(eq(int, ros_boot_write(&boot, &memory, &e), 0), "%s", e.text);
	ros_boot_registers(&boot, &r);
	cr_assert(eq(u64, r.rax, 0x2BADB002));
	cr_assert(eq(u64, r.rbx, boot.info));
	cr_assert(eq(u32, word(boot.info), 0x24D));
	cr_assert(eq(u32, word(boot.info + 4), 640));
	cr_assert(eq(u32, word(boot.info + 8), (RAM - MiB) / KiB));
	cr_assert_str_eq((char *)ram + word(boot.info + 16), "console=com1");
	cr_assert(eq(u32, word(boot.info + 20), 2));
	list = word(boot.info + 24);
	cr_assert_arr_eq(ram + word(list), "the first module", 16);
	cr_assert(eq(u32, word(list + 4) - word(list), 16));
	cr_assert_str_eq((char *)ram + word(list + 8), "root=/dev/ram0");
	cr_assert_str_eq((char *)ram + word(list + 24), "");
	cr_assert(eq(u32, word(boot.info + 44), 4 * 24));
	cr_assert(eq(u32, word(word(boot.info + 48)), 20), "of the first entry, without this word");
	cr_assert(eq(u32, word(word(boot.info + 48) + 2 * 24 + 4), MiB));
	cr_assert(strncmp((char *)ram + word(boot.info + 64), "hvmd ", 5) == 0);
}

static void as_multiboot1(void)
{
	static const uint32_t header[] = {0x1BADB002, 0, -0x1BADB002u};

	spec.ros_protocol = SPEC_PROTOCOL_MULTIBOOT;
	memcpy(kernel.data + EXAMPLE_HEADER, header, sizeof(header));
}

/* 3.3: num, size, addr, shndx at offset 28. */
Test(ros_boot, tells_a_multiboot_kernel_of_its_elf_sections_and_loads_the_rest)
{
	Elf64_Shdr told[3];

	with_sections(8);
	as_multiboot1();
	cr_assert(eq(int, start_built(), 0), "%s", e.text);
	cr_assert(eq(u32, word(boot.info), 0x26D));
	cr_assert(eq(u32, word(boot.info + 28), 3));
	cr_assert(eq(u32, word(boot.info + 32), sizeof(told[0])));
	cr_assert(eq(u32, word(boot.info + 40), 0), "e_shstrndx");
	memcpy(told, ram + word(boot.info + 36), sizeof(told));
	cr_assert(eq(u64, told[1].sh_addr, EXAMPLE_GPA));
	cr_assert(eq(u64, told[2].sh_addr, RAM - 4096));
	cr_assert(eq(u64, told[2].sh_size, 8));
	cr_assert_arr_eq(ram + RAM - 4096, kernel.data + EXAMPLE_OFFSET + 8, 8);
	cr_assert_str_eq(plan_find(&plan, RAM - 4096)->name, "elf sections");
	cr_assert_str_eq((char *)ram + word(boot.info + 16), "console=com1", "what follows them");
}

Test(ros_boot, tells_a_multiboot_kernel_nothing_of_sections_that_leave_the_file)
{
	with_sections(EXAMPLE_SIZE);
	as_multiboot1();
	cr_assert(eq(int, start_built(), 0), "%s", e.text);
	cr_assert(eq(u32, word(boot.info), 0x24D));
	cr_assert(eq(u32, word(boot.info + 28) | word(boot.info + 32) | word(boot.info + 36) | word(boot.info + 40), 0));
}

/* Its addresses say how it is loaded, so that what its ELF headers say is not true of memory. */
Test(ros_boot, tells_a_multiboot_kernel_that_is_loaded_by_addresses_nothing_of_sections)
{
	static const uint32_t header[] = {0x1BADB002, 0x10000, -0x1BAEB002u, EXAMPLE_GPA + EXAMPLE_HEADER, EXAMPLE_GPA, 0, 0, EXAMPLE_ENTRY};

	with_sections(8);
	as_multiboot1();
	memcpy(kernel.data + EXAMPLE_HEADER, header, sizeof(header));
	cr_assert(eq(int, start_built(), 0), "%s", e.text);
	cr_assert(eq(u32, word(boot.info), 0x24D));
}
