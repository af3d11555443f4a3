/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 16-bit code that L0 puts into one KiB at the top of base memory, in a segment of its
 * own: the hook of INT 15h, and the start of L1's boot sector.  It is position
 * independent; L0 fills the words of struct bios_stub_data at its start.
 */
	.section .rodata, "a"
	.code16
	.globl bios_stub_start, bios_stub_end, bios_stub_int15, bios_stub_int15_done
	.globl bios_stub_int15_entry
	.globl bios_stub_boot, bios_stub_to_real_mode

bios_stub_start:
data:	/* struct bios_stub_data */
old_int15:
	.word 0, 0 /* offset, segment */
drive:	.byte 0
carry:	.byte 0
size:	.word 0
serial:	.word 0
	.word 0
bytes:	.skip 24

	/* L0 handles VMCALL: either it moves on to the jump, or it has filled carry, size and
	 * bytes and goes on at bios_stub_int15_done. */
bios_stub_int15:
	vmcall
	ljmp *%cs:(old_int15 - data)
bios_stub_int15_done:
	push %ds
	push %si
	push %di
	push %cx
	push %cs
	pop %ds
	mov $(bytes - data), %si
	mov size - data, %cx
	cld
	rep movsb
	pop %cx
	pop %di
	pop %si
	pop %ds
	push %bp
	mov %sp, %bp
	push %ax
	mov %cs:(carry - data), %al
	andb $0xfe, 6(%bp)
	orb %al, 6(%bp) /* CF of the flags that IRET pops */
	pop %ax
	pop %bp
	iret

	/* Where the vector points: only the functions of int15.c go to VMCALL.  With a
	 * hypervisor like this one in L1 as well, its L1's other calls end here, too, and that
	 * hypervisor would be asked for a VMCALL it does not know. */
bios_stub_int15_entry:
	pushf
	cmp $0xe820, %ax
	je 1f
	cmp $0xe801, %ax
	je 1f
	cmp $0xe881, %ax
	je 1f
	cmp $0xda88, %ax
	je 1f
	cmp $0x88, %ah
	je 1f
	cmp $0x8a, %ah
	je 1f
	cmp $0xc7, %ah
	je 1f
	popf
	ljmp *%cs:(old_int15 - data)
1:	popf
	jmp bios_stub_int15

	/* Reads the first sector of the drive to 0:7C00 and jumps there, as the BIOS would. */
bios_stub_boot:
	cli
	xor %ax, %ax
	mov %ax, %ss
	mov $0x7c00, %sp
	mov %ax, %es
	push %cs
	pop %ds
	sti
	cld
	mov $(no_drive - data), %si
	mov $0x0201, %ax
	mov $0x7c00, %bx
	mov $0x0001, %cx
	xor %dh, %dh
	mov drive - data, %dl
	int $0x13
	jc fail
	mov $(no_signature - data), %si
	cmpw $0xaa55, %es:0x7dfe
	jne fail
	mov drive - data, %dl
	xor %ax, %ax
	mov %ax, %ds
	ljmp $0, $0x7c00

fail:	/* DS:SI: the message, to the screen and the serial port */
	lodsb
	test %al, %al
	jz stop
	push %si
	mov $0x0e, %ah
	mov $7, %bx
	int $0x10
	pop %si
	mov serial - data, %dx
	test %dx, %dx
	jz fail
	mov %al, %bl
	add $5, %dx
1:	in %dx, %al
	test $0x20, %al
	jz 1b
	sub $5, %dx
	mov %bl, %al
	out %al, %dx
	jmp fail
stop:	hlt
	jmp stop

no_drive:
	.asciz "\r\nxmhf-nest: the BIOS cannot read L1's boot sector: no such drive? (option boot_drive=)\r\nLAB-RESULT fail 0/1\r\n"
no_signature:
	.asciz "\r\nxmhf-nest: L1's boot sector has no signature 55AA: the drive is not bootable (option boot_drive=)\r\nLAB-RESULT fail 0/1\r\n"

	/* From 32-bit code without paging to bios_stub_boot in real mode; enters with CS a
	 * 16-bit code segment and data segments of 64 KiB, both with base 0.  BX = this
	 * segment. */
bios_stub_to_real_mode:
	mov %cr0, %eax
	and $0xfffffffe, %eax
	mov %eax, %cr0
	push %bx
	pushw $(bios_stub_boot - data)
	lret
bios_stub_end:

	.section .note.GNU-stack, "", @progbits
