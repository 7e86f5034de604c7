/* x86.h - bits of the processor (Intel SDM volume 3A; the section is named beside each group) */
#pragma once

#define PAGE_SIZE 4096ull

/* Page-table entries, 4.5 */
#define PTE_PRESENT  0x1ull
#define PTE_WRITABLE 0x2ull
#define PTE_USER     0x4ull
#define PTE_ACCESSED 0x20ull
#define PTE_DIRTY    0x40ull
#define PTE_LARGE    0x80ull
#define PTE_ADDRESS  0x000FFFFFFFFFF000ull

/* Control registers, 2.5 */
#define CR0_PE 0x1ull
#define CR0_MP 0x2ull
#define CR0_ET 0x10ull
#define CR0_NE 0x20ull
#define CR0_WP 0x10000ull
#define CR0_PG 0x80000000ull
#define CR4_PSE 0x10ull
#define CR4_PAE 0x20ull
#define CR4_PGE 0x80ull
#define CR4_LA57 0x1000ull

/* IA32_EFER, 2.2.1 */
#define EFER_LME 0x100ull
#define EFER_LMA 0x400ull
#define EFER_NXE 0x800ull

#define RFLAGS_RESERVED 0x2ull /* always 1; 3.4.3 of volume 1 */
#define RFLAGS_TF       0x100ull
#define RFLAGS_IF       0x200ull
#define RFLAGS_NT       0x4000ull
#define RFLAGS_RF       0x10000ull
#define RFLAGS_VM       0x20000ull

/* Gates and selectors of 64-bit mode, 6.14.1 and 3.4.2 */
#define GATE_INTERRUPT 0xEu
#define GATE_TRAP      0xFu
#define SELECTOR_RPL   0x3u
#define SELECTOR_LDT   0x4u
#define TSS_IST1       36u /* bytes from the TSS's base; 7.7 */

/* Debug registers at reset, 10.1.1 table */
#define DR6_RESET 0xFFFF0FF0ull
#define DR7_RESET 0x400ull

/* A PC's first MiB: RAM, the adapters' window from 640 KiB on, and RAM again from 1 MiB on [spec 5.3]. */
#define PC_LOWER_END   0xA0000ull
#define PC_UPPER_START 0x100000ull

/* The hole that devices live in: RAM ends below it and goes on at 4 GiB. */
#define DEVICE_HOLE_START 0xFEC00000ull /* IOAPIC */
#define DEVICE_HOLE_END   0x100000000ull

/* Vectors, 6.15 */
#define VECTOR_DF 8
#define VECTOR_GP 13
#define VECTOR_PF 14

/* Vectors that push an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP, #VC, #SX (6.13; APM volume 2, 8.2) */
#define VECTORS_WITH_ERROR_CODE                                                                                \
	((1u << 8) | (1u << 10) | (1u << 11) | (1u << 12) | (1u << 13) | (1u << 14) | (1u << 17) | (1u << 21) |  \
		(1u << 29) | (1u << 30))
