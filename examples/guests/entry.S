/* SPDX-License-Identifier: MIT */
/*
 * entry.S - the first instructions, and what C cannot say
 *
 * All HRT cores arrive at hrt_entry at the same time, each on a stack of its
 * own. The general registers are pushed there before anything changes them:
 * the pushes leave the two poisoned words above rsp alone. What other registers
 * hold can be read later, since C code changes none of them.
 */
#include "guest.h"

	.text
	.globl hrt_entry
hrt_entry: /* struct captured, from its end */
	pushfq
	push %r15
	push %r14
	push %r13
	push %r12
	push %r11
	push %r10
	push %r9
	push %r8
	push %rbp
	push %rdi
	push %rsi
	push %rdx
	push %rcx
	push %rbx
	push %rax
	mov %rsp, %rdi
	xor %ebp, %ebp
	cld
	and $-16, %rsp
	call guest_main
	ud2 /* it does not return */

/* void probe_read(uint64_t gva, struct probe *ret) */
	.globl probe_read, probe_instruction, probe_fault
probe_read:
	movq $0, (%rsi)
	movq $0, 32(%rsi)
probe_instruction:
	movzbl (%rdi), %eax
	mov %rax, 32(%rsi)
probe_done:
	ret

/* Handler of vector 14 while probe_read() runs: rsi is still its second argument. */
probe_fault:
	movq $1, (%rsi)
	popq 8(%rsi)
	mov %cr2, %rax
	mov %rax, 16(%rsi)
	mov (%rsp), %rax
	mov %rax, 24(%rsi)
	lea probe_done(%rip), %rax
	mov %rax, (%rsp)
	iretq

/* What GCC may call even from freestanding code */
	.globl memcpy, memset
memcpy:
	mov %rdi, %rax
	mov %rdx, %rcx
	rep movsb
	ret
memset:
	mov %rdi, %r8
	mov %esi, %eax
	mov %rdx, %rcx
	rep stosb
	mov %r8, %rax
	ret

/* Word i is (i + 1) * PATTERN_STEP: data that is there only if the loader has copied all of the file. */
	.data
	.balign 4096
	.globl data_pattern
data_pattern:
	.set word, 0
	.rept PATTERN_WORDS
	.set word, word + PATTERN_STEP
	.quad word
	.endr

/* Zero that is there only if the loader has cleared it. Nothing else lies in .bss before core 0 has looked. */
	.bss
	.balign 4096
	.skip 65536

	.section .note.GNU-stack, "", @progbits
