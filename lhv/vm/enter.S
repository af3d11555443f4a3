/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * u32 vm_enter_hw(struct l2_registers *regs, uptr *exit_area, u32 launched)
 * Enters L2 with these registers.  0 after a VM exit; RFLAGS if the instruction
 * failed.  HOST_RSP is exit_area, HOST_RIP is vm_exit_entry.
 */
	.text
	.globl	vm_enter_hw, vm_exit_entry
#ifdef __x86_64__
vm_enter_hw:
	push	%rbx
	push	%rbp
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	pushfq
	mov	%rdi, (%rsi)
	mov	%rsp, 8(%rsi)
	test	%edx, %edx
	mov	0x00(%rdi), %rax
	mov	0x08(%rdi), %rbx
	mov	0x10(%rdi), %rcx
	mov	0x18(%rdi), %rdx
	mov	0x20(%rdi), %rsi
	mov	0x30(%rdi), %rbp
	mov	0x38(%rdi), %r8
	mov	0x40(%rdi), %r9
	mov	0x48(%rdi), %r10
	mov	0x50(%rdi), %r11
	mov	0x58(%rdi), %r12
	mov	0x60(%rdi), %r13
	mov	0x68(%rdi), %r14
	mov	0x70(%rdi), %r15
	mov	0x28(%rdi), %rdi
	jnz	1f
	vmlaunch
	jmp	2f
1:	vmresume
2:	pushfq
	pop	%rax
	jmp	3f
vm_exit_entry:
	push	%rdi
	mov	8(%rsp), %rdi
	mov	%rax, 0x00(%rdi)
	mov	%rbx, 0x08(%rdi)
	mov	%rcx, 0x10(%rdi)
	mov	%rdx, 0x18(%rdi)
	mov	%rsi, 0x20(%rdi)
	mov	%rbp, 0x30(%rdi)
	mov	%r8, 0x38(%rdi)
	mov	%r9, 0x40(%rdi)
	mov	%r10, 0x48(%rdi)
	mov	%r11, 0x50(%rdi)
	mov	%r12, 0x58(%rdi)
	mov	%r13, 0x60(%rdi)
	mov	%r14, 0x68(%rdi)
	mov	%r15, 0x70(%rdi)
	pop	%rax
	mov	%rax, 0x28(%rdi)
	mov	8(%rsp), %rsp
	xor	%eax, %eax
3:	popfq
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rbp
	pop	%rbx
	ret
#else
vm_enter_hw:
	mov	4(%esp), %ecx
	mov	8(%esp), %edx
	mov	12(%esp), %eax
	push	%ebx
	push	%ebp
	push	%esi
	push	%edi
	pushf
	mov	%ecx, (%edx)
	mov	%esp, 4(%edx)
	test	%eax, %eax
	mov	%ecx, %edi
	mov	0x00(%edi), %eax
	mov	0x04(%edi), %ebx
	mov	0x08(%edi), %ecx
	mov	0x0c(%edi), %edx
	mov	0x10(%edi), %esi
	mov	0x18(%edi), %ebp
	mov	0x14(%edi), %edi
	jnz	1f
	vmlaunch
	jmp	2f
1:	vmresume
2:	pushf
	pop	%eax
	jmp	3f
vm_exit_entry:
	push	%edi
	mov	4(%esp), %edi
	mov	%eax, 0x00(%edi)
	mov	%ebx, 0x04(%edi)
	mov	%ecx, 0x08(%edi)
	mov	%edx, 0x0c(%edi)
	mov	%esi, 0x10(%edi)
	mov	%ebp, 0x18(%edi)
	pop	%eax
	mov	%eax, 0x14(%edi)
	mov	4(%esp), %esp
	xor	%eax, %eax
3:	popf
	pop	%edi
	pop	%esi
	pop	%ebp
	pop	%ebx
	ret
#endif
	.section .note.GNU-stack, "", @progbits
