/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an instruction of L1 leaves behind that a hypervisor below may have executed in its place:
 * RIP, the resume flag of faults, debug exceptions, registers wider than the mode.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define SELECTOR_HIGH 0x58 /* a descriptor that no other case uses */
#define DR6_B0	      1U
#define DR7_ON_ACCESS (DR7_FIXED_1 | 1 | 0xf0000) /* DR0: four bytes, read or written */

extern const u8 emulated_cpuid_at_end[], emulated_page[];
extern const u8 emulated_cr4_from_ax[], emulated_syscall_flag[];
extern const u8 emulated_after_cpuid[];
extern u32 emulated_syscall_result;
void emulated_far_call(u32 selector, u32 offset, uptr ax);
void emulated_stack_load(const u16 *selector);

struct far_call {
	u32 selector, offset;
	uptr ax;
};

static void do_far_call(void *argument)
{
	const struct far_call *call = argument;

	emulated_far_call(call->selector, call->offset, call->ax);
}

static struct fault far_call(u32 selector, u32 offset, uptr ax)
{
	struct far_call call = { selector, offset, ax };

	disable_interrupts();
	return fault_try(do_far_call, &call);
}

/* SDM "Instruction Pointer": outside 64-bit mode it has 32 bits, and wraps. */
static void rip_wraps(void)
{
	u64 base = (uptr)emulated_page;
	struct fault fault;

	gdt_write(SELECTOR_HIGH,
		  DESCRIPTOR_CODE32 | (base & 0xffffff) << 16 | (base >> 24 & 0xff) << 56);
	fault = far_call(SELECTOR_HIGH, 0xfffffffe, 0);
	gdt_write(SELECTOR_HIGH, 0);
	check_fault(fault, VECTOR_USER_RETURN, 0, "CPUID at 4 GiB - 2, then at 0");
	check_eq(2, fault.rip, "EIP");
}

/* Outside 64-bit mode MOV to CR takes 32 bits of its register, whatever the others hold. */
static void upper_half(void)
{
	uptr cr4 = read_cr4();
	struct fault fault;

	vmx_off();
	fault = far_call(SELECTOR_CODE32, (u32)(uptr)emulated_cr4_from_ax,
			 (cr4 & ~(uptr)CR4_VMXE) | (uptr)0x123456700000000ULL);
	check_fault(fault, VECTOR_USER_RETURN, 0, "MOV to CR4");
	check_eq(cr4 & ~(uptr)CR4_VMXE, read_cr4(), "CR4");
	write_cr4(cr4);
	check_true(vmx_on(), "VMXON");
}

/* SDM "CPUID", leaf 80000001H: Intel processors have SYSCALL in 64-bit mode only, and outside it
 * say that they have none. */
static void syscall_flag(void)
{
	struct fault fault = far_call(SELECTOR_CODE32, (u32)(uptr)emulated_syscall_flag, 0);

	check_fault(fault, VECTOR_USER_RETURN, 0, "CPUID");
	check_bits(0, CPUID_80000001_EDX_SYSCALL, emulated_syscall_result, "outside 64-bit mode");
	if (IS_64BIT)
		check_bits(CPUID_80000001_EDX_SYSCALL, CPUID_80000001_EDX_SYSCALL,
			   cpuid(0x80000001, 0).edx, "in 64-bit mode");
}

static void write_capability(void *unused)
{
	(void)unused;
	wrmsr(MSR_IA32_VMX_BASIC, 0);
}

static void vmxoff_outside(void *unused)
{
	(void)unused;
	vmxoff();
}

static void unsupported_cr4(void *unused)
{
	(void)unused;
	write_cr4(read_cr4() & ~(uptr)CR4_VMXE);
}

/* SDM "Instruction-Breakpoint Exception Condition": the RFLAGS image of a fault has RF set. */
static void resume_flag(void)
{
	struct fault fault;

	fault = fault_try(write_capability, NULL);
	check_fault(fault, VECTOR_GP, 0, "WRMSR");
	check_bits(RFLAGS_RF, RFLAGS_RF, fault.rflags, "#GP of WRMSR");
	fault = fault_try(unsupported_cr4, NULL);
	check_fault(fault, VECTOR_GP, 0, "MOV to CR4");
	check_bits(RFLAGS_RF, RFLAGS_RF, fault.rflags, "#GP of MOV to CR4");
	vmx_off();
	fault = fault_try(vmxoff_outside, NULL);
	vmx_on();
	check_fault(fault, VECTOR_UD, 0, "VMXOFF");
	check_bits(RFLAGS_RF, RFLAGS_RF, fault.rflags, "#UD of VMXOFF");
}

static u8 *no_msr_bits;

static void pass_all_msrs(void)
{
	if (!no_msr_bits)
		no_msr_bits = page_alloc(1);
	vm_control(VMX_WORD_PROC1, PROC1_USE_MSR_BITMAPS, 0);
	vm_set(VMCS_msr_bitmap_address, (uptr)no_msr_bits);
}

/* The same in L2, for an MSR that L1 lets pass: in the frame, and in what the exit saves. */
static void resume_flag_of_l2(void)
{
	const uptr *stack;

	if (!case_requires(vm_allows(VMX_WORD_PROC1, PROC1_USE_MSR_BITMAPS), "no MSR bitmaps"))
		return;
	pass_all_msrs();
	vm_set(VMCS_exception_bitmap, 0);
	vm_self()->regs.rcx = MSR_IA32_VMX_BASIC;
	check_exit(vm_run(l2_wrmsr), EXIT_REASON_VMCALL, "L2's handler");
	stack = (const uptr *)(uptr)vm_get(VMCS_guest_rsp);
	check_eq(VECTOR_GP, stack[0], "vector");
	check_bits(RFLAGS_RF, RFLAGS_RF, stack[4], "RFLAGS in the frame");
	vm_reset(L2_NATIVE);
	pass_all_msrs();
	vm_set(VMCS_exception_bitmap, BIT32(VECTOR_GP));
	vm_self()->regs.rcx = MSR_IA32_VMX_BASIC;
	check_exit(vm_run(l2_wrmsr), EXIT_REASON_EXCEPTION_OR_NMI, "exits");
	check_bits(RFLAGS_RF, RFLAGS_RF, vm_get(VMCS_guest_rflags), "RFLAGS that the exit saves");
}

static void do_stack_load(void *selector)
{
	emulated_stack_load(selector);
}

/* SDM "Masking Exceptions and Interrupts When Switching Stacks": the data breakpoint of MOV SS
 * comes after the next instruction, together with that one's single step. */
static void pending_breakpoint(void)
{
	u16 *selector = page_alloc(1);
	struct fault fault;
	u64 dr6;

	*selector = SELECTOR_DATA;
	disable_interrupts();
	write_dr6(0xffff0ff0);
	write_dr0((uptr)selector);
	write_dr7(DR7_ON_ACCESS);
	fault = fault_try(do_stack_load, selector);
	dr6 = read_dr6();
	write_dr7(DR7_FIXED_1);
	check_fault(fault, VECTOR_DB, 0, "#DB");
	check_eq((uptr)emulated_after_cpuid, fault.rip, "after CPUID");
	check_bits(PENDING_DEBUG_BS | DR6_B0, PENDING_DEBUG_BS | 0xf, dr6, "DR6");
}

static const struct lhv_case cases[] = {
	{ .name = "rip-wraps", .run = rip_wraps },
	{ .name = "upper-half", .needs = NEEDS_VMX | NEEDS_64BIT, .run = upper_half },
	{ .name = "syscall-flag", .run = syscall_flag },
	{ .name = "resume-flag/l1", .needs = NEEDS_VMX, .run = resume_flag },
	{ .name = "resume-flag/l2", .needs = NEEDS_VMX, .run = resume_flag_of_l2 },
	{ .name = "pending-breakpoint", .run = pending_breakpoint },
};
LHV_TOPIC("emulated", cases);
