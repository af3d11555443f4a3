/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM "Loading MSRs" (VM entry), "Saving MSRs" and "Loading MSRs" (VM exit): the three
 * lists, in order, and what they must not name.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define LIST_MAX 512

static struct vmx_msr_entry *entry_list, *store_list, *load_list;

static void empty_lists(void)
{
	if (!entry_list) {
		entry_list = page_alloc(2);
		store_list = page_alloc(2);
		load_list = page_alloc(2);
	}
	memset(entry_list, 0, 2 * PAGE_SIZE);
	memset(store_list, 0, 2 * PAGE_SIZE);
	memset(load_list, 0, 2 * PAGE_SIZE);
	vm_set(VMCS_entry_msr_load_address, (uptr)entry_list);
	vm_set(VMCS_exit_msr_store_address, (uptr)store_list);
	vm_set(VMCS_exit_msr_load_address, (uptr)load_list);
}

static void put(struct vmx_msr_entry *list, unsigned int i, u32 index, u64 value)
{
	list[i] = (struct vmx_msr_entry){ index, 0, value };
}

/* L2 gets the entry list's value, the store list gets L2's, L1 gets the load list's. */
static void round_trip(void)
{
	u64 before = rdmsr(MSR_IA32_SYSENTER_CS);

	empty_lists();
	put(entry_list, 0, MSR_IA32_KERNEL_GS_BASE, 0x1000);
	put(store_list, 0, MSR_IA32_KERNEL_GS_BASE, 0);
	put(load_list, 0, MSR_IA32_KERNEL_GS_BASE, 0x3000);
	vm_set(VMCS_entry_msr_load_count, 1);
	vm_set(VMCS_exit_msr_store_count, 1);
	vm_set(VMCS_exit_msr_load_count, 1);
	vm_self()->regs.rcx = MSR_IA32_KERNEL_GS_BASE;
	check_exit(vm_run(l2_rdmsr), EXIT_REASON_VMCALL, "L2 reads");
	check_eq(0x1000, (u32)vm_self()->regs.rax, "value in L2");
	check_eq(0x1000, store_list[0].value, "stored value");
	check_eq(0x3000, rdmsr(MSR_IA32_KERNEL_GS_BASE), "value in L1");
	vm_self()->regs.rax = 0x2000;
	check_exit(vm_run(l2_wrmsr), EXIT_REASON_VMCALL, "L2 writes");
	check_eq(0x2000, store_list[0].value, "stored value");
	check_eq(0x3000, rdmsr(MSR_IA32_KERNEL_GS_BASE), "value in L1");
	check_eq(0x1000, entry_list[0].value, "the entry list is not written");
	check_eq(before, rdmsr(MSR_IA32_SYSENTER_CS), "another MSR");
}

struct bad_row {
	const char *name;
	u32 index;
	u32 reserved;
	u64 value;
};

static const struct bad_row bad_rows[] = {
	{ "fs-base", MSR_IA32_FS_BASE, 0, 0 },
	{ "gs-base", MSR_IA32_GS_BASE, 0, 0 },
	{ "x2apic-first", 0x800, 0, 0 },
	{ "x2apic-tpr", 0x808, 0, 0 },
	{ "x2apic-last", 0x8ff, 0, 0 },
	{ "reserved-bits", MSR_IA32_KERNEL_GS_BASE, 1, 0 },
	{ "reserved-bit-63", MSR_IA32_KERNEL_GS_BASE, BIT32(31), 0 },
	{ "noncanonical", MSR_IA32_KERNEL_GS_BASE, 0, 0x800000000000ULL },
	{ "pat-type-2", MSR_IA32_PAT, 0, 2 },
	{ "efer-reserved", MSR_IA32_EFER, 0, BIT(20) },
	{ "capability", MSR_IA32_VMX_BASIC, 0, 0 },
};

static const char *bad_name(unsigned int row)
{
	return bad_rows[row].name;
}

/* A bad entry ends the VM entry: reason 34, its number from 1; those before it were loaded. */
static void bad_entry(unsigned int row)
{
	const struct bad_row *r = &bad_rows[row];

	for (unsigned int position = 0; position < 3; position++) {
		vm_reset(L2_NATIVE);
		empty_lists();
		for (unsigned int i = 0; i < 4; i++)
			put(entry_list, i, MSR_IA32_SYSENTER_EIP, 0x1000 * (i + 1));
		wrmsr(MSR_IA32_KERNEL_GS_BASE, 0);
		entry_list[position] = (struct vmx_msr_entry){ r->index, r->reserved, r->value };
		vm_set(VMCS_entry_msr_load_count, 4);
		case_step("position %u", position);
		check_entry_failure(vm_run(l2_vmcall), EXIT_REASON_ENTRY_FAILURE_MSR, position + 1,
				    "reason 34");
		check_eq(vm_get(VMCS_host_ia32_sysenter_eip), rdmsr(MSR_IA32_SYSENTER_EIP),
			 "host SYSENTER_EIP was loaded");
	}
	vm_reset(L2_NATIVE);
	case_step("afterwards");
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "golden");
}

/* The exit's MSR-load list is processed after a failed entry too. */
static void exit_list_after_failure(void)
{
	empty_lists();
	put(entry_list, 0, MSR_IA32_FS_BASE, 0);
	put(load_list, 0, MSR_IA32_KERNEL_GS_BASE, 0x7000);
	put(store_list, 0, MSR_IA32_KERNEL_GS_BASE, 0x55);
	vm_set(VMCS_entry_msr_load_count, 1);
	vm_set(VMCS_exit_msr_load_count, 1);
	vm_set(VMCS_exit_msr_store_count, 1);
	check_entry_failure(vm_run(l2_vmcall), EXIT_REASON_ENTRY_FAILURE_MSR, 1, "reason 34");
	check_eq(0x7000, rdmsr(MSR_IA32_KERNEL_GS_BASE), "load list");
	check_eq(0x55, store_list[0].value, "the store list is not");
}

/* 512 entries, the recommended maximum: in order, the last one wins. */
static void longest(void)
{
	u64 max = 512 * (field_get(facts.misc, VMX_MISC_MSR_LIST_MAX) + 1);

	empty_lists();
	check_true(max >= LIST_MAX, "IA32_VMX_MISC allows 512");
	for (unsigned int i = 0; i < LIST_MAX; i++) {
		put(entry_list, i, MSR_IA32_KERNEL_GS_BASE, 0x1000 + i);
		put(store_list, i, MSR_IA32_KERNEL_GS_BASE, 0);
		put(load_list, i, MSR_IA32_KERNEL_GS_BASE, 0x8000 + i);
	}
	vm_set(VMCS_entry_msr_load_count, LIST_MAX);
	vm_set(VMCS_exit_msr_store_count, LIST_MAX);
	vm_set(VMCS_exit_msr_load_count, LIST_MAX);
	vm_self()->regs.rcx = MSR_IA32_KERNEL_GS_BASE;
	check_exit(vm_run(l2_rdmsr), EXIT_REASON_VMCALL, "L2 reads");
	check_eq(0x1000 + LIST_MAX - 1, (u32)vm_self()->regs.rax, "value in L2");
	for (unsigned int i = 0; i < LIST_MAX; i += 73)
		check_eq(0x1000 + LIST_MAX - 1, store_list[i].value, "stored");
	check_eq(0x8000 + LIST_MAX - 1, rdmsr(MSR_IA32_KERNEL_GS_BASE), "value in L1");
}

/* MSRs of several kinds in one list: plain, memory-type ranges, those VMCS fields hold. */
static void kinds(void)
{
	static const u32 indices[] = { MSR_IA32_STAR,
				       MSR_IA32_LSTAR,
				       MSR_IA32_FMASK,
				       MSR_IA32_TSC_AUX,
				       MSR_IA32_MTRR_FIX64K_00000,
				       MSR_IA32_MTRR_PHYSBASE0,
				       MSR_IA32_PAT,
				       MSR_IA32_SYSENTER_ESP };

	empty_lists();
	for (unsigned int i = 0; i < ARRAY_SIZE(indices); i++) {
		put(entry_list, i, indices[i], rdmsr(indices[i]));
		put(store_list, i, indices[i], ~0ULL);
		put(load_list, i, indices[i], rdmsr(indices[i]));
	}
	vm_set(VMCS_entry_msr_load_count, ARRAY_SIZE(indices));
	vm_set(VMCS_exit_msr_store_count, ARRAY_SIZE(indices));
	vm_set(VMCS_exit_msr_load_count, ARRAY_SIZE(indices));
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "enters");
	for (unsigned int i = 0; i < ARRAY_SIZE(indices); i++) {
		case_step("0x%x", indices[i]);
		check_eq(load_list[i].value, rdmsr(indices[i]), "in L1");
		check_eq(entry_list[i].value, store_list[i].value, "stored");
	}
}

/* EFER by lists, as KVM does: NXE and SCE of L2 differ from L1's. */
static void efer_by_lists(void)
{
	u64 l1 = rdmsr(MSR_IA32_EFER), l2 = (l1 | EFER_SCE | EFER_NXE);

	vm_control(VMX_WORD_ENTRY, 0, ENTRY_LOAD_IA32_EFER);
	vm_control(VMX_WORD_EXIT, 0, EXIT_LOAD_IA32_EFER | EXIT_SAVE_IA32_EFER);
	empty_lists();
	put(entry_list, 0, MSR_IA32_EFER, l2);
	put(store_list, 0, MSR_IA32_EFER, 0);
	put(load_list, 0, MSR_IA32_EFER, l1);
	vm_set(VMCS_entry_msr_load_count, 1);
	vm_set(VMCS_exit_msr_store_count, 1);
	vm_set(VMCS_exit_msr_load_count, 1);
	vm_self()->regs.rcx = MSR_IA32_EFER;
	check_exit(vm_run(l2_rdmsr), EXIT_REASON_VMCALL, "L2 reads");
	check_eq(l2, (u32)vm_self()->regs.rax, "EFER in L2");
	check_eq(l2, store_list[0].value, "stored");
	check_eq(l1, rdmsr(MSR_IA32_EFER), "EFER in L1");
}

/* SDM "IA32_EFER": software cannot change LMA, and writing the other value of it does nothing. */
static void efer_lma(void)
{
	u64 l1 = rdmsr(MSR_IA32_EFER);

	vm_control(VMX_WORD_ENTRY, 0, ENTRY_LOAD_IA32_EFER);
	vm_control(VMX_WORD_EXIT, 0, EXIT_LOAD_IA32_EFER | EXIT_SAVE_IA32_EFER);
	empty_lists();
	put(entry_list, 0, MSR_IA32_EFER, l1 ^ EFER_LMA);
	put(store_list, 0, MSR_IA32_EFER, 0);
	put(load_list, 0, MSR_IA32_EFER, l1 ^ EFER_LMA);
	vm_set(VMCS_exit_msr_store_count, 1);
	vm_set(VMCS_entry_msr_load_count, 1);
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "entry list");
	check_eq(l1, store_list[0].value, "EFER in L2");
	vm_set(VMCS_entry_msr_load_count, 0);
	vm_set(VMCS_exit_msr_load_count, 1);
	check_exit(vm_run(l2_vmcall), EXIT_REASON_VMCALL, "exit list");
	check_eq(l1, rdmsr(MSR_IA32_EFER), "EFER in L1");
}

static const struct lhv_case cases[] = {
	{ .name = "round-trip", .needs = NEEDS_VMX | NEEDS_64BIT, .run = round_trip },
	{ .name = "bad-entry",
	  .needs = NEEDS_VMX | NEEDS_64BIT,
	  .run_row = bad_entry,
	  .row_name = bad_name,
	  .rows = ARRAY_SIZE(bad_rows) },
	{ .name = "exit-list-after-failure",
	  .needs = NEEDS_VMX | NEEDS_64BIT,
	  .run = exit_list_after_failure },
	{ .name = "512-entries", .needs = NEEDS_VMX | NEEDS_64BIT, .run = longest },
	{ .name = "kinds", .needs = NEEDS_VMX | NEEDS_64BIT, .run = kinds },
	{ .name = "efer", .needs = NEEDS_VMX | NEEDS_64BIT, .run = efer_by_lists },
	{ .name = "efer-lma", .needs = NEEDS_VMX | NEEDS_64BIT, .run = efer_lma },
};
LHV_TOPIC("msr-lists", cases);
