/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * L2's programs: a few instructions each; registers are the mailbox.  Most are
 * assembled in L1's own width and run in L2_NATIVE mode; the others say theirs.
 */
#include "lhv/vm/width.h"

	.macro	program name
	.balign	16
	.globl	l2_\name
l2_\name:
	.endm

	.text

/* A VMCALL for ever: each entry at the next instruction exits again. */
program vmcall
1:	vmcall
	jmp	1b

/* CX rounds of CPUID, then VMCALL. */
program cpuid_loop
	mov	CX, SI
1:	xor	%eax, %eax
	xor	%ecx, %ecx
	cpuid
	dec	SI
	jnz	1b
	vmcall

/* Counts for ever. */
program spin
	xor	%eax, %eax
1:	inc	AX
	jmp	1b

program spin_sti
	sti
	xor	%eax, %eax
1:	inc	AX
	jmp	1b

program hlt
	hlt
	vmcall

program sti_hlt
	sti
	hlt
	vmcall

program read_bx
	mov	(BX), AX
	vmcall

/* APIC registers are virtualized for accesses of four bytes only. */
program read32_bx
	mov	(BX), %eax
	vmcall

program write_bx
	mov	%eax, (BX)
	vmcall

program add_bx
	incl	(BX)
	vmcall

/* Adds for ever. */
program add_loop
1:	incl	(BX)
	jmp	1b

program outsb
	outsb
	vmcall

program call_bx
	call	*BX
	vmcall

/* What call_bx calls, to copy into a page. */
program ret
	ret

program nops
	nop
	nop
	nop
	nop
	vmcall

program rdmsr
	rdmsr
	vmcall

program wrmsr
	wrmsr
	vmcall

program wrmsr_rdmsr
	wrmsr
	rdmsr
	vmcall

program in_al
	in	%dx, %al
	vmcall

program out_al
	out	%al, %dx
	vmcall

program cr0_from_bx
	mov	BX, %cr0
	mov	%cr0, AX
	vmcall

program cr4_from_bx
	mov	BX, %cr4
	mov	%cr4, AX
	vmcall

program cr3_from_bx
	mov	BX, %cr3
	mov	%cr3, AX
	vmcall

/* Three control registers at each entry. */
program write_crs
1:	mov	BX, %cr3
	mov	CX, %cr4
	mov	DX, %cr0
	vmcall
	jmp	1b

/* Interrupts open for three instructions. */
program sti_window
	sti
	nop
	nop
	nop
	cli
	vmcall

program iret_same
	/* an IRET to the next instruction, interrupt flag as it is */
#ifdef __x86_64__
	mov	%rsp, %rax
	pushq	$0x10
	push	%rax
	pushfq
	pushq	$0x08
	pushq	$1f
	iretq
1:	vmcall
#else
	pushf
	pushl	%cs
	pushl	$1f
	iret
1:	vmcall
#endif

program int3
	int3
	vmcall

program ud2
	ud2
	vmcall

program int_0x80
	int	$0x80
	vmcall

/* Touches CX pages from BX on, DX apart. */
program touch_pages
1:	movb	$1, (BX)
	add	DX, BX
	dec	CX
	jnz	1b
	vmcall

/* Reads CX pages from BX on, DX apart. */
program read_pages
1:	movb	(BX), %al
	add	DX, BX
	dec	CX
	jnz	1b
	vmcall

program rdmsr_loop
1:	rdmsr
	dec	BX
	jnz	1b
	vmcall

program wrmsr_loop
1:	wrmsr
	dec	BX
	jnz	1b
	vmcall

program in_loop
1:	in	%dx, %al
	dec	BX
	jnz	1b
	vmcall

/* Only BX is read, DX times. */
program read_rounds
1:	mov	(BX), AX
	dec	DX
	jnz	1b
	vmcall

/* Reads until the dword at BX is that of CX. */
program await_cx
1:	mov	(BX), %eax
	cmp	%eax, %ecx
	jne	1b
	vmcall

program read_crs
	mov	%cr4, DX
	mov	%cr0, AX
	vmcall

program vmread_ax
	vmread	BX, AX
	vmcall

program vmwrite_ax
	vmwrite	AX, BX
	vmcall

program rdtsc
	rdtsc
	vmcall

#ifdef __x86_64__
/* To user mode by SYSRET, SYSCALL there, VMCALL in the handler, SYSRET, VMCALL. */
program syscall_round_trip
	lea	1f(%rip), %rcx
	mov	$0x002, %r11d
	sysretq
1:	syscall
	vmcall
program syscall_entry
	vmcall
	sysretq

program read_cr8
	mov	%cr8, %rax
	vmcall
program write_cr8
	mov	%rax, %cr8
	vmcall
#else
	.globl	l2_read_cr8, l2_write_cr8, l2_syscall_round_trip, l2_syscall_entry
l2_read_cr8:
l2_write_cr8:
l2_syscall_round_trip:
l2_syscall_entry:
	ud2
#endif

/* 32-bit code, for L2_PAE, L2_PLAIN, L2_FLAT and L2_COMPAT. */
	.code32
program vmcall32
1:	vmcall
	jmp	1b

/* Turns paging on as a boot loader would: CR0 from EBX. */
program paging_on32
	mov	%ebx, %cr0
	mov	%cr0, %eax
	vmcall
	jmp	.

program read_efer32
	mov	$0xc0000080, %ecx
	rdmsr
	vmcall

/* PDPTEs are loaded by MOV to CR3, CR0, CR4; then the dword at ESI. */
program read_si32
	mov	(%esi), %eax
	vmcall
program cr3_read_si32
	mov	%ebx, %cr3
	mov	(%esi), %eax
	vmcall
program cr0_read_si32
	mov	%ebx, %cr0
	mov	(%esi), %eax
	vmcall
program cr4_read_si32
	mov	%ebx, %cr4
	mov	(%esi), %eax
	vmcall

program int_0x80_32
	int	$0x80
	vmcall

/* 16-bit code, for L2_REAL and L2_V86: position independent. */
	.code16
	.globl l2_code16_start
l2_code16_start:
program vmcall16
1:	vmcall
	jmp	1b

program cpuid16
	cpuid
	vmcall
	.globl	l2_code16_end
l2_code16_end:
	.section .note.GNU-stack, "", @progbits
