/* test-upcall.c - the frame of an upcall, byte by byte, and the gates and stacks that take none */
#include <criterion/criterion.h>
#include <criterion/new/assert.h>

#include <errno.h>

#include "abi/hrt.h"
#include "base/error.h"
#include "guest-space.h"
#include "monitor/upcall.h"

#define IDT     SPACE_GVA
#define GDT     (SPACE_GVA + 0x800)
#define TSS     (SPACE_GVA + 0xC00)
#define STACK   (SPACE_GVA + 2 * PAGE_SIZE + 0x28) /* a frame below it straddles pages */
#define IST     (SPACE_GVA + 3 * PAGE_SIZE + 0x101)
#define HANDLER 0xFFFF800000801234ull
#define RFLAGS  0x34346ull /* VM, RF, NT, TF, IF and arithmetic */

static struct space space;
static struct vcpu_state state;
static struct vcpu_registers registers;
static struct access access_;
static struct error e;

static void put_gate(unsigned vector, uint64_t handler, uint16_t selector, unsigned ist, unsigned flags)
{
	uint64_t *gate = space_at(&space, IDT + 16 * vector);

	gate[0] = (handler & 0xFFFF) | (uint64_t)selector << 16 | (uint64_t)ist << 32 | (uint64_t)flags << 40 |
		(handler >> 16 & 0xFFFF) << 48;
	gate[1] = handler >> 32;
}

static void init(void)
{
	space_init(&space);
	state = space_state(0);
	state.idt_base = IDT;
	state.idt_limit = 16 * 256 - 1;
	state.gdt_base = GDT;
	state.gdt_limit = 0x27;
	state.tr = (struct boot_segment){.base = TSS, .limit = 0x67};
	registers = (struct vcpu_registers){.rax = 1, .rip = 0xFFFF800000805555, .rsp = STACK, .rflags = RFLAGS};
	access_ = (struct access){.memory = &space.memory, .cr3 = SPACE_CR3};
	put_gate(VECTOR_PF, HANDLER, 0x8, 0, 0x8E);
	put_gate(VECTOR_GP, HANDLER + 16, 0x8, 0, 0x8F);
	e.text[0] = 0;
}

TestSuite(upcall, .init = init);

static void expect_frame(uint64_t sp)
{
	const uint64_t *frame = space_at(&space, sp);

	cr_expect(eq(u64, registers.rsp, sp));
	cr_expect(eq(u64, frame[0], 0xF00DF00D));
	cr_expect(eq(u64, frame[1], 0xFFFF800000805555));
	cr_expect(eq(u64, frame[2], 0x8));
	cr_expect(eq(u64, frame[3], RFLAGS));
	cr_expect(eq(u64, frame[4], STACK));
	cr_expect(eq(u64, frame[5], 0x10));
}

Test(upcall, looks_like_a_page_fault)
{
	cr_assert(eq(int, upcall_build(UPCALL_PF, &access_, &state, &registers, &e), 0), "%s", e.text);
	expect_frame((STACK & ~15ull) - 48);
	cr_expect(eq(u64, registers.rip, HANDLER));
	cr_expect(eq(u64, registers.rflags, 0x46)); /* an interrupt gate clears IF, too */
	cr_expect(eq(u64, registers.rax, 1));
	cr_expect(eq(u64, state.cr2, 0x0000800DF00DF00D));
	cr_expect(eq(u16, state.ss.selector, 0x10));
}

Test(upcall, looks_like_a_general_protection_fault)
{
	state.cr2 = 5;
	cr_assert(eq(int, upcall_build(UPCALL_GPF, &access_, &state, &registers, &e), 0), "%s", e.text);
	expect_frame((STACK & ~15ull) - 48);
	cr_expect(eq(u64, registers.rip, HANDLER + 16));
	cr_expect(eq(u64, registers.rflags, 0x246)); /* a trap gate leaves IF */
	cr_expect(eq(u64, state.cr2, 5));
}

Test(upcall, takes_the_stack_of_the_gates_ist)
{
	put_gate(VECTOR_PF, HANDLER, 0x8, 3, 0x8E);
	memcpy(space_at(&space, TSS + 36 + 16), &(uint64_t){IST}, sizeof(uint64_t));
	cr_assert(eq(int, upcall_build(UPCALL_PF, &access_, &state, &registers, &e), 0), "%s", e.text);
	expect_frame((IST & ~15ull) - 48);
}

Test(upcall, loads_the_code_segment_of_the_gate)
{
	put_gate(VECTOR_PF, HANDLER, 0x18, 0, 0x8E);
	*(uint64_t *)space_at(&space, GDT + 0x18) = 0x00AF9A000000FFFF;
	cr_assert(eq(int, upcall_build(UPCALL_PF, &access_, &state, &registers, &e), 0), "%s", e.text);
	expect_frame((STACK & ~15ull) - 48);
	cr_expect(eq(u16, state.cs.selector, 0x18));
	cr_expect(eq(int, state.cs.l, 1));
	cr_expect(eq(int, state.cs.type, 0xB));
}

Test(upcall, waits_while_an_event_is_half_delivered)
{
	state.unsettled = true;
	cr_expect(eq(int, upcall_build(UPCALL_PF, &access_, &state, &registers, &e), -EAGAIN));
}

static void expect_refusal(const char *text)
{
	struct space before = space;
	struct vcpu_state state_before = state;
	struct vcpu_registers registers_before = registers;

	cr_expect(eq(int, upcall_build(UPCALL_PF, &access_, &state, &registers, &e), -ENOEXEC), "%s", text);
	cr_expect(strstr(e.text, text) != NULL, "\"%s\" does not say \"%s\"", e.text, text);
	cr_expect(eq(int, memcmp(&space, &before, offsetof(struct space, memory)), 0), "%s", text);
	cr_expect(eq(int, memcmp(&state, &state_before, sizeof(state)), 0), "%s", text);
	cr_expect(eq(int, memcmp(&registers, &registers_before, sizeof(registers)), 0), "%s", text);
	init();
}

Test(upcall, changes_nothing_where_the_hrt_has_no_good_gate)
{
	put_gate(VECTOR_PF, HANDLER, 0x8, 0, 0x0E);
	expect_refusal("its gate for vector 14 is none that is present");
	put_gate(VECTOR_PF, HANDLER, 0x8, 0, 0x85);
	expect_refusal("its gate for vector 14 is none that is present");
	put_gate(VECTOR_PF, 0x0000900000000000, 0x8, 0, 0x8E);
	expect_refusal("leads to 0x900000000000, which is no address");
	state.idt_limit = 14 * 16 + 14;
	expect_refusal("its IDT ends (limit 0xee) below vector 14");
	state.idt_base = 0x1000;
	expect_refusal("its IDT at 0x1000 is not mapped");
}

Test(upcall, changes_nothing_where_the_gates_segment_is_not_64_bit_code)
{
	put_gate(VECTOR_PF, HANDLER, 0, 0, 0x8E);
	expect_refusal("names the code segment 0x0, which its GDT has not");
	put_gate(VECTOR_PF, HANDLER, 0x28, 0, 0x8E);
	expect_refusal("names the code segment 0x28, which its GDT has not");
	put_gate(VECTOR_PF, HANDLER, 0x1C, 0, 0x8E); /* of the LDT */
	expect_refusal("names the code segment 0x1c, which its GDT has not");
	put_gate(VECTOR_PF, HANDLER, 0x18, 0, 0x8E);
	*(uint64_t *)space_at(&space, GDT + 0x18) = 0x00AF92000000FFFF; /* data */
	expect_refusal("names segment 0x18, which is no 64-bit code for CPL 0");
	put_gate(VECTOR_PF, HANDLER, 0x18, 0, 0x8E);
	*(uint64_t *)space_at(&space, GDT + 0x18) = 0x00AFFA000000FFFF; /* for CPL 3 */
	expect_refusal("names segment 0x18, which is no 64-bit code for CPL 0");
}

Test(upcall, changes_nothing_where_the_stack_takes_no_frame)
{
	*space_entry(&space, 1) &= ~PTE_WRITABLE;
	expect_refusal("its stack at 0x12345678a020 takes no frame");
	registers.rsp = 0x20; /* the frame would begin at the top of all addresses */
	expect_refusal("its stack at 0x20 takes no frame");
	put_gate(VECTOR_PF, HANDLER, 0x8, 7, 0x8E);
	state.tr.limit = 90;
	expect_refusal("has no stack for IST 7");
}

Test(upcall, is_for_cores_in_64_bit_mode_at_cpl_0)
{
	state.cs.selector = 0x33;
	expect_refusal("it runs at CPL 3; an HRT runs at CPL 0");
	state.cr0 &= ~CR0_PG;
	expect_refusal("it is not in 64-bit mode");
	state.cr4 |= CR4_LA57;
	expect_refusal("it is not in 64-bit mode");
}
