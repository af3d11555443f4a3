/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory operands and register operands of VMX instructions in every form.
 * uptr form(uptr address): executes the instruction on the operand at @address and
 * returns RFLAGS.  Register forms: uptr form(uptr encoding, uptr *value).
 * A table of { name, vmptrst, vmptrld, vmread to memory } ends the file.
 */
#ifdef __x86_64__
#define W .quad
#else
#define W .long
#endif

	.text

#ifdef __x86_64__
	.macro	enter
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	mov	%rdi, %rax
	mov	$0x681e, %r15d /* guest_rip, for VMREAD */
	.endm
	.macro	leave_
	pushfq
	pop	%rax
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
	.endm
#else
	.macro	enter
	mov	4(%esp), %eax
	push	%ebx
	push	%ebp
	push	%esi
	push	%edi
	mov	$0x681e, %edi
	.endm
	.macro	leave_
	pushf
	pop	%eax
	pop	%edi
	pop	%esi
	pop	%ebp
	pop	%ebx
	ret
	.endm
#endif

/* One form for the three instructions; \setup computes from the address in AX. */
	.macro	form name, operand:vararg
form_\name\()_vmptrst:
	enter
	setup_\name
	vmptrst	\operand
	finish_\name
	leave_
form_\name\()_vmptrld:
	enter
	setup_\name
	vmptrld	\operand
	finish_\name
	leave_
form_\name\()_vmread:
	enter
	setup_\name
#ifdef __x86_64__
	vmread	%r15, \operand
#else
	vmread	%edi, \operand
#endif
	finish_\name
	leave_
	.pushsection .data
	W	2f, form_\name\()_vmptrst, form_\name\()_vmptrld, form_\name\()_vmread
	.popsection
	.pushsection .rodata
2:	.asciz	"\name"
	.popsection
	.endm

	.macro	simple_form name
	.macro	finish_\name
	.endm
	.endm

	.data
	.balign	16
	.globl	operand_forms, operand_forms_end
operand_forms:
	.text

#ifdef __x86_64__
	.macro	setup_base
	mov	%rax, %rbx
	.endm
	simple_form base
	form	base, (%rbx)

	.macro	setup_disp8
	lea	-0x10(%rax), %rcx
	.endm
	simple_form disp8
	form	disp8, 0x10(%rcx)

	.macro	setup_disp8_negative
	lea	0x70(%rax), %rdx
	.endm
	simple_form disp8_negative
	form	disp8_negative, -0x70(%rdx)

	.macro	setup_disp32
	lea	-0x12345(%rax), %rsi
	.endm
	simple_form disp32
	form	disp32, 0x12345(%rsi)

	.macro	setup_base_index
	mov	$0x100, %ecx
	lea	-0x100(%rax), %rdi
	.endm
	simple_form base_index
	form	base_index, (%rdi,%rcx)

	.macro	setup_base_index_2
	mov	$0x80, %ecx
	lea	-0x100(%rax), %rdi
	.endm
	simple_form base_index_2
	form	base_index_2, (%rdi,%rcx,2)

	.macro	setup_base_index_4_disp
	mov	$-0x40, %r14
	lea	0x100 - 0x20(%rax), %r11
	.endm
	simple_form base_index_4_disp
	form	base_index_4_disp, 0x20(%r11,%r14,4)

	.macro	setup_base_index_8
	mov	$0x20, %r9d
	lea	-0x100(%rax), %rbx
	.endm
	simple_form base_index_8
	form	base_index_8, (%rbx,%r9,8)

	.macro	setup_index_only
	mov	%rax, %r10
	shr	$3, %r10
	.endm
	simple_form index_only
	form	index_only, 0(,%r10,8)

	.macro	setup_rbp
	mov	%rax, %rbp
	.endm
	simple_form rbp
	form	rbp, (%rbp)

	.macro	setup_rsp
	cli
	mov	%rsp, %rbp
	lea	-8(%rax), %rsp
	.endm
	.macro	finish_rsp
	mov	%rbp, %rsp
	.endm
	form	rsp, 8(%rsp)

	.macro	setup_r12
	mov	%rax, %r12
	.endm
	simple_form r12
	form	r12, (%r12)

	.macro	setup_r13
	mov	%rax, %r13
	.endm
	simple_form r13
	form	r13, (%r13)

	.macro	setup_r8_r12_index
	mov	$4, %r12d
	lea	-32(%rax), %r8
	.endm
	simple_form r8_r12_index
	form	r8_r12_index, (%r8,%r12,8)

	.macro	setup_address_32
	mov	%eax, %ebx
	mov	$0x5a5a5a5a00000000, %rcx
	or	%rcx, %rbx
	.endm
	simple_form address_32
	form	address_32, (%ebx)

	.macro	setup_address_32_wraps
	lea	0x10(%eax), %ebx
	.endm
	simple_form address_32_wraps
	form	address_32_wraps, -0x10(%ebx)

	.macro	setup_gs
	.endm
	simple_form gs
	form	gs, %gs:0x100

	.macro	setup_fs_base_disp
	mov	$0x80, %ebx
	.endm
	simple_form fs_base_disp
	form	fs_base_disp, %fs:0x80(%rbx)

	.macro	setup_es_ignored
	mov	%rax, %rbx
	.endm
	simple_form es_ignored
	form	es_ignored, %es:(%rbx)
#else
	.macro	setup_base
	mov	%eax, %ebx
	.endm
	simple_form base
	form	base, (%ebx)

	.macro	setup_disp8
	lea	-0x10(%eax), %ecx
	.endm
	simple_form disp8
	form	disp8, 0x10(%ecx)

	.macro	setup_disp32
	lea	-0x12345(%eax), %esi
	.endm
	simple_form disp32
	form	disp32, 0x12345(%esi)

	.macro	setup_base_index_4_disp
	mov	$-0x40, %ecx
	lea	0x100 - 0x20(%eax), %ebx
	.endm
	simple_form base_index_4_disp
	form	base_index_4_disp, 0x20(%ebx,%ecx,4)

	.macro	setup_index_only
	mov	%eax, %edx
	shr	$3, %edx
	.endm
	simple_form index_only
	form	index_only, 0(,%edx,8)

	.macro	setup_ebp
	mov	%eax, %ebp
	.endm
	simple_form ebp
	form	ebp, (%ebp)

	.macro	setup_esp
	cli
	mov	%esp, %ebp
	lea	-8(%eax), %esp
	.endm
	.macro	finish_esp
	mov	%ebp, %esp
	.endm
	form	esp, 8(%esp)

	.macro	setup_es
	mov	%eax, %ebx
	.endm
	simple_form es
	form	es, %es:(%ebx)

	.macro	setup_wraps
	lea	0x10(%eax), %esi
	.endm
	simple_form wraps
	form	wraps, 0xfffffff0(%esi)
#endif
	.data
operand_forms_end:

/* Register operands: VMREAD into and VMWRITE from each register; table { read, write }. */
	.text
#ifdef __x86_64__
	.macro	register_form name, field
read_\name:
	enter
	push	%rsi
	mov	%rdi, %\field
	vmread	%\field, %\name
	mov	%\name, %rax
	pop	%rcx
	mov	%rax, (%rcx)
	leave_
write_\name:
	enter
	mov	(%rsi), %rax
	mov	%rdi, %rcx
	mov	%rcx, %\field
	mov	%rax, %\name
	vmwrite	%\name, %\field
	leave_
	.pushsection .data
	.quad	read_\name, write_\name
	.popsection
	.endm
	.data
	.balign	16
	.globl	register_forms, register_forms_end
register_forms:
	.text
	register_form rax, rbx
	register_form rbx, rcx
	register_form rcx, rdx
	register_form rdx, rbp
	register_form rsi, rdi
	register_form rdi, rsi
	register_form rbp, r8
	register_form r8, r9
	register_form r9, r10
	register_form r10, r11
	register_form r11, r12
	register_form r12, r13
	register_form r13, r14
	register_form r14, r15
	register_form r15, rdx
	.data
register_forms_end:
#else
	.data
	.balign	16
	.globl	register_forms, register_forms_end
register_forms:
register_forms_end:
#endif
	.text

/* One instruction each, then INT 0x40: for user mode and compatibility mode. */
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
	.section .note.GNU-stack, "", @progbits
