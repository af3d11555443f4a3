/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The small guests.  guest16, guest32 and guest64 are one program in three modes: ports, CPUID,
 * MMIO, a string to a port, HLT until the timer has interrupted ten times.  guest_ipi runs on two
 * CPUs that wake each other; guest_rounds and guest_watch look at a memory slot that comes and goes.
 */
#include "guests.h"

	.section .rodata

	.macro begin name
	.globl	\name, \name\()_handler, \name\()_end
\name:
	.endm

	.macro guest bits
	.code\bits
	begin	guest\bits
	inl	$PORT_QUESTION, %eax
	outl	%eax, $PORT_ANSWER
	movl	$CPUID_LEAF, %eax
	cpuid
	movl	%ebx, %eax
	outl	%eax, $PORT_CPUID
	movl	$MMIO_WRITTEN, %fs:8
	movl	%fs:16, %eax
	outl	%eax, $PORT_MMIO
	cld
	movl	$GUEST_TEXT, %esi
	movl	$TEXT_BYTES, %ecx
	movw	$PORT_TEXT, %dx
	rep outsb
	/* Interrupt controller: vectors from TIMER_VECTOR, all but the timer masked. */
	movb	$0x11, %al
	outb	%al, $0x20
	movb	$TIMER_VECTOR, %al
	outb	%al, $0x21
	movb	$4, %al
	outb	%al, $0x21
	movb	$1, %al
	outb	%al, $0x21
	movb	$0xfe, %al
	outb	%al, $0x21
	/* Timer 0: a rate generator. */
	movb	$0x34, %al
	outb	%al, $0x43
	movb	$(TIMER_COUNT & 0xff), %al
	outb	%al, $0x40
	movb	$(TIMER_COUNT >> 8), %al
	outb	%al, $0x40
	sti
1:	hlt
	cmpl	$TIMER_TICKS, WORD_TICKS
	jb	1b
	cli
	xorl	%eax, %eax
	outb	%al, $PORT_DONE
2:	hlt
	jmp	2b
guest\bits\()_handler:
	.if \bits == 64
	pushq	%rax
	.else
	pushl	%eax
	.endif
	incl	WORD_TICKS
	cmpl	$TIMER_TICKS, WORD_TICKS
	jb	3f
	/* Enough: where an interrupt takes longer than a tick of the timer, the next one would always come first. */
	movb	$0xff, %al
	outb	%al, $0x21
3:	movb	$0x20, %al
	outb	%al, $0x20
	.if \bits == 64
	popq	%rax
	iretq
	.else
	popl	%eax
	iret
	.endif
guest\bits\()_end:
	.endm

	guest	16
	guest	32
	guest	64

/* EDI: this CPU's number, 0 or 1.  CPU 0 begins; each sends the other an IPI for each it got. */
#define APIC	   0xfee00000
#define APIC_EOI   0xb0
#define APIC_SVR   0xf0
#define APIC_ICR   0x300
#define APIC_ICR2  0x310
#define SVR_ENABLE 0x1ff

	.code64
	begin	guest_ipi
	movl	$APIC, %ebx
	movl	$SVR_ENABLE, APIC_SVR(%rbx)
	/* An IPI to an APIC that is off would be lost. */
	lock incl WORD_READY
	sti
5:	pause
	cmpl	$2, WORD_READY
	jne	5b
	movl	%edi, %esi
	xorl	$1, %esi
	shll	$24, %esi
	movl	$1, %ecx
	testl	%edi, %edi
	jnz	2f
1:	movl	%esi, APIC_ICR2(%rbx)
	movl	$IPI_VECTOR, APIC_ICR(%rbx)
	cmpl	$(IPI_ROUNDS + 1), %ecx
	je	4f
2:	cli
	cmpl	%ecx, WORD_IPIS(, %rdi, 4)
	jae	3f
	sti
	hlt
	jmp	2b
3:	incl	%ecx
	cmpl	$(IPI_ROUNDS + 1), %ecx
	jb	1b
	testl	%edi, %edi
	jnz	1b
	xorl	%eax, %eax
	outb	%al, $PORT_DONE
4:	sti
	hlt
	jmp	4b
guest_ipi_handler:
	incl	WORD_IPIS(, %rdi, 4)
	movl	$0, APIC_EOI(%rbx)
	iretq
guest_ipi_end:

/* Sums the first words of all pages and writes to each page; the monitor answers each round. */
	begin	guest_rounds
1:	movl	$SLOT_ADDRESS, %esi
	xorl	%eax, %eax
2:	addl	(%rsi), %eax
	movl	%eax, 4(%rsi)
	addl	$4096, %esi
	cmpl	$(SLOT_ADDRESS + SLOT_PAGES * 4096), %esi
	jb	2b
	outl	%eax, $PORT_ROUND
	jmp	1b
guest_rounds_handler:
guest_rounds_end:

/* Counts pages that hold less than the epoch that was read before them; what is not there reads
   as ones.  Writes to every page what the monitor looks for in pages that it took away. */
	begin	guest_watch
	sti	/* Bochs 3.0 keeps interrupts of L1 that are pending at an entry with IF = 0 */
1:	movl	$SLOT_ADDRESS, %esi
2:	movl	WORD_EPOCH, %ecx
	movl	(%rsi), %eax
	cmpl	%ecx, %eax
	jae	3f
	incl	WORD_STALE
3:	movl	%ecx, 4(%rsi)
	addl	$4096, %esi
	cmpl	$(SLOT_ADDRESS + SLOT_PAGES * 4096), %esi
	jb	2b
	incl	WORD_PASSES
	cmpl	$0, WORD_STOP
	je	1b
	xorl	%eax, %eax
	outb	%al, $PORT_DONE
4:	hlt
	jmp	4b
guest_watch_handler:
guest_watch_end:

	.section .note.GNU-stack, "", @progbits
