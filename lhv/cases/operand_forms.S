/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory and register operands of VMX instructions in every form.
 * Memory: uptr form(uptr address, uptr other): executes the instruction on the operand at
 * @address, with @other in its register operand, and returns RFLAGS.  Registers:
 * uptr form(uptr encoding, uptr *value).  The tables operand_forms and register_forms say
 * which there are; operands.c has their types.
 */
#include "lhv/boot/layout.h"

#ifdef __x86_64__
#define W .quad
#define BYTES 8
#define AX %rax
#define CX %rcx
#define DX %rdx
#define SP %rsp
#define DI %rdi
#else
#define W .long
#define BYTES 4
#define AX %eax
#define CX %ecx
#define DX %edx
#define SP %esp
#define DI %edi
#endif

	.set	operand_segment, OPERAND_SEGMENT /* for strings, which are not preprocessed */
	.text

/* The arguments to AX and DX; interrupts off, since a form may use the stack pointer. */
	.macro	enter
	pushf
	cli
#ifdef __x86_64__
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, %rax
	mov	%rsi, %rdx
#else
	push	%ebx
	push	%ebp
	push	%esi
	push	%edi
	mov	24(%esp), %eax
	mov	28(%esp), %edx
#endif
	.endm

	.macro	leave_
	pushf
	pop	AX
#ifdef __x86_64__
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
#else
	pop	%edi
	pop	%esi
	pop	%ebp
	pop	%ebx
#endif
	popf
	ret
	.endm

	.macro	one_instruction number, setup, undo, insn:vararg
\number:
	enter
	\setup
	\insn
	\undo
	leave_
	.endm

/*
 * A form: @setup computes from the address in AX, @undo gives the stack pointer back.  One
 * function for each instruction with a memory operand, in the order of enum operation.
 */
	.macro	full_form prefix, name, setup, undo, operand:vararg
	one_instruction 1, "\setup", "\undo", \prefix vmptrst \operand
	one_instruction 2, "\setup", "\undo", \prefix vmread DX, \operand
	one_instruction 3, "\setup", "\undo", \prefix vmptrld \operand
	one_instruction 4, "\setup", "\undo", \prefix vmclear \operand
	one_instruction 5, "\setup", "\undo", \prefix vmxon \operand
	one_instruction 6, "\setup", "\undo", \prefix vmwrite \operand, DX
	one_instruction 7, "\setup", "\undo", \prefix invept \operand, DX
	one_instruction 8, "\setup", "\undo", \prefix invvpid \operand, DX
	.pushsection .rodata
9:	.asciz	"\name"
	.popsection
	.pushsection .data
	W	9b, 1b, 2b, 3b, 4b, 5b, 6b, 7b, 8b
	.popsection
	.endm

	.macro	form name, setup, operand:vararg
	full_form "", \name, "\setup", "", \operand
	.endm

	.data
	.balign	16
	.globl	operand_forms, operand_forms_end
operand_forms:
	.text

#ifdef __x86_64__
	form	base, "mov %rax, %rbx", (%rbx)
	form	stack_base, "mov %rax, %rbp", (%rbp)
	form	fs, "lea -operand_segment(%rax), %rbx", %fs:(%rbx)
	form	gs, "", %gs:OPERAND - OPERAND_SEGMENT
	form	fs_disp, "mov $0x80, %ebx", %fs:OPERAND - OPERAND_SEGMENT - 0x80(%rbx)
	form	gs_address_32, "lea -operand_segment + 0x10(%eax), %ebx", %gs:-0x10(%ebx)
	form	disp8, "lea -0x10(%rax), %rcx", 0x10(%rcx)
	form	disp8_negative, "lea 0x70(%rax), %rsi", -0x70(%rsi)
	form	disp32, "lea -0x12345(%rax), %rdi", 0x12345(%rdi)
	form	absolute, "", OPERAND
	form	rip, "", operand_at(%rip)
	form	eip, "", operand_at(%eip)
	form	base_index, "mov $0x100, %ecx; lea -0x100(%rax), %r15", (%r15,%rcx)
	form	base_index_2, "mov $0x80, %ecx; lea -0x100(%rax), %rdi", (%rdi,%rcx,2)
	form	base_index_4_disp, "mov $-0x40, %r14; lea 0x100 - 0x20(%rax), %r11", 0x20(%r11,%r14,4)
	form	base_index_8, "mov $0x20, %r9d; lea -0x100(%rax), %rbx", (%rbx,%r9,8)
	form	index_only, "mov %rax, %r10; shr $3, %r10", 0(,%r10,8)
	form	rbp_rax_index, "lea -0x1000(%rax), %rbp; mov $0x200, %eax", (%rbp,%rax,8)
	form	r13_rbp_index, "lea -0x1000(%rax), %r13; mov $0x800, %ebp", (%r13,%rbp,2)
	form	r12, "mov %rax, %r12", (%r12)
	form	r13, "mov %rax, %r13", (%r13)
	form	r14_disp, "lea -0x7f(%rax), %r14", 0x7f(%r14)
	form	r8_r12_index, "mov $4, %r12d; lea -32(%rax), %r8", (%r8,%r12,8)
	form	r9_r15_index, "mov $-4, %r15; lea 32(%rax), %r9", (%r9,%r15,8)
	full_form "", rsp, "mov %rsp, %rbp; lea -8(%rax), %rsp", "mov %rbp, %rsp", 8(%rsp)
	full_form "", rsp_index, "mov %rsp, %rbp; lea -0x40(%rax), %rsp; mov $8, %r10d", "mov %rbp, %rsp", (%rsp,%r10,8)
	form	address_32, "mov %eax, %ebx; mov $0x5a5a5a5a00000000, %rcx; or %rcx, %rbx", (%ebx)
	form	address_32_wraps, "lea 0x10(%eax), %ebx", -0x10(%ebx)
	form	address_32_index, "mov $-0x40, %ecx; lea 0x100(%eax), %ebx", (%ebx,%ecx,4)
	form	es_ignored, "mov %rax, %rbx", %es:(%rbx)
#else
	form	base, "mov %eax, %ebx", (%ebx)
	form	stack_base, "mov %eax, %ebp", (%ebp)
	form	fs, "lea -operand_segment(%eax), %ebx", %fs:(%ebx)
	form	gs, "", %gs:OPERAND - OPERAND_SEGMENT
	form	fs_disp, "mov $0x80, %ebx", %fs:OPERAND - OPERAND_SEGMENT - 0x80(%ebx)
	form	es, "mov %eax, %ebx", %es:(%ebx)
	form	ss, "mov %eax, %ebx", %ss:(%ebx)
	form	ds_ebp, "mov %eax, %ebp", %ds:(%ebp)
	form	disp8, "lea -0x10(%eax), %ecx", 0x10(%ecx)
	form	disp32, "lea -0x12345(%eax), %esi", 0x12345(%esi)
	form	absolute, "", OPERAND
	form	base_index_2, "mov $0x80, %ecx; lea -0x100(%eax), %edi", (%edi,%ecx,2)
	form	base_index_4_disp, "mov $-0x40, %ecx; lea 0x100 - 0x20(%eax), %ebx", 0x20(%ebx,%ecx,4)
	form	index_only, "mov %eax, %edi; shr $3, %edi", 0(,%edi,8)
	form	ebp_eax_index, "lea -0x1000(%eax), %ebp; mov $0x200, %eax", (%ebp,%eax,8)
	full_form "", esp, "mov %esp, %ebp; lea -8(%eax), %esp", "mov %ebp, %esp", 8(%esp)
	full_form "", esp_index, "mov %esp, %ebp; lea -0x40(%eax), %esp; mov $8, %ecx", "mov %ebp, %esp", (%esp,%ecx,8)
	form	wraps, "lea 0x10(%eax), %esi", 0xfffffff0(%esi)
	form	bx_si, "lea 0x5a5a0000 - 0x123(%eax), %ebx; mov $0x5a5a0123, %esi", (%bx,%si)
	form	bx_di, "lea -0x456(%eax), %ebx; mov $0x446, %edi", 0x10(%bx,%di)
	form	bp_si, "lea -0x1234(%eax), %ebp; mov $0x34, %esi", 0x1200(%bp,%si)
	form	bp_di, "mov %eax, %ebp; mov $0x5a5a0000, %edi", (%bp,%di)
	form	si, "mov %eax, %esi", (%si)
	form	di, "lea 0x10(%eax), %edi", -0x10(%di)
	form	bp, "mov %eax, %ebp", 0(%bp)
	form	bx, "mov %eax, %ebx", (%bx)
	full_form "addr16", disp16, "", "", OPERAND
	form	bx_si_wraps, "lea 0x7000(%eax), %ebx; mov $0x9000, %esi", (%bx,%si)
	form	bx_wraps, "lea 0x8000(%eax), %ebx", -0x8000(%bx)
	form	fs_bx, "lea -operand_segment(%eax), %ebx", %fs:(%bx)
#endif
	.data
operand_forms_end:

/*
 * Register operands: VMREAD into and VMWRITE from @value, the encoding in @field.  Either
 * may be the stack pointer, which waits in @keep.
 */
	.macro	register_form value, field, keep
1:	enter
	push	DX
	push	AX
	mov	SP, %\keep
	mov	(%\keep), %\field
	vmread	%\field, %\value
	mov	%\value, AX
	mov	%\keep, SP
	lea	BYTES(SP), SP
	pop	CX
	mov	AX, (CX)
	leave_
2:	enter
	push	AX
	push	(DX)
	mov	SP, %\keep
	mov	(%\keep), %\value
	mov	BYTES(%\keep), %\field
	vmwrite	%\value, %\field
	mov	%\keep, SP
	lea	2 * BYTES(SP), SP
	leave_
	.pushsection .rodata
3:	.asciz	"\value, \field"
	.popsection
	.pushsection .data
	W	3b, 1b, 2b
	.popsection
	.endm

	.data
	.balign	16
	.globl	register_forms, register_forms_end
register_forms:
	.text
#ifdef __x86_64__
	register_form rax, rbx, rbp
	register_form rbx, rcx, rbp
	register_form rcx, rdx, rbp
	register_form rdx, rbp, rbx
	register_form rbp, rsi, rbx
	register_form rsi, rdi, rbx
	register_form rdi, rsp, rbx
	register_form rsp, r8, rbx
	register_form r8, r9, rbx
	register_form r9, r10, rbx
	register_form r10, r11, rbx
	register_form r11, r12, rbx
	register_form r12, r13, rbx
	register_form r13, r14, rbx
	register_form r14, r15, rbx
	register_form r15, rax, rbx
#else
	register_form eax, ebx, ebp
	register_form ebx, ecx, ebp
	register_form ecx, edx, ebp
	register_form edx, ebp, ebx
	register_form ebp, esi, ebx
	register_form esi, edi, ebx
	register_form edi, esp, ebx
	register_form esp, eax, ebx
#endif
	.data
register_forms_end:

	.text
/* One instruction each, then INT 0x40: for user mode and compatibility mode, 16 bytes apart. */
	.macro	bare name, insn:vararg
	.balign	16
	\insn
	int	$0x40
	.endm
	.balign	16
	.globl	bare_instructions
bare_instructions:
#ifdef __x86_64__
	bare	vmxon, vmxon (%rsp)
	bare	vmxoff, vmxoff
	bare	vmptrld, vmptrld (%rsp)
	bare	vmptrst, vmptrst (%rsp)
	bare	vmclear, vmclear (%rsp)
	bare	vmread, vmread %rax, %rbx
	bare	vmwrite, vmwrite %rax, %rbx
	bare	vmlaunch, vmlaunch
	bare	vmresume, vmresume
	bare	invept, invept (%rsp), %rax
	bare	invvpid, invvpid (%rsp), %rax
	bare	vmcall, vmcall
#else
	bare	vmxon, vmxon (%esp)
	bare	vmxoff, vmxoff
	bare	vmptrld, vmptrld (%esp)
	bare	vmptrst, vmptrst (%esp)
	bare	vmclear, vmclear (%esp)
	bare	vmread, vmread %eax, %ebx
	bare	vmwrite, vmwrite %eax, %ebx
	bare	vmlaunch, vmlaunch
	bare	vmresume, vmresume
	bare	invept, invept (%esp), %eax
	bare	invvpid, invvpid (%esp), %eax
	bare	vmcall, vmcall
#endif

/* void compatibility_call(const void *code): what it executes ends by a fault or INT. */
	.globl	compatibility_call
compatibility_call:
#ifdef __x86_64__
	push	$SELECTOR_CODE32
	push	%rdi
	lretq
#else
	ud2
#endif
	.section .note.GNU-stack, "", @progbits
