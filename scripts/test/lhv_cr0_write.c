/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The case behind the lhv log of logs/ that the tests of scripts/vmcs compare: dumps before
 * and after L1 turns paging on for a 32-bit L2.  Copy it to lhv/cases/ to make the log again;
 * docs/vmcs-tool.md says how.
 */
#include "lhv/frame/asm_hw.h"
#include "lhv/frame/console.h"
#include "lhv/suite/case.h"

#define LAST_CAPABILITY MSR_IA32_VMX_TRUE_ENTRY_CTLS /* the next need not exist */

static const struct {
	u32 number;
	const char *name;
} msrs[] = {
#define MSR(number, name) { number, #name },
#include "xmhf/x86/msrs.def"
#undef MSR
};

static void print_capabilities(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(msrs); i++)
		if (msrs[i].number >= MSR_IA32_VMX_BASIC && msrs[i].number <= LAST_CAPABILITY)
			trace("# %s = 0x%016llx\n", msrs[i].name, rdmsr(msrs[i].number));
}

#define HYPERCALL_SIGNATURE 0x584d4846U
#define HYPERCALL_DUMP	    3U
#define XMHF_LEAF	    0x40000000U
#define XMHF_SIGNATURE_EBX  0x66686d78U

/* On xmhf-nest: has it dump VMCS01, VMCS12 and VMCS02, tagged with @number (docs/hypercalls.md). */
static void l0_dump(u32 number)
{
	u32 a = HYPERCALL_SIGNATURE, b = HYPERCALL_DUMP, c = number, d = 0;

	if (cpuid(XMHF_LEAF, 0).ebx == XMHF_SIGNATURE_EBX)
		__asm__ volatile("vmcall" : "+a"(a), "+b"(b), "+c"(c), "+d"(d) : : "memory", "cc");
}

/* mov %eax, %cr0; vmcall */
static const u8 set_cr0[] = { 0x0f, 0x22, 0xc0, 0x0f, 0x01, 0xc1 };

/* A 32-bit L2 turns paging on; L1 intercepts the MOV to CR0 and does it for L2. */
static void cr0_write(void)
{
	const u64 change = CR0_PG | CR0_WP;
	u64 cr0;

	if (!case_requires(vm_reset(L2_FLAT), "needs unrestricted guest"))
		return;
	print_capabilities();
	cr0 = vm_get(VMCS_guest_cr0) & ~change;
	vm_set(VMCS_guest_cr0, cr0);
	vm_set(VMCS_cr0_read_shadow, cr0);
	vm_set(VMCS_cr0_guest_host_mask, change);
	vm_control(VMX_WORD_PROC1, PROC1_CR3_LOAD_EXITING, 0);
	vm_self()->regs.rax = cr0 | change;
	check_exit(vm_run(set_cr0), EXIT_REASON_CR_ACCESS, "MOV to CR0");
	vm_dump("before");
	l0_dump(1);
	vm_set(VMCS_guest_cr0, cr0 | change);
	vm_set(VMCS_cr0_read_shadow, cr0 | change);
	vm_control(VMX_WORD_PROC1, PROC1_INTERRUPT_WINDOW_EXITING, PROC1_CR3_LOAD_EXITING);
	vm_skip_instruction();
	vm_dump("after");
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "with paging");
	l0_dump(2);
}

static const struct lhv_case cases[] = {
	{ .name = "cr0-write",
	  .needs = NEEDS_VMX | NEEDS_EPT | NEEDS_UNRESTRICTED,
	  .run = cr0_write },
};
LHV_TOPIC("vmcs-tool", cases);
