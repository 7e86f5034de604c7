/* SPDX-License-Identifier: MIT */
/*
 * upcall.S - gates of the reference HRT while it serves: where upcalls arrive
 *
 * An upcall is an exception, or an interrupt, at any instruction of ours: all
 * registers are kept. What a real fault is decided in C (serve.c).
 */
	.macro save
	push %rax
	push %rbx
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %rbp
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	.endm

	.macro restore
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rbp
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	pop %rbx
	pop %rax
	.endm

	.text
	.globl upcall_by_fault, upcall_by_interrupt
upcall_by_interrupt:
	push $0 /* where a fault has its error code */
	save
	mov %rsp, %rdi
	lea serve_upcall(%rip), %rax
	jmp 1f
upcall_by_fault:
	save
	mov %rsp, %rdi
	lea serve_fault(%rip), %rax
1:	cld
	mov %rsp, %rbp
	and $-16, %rsp
	call *%rax
	mov %rbp, %rsp
	restore
	add $8, %rsp
	iretq

	.section .note.GNU-stack, "", @progbits
