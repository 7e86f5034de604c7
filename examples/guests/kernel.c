/* SPDX-License-Identifier: MIT */
/*
 * kernel.c - a small ROS kernel that says what it found, and then what its command line says
 *
 *	(nothing)    halts
 *	exit=N       writes N to the debug-exit port 0xf4
 *	cores=N      starts core 1 to N, which say that they are there
 *	fault        runs an invalid instruction without an IDT: a triple fault
 *	dirty        writes to memory, to see whether a reset clears it
 *	resets=N     resets itself so many times, in each way that a PC has
 *	echo         sends back what comes in on the first serial port, to the first '!'
 *	poweroff     turns itself off
 *
 * It prints on port 0xC0C0, or with "com1" on the first serial port.
 */
#include "kernel.h"

extern char trampoline[], trampoline_end[];

#define TRAMPOLINE 0x8000u /* a page below 1 MiB */
#define DIRTY_WORD 0x300000u
#define LAPIC      0xFEE00000u
#define ICR_LOW    0x300
#define ICR_HIGH   0x310
#define ICR_INIT   0x4500u
#define ICR_SIPI   0x4600u

static volatile uint32_t cores_up;

static void halt(void)
{
	for (;;)
		__asm__ volatile("cli; hlt");
}

void core_main(void)
{
	print("ros: core %u is up\n", *(volatile uint32_t *)(LAPIC + 0x20) >> 24);
	cores_up++;
	halt();
}

static void apic_send(uint32_t core, uint32_t command)
{
	*(volatile uint32_t *)(LAPIC + ICR_HIGH) = core << 24;
	*(volatile uint32_t *)(LAPIC + ICR_LOW) = command;
}

static void start_cores(uint32_t n)
{
	char *to = (char *)TRAMPOLINE;

	for (char *from = trampoline; from < trampoline_end;)
		*to++ = *from++;
	for (uint32_t core = 1; core <= n; core++) {
		apic_send(core, ICR_INIT);
		apic_send(core, ICR_SIPI | TRAMPOLINE >> 12);
		while (cores_up < core)
			__asm__ volatile("pause");
	}
	print("ros: %u cores started\n", n);
}

static void obey(const char *cmdline)
{
	if (has_word(cmdline, "dirty"))
		*(volatile uint32_t *)DIRTY_WORD = 0x600DF00D;
	if (has_word(cmdline, "cores="))
		start_cores(number_of(cmdline, "cores="));
	if (has_word(cmdline, "exit="))
		out32(0xF4, number_of(cmdline, "exit="));
	if (has_word(cmdline, "fault"))
		__asm__ volatile("ud2");
	if (has_word(cmdline, "resets="))
		reset_until(number_of(cmdline, "resets="));
	if (has_word(cmdline, "echo"))
		echo();
	if (has_word(cmdline, "poweroff"))
		power_off();
}

void kernel_main(const struct found *found)
{
	const char *cmdline = found_cmdline(found);

	print_to_com1 = has_word(cmdline, "com1");
	print("ros: eax 0x%x, cr0 0x%x, cr3 0x%x, cr4 0x%x, cs 0x%x, ds 0x%x, ss 0x%x, eflags 0x%x\n", found->eax,
		found->cr0, found->cr3, found->cr4, found->cs, found->ds, found->ss, found->eflags);
	print_info(found);
	print("ros: the word at 0x%x is 0x%x\n", DIRTY_WORD, *(volatile uint32_t *)DIRTY_WORD);
	print("ros: up\n");
	obey(cmdline);
	halt();
}
