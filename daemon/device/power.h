/*
 * power.h - how a guest turns itself off and resets itself
 *
 * Four ways lead out of a PC, all of them here as events for the listener:
 *
 *	ACPI PM1 control    sleep type S5 turns the machine off
 *	port 0xCF9          the reset register that the FADT names (device/pci.h has it)
 *	port 0x64           the keyboard controller pulses the reset line (device/i8042.h)
 *	port 0x92           bit 0, "fast reset"
 *
 * And one leads in: the power button, an ACPI interrupt. The blocks and their
 * ports are what guest/acpi.c tells in the FADT: ACPI specification 6.5, 4.8.3.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "abi/acpi.h"
#include "device/irq.h"

struct bus;
struct error;

enum power_event {
	POWER_OFF,
	POWER_RESET,
};

struct power_listener {
	/* Called on the thread of the core that did it, with no device locked. */
	void (*event)(void *data, enum power_event event);
	void *data;
};

struct power {
	pthread_mutex_t lock;
	struct irq_line sci;
	struct power_listener listener;
	uint64_t (*clock_nsec)(void); /* for the PM timer; tests have their own */
	bool raised; /* the level of sci */
	uint16_t status, enable, control;
};

/* Line and listener are copied. */
void power_init(struct power *power, struct irq_line sci, struct power_listener listener);
void power_fini(struct power *power);
void power_reset(struct power *power);

/* Answers at the ports of abi/acpi.h and at 0x92. Fails as bus_add() does. */
int power_attach(struct power *power, struct bus *ports, struct error *e);

/* Somebody presses the power button. Whether the guest listens to it; from any thread. */
bool power_press_button(struct power *power);
