/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * IA32_EFER and IA32_PAT under all combinations of load and save controls, in every
 * mode of L2.  SDM "Loading Guest Control Registers, Debug Registers, and MSRs",
 * "Saving Control Registers, Debug Registers, and MSRs", "Loading Host Control
 * Registers, Debug Registers, MSRs": without the controls LMA and LME follow the
 * address-space controls and the rest stays.
 */
#include "lhv/suite/case.h"

#include "lhv/vm/programs.h"

#define LIME (EFER_LME | EFER_LMA)
/* LE and GE: no breakpoint */
#define DR7_OTHER (DR7_FIXED_1 | FIELD(9, 8))
#define PAT_OTHER 0x0007040600070405ULL

static const enum l2_mode modes[] = { L2_LONG, L2_COMPAT, L2_PAE, L2_PLAIN, L2_FLAT };
static const char *const mode_names[] = { "long", "compat", "pae", "plain", "flat32" };

static const char *mode_name(unsigned int row)
{
	return mode_names[row];
}

static bool is_64(enum l2_mode mode)
{
	return mode == L2_LONG || mode == L2_COMPAT;
}

static void set_controls(bool load, bool save, bool host)
{
	vm_control(VMX_WORD_ENTRY, load ? ENTRY_LOAD_IA32_EFER : 0,
		   load ? 0 : ENTRY_LOAD_IA32_EFER);
	vm_control(VMX_WORD_EXIT,
		   (save ? EXIT_SAVE_IA32_EFER : 0) | (host ? EXIT_LOAD_IA32_EFER : 0),
		   (save ? 0 : EXIT_SAVE_IA32_EFER) | (host ? 0 : EXIT_LOAD_IA32_EFER));
}

/* EFER as L2 finds it, when L1 had @l1. */
static u64 model_in_l2(enum l2_mode mode, bool load, u64 l1, u64 field)
{
	u64 v = load ? field : l1;

	if (load)
		return v;
	v &= ~EFER_LMA;
	v |= is_64(mode) ? EFER_LMA : 0;
	if (mode != L2_FLAT)
		v = (v & ~EFER_LME) | (is_64(mode) ? EFER_LME : 0);
	return v;
}

static void one_combination(enum l2_mode mode, bool load, bool save, bool host)
{
	u64 l1 = rdmsr(MSR_IA32_EFER), field, in_l2, expected_l1;

	vm_reset(mode);
	set_controls(load, save, host);
	field = (is_64(mode) ? LIME : 0) | EFER_SCE | (l1 & EFER_NXE ? 0 : EFER_NXE);
	vm_set(VMCS_guest_ia32_efer, field);
	vm_set(VMCS_host_ia32_efer, l1);
	vm_start_at(mode, mode == L2_LONG ? l2_rdmsr : l2_read_efer32);
	vm_self()->regs.rcx = MSR_IA32_EFER;
	case_step("load %u save %u host %u", load, save, host);
	in_l2 = model_in_l2(mode, load, l1, field);
	if (!check_exit(vm_enter(), EXIT_REASON_VMCALL, "L2 reads EFER"))
		return;
	check_eq(in_l2, (u32)vm_self()->regs.rax, "EFER in L2");
	check_eq(save ? in_l2 : field, vm_get(VMCS_guest_ia32_efer), "saved field");
	expected_l1 = host ? l1 : (in_l2 & ~LIME) | (IS_64BIT ? LIME : 0);
	check_eq(expected_l1, rdmsr(MSR_IA32_EFER), "EFER in L1");
	wrmsr(MSR_IA32_EFER, l1);
}

static bool efer_controls(void)
{
	return vm_allows(VMX_WORD_ENTRY, ENTRY_LOAD_IA32_EFER) &&
	       vm_allows(VMX_WORD_EXIT, EXIT_SAVE_IA32_EFER | EXIT_LOAD_IA32_EFER);
}

static void efer(unsigned int row)
{
	if (!case_requires(vm_can_run(modes[row]) && efer_controls(), "mode or controls missing"))
		return;
	for (unsigned int i = 0; i < 8; i++)
		one_combination(modes[row], i & 1, i & 2, i & 4);
}

/*
 * 32-bit L2 without paging turns it on; re-entered, then read from both sides.  Without
 * "load IA32_EFER" L2's EFER comes by the MSR-load list, as VirtualBox gives it.
 */
static void paging_on_later(unsigned int i)
{
	static struct vmx_msr_entry list[1] __attribute__((aligned(16)));
	bool load = i & 1, save = i & 2;
	u64 l1 = rdmsr(MSR_IA32_EFER);

	if (!case_requires(vm_reset(L2_FLAT) && efer_controls(), "mode or controls missing"))
		return;
	set_controls(load, save, true);
	vm_set(VMCS_guest_ia32_efer, 0);
	list[0] = (struct vmx_msr_entry){ MSR_IA32_EFER, 0, 0 };
	vm_set(VMCS_entry_msr_load_address, (uptr)list);
	vm_set(VMCS_entry_msr_load_count, load ? 0 : 1);
	vm_start_at(L2_FLAT, l2_paging_on32);
	vm_self()->regs.rbx = (uptr)(vm_get(VMCS_guest_cr0) | CR0_PG);
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "paging on");
	check_bits(CR0_PG, CR0_PG, vm_self()->regs.rax, "CR0.PG in L2");
	check_bits(CR0_PG, CR0_PG, vm_get(VMCS_guest_cr0), "CR0.PG saved");
	vm_self()->regs.rcx = MSR_IA32_EFER;
	vm_set(VMCS_guest_rip, (uptr)l2_read_efer32);
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "re-entered");
	check_bits(0, LIME, vm_self()->regs.rax, "EFER in L2: no LME, no LMA");
	check_eq(l1, rdmsr(MSR_IA32_EFER), "EFER in L1");
}

static const char *combination_name(unsigned int i)
{
	static const char *const names[] = { "none", "load", "save", "load-save" };

	return names[i];
}

static void pat(void)
{
	u64 l1 = rdmsr(MSR_IA32_PAT);

	if (!case_requires(
		    vm_allows(VMX_WORD_ENTRY, ENTRY_LOAD_IA32_PAT) &&
			    vm_allows(VMX_WORD_EXIT, EXIT_SAVE_IA32_PAT | EXIT_LOAD_IA32_PAT),
		    "no PAT controls"))
		return;
	for (unsigned int i = 0; i < 8; i++) {
		bool load = i & 1, save = i & 2, host = i & 4;
		u64 in_l2 = load ? PAT_OTHER : l1;

		vm_reset(L2_NATIVE);
		vm_control(VMX_WORD_ENTRY, load ? ENTRY_LOAD_IA32_PAT : 0,
			   load ? 0 : ENTRY_LOAD_IA32_PAT);
		vm_control(VMX_WORD_EXIT,
			   (save ? EXIT_SAVE_IA32_PAT : 0) | (host ? EXIT_LOAD_IA32_PAT : 0),
			   (save ? 0 : EXIT_SAVE_IA32_PAT) | (host ? 0 : EXIT_LOAD_IA32_PAT));
		vm_set(VMCS_guest_ia32_pat, PAT_OTHER);
		vm_set(VMCS_host_ia32_pat, l1);
		vm_self()->regs.rcx = MSR_IA32_PAT;
		case_step("load %u save %u host %u", load, save, host);
		check_exit(vm_run(l2_rdmsr), EXIT_REASON_VMCALL, "L2 reads PAT");
		check_eq((u32)in_l2, (u32)vm_self()->regs.rax, "PAT in L2");
		check_eq(save ? in_l2 : PAT_OTHER, vm_get(VMCS_guest_ia32_pat), "saved field");
		check_eq(host ? l1 : in_l2, rdmsr(MSR_IA32_PAT), "PAT in L1");
		wrmsr(MSR_IA32_PAT, l1);
	}
}

static void write_type_3(void *unused)
{
	(void)unused;
	wrmsr(MSR_IA32_PAT, PAT_OTHER | 3ULL << 56);
}

/* L1 sets another PAT between two exits that load the same one. */
static void l1_writes_pat(void)
{
	u64 l1 = rdmsr(MSR_IA32_PAT);

	if (!case_requires(vm_allows(VMX_WORD_EXIT, EXIT_LOAD_IA32_PAT), "no PAT control"))
		return;
	vm_reset(L2_NATIVE);
	vm_control(VMX_WORD_EXIT, EXIT_LOAD_IA32_PAT, 0);
	vm_set(VMCS_host_ia32_pat, l1);
	for (unsigned int i = 0; i < 3; i++) {
		case_step("round %u", i);
		check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "L2 exits");
		check_eq(l1, rdmsr(MSR_IA32_PAT), "PAT loaded");
		wrmsr(MSR_IA32_PAT, PAT_OTHER);
		check_eq(PAT_OTHER, rdmsr(MSR_IA32_PAT), "PAT written");
	}
	check_fault(fault_try(write_type_3, NULL), VECTOR_GP, 0, "type 3");
	check_eq(PAT_OTHER, rdmsr(MSR_IA32_PAT), "PAT unchanged");
	wrmsr(MSR_IA32_PAT, l1);
}

/*
 * "VM-Entry Failures During or After Loading Guest State": where a check of guest state fails, L1
 * goes on with its own MSRs, not with those that L2 had at its last exit.
 */
static void failed_entry(void)
{
	u64 efer = rdmsr(MSR_IA32_EFER), pat = rdmsr(MSR_IA32_PAT);

	if (!case_requires(efer_controls() && vm_allows(VMX_WORD_EXIT, EXIT_LOAD_IA32_PAT),
			   "controls missing"))
		return;
	vm_reset(L2_NATIVE);
	set_controls(false, false, false);
	vm_control(VMX_WORD_EXIT, 0, EXIT_LOAD_IA32_PAT | EXIT_SAVE_IA32_PAT);
	vm_control(VMX_WORD_ENTRY, 0, ENTRY_LOAD_IA32_PAT);
	wrmsr(MSR_IA32_EFER, efer ^ EFER_SCE);
	wrmsr(MSR_IA32_PAT, PAT_OTHER);
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "L2 has what L1 has");
	check_eq(efer ^ EFER_SCE, rdmsr(MSR_IA32_EFER), "EFER after L2");
	check_eq(PAT_OTHER, rdmsr(MSR_IA32_PAT), "PAT after L2");
	wrmsr(MSR_IA32_EFER, efer);
	wrmsr(MSR_IA32_PAT, pat);
	vm_set(VMCS_guest_rflags, 0);
	check_entry_failure(vm_enter(), EXIT_REASON_ENTRY_FAILURE_GUEST, 0, "RFLAGS bit 1 is 0");
	check_eq(efer, rdmsr(MSR_IA32_EFER), "EFER after the failure");
	check_eq(pat, rdmsr(MSR_IA32_PAT), "PAT after the failure");
}

/*
 * SDM "Loading Guest Control Registers, Debug Registers, and MSRs", "Saving Control Registers,
 * Debug Registers, and MSRs": what is saved is the register, loaded or not.
 */
static void debug_controls(void)
{
	u64 l1 = rdmsr(MSR_IA32_DEBUGCTL);

	for (unsigned int i = 0; i < 4; i++) {
		bool load = i & 1, save = i & 2;

		if (!vm_allows_0(VMX_WORD_ENTRY, load ? 0 : ENTRY_LOAD_DEBUG_CONTROLS) ||
		    !vm_allows_0(VMX_WORD_EXIT, save ? 0 : EXIT_SAVE_DEBUG_CONTROLS))
			continue;
		vm_reset(L2_NATIVE);
		vm_control(VMX_WORD_ENTRY, load ? ENTRY_LOAD_DEBUG_CONTROLS : 0,
			   load ? 0 : ENTRY_LOAD_DEBUG_CONTROLS);
		vm_control(VMX_WORD_EXIT, save ? EXIT_SAVE_DEBUG_CONTROLS : 0,
			   save ? 0 : EXIT_SAVE_DEBUG_CONTROLS);
		vm_set(VMCS_guest_ia32_debugctl, DEBUGCTL_BTF);
		vm_set(VMCS_guest_dr7, DR7_OTHER);
		case_step("load %u save %u", load, save);
		check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "L2 runs");
		check_eq(load || !save ? DEBUGCTL_BTF : l1, vm_get(VMCS_guest_ia32_debugctl),
			 "IA32_DEBUGCTL saved");
		check_eq(load || !save ? DR7_OTHER : DR7_FIXED_1, vm_get(VMCS_guest_dr7),
			 "DR7 saved");
		check_eq(0, rdmsr(MSR_IA32_DEBUGCTL), "IA32_DEBUGCTL in L1");
	}
}

static const struct lhv_case cases[] = {
	{ .name = "efer",
	  .needs = NEEDS_VMX,
	  .run_row = efer,
	  .row_name = mode_name,
	  .rows = ARRAY_SIZE(modes) },
	{ .name = "efer/paging-on-later",
	  .needs = NEEDS_VMX,
	  .run_row = paging_on_later,
	  .row_name = combination_name,
	  .rows = 4 },
	{ .name = "pat", .needs = NEEDS_VMX, .run = pat },
	{ .name = "pat/l1-writes-it", .needs = NEEDS_VMX, .run = l1_writes_pat },
	{ .name = "failed-entry", .needs = NEEDS_VMX, .run = failed_entry },
	{ .name = "debug-controls", .needs = NEEDS_VMX, .run = debug_controls },
};
LHV_TOPIC("efer-pat", cases);
