/*
 * i8042.h - a keyboard controller with no keyboard
 *
 * Enough for a kernel that looks for one: it passes its self-test, tells that
 * nobody is there, and never interrupts. What it is for: pulsing the reset line
 * (command 0xFE), which is how a kernel without ACPI resets a PC.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "device/power.h"

struct i8042 {
	pthread_mutex_t lock;
	uint8_t command_byte;
	uint8_t output;       /* what port 0x60 reads next ... */
	uint8_t status;       /* ... and whether it is there: I8042_STATUS_... in i8042.c */
	uint8_t argument_for; /* the command whose argument comes next at port 0x60; 0: it is for the keyboard */
	struct power_listener listener;
};

/* The listener is copied; it gets POWER_RESET only. */
void i8042_init(struct i8042 *i8042, struct power_listener listener);
void i8042_fini(struct i8042 *i8042);
void i8042_reset(struct i8042 *i8042);

/* Answers at 0x60 and 0x64. Fails as bus_add() does. */
int i8042_attach(struct i8042 *i8042, struct bus *ports, struct error *e);
