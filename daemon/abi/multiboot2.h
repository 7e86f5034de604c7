/* multiboot2.h - constants of the Multiboot2 Specification version 2.0; the section is named beside each */
#pragma once

#define MULTIBOOT2_HEADER_MAGIC  0xE85250D6u /* 3.1.1 */
#define MULTIBOOT2_HEADER_SEARCH 32768u      /* 3.1: the header lies in the first 32768 bytes ... */
#define MULTIBOOT2_HEADER_ALIGN  8u          /* ... and is 64-bit aligned */
#define MULTIBOOT2_ARCH_I386     0u          /* 3.1.2 */
#define MULTIBOOT2_TAG_ALIGN     8u          /* 3.1.3 and 3.6.2 */
#define MULTIBOOT2_TAG_OPTIONAL  1u          /* 3.1.3: bit 0 of the flags */

/* Header tags, 3.1.4 to 3.1.13 */
enum {
	MULTIBOOT2_TAG_END = 0,
	MULTIBOOT2_TAG_INFO_REQUEST = 1,
	MULTIBOOT2_TAG_ADDRESS = 2,
	MULTIBOOT2_TAG_ENTRY = 3,
	MULTIBOOT2_TAG_CONSOLE_FLAGS = 4,
	MULTIBOOT2_TAG_FRAMEBUFFER = 5,
	MULTIBOOT2_TAG_MODULE_ALIGN = 6,
	MULTIBOOT2_TAG_EFI_BOOT_SERVICES = 7,
	MULTIBOOT2_TAG_ENTRY_EFI32 = 8,
	MULTIBOOT2_TAG_ENTRY_EFI64 = 9,
	MULTIBOOT2_TAG_RELOCATABLE = 10,
};

/* Information tags, 3.6 */
enum {
	MULTIBOOT2_INFO_END = 0,
	MULTIBOOT2_INFO_COMMAND_LINE = 1,
	MULTIBOOT2_INFO_LOADER_NAME = 2,
	MULTIBOOT2_INFO_BASIC_MEMORY = 4,
	MULTIBOOT2_INFO_MEMORY_MAP = 6,
};

/* Memory map types, 3.6.8 */
enum {
	MULTIBOOT2_MEMORY_RAM = 1,
	MULTIBOOT2_MEMORY_RESERVED = 2,
};
