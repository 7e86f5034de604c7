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
 * In 64-bit mode, by whichever of these the caller can do:
 *
 *   `out %eax, $HVM_PORT` (or `out %eax, %dx`), four bytes: from CPL 0, or where ioperm(2) or iopl(2) allow it
 *   `mov %eax, (doorbell)`, four bytes: from any CPL that has HVM_DOORBELL_GPA mapped
 *   `vmmcall` or `vmcall`: in an HRT image, within 128 bytes behind the load of HVM_MARKER into rbx; hvmd
 *        rewrites these as it loads the image. Elsewhere, from any CPL, where hvmd says that it intercepts them
 *        (HVM_CPUID_INTERCEPTS): then none is KVM's, nor offered by its CPUID leaves
 *
 *   rax  HVM_HYPERCALL                on return: 0, HVM_FAILED, or a value
 *   rbx  HVM_MARKER
 *   rcx  one of HVM_REQ_...
 *   rdx, rsi, rdi, r8 .. r11          arguments, of which rdx (a2) and rsi (a3) are used; no register but rax changes
 *
 * A pointer is a GVA of the caller's address space, and has to be one that the caller could use itself at its CPL.
 */
#define HVM_PORT      0xE5u /* hvmd */
#define HVM_HYPERCALL 0xF00Du
#define HVM_MARKER    0x6464646464646464ull
#define HVM_FAILED    0xFFFFFFFFFFFFFFFFull

/* hvmd: the doorbell page. No memory: reading its first four bytes gives HVM_DOORBELL_MAGIC, others all ones. */
#define HVM_DOORBELL_GPA   0xFED80000ull
#define HVM_DOORBELL_MAGIC 0x646D7668u /* "hvmd" */

/* By whom: R the ROS, H the HRT. In which state of the protocol (HVM_STATE_...): any, unless it is said. */
#define HVM_REQ_NULL      0x00u /* R H  notes the time since the last boot; answers 0 */
#define HVM_REQ_RESET_ROS 0x01u /* R H  hvmd: of H, if the definition lets it write to the ROS's memory */
#define HVM_REQ_RESET_HRT 0x02u /* R H */
#define HVM_REQ_RESET_ALL 0x03u /* R H  the same. hvmd: works; Palacios always refused it */
#define HVM_REQ_LOAD_IMAGE 0x08u /* R    the HRT's next image: a2 GVA, a3 bytes. In force from the next HRT reset on; its comm page, too */
#define HVM_REQ_OUTCOME   0x0Eu /* R H  hvmd: how the last transaction ended, HVM_OUTCOME_... */
#define HVM_REQ_STATE     0x0Fu /* R H  answers HVM_STATE_...; writes struct hvm_event to a2 unless (hvmd) that is 0 */
/* Events: the HRT asks the ROS for a service, one at a time */
#define HVM_REQ_RAISE_EVENT    0x10u /*   H  a2 GVA of a struct hvm_event; while there is none */
#define HVM_REQ_ACK_EVENT      0x1Eu /*   H  has read the result; while it is HVM_EVENT_DONE */
#define HVM_REQ_COMPLETE_EVENT 0x1Fu /* R    a2 result; while one is raised */
/* Transactions: the ROS asks, the HRT gets an upcall, does it, and reports. While IDLE, unless it is said */
#define HVM_REQ_CALL        0x20u /* R    a2 anything: an upcall of the HRT's core 0 */
#define HVM_REQ_PARCALL     0x21u /* R    a2 anything: an upcall of every HRT core */
#define HVM_REQ_SYNC        0x28u /* R    a2 GVA of a struct hvm_sync: core 0 begins to wait there for calls */
#define HVM_REQ_UNSYNC      0x29u /* R    a2 as above: ends that; while SYNC */
#define HVM_REQ_DONE        0x2Fu /*   H  by each core that had one of the four upcalls above, once */
#define HVM_REQ_MERGE       0x30u /* R    the caller's address space (CR3) to the HRT's core 0 */
#define HVM_REQ_UNMERGE     0x31u /* R */
#define HVM_REQ_MERGE_DONE  0x3Fu /*   H */
/* Signals: the HRT, or the ROS, interrupts a process of the ROS */
#define HVM_REQ_SIGNAL_HANDLER 0x40u /* R    a2 handler, a3 top of its stack, both GVAs of the caller; both 0: none */
#define HVM_REQ_SIGNAL         0x41u /* R H  a2 code, not 0; while a handler is there, and no signal waits */
#define HVM_REQ_SIGNAL_DONE    0x42u /* R    hvmd: the handler has ended; see struct hvm_signal_frame */
/* GDT: so that the HRT can run the process's code with its segments */
#define HVM_REQ_SYNC_GDT    0x51u /* R    a2 FS base, a3 number of a core, for the HRT to read */
#define HVM_REQ_GDT_AREA    0x52u /*   H  a2 GVA where hvmd is to put the GDT; see HVM_GDT_AREA_HEAD */
#define HVM_REQ_RESTORE_GDT 0x53u /* R */
#define HVM_REQ_GDT_DONE    0x5Fu /*   H */
/*
 * hvmd: sent by the null handler that stands in the boot IDT, once for a core,
 * when an exception or interrupt arrives that the HRT has installed no handler
 * for. The stack then holds, upwards from rsp: rcx, rbx, rax, the vector, the
 * error code where that vector has one, and the interrupt frame.
 */
#define HVM_REQ_UNHANDLED 0xEEu

#if defined(__GNUC__) && defined(__x86_64__)
/* One hypercall by the port; by the doorbell (where the caller has HVM_DOORBELL_GPA mapped); by each instruction. */
static __inline__ uint64_t hvm_port_call(uint64_t request, uint64_t a2, uint64_t a3)
{
	uint64_t rax = HVM_HYPERCALL;

	__asm__ volatile("outl %%eax, %[port]"
		: "+a"(rax)
		: "b"(HVM_MARKER), "c"(request), "d"(a2), "S"(a3), [port] "N"(HVM_PORT)
		: "memory");
	return rax;
}

static __inline__ uint64_t hvm_doorbell_call(volatile uint32_t *doorbell, uint64_t request, uint64_t a2, uint64_t a3)
{
	uint64_t rax = HVM_HYPERCALL;

	__asm__ volatile("movl %%eax, (%[doorbell])"
		: "+a"(rax)
		: "b"(HVM_MARKER), "c"(request), "d"(a2), "S"(a3), [doorbell] "D"(doorbell)
		: "memory");
	return rax;
}

static __inline__ uint64_t hvm_vmmcall(uint64_t request, uint64_t a2, uint64_t a3)
{
	uint64_t rax = HVM_HYPERCALL;

	__asm__ volatile("vmmcall" : "+a"(rax) : "b"(HVM_MARKER), "c"(request), "d"(a2), "S"(a3) : "memory");
	return rax;
}

static __inline__ uint64_t hvm_vmcall(uint64_t request, uint64_t a2, uint64_t a3)
{
	uint64_t rax = HVM_HYPERCALL;

	__asm__ volatile("vmcall" : "+a"(rax) : "b"(HVM_MARKER), "c"(request), "d"(a2), "S"(a3) : "memory");
	return rax;
}
#endif

/*
 * State                            the requests that are not refused, and what comes then
 * HVM_STATE_IDLE                   CALL, PARCALL, SYNC, MERGE, UNMERGE, SYNC_GDT, RESTORE_GDT
 * HVM_STATE_CALL, .._PARCALL       DONE of each core that was called: IDLE
 * HVM_STATE_SYNCSETUP              DONE: SYNC
 * HVM_STATE_SYNC                   UNSYNC: SYNCTEARDOWN
 * HVM_STATE_SYNCTEARDOWN           DONE: IDLE
 * HVM_STATE_MERGE                  MERGE_DONE: IDLE
 * HVM_STATE_GDTSYNC                GDT_DONE: IDLE
 *
 * A reset of the HRT, its crash, a deadline, and an upcall that cannot be delivered end a transaction, too. So
 * does a reset of the ROS, and it ends synchronous mode; the HRT learns that from the state in its comm page.
 */
#define HVM_STATE_IDLE         0u
#define HVM_STATE_CALL         1u
#define HVM_STATE_PARCALL      2u
#define HVM_STATE_SYNCSETUP    3u
#define HVM_STATE_SYNC         4u
#define HVM_STATE_SYNCTEARDOWN 5u
#define HVM_STATE_MERGE        6u
#define HVM_STATE_GDTSYNC      7u

/* hvmd: how the last transaction ended */
#define HVM_OUTCOME_DONE          0u /* the HRT has reported; also when there was none yet, or one is in progress */
#define HVM_OUTCOME_UNDELIVERABLE 1u /* the HRT has no good gate, stack or GDT area */
#define HVM_OUTCOME_DEADLINE      2u /* the HRT did not report in time */
#define HVM_OUTCOME_HRT_GONE      3u /* reset or crashed */
#define HVM_OUTCOME_ROS_GONE      4u /* the ROS was reset */

/* --- The comm page, at comm_page_gpa, for both sides to read ---------------------------------------------- */
struct hvm_comm_page { /* 4096 bytes; hvmd writes it before each upcall */
	uint64_t request;      /* HVM_REQ_... of the current upcall; 0 after a boot */
	uint64_t arguments[2]; /* see HVM_REQ_...; MERGE: CR3; SYNC_GDT: GVA of the area, number of the core */
	uint64_t reserved[5];  /* 0 */
	/*
	 * hvmd: so that nobody has to ask. `sequence` goes up by one before the
	 * words beside it change, and by one again behind: while it is odd, or is
	 * not the same before and after they were read, read again. It never goes back.
	 */
	uint64_t state;    /* HVM_STATE_... */
	uint64_t event;    /* HVM_EVENT_... */
	uint64_t sequence;
	uint64_t outcome;  /* HVM_OUTCOME_... */
	uint64_t unused[500]; /* 0 */
};

/* --- Upcalls -------------------------------------------------------------------------------------------------
 *
 * An upcall looks to the HRT like a page fault (kind pf), or a general protection
 * fault (gpf), with an error code that no processor makes, or like an interrupt of
 * the granted vector (vector), which hvmd takes out of service at the report. The
 * first two come whatever IF is, also to a core that halts, and are answered by
 * iretq behind the error code. As with any exception at CPL 0 the frame is pushed
 * right below rsp, or on the stack that the gate's IST names: no red zone.
 *
 * hvmd: an upcall of these two kinds waits for the handler of the one before it
 * to return, so that calls in quick succession do not pile their frames up on the
 * stack. After 20 ms it comes on top of a handler that has reported and stays; the
 * one of UNSYNC comes on top of SYNC's at once.
 */
#define HVM_UPCALL_ERROR 0xF00DF00Dull     /* the word that a #PF or #GP handler finds as error code */
#define HVM_UPCALL_CR2   0x0000800DF00DF00Dull /* kind pf: CR2, not canonical on purpose */

/* --- Synchronous calls: a struct in the ROS's memory; address spaces are merged ------------------------------- */
struct hvm_sync {
	volatile uint64_t issued;    /* the ROS: counts up when `argument` is there */
	volatile uint64_t completed; /* the HRT: counts up to it */
	volatile uint64_t argument;
};

/* --- Events ----------------------------------------------------------------------------------------------------- */
#define HVM_EVENT_NONE          0u
#define HVM_EVENT_ROS_PAGE_FAULT 1u /* the HRT needs a page of the process */
#define HVM_EVENT_ROS_SYSCALL   2u
#define HVM_EVENT_HRT_EXCEPTION 3u
#define HVM_EVENT_THREAD_EXIT   4u
#define HVM_EVENT_DONE          5u /* `result` is there. hvmd: HVM_FAILED where the ROS was reset, or a deadline has passed */

#define HVM_VECTOR_EXCEPTION 0x1Du /* signal code and vector: an exception within the HRT */

struct hvm_event { /* 80 bytes */
	uint32_t type; /* HVM_EVENT_... */
	uint32_t reserved;
	uint64_t result; /* of the last event */
	union {
		struct {
			uint64_t rip;
			uint64_t cr2;
			uint32_t action; /* 0: read, 1: write */
		} page_fault;
		struct {
			uint64_t args[8]; /* number, then arguments */
		} syscall;
		struct {
			uint64_t rip;
			uint64_t vector;
		} exception;
		struct {
			uint64_t thread;
		} thread_exit;
		uint64_t words[8];
	} u;
};

/* --- Signals ------------------------------------------------------------------------------------------------------
 *
 * What a handler in a process of the ROS finds at its rsp, 16-byte aligned. All
 * registers but rip and rsp are those of the code that it interrupts: save them,
 * drop `code`, iretq. hvmd: once a process has called HVM_REQ_SIGNAL_DONE, each
 * further signal waits until it does so again at the end of its handler; without,
 * a second signal may overwrite the first one's frame, as in Palacios.
 */
struct hvm_signal_frame { /* 48 bytes */
	uint64_t code;
	uint64_t rip, cs, rflags, rsp, ss;
};

/* --- The GDT of the ROS ------------------------------------------------------------------------------------------- */
#define HVM_GDT_AREA_HEAD 30u /* bytes in front of the table */

/*
 * Bytes from the registered GVA on, nothing aligned:
 *    0  u16  limit of the calling core's GDT
 *    2  u64  GVA of the copy: that of byte 30. Bytes 0 to 9 are what lgdt takes
 *   10  u64  FS base, a2 of HVM_REQ_SYNC_GDT
 *   18  u16  selectors of the calling core: CS, DS, ES, FS, GS, SS
 *   30       the table, limit + 1 bytes
 */

/* --- Ports a guest may write ---------------------------------------------------------------------------- */
#define HVM_PORT_CONSOLE   0xC0C0u /* one byte; a line is kept on '\n' or after 1023 bytes, for each core apart */
#define HVM_PORT_HEARTBEAT 0x99u   /* 1, 2 or 4 bytes: a number, shown by telemetry */

/* --- Multiboot2 header tag with which an image asks to be booted as an HRT ------------------------------- */
#define HVM_HEADER_TAG 0xF00Du

/*
 * The image may stand anywhere: hvmd chooses the place, and applies relocations
 * of type R_X86_64_RELATIVE. GVAs in the image, gva_entry too, are as linked.
 */
#define HVM_FLAG_RELOC     0x1ull
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
	uint64_t gva_entry;  /* GVA of the first instruction; 0: the entry tag's address + gva_offset, else e_entry */
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
#define HVM_CPUID_SIGNATURE 0x40000000u /* eax: the last of these leaves; ebx, ecx and edx: HVM_CPUID_NAME each */
#define HVM_CPUID_NAME      0x646D7668u /* "hvmd" */
#define HVM_CPUID_ABI       0x40000001u /* eax: HVM_PORT; ebx: HVM_DOORBELL_GPA; ecx: HVM_CPUID_ROLE_...; edx: HVM_ABI_VERSION */
#define HVM_CPUID_PAGE      0x40000002u /* of a hybrid VM. eax and ebx: the lower and upper half of the comm page's GPA, as at the start of the VM: HVM_REQ_LOAD_IMAGE may move it; ecx: HVM_CPUID_INTERCEPTS or 0 */
#define HVM_CPUID_ROS_OFFSET 0x100u
#define HVM_CPUID_ROLE_ROS  1u
#define HVM_CPUID_ROLE_HRT  2u
#define HVM_CPUID_INTERCEPTS 1u /* vmmcall (AMD) and vmcall (Intel) are hypercalls, of this partition */
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
