/* SPDX-License-Identifier: MIT */
/*
 * kernel-pc.c - what the small ROS kernel does with the devices of a PC
 *
 * It turns itself off, resets itself, and echoes what comes in on COM1, woken by
 * its interrupt through the PIC.
 */
#include "kernel.h"

#define COM1 0x3F8
#define COM1_VECTOR 0x24 /* IRQ 4, with the first PIC at 0x20 */
#define CMOS_RESETS 0x50 /* a byte that a reset leaves alone */

struct gate {
	uint16_t offset_low, selector;
	uint8_t zero, type;
	uint16_t offset_high;
};

/*
 * Interrupts come at the hlt in echo() only, and a cli follows it: so the flags
 * need not be restored, and a far return that drops them does what iret would,
 * which a KVM without hardware does not know in this mode.
 */
extern char com1_entry[];
__asm__("com1_entry: pusha; call on_com1; popa; lret $4");
void on_com1(void);

static struct gate idt[COM1_VECTOR + 1];
static volatile uint32_t interrupts;
static volatile bool ends;

static void out16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port));
}

void power_off(void)
{
	out16(0x604, 1 << 13); /* PM1 control: sleep, type 0 */
}

static uint8_t cmos_read(uint8_t index)
{
	out8(0x70, index);
	return in8(0x71);
}

static void cmos_write(uint8_t index, uint8_t value)
{
	out8(0x70, index);
	out8(0x71, value);
}

/* By the keyboard controller, by the chip set, by port 0x92, in turn. */
void reset_until(uint32_t n)
{
	uint8_t resets = cmos_read(CMOS_RESETS);

	print("ros: has reset itself %u times\n", resets);
	if (resets >= n)
		return;
	cmos_write(CMOS_RESETS, (uint8_t)(resets + 1));
	if (resets % 3 == 0)
		out8(0x64, 0xFE);
	else if (resets % 3 == 1)
		out8(0xCF9, 0x06);
	else
		out8(0x92, 0x01);
	print("ros: is still there after its reset\n");
}

static void take_byte(void)
{
	uint8_t byte = in8(COM1);

	if (byte == '!')
		ends = true;
	else
		out8(COM1, byte);
}

void on_com1(void)
{
	interrupts++;
	while (in8(COM1 + 5) & 1)
		take_byte();
	in8(COM1 + 2);
	out8(0x20, 0x20); /* end of interrupt */
}

static void set_up_interrupts(void)
{
	struct {
		uint16_t limit;
		uint32_t base;
	} __attribute__((packed)) pointer = {sizeof(idt) - 1, (uint32_t)idt};
	uint32_t handler = (uint32_t)com1_entry;

	idt[COM1_VECTOR] = (struct gate){(uint16_t)handler, 8, 0, 0x8E, (uint16_t)(handler >> 16)};
	__asm__ volatile("lidt %0" : : "m"(pointer));
	out8(0x20, 0x11);
	out8(0x21, 0x20);
	out8(0x21, 0x04);
	out8(0x21, 0x01);
	out8(0x21, (uint8_t)~(1 << 4));
	out8(COM1 + 2, 0x07); /* FIFOs */
	out8(COM1 + 4, 0x0B); /* OUT2 lets the interrupt out */
	out8(COM1 + 1, 0x01); /* received data */
}

void echo(void)
{
	set_up_interrupts();
	print("ros: echoes\n");
	while (!ends)
		__asm__ volatile("sti; hlt; cli");
	print("\nros: %s\n", interrupts > 0 ? "was woken by interrupts" : "was never woken");
}
