/* test-serial.c - the 16550A as a driver sees it: registers, FIFOs, interrupts; and the queue behind it */
#include <criterion/criterion.h>
#include <string.h>

#include "base/macro.h"
#include "device/serial.h"

static struct serial serial;
static char sent[256];
static size_t n_sent;
static bool line;
static unsigned edges, rooms;

static void on_sent(void *data, uint8_t byte)
{
	(void)data;
	cr_assert_lt(n_sent, sizeof(sent));
	sent[n_sent++] = (char)byte;
}

static void on_room(void *data)
{
	(void)data;
	rooms++;
}

static void on_irq(void *data, bool level)
{
	(void)data;
	cr_expect_neq(level, line, "the line is told when it changes only");
	line = level;
	edges += level;
}

static void setup(void)
{
	serial_init(&serial, (struct irq_line){.set = on_irq},
		(struct serial_listener){.sent = on_sent, .room = on_room});
}

static void teardown(void)
{
	serial_fini(&serial);
}

static void out(uint64_t offset, uint8_t value)
{
	serial_write(&serial, offset, &value, 1);
}

static uint8_t in(uint64_t offset)
{
	uint8_t value;

	serial_read(&serial, offset, &value, 1);
	return value;
}

static void type(const char *text)
{
	cr_assert_eq(serial_receive(&serial, text, strlen(text)), strlen(text));
}

TestSuite(serial, .init = setup, .fini = teardown);

Test(serial, sends_what_is_written_and_is_empty_at_once)
{
	cr_expect_eq(in(UART_LSR), 0x60);
	out(UART_DATA, 'h');
	out(UART_DATA, 'i');
	cr_expect_eq(in(UART_LSR), 0x60);
	cr_expect_eq(n_sent, 2);
	cr_expect_arr_eq(sent, "hi", 2);
}

Test(serial, a_polling_guest_reads_what_was_typed)
{
	cr_expect_eq(in(UART_DATA), 0, "nothing yet");
	type("ab");
	cr_expect_eq(in(UART_LSR), 0x61);
	cr_expect_eq(in(UART_DATA), 'a');
	cr_expect_eq(in(UART_DATA), 'b');
	cr_expect_eq(in(UART_LSR), 0x60);
	cr_expect_not(line, "no interrupt was asked for");
}

Test(serial, the_divisor_latch_covers_the_first_two_registers)
{
	out(UART_LCR, 0x83);
	cr_expect_eq(in(0), 12, "9600 bits a second at reset");
	out(0, 0x34);
	out(1, 0x12);
	cr_expect_eq(in(0), 0x34);
	cr_expect_eq(in(1), 0x12);
	out(UART_LCR, 0x03);
	cr_expect_eq(in(UART_LCR), 0x03);
	cr_expect_eq(in(UART_IER), 0);
	cr_expect_eq(n_sent, 0);
}

Test(serial, the_scratch_register_keeps_its_byte_and_unused_bits_read_zero)
{
	out(UART_SCR, 0x5A);
	cr_expect_eq(in(UART_SCR), 0x5A);
	out(UART_IER, 0xF0);
	cr_expect_eq(in(UART_IER), 0);
	out(UART_MCR, 0xE0);
	cr_expect_eq(in(UART_MCR), 0);
}

Test(serial, wide_accesses_reach_one_register_after_the_other)
{
	uint8_t both[2] = {0x0F, 0x01}, four[4];

	out(UART_SCR, 0x77);
	serial_write(&serial, UART_IER, both, 2);
	cr_expect_eq(in(UART_IER), 0x0F);
	cr_expect_eq(in(UART_IIR) & 0xC0, 0xC0);
	serial_read(&serial, UART_MSR, four, 4);
	cr_expect_eq(four[0] & 0xF0, 0xB0);
	cr_expect_eq(four[1], 0x77);
	cr_expect_eq(four[2], 0xFF, "nothing behind the last");
	serial_write(&serial, UART_SCR, both, 2);
	cr_expect_eq(in(UART_SCR), 0x0F);
}

Test(serial, the_transmitter_interrupts_when_it_is_asked_to_and_after_each_byte)
{
	out(UART_MCR, UART_MCR_OUT2);
	out(UART_IER, UART_IER_THRE);
	cr_expect(line);
	cr_expect_eq(in(UART_IIR), UART_IIR_THRE);
	cr_expect_not(line, "reading which it was takes it back");
	cr_expect_eq(in(UART_IIR), UART_IIR_NONE);
	out(UART_DATA, 'x');
	cr_expect(line);
	out(UART_IER, 0);
	cr_expect_not(line);
	out(UART_IER, UART_IER_THRE);
	cr_expect(line, "Linux tests for this: switched on anew it interrupts anew");
	cr_expect_eq(edges, 3);
}

Test(serial, no_interrupt_leaves_without_out2)
{
	out(UART_IER, UART_IER_THRE);
	cr_expect_eq(in(UART_IIR), UART_IIR_THRE);
	out(UART_DATA, 'x');
	cr_expect_not(line);
	out(UART_MCR, UART_MCR_OUT2);
	cr_expect(line);
}

Test(serial, received_data_interrupts_until_it_is_read)
{
	out(UART_MCR, UART_MCR_OUT2);
	out(UART_IER, UART_IER_RDA);
	cr_expect_not(line);
	type("ab");
	cr_expect(line);
	cr_expect_eq(in(UART_IIR), UART_IIR_RDA);
	in(UART_DATA);
	cr_expect(line, "another one waits");
	in(UART_DATA);
	cr_expect_not(line);
}

Test(serial, below_the_trigger_level_the_fifo_says_timeout)
{
	out(UART_FCR, 0x81); /* 8 bytes */
	out(UART_IER, UART_IER_RDA);
	type("1234567");
	cr_expect_eq(in(UART_IIR), UART_IIR_FIFOS | UART_IIR_CTI);
	type("8");
	cr_expect_eq(in(UART_IIR), UART_IIR_FIFOS | UART_IIR_RDA);
	in(UART_DATA);
	cr_expect_eq(in(UART_IIR), UART_IIR_FIFOS | UART_IIR_CTI);
}

Test(serial, received_data_goes_before_the_transmitter)
{
	out(UART_IER, UART_IER_RDA | UART_IER_THRE);
	type("a");
	cr_expect_eq(in(UART_IIR), UART_IIR_RDA);
	in(UART_DATA);
	cr_expect_eq(in(UART_IIR), UART_IIR_THRE);
}

Test(serial, clearing_the_fifo_drops_what_it_has_but_not_what_waits_behind)
{
	out(UART_FCR, UART_FCR_ENABLE);
	type("0123456789abcdefXYZ");
	out(UART_FCR, UART_FCR_ENABLE | UART_FCR_CLEAR_RX);
	cr_expect_eq(in(UART_DATA), 'X');
	cr_expect_eq(in(UART_DATA), 'Y');
	out(UART_FCR, UART_FCR_ENABLE);
	cr_expect_eq(in(UART_DATA), 'Z', "without the bit nothing is dropped");
}

Test(serial, looped_the_port_hears_itself_and_the_world_does_not)
{
	out(UART_FCR, UART_FCR_ENABLE);
	out(UART_MCR, UART_MCR_LOOP);
	type("later");
	out(UART_DATA, 'e');
	cr_expect_eq(n_sent, 0);
	cr_expect_eq(in(UART_LSR), 0x61);
	cr_expect_eq(in(UART_DATA), 'e');
	cr_expect_eq(in(UART_LSR), 0x60);
	out(UART_MCR, 0);
	cr_expect_eq(in(UART_DATA), 'l');
}

Test(serial, looped_its_fifo_has_16_bytes_and_then_overruns)
{
	out(UART_IER, UART_IER_RLS);
	out(UART_FCR, UART_FCR_ENABLE);
	out(UART_MCR, UART_MCR_LOOP);
	for (uint8_t i = 0; i < 17; i++)
		out(UART_DATA, i);
	cr_expect_eq(in(UART_IIR), UART_IIR_FIFOS | UART_IIR_RLS);
	cr_expect_eq(in(UART_LSR), 0x63);
	cr_expect_eq(in(UART_LSR), 0x61, "an error is told once");
	for (uint8_t i = 0; i < 16; i++)
		cr_expect_eq(in(UART_DATA), i);
	cr_expect_eq(in(UART_LSR), 0x60);
}

Test(serial, looped_the_modem_shows_its_own_outputs)
{
	static const struct {
		uint8_t mcr, msr;
	} wires[] = {{0x01, 0x20}, {0x02, 0x10}, {0x04, 0x40}, {0x08, 0x80}, {0x0A, 0x90}};

	cr_expect_eq(in(UART_MSR), 0xB0, "somebody is there");
	for (size_t i = 0; i < ARRAY_SIZE(wires); i++) {
		out(UART_MCR, (uint8_t)(UART_MCR_LOOP | wires[i].mcr));
		cr_expect_eq(in(UART_MSR) & 0xF0, wires[i].msr);
		cr_expect_eq(in(UART_MSR) & 0x0F, 0, "changes are told once");
	}
}

Test(serial, a_change_of_the_modem_interrupts)
{
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT1);
	in(UART_MSR);
	out(UART_IER, UART_IER_MS);
	cr_expect_eq(in(UART_IIR), UART_IIR_NONE);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_DTR);
	cr_expect_eq(in(UART_IIR), UART_IIR_MS);
	cr_expect_eq(in(UART_MSR), 0x20 | 0x04 | 0x01, "ring ended, clear to send changed");
	cr_expect_eq(in(UART_IIR), UART_IIR_NONE);
}

Test(serial, the_queue_takes_what_it_can_and_says_when_there_is_room)
{
	static char flood[3 * SERIAL_QUEUE_SIZE];
	size_t taken = serial_receive(&serial, flood, sizeof(flood));

	cr_expect_eq(taken, SERIAL_QUEUE_SIZE);
	cr_expect_eq(serial_receive(&serial, flood, sizeof(flood)), 1, "the one that moved on to the receiver");
	for (unsigned i = 0; i < SERIAL_QUEUE_SIZE / 2 - 1; i++)
		in(UART_DATA);
	cr_expect_eq(rooms, 0, "not for each byte");
	in(UART_DATA);
	cr_expect_eq(rooms, 1);
	while (in(UART_LSR) & UART_LSR_DR)
		in(UART_DATA);
	cr_expect_eq(rooms, 1, "once");
	cr_expect_eq(serial_receive(&serial, flood, 100), 100);
}

Test(serial, a_reset_brings_it_to_power_on_and_lowers_its_line)
{
	out(UART_MCR, UART_MCR_OUT2);
	out(UART_FCR, 0xC1);
	out(UART_IER, UART_IER_THRE);
	out(UART_SCR, 1);
	cr_expect(line);
	serial_reset(&serial);
	cr_expect_not(line);
	cr_expect_eq(in(UART_IIR), UART_IIR_NONE);
	cr_expect_eq(in(UART_IER), 0);
	cr_expect_eq(in(UART_MCR), 0);
	cr_expect_eq(in(UART_SCR), 0);
	type("a");
	serial_reset(&serial);
	cr_expect_eq(in(UART_LSR), 0x60, "what the old guest had in its receiver is gone");
}

static bool pin;

static void on_pin(void *data, bool level)
{
	(void)data;
	cr_expect_neq(level, pin);
	pin = level;
}

Test(irq, a_shared_pin_is_raised_while_one_of_its_lines_is)
{
	struct irq_shared shared;
	struct irq_line a, b;

	irq_shared_init(&shared, (struct irq_line){.set = on_pin});
	a = irq_shared_line(&shared);
	b = irq_shared_line(&shared);
	irq_set(&a, true);
	cr_expect(pin);
	irq_set(&b, true);
	irq_set(&a, false);
	cr_expect(pin);
	irq_set(&b, false);
	cr_expect_not(pin);
	irq_set(&b, false);
	irq_shared_fini(&shared);
}

Test(irq, a_line_without_anybody_at_its_end_does_nothing)
{
	struct irq_line nobody = {};

	irq_set(&nobody, true);
}
