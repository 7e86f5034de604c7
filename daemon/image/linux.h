/*
 * linux.h - what a kernel by Linux's boot protocol asks for, from 2.10 on
 *
 * A bzImage, or a vmlinux, which is an ELF file and has no header. Nothing is
 * decompressed: a bzImage does that itself.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "abi/linux-boot.h"

struct linux_image {
	bool has_header; /* a bzImage */
	struct linux_setup_header header; /* as in the file; zero behind the header's own end */
	bool entry_64;        /* entered in 64-bit mode; else in 32-bit mode, and lies below 4 GiB */
	uint64_t initrd_max;  /* GPA of the last byte that an initrd may have */
	uint32_t cmdline_max; /* bytes, without the NUL */
};
