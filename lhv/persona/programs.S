/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One round of work of each persona's L2.  BX is the address of MMIO, DX a port, DI a page,
 * BP gathers what L1 gave.  Each ends with VMCALL.
 */
#include "lhv/vm/width.h"

	.macro	program name
	.balign	16
	.globl	l2_\name
l2_\name:
	.endm

/* What every guest does: CPUID, IN, a read of MMIO, RDMSR. */
	.macro	ordinary
	sti
	xor	%eax, %eax
	cpuid
	add	%ecx, %ebp
	in	%dx, %al
	movzbl	%al, %eax
	add	%eax, %ebp
	mov	(BX), %eax
	add	%eax, %ebp
	mov	$0x8b, %ecx
	rdmsr
	add	%eax, %ebp
	.endm

/* Until L1 sets SI, which it may do before L2 comes here. */
	.macro	wait_for_l1
1:	test	%esi, %esi
	jz	1b
	.endm

	.text

/* A page on demand, the TSC deadline, a closed window, #UD, DR7, caches, the APIC page. */
program kvm
	ordinary
	mov	%ebp, (DI)
	add	(DI), %ebp
	mov	$0x6e0, %ecx
	wrmsr
	wait_for_l1
	cli
	vmcall
	sti
	nop
	nop
	ud2
	mov	%dr7, AX
	wbinvd
	hlt
	.globl	l2_kvm_apic, l2_kvm_apic_end
l2_kvm_apic:
	mov	%eax, 0x300(SI)
l2_kvm_apic_end:
	vmcall

/* The system-call MSRs pass; #GP goes to L1; the timer; what a guest hypervisor does. */
program virtualbox
	ordinary
	mov	$0xc0000082, %ecx
	mov	$0x6b6b6b6b, %eax
	xor	%edx, %edx
	wrmsr
	vmcall
	mov	$0xc0000082, %ecx
	rdmsr
	add	%eax, %ebp
	mov	$0xfff8, %eax
	mov	%eax, %fs
	wait_for_l1
	mov	DI, CX
	vmread	CX, AX
	add	%eax, %ebp
	hlt
	vmcall

/* Every MSR and RDTSC exit; a page of 2 MiB on demand; then until the host's timer ticks. */
program vmware
	ordinary
	rdtsc
	add	%eax, %ebp
	mov	$0xc0000080, %ecx
	rdmsr
	add	%eax, %ebp
	mov	%dr7, AX
	mov	%ebp, (DI)
	add	(DI), %ebp
	wait_for_l1
	vmcall

/* Synthetic MSRs, descriptor tables, a flush by hypercall, a call of the secure level. */
program hyperv
	ordinary
	mov	$0x40000000, %ecx
	wrmsr
	mov	$0x40000020, %ecx
	rdmsr
	add	%eax, %ebp
	mov	$0x40000070, %ecx
	wrmsr
	sgdt	(SI)
	lgdt	(SI)
	sldt	%eax
	str	%eax
	mov	$2, %ecx
	vmcall
	mov	$0x11, %ecx
	vmcall
	mov	%ebp, (DI)
	mov	$0x12, %ecx
	vmcall
	add	(DI), %ebp
	mov	%eax, (DI)
	vmcall

/* Port 0x80 exits and 0xed does not; RDTSC; caches; a window; a loop of PAUSE. */
program xen
	ordinary
	mov	$0xed, %edx
	in	%dx, %al
	rdtsc
	add	%eax, %ebp
	wbinvd
	sgdt	(SI)
	cli
	vmcall
	sti
	nop
	nop
1:	pause
	test	%esi, %esi
	jz	1b
	hlt
	vmcall

#ifdef __x86_64__
program fs_gs
	mov	$0xc0000100, %ecx
	xor	%edx, %edx
	wrmsr
	mov	%ebx, %eax
	mov	$0xc0000101, %ecx
	wrmsr
	vmcall
#else
program fs_gs
	ud2
#endif

/* 32-bit code that starts without paging: tables from ECX, paging on by EBX. */
	.code32
program paging_later
	mov	%ecx, %cr3
	mov	%cr3, %eax
	rdtsc
	add	%eax, %ebp
	mov	%ebx, %cr0
	rdtsc
	add	%eax, %ebp
	sti
	nop
	nop
	mov	%cr3, %eax
	vmcall
	.section .note.GNU-stack, "", @progbits
