/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What L2 runs under KVM in L1's Linux (kvm.c): a real-mode program and a 64-bit one.
 * They talk to L1 through the ports and addresses of l2.h and end with HLT.
 */
#include "l2.h"

	.section .rodata
	.globl l2_real_mode, l2_real_mode_end, l2_long_mode, l2_long_mode_end

	.code16
l2_real_mode:
	movw	$L2_WORD, %ax
	outw	%ax, $L2_PORT_WORD
	movl	$L2_CPUID_LEAF, %eax
	cpuid
	movl	%ebx, %eax
	outl	%eax, $L2_PORT_CPUID
	movw	$L2_MMIO_SEGMENT, %ax
	movw	%ax, %es
	movb	$L2_MMIO_BYTE, %es:0
	sti
	outb	%al, $L2_PORT_INTERRUPT_ME
1:	pause
	cmpb	$L2_INTERRUPTED, L2_FLAG
	jne	1b
	cli
	hlt

	.org	l2_real_mode + L2_HANDLER_OFFSET
	movb	$L2_INTERRUPTED, L2_FLAG
	outb	%al, $L2_PORT_IN_HANDLER
	iret
l2_real_mode_end:

	.code64
l2_long_mode:
	/* Write every page, then read all of them: each first touch is an EPT violation. */
	movl	$L2_FIRST_PAGE, %edi
	movl	$1, %eax
1:	movq	%rax, (%rdi)
	incq	%rax
	addq	$4096, %rdi
	cmpq	$L2_MEMORY, %rdi
	jb	1b
	movl	$L2_FIRST_PAGE, %edi
	xorl	%eax, %eax
2:	addq	(%rdi), %rax
	addq	$4096, %rdi
	cmpq	$L2_MEMORY, %rdi
	jb	2b
	outl	%eax, $L2_PORT_SUM
	/* The cost of an exit: ticks of many CPUIDs. */
	rdtsc
	shlq	$32, %rdx
	leaq	(%rax, %rdx), %rsi
	movl	$L2_CPUIDS, %edi
3:	xorl	%eax, %eax
	cpuid
	decl	%edi
	jnz	3b
	rdtsc
	shlq	$32, %rdx
	addq	%rdx, %rax
	subq	%rsi, %rax
	movq	%rax, L2_TICKS
	hlt
l2_long_mode_end:

	.section .note.GNU-stack, "", @progbits
