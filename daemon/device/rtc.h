/*
 * rtc.h - the clock of a PC, and the bytes that its battery keeps
 *
 * A Motorola MC146818: the time of day in UTC, which a guest may set for itself
 * (the host's stays), and 128 bytes of CMOS in which firmware says how much
 * memory there is. No alarm and no periodic interrupt: register C always reads 0.
 */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct bus;
struct error;

#define RTC_CMOS_SIZE 128

struct rtc {
	pthread_mutex_t lock;
	uint64_t (*clock_usec)(void); /* the host's time; tests have their own */
	int64_t offset; /* seconds from the host's time to the guest's */
	uint8_t index;
	uint8_t cmos[RTC_CMOS_SIZE]; /* the time's registers hold it only while updates are off */
};

/* memory: bytes of RAM as the guest knows it, below and above the device hole. */
void rtc_init(struct rtc *rtc, uint64_t memory, uint32_t n_cores);
void rtc_fini(struct rtc *rtc);

/* Answers at 0x70 and 0x71. Fails as bus_add() does. */
int rtc_attach(struct rtc *rtc, struct bus *ports, struct error *e);
