/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start of an application processor: copied to a page below 1 MiB, entered there in real
 * mode by a SIPI, leaves in 64-bit mode with L0's page tables.  smp_hw.c fills the data.
 */
#define CR0_PE	 0x00000001
#define CR0_PG	 0x80000000
#define CR4_PAE	 0x20
#define MSR_EFER 0xc0000080
#define EFER_LME_NXE 0x900

	.section .rodata, "a"
	.globl trampoline_start, trampoline_data, trampoline_end
	.balign 16
trampoline_start:
	.code16
	cli
	cld
	xor %ebx, %ebx
	mov %cs, %bx
	mov %bx, %ds
	shl $4, %ebx /* our linear address */
	lgdtl gdt_pointer - trampoline_start
	mov %cr0, %eax
	or $CR0_PE, %eax
	mov %eax, %cr0
	ljmpl *(to_32 - trampoline_start)

	.code32
protected:
	mov $0x18, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov $CR4_PAE, %eax
	mov %eax, %cr4
	mov cr3 - trampoline_start(%ebx), %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME_NXE, %eax
	wrmsr
	mov %cr0, %eax
	and $0x9fffffff, %eax /* caches on */
	or $CR0_PG, %eax
	mov %eax, %cr0
	ljmp *(to_64 - trampoline_start)(%ebx)

	.code64
long_mode:
	mov stack - trampoline_start(%rbx), %rsp
	mov argument - trampoline_start(%rbx), %rdi
	mov entry - trampoline_start(%rbx), %rax
	xor %ebp, %ebp
	call *%rax
	ud2

	.balign 8
gdt:	.quad 0
	.quad 0x00af9b000000ffff /* 08: 64-bit code */
	.quad 0x00cf9b000000ffff /* 10: 32-bit code */
	.quad 0x00cf93000000ffff /* 18: data */
	/* struct trampoline_data */
trampoline_data:
gdt_pointer:
	.word 4 * 8 - 1
	.long gdt - trampoline_start
to_32:	.long protected - trampoline_start
	.word 0x10
to_64:	.long long_mode - trampoline_start
	.word 0x08
cr3:	.long 0
stack:	.quad 0
argument:
	.quad 0
entry:	.quad 0
trampoline_end:

	.section .note.GNU-stack, "", @progbits
