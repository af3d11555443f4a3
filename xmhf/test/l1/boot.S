/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frame of the tests in L1, the parts in assembly: boot sector, start of the other CPUs,
 * traps, and calls of the BIOS from 32-bit code, in real mode and in virtual-8086 mode.
 */
#define CODE_32 0x08
#define DATA_32 0x10
#define CODE_16 0x18
#define DATA_16 0x20
#define CR0_PE 1
#define STACK_SIZE 4096
#define EFLAGS_V86 0x23002 /* VM, IOPL 3 */

	.section .boot, "ax"
	.code16
	.globl boot_sector
boot_sector:
	ljmp $0, $1f
1:	cli
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $0x7c00, %sp
	sti
	mov %dl, drive
1:	mov $packet, %si
	mov $0x42, %ah
	mov drive, %dl
	int $0x13
	jc 2f
	incl packet_sector
	addw $32, packet_segment
	decw packet_left
	jnz 1b
	jmp start
2:	hlt
	jmp 2b
drive:	.byte 0
	.balign 4
packet:	.byte 16, 0
	.word 1, 0
packet_segment:
	.word 0x07e0
packet_sector:
	.long 1, 0
packet_left:
	.word sectors
	.org boot_sector + 508
	.word 0 /* for spoil.c */
	.word 0xaa55

	.section .trampoline, "ax"
	.globl ap_trampoline
ap_trampoline: /* on a page boundary: where a SIPI leads */
	cli
	ljmp $0, $1f
1:	xor %ax, %ax
	mov %ax, %ds
	lgdtl gdt_pointer
	mov %cr0, %eax
	or $CR0_PE, %eax
	mov %eax, %cr0
	ljmpl $CODE_32, $ap_protected

	.text
start:
	in $0x92, %al
	or $2, %al
	out %al, $0x92
	cli
	lgdtl gdt_pointer
	mov %cr0, %eax
	or $CR0_PE, %eax
	mov %eax, %cr0
	ljmpl $CODE_32, $1f
	.code32
1:	mov $DATA_32, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %eax, %fs
	mov %eax, %gs
	mov $bss_start, %edi
	mov $bss_end, %ecx
	sub %edi, %ecx
	xor %eax, %eax
	rep stosb
	mov $stacks + STACK_SIZE, %esp
	xor %ebp, %ebp
	call frame_main
1:	hlt
	jmp 1b

ap_protected:
	mov $DATA_32, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov %eax, %fs
	mov %eax, %gs
	mov $1, %eax
	cpuid
	shr $24, %ebx
	and $15, %ebx /* the tests run on at most 16 CPUs with small ids */
	mov %ebx, %eax
	inc %eax
	shl $12, %eax
	lea stacks(%eax), %esp
	lidt idt_pointer
	xor %ebp, %ebp
	push %ebx
	call frame_ap_main
1:	hlt
	jmp 1b

	/* Traps: every vector pushes an error code, its own number, and the registers.  21 is
	 * INT 15h here, not #CP. */
	.macro trap vector
trap_\vector:
	.if !(\vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17)
	push $0
	.endif
	push $\vector
	jmp trap_common
	.endm
	.altmacro
	.set n, 0
	.rept 48
	trap %n
	.set n, n + 1
	.endr

trap_common:
	pushal
	mov $DATA_32, %eax /* from virtual-8086 mode they are 0 */
	mov %eax, %ds
	mov %eax, %es
	mov %esp, %eax
	push %eax
	cld
	call frame_trap
	add $4, %esp
	popal
	add $8, %esp
	iret

	.globl trap_entries
	.section .rodata
trap_entries:
	.set n, 0
	.macro trap_address vector
	.long trap_\vector
	.endm
	.rept 48
	trap_address %n
	.set n, n + 1
	.endr

	/* void bios_call(u32 vector, struct bios_registers *registers) in real mode */
	.text
	.globl bios_call
bios_call:
	pushal
	mov 36(%esp), %eax
	mov %al, int_number
	mov 40(%esp), %esi
	mov $registers, %edi
	mov $9, %ecx
	rep movsl
	mov %esp, saved_esp
	lidt real_idt_pointer
	ljmp $CODE_16, $1f
	.code16
1:	mov $DATA_16, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov %cr0, %eax
	and $~CR0_PE, %eax
	mov %eax, %cr0
	ljmp $0, $1f
1:	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %ss
	mov $0x7c00, %sp
	mov registers + 32, %es
	mov registers + 0, %eax
	mov registers + 4, %ebx
	mov registers + 8, %ecx
	mov registers + 12, %edx
	mov registers + 16, %esi
	mov registers + 20, %edi
	mov registers + 24, %ebp
	.byte 0xcd
int_number:
	.byte 0
	pushfl
	cli
	push %ds
	push $0
	pop %ds
	mov %eax, registers + 0
	mov %ebx, registers + 4
	mov %ecx, registers + 8
	mov %edx, registers + 12
	mov %esi, registers + 16
	mov %edi, registers + 20
	mov %ebp, registers + 24
	pop %ax
	popl registers + 28
	mov %cr0, %eax
	or $CR0_PE, %eax
	mov %eax, %cr0
	ljmpl $CODE_32, $1f
	.code32
1:	mov $DATA_32, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	mov saved_esp, %esp
	lidt idt_pointer
	mov 40(%esp), %edi
	mov $registers, %esi
	mov $9, %ecx
	rep movsl
	popal
	ret

	/* void v86_enter(u32 ip, const struct bios_registers *registers): until frame_trap()
	 * calls v86_leave(), with what the registers are then */
	.globl v86_enter, v86_leave, v86_int15
v86_enter:
	pushal
	mov 36(%esp), %eax
	mov 40(%esp), %edx
	mov %esp, saved_esp
	mov %esp, tss_esp0
	push $0 /* GS, FS, DS */
	push $0
	push $0
	pushl 32(%edx) /* ES */
	push $0 /* SS:ESP */
	push $0x7c00
	push $EFLAGS_V86
	push $0 /* CS */
	push %eax
	mov 4(%edx), %ebx
	mov 8(%edx), %ecx
	mov 16(%edx), %esi
	mov 20(%edx), %edi
	mov 24(%edx), %ebp
	pushl 0(%edx)
	mov 12(%edx), %edx
	pop %eax
	iret
v86_leave:
	mov saved_esp, %esp
	mov $DATA_32, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %fs
	mov %eax, %gs
	popal
	ret
v86_int15: /* HLT takes #GP at privilege level 3 */
	.code16
	int $0x15
	hlt
	.code32

	/* Interrupt handlers in real mode for registers.c: one that takes #GP twice and counts it in
	 * BX, and that of #GP, which goes on at resume_ip.  A real-mode #GP has no error code. */
	.globl real_mode_faults, real_mode_gp
	.code16
real_mode_faults:
	xor %bx, %bx
	movw $1f, resume_ip
	mov $0x40001234, %ecx
	rdmsr
1:	movw $1f, resume_ip
	mov %cr4, %eax
	or $0xa000, %eax /* VMXE and a reserved bit */
	mov %eax, %cr4
1:	iret
real_mode_gp:
	push %bp
	mov %sp, %bp
	inc %bx
	push %ax
	mov resume_ip, %ax
	mov %ax, 2(%bp)
	pop %ax
	pop %bp
	iret
	.code32

	/* For spoil.c: boots drive DL; copied to 0:600. */
	.globl boot_next_drive, boot_next_drive_end
boot_next_drive:
	.code16
	cli
	xor %ax, %ax
	mov %ax, %ds
	mov %ax, %es
	mov %ax, %ss
	mov $0x7c00, %sp
	mov %sp, %bx
	sti
	mov $0x0201, %ax
	mov $1, %cx
	xor %dh, %dh
	int $0x13
	jc 1f
	ljmp $0, $0x7c00
1:	hlt
	jmp 1b
boot_next_drive_end:
	.code32

	.section .rodata
real_idt_pointer:
	.word 0x3ff
	.long 0
idt_pointer:
	.word 48 * 8 - 1
	.long idt
	.data
	.balign 8
	.globl gdt
gdt:	.quad 0
	.quad 0x00cf9b000000ffff
	.quad 0x00cf93000000ffff
	.quad 0x00009b000000ffff
	.quad 0x000093000000ffff
	.quad 0 /* 28: TSS */
gdt_pointer:
	.word 6 * 8 - 1
	.long gdt
registers:
	.skip 36
saved_esp:
	.long 0
resume_ip:
	.word 0

	.bss
	.globl idt, stacks, tss, tss_esp0
	.balign 4096
stacks:	.skip 16 * STACK_SIZE
idt:	.skip 48 * 8
tss:	.skip 4
tss_esp0:
	.skip 100 + 8192 + 4

	.section .note.GNU-stack, "", @progbits
