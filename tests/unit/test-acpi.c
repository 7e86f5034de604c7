/* test-acpi.c - ACPI tables and the MP table: whole in themselves, and saying the same */
#include <criterion/criterion.h>
#include <string.h>

#include "abi/acpi.h"
#include "abi/mp.h"
#include "base/buffer.h"
#include "base/cursor.h"
#include "guest/acpi.h"
#include "guest/mptable.h"
#include "guest/platform.h"

static struct buffer acpi, mp;

static void make(const struct platform *platform)
{
	acpi = (struct buffer)BUFFER_INIT(PLATFORM_ACPI_SIZE);
	mp = (struct buffer)BUFFER_INIT(PLATFORM_MP_SIZE);
	acpi_append(platform, PLATFORM_ACPI_GPA, &acpi);
	mptable_append(platform, PLATFORM_MP_GPA, &mp);
	cr_assert(buffer_ok(&acpi));
	cr_assert(buffer_ok(&mp));
}

static void make_cores(uint32_t n)
{
	struct platform platform = {.n_cores = n};

	make(&platform);
}

static void teardown(void)
{
	buffer_fini(&acpi);
	buffer_fini(&mp);
}

static uint64_t get(const uint8_t *at, unsigned bytes)
{
	struct cursor c = cursor_init(at, bytes);

	return cursor_uint(&c, bytes);
}

static uint8_t sum(const uint8_t *at, size_t size)
{
	uint8_t s = 0;

	while (size-- > 0)
		s = (uint8_t)(s + *at++);
	return s;
}

static const uint8_t *at_gpa(uint64_t gpa)
{
	cr_assert_geq(gpa, PLATFORM_ACPI_GPA);
	cr_assert_lt(gpa - PLATFORM_ACPI_GPA, acpi.size);
	return acpi.data + (gpa - PLATFORM_ACPI_GPA);
}

static uint64_t xsdt_gpa(void)
{
	return get(acpi.data + 24, 8);
}

/* The table with this signature that the XSDT lists, or NULL. */
static const uint8_t *find(const char *signature)
{
	const uint8_t *xsdt = at_gpa(xsdt_gpa());
	size_t n = (get(xsdt + ACPI_HEADER_LENGTH, 4) - ACPI_HEADER_SIZE) / 8;

	for (size_t i = 0; i < n; i++) {
		const uint8_t *table = at_gpa(get(xsdt + ACPI_HEADER_SIZE + 8 * i, 8));

		if (memcmp(table, signature, 4) == 0)
			return table;
	}
	return NULL;
}

static void expect_whole(const uint8_t *table)
{
	uint64_t size = get(table + ACPI_HEADER_LENGTH, 4);

	cr_expect_leq((size_t)(table - acpi.data) + size, acpi.size);
	cr_expect_eq(sum(table, size), 0, "checksum of %.4s", (const char *)table);
	cr_expect_arr_eq(table + ACPI_HEADER_OEM, "HVMD  HVMDROS ", 14);
}

TestSuite(acpi, .fini = teardown);

Test(acpi, the_pointer_leads_to_whole_tables)
{
	const uint8_t *rsdt, *xsdt;
	size_t n;

	make_cores(2);
	cr_expect_arr_eq(acpi.data, ACPI_RSDP_SIGNATURE, 8);
	cr_expect_eq(sum(acpi.data, ACPI_RSDP_SIZE_1), 0);
	cr_expect_eq(sum(acpi.data, ACPI_RSDP_SIZE), 0);
	rsdt = at_gpa(get(acpi.data + 16, 4));
	xsdt = at_gpa(xsdt_gpa());
	cr_expect_arr_eq(rsdt, "RSDT", 4);
	cr_expect_arr_eq(xsdt, "XSDT", 4);
	expect_whole(rsdt);
	expect_whole(xsdt);
	n = (get(xsdt + ACPI_HEADER_LENGTH, 4) - ACPI_HEADER_SIZE) / 8;
	cr_expect_eq(n, 2);
	for (size_t i = 0; i < n; i++) {
		uint64_t gpa = get(xsdt + ACPI_HEADER_SIZE + 8 * i, 8);

		cr_expect_eq(get(rsdt + ACPI_HEADER_SIZE + 4 * i, 4), gpa);
		expect_whole(at_gpa(gpa));
	}
}

Test(acpi, the_fadt_names_the_ports_that_devices_answer_at)
{
	const uint8_t *fadt, *dsdt, *facs;

	make_cores(1);
	fadt = find("FACP");
	cr_assert_not_null(fadt);
	cr_expect_eq(get(fadt + ACPI_HEADER_LENGTH, 4), ACPI_FADT_SIZE);
	cr_expect_eq(get(fadt + 46, 2), ACPI_SCI_IRQ);
	cr_expect_eq(get(fadt + 48, 4), 0, "no legacy mode");
	cr_expect_eq(get(fadt + 56, 4), ACPI_PM1_EVENT);
	cr_expect_eq(get(fadt + 64, 4), ACPI_PM1_CONTROL);
	cr_expect_eq(get(fadt + 76, 4), ACPI_PM_TIMER);
	cr_expect_eq(fadt[88], 4);
	cr_expect_eq(fadt[89], 2);
	cr_expect_eq(fadt[91], 4);
	cr_expect_eq(get(fadt + 112, 4) >> 20 & 1, 0, "not hardware-reduced");
	cr_expect_eq(get(fadt + 120, 8), ACPI_RESET_PORT);
	cr_expect_eq(fadt[128], ACPI_RESET_VALUE);
	cr_expect_eq(get(fadt + 152, 8), ACPI_PM1_EVENT);
	cr_expect_eq(get(fadt + 176, 8), ACPI_PM1_CONTROL);
	cr_expect_eq(get(fadt + 212, 8), ACPI_PM_TIMER);
	dsdt = at_gpa(get(fadt + 140, 8));
	cr_expect_eq(get(fadt + 40, 4), get(fadt + 140, 8));
	cr_expect_arr_eq(dsdt, "DSDT", 4);
	expect_whole(dsdt);
	facs = at_gpa(get(fadt + 36, 4));
	cr_expect_arr_eq(facs, "FACS", 4);
	cr_expect_eq(get(fadt + 36, 4) % 64, 0);
	cr_expect_eq(get(facs + 4, 4), ACPI_FACS_SIZE);
}

Test(acpi, nodes_are_told_only_when_they_are_asked_for)
{
	struct platform platform = {.n_cores = 2, .n_nodes = 2, .node_of_core = {0, 1},
		.ranges = {{0, 1 << 20, 0}, {1 << 20, 1 << 21, 1}}, .n_ranges = 2};
	const uint8_t *srat, *slit;

	make(&platform);
	srat = find("SRAT");
	slit = find("SLIT");
	cr_assert_not_null(srat);
	cr_assert_not_null(slit);
	expect_whole(srat);
	expect_whole(slit);
	cr_expect_eq(get(srat + ACPI_HEADER_LENGTH, 4), 48 + 2 * 16 + 2 * 40);
	cr_expect_eq(srat[48 + 16 + 2], 1, "core 1 is of node 1");
	cr_expect_eq(get(srat + 48 + 32 + 40 + 8, 8), 1 << 20);
	cr_expect_eq(get(srat + 48 + 32 + 40 + 16, 8), 1 << 21);
	cr_expect_arr_eq(slit + 44, "\x0A\x14\x14\x0A", 4);
	teardown();
	make_cores(2);
	cr_expect_null(find("SRAT"));
	cr_expect_null(find("SLIT"));
}

Test(acpi, as_many_cores_as_can_be_fit_into_their_places)
{
	struct platform platform = {.n_cores = PLATFORM_CORES_MAX, .n_nodes = PLATFORM_NODES_MAX,
		.n_ranges = PLATFORM_RANGES_MAX};

	make(&platform);
}

Test(acpi, the_same_machine_has_the_same_tables)
{
	struct buffer before;

	make_cores(4);
	before = acpi;
	make_cores(4);
	cr_expect_eq(before.size, acpi.size);
	cr_expect_arr_eq(before.data, acpi.data, acpi.size);
	buffer_fini(&before);
}

/* --- The MP table ------------------------------------------------------------------------------------------------ */

Test(mptable, the_pointer_leads_to_a_whole_table, .fini = teardown)
{
	const uint8_t *table;

	make_cores(3);
	cr_expect_arr_eq(mp.data, "_MP_", 4);
	cr_expect_eq(sum(mp.data, MP_POINTER_SIZE), 0);
	cr_expect_eq(get(mp.data + 4, 4), PLATFORM_MP_GPA + MP_POINTER_SIZE);
	table = mp.data + MP_POINTER_SIZE;
	cr_expect_arr_eq(table, "PCMP", 4);
	cr_expect_eq(get(table + MP_TABLE_LENGTH, 2), mp.size - MP_POINTER_SIZE);
	cr_expect_eq(sum(table, mp.size - MP_POINTER_SIZE), 0);
}

Test(mptable, counts_the_entries_that_are_there, .fini = teardown)
{
	unsigned n = 0, processors = 0;
	const uint8_t *p;

	make_cores(5);
	for (p = mp.data + MP_POINTER_SIZE + MP_TABLE_HEADER_SIZE; p < mp.data + mp.size; n++) {
		cr_assert_leq(*p, MP_LOCAL_INTERRUPT);
		processors += *p == MP_PROCESSOR;
		p += *p == MP_PROCESSOR ? MP_PROCESSOR_SIZE : MP_ENTRY_SIZE;
	}
	cr_expect_eq(p, mp.data + mp.size);
	cr_expect_eq(get(mp.data + MP_POINTER_SIZE + MP_TABLE_ENTRIES, 2), n);
	cr_expect_eq(processors, 5);
	cr_expect_eq(n, 5 + 1 + 1 + 15 + 2, "processors, bus, IOAPIC, ISA without 2, LINT0 and LINT1");
}

/* --- Both say the same ------------------------------------------------------------------------------------------- */

struct wiring {
	uint64_t lapic, ioapic;
	uint32_t ioapic_id;
	uint8_t processor[256]; /* 1: enabled */
	uint16_t pin[PLATFORM_IRQS]; /* of the IOAPIC; 0xFFFF: none */
	uint16_t flags[PLATFORM_IRQS];
	uint8_t nmi;            /* at which LINT of all processors */
};

static void drop_who_has(struct wiring *w, uint16_t pin)
{
	for (unsigned i = 0; i < PLATFORM_IRQS; i++)
		if (w->pin[i] == pin)
			w->pin[i] = 0xFFFF;
}

static void read_madt_entry(struct wiring *w, const uint8_t *p)
{
	switch (p[0]) {
	case ACPI_MADT_LAPIC:
		cr_expect_eq(p[2], p[3]);
		w->processor[p[3]] = get(p + 4, 4) & ACPI_MADT_ENABLED;
		break;
	case ACPI_MADT_IOAPIC:
		w->ioapic_id = p[2];
		w->ioapic = get(p + 4, 4);
		cr_expect_eq(get(p + 8, 4), 0);
		break;
	case ACPI_MADT_OVERRIDE:
		drop_who_has(w, (uint16_t)get(p + 4, 4));
		w->pin[p[3]] = (uint16_t)get(p + 4, 4);
		w->flags[p[3]] = (uint16_t)get(p + 8, 2);
		break;
	case ACPI_MADT_LAPIC_NMI:
		cr_expect_eq(p[2], ACPI_ALL_PROCESSORS);
		w->nmi = p[5];
		break;
	default:
		cr_expect_fail("a MADT entry of type %u", p[0]);
	}
}

static void read_madt(struct wiring *w)
{
	const uint8_t *madt = find("APIC"), *p;

	cr_assert_not_null(madt);
	w->lapic = get(madt + ACPI_HEADER_SIZE, 4);
	cr_expect_eq(get(madt + ACPI_HEADER_SIZE + 4, 4), ACPI_MADT_PCAT_COMPAT);
	for (unsigned i = 0; i < PLATFORM_IRQS; i++)
		w->pin[i] = (uint16_t)i;
	for (p = madt + ACPI_HEADER_SIZE + 8; p < madt + get(madt + ACPI_HEADER_LENGTH, 4); p += p[1])
		read_madt_entry(w, p);
}

static void read_mp_entry(struct wiring *w, const uint8_t *p)
{
	switch (p[0]) {
	case MP_PROCESSOR:
		w->processor[p[1]] = p[3] & MP_PROCESSOR_ENABLED;
		cr_expect_eq(!!(p[3] & MP_PROCESSOR_BSP), p[1] == 0);
		cr_expect_eq(get(p + 4, 4), 0x600);
		cr_expect_eq(get(p + 8, 4), 0x201);
		break;
	case MP_IOAPIC:
		w->ioapic_id = p[1];
		w->ioapic = get(p + 4, 4);
		cr_expect_eq(p[3], MP_IOAPIC_ENABLED);
		break;
	case MP_INTERRUPT:
		cr_expect_eq(p[1], MP_INT);
		cr_expect_eq(p[6], w->ioapic_id, "the IOAPIC comes first");
		w->pin[p[5]] = p[7];
		w->flags[p[5]] = (uint16_t)get(p + 2, 2);
		break;
	case MP_LOCAL_INTERRUPT:
		if (p[1] == MP_NMI)
			w->nmi = p[7];
		break;
	}
}

static void read_mp(struct wiring *w)
{
	const uint8_t *table = mp.data + MP_POINTER_SIZE, *p = table + MP_TABLE_HEADER_SIZE;

	w->lapic = get(table + 36, 4);
	memset(w->pin, 0xFF, sizeof(w->pin));
	for (; p < mp.data + mp.size; p += *p == MP_PROCESSOR ? MP_PROCESSOR_SIZE : MP_ENTRY_SIZE)
		read_mp_entry(w, p);
}

Test(mptable, says_what_the_madt_says, .fini = teardown)
{
	static const uint32_t cores[] = {1, 2, 7, 64, PLATFORM_CORES_MAX};

	for (size_t i = 0; i < sizeof(cores) / sizeof(cores[0]); i++) {
		struct wiring a = {}, b = {};

		make_cores(cores[i]);
		read_madt(&a);
		read_mp(&b);
		cr_expect_eq(a.lapic, b.lapic);
		cr_expect_eq(a.ioapic, b.ioapic);
		cr_expect_eq(a.ioapic_id, b.ioapic_id);
		cr_expect_eq(a.nmi, b.nmi);
		cr_expect_arr_eq(a.processor, b.processor, sizeof(a.processor));
		cr_expect_arr_eq(a.pin, b.pin, sizeof(a.pin));
		cr_expect_arr_eq(a.flags, b.flags, sizeof(a.flags));
		cr_expect_eq(a.pin[0], 2);
		cr_expect_eq(a.flags[ACPI_SCI_IRQ], 0xD, "active high, by level");
		cr_expect_eq(sum(a.processor, sizeof(a.processor)), (uint8_t)cores[i]);
		teardown();
	}
}
