/* acpi.c - see acpi.h; sections are those of the ACPI specification 6.5 */
#include "guest/acpi.h"

#include <assert.h>
#include <string.h>

#include "abi/acpi.h"
#include "abi/mp.h"
#include "base/buffer.h"
#include "base/macro.h"
#include "guest/dsdt.hex"
#include "guest/platform.h"

#define TABLES_MAX  8
#define ALIGNMENT   64u /* what the FACS wants; the others take it, too */
#define OEM         "HVMD  " /* 6 bytes */
#define OEM_TABLE   "HVMDROS " /* 8 bytes */

struct tables {
	const struct platform *platform;
	struct buffer *b;
	uint64_t gpa; /* of the buffer's first byte */
	uint64_t facs, dsdt;
	uint64_t listed[TABLES_MAX]; /* what RSDT and XSDT name */
	unsigned n_listed;
};

/* --- Headers and checksums ---------------------------------------------------------------------------------- */

static void fill_checksum(struct buffer *b, size_t start, size_t size, size_t at)
{
	uint8_t sum = 0;

	if (!buffer_ok(b))
		return;
	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + b->data[start + i]);
	buffer_put_uint(b, start + at, (uint8_t)-sum, 1);
}

/* The same in each table, so that its bytes do not depend on whose compiler made the DSDT. */
static void append_oem(struct buffer *b)
{
	buffer_append_string(b, OEM);
	buffer_append_string(b, OEM_TABLE);
	buffer_append_uint(b, 1, 4);
	buffer_append_string(b, "HVMD");
	buffer_append_uint(b, 1, 4);
}

/* Returns where it begins. */
static size_t table_begin(struct tables *t, const char *signature, unsigned revision)
{
	size_t start;

	buffer_align(t->b, ALIGNMENT);
	start = t->b->size;
	buffer_append_string(t->b, signature);
	buffer_append_uint(t->b, 0, 4); /* length: table_end() */
	buffer_append_uint(t->b, revision, 1);
	buffer_append_uint(t->b, 0, 1);
	append_oem(t->b);
	return start;
}

/* Returns the table's GPA. */
static uint64_t table_end(struct tables *t, size_t start)
{
	size_t size = t->b->size - start;

	buffer_put_uint(t->b, start + ACPI_HEADER_LENGTH, size, 4);
	fill_checksum(t->b, start, size, ACPI_HEADER_CHECKSUM);
	return t->gpa + start;
}

static void table_list(struct tables *t, size_t start)
{
	assert(t->n_listed < TABLES_MAX);
	t->listed[t->n_listed++] = table_end(t, start);
}

/* --- The tables ------------------------------------------------------------------------------------------------ */

/* 5.2.10: nothing in it is used, but a kernel that has PM1 registers wants one. */
static void append_facs(struct tables *t)
{
	buffer_align(t->b, ALIGNMENT);
	t->facs = t->gpa + t->b->size;
	buffer_append_string(t->b, "FACS");
	buffer_append_uint(t->b, ACPI_FACS_SIZE, 4);
	buffer_append_zeros(t->b, 24);
	buffer_append_uint(t->b, 2, 1); /* version */
	buffer_append_zeros(t->b, ACPI_FACS_SIZE - 33);
}

static void append_dsdt(struct tables *t)
{
	size_t start;

	buffer_align(t->b, ALIGNMENT);
	start = t->b->size;
	buffer_append(t->b, dsdt_aml_code, ACPI_HEADER_OEM);
	append_oem(t->b);
	buffer_append(t->b, dsdt_aml_code + ACPI_HEADER_SIZE, sizeof(dsdt_aml_code) - ACPI_HEADER_SIZE);
	buffer_put_uint(t->b, start + ACPI_HEADER_CHECKSUM, 0, 1);
	t->dsdt = table_end(t, start);
}

/* A register of an I/O port, 5.2.3.2. The unit of access is 1 for a byte, 2 for a word, 3 for four bytes. */
static void append_port(struct buffer *b, uint64_t port, unsigned bits, unsigned unit)
{
	buffer_append_uint(b, ACPI_SPACE_IO, 1);
	buffer_append_uint(b, bits, 1);
	buffer_append_uint(b, 0, 1);
	buffer_append_uint(b, unit, 1);
	buffer_append_uint(b, port, 8);
}

static void append_no_port(struct buffer *b)
{
	buffer_append_zeros(b, 12);
}

/* Ports and lengths as ACPI 1.0 has them; those we do not have are 0. */
static void append_fadt_1(struct tables *t)
{
	struct buffer *b = t->b;

	buffer_append_uint(b, t->facs, 4);
	buffer_append_uint(b, t->dsdt, 4);
	buffer_append_uint(b, 0, 1); /* reserved */
	buffer_append_uint(b, 0, 1); /* preferred profile: unspecified */
	buffer_append_uint(b, ACPI_SCI_IRQ, 2);
	buffer_append_zeros(b, 8); /* SMI command and its values: there is no legacy mode */
	buffer_append_uint(b, ACPI_PM1_EVENT, 4);
	buffer_append_uint(b, 0, 4);
	buffer_append_uint(b, ACPI_PM1_CONTROL, 4);
	buffer_append_uint(b, 0, 4); /* PM1b control */
	buffer_append_uint(b, 0, 4); /* PM2 */
	buffer_append_uint(b, ACPI_PM_TIMER, 4);
	buffer_append_zeros(b, 8); /* GPE 0 and 1 */
	buffer_append_uint(b, 4, 1); /* lengths: PM1 event, control, PM2, timer */
	buffer_append_uint(b, 2, 1);
	buffer_append_uint(b, 0, 1);
	buffer_append_uint(b, 4, 1);
	buffer_append_zeros(b, 4); /* GPE, C-states by SMI */
	buffer_append_uint(b, 0xFFFF, 2); /* C2 and C3: too slow to be used */
	buffer_append_uint(b, 0xFFFF, 2);
	buffer_append_zeros(b, 6); /* cache flushing, duty cycle */
	buffer_append_zeros(b, 2); /* alarm of the day and of the month */
	buffer_append_uint(b, 0x32, 1); /* the century, as in device/rtc.c */
	buffer_append_uint(b, ACPI_BOOT_LEGACY_DEVICES | ACPI_BOOT_NO_VGA, 2);
	buffer_append_uint(b, 0, 1);
	buffer_append_uint(b, ACPI_FADT_WBINVD | ACPI_FADT_PROC_C1 | ACPI_FADT_SLP_BUTTON | ACPI_FADT_FIX_RTC |
		ACPI_FADT_RESET_REG | ACPI_FADT_HEADLESS, 4);
}

/* The same in 64 bits, and the reset register. */
static void append_fadt_2(struct tables *t)
{
	struct buffer *b = t->b;

	append_port(b, ACPI_RESET_PORT, 8, 1);
	buffer_append_uint(b, ACPI_RESET_VALUE, 1);
	buffer_append_uint(b, 0, 2); /* boot flags of ARM */
	buffer_append_uint(b, 5, 1); /* minor version */
	buffer_append_uint(b, 0, 8); /* FACS: its 32 bits are enough, and both may not be given */
	buffer_append_uint(b, t->dsdt, 8);
	append_port(b, ACPI_PM1_EVENT, 32, 2);
	append_no_port(b);
	append_port(b, ACPI_PM1_CONTROL, 16, 2);
	append_no_port(b);
	append_no_port(b);
	append_port(b, ACPI_PM_TIMER, 32, 3);
	append_no_port(b);
	append_no_port(b);
	append_no_port(b); /* sleep control and status: of the hardware-reduced profile */
	append_no_port(b);
	buffer_append_string(b, "hvmd"); /* the hypervisor's vendor, 8 bytes */
	buffer_append_zeros(b, 4);
}

/* 5.2.9 */
static void append_fadt(struct tables *t)
{
	size_t start = table_begin(t, "FACP", ACPI_FADT_REVISION);

	append_fadt_1(t);
	append_fadt_2(t);
	assert(!buffer_ok(t->b) || t->b->size - start == ACPI_FADT_SIZE);
	table_list(t, start);
}

static void append_override(struct buffer *b, unsigned irq, unsigned pin, unsigned flags)
{
	buffer_append_uint(b, ACPI_MADT_OVERRIDE, 1);
	buffer_append_uint(b, 10, 1);
	buffer_append_uint(b, 0, 1); /* ISA */
	buffer_append_uint(b, irq, 1);
	buffer_append_uint(b, pin, 4);
	buffer_append_uint(b, flags, 2);
}

static void append_lapic(struct buffer *b, uint32_t id)
{
	buffer_append_uint(b, ACPI_MADT_LAPIC, 1);
	buffer_append_uint(b, 8, 1);
	buffer_append_uint(b, id, 1); /* the processor's number ... */
	buffer_append_uint(b, id, 1); /* ... and its APIC's */
	buffer_append_uint(b, ACPI_MADT_ENABLED, 4);
}

static void append_ioapic(struct buffer *b, uint32_t id)
{
	buffer_append_uint(b, ACPI_MADT_IOAPIC, 1);
	buffer_append_uint(b, 12, 1);
	buffer_append_uint(b, id, 1);
	buffer_append_uint(b, 0, 1);
	buffer_append_uint(b, IOAPIC_GPA, 4);
	buffer_append_uint(b, 0, 4); /* its first interrupt */
}

static void append_lapic_nmi(struct buffer *b)
{
	buffer_append_uint(b, ACPI_MADT_LAPIC_NMI, 1);
	buffer_append_uint(b, 6, 1);
	buffer_append_uint(b, ACPI_ALL_PROCESSORS, 1);
	buffer_append_uint(b, MP_CONFORMS, 2);
	buffer_append_uint(b, 1, 1); /* LINT1 */
}

/* 5.2.12 */
static void append_madt(struct tables *t)
{
	size_t start = table_begin(t, "APIC", ACPI_MADT_REVISION);

	buffer_append_uint(t->b, LAPIC_GPA, 4);
	buffer_append_uint(t->b, ACPI_MADT_PCAT_COMPAT, 4);
	for (uint32_t i = 0; i < t->platform->n_cores; i++)
		append_lapic(t->b, i);
	append_ioapic(t->b, t->platform->n_cores);
	append_override(t->b, PLATFORM_TIMER_IRQ, PLATFORM_TIMER_PIN, MP_CONFORMS);
	append_override(t->b, ACPI_SCI_IRQ, ACPI_SCI_IRQ, MP_ACTIVE_HIGH | MP_LEVEL);
	append_lapic_nmi(t->b);
	table_list(t, start);
}

static void append_core_affinity(struct buffer *b, uint32_t id, uint32_t node)
{
	buffer_append_uint(b, ACPI_SRAT_LAPIC, 1);
	buffer_append_uint(b, 16, 1);
	buffer_append_uint(b, node, 1);
	buffer_append_uint(b, id, 1);
	buffer_append_uint(b, ACPI_SRAT_ENABLED, 4);
	buffer_append_uint(b, 0, 1);
	buffer_append_uint(b, 0, 3); /* higher bytes of the node */
	buffer_append_uint(b, 0, 4);
}

static void append_memory_affinity(struct buffer *b, const struct platform_range *range)
{
	buffer_append_uint(b, ACPI_SRAT_MEMORY, 1);
	buffer_append_uint(b, 40, 1);
	buffer_append_uint(b, range->node, 4);
	buffer_append_zeros(b, 2);
	buffer_append_uint(b, range->gpa, 8);
	buffer_append_uint(b, range->size, 8);
	buffer_append_zeros(b, 4);
	buffer_append_uint(b, ACPI_SRAT_ENABLED, 4);
	buffer_append_zeros(b, 8);
}

/* 5.2.16 */
static void append_srat(struct tables *t)
{
	const struct platform *p = t->platform;
	size_t start = table_begin(t, "SRAT", ACPI_SRAT_REVISION);

	buffer_append_uint(t->b, 1, 4); /* for compatibility */
	buffer_append_zeros(t->b, 8);
	for (uint32_t i = 0; i < p->n_cores; i++)
		append_core_affinity(t->b, i, p->node_of_core[i]);
	for (size_t i = 0; i < p->n_ranges; i++)
		append_memory_affinity(t->b, &p->ranges[i]);
	table_list(t, start);
}

/* 5.2.17: all other nodes are equally far. */
static void append_slit(struct tables *t)
{
	uint32_t n = t->platform->n_nodes;
	size_t start = table_begin(t, "SLIT", ACPI_SLIT_REVISION);

	buffer_append_uint(t->b, n, 8);
	for (uint32_t i = 0; i < n * n; i++)
		buffer_append_uint(t->b, i % n == i / n ? ACPI_SLIT_LOCAL : ACPI_SLIT_REMOTE, 1);
	table_list(t, start);
}

/* RSDT and XSDT, 5.2.7 and 5.2.8: the same in 4 and in 8 bytes */
static uint64_t append_list(struct tables *t, const char *signature, unsigned bytes)
{
	size_t start = table_begin(t, signature, 1);

	for (unsigned i = 0; i < t->n_listed; i++)
		buffer_append_uint(t->b, t->listed[i], bytes);
	return table_end(t, start);
}

/* --- The pointer to all of it ------------------------------------------------------------------------------------ */

/* 5.2.5.3, without what is not known yet */
static void append_rsdp(struct buffer *b)
{
	buffer_append_string(b, ACPI_RSDP_SIGNATURE);
	buffer_append_uint(b, 0, 1);
	buffer_append_string(b, OEM);
	buffer_append_uint(b, 2, 1); /* revision */
	buffer_append_uint(b, 0, 4); /* RSDT */
	buffer_append_uint(b, ACPI_RSDP_SIZE, 4);
	buffer_append_uint(b, 0, 8); /* XSDT */
	buffer_append_uint(b, 0, 4);
}

static void finish_rsdp(struct buffer *b, uint64_t rsdt, uint64_t xsdt)
{
	buffer_put_uint(b, 16, rsdt, 4);
	buffer_put_uint(b, 24, xsdt, 8);
	fill_checksum(b, 0, ACPI_RSDP_SIZE_1, 8);
	fill_checksum(b, 0, ACPI_RSDP_SIZE, 32);
}

void acpi_append(const struct platform *platform, uint64_t gpa, struct buffer *b)
{
	struct tables t = {.platform = platform, .b = b, .gpa = gpa};
	uint64_t rsdt, xsdt;

	assert(b->size == 0 && gpa % ALIGNMENT == 0);
	assert(platform->n_cores >= 1 && platform->n_cores <= PLATFORM_CORES_MAX);
	append_rsdp(b);
	append_facs(&t);
	append_dsdt(&t);
	append_fadt(&t);
	append_madt(&t);
	if (platform->n_nodes > 0) {
		append_srat(&t);
		append_slit(&t);
	}
	rsdt = append_list(&t, "RSDT", 4);
	xsdt = append_list(&t, "XSDT", 8);
	finish_rsdp(b, rsdt, xsdt);
}
