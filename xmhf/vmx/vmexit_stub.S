/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VM exits arrive here and VM entries leave from here.  RSP is the end of regs[] of the
 * struct vcpu that lies above this CPU's stack: pushing the registers fills regs[],
 * and the stack goes on below it.
 */
	.text
	.code64

	.macro save_registers
	push %r15
	push %r14
	push %r13
	push %r12
	push %r11
	push %r10
	push %r9
	push %r8
	push %rdi
	push %rsi
	push %rbp
	push %rbp /* the slot of RSP */
	push %rbx
	push %rdx
	push %rcx
	push %rax
	.endm

	.globl vmexit_stub
vmexit_stub:
	save_registers
	mov %rsp, %rdi
	call vmexit_handle
	/* EAX: 0 to resume, else to launch.  POP leaves the flags alone. */
enter_guest:
	test %eax, %eax
	pop %rax
	pop %rcx
	pop %rdx
	pop %rbx
	pop %rbp
	pop %rbp
	pop %rsi
	pop %rdi
	pop %r8
	pop %r9
	pop %r10
	pop %r11
	pop %r12
	pop %r13
	pop %r14
	pop %r15
	jnz 1f
	vmresume
	jmp 2f
1:	vmlaunch
2:	save_registers
	mov %rsp, %rdi
	xor %ebp, %ebp
	call vmentry_failed /* like vmexit_handle(): what next */
	jmp enter_guest

	/* void vmx_launch(struct vcpu *vcpu): the first entry; never returns. */
	.globl vmx_launch
vmx_launch:
	mov %rdi, %rsp
	mov $1, %eax
	jmp enter_guest

	.section .note.GNU-stack, "", @progbits
