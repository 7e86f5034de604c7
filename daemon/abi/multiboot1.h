/* multiboot1.h - constants of the Multiboot Specification 0.6.96; the section is named beside each */
#pragma once

#define MULTIBOOT1_HEADER_MAGIC  0x1BADB002u /* 3.1.2 */
#define MULTIBOOT1_HEADER_SEARCH 8192u       /* 3.1: the header lies in the first 8192 bytes ... */
#define MULTIBOOT1_HEADER_ALIGN  4u          /* ... and is 32-bit aligned */
#define MULTIBOOT1_HEADER_HEAD   12u         /* 3.1.1: magic, flags, checksum ... */
#define MULTIBOOT1_HEADER_SIZE   32u         /* ... and five addresses, where the flags say so */
#define MULTIBOOT1_BOOT_MAGIC    0x2BADB002u /* 3.2: in EAX when the kernel is entered */

/* Flags of the header, 3.1.2; those of the lower half ask for what the kernel cannot do without. */
#define MULTIBOOT1_PAGE_ALIGN   0x1u     /* modules begin at page boundaries */
#define MULTIBOOT1_MEMORY_INFO  0x2u     /* tell of memory */
#define MULTIBOOT1_VIDEO_MODE   0x4u     /* tell of a video mode */
#define MULTIBOOT1_REQUIRED     0xFFFFu
#define MULTIBOOT1_ADDRESSES    0x10000u /* the header has addresses */

/* Flags of the information, 3.3: what is there. */
#define MULTIBOOT1_INFO_MEMORY      0x1u
#define MULTIBOOT1_INFO_CMDLINE     0x4u
#define MULTIBOOT1_INFO_MODULES     0x8u
#define MULTIBOOT1_INFO_ELF_SECTIONS 0x20u
#define MULTIBOOT1_INFO_MEMORY_MAP  0x40u
#define MULTIBOOT1_INFO_LOADER_NAME 0x200u

#define MULTIBOOT1_INFO_SIZE   88u /* 3.3: with all that the flags above speak of, and the VBE fields behind it */
#define MULTIBOOT1_MODULE_SIZE 16u /* 3.3: start, end, string, and a zero */
#define MULTIBOOT1_MAP_SIZE    20u /* 3.3: of an entry, without the size itself, which stands in front of it */
