/*
 * acpi.h - tables and registers of ACPI (Advanced Configuration and Power Interface specification 6.5); the section
 * is named beside each group. Where our own blocks lie stands here too, since
 * guest/acpi.c tells guests what device/ answers at.
 */
#pragma once

/* PM1 registers, 4.8.3 */
#define ACPI_PM1_PWRBTN        0x0100u /* of status and enable */
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
