/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loadable file: Multiboot 1 and 2 headers, and the 32-bit code that switches to
 * long mode and jumps to the 64-bit image behind it.  Temporary page tables map the
 * first 4 GiB at 0 and at PHYSMAP_BASE, and the image at IMAGE_BASE; boot_main() soon
 * replaces them.  Runs once, on the boot CPU, wherever the boot loader put it.
 */
#define MULTIBOOT1_MAGIC 0x1badb002
#define MULTIBOOT1_FLAGS 0x00000003 /* modules on page boundaries; memory information */
#define MULTIBOOT2_MAGIC 0xe85250d6

#define PTE_P_W	   0x003
#define PTE_P_W_PS 0x083
#define CR0_PG	   0x80000000
#define CR4_PAE	   0x20
#define MSR_EFER   0xc0000080
#define EFER_LME   0x100

	.section .multiboot, "a"
	.align 8
multiboot2_header:
	.long MULTIBOOT2_MAGIC
	.long 0 /* i386, protected mode */
	.long multiboot2_end - multiboot2_header
	.long -(MULTIBOOT2_MAGIC + 0 + (multiboot2_end - multiboot2_header))
	.word 0, 0 /* end tag */
	.long 8
multiboot2_end:
	.align 4
multiboot1_header:
	.long MULTIBOOT1_MAGIC
	.long MULTIBOOT1_FLAGS
	.long -(MULTIBOOT1_MAGIC + MULTIBOOT1_FLAGS)

	.section .text, "ax"
	.code32
	.globl _start
_start:
	cli
	cld
	mov $stack_top, %esp
	mov %eax, %ebp /* the boot loader's magic; CPUID leaves EBP alone */
	mov %ebx, %esi /* its information structure */

	mov $0x80000000, %eax
	cpuid
	cmp $0x80000001, %eax
	jb no_long_mode
	mov $0x80000001, %eax
	cpuid
	test $(1 << 29), %edx
	jz no_long_mode

	/* Four page directories of 2 MiB pages: the first 4 GiB. */
	mov $directories, %edi
	mov $PTE_P_W_PS, %eax
	xor %edx, %edx
	mov $2048, %ecx
1:	mov %eax, (%edi)
	mov %edx, 4(%edi)
	add $0x200000, %eax
	add $8, %edi
	loop 1b
	mov $directories + PTE_P_W, %eax
	mov %eax, pdpt_low
	add $0x1000, %eax
	mov %eax, pdpt_low + 8
	add $0x1000, %eax
	mov %eax, pdpt_low + 16
	add $0x1000, %eax
	mov %eax, pdpt_low + 24
	/* One page table: the image, of at most 2 MiB, at -2 GiB. */
	mov $image_table, %edi
	mov $image + PTE_P_W, %eax
	mov $512, %ecx
1:	mov %eax, (%edi)
	movl $0, 4(%edi)
	add $0x1000, %eax
	add $8, %edi
	loop 1b
	movl $image_table + PTE_P_W, image_directory
	movl $image_directory + PTE_P_W, pdpt_high + 510 * 8
	movl $pdpt_low + PTE_P_W, pml4
	movl $pdpt_low + PTE_P_W, pml4 + 256 * 8
	movl $pdpt_high + PTE_P_W, pml4 + 511 * 8

	mov %cr4, %eax
	or $CR4_PAE, %eax
	mov %eax, %cr4
	mov $pml4, %eax
	mov %eax, %cr3
	mov $MSR_EFER, %ecx
	rdmsr
	or $EFER_LME, %eax
	wrmsr
	mov %cr0, %eax
	or $CR0_PG, %eax
	mov %eax, %cr0
	lgdt gdt_pointer
	mov $0x10, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %ebp, %edi
	/* image_entry: EDI = magic, ESI = physical address of the information */
	ljmp $0x08, $image

no_long_mode:
	mov $no_long_mode_text, %esi
	mov $0x3fd, %edx
1:	in %dx, %al
	test $0x20, %al
	jz 1b
	lodsb
	test %al, %al
	jz 2f
	mov $0x3f8, %edx
	out %al, %dx
	mov $0x3fd, %edx
	jmp 1b
2:	hlt
	jmp 2b

	.section .rodata, "a"
no_long_mode_text:
	.asciz "xmhf-nest: this processor has no 64-bit mode; remove xmhf-nest from the boot menu entry\r\nLAB-RESULT fail 0/1\r\n"
	.align 8
gdt:
	.quad 0
	.quad 0x00af9b000000ffff /* 64-bit code */
	.quad 0x00cf93000000ffff /* data */
gdt_pointer:
	.word gdt_pointer - gdt - 1
	.long gdt

	.section .image, "aw"
	.globl image
image:
	.incbin IMAGE

	.section .bss, "aw", @nobits
	.align 4096
pml4:
	.skip 4096
pdpt_low:
	.skip 4096
pdpt_high:
	.skip 4096
directories:
	.skip 4 * 4096
image_directory:
	.skip 4096
image_table:
	.skip 4096
	.skip 256
stack_top:
