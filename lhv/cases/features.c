/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What only newer processors have: XSAVES and XRSTORS with their bitmap, user wait, state
 * that entries and exits load under controls of its own, sub-page write permissions.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

static const u8 vmcall[] = { 0x0f, 0x01, 0xc1 };

/* @length bytes of @code, then VMCALL. */
static const u8 *assemble(const u8 *code, size_t length)
{
	u8 *page = page_alloc(1);

	memcpy(page, code, length);
	memcpy(page + length, vmcall, sizeof(vmcall));
	return page;
}

/*
 * SDM "XSAVES" of "Instructions That Cause VM Exits Conditionally": EDX:EAX, IA32_XSS and
 * the XSS-exiting bitmap have a bit in common.
 */
struct xsaves_row {
	const char *name;
	u32 reason;
	u8 code[3];
};
static const struct xsaves_row xsaves_rows[] = {
	{ "xsaves", EXIT_REASON_XSAVES, { 0x0f, 0xc7, 0x2b } },
	{ "xrstors", EXIT_REASON_XRSTORS, { 0x0f, 0xc7, 0x1b } },
};

static const char *xsaves_name(unsigned int row)
{
	return xsaves_rows[row].name;
}

static struct outcome run_xsaves(const u8 *code, u64 bitmap, u64 operand)
{
	vm_set(VMCS_xss_exiting_bitmap, bitmap);
	vm_self()->regs.rax = (u32)operand;
	vm_self()->regs.rdx = (u32)(operand >> 32);
	return vm_run(code);
}

static void xsaves(unsigned int row)
{
	const struct xsaves_row *r = &xsaves_rows[row];
	u64 components = cpuid(0xd, 1).ecx, bit = components & -components;
	const u8 *code = assemble(r->code, sizeof(r->code));
	u8 *area = page_alloc(1);
	struct outcome o;

	if (!case_requires(vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_XSAVES_XRSTORS) && components,
			   "no XSAVES or nothing in IA32_XSS"))
		return;
	area[512 + 15] = 0x80; /* XCOMP_BV: compacted, nothing in it */
	vm_control(VMX_WORD_PROC2, PROC2_ENABLE_XSAVES_XRSTORS, 0);
	vm_set(VMCS_guest_cr4, vm_get(VMCS_guest_cr4) | CR4_OSXSAVE);
	vm_self()->regs.rbx = (uptr)area;
	wrmsr(MSR_IA32_XSS, bit);
	o = run_xsaves(code, bit, ~0ULL);
	check_exit(o, r->reason, "all three have the bit");
	check_eq(0, o.qualification, "qualification");
	check_eq(3, vm_get(VMCS_exit_instruction_length), "length");
	check_exit(run_xsaves(code, 0, ~0ULL), EXIT_REASON_VMCALL, "not in the bitmap");
	check_exit(run_xsaves(code, bit, ~bit), EXIT_REASON_VMCALL, "not in EDX:EAX");
	wrmsr(MSR_IA32_XSS, 0);
	check_exit(run_xsaves(code, ~0ULL, ~0ULL), EXIT_REASON_VMCALL, "not in IA32_XSS");
}

/* SDM "TPAUSE", "UMWAIT": #UD unless enabled, then exits under RDTSC exiting. */
struct wait_row {
	const char *name;
	u32 reason;
	u8 code[4];
};
static const struct wait_row wait_rows[] = {
	{ "tpause", EXIT_REASON_TPAUSE, { 0x66, 0x0f, 0xae, 0xf3 } },
	{ "umwait", EXIT_REASON_UMWAIT, { 0xf2, 0x0f, 0xae, 0xf3 } },
};

static const char *wait_name(unsigned int row)
{
	return wait_rows[row].name;
}

static void user_wait(unsigned int row)
{
	const struct wait_row *r = &wait_rows[row];
	const u8 *code = assemble(r->code, sizeof(r->code));

	if (!case_requires((cpuid(7, 0).ecx & CPUID_7_ECX_WAITPKG) &&
				   vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_USER_WAIT_AND_PAUSE),
			   "no user wait and pause"))
		return;
	vm_control(VMX_WORD_PROC2, 0, PROC2_ENABLE_USER_WAIT_AND_PAUSE);
	vm_control(VMX_WORD_PROC1, PROC1_RDTSC_EXITING, 0);
	check_exit(vm_run(code), EXIT_REASON_EXCEPTION_OR_NMI, "disabled");
	check_eq(0x80000306, vm_get(VMCS_exit_interruption_information), "#UD");
	vm_control(VMX_WORD_PROC2, PROC2_ENABLE_USER_WAIT_AND_PAUSE, 0);
	check_exit(vm_run(code), r->reason, "RDTSC exiting");
	check_eq(sizeof(r->code), vm_get(VMCS_exit_instruction_length), "length");
	vm_control(VMX_WORD_PROC1, 0, PROC1_RDTSC_EXITING);
	check_exit(vm_run(code), EXIT_REASON_VMCALL, "until a time that is past");
}

/* State with controls of its own: loaded by entries, saved and loaded by exits. */
struct state_row {
	const char *name;
	u32 msr, entry, exit, guest, host;
};
static const struct state_row state_rows[] = {
	{ "s-cet", MSR_IA32_S_CET, ENTRY_LOAD_CET_STATE, EXIT_LOAD_CET_STATE, VMCS_guest_ia32_s_cet,
	  VMCS_host_ia32_s_cet },
	{ "interrupt-ssp-table", MSR_IA32_INTERRUPT_SSP_TABLE_ADDR, ENTRY_LOAD_CET_STATE,
	  EXIT_LOAD_CET_STATE, VMCS_guest_ia32_interrupt_ssp_table_addr,
	  VMCS_host_ia32_interrupt_ssp_table_addr },
	{ "pkrs", MSR_IA32_PKRS, ENTRY_LOAD_PKRS, EXIT_LOAD_PKRS, VMCS_guest_ia32_pkrs,
	  VMCS_host_ia32_pkrs },
};

static const char *state_name(unsigned int row)
{
	return state_rows[row].name;
}

static void state(unsigned int row)
{
	const struct state_row *r = &state_rows[row];
	enum { L1 = 0x10, GUEST = 0x20, WRITTEN = 0x30, HOST = 0x04 };

	if (!case_requires(vm_allows(VMX_WORD_ENTRY, r->entry) && vm_allows(VMX_WORD_EXIT, r->exit),
			   "no controls for it"))
		return;
	wrmsr(r->msr, L1);
	vm_self()->regs.rcx = r->msr;
	check_exit(vm_run(l2_rdmsr), EXIT_REASON_VMCALL, "controls off");
	check_eq(L1, vm_self()->regs.rax, "L2 has L1's");
	vm_control(VMX_WORD_ENTRY, r->entry, 0);
	vm_control(VMX_WORD_EXIT, r->exit, 0);
	vm_set(r->guest, GUEST);
	vm_set(r->host, HOST);
	check_exit(vm_run(l2_rdmsr), EXIT_REASON_VMCALL, "controls on");
	check_eq(GUEST, vm_self()->regs.rax, "L2 has the guest-state area's");
	check_eq(HOST, rdmsr(r->msr), "L1 has the host-state area's");
	vm_self()->regs.rax = WRITTEN;
	vm_self()->regs.rdx = 0;
	check_exit(vm_run(l2_wrmsr), EXIT_REASON_VMCALL, "WRMSR");
	check_eq(WRITTEN, vm_get(r->guest), "saved");
	wrmsr(r->msr, 0);
}

/* SDM "VM-Execution Control Fields": L2 reads the shadow and writes what the mask leaves. */
static void spec_ctrl(void)
{
	u32 other = BIT32(2), masked = BIT32(0); /* SSBD, IBRS */

	if (!case_requires(facts.proc3 & PROC3_VIRTUALIZE_IA32_SPEC_CTRL,
			   "no virtualized IA32_SPEC_CTRL"))
		return;
	vm_control(VMX_WORD_PROC1, PROC1_ACTIVATE_TERTIARY_CONTROLS, 0);
	vm_set(VMCS_tertiary_processor_based_controls, PROC3_VIRTUALIZE_IA32_SPEC_CTRL);
	vm_set(VMCS_ia32_spec_ctrl_mask, masked);
	vm_set(VMCS_ia32_spec_ctrl_shadow, masked);
	wrmsr(MSR_IA32_SPEC_CTRL, 0);
	vm_self()->regs.rcx = MSR_IA32_SPEC_CTRL;
	check_exit(vm_run(l2_rdmsr), EXIT_REASON_VMCALL, "RDMSR");
	check_eq(masked, vm_self()->regs.rax, "the shadow");
	vm_self()->regs.rax = other | masked;
	vm_self()->regs.rdx = 0;
	check_exit(vm_run(l2_wrmsr), EXIT_REASON_VMCALL, "WRMSR");
	check_eq(other, rdmsr(MSR_IA32_SPEC_CTRL), "the MSR without the masked bit");
	check_eq(other | masked, vm_get(VMCS_ia32_spec_ctrl_shadow), "the shadow has both");
	vm_forget(vm_self());
	wrmsr(MSR_IA32_SPEC_CTRL, 0);
}

/* SDM "Sub-Page Write Permissions": four levels of tables down to a bit for each 128 bytes. */
#define EPT_SUB_PAGE BIT(61)
#define SPP_PRESENT  BIT(0)
#define SPP_MISS     BIT(11) /* exit qualification */
#define SPP_WRITE(n) BIT(2 * (n))

static void sub_page(void)
{
	static u64 page[512] __attribute__((aligned(4096)));
	struct ept_map *map = ept_map_fresh();
	u64 *table = page_alloc(4);
	struct outcome o;

	if (!case_requires(vm_allows(VMX_WORD_PROC2, PROC2_SUB_PAGE_WRITE_PERMISSIONS),
			   "no sub-page write permissions"))
		return;
	ept_map_4k(map, (uptr)page | EPT_READ | EPT_EXECUTE |
				field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB) | EPT_SUB_PAGE);
	ept_flush(map);
	vm_control(VMX_WORD_PROC2, PROC2_SUB_PAGE_WRITE_PERMISSIONS, 0);
	vm_set(VMCS_eptp, map->eptp);
	vm_set(VMCS_sub_page_permission_table_pointer, (uptr)table);
	vm_self()->regs.rbx = EPT_FREE_BASE + 128;
	vm_self()->regs.rax = 0x77;
	o = vm_run(l2_write_bx);
	check_exit(o, EXIT_REASON_SPP_EVENT, "the root table is empty");
	check_bits(SPP_MISS, SPP_MISS, o.qualification, "a miss");
	table[0] = ((uptr)table + PAGE_SIZE) | SPP_PRESENT;
	table[512 + 3] = ((uptr)table + 2 * PAGE_SIZE) | SPP_PRESENT;
	table[1024] = ((uptr)table + 3 * PAGE_SIZE) | SPP_PRESENT;
	table[1536] = SPP_WRITE(1);
	check_exit(vm_run(l2_write_bx), EXIT_REASON_VMCALL, "sub-page 1 may be written");
	check_eq(0x77, (u8)page[16], "written");
	vm_self()->regs.rbx = EPT_FREE_BASE + 256;
	check_exit(vm_run(l2_write_bx), EXIT_REASON_EPT_VIOLATION, "sub-page 2 may not");
	table[1536] = BIT(1);
	ept_flush(map);
	o = vm_run(l2_write_bx);
	check_exit(o, EXIT_REASON_SPP_EVENT, "a reserved bit");
	check_bits(0, SPP_MISS, o.qualification, "a misconfiguration");
}

static const struct lhv_case cases[] = {
	{ .name = "xsaves",
	  .needs = NEEDS_VMX,
	  .run_row = xsaves,
	  .row_name = xsaves_name,
	  .rows = ARRAY_SIZE(xsaves_rows) },
	{ .name = "user-wait",
	  .needs = NEEDS_VMX,
	  .run_row = user_wait,
	  .row_name = wait_name,
	  .rows = ARRAY_SIZE(wait_rows) },
	{ .name = "state",
	  .needs = NEEDS_VMX | NEEDS_64BIT,
	  .run_row = state,
	  .row_name = state_name,
	  .rows = ARRAY_SIZE(state_rows) },
	{ .name = "spec-ctrl", .needs = NEEDS_VMX, .run = spec_ctrl },
	{ .name = "sub-page", .needs = NEEDS_VMX | NEEDS_EPT, .run = sub_page },
};
LHV_TOPIC("features", cases);
