/* SPDX-License-Identifier: MIT */
/*
 * kernel-entry.S - a small ROS kernel: its Multiboot headers, first instructions, and how other cores begin
 *
 * A boot loader that knows Multiboot2 or Multiboot 1 enters it at kernel_entry
 * in 32-bit protected mode without paging; what eax and ebx hold says which.
 */
#define MULTIBOOT2_MAGIC 0xE85250D6
#define MULTIBOOT1_MAGIC 0x1BADB002
#define MULTIBOOT1_FLAGS 3 /* modules on pages; tell of memory */

	.section .multiboot, "a"
	.balign 8
header2:
	.long MULTIBOOT2_MAGIC, 0, header2_end - header2, -(MULTIBOOT2_MAGIC + (header2_end - header2))
	.short 1, 0 /* information request: */
	.long 20
	.long 1, 4, 6 /* command line, basic memory, memory map */
	.balign 8
	.short 6, 0 /* modules on pages */
	.long 8
	.short 0, 0
	.long 8
header2_end:
	.balign 4
	.long MULTIBOOT1_MAGIC, MULTIBOOT1_FLAGS, -(MULTIBOOT1_MAGIC + MULTIBOOT1_FLAGS)

	.text
	.code32
	.globl kernel_entry
kernel_entry: /* struct found, from its end */
	mov %esp, found_esp
	mov $stack_top, %esp
	pushfl
	mov %cr0, %edx
	push %edx
	mov %cr3, %edx
	push %edx
	mov %cr4, %edx
	push %edx
	mov %cs, %edx
	push %edx
	mov %ds, %edx
	push %edx
	mov %ss, %edx
	push %edx
	push %ebx
	push %eax
	mov %esp, %eax
	lgdt gdt_pointer
	ljmp $8, $1f
1:	mov $16, %edx
	mov %edx, %ds
	mov %edx, %es
	mov %edx, %fs
	mov %edx, %gs
	mov %edx, %ss
	push %eax
	call kernel_main
2:	cli
	hlt
	jmp 2b

/* Copied to a page below 1 MiB; a core that is started begins there in real mode. */
	.globl trampoline, trampoline_end
	.code16
trampoline:
	cli
	xor %ax, %ax
	mov %ax, %ds
	lgdtl gdt_pointer_low - trampoline + 0x8000
	mov %cr0, %eax
	or $1, %al
	mov %eax, %cr0
	ljmpl $8, $core_entry
	.balign 4
gdt_pointer_low:
	.short gdt_end - gdt - 1
	.long gdt
trampoline_end:

	.code32
core_entry:
	mov $16, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $core_stack_top, %esp
	call core_main
3:	cli
	hlt
	jmp 3b

	.section .rodata
	.balign 8
gdt:	.quad 0, 0x00CF9A000000FFFF, 0x00CF92000000FFFF
gdt_end:
gdt_pointer:
	.short gdt_end - gdt - 1
	.long gdt

	.bss
	.balign 16
	.skip 8192
stack_top:
	.skip 4096
core_stack_top:
	.globl found_esp
found_esp: .skip 4

	.section .note.GNU-stack, "", @progbits
