/* SPDX-License-Identifier: MIT */
/*
 * check-shared.c - what stands in memory once for all cores: our image, the info
 * block, descriptor tables, page tables, the comm page
 *
 * Core 0 looks, while the others wait for their turn. [spec N.M] is the Palacios
 * HVM specification.
 */
#include "cpu.h"
#include "guest.h"

/* Page-table entries, SDM volume 3A, 4.5 */
#define ENTRY_PRESENT  0x1ull
#define ENTRY_TABLE    0x3ull  /* present, writable */
#define ENTRY_LARGE    0x80ull
#define ENTRY_USED     0x60ull /* accessed, dirty: set by the processor */
#define ENTRY_ADDRESS  0x000FFFFFFFFFF000ull
#define NOWHERE        ~0ull

#define DEVICE_HOLE 0xFEC00000ull /* RAM ends below it, and goes on at 4 GiB */

#define GDT_CODE     0x00AF9A000000FFFFull /* [spec 2.3.3], with limits */
#define GDT_DATA     0x00AF92000000FFFFull
#define GDT_ACCESSED (1ull << 40) /* set by the processor */

static const void *at_gpa(const struct core *core, uint64_t gpa)
{
	return (const void *)(core->info.hrt->gva_offset + gpa);
}

static bool all_zero(const void *from, uint64_t size)
{
	const uint64_t *p = from, *end = p + size / sizeof(*p);

	while (p < end && !*p)
		p++;
	return p == end;
}

/* Where the image can run anywhere, this has to be relocated. */
static const void *volatile data_pointer IN_DATA = data_pattern;

void check_image(struct core *core)
{
	uint64_t wanted = 0, n = 0;

	while (n < PATTERN_WORDS && data_pattern[n] == (wanted += PATTERN_STEP))
		n++;
	promise_equal(core, "the image's data is as in the file", n, PATTERN_WORDS);
	promise(core, "pointers in the image's data point at it", data_pointer == (const void *)data_pattern);
	promise(core, "the image's bss is zero", all_zero(image_data_end, (uint64_t)(image_end - image_data_end)));
}

/* The HRT's own, then the standard's by their types, of which some are always there; modules may be several. */
static bool tags_in_order(const struct info *info)
{
	uint32_t before = TAG_END;

	if (info->n_tags < 5 || info->tags[0] != HVM_INFO_TAG || info->tags[info->n_tags - 1] != TAG_END)
		return false;
	for (uint32_t i = 1; i + 1 < info->n_tags; before = info->tags[i++])
		if (info->tags[i] < before || (info->tags[i] == before && before != TAG_MODULE))
			return false;
	return info->loader && info->memory && info->map;
}

static void check_block(struct core *core)
{
	const struct info *info = &core->info;

	promise(core, "the info block lies on a page", info->gva % PAGE_SIZE == 0);
	promise(core, "the info block fits a page", info->size <= PAGE_SIZE);
	promise(core, "the info block's tags are in order", tags_in_order(info));
	promise_equal(core, "the info block ends behind its end tag", info->end, info->size);
	promise(core, "the loader is hvmd", info->loader && option_is(info->loader, "hvmd"));
}

/* The size of pages that we have to be given: 1 GiB only where CPUID has such pages. */
static uint64_t pages_due(void)
{
	uint64_t wanted = hrt_request.hrt_flags & ~HVM_FLAG_RELOC;

	if (wanted == HVM_FLAG_MAP_1GB && !(read_cpuid(0x80000001).edx & 1u << 26))
		return HVM_FLAG_MAP_2MB;
	return wanted;
}

static void check_hrt_tag(struct core *core)
{
	const struct hvm_info_tag *hrt = core->info.hrt;
	uint64_t reserved = 0;

	for (unsigned i = 0; i < sizeof(hrt->reserved); i++)
		reserved |= hrt->reserved[i];
	promise_equal(core, "the hrt tag has 88 bytes", hrt->size, sizeof(*hrt));
	promise(core, "there are ROS cores and HRT cores",
		hrt->first_hrt_apic_id > 0 && hrt->first_hrt_apic_id < hrt->total_num_apics);
	promise_equal(core, "the hrt tag names no IOAPIC", hrt->have_hrt_ioapic | hrt->first_hrt_ioapic_entry, 0);
	promise(core, "the hrt tag has the clock's frequency", hrt->cpu_freq_khz > 0);
	promise_equal(core, "page size granted as asked", hrt->hrt_flags, pages_due());
	promise_equal(core, "memory mapped as asked", hrt->max_mem_mapped, hrt_request.max_mem_to_map);
	promise_equal(core, "offset granted as asked", hrt->gva_offset, hrt_request.gva_offset);
	promise_equal(core, "comm page granted as asked", hrt->comm_page_gpa, hrt_request.comm_page_gpa);
	promise_equal(core, "vector granted as asked", hrt->hrt_int_vector, hrt_request.hrt_int_vector);
	promise_equal(core, "the hrt tag's reserved bytes are 0", reserved, 0);
	promise(core, "our image lies in our memory",
		(uint64_t)image_start - hrt->gva_offset >= hrt->first_hrt_gpa &&
			(uint64_t)image_end - hrt->gva_offset <= core->layout.stacks);
}

static bool map_ascends(const struct info *info)
{
	uint64_t end = 0;

	for (uint32_t i = 0; i < info->n_map; i++) {
		if (info->map[i].base < end || info->map[i].length == 0)
			return false;
		end = info->map[i].base + info->map[i].length;
	}
	return info->n_map > 0;
}

static uint64_t ram_bytes_from(const struct info *info, uint64_t base)
{
	for (uint32_t i = 0; i < info->n_map; i++)
		if (info->map[i].base == base && info->map[i].type == MEMORY_RAM)
			return info->map[i].length;
	return 0;
}

static void check_memory_map(struct core *core)
{
	const struct info *info = &core->info;
	const struct map_entry *reserved = info_boot_state(info);
	uint64_t size = core->layout.stack_size;

	promise(core, "the memory map ascends", map_ascends(info));
	promise_equal(core, "the memory map starts with 640 KiB", ram_bytes_from(info, 0), 640 * 1024);
	promise(core, "the memory map has memory from 1 MiB", ram_bytes_from(info, 0x100000) > 0);
	promise_equal(core, "low memory is 640 KiB", info->memory ? info->memory->lower : 0, 640);
	promise_equal(core, "high memory ends with RAM or before the devices",
		info->memory ? 0x100000 + info->memory->upper * 1024ull : 0,
		core->layout.end < DEVICE_HOLE ? core->layout.end : DEVICE_HOLE);
	promise_equal(core, "the boot state is reserved to its end",
		reserved ? reserved->base + reserved->length : 0, core->layout.end);
	promise(core, "the stacks are whole pages", size >= PAGE_SIZE && size % PAGE_SIZE == 0);
}

static void check_gdt(struct core *core)
{
	const uint64_t *gdt = at_gpa(core, core->layout.gdt);
	uint64_t tss = core->info.hrt->gva_offset + core->layout.tss;
	uint64_t base = (gdt[3] >> 16 & 0xFFFFFF) | (gdt[3] >> 56 & 0xFF) << 24 | gdt[4] << 32;

	promise_equal(core, "gdt 0x00 is null", gdt[0], 0);
	promise_equal(core, "gdt 0x08 is code", gdt[1] & ~GDT_ACCESSED, GDT_CODE);
	promise_equal(core, "gdt 0x10 is data", gdt[2] & ~GDT_ACCESSED, GDT_DATA);
	promise_equal(core, "gdt 0x18 is a TSS, available", gdt[3] >> 40 & 0xFF, 0x89);
	promise_equal(core, "gdt 0x18 points at the TSS", base, tss);
	promise_equal(core, "gdt 0x18 limit is 0xfff", (gdt[3] & 0xFFFF) | (gdt[3] >> 32 & 0xF0000), 0xFFF);
	promise_equal(core, "gdt 0x18 ends in zeros", gdt[4] >> 32, 0);
	promise(core, "the TSS is zero", all_zero(at_gpa(core, core->layout.tss), PAGE_SIZE));
}

/* Whether the gate is of this type, for CPL 0, on the same stack, into the null handler's page. */
static bool gate_is_good(const struct core *core, const uint64_t *gate, uint64_t type)
{
	uint64_t handler = (gate[0] & 0xFFFF) | (gate[0] >> 32 & 0xFFFF0000) | gate[1] << 32;
	uint64_t page = core->info.hrt->gva_offset + core->layout.handler;

	return (gate[0] & 0x0000FFFFFFFF0000) == (type << 40 | 0x00080000) && gate[1] >> 32 == 0 &&
		handler - page < PAGE_SIZE;
}

static uint64_t good_gates(const struct core *core, unsigned first, unsigned end, uint64_t type)
{
	const uint64_t *idt = at_gpa(core, core->layout.idt);
	uint64_t n = 0;

	for (unsigned i = first; i < end; i++)
		n += gate_is_good(core, idt + 2 * i, type);
	return n;
}

static void check_idt(struct core *core)
{
	promise_equal(core, "exceptions have trap gates to the null handler", good_gates(core, 0, 32, 0x8F), 32);
	promise_equal(core, "page faults have one", good_gates(core, 14, 15, 0x8F), 1);
	promise_equal(core, "interrupts have interrupt gates to it", good_gates(core, 32, 256, 0x8E), 224);
}

/* Where the tables at cr3 send a GVA; *ret_entry is the last entry looked at. */
static uint64_t walk(const struct core *core, uint64_t gva, uint64_t *ret_entry)
{
	uint64_t table = read_cr3();

	for (unsigned shift = 39; shift >= 12; shift -= 9) {
		uint64_t entry = ((const uint64_t *)at_gpa(core, table & ENTRY_ADDRESS))[gva >> shift & 511];

		*ret_entry = entry;
		if (!(entry & ENTRY_PRESENT))
			return NOWHERE;
		if (shift == 12 || (shift < 39 && entry & ENTRY_LARGE))
			return (entry & ENTRY_ADDRESS & ~((1ull << shift) - 1)) | (gva & ((1ull << shift) - 1));
		if ((entry & ~ENTRY_ADDRESS & ~ENTRY_USED) != ENTRY_TABLE)
			return NOWHERE;
		table = entry;
	}
	return NOWHERE;
}

static void check_mapping(struct core *core, const char *what, uint64_t gpa)
{
	uint64_t entry;

	promise_equal(core, what, walk(core, core->info.hrt->gva_offset + gpa, &entry), gpa);
}

static uint64_t pml4_entries(const struct core *core)
{
	const uint64_t *pml4 = at_gpa(core, core->layout.page_tables);
	uint64_t n = 0;

	for (unsigned i = 0; i < 512; i++)
		n += pml4[i] != 0;
	return n;
}

/* Its definition has identity="y", and its command line says so. */
static bool shows_memory_at_0(const struct core *core)
{
	const char *value = info_option(&core->info, "identity=");

	return value && option_is(value, "y");
}

/* One entry; or another with the same in the other half, as can be read at both addresses. */
static bool has_nothing_else(const struct core *core)
{
	const volatile uint64_t *low = (const volatile uint64_t *)(uintptr_t)core->layout.page_tables;
	uint64_t entry;

	if (!shows_memory_at_0(core))
		return pml4_entries(core) == 1;
	return pml4_entries(core) == 2 && ((low[0] ^ low[256]) & ENTRY_ADDRESS) == 0 &&
	       walk(core, core->layout.end - 1, &entry) == core->layout.end - 1;
}

static uint64_t page_bytes(uint64_t flags)
{
	return flags & HVM_FLAG_MAP_1GB ? 1ull << 30 : flags & HVM_FLAG_MAP_2MB ? 1ull << 21 : PAGE_SIZE;
}

static void check_page_tables(struct core *core)
{
	uint64_t page = page_bytes(core->info.hrt->hrt_flags);
	uint64_t offset = core->info.hrt->gva_offset, map = core->info.hrt->max_mem_mapped, entry;

	check_mapping(core, "the first byte of RAM is mapped", 0);
	check_mapping(core, "the last byte of RAM is mapped", core->layout.end - 1);
	check_mapping(core, "the comm page is mapped", core->info.hrt->comm_page_gpa);
	check_mapping(core, "the last byte asked for is mapped", map - 1);
	walk(core, offset + map - 1, &entry);
	promise_equal(core, "the last entry has no other bits", entry & ~ENTRY_USED,
		(map - page) | (page > PAGE_SIZE ? ENTRY_LARGE : 0) | ENTRY_TABLE);
	promise_equal(core, "the byte after it is not mapped", walk(core, offset + map, &entry), NOWHERE);
	promise_equal(core, "the entry after the last is empty", entry, 0);
	promise(core, "nothing else is in the PML4", has_nothing_else(core));
}

/* The name of the section that has the names, which no segment loads. */
static bool names_have_a_name(const struct core *core)
{
	const struct sections *sections = core->info.sections;
	const struct section *names = (const struct section *)sections->headers + sections->names;

	return sections->header_size == sizeof(*names) &&
		option_is((const char *)at_gpa(core, names->addr) + names->name, ".shstrtab");
}

/* For who is linked to run anywhere: it has asked where it is, and for its sections. */
static void check_relocated(struct core *core)
{
	const struct info *info = &core->info;

	if (!(hrt_request.hrt_flags & HVM_FLAG_RELOC))
		return;
	promise_equal(core, "the load base is that of the image", info->load_base ? *info->load_base : 0,
		(uint64_t)image_start - info->hrt->gva_offset);
	promise(core, "the sections' names are loaded", info->sections && names_have_a_name(core));
}

static void check_comm_page(struct core *core)
{
	const struct hvm_comm_page *page = at_gpa(core, core->info.hrt->comm_page_gpa);

	promise(core, "no upcall is in the comm page", all_zero(page, (uint64_t)((uint8_t *)&page->state - (uint8_t *)page)));
	promise(core, "nothing is going on", page->state == HVM_STATE_IDLE && page->event == HVM_EVENT_NONE);
	promise(core, "the rest of the comm page is zero", all_zero(page->unused, sizeof(page->unused)));
}

void check_shared(struct core *core)
{
	check_image(core);
	check_block(core);
	check_hrt_tag(core);
	check_relocated(core);
	check_memory_map(core);
	check_gdt(core);
	check_idt(core);
	check_page_tables(core);
	check_comm_page(core);
}
