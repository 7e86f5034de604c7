/* SPDX-License-Identifier: MIT */
/* kernel.h - what the parts of the small ROS kernel share */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Registers at the first instruction, in the order in which kernel-entry.S pushes them. */
struct found {
	uint32_t eax, ebx, ss, ds, cs, cr4, cr3, cr0, eflags;
};

void kernel_main(const struct found *found);
void core_main(void);

#define BOOTED_BY_MULTIBOOT2 0x36D76289u
#define BOOTED_BY_MULTIBOOT1 0x2BADB002u

static inline void out8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline void out32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t in8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
	return value;
}

extern bool print_to_com1;

/* %u and %x of 32 bits, %s. */
void print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Whether the command line has a word that begins so; and the decimal number behind it. */
bool has_word(const char *cmdline, const char *word);
uint32_t number_of(const char *cmdline, const char *word);

/* kernel-info.c: what the boot loader tells; "" where there is no command line. */
const char *found_cmdline(const struct found *found);
void print_info(const struct found *found);

/* kernel-pc.c */
void power_off(void);
void reset_until(uint32_t n);
void echo(void);
