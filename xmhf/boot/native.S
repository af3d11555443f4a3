/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * void native_boot(u32 segment, u32 address): leaves 64-bit mode and starts the boot sector as the
 * BIOS would, by the 16-bit stub in @segment; @address is bios_stub_to_real_mode there.  The code runs from a copy in low memory,
 * which the loader's page tables map 1:1.
 */
#define LOW_COPY 0x8000

	.text
	.code64
	.globl native_boot
native_boot:
	mov %edi, %ebx
	mov %esi, %ebp
	lea low_start(%rip), %rsi
	mov $LOW_COPY, %edi
	mov $(low_end - low_start), %ecx
	rep movsb
	mov $LOW_COPY, %eax
	jmp *%rax

low_start:
	lgdt LOW_COPY + gdt_pointer - low_start
	mov $LOW_COPY, %esp
	push $0x08
	push $(LOW_COPY + compatibility - low_start)
	lretq
	.code32
compatibility:
	mov $0x18, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	mov %eax, %ss
	mov %cr0, %eax
	and $0x7fffffff, %eax
	mov %eax, %cr0
	mov $0xc0000080, %ecx
	xor %eax, %eax
	xor %edx, %edx
	wrmsr
	mov %eax, %cr3
	mov %eax, %cr4
	lidt LOW_COPY + real_mode_idt - low_start
	mov %ebp, LOW_COPY + far_pointer - low_start
	ljmp *(LOW_COPY + far_pointer - low_start)
	.balign 8
gdt:	.quad 0
	.quad 0x00cf9b000000ffff /* 08: 32-bit code */
	.quad 0x000f9b000000ffff /* 10: 16-bit code, 1 MiB limit with byte granularity */
	.quad 0x000093000000ffff /* 18: data, 64 KiB */
gdt_pointer:
	.word 4 * 8 - 1
	.quad LOW_COPY + gdt - low_start
real_mode_idt:
	.word 0x3ff
	.long 0
far_pointer:
	.long 0
	.word 0x10
low_end:

	.section .note.GNU-stack, "", @progbits
