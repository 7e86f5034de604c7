/* SPDX-License-Identifier: MIT */
/*
 * seed.S - an HRT as they were in 2015 [spec 2.2, 3.2]: a blob, loaded where the HRT's memory begins
 *
 * Prints what a core finds in its registers, as 16 hexadecimal digits each, and
 * parks: rax rbx rcx rdx rdi rbp rsp, and the word above rsp, which is of the
 * boundary page. For one core: they all have the same stack.
 */
	.text
	.fill 0x40, 1, 0 /* reserved; entered behind it */
	.globl _start
_start:
	mov %rsp, %r8
	mov (%rsp), %r9
	lea words(%rip), %rsi
	mov %rax, (%rsi)
	mov %rbx, 8(%rsi)
	mov %rcx, 16(%rsi)
	mov %rdx, 24(%rsi)
	mov %rdi, 32(%rsi)
	mov %rbp, 40(%rsi)
	mov %r8, 48(%rsi)
	mov %r9, 56(%rsi)
	mov $0xC0C0, %edx /* HVM_PORT_CONSOLE */
	mov $8, %r10d
next_word:
	mov (%rsi), %rbx
	add $8, %rsi
	mov $16, %ecx
next_digit:
	rol $4, %rbx
	mov %ebx, %eax
	and $15, %eax
	lea digits(%rip), %rdi
	mov (%rdi,%rax), %al
	out %al, %dx
	dec %ecx
	jnz next_digit
	mov $' ', %al
	out %al, %dx
	dec %r10d
	jnz next_word
	mov $'\n', %al
	out %al, %dx
park:
	cli
	hlt
	jmp park

digits:
	.ascii "0123456789abcdef"
	.balign 8
words:
	.fill 8, 8, 0

	.section .note.GNU-stack, "", @progbits
