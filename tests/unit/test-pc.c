/* test-pc.c - clock, keyboard controller, PCI bridge and power of a PC, as a kernel finds them at their ports */
#include <criterion/criterion.h>

#include <time.h>

#include "base/error.h"
#include "base/macro.h"
#include "device/bus.h"
#include "device/i8042.h"
#include "device/pci.h"
#include "device/power.h"
#include "device/rtc.h"
#include "device/serial.h"

static struct bus ports;
static struct i8042 i8042;
static struct pci pci;
static struct power power;
static struct rtc rtc;
static unsigned offs, resets;
static bool sci;
static uint64_t now_usec;

static void on_event(void *data, enum power_event event)
{
	(void)data;
	offs += event == POWER_OFF;
	resets += event == POWER_RESET;
}

static void on_sci(void *data, bool level)
{
	(void)data;
	sci = level;
}

static uint64_t read_clock_usec(void)
{
	return now_usec;
}

static uint64_t read_clock_nsec(void)
{
	return now_usec * 1000;
}

static void setup(void)
{
	struct power_listener listener = {.event = on_event};
	struct error e = {};

	i8042_init(&i8042, listener);
	pci_init(&pci, listener);
	power_init(&power, (struct irq_line){.set = on_sci}, listener);
	rtc_init(&rtc, 256 * MiB, 3);
	rtc.clock_usec = read_clock_usec;
	power.clock_nsec = read_clock_nsec;
	now_usec = UINT64_C(951782399) * 1000000; /* 2000-02-28 23:59:59, a Monday */
	cr_assert_eq(i8042_attach(&i8042, &ports, &e), 0, "%s", e.text);
	cr_assert_eq(pci_attach(&pci, &ports, &e), 0, "%s", e.text);
	cr_assert_eq(power_attach(&power, &ports, &e), 0, "%s", e.text);
	cr_assert_eq(rtc_attach(&rtc, &ports, &e), 0, "%s", e.text);
}

static void out(uint16_t port, uint32_t value, unsigned size)
{
	uint8_t bytes[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16), (uint8_t)(value >> 24)};

	cr_expect(bus_write(&ports, port, bytes, size));
}

static uint32_t in(uint16_t port, unsigned size)
{
	uint8_t bytes[4] = {};

	cr_expect(bus_read(&ports, port, bytes, size));
	return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint32_t cmos(uint8_t index)
{
	out(0x70, index, 1);
	return in(0x71, 1);
}

static void set_cmos(uint8_t index, uint8_t value)
{
	out(0x70, index, 1);
	out(0x71, value, 1);
}

static void expect_time(unsigned century, unsigned year, unsigned month, unsigned day, unsigned hour, unsigned minute,
	unsigned second)
{
	cr_expect_eq(cmos(0x32), century);
	cr_expect_eq(cmos(0x09), year);
	cr_expect_eq(cmos(0x08), month);
	cr_expect_eq(cmos(0x07), day);
	cr_expect_eq(cmos(0x04), hour);
	cr_expect_eq(cmos(0x02), minute);
	cr_expect_eq(cmos(0x00), second);
}

TestSuite(rtc, .init = setup);

Test(rtc, shows_the_hosts_time_in_utc)
{
	expect_time(0x20, 0x00, 0x02, 0x28, 0x23, 0x59, 0x59);
	cr_expect_eq(cmos(0x06), 2, "Monday");
	now_usec += 1000000;
	expect_time(0x20, 0x00, 0x02, 0x29, 0x00, 0x00, 0x00);
}

Test(rtc, speaks_binary_and_twelve_hours_when_it_is_told_to)
{
	set_cmos(0x0B, 0x04);
	expect_time(20, 0, 2, 28, 0x80 | 11, 59, 59);
	now_usec += 1000000;
	cr_expect_eq(cmos(0x04), 12, "midnight is 12 in the morning");
}

Test(rtc, a_guest_sets_its_own_time)
{
	set_cmos(0x0B, 0x82);
	now_usec += 5000000;
	expect_time(0x20, 0x00, 0x02, 0x28, 0x23, 0x59, 0x59); /* it stands still */
	set_cmos(0x09, 0x26);
	set_cmos(0x08, 0x11);
	set_cmos(0x07, 0x21);
	set_cmos(0x04, 0x13);
	set_cmos(0x02, 0x45);
	set_cmos(0x00, 0x30);
	set_cmos(0x0B, 0x02);
	expect_time(0x20, 0x26, 0x11, 0x21, 0x13, 0x45, 0x30);
	now_usec += 31000000;
	expect_time(0x20, 0x26, 0x11, 0x21, 0x13, 0x46, 0x01);
	set_cmos(0x02, 0x10);
	expect_time(0x20, 0x26, 0x11, 0x21, 0x13, 0x10, 0x01);
}

Test(rtc, knows_the_calendar_and_takes_it_back)
{
	set_cmos(0x0B, 0x06);
	for (time_t t = 0; t < 14000000000; t += 86400 * 7 + 4211) {
		struct tm tm;

		gmtime_r(&t, &tm);
		now_usec = (uint64_t)t * 1000000;
		expect_time((unsigned)(tm.tm_year / 100 + 19), (unsigned)tm.tm_year % 100, (unsigned)tm.tm_mon + 1,
			(unsigned)tm.tm_mday, (unsigned)tm.tm_hour, (unsigned)tm.tm_min, (unsigned)tm.tm_sec);
		cr_expect_eq(cmos(0x06), (uint32_t)tm.tm_wday + 1);
		set_cmos(0x07, cmos(0x07));
		cr_assert_eq(rtc.offset, 0, "in %d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
	}
}

Test(rtc, no_value_of_a_register_harms_it)
{
	for (unsigned value = 0; value < 256; value++)
		for (uint8_t index = 0; index < RTC_CMOS_SIZE; index++) {
			set_cmos(index, (uint8_t)value);
			cmos(index);
		}
	cr_expect_eq(cmos(0x0C), 0);
	cr_expect_eq(cmos(0x0D), 0x80, "the battery is good");
}

Test(rtc, says_when_an_update_is_near)
{
	cr_expect_eq(cmos(0x0A), 0x26);
	now_usec += 1000000 - 2000;
	cr_expect_eq(cmos(0x0A), 0xA6);
	now_usec += 2000;
	cr_expect_eq(cmos(0x0A), 0x26);
}

Test(rtc, knows_memory_and_cores_as_firmware_would_leave_them)
{
	unsigned sum = 0;

	cr_expect_eq(cmos(0x15) | cmos(0x16) << 8, 640);
	cr_expect_eq(cmos(0x17) | cmos(0x18) << 8, 65535, "255 MiB are more than it can say");
	cr_expect_eq(cmos(0x34) | cmos(0x35) << 8, 240 * 16);
	cr_expect_eq(cmos(0x5B), 0);
	cr_expect_eq(cmos(0x5F), 2);
	for (uint8_t i = 0x10; i < 0x2E; i++)
		sum += cmos(i);
	cr_expect_eq(cmos(0x2E) << 8 | cmos(0x2F), sum);
}

Test(rtc, knows_memory_above_4_gib)
{
	static struct rtc large;
	struct bus bus = {};
	uint8_t index = 0x5C, value;

	rtc_init(&large, 6 * GiB, 1);
	rtc_attach(&large, &bus, NULL);
	bus_write(&bus, 0x70, &index, 1);
	bus_read(&bus, 0x71, &value, 1);
	cr_expect_eq(value, (6 * GiB - 0xFEC00000) / (64 * KiB) >> 8 & 0xFF);
}

TestSuite(i8042, .init = setup);

Test(i8042, passes_its_tests_and_has_no_keyboard)
{
	cr_expect_eq(in(0x64, 1), 0x14);
	out(0x64, 0xAA, 1);
	cr_expect_eq(in(0x64, 1), 0x15);
	cr_expect_eq(in(0x60, 1), 0x55);
	cr_expect_eq(in(0x64, 1), 0x14, "a byte is read once");
	out(0x64, 0xAB, 1);
	cr_expect_eq(in(0x60, 1), 0x00);
	out(0x60, 0xFF, 1); /* keyboard, reset yourself */
	cr_expect_eq(in(0x64, 1), 0x55, "nobody answered");
	cr_expect_eq(in(0x60, 1), 0xFE);
	out(0x64, 0xD4, 1);
	out(0x60, 0xFF, 1); /* mouse, reset yourself */
	cr_expect_eq(in(0x64, 1), 0x75);
}

Test(i8042, keeps_its_command_byte)
{
	out(0x64, 0x60, 1);
	out(0x60, 0x47, 1);
	out(0x64, 0x20, 1);
	cr_expect_eq(in(0x60, 1), 0x47);
	i8042_reset(&i8042);
	out(0x64, 0x20, 1);
	cr_expect_eq(in(0x60, 1), 0x74);
}

Test(i8042, pulses_the_reset_line)
{
	out(0x64, 0xFF, 1); /* pulses nothing */
	out(0x64, 0xFD, 1); /* A20 */
	cr_expect_eq(resets, 0);
	out(0x64, 0xFE, 1);
	cr_expect_eq(resets, 1);
	out(0x64, 0xD1, 1);
	out(0x60, 0x03, 1);
	cr_expect_eq(resets, 1);
	out(0x64, 0xD1, 1);
	out(0x60, 0x02, 1);
	cr_expect_eq(resets, 2);
	cr_expect_eq(offs, 0);
}

TestSuite(pci, .init = setup);

Test(pci, has_a_host_bridge_and_nothing_else)
{
	out(0xCF8, 0x80000000, 4);
	cr_expect_eq(in(0xCF8, 4), 0x80000000);
	cr_expect_eq(in(0xCFC, 4), 0x12378086);
	cr_expect_eq(in(0xCFE, 2), 0x1237);
	out(0xCF8, 0x80000008, 4);
	cr_expect_eq(in(0xCFC, 4), 0x06000002);
	cr_expect_eq(in(0xCFF, 1), 0x06);
	out(0xCFC, 0xFFFFFFFF, 4);
	cr_expect_eq(in(0xCFC, 4), 0x06000002);
	out(0xCF8, 0x800000F0, 4);
	cr_expect_eq(in(0xCFC, 4), 0);
	out(0xCF8, 0x80000800, 4); /* device 1 */
	cr_expect_eq(in(0xCFC, 4), 0xFFFFFFFF);
	out(0xCF8, 0x80010000, 4); /* bus 1 */
	cr_expect_eq(in(0xCFC, 4), 0xFFFFFFFF);
	out(0xCF8, 0, 4);
	cr_expect_eq(in(0xCFC, 4), 0xFFFFFFFF);
}

Test(pci, the_reset_register_resets_when_its_bit_rises)
{
	out(0xCF8, 0x80000004, 4);
	out(0xCF9, 0x02, 1);
	cr_expect_eq(resets, 0);
	cr_expect_eq(in(0xCF9, 1), 0x02);
	out(0xCF9, 0x06, 1);
	cr_expect_eq(resets, 1);
	cr_expect_eq(in(0xCF8, 4), 0x80000004, "the address is another register");
}

TestSuite(power, .init = setup);

Test(power, sleep_type_s5_turns_the_machine_off)
{
	cr_expect_eq(in(ACPI_PM1_CONTROL, 2), ACPI_PM1_SCI_EN);
	out(ACPI_PM1_CONTROL, ACPI_S5_TYPE << ACPI_PM1_SLP_TYP_SHIFT, 2);
	cr_expect_eq(offs, 0);
	out(ACPI_PM1_CONTROL, ACPI_S5_TYPE << ACPI_PM1_SLP_TYP_SHIFT | ACPI_PM1_SLP_EN, 2);
	cr_expect_eq(offs, 1);
	out(ACPI_PM1_CONTROL + 1, ACPI_PM1_SLP_EN >> 8, 1);
	cr_expect_eq(offs, 2);
	cr_expect_eq(in(ACPI_PM1_CONTROL, 2), ACPI_PM1_SCI_EN, "the enable bit cannot be read");
}

Test(power, another_sleep_type_does_nothing)
{
	out(ACPI_PM1_CONTROL, 1 << ACPI_PM1_SLP_TYP_SHIFT | ACPI_PM1_SLP_EN, 2);
	cr_expect_eq(offs, 0);
	cr_expect_eq(resets, 0);
}

Test(power, the_button_interrupts_a_guest_that_listens)
{
	cr_expect_not(power_press_button(&power));
	cr_expect_not(sci);
	cr_expect_eq(in(ACPI_PM1_EVENT, 2), ACPI_PM1_PWRBTN);
	out(ACPI_PM1_EVENT + 2, ACPI_PM1_PWRBTN, 2);
	cr_expect(sci);
	out(ACPI_PM1_EVENT, ACPI_PM1_PWRBTN, 2);
	cr_expect_not(sci, "a 1 clears it");
	cr_expect(power_press_button(&power));
	cr_expect(sci);
	power_reset(&power);
	cr_expect_not(sci);
	cr_expect_eq(in(ACPI_PM1_EVENT, 4), 0);
}

Test(power, the_timer_counts_3579545_times_a_second_in_24_bits)
{
	uint32_t before = in(ACPI_PM_TIMER, 4);

	now_usec += 1000000;
	cr_expect_eq((in(ACPI_PM_TIMER, 4) - before) & 0xFFFFFF, 3579545);
	out(ACPI_PM_TIMER, 0, 4);
	cr_expect_eq((in(ACPI_PM_TIMER, 4) - before) & 0xFFFFFF, 3579545);
	cr_expect_eq(in(ACPI_PM_TIMER + 3, 1), 0);
}

Test(power, fast_reset_resets_and_a20_is_always_on)
{
	cr_expect_eq(in(0x92, 1), 0x02);
	out(0x92, 0x00, 1);
	cr_expect_eq(resets, 0);
	out(0x92, 0x03, 1);
	cr_expect_eq(resets, 1);
}

Test(serial, four_ports_fit_on_one_bus_with_all_of_these, .init = setup)
{
	static const uint16_t bases[] = COM_BASES;
	static struct serial com[COM_PORTS];
	struct error e = {};

	for (size_t i = 0; i < COM_PORTS; i++) {
		serial_init(&com[i], (struct irq_line){}, (struct serial_listener){});
		cr_expect_eq(serial_attach(&com[i], bases[i], "a serial port", &ports, &e), 0, "%s", e.text);
	}
	out(0x2FF, 0x42, 1);
	cr_expect_eq(in(0x2FF, 1), 0x42);
	cr_expect_eq(in(0x3FF, 1), 0);
}
