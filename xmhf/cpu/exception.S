/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions and NMIs in VMX root operation.  L0 runs with interrupts off, so nothing
 * else arrives.  An exception goes to exception_handle() with a struct exception_frame.
 *
 * An NMI belongs to L1.  Its handler sends the same CPU an NMI again and returns
 * *without* IRET, so that NMIs stay blocked while L0 runs: the new one waits in the
 * processor and is delivered by the VM entry, by the guest's own rules
 * (docs/decisions/0002-nmi-in-root.md).
 */
#define CPU_NMI_COUNT 16 /* offset in struct cpu, asserted in exception_hw.c */

	.text
	.code64

	.macro exception vector, has_error
exception_entry_\vector:
	.if !\has_error
	push $0
	.endif
	push $\vector
	jmp exception_common
	.endm

	exception 0, 0
	exception 1, 0
	exception 3, 0
	exception 4, 0
	exception 5, 0
	exception 6, 0
	exception 7, 0
	exception 8, 1
	exception 9, 0
	exception 10, 1
	exception 11, 1
	exception 12, 1
	exception 13, 1
	exception 14, 1
	exception 15, 0
	exception 16, 0
	exception 17, 1
	exception 18, 0
	exception 19, 0
	exception 20, 0
	exception 21, 1
	exception 22, 0
	exception 23, 0
	exception 24, 0
	exception 25, 0
	exception 26, 0
	exception 27, 0
	exception 28, 0
	exception 29, 1
	exception 30, 1
	exception 31, 0

exception_common:
	cld
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, %rdi
	call exception_handle
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	add $16, %rsp
	iretq

exception_entry_2:
	cld
	incq %gs:CPU_NMI_COUNT
	push %rax
	push %rcx
	push %rdx
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	call apic_send_nmi_to_self
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rdx
	pop %rcx
	/* frame: RAX, RIP, CS, RFLAGS, RSP, SS.  Return by RET on the interrupted stack. */
	mov 32(%rsp), %rax
	sub $24, %rax
	push %rcx
	mov 16(%rsp), %rcx /* RIP */
	mov %rcx, 16(%rax)
	mov 32(%rsp), %rcx /* RFLAGS */
	mov %rcx, 8(%rax)
	mov 8(%rsp), %rcx /* RAX */
	mov %rcx, (%rax)
	pop %rcx
	mov %rax, %rsp
	pop %rax
	popfq
	ret

	.section .rodata
	.align 8
	.globl exception_entries
exception_entries:
	.irp vector, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	.quad exception_entry_\vector
	.endr

	.section .note.GNU-stack, "", @progbits
