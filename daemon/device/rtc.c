/*
 * rtc.c - see rtc.h
 *
 * The time is not kept but computed: the host's plus an offset. While the guest
 * has updates off (register B, SET) the registers stand still and can be written;
 * switching updates on again makes an offset of them.
 */
#include "device/rtc.h"


#include "base/clock.h"
#include "base/macro.h"
#include "device/bus.h"
#include "guest/memory.h"

#define PORT_INDEX 0x70

/* Registers; data sheet of the MC146818A */
enum {
	RTC_SECONDS = 0x00,
	RTC_MINUTES = 0x02,
	RTC_HOURS = 0x04,
	RTC_WEEKDAY = 0x06, /* Sunday is 1 */
	RTC_DAY = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_A = 0x0A,
	RTC_B = 0x0B,
	RTC_C = 0x0C,
	RTC_D = 0x0D,
};

#define A_UPDATING 0x80u
#define A_RESET    0x26u /* 32768 Hz, 1024 interrupts a second */
#define B_SET      0x80u
#define B_BINARY   0x04u
#define B_24_HOURS 0x02u
#define D_VALID    0x80u
#define HOURS_PM   0x80u

/* Where firmware keeps things; the first group is IBM's, the second Bochs' and QEMU's */
enum {
	CMOS_EQUIPMENT = 0x14,
	CMOS_BASE_KIB = 0x15,
	CMOS_EXTENDED_KIB = 0x17, /* above 1 MiB */
	CMOS_CHECKSUM_FIRST = 0x10,
	CMOS_CHECKSUM_LAST = 0x2D,
	CMOS_CHECKSUM = 0x2E, /* the high byte first */
	CMOS_EXTENDED_KIB_AGAIN = 0x30,
	CMOS_CENTURY = 0x32,
	CMOS_ABOVE_16MIB = 0x34,  /* in 64 KiB */
	CMOS_ABOVE_4GIB = 0x5B,   /* in 64 KiB, three bytes */
	CMOS_OTHER_CORES = 0x5F,
};

#define EQUIPMENT_FPU 0x02u

/* How long before a second's end the registers may not be read: the update and the warning before it. */
#define UPDATE_USEC (1984u + 244u)

static const uint8_t time_registers[] = {
	RTC_SECONDS, RTC_MINUTES, RTC_HOURS, RTC_WEEKDAY, RTC_DAY, RTC_MONTH, RTC_YEAR, CMOS_CENTURY,
};

/* --- Numbers as the guest wants them ---------------------------------------------------------------------- */

static uint8_t encode(const struct rtc *rtc, int value)
{
	return (uint8_t)(rtc->cmos[RTC_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static int decode(const struct rtc *rtc, uint8_t value)
{
	return rtc->cmos[RTC_B] & B_BINARY ? value : (value >> 4) * 10 + (value & 0xF);
}

static uint8_t encode_hours(const struct rtc *rtc, int hour)
{
	if (rtc->cmos[RTC_B] & B_24_HOURS)
		return encode(rtc, hour);
	return (uint8_t)(encode(rtc, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOURS_PM : 0));
}

static int decode_hours(const struct rtc *rtc, uint8_t value)
{
	if (rtc->cmos[RTC_B] & B_24_HOURS)
		return decode(rtc, value);
	return decode(rtc, value & (uint8_t)~HOURS_PM) % 12 + (value & HOURS_PM ? 12 : 0);
}

/* --- Time --------------------------------------------------------------------------------------------------- */

/*
 * The calendar of the C library looks for /etc/localtime, even to tell UTC, and
 * there are no files where we run. Years are counted from March on, so that the
 * day that some of them have is their last.
 */
#define DAYS_OF_400_YEARS 146097
#define DAYS_TO_EPOCH     719468 /* from 0000-03-01 to 1970-01-01 */

static int64_t days_before(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month > 2 ? year : year - 1, m = month > 2 ? month - 3 : month + 9;

	return y * 365 + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - DAYS_TO_EPOCH;
}

static void date_of(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t since = days + DAYS_TO_EPOCH, of_400 = since % DAYS_OF_400_YEARS;
	int64_t year = (of_400 - of_400 / 1460 + of_400 / 36524 - of_400 / (DAYS_OF_400_YEARS - 1)) / 365;
	int64_t of_year = of_400 - (year * 365 + year / 4 - year / 100), month = (5 * of_year + 2) / 153;

	*ret_day = (int)(of_year - (153 * month + 2) / 5 + 1);
	*ret_month = (int)(month < 10 ? month + 3 : month - 9);
	*ret_year = (int)(since / DAYS_OF_400_YEARS * 400 + year + (*ret_month <= 2));
}

static void fill_time(struct rtc *rtc)
{
	int64_t then = (int64_t)(rtc->clock_usec() / 1000000) + rtc->offset, now = then > 0 ? then : 0;
	int64_t days = now / 86400, of_day = now % 86400;
	int year, month, day;

	date_of(days, &year, &month, &day);
	rtc->cmos[RTC_SECONDS] = encode(rtc, (int)(of_day % 60));
	rtc->cmos[RTC_MINUTES] = encode(rtc, (int)(of_day / 60 % 60));
	rtc->cmos[RTC_HOURS] = encode_hours(rtc, (int)(of_day / 3600));
	rtc->cmos[RTC_WEEKDAY] = encode(rtc, (int)((days + 4) % 7 + 1)); /* the first day was a Thursday */
	rtc->cmos[RTC_DAY] = encode(rtc, day);
	rtc->cmos[RTC_MONTH] = encode(rtc, month);
	rtc->cmos[RTC_YEAR] = encode(rtc, year % 100);
	rtc->cmos[CMOS_CENTURY] = encode(rtc, year / 100);
}

/* Whatever the registers hold, some time is made of it: the first there is, at least. */
static void take_time(struct rtc *rtc)
{
	int64_t year = decode(rtc, rtc->cmos[CMOS_CENTURY]) * 100 + decode(rtc, rtc->cmos[RTC_YEAR]);
	int64_t days = days_before(year, decode(rtc, rtc->cmos[RTC_MONTH]), decode(rtc, rtc->cmos[RTC_DAY]));
	int64_t seconds = days * 86400 + decode_hours(rtc, rtc->cmos[RTC_HOURS]) * 3600 +
		decode(rtc, rtc->cmos[RTC_MINUTES]) * 60 + decode(rtc, rtc->cmos[RTC_SECONDS]);

	rtc->offset = (seconds > 0 ? seconds : 0) - (int64_t)(rtc->clock_usec() / 1000000);
}

static bool stands_still(const struct rtc *rtc)
{
	return rtc->cmos[RTC_B] & B_SET;
}

static bool is_time(uint8_t index)
{
	for (size_t i = 0; i < ARRAY_SIZE(time_registers); i++)
		if (time_registers[i] == index)
			return true;
	return false;
}

/* --- Registers ------------------------------------------------------------------------------------------------ */

static uint8_t read_register(struct rtc *rtc, uint8_t index)
{
	if (is_time(index) && !stands_still(rtc))
		fill_time(rtc);
	if (index == RTC_A && !stands_still(rtc) && rtc->clock_usec() % 1000000 >= 1000000 - UPDATE_USEC)
		return rtc->cmos[RTC_A] | A_UPDATING;
	return rtc->cmos[index];
}

static void write_b(struct rtc *rtc, uint8_t value)
{
	bool before = stands_still(rtc), after = value & B_SET;

	if (!before)
		fill_time(rtc);
	rtc->cmos[RTC_B] = value;
	if (before && !after)
		take_time(rtc);
}

static void write_register(struct rtc *rtc, uint8_t index, uint8_t value)
{
	if (index == RTC_C || index == RTC_D)
		return;
	if (index == RTC_B) {
		write_b(rtc, value);
	} else if (index == RTC_A) {
		rtc->cmos[RTC_A] = value & (uint8_t)~A_UPDATING;
	} else if (is_time(index) && !stands_still(rtc)) {
		fill_time(rtc);
		rtc->cmos[index] = value;
		take_time(rtc);
	} else {
		rtc->cmos[index] = value;
	}
}

static void rtc_read(void *data, uint64_t offset, uint8_t *bytes, unsigned size)
{
	struct rtc *rtc = data;

	pthread_mutex_lock(&rtc->lock);
	for (unsigned i = 0; i < size; i++)
		bytes[i] = offset + i == 0 ? 0xFF : read_register(rtc, rtc->index); /* the index cannot be read */
	pthread_mutex_unlock(&rtc->lock);
}

static void rtc_write(void *data, uint64_t offset, const uint8_t *bytes, unsigned size)
{
	struct rtc *rtc = data;

	pthread_mutex_lock(&rtc->lock);
	for (unsigned i = 0; i < size; i++)
		if (offset + i == 0)
			rtc->index = bytes[i] & (RTC_CMOS_SIZE - 1); /* bit 7 masks NMIs, of which there are none */
		else
			write_register(rtc, rtc->index, bytes[i]);
	pthread_mutex_unlock(&rtc->lock);
}

/* --- What firmware would have left ---------------------------------------------------------------------------- */

static void put(struct rtc *rtc, unsigned at, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		rtc->cmos[at + i] = (uint8_t)(value >> 8 * i);
}

static uint64_t at_most(uint64_t value, uint64_t most)
{
	return value < most ? value : most;
}

static void fill_memory(struct rtc *rtc, uint64_t memory)
{
	struct ram_range ranges[2];
	size_t n = ram_layout(memory, ranges);
	uint64_t low = ranges[0].size, kib = low > MiB ? at_most((low - MiB) / KiB, 0xFFFF) : 0;

	put(rtc, CMOS_BASE_KIB, 640, 2);
	put(rtc, CMOS_EXTENDED_KIB, kib, 2);
	put(rtc, CMOS_EXTENDED_KIB_AGAIN, kib, 2);
	put(rtc, CMOS_ABOVE_16MIB, low > 16 * MiB ? at_most((low - 16 * MiB) / (64 * KiB), 0xFFFF) : 0, 2);
	put(rtc, CMOS_ABOVE_4GIB, n > 1 ? at_most(ranges[1].size / (64 * KiB), 0xFFFFFF) : 0, 3);
}

static void fill_checksum(struct rtc *rtc)
{
	unsigned sum = 0;

	for (unsigned i = CMOS_CHECKSUM_FIRST; i <= CMOS_CHECKSUM_LAST; i++)
		sum += rtc->cmos[i];
	rtc->cmos[CMOS_CHECKSUM] = (uint8_t)(sum >> 8);
	rtc->cmos[CMOS_CHECKSUM + 1] = (uint8_t)sum;
}

void rtc_init(struct rtc *rtc, uint64_t memory, uint32_t n_cores)
{
	*rtc = (struct rtc){.clock_usec = clock_realtime_usec};
	pthread_mutex_init(&rtc->lock, NULL);
	rtc->cmos[RTC_A] = A_RESET;
	rtc->cmos[RTC_B] = B_24_HOURS;
	rtc->cmos[RTC_D] = D_VALID;
	rtc->cmos[CMOS_EQUIPMENT] = EQUIPMENT_FPU;
	rtc->cmos[CMOS_OTHER_CORES] = (uint8_t)at_most(n_cores - 1, 0xFF);
	fill_memory(rtc, memory);
	fill_checksum(rtc);
}

void rtc_fini(struct rtc *rtc)
{
	pthread_mutex_destroy(&rtc->lock);
}

int rtc_attach(struct rtc *rtc, struct bus *ports, struct error *e)
{
	static const struct bus_ops ops = {.read = rtc_read, .write = rtc_write};
	struct bus_device device = {.start = PORT_INDEX, .size = 2, .name = "the clock", .ops = &ops, .data = rtc};

	return bus_add(ports, &device, e);
}
