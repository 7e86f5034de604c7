/* SPDX-License-Identifier: MIT */
/*
 * hvm-guest-abi.h - what a guest of hvmd may rely on
 *
 * Self-contained C99; include it in your kernel. All fields are little endian.
 * Sizes are bytes, addresses are guest physical (GPA) or guest virtual (GVA)
 * as named. The protocol is that of the Palacios HVM as of 2016; what hvmd adds
 * is marked "hvmd".
 */
#ifndef HVM_GUEST_ABI_H
#define HVM_GUEST_ABI_H

#include <stdint.h>

/* --- Hypercalls -----------------------------------------------------------------------------------------
 *
 * `out %eax, $HVM_PORT` (or `out %eax, %dx`), four bytes, from CPL 0:
 *
 *   rax  HVM_HYPERCALL                on return: 0, HVM_FAILED, or a value
 *   rbx  HVM_MARKER
 *   rcx  one of HVM_REQ_...
 *   rdx, rsi, rdi, r8 .. r11          arguments; no register but rax changes
 */
#define HVM_PORT      0xE5u /* hvmd */
#define HVM_HYPERCALL 0xF00Du
#define HVM_MARKER    0x6464646464646464ull
#define HVM_FAILED    0xFFFFFFFFFFFFFFFFull

#define HVM_REQ_NULL      0x00u /* notes the time since the last boot; answers 0 */
#define HVM_REQ_RESET_ROS 0x01u
#define HVM_REQ_RESET_HRT 0x02u
#define HVM_REQ_RESET_ALL 0x03u /* hvmd: works; Palacios always refused it */
/*
 * hvmd: sent by the null handler that stands in the boot IDT, once for a core,
 * when an exception or interrupt arrives that the HRT has installed no handler
 * for. The stack then holds, upwards from rsp: rcx, rbx, rax, the vector, the
 * error code where that vector has one, and the interrupt frame.
 */
#define HVM_REQ_UNHANDLED 0xEEu

/* --- Ports a guest may write ---------------------------------------------------------------------------- */
#define HVM_PORT_CONSOLE   0xC0C0u /* one byte; a line is kept on '\n' or after 1023 bytes, for each core apart */
#define HVM_PORT_HEARTBEAT 0x99u   /* 1, 2 or 4 bytes: a number, shown by telemetry */

/* --- Multiboot2 header tag with which an image asks to be booted as an HRT ------------------------------- */
#define HVM_HEADER_TAG 0xF00Du

#define HVM_FLAG_RELOC     0x1ull   /* image is position independent */
#define HVM_FLAG_EXE       0x2ull   /* a program for Nautilus, no HRT kernel */
#define HVM_FLAG_MAP_4KB   0x100ull /* page size of the boot page tables: the largest asked for wins */
#define HVM_FLAG_MAP_2MB   0x200ull
#define HVM_FLAG_MAP_1GB   0x400ull
#define HVM_FLAG_MAP_512GB 0x800ull /* always refused: no hardware has it */

#define HVM_GVA_OFFSET_HIGH 0xFFFF800000000000ull /* the one gva_offset besides 0 */

struct hvm_header_tag { /* 56 bytes */
	uint16_t type;       /* HVM_HEADER_TAG */
	uint16_t flags;      /* bit 0: a loader that does not know the tag may ignore it */
	uint32_t size;       /* 56 */
	uint64_t hrt_flags;  /* HVM_FLAG_... */
	uint64_t max_mem_to_map; /* bytes of guest physical space wanted in the boot page tables; at least 4 GiB are mapped */
	uint64_t gva_offset; /* GVA of GPA 0: 0 or HVM_GVA_OFFSET_HIGH */
	uint64_t gva_entry;  /* GVA of the first instruction; 0: the entry tag's address + gva_offset */
	uint64_t comm_page_gpa; /* wanted GPA of the comm page: above RAM, below max_mem_to_map */
	uint8_t hrt_int_vector; /* wanted upcall vector, 32 to 255 */
	uint8_t reserved[7]; /* 0 */
};

/* --- Multiboot2 information tag that every HRT core finds first ------------------------------------------ */
#define HVM_INFO_TAG 0xF00DF00Du

struct hvm_info_tag { /* 88 bytes */
	uint32_t type; /* HVM_INFO_TAG */
	uint32_t size; /* 88 */
	uint32_t total_num_apics;   /* cores of the VM; APIC ids are 0 .. total_num_apics - 1 */
	uint32_t first_hrt_apic_id; /* cores below it are the ROS's */
	uint32_t have_hrt_ioapic;   /* 0 */
	uint32_t first_hrt_ioapic_entry; /* 0 */
	uint64_t cpu_freq_khz;
	uint64_t hrt_flags;      /* as granted: exactly one HVM_FLAG_MAP_... bit */
	uint64_t max_mem_mapped; /* bytes: GPA [0, max_mem_mapped) is mapped at gva_offset */
	uint64_t first_hrt_gpa;  /* memory below it is the ROS's */
	uint64_t boot_state_gpa; /* lowest page of handler, IDT, GDT, TSS, page tables and this block; the stacks lie below */
	uint64_t gva_offset;
	uint64_t comm_page_gpa;
	uint8_t hrt_int_vector;
	uint8_t reserved[7]; /* 0 */
};

/* --- CPUID: hvmd says that it is there -------------------------------------------------------------------
 *
 * As given here in an HRT. In a ROS the leaves of KVM are at 0x40000000, and
 * these follow at HVM_CPUID_ROS_OFFSET above the numbers given.
 */
#define HVM_CPUID_SIGNATURE 0x40000000u /* eax: HVM_CPUID_ABI; ebx, ecx and edx: HVM_CPUID_NAME each */
#define HVM_CPUID_NAME      0x646D7668u /* "hvmd" */
#define HVM_CPUID_ABI       0x40000001u /* eax: HVM_PORT; ebx: 0; ecx: HVM_CPUID_ROLE_...; edx: HVM_ABI_VERSION */
#define HVM_CPUID_ROS_OFFSET 0x100u
#define HVM_CPUID_ROLE_ROS  1u
#define HVM_CPUID_ROLE_HRT  2u
#define HVM_ABI_VERSION     1u

/* --- State of each HRT core at its first instruction ------------------------------------------------------
 *
 * 64-bit mode, paging on, interrupts off, all cores at the same address:
 *
 *   rax  HVM_BOOT_MAGIC      rbx  GVA of the multiboot2 information block
 *   rcx  APIC id             rdx  number of the core within the HRT; 0 is the boot core
 *   rsp  16 bytes below the top of the core's own stack; both words there hold ~0
 *   rbp  rsp + 8             all other general registers 0
 */
#define HVM_BOOT_MAGIC 0x36D76289u

#endif
