/*
 * pit.h - channel 2 of an 8254 timer and port 0x61, to calibrate clocks by
 *
 * An HRT measures its APIC timer and TSC against this channel: it opens the
 * gate (port 0x61 bit 0), loads a count, and polls OUT2 (bit 5) or reads the
 * count. Channels 0 and 1, and so interrupts, are not here. Time is passed in,
 * so that tests need no clock. Register behaviour: Intel 8254 data sheet.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct bus;
struct error;

#define PIT_HZ           1193182u
#define PIT_PORT_COUNT   0x42
#define PIT_PORT_CONTROL 0x43
#define PIT_PORT_GATE    0x61

struct pit {
	pthread_mutex_t lock;
	bool gate;
	bool speaker;      /* port 0x61 bit 1, kept and shown, otherwise without effect */
	uint8_t mode;      /* 0 to 5 */
	uint8_t access;    /* 1 low byte, 2 high byte, 3 low then high */
	uint16_t reload;   /* 0 counts as 65536 */
	bool counting;     /* a count has been loaded, and in modes 1 and 5 triggered */
	uint64_t start_nsec; /* when counting began; while the gate holds it: moved on as time passes */
	uint64_t held_nsec;  /* gate closed in modes 0 and 4: since when; otherwise 0 */
	bool write_high;   /* next write is the high byte */
	bool read_high;    /* next read is the high byte */
	uint8_t write_low; /* the low byte that waits for its high byte */
	bool latched;
	uint16_t latch;
};

void pit_init(struct pit *pit);
void pit_fini(struct pit *pit);

/* Answers at its ports from now on, by CLOCK_MONOTONIC. Fails as bus_add() does. */
int pit_attach(struct pit *pit, struct bus *ports, struct error *e);

/* One byte each; now_nsec is CLOCK_MONOTONIC and never runs backwards. */
void pit_write(struct pit *pit, uint16_t port, uint8_t value, uint64_t now_nsec);
uint8_t pit_read(struct pit *pit, uint16_t port, uint64_t now_nsec);
