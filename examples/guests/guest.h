/* SPDX-License-Identifier: MIT */
/*
 * guest.h - what the parts of the reference HRT share
 *
 * The contract with hvmd is hvm-guest-abi.h and nothing else: this guest takes
 * no header from the daemon, so that it checks the daemon's promises from the
 * outside. Values that a promise names are written down here a second time.
 */
#ifndef GUEST_H
#define GUEST_H

/* What our header asks for */
#ifndef WANT_PAGES
#define WANT_PAGES     0x200       /* HVM_FLAG_MAP_2MB */
#endif
#ifdef WITH_RELOC
#define WANT_FLAGS     (WANT_PAGES | 1) /* HVM_FLAG_RELOC */
#else
#define WANT_FLAGS     WANT_PAGES
#endif
#define WANT_MAP_BYTES 0x400000000 /* 16 GiB */
#define WANT_COMM_PAGE 0x300000000 /* 12 GiB: above the RAM of a VM of 8 GiB */
#define WANT_VECTOR    255

#define MULTIBOOT2_HEADER_MAGIC 0xE85250D6 /* Multiboot2 Specification 2.0, 3.1.1 */

/* The image's own data and BSS are checked against these; see entry.S. */
#define PATTERN_WORDS 512
#define PATTERN_STEP  0x9E3779B97F4A7C15 /* any odd number would do */

#ifdef __ASSEMBLER__
#define HVM_HEADER_TAG 0xF00D /* hvm-guest-abi.h is for C */
#else

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hvm-guest-abi.h"
#include "info.h"

#define PAGE_SIZE 4096ull

/*
 * A variable that is written before core 0 has seen that .bss is zero lives in
 * .data, even if it starts out as 0.
 */
#define IN_DATA __attribute__((section(".data")))

/* The general registers at the first instruction; entry.S pushes them in reverse order. */
struct captured {
	uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp;
	uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
	uint64_t rflags;
	/* rsp pointed here */
};

struct core {
	const struct captured *captured;
	uint64_t number; /* within the HRT */
	uint64_t apic;
	uint32_t kept, broken; /* promises */
	struct info info;
	struct layout layout;
};

/* entry.S */
extern uint64_t data_pattern[PATTERN_WORDS];
extern const struct hvm_header_tag hrt_request; /* in our own header */
extern uint8_t image_start[], image_data_end[], image_end[]; /* .bss lies between the latter two */

/* main.c: reached from entry.S on the core's boot stack */
_Noreturn void guest_main(const struct captured *captured);

/* registers.c: what each register held, a line each */
void show_registers(struct core *core);

/* promises.c: one verdict line a promise */
void promise(struct core *core, const char *what, bool kept);
void promise_equal(struct core *core, const char *what, uint64_t found, uint64_t promised);

/* check-core.c, check-shared.c: the promises to each core, and those that core 0 checks for all */
void check_core(struct core *core);
void check_shared(struct core *core);
void check_image(struct core *core);

/* modes.c: what to do instead of checking; returns when the mode is `check` or none is given */
void run_mode(struct core *core);
_Noreturn void park(void);

/* serve.c: core 0 prepares before the others come */
void serve_prepare(const struct core *core);
_Noreturn void serve_for_ever(struct core *core);

/* tick.c: the same */
void tick_prepare(const struct core *core);
_Noreturn void tick_for_ever(struct core *core);

/* gate.c: one after the other. All waits are bounded, so that a core that is missing hangs nobody. */
void gate_wait_turn(const struct core *core);
void gate_pass_turn(const struct core *core);
void gate_wait_second_turn(const struct core *core); /* once all have passed their first */
void gate_pass_second_turn(const struct core *core);
void gate_wait_all(const struct core *core); /* until every core has passed its first turn */

#endif
#endif
