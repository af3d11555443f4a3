/* SPDX-License-Identifier: BSD-2-Clause */
/* Code of emulated.c.  What is called by emulated_far_call() ends by INT 0x40 or a fault. */
#include "lhv/boot/layout.h"

	.text
/* CPUID ends where a page begins: an emulator that fetches anew for each page masks EIP there. */
	.balign	4096
	.skip	4094, 0xcc
	.globl	emulated_cpuid_at_end
emulated_cpuid_at_end:
	cpuid
	.globl	emulated_page
emulated_page:
	int	$0x40

#ifdef __x86_64__
	.code32
#endif
	.globl	emulated_cr4_from_ax, emulated_syscall_flag, emulated_syscall_result
/* EAX to CR4. */
emulated_cr4_from_ax:
	mov	%eax, %cr4
	int	$0x40

/* EDX of CPUID leaf 80000001H. */
emulated_syscall_flag:
	push	%ebx
	mov	$0x80000001, %eax
	cpuid
	mov	%edx, emulated_syscall_result
	pop	%ebx
	int	$0x40

/* void emulated_far_call(u32 selector, u32 offset, uptr ax) */
	.globl	emulated_far_call
emulated_far_call:
#ifdef __x86_64__
	.code64
	mov	%rdx, %rax
	mov	%edi, %edi
	mov	%esi, %esi
	push	%rdi
	push	%rsi
	lretq
#else
	mov	12(%esp), %eax
	push	4(%esp)
	push	12(%esp)
	lret
#endif

/*
 * void emulated_stack_load(const u16 *selector): with TF, MOV SS from memory, CPUID, and the
 * instruction at emulated_after_cpuid.
 */
	.globl	emulated_stack_load, emulated_after_cpuid
emulated_stack_load:
#ifdef __x86_64__
	push	%rbx
	mov	%rdi, %rdx
	xor	%eax, %eax
	pushfq
	orl	$0x100, (%rsp)
	popfq
	mov	(%rdx), %ss
	cpuid
emulated_after_cpuid:
	nop
	ud2
#else
	push	%ebx
	mov	8(%esp), %edx
	xor	%eax, %eax
	pushf
	orl	$0x100, (%esp)
	popf
	mov	(%edx), %ss
	cpuid
emulated_after_cpuid:
	nop
	ud2
#endif

	.data
	.balign	4
emulated_syscall_result:
	.long	0
	.section .note.GNU-stack, "", @progbits
