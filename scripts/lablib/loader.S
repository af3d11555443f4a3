/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A boot sector that loads one Multiboot image and starts it, with its command line and the
 * BIOS' memory map: what GRUB does in sixty million instructions, in half a million.  The lab
 * writes the numbers at `parameters` and the command line into sectors 1 to 8.
 */
#define CMDLINE	   0x6000
#define INFO	   0x5000
#define MAP	   0x5100
#define BUFFER	   0x10000
#define CHUNK	   64 /* sectors */
#define FLAGS	   0x46 /* boot device, command line, memory map */

	.code16
	.globl	_start
_start:
	jmp	start
	.org	8
parameters:
first:	.long	0 /* sector */
count:	.long	0 /* of sectors, a multiple of CHUNK */
load:	.long	0 /* address */
bss:	.long	0
words:	.long	0 /* of bss */
entry:	.long	0

packet:	.byte	16, 0
	.word	8, 0, CMDLINE / 16
lba:	.long	1, 0

gdt:	.quad	0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdt_pointer:
	.word	. - gdt - 1
	.long	gdt

/* Reads the packet's sectors; DL is the drive. */
read:	mov	drive, %dl
	mov	$packet, %si
	mov	$0x42, %ah
	int	$0x13
	jc	halt
	ret
halt:	hlt
	jmp	halt

/* DS and ES reach 4 GiB from now to the next BIOS call. */
flat:	cli
	lgdtl	gdt_pointer
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	mov	$16, %bx
	mov	%bx, %ds
	mov	%bx, %es
	and	$0xfe, %al
	mov	%eax, %cr0
	ret

start:	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	mov	%ax, %ss
	mov	$0x5000, %sp
	mov	%dl, drive
	mov	%dl, INFO + 15
	in	$0x92, %al
	or	$2, %al
	and	$0xfe, %al
	out	%al, $0x92
	call	read
	mov	first, %eax
	mov	%eax, lba
	movw	$CHUNK, packet + 2
	movw	$BUFFER / 16, packet + 6
	mov	load, %edi
1:	push	%edi
	call	read
	pop	%edi
	call	flat
	mov	$BUFFER, %esi
	mov	$CHUNK * 512 / 4, %ecx
	rep movsl (%esi), (%edi)
	xor	%ax, %ax
	mov	%ax, %ds
	mov	%ax, %es
	sti
	addl	$CHUNK, lba
	subl	$CHUNK, count
	jnz	1b

	mov	$MAP, %di
	xor	%ebx, %ebx
2:	movl	$20, (%di)
	add	$4, %di
	mov	$0xe820, %eax
	mov	$0x534d4150, %edx
	mov	$20, %ecx
	int	$0x15
	jc	3f
	add	$20, %di
	test	%ebx, %ebx
	jnz	2b
	add	$4, %di
3:	sub	$MAP + 4, %di
	movl	$FLAGS, INFO
	movl	$CMDLINE, INFO + 16
	movzwl	%di, %edi
	mov	%edi, INFO + 44
	movl	$MAP, INFO + 48

	cli
	lgdtl	gdt_pointer
	mov	%cr0, %eax
	or	$1, %al
	mov	%eax, %cr0
	ljmpl	$8, $protected
	.code32
protected:
	mov	$16, %eax
	mov	%eax, %ds
	mov	%eax, %es
	mov	%eax, %fs
	mov	%eax, %gs
	mov	%eax, %ss
	mov	bss, %edi
	mov	words, %ecx
	xor	%eax, %eax
	rep stosl
	mov	$0x2badb002, %eax
	mov	$INFO, %ebx
	jmp	*entry

drive:	.byte	0
	.org	510
	.byte	0x55, 0xaa
