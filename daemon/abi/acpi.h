/*
 * acpi.h - tables and registers of ACPI (Advanced Configuration and Power Interface specification 6.5); the section
 * is named beside each group. Where our own blocks lie stands here too, since
 * guest/acpi.c tells guests what device/ answers at.
 */
#pragma once

/* PM1 registers, 4.8.3 */
#define ACPI_PM1_PWRBTN        0x0100u /* of status and enable */
#define ACPI_PM1_EVENTS        0x0721u /* of both: all that there are; kernels want to enable also what never happens here */
#define ACPI_PM1_SCI_EN        0x0001u /* of control: always on, there is no legacy mode */
#define ACPI_PM1_SLP_TYP       0x1C00u
#define ACPI_PM1_SLP_TYP_SHIFT 10
#define ACPI_PM1_SLP_EN        0x2000u
#define ACPI_PM_TIMER_HZ       3579545u

/* Ours */
#define ACPI_PM1_EVENT     0x600 /* status, then enable: 2 bytes each */
#define ACPI_PM1_CONTROL   0x604
#define ACPI_PM_TIMER      0x608 /* 24 bits */
#define ACPI_RESET_PORT    0xCF9
#define ACPI_RESET_VALUE   0x06
#define ACPI_S5_TYPE       0u    /* with this in SLP_TYP, SLP_EN turns the machine off; guest/dsdt.asl says so */
#define ACPI_SCI_IRQ       9

/* Tables: signatures and revisions, 5.2.5 to 5.2.17 */
#define ACPI_RSDP_SIGNATURE "RSD PTR "
#define ACPI_RSDP_SIZE_1    20u /* bytes that the first checksum covers */
#define ACPI_RSDP_SIZE      36u
#define ACPI_RSDP_CHECKSUM  8u  /* offset of the first checksum */
#define ACPI_RSDP_REVISION  15u /* offset; 0 in ACPI 1.0 */
#define ACPI_HEADER_SIZE    36u
#define ACPI_FADT_SIZE      276u
#define ACPI_FADT_REVISION  6u /* and minor version 5 */
#define ACPI_MADT_REVISION  5u
#define ACPI_SRAT_REVISION  3u
#define ACPI_SLIT_REVISION  1u
#define ACPI_FACS_SIZE      64u

/* Offsets in a table's header, 5.2.6 */
#define ACPI_HEADER_LENGTH   4u
#define ACPI_HEADER_CHECKSUM 9u
#define ACPI_HEADER_OEM      10u /* then to the end: 6 bytes OEM, 8 table, 4 revision, 4 creator, 4 its revision */

/* FADT, 5.2.9: boot architecture and flags */
#define ACPI_BOOT_LEGACY_DEVICES 0x0001u
#define ACPI_BOOT_NO_VGA         0x0004u
#define ACPI_FADT_WBINVD         (1u << 0)
#define ACPI_FADT_PROC_C1        (1u << 2)
#define ACPI_FADT_SLP_BUTTON     (1u << 5) /* set: there is no fixed sleep button */
#define ACPI_FADT_FIX_RTC        (1u << 6) /* set: the clock wakes nobody */
#define ACPI_FADT_RESET_REG      (1u << 10)
#define ACPI_FADT_HEADLESS       (1u << 12)
#define ACPI_SPACE_IO            1u /* generic address structure, 5.2.3.2 */

/* MADT, 5.2.12 */
#define ACPI_MADT_PCAT_COMPAT 1u
#define ACPI_MADT_LAPIC       0u
#define ACPI_MADT_IOAPIC      1u
#define ACPI_MADT_OVERRIDE    2u
#define ACPI_MADT_LAPIC_NMI   4u
#define ACPI_MADT_ENABLED     1u
#define ACPI_ALL_PROCESSORS   0xFFu

/* SRAT, 5.2.16 */
#define ACPI_SRAT_LAPIC   0u
#define ACPI_SRAT_MEMORY  1u
#define ACPI_SRAT_ENABLED 1u
#define ACPI_SLIT_LOCAL   10u
#define ACPI_SLIT_REMOTE  20u
