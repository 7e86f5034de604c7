/* SPDX-License-Identifier: MIT */
/* idt.h - the gates of an IDT of our own (Intel SDM volume 3, 6.14.1) */
#ifndef IDT_H
#define IDT_H

#include <stdint.h>

#include "cpu.h"

#define IDT_VECTORS 256

struct gate {
	uint64_t low, high;
};

/* An interrupt gate: present, for CPL 0, to the boot GDT's code segment. */
static inline struct gate gate_to(void *handler)
{
	uint64_t at = (uint64_t)handler;

	return (struct gate){
		.low = (at & 0xFFFF) | 0x00008E0000080000ull | ((at >> 16 & 0xFFFF) << 48),
		.high = at >> 32,
	};
}

/* The boot IDT's gates, whose null handlers report what we do not expect. */
static inline void idt_copy_boot(struct gate idt[IDT_VECTORS])
{
	struct table_register boot = read_idtr();

	for (unsigned i = 0; i < IDT_VECTORS; i++)
		idt[i] = ((const struct gate *)boot.base)[i];
}

static inline void idt_load(const struct gate idt[IDT_VECTORS])
{
	write_idtr((struct table_register){.limit = IDT_VECTORS * sizeof(struct gate) - 1, .base = (uint64_t)idt});
}

#endif
