/* bzimages.h - bzImages composed from numbers, for tests: the headers of three kernels as they are, code of any bytes */
#pragma once

#include <stdlib.h>
#include <string.h>

#include "abi/linux-boot.h"

struct bzimage {
	struct linux_setup_header header;
	uint8_t header_end; /* the byte at 0x201 */
	size_t size;        /* of the file */
};

/* Linux 6.1 as Debian builds it for clouds: moves, 64-bit entry, 2.15 */
static inline struct bzimage bzimage_debian(void)
{
	return (struct bzimage){
		.header = {.setup_sects = 39, .root_flags = 1, .syssize = 0x100, .vid_mode = 0xFFFF, .boot_flag = 0xAA55,
			.header = LINUX_HEADER_MAGIC, .version = 0x20F, .kernel_version = 0x42C0, .loadflags = 1,
			.setup_move_size = 0x8000, .code32_start = 0x100000, .heap_end_ptr = 0x5BE0,
			.initrd_addr_max = 0x7FFFFFFF, .kernel_alignment = 0x200000, .relocatable_kernel = 1,
			.min_alignment = 21, .xloadflags = 0x7F, .cmdline_size = 2047, .payload_offset = 0x2CC,
			.payload_length = 0xD696CC, .pref_address = 0x1000000, .init_size = 0x3378000, .handover_offset = 0xD72F10,
			.kernel_info_offset = 0xD7F91C},
		.header_end = 0x6A,
		.size = 40 * 512 + 0x1000 + 1472, /* a signature */
	};
}

/* memtest86+ 6.10: does not move, 64-bit entry, 2.12 */
static inline struct bzimage bzimage_memtest(void)
{
	return (struct bzimage){
		.header = {.setup_sects = 2, .syssize = 0x101, .boot_flag = 0xAA55, .header = LINUX_HEADER_MAGIC,
			.version = 0x20C, .kernel_version = 0x260, .loadflags = 1, .code32_start = 0x100000,
			.initrd_addr_max = 0xFFFFFFFF, .kernel_alignment = 0x1000, .xloadflags = 9, .cmdline_size = 255,
			.pref_address = 0x100000, .init_size = 0x6ACF8},
		.header_end = 0x66,
		.size = 3 * 512 + 0x1008,
	};
}

/* The same for processors of 32 bits */
static inline struct bzimage bzimage_memtest_32(void)
{
	struct bzimage b = bzimage_memtest();

	b.header.xloadflags = 4;
	b.header.init_size = 0x687F8;
	return b;
}

/* iPXE's: all it offers is its 16-bit entry, 2.07 */
static inline struct bzimage bzimage_ipxe(void)
{
	return (struct bzimage){
		.header = {.setup_sects = 5, .root_flags = 1, .syssize = 0x100, .boot_flag = 0xAA55, .header = LINUX_HEADER_MAGIC,
			.version = 0x207, .kernel_version = 0x4800, .loadflags = 1, .code32_start = 0x100000,
			.initrd_addr_max = 0xFFFFFFFF, .cmdline_size = 0x7FF},
		.header_end = 0x65,
		.size = 6 * 512 + 0x1000,
	};
}

/* The file; the caller frees it. Its code counts up from its first byte. */
static inline uint8_t *bzimage_build(const struct bzimage *b)
{
	uint8_t *file = malloc(b->size);

	for (size_t i = 0; i < b->size; i++)
		file[i] = (uint8_t)i;
	if (b->size > LINUX_HEADER_AT)
		memcpy(file + LINUX_HEADER_AT, &b->header,
			b->size - LINUX_HEADER_AT < sizeof(b->header) ? b->size - LINUX_HEADER_AT : sizeof(b->header));
	if (b->size > 0x201)
		file[0x201] = b->header_end;
	return file;
}
