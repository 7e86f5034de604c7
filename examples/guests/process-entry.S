/* SPDX-License-Identifier: MIT */
/*
 * process-entry.S - the least kernel under a process that calls the HRT
 *
 * A Multiboot2 kernel for the ROS. It goes to 64-bit mode, and then to CPL 3 with
 * IOPL 3, where process_main() is all there is. All memory and the devices up to
 * 4 GiB are mapped to themselves for the process; at WINDOW are pages of every
 * kind of permission, for pointers that a hypercall must not take.
 */
#define PRESENT  1
#define WRITABLE 2
#define USER     4
#define LARGE    0x80

	.section .multiboot, "a"
	.balign 8
header:
	.long 0xE85250D6, 0, header_end - header, -(0xE85250D6 + (header_end - header))
	.short 6, 0 /* modules on pages */
	.long 8
	.short 0, 0
	.long 8
header_end:

	.section .text.entry, "ax"
	.code32
	.globl kernel_entry
kernel_entry:
	mov $stack_top, %esp
	mov %ebx, info
	lgdt gdt_pointer
	mov %cr4, %eax
	or $0x20, %eax /* PAE */
	mov %eax, %cr4
	mov $pml4, %eax
	mov %eax, %cr3
	mov $0xC0000080, %ecx /* EFER */
	xor %edx, %edx
	mov $0x100, %eax /* LME */
	wrmsr
	mov %cr0, %eax
	or $0x80010001, %eax /* PG, WP */
	mov %eax, %cr0
	ljmp $0x08, $long_mode

	.code64
long_mode:
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	/* The TSS's base, in its descriptor */
	mov $tss, %eax
	mov %ax, tss_descriptor + 2
	shr $16, %eax
	mov %al, tss_descriptor + 4
	mov %ah, tss_descriptor + 7
	mov $0x30, %eax
	ltr %ax
	lea gates(%rip), %rdi
	mov $32, %ecx
1:	lea fault(%rip), %rax
	call put_gate
	add $16, %rdi
	loop 1b
	lea gates + 13 * 16(%rip), %rdi
	lea protection_fault(%rip), %rax
	call put_gate
	lidt idt_pointer
	/* To CPL 3 */
	mov info, %edi
	push $0x23
	lea process_stack_top(%rip), %rax
	push %rax
	push $0x3002
	push $0x2B
	lea begin(%rip), %rax
	push %rax
	iretq

begin:
	call process_main
2:	pause
	jmp 2b

/* A gate to rax at rdi. */
put_gate:
	mov %ax, (%rdi)
	movw $0x08, 2(%rdi)
	movw $0x8E00, 4(%rdi)
	shr $16, %rax
	mov %ax, 6(%rdi)
	shr $16, %rax
	mov %eax, 8(%rdi)
	ret

/* A KVM that runs CPL 3 without a processor's help does not know IOPL: then the kernel does the process's outs. */
protection_fault:
	push %rdi
	mov 16(%rsp), %rdi
	cmpw $0xE5E7, (%rdi) /* out %eax, $HVM_PORT */
	je 1f
	cmpb $0xEE, (%rdi) /* out %al, %dx */
	je 2f
	pop %rdi
	jmp fault
1:	pop %rdi
	out %eax, $0xE5
	incl helped
	addq $2, 8(%rsp)
	add $8, %rsp
	iretq
2:	pop %rdi
	out %al, %dx
	addq $1, 8(%rsp)
	add $8, %rsp
	iretq

fault:
	mov (%rsp), %rdi
	mov 8(%rsp), %rsi
	mov %cr2, %rdx
	mov %rsp, %rcx
	and $-16, %rsp
	call process_fault
3:	cli
	hlt
	jmp 3b

	.section .rodata
	.balign 8
gdt_pointer:
	.short gdt_end - gdt - 1
	.long gdt, 0
idt_pointer:
	.short 32 * 16 - 1
	.quad gates

	.data
	.balign 4096
	.globl pml4
pml4:	.quad pdpt + (PRESENT | WRITABLE | USER)
	.skip 4096 - 8
pdpt:	.quad pd + (PRESENT | WRITABLE | USER), pd + 0x1000 + (PRESENT | WRITABLE | USER)
	.quad pd + 0x2000 + (PRESENT | WRITABLE | USER), pd + 0x3000 + (PRESENT | WRITABLE | USER)
	.quad window_pd + (PRESENT | WRITABLE | USER) /* WINDOW: 4 GiB */
	.skip 4096 - 5 * 8
pd:	.set at, 0
	.rept 2048
	.quad at + (LARGE | PRESENT | WRITABLE | USER)
	.set at, at + 0x200000
	.endr
window_pd:
	.quad window_pt + (PRESENT | WRITABLE | USER)
	.skip 4096 - 8
	.globl window_pt
window_pt:
	.quad window_pages + (PRESENT | WRITABLE | USER)
	.quad window_pages + 0x1000 + (PRESENT | WRITABLE) /* the kernel's */
	.quad window_pages + 0x2000 + (PRESENT | USER)     /* read-only */
	.quad window_pages + 0x3000 + (WRITABLE | USER)    /* not there */
	.quad 0x300000000 + (PRESENT | WRITABLE | USER)    /* the comm page of the reference HRT */
	.quad window_pages + 0x4000 + (PRESENT | WRITABLE | USER)
	.skip 4096 - 6 * 8

	.balign 16
	.globl gdt, gdt_end
gdt:	.quad 0
	.quad 0x00AF9A000000FFFF /* 0x08 code, CPL 0 */
	.quad 0x00CF92000000FFFF /* 0x10 data */
	.quad 0
	.quad 0x00CFF2000000FFFF /* 0x20 data, CPL 3 */
	.quad 0x00AFFA000000FFFF /* 0x28 code, CPL 3 */
tss_descriptor:
	.quad 0x0000890000000067
	.quad 0
gdt_end:
tss:	.long 0
	.quad stack_top /* rsp0 */
	.skip 0x66 - 12
	.short 0x68

	.bss
	.balign 4096
window_pages: .skip 5 * 4096
gates:	.skip 32 * 16
	.balign 16
	.skip 8192
stack_top:
	.skip 16384
process_stack_top:
info:	.skip 4
	.globl helped
helped:	.skip 4

	.section .note.GNU-stack, "", @progbits
