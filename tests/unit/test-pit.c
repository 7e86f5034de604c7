/* test-pit.c - the timer that guests calibrate by, on a clock of our own */
#include <criterion/criterion.h>

#include "device/pit.h"

static struct pit pit;
static uint64_t now;

static void setup(void)
{
	pit_init(&pit);
	now = 12345678;
}

static void out(uint16_t port, uint8_t value)
{
	pit_write(&pit, port, value, now);
}

static uint8_t in(uint16_t port)
{
	return pit_read(&pit, port, now);
}

/* Time in which the timer ticks at least n times, and not n + 1 times. */
static void pass(uint64_t n)
{
	now += (n * 1000000000 + PIT_HZ - 1) / PIT_HZ;
}

static void load(uint8_t control, uint16_t count)
{
	out(PIT_PORT_CONTROL, control);
	out(PIT_PORT_COUNT, (uint8_t)count);
	out(PIT_PORT_COUNT, (uint8_t)(count >> 8));
}

static bool out2(void)
{
	return in(PIT_PORT_GATE) & 0x20;
}

static uint16_t latched(void)
{
	uint8_t low;

	out(PIT_PORT_CONTROL, 0x80);
	low = in(PIT_PORT_COUNT);
	return (uint16_t)(low | in(PIT_PORT_COUNT) << 8);
}

TestSuite(pit, .init = setup);

Test(pit, mode_0_raises_out2_when_the_count_has_passed)
{
	out(PIT_PORT_GATE, 0x01);
	load(0xB0, 11932); /* 10 ms */
	cr_expect_not(out2());
	pass(11931);
	cr_expect_not(out2());
	pass(1);
	cr_expect(out2());
	now += 3600ull * 1000000000;
	cr_expect(out2(), "it stays up");
}

Test(pit, mode_0_stands_still_while_the_gate_is_closed)
{
	out(PIT_PORT_GATE, 0x00);
	load(0xB0, 1000);
	pass(5000);
	cr_expect_eq(latched(), 1000);
	out(PIT_PORT_GATE, 0x01);
	pass(400);
	cr_expect_eq(latched(), 600);
	out(PIT_PORT_GATE, 0x00);
	pass(5000);
	cr_expect_eq(latched(), 600);
	out(PIT_PORT_GATE, 0x01);
	pass(600);
	cr_expect(out2());
}

Test(pit, mode_1_counts_from_the_rising_gate)
{
	load(0xB2, 100);
	pass(500);
	cr_expect(out2(), "not triggered yet");
	out(PIT_PORT_GATE, 0x01);
	cr_expect_not(out2());
	pass(100);
	cr_expect(out2());
	out(PIT_PORT_GATE, 0x00);
	out(PIT_PORT_GATE, 0x01);
	cr_expect_not(out2(), "triggered again");
}

Test(pit, mode_2_reloads)
{
	out(PIT_PORT_GATE, 0x01);
	load(0xB4, 1000);
	pass(2300);
	cr_expect_eq(latched(), 700);
}

Test(pit, mode_3_is_up_for_the_first_half)
{
	out(PIT_PORT_GATE, 0x01);
	load(0xB6, 1000);
	pass(499);
	cr_expect(out2());
	pass(2);
	cr_expect_not(out2());
	pass(500);
	cr_expect(out2());
}

Test(pit, a_count_of_0_is_65536)
{
	out(PIT_PORT_GATE, 0x01);
	load(0xB0, 0);
	pass(65535);
	cr_expect_not(out2());
	pass(1);
	cr_expect(out2());
}

Test(pit, the_latch_holds_until_it_is_read)
{
	out(PIT_PORT_GATE, 0x01);
	load(0xB0, 1000);
	pass(100);
	out(PIT_PORT_CONTROL, 0xE8 & ~0x20); /* read back: count of channel 2 */
	pass(100);
	cr_expect_eq(in(PIT_PORT_COUNT), 900 & 0xFF);
	cr_expect_eq(in(PIT_PORT_COUNT), 900 >> 8);
	cr_expect_eq(latched(), 800);
}

Test(pit, other_channels_change_nothing)
{
	out(PIT_PORT_GATE, 0x01);
	load(0xB0, 1000);
	out(PIT_PORT_CONTROL, 0x34);
	out(PIT_PORT_CONTROL, 0x74);
	pass(10);
	cr_expect_eq(latched(), 990);
}

Test(pit, gate_and_speaker_bits_read_back)
{
	out(PIT_PORT_GATE, 0x03);
	cr_expect_eq(in(PIT_PORT_GATE) & 3, 3);
	out(PIT_PORT_GATE, 0x00);
	cr_expect_eq(in(PIT_PORT_GATE) & 3, 0);
}
