/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multiboot headers, the way from the loader's 32-bit state to C, and the way of an
 * application processor from SIPI to C.  Both widths.
 */
#include "lhv/boot/layout.h"

#define MULTIBOOT1_MAGIC 0x1badb002
#define MULTIBOOT1_FLAGS 0x00000003
#define MULTIBOOT2_MAGIC 0xe85250d6

#define CR0_BASE 0x00010033 /* PE, MP, ET, NE, WP */
#define CR0_PG   0x80000000
#define CR4_PAE  0x00000020
#define EFER     0xc0000080
#define EFER_LME 0x00000100

	.section .multiboot, "a"
	.balign 8
	.long MULTIBOOT1_MAGIC, MULTIBOOT1_FLAGS, -(MULTIBOOT1_MAGIC + MULTIBOOT1_FLAGS)
	.balign 8
multiboot2_header:
	.long MULTIBOOT2_MAGIC, 0, multiboot2_header_end - multiboot2_header
	.long -(MULTIBOOT2_MAGIC + multiboot2_header_end - multiboot2_header)
	.word 0, 0
	.long 8
multiboot2_header_end:

	.text
	.code32
	.globl start
start:
	cli
	cld
	mov	%eax, boot_magic
	mov	%ebx, boot_information
	mov	$(boot_stack + STACK_SIZE), %esp
	lgdtl	boot_gdt_pointer
#ifdef __x86_64__
	call	build_identity_map
	mov	$identity_pml4, %eax
	mov	%eax, boot_cr3
#endif
	mov	%esp, boot_stack_pointer
	movl	$boot_main, boot_entry
	ljmp	$SELECTOR_CODE32, $enter_c

/* Common to all CPUs: protected mode without paging, GDT loaded. */
enter_c:
	mov	$SELECTOR_DATA, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %ss
	mov	%eax, %fs
	mov	%eax, %gs
	mov	boot_stack_pointer, %esp
#ifdef __x86_64__
	mov	$CR4_PAE, %eax
	mov	%eax, %cr4
	mov	boot_cr3, %eax
	mov	%eax, %cr3
	mov	$EFER, %ecx
	rdmsr
	or	$EFER_LME, %eax
	wrmsr
	mov	$(CR0_BASE | CR0_PG), %eax
	mov	%eax, %cr0
	ljmp	$SELECTOR_CODE, $enter_c64
	.code64
enter_c64:
	mov	boot_stack_pointer, %rsp
	mov	boot_entry, %eax
	xor	%ebp, %ebp
	call	*%rax
#else
	mov	$CR0_BASE, %eax
	mov	%eax, %cr0
	xor	%ebp, %ebp
	call	*boot_entry
#endif
1:	cli
	hlt
	jmp	1b

#ifdef __x86_64__
	.code32
/* 4 GiB by 2 MiB pages: present, writable, user, large. */
build_identity_map:
	movl	$(identity_pdpt + 7), identity_pml4
	mov	$identity_pdpt, %edi
	mov	$(identity_pd + 7), %eax
	mov	$4, %ecx
1:	mov	%eax, (%edi)
	add	$8, %edi
	add	$4096, %eax
	loop	1b
	mov	$identity_pd, %edi
	mov	$0x87, %eax
	mov	$2048, %ecx
2:	mov	%eax, (%edi)
	add	$8, %edi
	add	$0x200000, %eax
	loop	2b
	ret
#endif

/* Copied to TRAMPOLINE; an application processor starts here in real mode. */
	.code16
	.globl trampoline_start
trampoline_start:
	cli
	cld
	xor	%ax, %ax
	mov	%ax, %ds
	lgdtl	(trampoline_gdt_pointer - trampoline_start + TRAMPOLINE)
	mov	%cr0, %eax
	and	$0x1fffffff, %eax /* caches on, no paging */
	or	$1, %eax
	mov	%eax, %cr0
	ljmpl	$SELECTOR_CODE32, $enter_c
	.balign 4
trampoline_gdt_pointer:
	.word	GDT_BYTES - 1
	.long	gdt
	.globl trampoline_end
trampoline_end:

	/* for RIP-relative operands */
	.globl operand_at
	.set operand_at, OPERAND

	.data
	.balign 8
boot_gdt_pointer:
	.word	GDT_BYTES - 1
	.long	gdt
	.balign 16
	.globl gdt
gdt:
	.quad	0
#ifdef __x86_64__
	.quad	DESCRIPTOR_CODE64
#else
	.quad	DESCRIPTOR_CODE32
#endif
	.quad	DESCRIPTOR_DATA, DESCRIPTOR_CODE32
	.quad	DESCRIPTOR_USER_CODE32, DESCRIPTOR_USER_DATA
#ifdef __x86_64__
	.quad	DESCRIPTOR_USER_CODE64
#else
	.quad	DESCRIPTOR_USER_CODE32
#endif
	.quad	DESCRIPTOR_CODE16, DESCRIPTOR_DATA16
	.fill	GDT_BYTES - (. - gdt), 1, 0

	.balign 8
	.globl boot_magic, boot_information, boot_stack_pointer, boot_entry, boot_cr3
boot_magic:		.long 0
boot_information:	.long 0
boot_stack_pointer:	.quad 0
boot_entry:		.quad 0
boot_cr3:		.quad 0

	.bss
	.balign 4096
#ifdef __x86_64__
	.globl identity_pml4, identity_pdpt, identity_pd
identity_pml4:	.skip 4096
identity_pdpt:	.skip 4096
identity_pd:	.skip 4096 * 4
#endif
	.balign 16
	.globl boot_stack
boot_stack:	.skip STACK_SIZE
	.section .note.GNU-stack, "", @progbits
