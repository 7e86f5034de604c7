/* test-pvh.c - kernels in ELF files with notes: by PVH, and a vmlinux by its 64-bit entry */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <elf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "abi/pvh.h"
#include "abi/x86.h"
#include "base/macro.h"
#include "guest/boot.h"
#include "guest/memory.h"
#include "guest/plan.h"
#include "guest/ros-boot.h"
#include "image/kernel.h"

/* One segment of 64 bytes at 1 MiB, and notes. */
#define ENTRY 0x100020u
static struct {
	Elf64_Ehdr header;
	Elf64_Phdr load, note;
	uint8_t code[64];
	struct {
		uint32_t name_size, size, type;
		char name[8];
		uint8_t bytes[12];
	} notes[2];
} file;

static struct kernel_image image;
static struct error e;

static void add_note(unsigned i, const char *name, uint32_t type, uint64_t value, uint32_t size)
{
	file.notes[i].name_size = (uint32_t)strlen(name) + 1;
	file.notes[i].size = size;
	file.notes[i].type = type;
	strcpy(file.notes[i].name, name);
	memcpy(file.notes[i].bytes + (strlen(name) < 4 ? -4 : 0), &value, sizeof(value));
	file.note.p_filesz = i * sizeof(file.notes[0]) + 12 + (strlen(name) < 4 ? 4 : 8) + size;
}

static void set_up(void)
{
	memset(&file, 0, sizeof(file));
	file.header = (Elf64_Ehdr){.e_ident = {0x7F, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT}, .e_type = ET_EXEC,
		.e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_entry = 0x100010, .e_phoff = sizeof(file.header),
		.e_ehsize = sizeof(file.header), .e_phentsize = sizeof(file.load), .e_phnum = 2};
	file.load = (Elf64_Phdr){.p_type = PT_LOAD, .p_offset = offsetof(typeof(file), code), .p_paddr = 0x100000,
		.p_vaddr = 0xFFFFFFFF81000000, .p_filesz = 64, .p_memsz = 0x2000, .p_flags = 7};
	file.note = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = offsetof(typeof(file), notes), .p_align = 4};
	e = (struct error){};
}

TestSuite(pvh, .init = set_up);
TestSuite(vmlinux, .init = set_up);

static int parse(void)
{
	return kernel_image_parse(&file, sizeof(file), KERNEL_PROTOCOLS_ALL, &image, &e);
}

static void accepts(enum kernel_protocol protocol, uint64_t entry)
{
	cr_assert(eq(int, parse(), 0), "%s", e.text);
	cr_assert(eq(int, image.protocol, protocol));
	cr_assert(eq(u64, image.entry, entry));
}

static void refuses(const char *sentence)
{
	cr_assert(eq(int, parse(), -ENOEXEC));
	cr_assert_str_eq(e.text, sentence);
}

Test(pvh, a_note_of_4_bytes_is_the_entry)
{
	add_note(0, "Xen", PVH_NOTE_PHYS32_ENTRY, ENTRY, 4);
	accepts(KERNEL_PVH, ENTRY);
}

Test(pvh, a_note_of_8_bytes_is_the_entry)
{
	add_note(0, "Xen", PVH_NOTE_PHYS32_ENTRY, ENTRY, 8);
	accepts(KERNEL_PVH, ENTRY);
}

Test(pvh, the_note_may_stand_behind_others)
{
	add_note(0, "Linux", 0x100, 0, 12);
	add_note(1, "Xen", PVH_NOTE_PHYS32_ENTRY, ENTRY, 8);
	accepts(KERNEL_PVH, ENTRY);
}

Test(pvh, notes_of_other_sizes_are_refused)
{
	add_note(0, "Xen", PVH_NOTE_PHYS32_ENTRY, ENTRY, 2);
	refuses("pvh: the PVH note (XEN_ELFNOTE_PHYS32_ENTRY) has 2 bytes; 4 or 8 would be right");
}

Test(pvh, the_entry_lies_in_what_is_loaded)
{
	add_note(0, "Xen", PVH_NOTE_PHYS32_ENTRY, 0x100040, 8);
	refuses("pvh: the entry point 0x100040 lies in no segment's bytes of the file; the first is [0x100000, 0x100040)");
}

Test(pvh, all_of_it_lies_below_4_gib)
{
	add_note(0, "Xen", PVH_NOTE_PHYS32_ENTRY, 4 * GiB - 64, 8);
	file.load.p_paddr = 4 * GiB - 64;
	refuses("pvh: a segment ends at 0x100001fc0; by PVH a kernel is entered in 32-bit mode and lies below 4 GiB: link it "
		"(p_paddr) lower");
}

Test(pvh, notes_outside_of_the_file_are_refused)
{
	add_note(0, "Xen", PVH_NOTE_PHYS32_ENTRY, ENTRY, 8);
	file.note.p_filesz = sizeof(file);
	refuses("pvh: program header 1 has notes of 0x130 bytes at offset 0xf0; the file has only 0x130 bytes");
}

Test(pvh, a_note_that_ends_behind_its_notes_is_none)
{
	add_note(0, "Xen", PVH_NOTE_PHYS32_ENTRY, ENTRY, 8);
	file.note.p_filesz = 23;
	cr_assert(eq(int, parse(), -ENOEXEC));
	cr_assert(strstr(e.text, "the ELF file has no PVH note") != NULL, "%s", e.text);
}

Test(vmlinux, is_entered_at_e_entry_in_64_bit_mode)
{
	add_note(0, "Linux", 0x100, 0, 12);
	accepts(KERNEL_LINUX, 0x100010);
	cr_assert(image.bzimage.entry_64);
	cr_assert(not(image.bzimage.has_header));
}

Test(vmlinux, for_32_bits_is_refused)
{
	add_note(0, "Linux", 0x100, 0, 12);
	file.header.e_ident[EI_CLASS] = ELFCLASS32;
	cr_assert(eq(int, parse(), -ENOEXEC)); /* its headers are those of 64 bits, and make no sense */
}

/* --- What it finds ------------------------------------------------------------------ */

static uint8_t ram[4 * MiB];

static void u32_is(uint64_t gpa, uint32_t value)
{
	uint32_t found;

	memcpy(&found, ram + gpa, sizeof(found));
	cr_assert(eq(u32, found, value), "at 0x%llx", (unsigned long long)gpa);
}

static uint64_t u64_at(uint64_t gpa)
{
	uint64_t found;

	memcpy(&found, ram + gpa, sizeof(found));
	return found;
}

Test(pvh, the_kernel_is_told_of_command_line_initrd_and_memory)
{
	struct spec_file ids[] = {{.id = (char *)"vmlinux"}, {.id = (char *)"root"}};
	struct vm_spec spec = {.memory = sizeof(ram), .ros_memory = sizeof(ram), .cores = 1, .ros_cores = 1, .files = ids,
		.n_files = 2, .ros_boots = true, .ros_has_initrd = true, .ros_initrd = 1, .ros_cmdline = (char *)"quiet"};
	const struct guest_file files[] = {{(const uint8_t *)&file, sizeof(file)}, {(const uint8_t *)"root", 4}};
	struct boot_registers registers;
	struct memory memory = {};
	struct ros_boot boot;
	struct plan plan;
	uint64_t list;

	add_note(0, "Xen", PVH_NOTE_PHYS32_ENTRY, ENTRY, 8);
	memory_add(&memory, 0, sizeof(ram), ram);
	plan_ros_alone(&spec, &plan);
	cr_assert(eq(int, ros_boot_init(&boot, &spec, files, &e), 0), "%s", e.text);
	cr_assert(eq(int, ros_boot_plan(&boot, &plan, &e), 0), "%s", e.text);
	cr_assert(eq(int, ros_boot_write(&boot, &memory, &e), 0));
	ros_boot_registers(&boot, &registers);

	cr_assert(eq(u64, registers.rip, ENTRY));
	cr_assert(eq(u64, registers.rbx, 0x1000));
	cr_assert(eq(u64, registers.cr0, CR0_PE | CR0_ET));
	cr_assert(eq(u64, registers.cr4 | registers.efer, 0));
	u32_is(0x1000, 0x336EC578);
	u32_is(0x1004, 1);
	u32_is(0x1008, 0); /* flags */
	u32_is(0x100C, 1); /* modules */
	list = u64_at(0x1010);
	cr_assert(eq(u64, u64_at(list), sizeof(ram) - 4096));
	cr_assert(eq(u64, u64_at(list + 8), 4));
	cr_assert_str_eq((char *)ram + sizeof(ram) - 4096, "root");
	cr_assert_str_eq((char *)ram + u64_at(0x1018), "quiet");
	cr_assert(eq(u64, u64_at(0x1020), 0xE0000)); /* ACPI's root */
	list = u64_at(0x1028);
	u32_is(0x1030, 4);
	cr_assert(eq(u64, u64_at(list + 2 * 24), 0x100000)); /* the third entry: RAM from 1 MiB to the end */
	cr_assert(eq(u64, u64_at(list + 2 * 24 + 8), sizeof(ram) - 0x100000));
	u32_is(list + 2 * 24 + 16, 1);
	cr_assert(eq(int, memcmp(ram + 0x100000, file.code, 64), 0));
}
