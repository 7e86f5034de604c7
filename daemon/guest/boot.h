/*
 * boot.h - the boot state itself: bytes in memory, values in registers
 *
 * [spec 2.3, 4]. Everything stands in memory that is zero before.
 *
 * Tour 420: An HRT is born in 64-bit mode, on all its cores at once, with page
 * tables, descriptor tables and a stack that it did not make. These are the
 * bytes and registers that make it so.
 */
#pragma once

#include <stdint.h>

struct error;
struct hrt_source;
struct memory;
struct plan;

struct boot_segment { /* as in a VMCS or VMCB: SDM volume 3C, 25.4.1 */
	uint64_t base;
	uint32_t limit; /* bytes - 1 */
	uint16_t selector;
	uint8_t type;   /* SDM volume 3A, 3.4.5.1 and 3.5 */
	uint8_t s, dpl, present, l, db, g;
	uint8_t unusable;
};

struct boot_registers {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rip, rflags;
	uint64_t cr0, cr2, cr3, cr4, efer;
	struct boot_segment cs, data; /* data: DS, ES, FS, GS, SS alike */
	struct boot_segment tr, ldt;
	uint64_t gdt_base, idt_base;
	uint16_t gdt_limit, idt_limit;
};

/*
 * Writes the image's segments, relocated where that was planned, and what is
 * handed over beside it; what is a file's, as far as the memory has it. The source
 * has the files that were planned for.
 */
void boot_write_image(const struct plan *plan, const struct hrt_source *source, struct memory *memory);

/*
 * Writes handler, IDT, GDT, TSS, page tables, info block and what the stacks begin
 * with. Returns 0, or -ENOMEM with a sentence.
 */
int boot_write_state(const struct plan *plan, const struct hrt_source *source, uint64_t cpu_khz, struct memory *memory,
	struct error *e);

/* The registers of HRT core `n` (0 .. n_hrt_cores - 1) at its first instruction: right-hand column of [spec 4.1]. */
void boot_registers_hrt(const struct plan *plan, uint32_t n, struct boot_registers *ret);

/* Offset of the stub for `vector` in the null handler's page, and the bytes of the whole page. */
#define BOOT_HANDLER_SIZE 4096
void boot_handler_bytes(uint8_t ret[BOOT_HANDLER_SIZE]);
uint64_t boot_handler_stub(unsigned vector);
