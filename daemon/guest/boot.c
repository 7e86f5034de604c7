/*
 * boot.c - see boot.h
 *
 * What stands in memory when an HRT core runs its first instruction, and what
 * its registers hold. Where Palacios and good sense differ [spec 2.3, 4.1],
 * the values are those that VMX and SVM both take.
 */
#include "guest/boot.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "abi/hrt.h"
#include "abi/x86.h"
#include "base/buffer.h"
#include "base/error.h"
#include "guest/hrt-info.h"
#include "guest/hrt.h"
#include "guest/memory.h"
#include "guest/paging.h"
#include "guest/plan.h"
#include "image/hrt.h"

#define VECTORS      256u
#define GATE_SIZE    16u
#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TSS  0x18
#define GDT_SIZE     40u /* null, code, data, and the TSS in two */
#define POISON       0xFFFFFFFFFFFFFFFFull
#define SEED_RETURN_SIZE 8u /* a return address of 0 below the information block [spec 4.3] */
#define POISON_SIZE  16u /* a return address and a saved rbp [spec 4.2] */

/* What the planner has granted is there. */
static void *at(struct memory *memory, uint64_t gpa, uint64_t size)
{
	void *p = memory_at(memory, gpa, size);

	assert(p);
	return p;
}

/* Bytes that are a file's need not be written: they may stand there already, or not be wanted. */
static void write_file(struct memory *memory, uint64_t gpa, const uint8_t *data, uint64_t size)
{
	void *p = size ? memory_at(memory, gpa, size) : NULL;

	if (p)
		memcpy(p, data, size);
}

/* From GVAs as linked to GPAs, and to GVAs as they are now. */
static void relocate(const struct plan *plan, const struct hrt_image *image, const uint8_t *data, struct memory *memory)
{
	uint64_t to_gpa = plan->image_base - image->link_base, address, value;

	for (uint64_t i = 0; i < image->relocations.n; i++) {
		relocation_at(data, &image->relocations, i, &address, &value);
		value += to_gpa + plan->gva_offset;
		memcpy(at(memory, address + to_gpa, sizeof(value)), &value, sizeof(value));
	}
}

static void write_segments(const struct plan *plan, const struct hrt_image *image, const uint8_t *data,
	struct memory *memory)
{
	const struct image_segment *s;

	for (s = image->segments; s < image->segments + image->n_segments; s++)
		write_file(memory, plan->image_base + s->gpa, data + s->offset, s->file_size);
}

static void write_sections(const struct plan *plan, const struct hrt_image *image, const uint8_t *data,
	struct memory *memory)
{
	if (image->sections.size)
		sections_copy(data, &image->sections, at(memory, plan->sections, image->sections.size));
}

static void write_modules(const struct plan *plan, const struct hrt_source *source, struct memory *memory)
{
	for (size_t i = 0; i < plan->n_modules; i++) {
		const struct plan_module *m = &plan->modules[i];

		write_file(memory, m->gpa, source->files[source->spec->hrt_modules.items[i].file].data, m->size);
	}
}

void boot_write_image(const struct plan *plan, const struct hrt_source *source, struct memory *memory)
{
	const uint8_t *data = source->files[source->spec->hrt_file].data;

	write_segments(plan, source->image, data, memory);
	relocate(plan, source->image, data, memory);
	write_sections(plan, source->image, data, memory);
	write_modules(plan, source, memory);
}

/* --- The null handler ----------------------------------------------------- */

#define STUB_SIZE   10u
#define COMMON      (VECTORS * STUB_SIZE)

uint64_t boot_handler_stub(unsigned vector)
{
	assert(vector < VECTORS);
	return vector * STUB_SIZE;
}

/* push $vector; jmp common */
static void write_stub(uint8_t *stub, uint32_t vector)
{
	uint32_t distance = COMMON - (vector + 1) * STUB_SIZE;

	stub[0] = 0x68;
	memcpy(stub + 1, &vector, 4);
	stub[5] = 0xE9;
	memcpy(stub + 6, &distance, 4);
}

void boot_handler_bytes(uint8_t ret[BOOT_HANDLER_SIZE])
{
	static const uint8_t common[] = {
		0x50,                                     /* push %rax */
		0x53,                                     /* push %rbx */
		0x51,                                     /* push %rcx */
		0xB8, HVM_HYPERCALL & 0xFF, HVM_HYPERCALL >> 8, 0, 0, /* mov $HVM_HYPERCALL, %eax */
		0x48, 0xBB, 0x64, 0x64, 0x64, 0x64, 0x64, 0x64, 0x64, 0x64, /* movabs $HVM_MARKER, %rbx */
		0xB9, HVM_REQ_UNHANDLED, 0, 0, 0,         /* mov $HVM_REQ_UNHANDLED, %ecx */
		0xE7, HVM_PORT,                           /* out %eax, $HVM_PORT */
		0xFA,                                     /* 1: cli */
		0xF4,                                     /* hlt */
		0xEB, 0xFC,                               /* jmp 1b */
	};
	static_assert(HVM_MARKER == 0x6464646464646464, "the bytes above hold another marker");
	static_assert(COMMON + sizeof(common) <= BOOT_HANDLER_SIZE, "the handler outgrows its page");

	memset(ret, 0, BOOT_HANDLER_SIZE);
	for (unsigned vector = 0; vector < VECTORS; vector++)
		write_stub(ret + boot_handler_stub(vector), vector);
	memcpy(ret + COMMON, common, sizeof(common));
}

/* --- Descriptor tables ---------------------------------------------------- */

/* 64-bit gates, SDM volume 3A, 6.14.1: DPL 0, present, IST 0; trap gates for exceptions, interrupt gates for the rest. */
static void write_idt(const struct plan *plan, struct memory *memory)
{
	uint64_t *gate = at(memory, plan->idt, VECTORS * GATE_SIZE);

	for (unsigned vector = 0; vector < VECTORS; vector++, gate += 2) {
		uint64_t handler = plan->handler + boot_handler_stub(vector) + plan->gva_offset;
		uint64_t kind = vector < 32 ? 0x8F : 0x8E;

		gate[0] = (handler & 0xFFFF) | SELECTOR_CODE << 16 | kind << 40 | (handler >> 16 & 0xFFFF) << 48;
		gate[1] = handler >> 32;
	}
}

static void write_gdt(const struct plan *plan, struct memory *memory)
{
	uint64_t *gdt = at(memory, plan->gdt, GDT_SIZE);
	uint64_t tss = plan->tss + plan->gva_offset;

	gdt[SELECTOR_CODE / 8] = 0x00AF9A000000FFFF; /* L, G, present, code, readable [spec 2.3.3] */
	gdt[SELECTOR_DATA / 8] = 0x00AF92000000FFFF; /* G, present, data, writable */
	/* An available 64-bit TSS of a page: SDM volume 3A, 7.2.3 */
	gdt[SELECTOR_TSS / 8] = (PAGE_SIZE - 1) | (tss & 0xFFFFFF) << 16 | 0x89ull << 40 | (tss >> 24 & 0xFF) << 56;
	gdt[SELECTOR_TSS / 8 + 1] = tss >> 32;
}

static int write_info(const struct plan *plan, const struct hrt_source *source, uint64_t cpu_khz, struct memory *memory,
	struct error *e)
{
	/* As much as was planned for it. */
	uint64_t room = (plan->boundary ? plan->boundary : plan->page_tables) - plan->info;
	struct buffer b __attribute__((cleanup(buffer_fini))) = BUFFER_INIT(room);

	hrt_info_append(plan, source, cpu_khz, &b);
	if (!buffer_ok(&b))
		return error_set_errno(e, -ENOMEM, "writing the information block");
	memcpy(at(memory, plan->info, b.size), b.data, b.size);
	return 0;
}

/* --- Stacks and registers ------------------------------------------------- */

/* GPA just above the stack of HRT core n. */
static uint64_t stack_top(const struct plan *plan, uint32_t n)
{
	return plan->stacks_end - n * plan->stack_size;
}

/* Each core's first words [spec 4.2]. */
static void write_stacks(const struct plan *plan, struct memory *memory)
{
	uint64_t poison[POISON_SIZE / 8] = {POISON, POISON};

	for (uint32_t n = 0; n < plan->n_hrt_cores; n++)
		memcpy(at(memory, stack_top(plan, n) - POISON_SIZE, POISON_SIZE), poison, POISON_SIZE);
}

/* A pop too many hits this, not the page tables [spec 2.2]. The word below the information block is 0 already [spec 4.3]. */
static void write_boundary(const struct plan *plan, struct memory *memory)
{
	memset(at(memory, plan->boundary, PAGE_SIZE), 0xFF, PAGE_SIZE);
}

int boot_write_state(const struct plan *plan, const struct hrt_source *source, uint64_t cpu_khz, struct memory *memory,
	struct error *e)
{
	boot_handler_bytes(at(memory, plan->handler, BOOT_HANDLER_SIZE));
	write_idt(plan, memory);
	write_gdt(plan, memory);
	paging_write(plan, memory);
	if (plan->layout == SPEC_LAYOUT_SEED)
		write_boundary(plan, memory);
	else
		write_stacks(plan, memory);
	if (!plan->multiboot)
		return 0;
	return write_info(plan, source, cpu_khz, memory, e);
}

/* What both layouts have. */
static void registers_common(const struct plan *plan, struct boot_registers *ret)
{
	*ret = (struct boot_registers){
		.rip = plan->entry_gva,
		.rflags = RFLAGS_RESERVED,
		.cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE,
		.cr3 = plan->page_tables,
		.cr4 = CR4_PGE | CR4_PAE | CR4_PSE,
		.efer = EFER_NXE | EFER_LMA | EFER_LME,
		/* Accessed, since VMX refuses others; the TSS busy for the same reason (SDM volume 3C, 27.3.1.2). */
		.cs = {.selector = SELECTOR_CODE, .limit = UINT32_MAX, .type = 0xB, .s = 1, .present = 1, .l = 1, .g = 1},
		.data = {.selector = SELECTOR_DATA, .limit = UINT32_MAX, .type = 0x3, .s = 1, .present = 1, .db = 1, .g = 1},
		.tr = {.selector = SELECTOR_TSS, .base = plan->tss + plan->gva_offset, .limit = PAGE_SIZE - 1, .type = 0xB,
			.present = 1},
		.ldt = {.unusable = 1},
		.gdt_base = plan->gdt + plan->gva_offset,
		.gdt_limit = GDT_SIZE - 1,
		.idt_base = plan->idt + plan->gva_offset,
		.idt_limit = VECTORS * GATE_SIZE - 1,
	};
}

/* [spec 4.1], right-hand column */
static void registers_final(const struct plan *plan, uint32_t n, struct boot_registers *ret)
{
	uint64_t stack = stack_top(plan, n) + plan->gva_offset;

	ret->rax = HVM_BOOT_MAGIC;
	ret->rbx = plan->info + plan->gva_offset;
	ret->rcx = plan->first_hrt_core + n;
	ret->rdx = n;
	ret->rsp = stack - POISON_SIZE;
	ret->rbp = stack - POISON_SIZE / 2;
}

/* [spec 4.1, 4.3]: only what rbx holds tells the first core from the others. */
static void registers_seed(const struct plan *plan, uint32_t n, struct boot_registers *ret)
{
	ret->rdi = ret->rbp = ret->rsp = plan->boundary;
	if (!plan->multiboot)
		return;
	ret->rax = HVM_BOOT_MAGIC;
	ret->rbx = n == 0 ? plan->info : 0;
	ret->rsp = plan->info - SEED_RETURN_SIZE;
}

void boot_registers_hrt(const struct plan *plan, uint32_t n, struct boot_registers *ret)
{
	assert(n < plan->n_hrt_cores);
	registers_common(plan, ret);
	if (plan->layout == SPEC_LAYOUT_SEED)
		registers_seed(plan, n, ret);
	else
		registers_final(plan, n, ret);
}
