/* mptable.c - see mptable.h; sections are those of the MultiProcessor Specification 1.4 */
#include "guest/mptable.h"

#include <assert.h>

#include "abi/acpi.h"
#include "abi/mp.h"
#include "base/buffer.h"
#include "guest/platform.h"

#define BUS_ISA 0

static void fill_checksum(struct buffer *b, size_t start, size_t size, size_t at)
{
	uint8_t sum = 0;

	if (!buffer_ok(b))
		return;
	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + b->data[start + i]);
	buffer_put_uint(b, start + at, (uint8_t)-sum, 1);
}

/* 4.1 */
static void append_pointer(uint64_t gpa, struct buffer *b)
{
	buffer_append_string(b, MP_POINTER_SIGNATURE);
	buffer_append_uint(b, gpa + MP_POINTER_SIZE, 4);
	buffer_append_uint(b, MP_POINTER_SIZE / 16, 1);
	buffer_append_uint(b, MP_REVISION, 1);
	buffer_append_uint(b, 0, 1);
	buffer_append_zeros(b, 5); /* features: a table is there; no IMCR, the APICs are on from the start */
	fill_checksum(b, 0, MP_POINTER_SIZE, MP_POINTER_CHECKSUM);
}

/* 4.2; length, count and checksum come last */
static void append_header(struct buffer *b)
{
	buffer_append_string(b, MP_TABLE_SIGNATURE);
	buffer_append_uint(b, 0, 2);
	buffer_append_uint(b, MP_REVISION, 1);
	buffer_append_uint(b, 0, 1);
	buffer_append_string(b, "HVMD    ");
	buffer_append_string(b, "ROS         ");
	buffer_append_zeros(b, 6); /* no OEM table */
	buffer_append_uint(b, 0, 2);
	buffer_append_uint(b, LAPIC_GPA, 4);
	buffer_append_uint(b, 0, 4); /* no extended table */
}

/* Each of these returns how many entries it wrote. */

static unsigned append_processors(const struct platform *p, struct buffer *b)
{
	for (uint32_t i = 0; i < p->n_cores; i++) {
		buffer_append_uint(b, MP_PROCESSOR, 1);
		buffer_append_uint(b, i, 1);
		buffer_append_uint(b, LAPIC_VERSION, 1);
		buffer_append_uint(b, MP_PROCESSOR_ENABLED | (i == 0 ? MP_PROCESSOR_BSP : 0), 1);
		buffer_append_uint(b, MP_PROCESSOR_FAMILY, 4);
		buffer_append_uint(b, MP_PROCESSOR_FPU | MP_PROCESSOR_APIC, 4);
		buffer_append_zeros(b, 8);
	}
	return p->n_cores;
}

static unsigned append_bus(struct buffer *b)
{
	buffer_append_uint(b, MP_BUS, 1);
	buffer_append_uint(b, BUS_ISA, 1);
	buffer_append_string(b, "ISA   ");
	return 1;
}

static unsigned append_ioapic(uint32_t id, struct buffer *b)
{
	buffer_append_uint(b, MP_IOAPIC, 1);
	buffer_append_uint(b, id, 1);
	buffer_append_uint(b, IOAPIC_VERSION, 1);
	buffer_append_uint(b, MP_IOAPIC_ENABLED, 1);
	buffer_append_uint(b, IOAPIC_GPA, 4);
	return 1;
}

static unsigned append_interrupt(
	struct buffer *b, unsigned entry, unsigned type, unsigned flags, unsigned irq, uint32_t to, unsigned pin)
{
	buffer_append_uint(b, entry, 1);
	buffer_append_uint(b, type, 1);
	buffer_append_uint(b, flags, 2);
	buffer_append_uint(b, BUS_ISA, 1);
	buffer_append_uint(b, irq, 1);
	buffer_append_uint(b, to, 1);
	buffer_append_uint(b, pin, 1);
	return 1;
}

/* IRQ 2 is where the second PIC hangs on the first: no device has it. */
static unsigned append_interrupts(uint32_t ioapic, struct buffer *b)
{
	unsigned n = 0;

	for (unsigned irq = 0; irq < PLATFORM_IRQS; irq++)
		if (irq != PLATFORM_TIMER_PIN)
			n += append_interrupt(b, MP_INTERRUPT, MP_INT,
				irq == ACPI_SCI_IRQ ? MP_ACTIVE_HIGH | MP_LEVEL : MP_CONFORMS, irq, ioapic,
				irq == PLATFORM_TIMER_IRQ ? PLATFORM_TIMER_PIN : irq);
	n += append_interrupt(b, MP_LOCAL_INTERRUPT, MP_EXTINT, MP_CONFORMS, 0, 0, 0);
	n += append_interrupt(b, MP_LOCAL_INTERRUPT, MP_NMI, MP_CONFORMS, 0, MP_ALL_APICS, 1);
	return n;
}

void mptable_append(const struct platform *platform, uint64_t gpa, struct buffer *b)
{
	size_t start;
	unsigned n;

	assert(b->size == 0 && gpa % 16 == 0);
	assert(platform->n_cores >= 1 && platform->n_cores <= PLATFORM_CORES_MAX);
	append_pointer(gpa, b);
	start = b->size;
	append_header(b);
	n = append_processors(platform, b);
	n += append_bus(b);
	n += append_ioapic(platform->n_cores, b);
	n += append_interrupts(platform->n_cores, b);
	buffer_put_uint(b, start + MP_TABLE_LENGTH, b->size - start, 2);
	buffer_put_uint(b, start + MP_TABLE_ENTRIES, n, 2);
	fill_checksum(b, start, b->size - start, MP_TABLE_CHECKSUM);
}
