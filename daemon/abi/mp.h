/* mp.h - tables of the MultiProcessor Specification 1.4 (Intel, 242016-006); the section is named beside each group */
#pragma once

/* Floating pointer, 4.1, and header of the configuration table, 4.2 */
#define MP_POINTER_SIGNATURE "_MP_"
#define MP_POINTER_SIZE      16u
#define MP_TABLE_SIGNATURE   "PCMP"
#define MP_TABLE_HEADER_SIZE 44u
#define MP_REVISION          4u /* 1.4 */

/* Offsets in these */
#define MP_POINTER_CHECKSUM 10u
#define MP_TABLE_LENGTH     4u
#define MP_TABLE_CHECKSUM   7u
#define MP_TABLE_ENTRIES    34u

/* Entries, 4.3 */
#define MP_PROCESSOR        0u
#define MP_PROCESSOR_SIZE   20u
#define MP_BUS              1u
#define MP_IOAPIC           2u
#define MP_INTERRUPT        3u
#define MP_LOCAL_INTERRUPT  4u
#define MP_ENTRY_SIZE       8u /* of all but processors */

#define MP_PROCESSOR_ENABLED 1u
#define MP_PROCESSOR_BSP     2u
#define MP_PROCESSOR_FAMILY  0x600u /* signature, 4.3.1: what a kernel believes before it asks CPUID; as in Palacios */
#define MP_PROCESSOR_FPU     0x001u /* features */
#define MP_PROCESSOR_APIC    0x200u
#define MP_IOAPIC_ENABLED    1u
#define MP_INT               0u /* interrupt types, 4.3.4 */
#define MP_NMI               1u
#define MP_EXTINT            3u
#define MP_ALL_APICS         0xFFu

/* Polarity and trigger mode, 4.3.4 and the same in ACPI 5.2.12.5 */
#define MP_CONFORMS    0x0u /* as the bus does: on ISA active high, by its edge */
#define MP_ACTIVE_HIGH 0x1u
#define MP_LEVEL       0xCu

/* Where the two kinds of interrupt controller stand on each PC, 3.2 */
#define LAPIC_GPA      0xFEE00000ull
#define LAPIC_VERSION  0x14u
#define IOAPIC_GPA     0xFEC00000ull
#define IOAPIC_VERSION 0x11u
