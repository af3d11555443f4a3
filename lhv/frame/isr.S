/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupt entries of L1 and of L2, and the protected call that faults unwind.
 * L1's entries build struct interrupt_frame and call interrupt_handle().
 * L2's entries leave the vector and error code on the stack and execute VMCALL, so
 * that L1 sees the delivery as an exit.
 */
#ifdef __x86_64__
#define W 8
#define AX %rax
#define SP %rsp
#else
#define W 4
#define AX %eax
#define SP %esp
#endif

	.text

/* Vectors whose exceptions push an error code. */
#define HAS_ERROR_CODE(v) \
	((v) == 8 || ((v) >= 10 && (v) <= 14) || (v) == 17 || (v) == 21)

	.macro	entries common
	.set	vector, 0
	.rept	256
	.balign	16
	.if	!HAS_ERROR_CODE(vector)
	push	$0
	.endif
	push	$vector
	jmp	\common
	.set	vector, vector + 1
	.endr
	.endm

	.balign	16
	.globl	interrupt_entries
interrupt_entries:
	entries	interrupt_common
	.balign	16
	.globl	l2_interrupt_entries
l2_interrupt_entries:
	entries	l2_interrupt_common

interrupt_common:
	cld
#ifdef __x86_64__
	push	%rax
	push	%rbx
	push	%rcx
	push	%rdx
	push	%rsi
	push	%rdi
	push	%rbp
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rsp, %rdi
	mov	%rsp, %rbp
	and	$-16, %rsp
	call	interrupt_handle
	mov	%rbp, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rbp
	pop	%rdi
	pop	%rsi
	pop	%rdx
	pop	%rcx
	pop	%rbx
	pop	%rax
	add	$16, %rsp
	iretq
#else
	push	%eax
	push	%ebx
	push	%ecx
	push	%edx
	push	%esi
	push	%edi
	push	%ebp
	mov	%esp, %ebp
	/* from user mode the data segments are the user's: usable here as they are */
	push	%ebp
	call	interrupt_handle
	mov	%ebp, %esp
	pop	%ebp
	pop	%edi
	pop	%esi
	pop	%edx
	pop	%ecx
	pop	%ebx
	pop	%eax
	add	$8, %esp
	iret
#endif

/* The registers stay what they were; the stack holds vector, error code, frame. */
l2_interrupt_common:
	vmcall
	.globl	l2_interrupt_return
l2_interrupt_return:
	add	$(2 * W), SP
#ifdef __x86_64__
	iretq
#else
	iret
#endif

/*
 * bool fault_call(void (*function)(void *), void *argument, uptr *stack)
 * Calls function(argument) with the way back stored in *stack; false if it came back,
 * true when fault_unwind(*stack) was called meanwhile.
 */
	.globl	fault_call, fault_unwind
#ifdef __x86_64__
fault_call:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	pushfq
	mov	%rsp, (%rdx)
	mov	%rdi, %rax
	mov	%rsi, %rdi
	call	*%rax
	xor	%eax, %eax
fault_return:
	popfq
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
fault_unwind:
	mov	%rdi, %rsp
	mov	$1, %eax
	jmp	fault_return
#else
fault_call:
	mov	4(%esp), %eax
	mov	8(%esp), %ecx
	mov	12(%esp), %edx
	push	%ebx
	push	%ebp
	push	%esi
	push	%edi
	pushf
	mov	%esp, (%edx)
	push	%ecx
	call	*%eax
	pop	%ecx
	xor	%eax, %eax
fault_return:
	popf
	pop	%edi
	pop	%esi
	pop	%ebp
	pop	%ebx
	ret
fault_unwind:
	mov	4(%esp), %esp
	/* a fault in user mode left the user's data segments */
	mov	$0x10, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	$1, %eax
	jmp	fault_return
#endif

/*
 * void user_enter(const void *code, uptr stack)
 * Goes to user mode; only an interrupt or fault comes back.
 */
	.globl	user_enter
user_enter:
#ifdef __x86_64__
	push	$0x2b
	push	%rsi
	pushfq
	push	$0x33
	push	%rdi
	iretq
#else
	mov	4(%esp), %eax
	mov	8(%esp), %ecx
	mov	$0x2b, %edx
	mov	%edx, %ds
	mov	%edx, %es
	push	$0x2b
	push	%ecx
	pushf
	push	$0x33
	push	%eax
	iret
#endif
/* void nmi_unblock(void): an IRET to its return address. */
	.globl	nmi_unblock
nmi_unblock:
#ifdef __x86_64__
	pop	%rax
	mov	%rsp, %rcx
	push	$0x10
	push	%rcx
	pushfq
	push	$0x08
	push	%rax
	iretq
#else
	pop	%eax
	pushf
	push	$0x08
	push	%eax
	iret
#endif
	.section .note.GNU-stack, "", @progbits
