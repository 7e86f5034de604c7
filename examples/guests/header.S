/* SPDX-License-Identifier: MIT */
/*
 * header.S - the Multiboot2 header: what the reference HRT asks for
 *
 * Several images are made of the same source:
 *
 *	reference.elf       GVA_OFFSET high, address tag, entry in the HRT tag
 *	reference-low.elf   GVA_OFFSET 0, address tag, gva_entry 0: the entry tag says it
 *	reference-elf.elf   GVA_OFFSET high, ELF program headers instead of an address tag
 *	reference-pie.elf   the same, linked to run anywhere; asks where it is, and for its ELF sections
 *	reference-1g.elf, reference-4k.elf   as the first, with pages of 1 GiB and 4 KiB
 *
 * The header stands at the start of the image, within the first 32768 bytes of
 * the file and on a multiple of 8. Each tag does so too.
 */
#include "guest.h"

	.section .multiboot2, "a"
	.balign 8
multiboot2_header:
	.long MULTIBOOT2_HEADER_MAGIC
	.long 0 /* architecture: i386, which is what x86-64 kernels say */
	.long header_end - multiboot2_header
	.long -(MULTIBOOT2_HEADER_MAGIC + (header_end - multiboot2_header))

#ifdef WITH_ADDRESS_TAG
	.balign 8
	.short 2, 0 /* address tag */
	.long 24
	.long image_start_gpa /* header_addr: the header is the image's first byte */
	.long image_start_gpa /* load_addr */
	.long image_data_end_gpa
	.long image_end_gpa
#endif

#ifdef WITH_RELOC
	.balign 8
	.short 1, 0 /* information request tag */
	.long 16
	.long 9, 21 /* ELF sections, load base */
#else
	.balign 8
	.short 3, 0 /* entry tag */
	.long 12
	.long entry_gpa
#endif

	.balign 8
	.globl hrt_request
hrt_request: /* struct hvm_header_tag */
	.short HVM_HEADER_TAG, 1 /* other loaders may ignore it */
	.long 56
	.quad WANT_FLAGS
	.quad WANT_MAP_BYTES
	.quad GVA_OFFSET
#ifdef WITH_GVA_ENTRY
	.quad hrt_entry
#else
	.quad 0
#endif
	.quad WANT_COMM_PAGE
	.byte WANT_VECTOR
	.fill 7, 1, 0

	.balign 8
	.short 0, 0 /* end tag */
	.long 8
header_end:

	.section .note.GNU-stack, "", @progbits
