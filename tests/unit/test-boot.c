/* test-boot.c - the bytes of the boot state, the info block, and the registers [spec 2.3, 4, 5.3, 5.4] */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>

#include "base/buffer.h"
#include "base/macro.h"
#include "guest/boot.h"
#include "guest/hrt-info.h"
#include "plans.h"

#define HIGH HVM_GVA_OFFSET_HIGH

static struct wish wish;
static struct plan plan;
static struct memory memory;
static struct buffer info;
static struct error e;

static void set_up(void)
{
	wish = (struct wish)WISH_EXAMPLE;
	wish.cmdline = "hello";
	memory = (struct memory){0};
	info = (struct buffer)BUFFER_INIT(4096);
}

static void tear_down(void)
{
	buffer_fini(&info);
	free(memory.windows[0].host);
}

static void make_plan(void)
{
	cr_assert(eq(int, wish_plan(&wish, &plan, &e), 0), "%s", e.text);
}

static void write_state(void)
{
	make_plan();
	plan_memory(&plan, &memory);
	cr_assert(eq(int, boot_write_state(&plan, &wished.source, 2300000, &memory, &e), 0), "%s", e.text);
}

static uint64_t word(uint64_t gpa)
{
	uint64_t value;

	memcpy(&value, memory_at(&memory, gpa, 8), 8);
	return value;
}

TestSuite(boot, .init = set_up, .fini = tear_down);
TestSuite(info, .init = set_up, .fini = tear_down);

/* --- Descriptor tables ---------------------------------------------------- */

Test(boot, idt_has_gates_to_a_stub_for_each_vector)
{
	write_state();
	for (unsigned v = 0; v < 256; v++) {
		const uint8_t *gate = memory_at(&memory, plan.idt + v * 16, 16);
		uint64_t target = plan.handler + HIGH + boot_handler_stub(v);
		const uint8_t expected[16] = {
			target & 0xFF,
			target >> 8 & 0xFF,
			0x08,
			0x00,
			0x00,
			v < 32 ? 0x8F : 0x8E,
			target >> 16 & 0xFF,
			target >> 24 & 0xFF,
			target >> 32 & 0xFF,
			target >> 40 & 0xFF,
			target >> 48 & 0xFF,
			target >> 56 & 0xFF,
			0,
			0,
			0,
			0,
		};

		cr_assert(eq(int, memcmp(gate, expected, 16), 0), "vector %u", v);
	}
}

Test(boot, gdt_has_flat_segments_and_the_tss)
{
	wish.memory = 5 * GiB; /* so that the TSS's base has bits in all parts of its descriptor */
	write_state();
	cr_assert(eq(u64, plan.tss, 0x1413FC000));
	cr_assert(eq(u64, word(plan.gdt), 0));
	cr_assert(eq(u64, word(plan.gdt + 8), 0x00AF9A000000FFFF));
	cr_assert(eq(u64, word(plan.gdt + 16), 0x00AF92000000FFFF));
	cr_assert(eq(u64, word(plan.gdt + 24), 0x4100893FC0000FFF));
	cr_assert(eq(u64, word(plan.gdt + 32), 0x00000000FFFF8001));
	cr_assert(eq(u64, word(plan.gdt + 40), 0));
}

Test(boot, tss_is_zero)
{
	write_state();
	for (uint64_t gpa = plan.tss; gpa < plan.gdt; gpa += 8)
		cr_assert(eq(u64, word(gpa), 0));
}

/* --- The null handler ----------------------------------------------------- */

Test(boot, stubs_push_their_vector_and_meet)
{
	uint8_t page[BOOT_HANDLER_SIZE];
	uint64_t common = 0;

	boot_handler_bytes(page);
	for (unsigned v = 0; v < 256; v++) {
		const uint8_t *stub = page + boot_handler_stub(v);
		uint32_t vector, distance;

		cr_assert(eq(u8, stub[0], 0x68)); /* push imm32 */
		memcpy(&vector, stub + 1, 4);
		cr_assert(eq(u32, vector, v));
		cr_assert(eq(u8, stub[5], 0xE9)); /* jmp rel32 */
		memcpy(&distance, stub + 6, 4);
		if (v == 0)
			common = boot_handler_stub(v) + 10 + distance;
		cr_assert(eq(u64, boot_handler_stub(v) + 10 + distance, common));
	}
}

Test(boot, handler_saves_reports_and_halts)
{
	/* push rax, rbx, rcx; mov eax,0xf00d; movabs rbx,marker; mov ecx,0xee; out 0xe5,eax; 1: cli; hlt; jmp
	 * 1b */
	static const uint8_t expected[] = {0x50, 0x53, 0x51, 0xB8, 0x0D, 0xF0, 0x00, 0x00, 0x48, 0xBB, 0x64,
		0x64, 0x64, 0x64, 0x64, 0x64, 0x64, 0x64, 0xB9, 0xEE, 0x00, 0x00, 0x00, 0xE7, 0xE5, 0xFA,
		0xF4, 0xEB, 0xFC};
	uint8_t page[BOOT_HANDLER_SIZE];
	uint64_t common = boot_handler_stub(255) + 10; /* the last stub falls to what follows it */

	boot_handler_bytes(page);
	cr_assert(eq(int, memcmp(page + common, expected, sizeof(expected)), 0));
	for (uint64_t i = common + sizeof(expected); i < sizeof(page); i++)
		cr_assert(eq(u8, page[i], 0));
}

Test(boot, handler_stands_in_its_page)
{
	uint8_t page[BOOT_HANDLER_SIZE];

	write_state();
	boot_handler_bytes(page);
	cr_assert(eq(int, memcmp(memory_at(&memory, plan.handler, sizeof(page)), page, sizeof(page)), 0));
}

/* --- Stacks --------------------------------------------------------------- */

Test(boot, stacks_hold_two_poisoned_words_and_nothing_else)
{
	wish.hrt_cores = 3;
	wish.stack = 8192;
	write_state();
	for (uint64_t gpa = plan.stacks; gpa < plan.info; gpa += 8) {
		bool poisoned = (gpa - plan.stacks) % 8192 >= 8192 - 16;

		cr_assert(eq(u64, word(gpa), poisoned ? UINT64_MAX : 0));
	}
}

/* --- The image ------------------------------------------------------------ */

static void write_image(const struct hrt_image *image, const void *file, size_t size, struct memory *ram)
{
	struct guest_file files[] = {{.data = file, .size = size}};
	struct vm_spec spec = {.hrt_file = 0};
	struct hrt_source source = {.spec = &spec, .files = files, .image = image};

	boot_write_image(&plan, &source, ram);
}

Test(boot, image_is_copied_segment_by_segment_and_not_a_byte_more_L8)
{
	static const char file[] = "..text....data..";
	uint8_t bytes[16];
	struct memory ram = {
		.windows = {{.gpa = 0x1000, .size = sizeof(bytes), .host = bytes}}, .n_windows = 1};
	struct hrt_image image = {
		.segments = {{.gpa = 0x1001, .memory_size = 4, .offset = 2, .file_size = 4},
			{.gpa = 0x1006, .memory_size = 8, .offset = 10, .file_size = 4},
			{.gpa = 0x100F, .memory_size = 1}},
		.n_segments = 3,
	};

	memset(bytes, '#', sizeof(bytes));
	write_image(&image, file, sizeof(file), &ram);
	cr_assert(eq(int, memcmp(bytes, "#text#data######", 16), 0));
}

Test(boot, image_that_was_placed_is_relocated)
{
	/* The table of relocations: {address, type, addend}. The words are at 0x8 and at 0x9, as linked at 0x7000. */
	static const uint64_t file[] = {1, 2, 0x7008, 8, 0x7000, 0x7011, 8, (uint64_t)-1};
	uint64_t words[4] = {0};
	struct memory ram = {.windows = {{.gpa = 0x5000, .size = sizeof(words), .host = (uint8_t *)words}}, .n_windows = 1};
	struct hrt_image image = {
		.segments = {{.gpa = 0, .memory_size = 32, .offset = 0, .file_size = 16}},
		.n_segments = 1,
		.relocatable = true,
		.link_base = 0x7000,
		.relocations = {.offset = 16, .n = 2},
	};

	plan = (struct plan){.relocated = true, .image_base = 0x5000, .gva_offset = HIGH};
	write_image(&image, file, sizeof(file), &ram);
	cr_assert(eq(u64, words[0], 1));
	cr_assert(eq(u64, words[1], HIGH + 0x5000));
	memcpy(words, (uint8_t *)words + 17, 8);
	cr_assert(eq(u64, words[0], HIGH + 0x5000 - 0x7000 - 1));
}

/* --- Registers ------------------------------------------------------------ */

static void cr_is(const struct boot_segment *s, struct boot_segment expected)
{
	cr_assert(eq(u64, s->base, expected.base));
	cr_assert(eq(u32, s->limit, expected.limit));
	cr_assert(eq(u16, s->selector, expected.selector));
	cr_assert(eq(u8, s->type, expected.type));
	cr_assert(eq(u8, s->s, expected.s));
	cr_assert(eq(u8, s->dpl, expected.dpl));
	cr_assert(eq(u8, s->present, expected.present));
	cr_assert(eq(u8, s->l, expected.l));
	cr_assert(eq(u8, s->db, expected.db));
	cr_assert(eq(u8, s->g, expected.g));
	cr_assert(eq(u8, s->unusable, expected.unusable));
}

Test(boot, registers_are_those_of_the_specification)
{
	struct boot_registers r;

	make_plan(); /* MBI is 0xFFF1000; see test-plan.c */
	boot_registers_hrt(&plan, 1, &r);
	cr_assert(eq(u64, r.rax, 0x36D76289));
	cr_assert(eq(u64, r.rbx, HIGH + 0xFFF1000));
	cr_assert(eq(u64, r.rcx, 3));
	cr_assert(eq(u64, r.rdx, 1));
	cr_assert(eq(u64, r.rsp, HIGH + 0xFFF0000 - 16));
	cr_assert(eq(u64, r.rbp, HIGH + 0xFFF0000 - 8));
	cr_assert(eq(u64, r.rsi | r.rdi | r.r8 | r.r9 | r.r10 | r.r11 | r.r12 | r.r13 | r.r14 | r.r15, 0));
	cr_assert(eq(u64, r.rip, HIGH + 16 * MiB));
	cr_assert(eq(u64, r.rflags, 0x2));
	cr_assert(eq(u64, r.cr0, 0x80010033));
	cr_assert(eq(u64, r.cr2, 0));
	cr_assert(eq(u64, r.cr3, 0xFFF2000));
	cr_assert(eq(u64, r.cr4, 0xB0));
	cr_assert(eq(u64, r.efer, 0xD00));
	cr_assert(eq(u64, r.idt_base, HIGH + 0xFFFE000));
	cr_assert(eq(u16, r.idt_limit, 0xFFF));
	cr_assert(eq(u64, r.gdt_base, HIGH + 0xFFFD000));
	cr_assert(eq(u16, r.gdt_limit, 0x27));
}

Test(boot, segments_are_those_of_the_specification)
{
	struct boot_registers r;

	make_plan();
	boot_registers_hrt(&plan, 0, &r);
	cr_is(&r.cs,
		(struct boot_segment){.selector = 8,
			.limit = 0xFFFFFFFF,
			.type = 0xB,
			.s = 1,
			.present = 1,
			.l = 1,
			.g = 1});
	cr_is(&r.data,
		(struct boot_segment){.selector = 0x10,
			.limit = 0xFFFFFFFF,
			.type = 3,
			.s = 1,
			.present = 1,
			.db = 1,
			.g = 1});
	cr_is(&r.tr,
		(struct boot_segment){.selector = 0x18,
			.base = HIGH + 0xFFFC000,
			.limit = 0xFFF,
			.type = 11,
			.present = 1});
	cr_is(&r.ldt, (struct boot_segment){.unusable = 1});
}

Test(boot, cores_differ_in_rcx_rdx_rsp_and_rbp_only)
{
	struct boot_registers first, other;

	wish.hrt_cores = 8;
	wish.stack = 16384;
	make_plan();
	boot_registers_hrt(&plan, 0, &first);
	cr_assert(eq(u64, first.rcx, 2));
	cr_assert(eq(u64, first.rdx, 0));
	for (uint32_t n = 1; n < 8; n++) {
		boot_registers_hrt(&plan, n, &other);
		cr_assert(eq(u64, other.rcx, first.rcx + n));
		cr_assert(eq(u64, other.rdx, n));
		cr_assert(eq(u64, other.rsp, first.rsp - n * 16384));
		cr_assert(eq(u64, other.rbp, other.rsp + 8));
		other.rcx = first.rcx;
		other.rdx = first.rdx;
		other.rsp = first.rsp;
		other.rbp = first.rbp;
		cr_assert(eq(int, memcmp(&first, &other, sizeof(first)), 0));
	}
}

Test(boot, addresses_are_physical_where_the_offset_is_0)
{
	struct boot_registers r;

	wish.gva_offset = 0;
	make_plan();
	boot_registers_hrt(&plan, 0, &r);
	cr_assert(eq(u64, r.rbx, 0xFFF1000));
	cr_assert(eq(u64, r.rsp, 0xFFF1000 - 16));
	cr_assert(eq(u64, r.tr.base, 0xFFFC000));
	cr_assert(eq(u64, r.gdt_base, 0xFFFD000));
	cr_assert(eq(u64, r.idt_base, 0xFFFE000));
	cr_assert(eq(u64, r.cr3, 0xFFF2000));
}

/* --- The info block ------------------------------------------------------- */

static uint64_t field(size_t offset, unsigned bytes)
{
	uint64_t value = 0;

	cr_assert(le(sz, offset + bytes, info.size));
	memcpy(&value, info.data + offset, bytes);
	return value;
}

/* The offset of the tag of this type, or 0. */
static size_t tag_find(uint32_t type)
{
	for (size_t at = 8; at < info.size; at += (field(at + 4, 4) + 7) & ~7ull)
		if (field(at, 4) == type)
			return at;
	return 0;
}

static void make_info(const char *cmdline)
{
	wish.cmdline = cmdline;
	make_plan();
	buffer_fini(&info);
	hrt_info_append(&plan, &wished.source, 2300000, &info);
	cr_assert(buffer_ok(&info));
}

Test(info, begins_with_its_size_and_ends_with_the_end_tag)
{
	make_info("hello");
	cr_assert(eq(u64, field(0, 4), info.size));
	cr_assert(eq(u64, field(4, 4), 0));
	cr_assert(eq(sz, info.size % 8, 0));
	cr_assert(eq(u64, field(info.size - 8, 4), 0));
	cr_assert(eq(u64, field(info.size - 4, 4), 8));
}

Test(info, has_its_tags_in_order)
{
	static const uint32_t types[] = {0xF00DF00D, 1, 2, 4, 6, 0};
	size_t at = 8;

	make_info("hello");
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		cr_assert(eq(u64, field(at, 4), types[i]));
		at += (field(at + 4, 4) + 7) & ~7ull;
	}
	cr_assert(eq(sz, at, info.size));
}

Test(info, hrt_tag_says_what_is_granted)
{
	make_info(NULL);
	cr_assert(eq(u64, field(8, 4), 0xF00DF00D));
	cr_assert(eq(u64, field(12, 4), 88));
	cr_assert(eq(u64, field(16, 4), 4)); /* total_num_apics */
	cr_assert(eq(u64, field(20, 4), 2)); /* first_hrt_apic_id */
	cr_assert(eq(u64, field(24, 8), 0)); /* no IOAPIC */
	cr_assert(eq(u64, field(32, 8), 2300000));
	cr_assert(eq(u64, field(40, 8), 0x200));
	cr_assert(eq(u64, field(48, 8), 0x200000000));
	cr_assert(eq(u64, field(56, 8), 0x800000));
	cr_assert(eq(u64, field(64, 8), 0xFFF1000)); /* MBI */
	cr_assert(eq(u64, field(72, 8), HIGH));
	cr_assert(eq(u64, field(80, 8), 0x1FFFFF000));
	cr_assert(eq(u64, field(88, 8), 255));
}

Test(info, says_2_mib_where_1_gib_was_asked_for_in_vain)
{
	wish.flags = HVM_FLAG_MAP_1GB;
	wish.no_gigabyte_pages = true;
	make_info(NULL);
	cr_assert(eq(u64, field(40, 8), 0x200));
}

Test(info, has_the_command_line_only_where_there_is_one)
{
	make_info("hello");
	cr_assert(eq(u64, field(tag_find(1) + 4, 4), 8 + 6));
	cr_assert_str_eq((const char *)info.data + tag_find(1) + 8, "hello");
	make_info(NULL);
	cr_assert(eq(sz, tag_find(1), 0));
}

Test(info, names_its_loader)
{
	make_info(NULL);
	cr_assert_str_eq((const char *)info.data + tag_find(2) + 8, "hvmd " PACKAGE_VERSION);
	cr_assert(eq(u64, field(tag_find(2) + 4, 4), 8 + strlen("hvmd " PACKAGE_VERSION) + 1));
}

Test(info, counts_basic_memory_in_kib_up_to_the_first_hole)
{
	make_info(NULL);
	cr_assert(eq(u64, field(tag_find(4) + 8, 4), 640));
	cr_assert(eq(u64, field(tag_find(4) + 12, 4), 255 * 1024));
	wish.memory = 5 * GiB;
	make_info(NULL);
	cr_assert(eq(u64, field(tag_find(4) + 12, 4), (0xFEC00000 - 0x100000) / 1024));
}

struct entry {
	uint64_t gpa, size;
	uint32_t type;
};

/* The tag's bytes, and the size of the whole: 136 + 24n [spec 5.3], and the loader's name. */
static void cr_map_is(const struct entry *entries, unsigned n)
{
	size_t at = tag_find(6), name = (8 + strlen("hvmd " PACKAGE_VERSION) + 1 + 7) & ~7ull;

	cr_assert(eq(u64, field(at + 4, 4), 16 + 24 * n));
	cr_assert(eq(u64, field(at + 8, 4), 24));
	cr_assert(eq(u64, field(at + 12, 4), 0));
	for (unsigned i = 0; i < n; i++) {
		size_t entry = at + 16 + 24 * i;

		cr_assert(eq(u64, field(entry, 8), entries[i].gpa));
		cr_assert(eq(u64, field(entry + 8, 8), entries[i].size));
		cr_assert(eq(u64, field(entry + 16, 4), entries[i].type));
		cr_assert(eq(u64, field(entry + 20, 4), entries[i].type == 2));
	}
	cr_assert(eq(sz, info.size, 136 + 24 * n + name));
}

Test(info, map_of_flat_memory_reserves_boot_state_and_devices)
{
	static const struct entry expected[] = {
		{0, 0xA0000, 1},
		{0xA0000, 0x60000, 2},
		{0x100000, 0xFFEF000 - 0x100000, 1},
		{0xFFEF000, 0x11000, 2},
		{0xFEC00000, 0x1400000, 2},
	};

	make_info(NULL);
	cr_map_is(expected, ARRAY_SIZE(expected));
}

Test(info, map_of_memory_around_the_devices_reserves_the_boot_state_above)
{
	static const struct entry expected[] = {
		{0, 0xA0000, 1},
		{0xA0000, 0x60000, 2},
		{0x100000, 0xFEC00000 - 0x100000, 1},
		{0xFEC00000, 0x1400000, 2},
		{0x100000000, 0x413EF000, 1},
		{0x1413EF000, 0x11000, 2},
	};

	wish.memory = 5 * GiB;
	make_info(NULL);
	cr_map_is(expected, ARRAY_SIZE(expected));
}

/* Palacios' had a buffer of 256 bytes for it. */
Test(info, fits_with_memory_around_and_above_the_devices_L16)
{
	static const uint64_t sizes[] = {4076 * MiB, 4077 * MiB, 4 * GiB, 8 * GiB};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		wish.memory = sizes[i];
		wish.map = 16 * GiB;
		wish.comm_page = 12 * GiB;
		make_info(NULL);
		cr_assert(eq(u64, field(0, 4), info.size));
		cr_assert(eq(u64, hrt_info_size(&plan, &wished.source), info.size));
		cr_assert(gt(sz, info.size, 256));
		cr_assert(le(sz, info.size, plan.page_tables - plan.info));
		tear_down();
		set_up();
	}
}

Test(info, map_has_no_empty_entry_where_the_boot_state_fills_all_above_4_gib)
{
	static const struct entry expected[] = {
		{0, 0xA0000, 1},
		{0xA0000, 0x60000, 2},
		{0x100000, 0xFEC00000 - 0x100000, 1},
		{0xFEC00000, 0x1400000, 2},
		{0x100000000, 0x100000, 2},
	};

	wish.memory = 4077 * MiB;
	wish.hrt_cores = 1;
	wish.stack = (256 - 15) * 4096; /* 1 MiB less tables for 8 GiB and five pages */
	make_info(NULL);
	cr_map_is(expected, ARRAY_SIZE(expected));
}

Test(info, stands_where_rbx_points)
{
	struct boot_registers r;

	write_state();
	hrt_info_append(&plan, &wished.source, 2300000, &info);
	boot_registers_hrt(&plan, 0, &r);
	cr_assert(eq(int, memcmp(memory_at(&memory, r.rbx - HIGH, info.size), info.data, info.size), 0));
}

Test(info, that_outgrows_a_page_has_more_of_them)
{
	char cmdline[6000];

	memset(cmdline, 'x', sizeof(cmdline) - 1);
	cmdline[sizeof(cmdline) - 1] = '\0';
	wish.cmdline = cmdline;
	write_state();
	cr_assert(eq(u64, plan.page_tables - plan.info, 2 * 4096));
	cr_assert(eq(u64, word(plan.info) & 0xFFFFFFFF, hrt_info_size(&plan, &wished.source)));
	wish.cmdline = "hello";
	make_plan();
	cr_assert(eq(u64, plan.page_tables - plan.info, 4096));
}
