/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * First instructions of the 64-bit image, and the move of the image to its final place.
 */
	.section .text.entry, "ax"
	.code64
	.globl image_entry
image_entry: /* at its load address; EDI = magic, ESI = information */
	movabs $1f, %rax
	jmp *%rax
1:	lea boot_stack_top(%rip), %rsp
	xor %ebp, %ebp
	mov %edi, %edi
	mov %esi, %esi
	call boot_main
	ud2

	.text
	/*
	 * void relocate_image(void *to, const void *from, u64 size, u64 cr3)
	 * Copies the image and switches to page tables that map the copy where the
	 * original was.  The return address is copied with the stack.
	 */
	.globl relocate_image
relocate_image:
	mov %rcx, %rax
	mov %rdx, %rcx
	rep movsb
	mov %rax, %cr3
	ret

	/* void switch_stack(void *stack_top, void (*function)(void *), void *argument) */
	.globl switch_stack
switch_stack:
	mov %rdi, %rsp
	mov %rsi, %rax
	mov %rdx, %rdi
	xor %ebp, %ebp
	call *%rax
	ud2

	.bss
	.align 16
	.skip 16384
boot_stack_top:

	.section .note.GNU-stack, "", @progbits
