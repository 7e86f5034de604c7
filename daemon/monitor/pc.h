/*
 * pc.h - what the ROS has around its cores: the devices of a PC
 *
 * Four serial ports, of which COM1 is the console; clock, keyboard controller,
 * PCI bridge, ACPI's registers; their interrupt lines lead to KVM's controllers.
 * Only where the ROS boots a kernel.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/uart.h"
#include "device/debug-port.h"
#include "device/i8042.h"
#include "device/irq.h"
#include "device/pci.h"
#include "device/power.h"
#include "device/rtc.h"
#include "device/serial.h"

struct error;
struct partition;

/* One of KVM's interrupt lines. */
struct pc_line {
	struct partition *partition; /* borrowed */
	uint32_t irq;
};

struct pc {
	struct pc_line lines[3]; /* 3, 4 and ACPI's */
	struct irq_shared shared[2]; /* 3 and 4 */
	struct serial com[COM_PORTS];
	struct debug_port output; /* what COM1 sends, in lines while nobody types */
	struct rtc rtc;
	struct i8042 i8042;
	struct pci pci;
	struct power power;

	/* borrowed */
	struct partition *partition;
};

/* Makes the devices and puts them on the ROS's ports. Returns NULL with a sentence where that cannot be. */
struct pc *pc_new(struct partition *partition, struct error *e);
struct pc *pc_free(struct pc *pc);

/* All devices as after power-on, and KVM's controllers too. The cores are parked. */
int pc_reset(struct pc *pc, struct error *e);

/* Hands on an unfinished line of COM1 as debug_port_flush() does. */
bool pc_flush(struct pc *pc, uint64_t until_usec);

/* Somebody types: how many bytes COM1 has taken. `pc` is a struct pc. */
size_t pc_type(void *pc, const void *bytes, size_t size);
