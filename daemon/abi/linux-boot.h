/*
 * linux-boot.h - Linux's boot protocol on x86, version 2.15
 *
 * Names and offsets are those of Documentation/arch/x86/boot.rst and
 * zero-page.rst; the sections named beside the constants are theirs.
 */
#pragma once

#include <stdint.h>

#include "base/macro.h"

/* "The Real-Mode Kernel Header": at 0x1F1 of a bzImage, and of the zero page. Offsets here are from 0x1F1. */
#define LINUX_HEADER_AT       0x1F1u
#define LINUX_SECTOR          512u
#define LINUX_BOOT_FLAG       0xAA55u
#define LINUX_HEADER_MAGIC    0x53726448u /* "HdrS" */
#define LINUX_HEADER_BASE     0x202u      /* "the end of setup header": this and the byte at 0x201 */

struct linux_setup_header {
	uint8_t setup_sects;
	uint16_t root_flags;
	uint32_t syssize; /* in 16 bytes */
	uint16_t ram_size;
	uint16_t vid_mode;
	uint16_t root_dev;
	uint16_t boot_flag;
	uint16_t jump;
	uint32_t header;
	uint16_t version; /* 0x020F is 2.15 */
	uint32_t realmode_swtch;
	uint16_t start_sys_seg;
	uint16_t kernel_version;
	uint8_t type_of_loader;
	uint8_t loadflags;
	uint16_t setup_move_size;
	uint32_t code32_start;
	uint32_t ramdisk_image;
	uint32_t ramdisk_size;
	uint32_t bootsect_kludge;
	uint16_t heap_end_ptr;
	uint8_t ext_loader_ver;
	uint8_t ext_loader_type;
	uint32_t cmd_line_ptr;
	uint32_t initrd_addr_max;  /* 2.03; of the initrd's last byte */
	uint32_t kernel_alignment; /* 2.05 */
	uint8_t relocatable_kernel; /* 2.05 */
	uint8_t min_alignment;     /* 2.10; a power of two */
	uint16_t xloadflags;       /* 2.12 */
	uint32_t cmdline_size;     /* 2.06; without its NUL */
	uint32_t hardware_subarch; /* 2.07 */
	uint64_t hardware_subarch_data;
	uint32_t payload_offset;   /* 2.08 */
	uint32_t payload_length;
	uint64_t setup_data;       /* 2.09 */
	uint64_t pref_address;     /* 2.10 */
	uint32_t init_size;        /* 2.10 */
	uint32_t handover_offset;  /* 2.11 */
	uint32_t kernel_info_offset; /* 2.15 */
} __attribute__((packed));

assert_size(struct linux_setup_header, 0x26C - 0x1F1);
assert_offset(struct linux_setup_header, syssize, 0x1F4 - 0x1F1);
assert_offset(struct linux_setup_header, boot_flag, 0x1FE - 0x1F1);
assert_offset(struct linux_setup_header, header, 0x202 - 0x1F1);
assert_offset(struct linux_setup_header, version, 0x206 - 0x1F1);
assert_offset(struct linux_setup_header, type_of_loader, 0x210 - 0x1F1);
assert_offset(struct linux_setup_header, loadflags, 0x211 - 0x1F1);
assert_offset(struct linux_setup_header, code32_start, 0x214 - 0x1F1);
assert_offset(struct linux_setup_header, ramdisk_image, 0x218 - 0x1F1);
assert_offset(struct linux_setup_header, ramdisk_size, 0x21C - 0x1F1);
assert_offset(struct linux_setup_header, cmd_line_ptr, 0x228 - 0x1F1);
assert_offset(struct linux_setup_header, initrd_addr_max, 0x22C - 0x1F1);
assert_offset(struct linux_setup_header, kernel_alignment, 0x230 - 0x1F1);
assert_offset(struct linux_setup_header, relocatable_kernel, 0x234 - 0x1F1);
assert_offset(struct linux_setup_header, xloadflags, 0x236 - 0x1F1);
assert_offset(struct linux_setup_header, cmdline_size, 0x238 - 0x1F1);
assert_offset(struct linux_setup_header, setup_data, 0x250 - 0x1F1);
assert_offset(struct linux_setup_header, pref_address, 0x258 - 0x1F1);
assert_offset(struct linux_setup_header, init_size, 0x260 - 0x1F1);

#define LINUX_LOADED_HIGH   0x01u /* loadflags: the protected-mode code belongs to 1 MiB and above */
#define LINUX_KEEP_SEGMENTS 0x40u /* loadflags */
#define LINUX_LOADER_OTHER  0xFFu /* type_of_loader: one without a number of its own */
#define LINUX_XLF_KERNEL_64 0x01u /* xloadflags: has the 64-bit entry ... */
#define LINUX_ENTRY_64      0x200u /* ... here in the protected-mode code ("64-bit BOOT PROTOCOL") */
#define LINUX_LOAD_HIGH     0x100000u /* where the protected-mode code of a kernel that does not move belongs */

/* E820, zero-page.rst and asm/e820.h */
enum {
	LINUX_E820_RAM = 1,
	LINUX_E820_RESERVED = 2,
};
#define LINUX_E820_MAX 128u

struct linux_e820_entry {
	uint64_t addr;
	uint64_t size; /* bytes */
	uint32_t type;
} __attribute__((packed));
assert_size(struct linux_e820_entry, 20);

/* The zero page ("struct boot_params"): one page; what a loader that is no firmware leaves alone is zero. */
struct linux_zero_page {
	uint8_t screen_info[0x40];
	uint8_t apm_bios_info[0x70 - 0x40];
	uint64_t acpi_rsdp_addr; /* 2.14 */
	uint8_t unused_1[0xC0 - 0x78];
	uint32_t ext_ramdisk_image; /* upper halves */
	uint32_t ext_ramdisk_size;
	uint32_t ext_cmd_line_ptr;
	uint8_t unused_2[0x1E8 - 0xCC];
	uint8_t e820_entries;
	uint8_t unused_3[0x1EF - 0x1E9];
	uint8_t sentinel; /* 0: the rest of the page is meant */
	uint8_t unused_4;
	struct linux_setup_header hdr;
	uint8_t unused_5[0x2D0 - 0x26C];
	struct linux_e820_entry e820_table[LINUX_E820_MAX];
	uint8_t unused_6[0x1000 - 0x2D0 - 128 * 20];
} __attribute__((packed));
assert_size(struct linux_zero_page, 4096);
assert_offset(struct linux_zero_page, acpi_rsdp_addr, 0x070);
assert_offset(struct linux_zero_page, ext_ramdisk_image, 0x0C0);
assert_offset(struct linux_zero_page, ext_ramdisk_size, 0x0C4);
assert_offset(struct linux_zero_page, ext_cmd_line_ptr, 0x0C8);
assert_offset(struct linux_zero_page, e820_entries, 0x1E8);
assert_offset(struct linux_zero_page, sentinel, 0x1EF);
assert_offset(struct linux_zero_page, hdr, LINUX_HEADER_AT);
assert_offset(struct linux_zero_page, e820_table, 0x2D0);

/* Selectors that both entries expect flat segments behind: "32-bit" and "64-bit BOOT PROTOCOL", __BOOT_CS and __BOOT_DS */
#define LINUX_BOOT_CS 0x10u
#define LINUX_BOOT_DS 0x18u
