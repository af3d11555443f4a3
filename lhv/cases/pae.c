/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * PDPTEs of an L2 with PAE paging.  SDM "PDPTE Registers": MOV to CR3, and to CR0 and CR4 if
 * certain bits change, loads them from memory; "Loading Page-Directory-Pointer-Table
 * Entries": so do VM entries without EPT, and with EPT they come from the VMCS.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define ENTRIES	   512
#define TABLE_BITS (PTE_P | PTE_W | PTE_U)
#define LEAF_BITS  (TABLE_BITS | PTE_PS)
/* The last 2 MiB of a gibibyte hold one page, whose first word is the gibibyte's number. */
#define MARK_OFFSET 0x3fe00000u
#define MARK(n)	    (0x1110u + (n))

static u64 *tables; /* two of four PDPTEs: in order, in reverse order */
static u64 *directories[4];

enum { IN_ORDER = 0x20, REVERSED = 0x60 }; /* offsets: CR3 needs 32 bytes of alignment */

static u64 *pdpt(u32 offset)
{
	return tables + offset / 8;
}

/* The same code in all four gibibytes, and a mark of its own in each. */
static void build(void)
{
	tables = tables ? tables : page_alloc(1);
	for (unsigned int n = 0; n < 4; n++) {
		u64 *directory = directories[n] ? directories[n] : page_alloc(3);

		directories[n] = directory;
		for (unsigned int i = 0; i < ENTRIES - 1; i++)
			directory[i] = i * PAGE_SIZE_2M | LEAF_BITS;
		directory[ENTRIES - 1] = ((uptr)directory + PAGE_SIZE) | TABLE_BITS;
		directory[ENTRIES] = ((uptr)directory + 2 * PAGE_SIZE) | TABLE_BITS;
		directory[2 * ENTRIES] = MARK(n);
		pdpt(IN_ORDER)[n] = (uptr)directory | PTE_P;
		pdpt(REVERSED)[3 - n] = (uptr)directory | PTE_P;
	}
}

static const char *ept_name(unsigned int ept)
{
	return ept ? "ept" : "no-ept";
}

/* L2 with PAE and the table at @offset; the VMCS's PDPTEs are @offset's too. */
static bool prepare(unsigned int ept, u32 offset)
{
	if (!case_requires(!ept || vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_EPT), "no EPT"))
		return false;
	build();
	vm_reset(L2_PAE);
	if (!ept && vm_allows(VMX_WORD_PROC1, PROC1_ACTIVATE_SECONDARY_CONTROLS))
		vm_control(VMX_WORD_PROC2, 0, PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST);
	vm_set(VMCS_guest_cr3, (uptr)tables + offset);
	for (unsigned int n = 0; ept && n < 4; n++)
		vm_set(VMCS_guest_pdpte0 + 2 * n, pdpt(offset)[n]);
	return true;
}

/* @program moves EBX to a control register, or does not, and reads; the marks seen. */
static void check_marks(const u8 *program, bool reversed, const char *what)
{
	for (u32 n = 0; n < 4; n++) {
		case_step("gibibyte %u", n);
		vm_self()->regs.rsi = n << 30 | MARK_OFFSET;
		check_exit(vm_run(program), EXIT_REASON_VMCALL, what);
		check_eq(MARK(reversed ? 3 - n : n), (u32)vm_self()->regs.rax, what);
	}
}

/* VM entry: from memory without EPT; from the VMCS with EPT, whatever memory has. */
static void entry(unsigned int ept)
{
	if (!prepare(ept, IN_ORDER))
		return;
	if (ept)
		memset(pdpt(IN_ORDER), 0, 4 * sizeof(u64));
	else if (vm_has(VMCS_guest_pdpte0))
		for (unsigned int n = 0; n < 4; n++)
			vm_set(VMCS_guest_pdpte0 + 2 * n, 0);
	check_marks(l2_read_si32, false, "loaded by the entry");
}

/* Without the true controls "CR3-load exiting" is always 1. */
static bool l2_loads_cr3(void)
{
	return case_requires(vm_allows_0(VMX_WORD_PROC1, PROC1_CR3_LOAD_EXITING),
			     "CR3-load exiting is always 1");
}

/* After an exit with EPT the VMCS has the PDPTEs that L2 had. */
static void saved(void)
{
	if (!l2_loads_cr3() || !prepare(1, IN_ORDER))
		return;
	vm_self()->regs.rbx = (uptr)tables + REVERSED;
	vm_self()->regs.rsi = MARK_OFFSET;
	check_exit(vm_run(l2_cr3_read_si32), EXIT_REASON_VMCALL, "MOV to CR3");
	for (unsigned int n = 0; n < 4; n++)
		check_eq(pdpt(REVERSED)[n], vm_get(VMCS_guest_pdpte0 + 2 * n), "PDPTE");
	check_eq((uptr)tables + REVERSED, vm_get(VMCS_guest_cr3), "CR3");
}

static void mov_to_cr3(unsigned int ept)
{
	if (!l2_loads_cr3() || !prepare(ept, IN_ORDER))
		return;
	vm_self()->regs.rbx = (uptr)tables + REVERSED;
	check_marks(l2_cr3_read_si32, true, "loaded by MOV to CR3");
}

/* Memory changes while L2 has the old PDPTEs: only a change of these bits loads them. */
struct reload_row {
	const char *name;
	const u8 *program;
	u32 field;
	u64 flip;
	bool loads;
};
static const struct reload_row reload_rows[] = {
	{ "cr0-cd", l2_cr0_read_si32, VMCS_guest_cr0, CR0_CD, true },
	{ "cr4-pge", l2_cr4_read_si32, VMCS_guest_cr4, CR4_PGE, true },
	{ "cr4-pse", l2_cr4_read_si32, VMCS_guest_cr4, CR4_PSE, true },
	{ "cr4-de", l2_cr4_read_si32, VMCS_guest_cr4, CR4_DE, false },
};

static const char *reload_name(unsigned int row)
{
	return reload_rows[row].name;
}

static void reload(unsigned int row)
{
	const struct reload_row *r = &reload_rows[row];

	for (u32 n = 0; n < 4; n++) {
		if (!prepare(1, IN_ORDER))
			return;
		memcpy(pdpt(IN_ORDER), pdpt(REVERSED), 4 * sizeof(u64));
		vm_self()->regs.rbx = (uptr)(vm_get(r->field) ^ r->flip);
		vm_self()->regs.rsi = n << 30 | MARK_OFFSET;
		case_step("gibibyte %u", n);
		check_exit(vm_run(r->program), EXIT_REASON_VMCALL, "MOV");
		check_eq(MARK(r->loads ? 3 - n : n), (u32)vm_self()->regs.rax, "which table");
	}
}

/* A reserved bit in a PDPTE that is present: #GP(0), CR3 as before; absent ones may hold any. */
static void reserved_bits(unsigned int ept)
{
	const u64 bits[] = { BIT(1), BIT(2), BIT(5), BIT(8), BIT(63), BIT(facts.physical_bits) };

	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++) {
		if (!l2_loads_cr3() || !prepare(ept, IN_ORDER))
			return;
		case_step("0x%llx", bits[i]);
		pdpt(REVERSED)[2] |= bits[i];
		vm_self()->regs.rbx = (uptr)tables + REVERSED;
		vm_self()->regs.rsi = MARK_OFFSET;
		check_exit(vm_run(l2_cr3_read_si32), EXIT_REASON_EXCEPTION_OR_NMI, "exits");
		check_eq(0x80000b0d, vm_get(VMCS_exit_interruption_information), "#GP");
		check_eq((uptr)tables + IN_ORDER, vm_get(VMCS_guest_cr3), "CR3");
		pdpt(REVERSED)[2] &= ~PTE_P;
		check_exit(vm_run(l2_cr3_read_si32), EXIT_REASON_VMCALL, "not present");
		if (ept)
			continue;
		pdpt(IN_ORDER)[1] |= bits[i];
		vm_set(VMCS_guest_cr3, (uptr)tables + IN_ORDER);
		check_entry_failure(vm_run(l2_read_si32), EXIT_REASON_ENTRY_FAILURE_GUEST,
				    ENTRY_FAILURE_PDPTE, "VM entry");
	}
}

/* PDPTEs written while the VMCS has no PAE, an entry that fails after its checks, then PAE: they
 * count. */
static void after_failed_entry(void)
{
	static struct vmx_msr_entry list __attribute__((aligned(16)));

	if (!prepare(1, REVERSED))
		return;
	list = (struct vmx_msr_entry){ MSR_IA32_FS_BASE, 0, 0 };
	check_marks(l2_read_si32, true, "before");
	for (unsigned int n = 0; n < 4; n++)
		vm_set(VMCS_guest_pdpte0 + 2 * n, pdpt(IN_ORDER)[n]);
	vm_set(VMCS_guest_cr4, vm_get(VMCS_guest_cr4) & ~CR4_PAE);
	vm_set(VMCS_entry_msr_load_address, (uptr)&list);
	vm_set(VMCS_entry_msr_load_count, 1);
	check_entry_failure(vm_run(l2_read_si32), EXIT_REASON_ENTRY_FAILURE_MSR, 1, "refused MSR");
	list = (struct vmx_msr_entry){ MSR_IA32_LSTAR, 0, rdmsr(MSR_IA32_LSTAR) };
	vm_set(VMCS_guest_cr4, vm_get(VMCS_guest_cr4) | CR4_PAE);
	check_marks(l2_read_si32, false, "with PAE");
}

static const struct lhv_case cases[] = {
	{ .name = "after-failed-entry", .needs = NEEDS_VMX | NEEDS_EPT, .run = after_failed_entry },
	{ .name = "entry", .needs = NEEDS_VMX, .run_row = entry, .row_name = ept_name, .rows = 2 },
	{ .name = "saved", .needs = NEEDS_VMX | NEEDS_EPT, .run = saved },
	{ .name = "mov-to-cr3",
	  .needs = NEEDS_VMX,
	  .run_row = mov_to_cr3,
	  .row_name = ept_name,
	  .rows = 2 },
	{ .name = "reload",
	  .needs = NEEDS_VMX | NEEDS_EPT,
	  .run_row = reload,
	  .row_name = reload_name,
	  .rows = ARRAY_SIZE(reload_rows) },
	{ .name = "reserved-bits",
	  .needs = NEEDS_VMX,
	  .run_row = reserved_bits,
	  .row_name = ept_name,
	  .rows = 2 },
};
LHV_TOPIC("pae", cases);
