/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT beyond single translations: paging structures of L2, accessed and dirty flags,
 * INVEPT, several EPTPs, page-modification logging, EPTP switching, #VE, mode-based
 * execute control, the APIC-access page.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"
#include "xmhf/lib/string.h"

#define WB	  field_make(EPT_MEMORY_TYPE, MEMORY_TYPE_WB)
#define RWX_WB	  (EPT_RWX | WB)
#define PML_SLOTS 512

static u64 page_a[512] __attribute__((aligned(4096)));
static u64 page_b[512] __attribute__((aligned(4096)));

static struct ept_map *fresh(void)
{
	struct ept_map *map = ept_map_fresh();

	vm_reset(L2_NATIVE);
	vm_set(VMCS_eptp, map->eptp);
	page_a[0] = 0xaaaa;
	page_b[0] = 0xbbbb;
	vm_self()->regs.rbx = EPT_FREE_BASE;
	return map;
}

static u64 l2_reads(void)
{
	struct outcome o = vm_run(l2_read_bx);

	return check_exit(o, EXIT_REASON_VMCALL, "read") ? (u32)vm_self()->regs.rax : ~0ULL;
}

/* L2's CR3 points into the absent gibibyte: the access is to a paging structure. */
static void paging_structure(void)
{
	struct outcome o;

	fresh();
	vm_set(VMCS_guest_cr3, EPT_FREE_BASE);
	o = vm_run(l2_vmcall);
	check_exit(o, EXIT_REASON_EPT_VIOLATION, "fetch");
	check_bits(EPT_VIOLATION_READ | EPT_VIOLATION_LINEAR_VALID,
		   FIELD(5, 0) | EPT_VIOLATION_LINEAR_VALID | EPT_VIOLATION_FINAL, o.qualification,
		   "qualification: read of a paging structure");
	check_eq((uptr)l2_vmcall, vm_get(VMCS_guest_linear_address), "linear address");
	check_eq(EPT_FREE_BASE, align_down(vm_get(VMCS_guest_physical_address), PAGE_SIZE),
		 "the page of the structure");
}

/* After INVEPT the new mapping is used. */
static void invept_new_mapping(unsigned int all)
{
	struct ept_map *map = fresh();

	if (!case_requires(facts.ept_vpid & (all ? EPT_CAP_INVEPT_ALL : EPT_CAP_INVEPT_SINGLE),
			   "no INVEPT of this type"))
		return;
	ept_map_4k(map, (uptr)page_a | RWX_WB);
	invept(all ? INVEPT_ALL_CONTEXT : INVEPT_SINGLE_CONTEXT, map->eptp);
	check_eq(0xaaaa, l2_reads(), "first page");
	ept_map_4k(map, (uptr)page_b | RWX_WB);
	invept(all ? INVEPT_ALL_CONTEXT : INVEPT_SINGLE_CONTEXT, map->eptp);
	check_eq(0xbbbb, l2_reads(), "second page");
	map->pt[0] = 0;
	invept(all ? INVEPT_ALL_CONTEXT : INVEPT_SINGLE_CONTEXT, map->eptp);
	check_exit(vm_run(l2_read_bx), EXIT_REASON_EPT_VIOLATION, "taken away");
}

static const char *invept_name(unsigned int all)
{
	return all ? "all-context" : "single-context";
}

/* Rights may grow without INVEPT: a violation makes the processor look again. */
static void more_rights(void)
{
	struct ept_map *map = fresh();

	ept_map_4k(map, (uptr)page_a | EPT_READ | WB);
	ept_flush(map);
	check_eq(0xaaaa, l2_reads(), "read-only");
	check_exit(vm_run(l2_write_bx), EXIT_REASON_EPT_VIOLATION, "write");
	ept_map_4k(map, (uptr)page_a | RWX_WB);
	check_exit(vm_run(l2_write_bx), EXIT_REASON_VMCALL, "write after the entry was changed");
	ept_map_4k(map, 0);
	ept_flush(map);
	check_exit(vm_run(l2_read_bx), EXIT_REASON_EPT_VIOLATION, "absent");
	ept_map_4k(map, (uptr)page_b | RWX_WB);
	check_eq(0xbbbb, l2_reads(), "present after the violation");
}

/* Two EPTPs, taken in turn, never mix. */
static void two_eptps(void)
{
	struct ept_map *map = fresh();
	u64 *pml4 = page_alloc(1), *pdpt = page_alloc(1), *pd = page_alloc(1), *pt = page_alloc(1);

	memcpy(pdpt, map->pdpt, PAGE_SIZE);
	pml4[0] = (uptr)pdpt | EPT_RWX;
	pdpt[3] = (uptr)pd | EPT_RWX;
	pd[0] = (uptr)pt | EPT_RWX;
	pt[0] = (uptr)page_b | RWX_WB;
	ept_map_4k(map, (uptr)page_a | RWX_WB);
	ept_flush(map);
	for (unsigned int i = 0; i < 20; i++) {
		case_step("turn %u", i);
		vm_set(VMCS_eptp, i & 1 ? eptp_of(pml4) : map->eptp);
		check_eq(i & 1 ? 0xbbbb : 0xaaaa, l2_reads(), "value");
	}
}

static void accessed_dirty(void)
{
	struct ept_map *map = fresh();

	if (!case_requires(facts.ept_vpid & EPT_CAP_AD, "no accessed and dirty flags"))
		return;
	map->eptp |= EPTP_AD;
	vm_set(VMCS_eptp, map->eptp);
	ept_map_4k(map, (uptr)page_a | RWX_WB);
	ept_flush(map);
	check_eq(0xaaaa, l2_reads(), "value");
	check_bits(EPT_ACCESSED, EPT_ACCESSED | EPT_DIRTY, map->pt[0], "PTE after a read");
	check_bits(EPT_ACCESSED, EPT_ACCESSED, map->pd[0], "PDE after a read");
	check_bits(EPT_ACCESSED, EPT_ACCESSED, map->pdpt[3], "PDPTE after a read");
	check_bits(EPT_ACCESSED, EPT_ACCESSED, map->pml4[0], "PML4E after a read");
	check_exit(vm_run(l2_write_bx), EXIT_REASON_VMCALL, "write");
	check_bits(EPT_ACCESSED | EPT_DIRTY, EPT_ACCESSED | EPT_DIRTY, map->pt[0],
		   "PTE after a write");
	map->eptp &= ~EPTP_AD;
}

/* Without the EPTP's bit the flags are ignored and stay. */
static void accessed_dirty_off(void)
{
	struct ept_map *map = fresh();

	ept_map_4k(map, (uptr)page_a | RWX_WB);
	ept_flush(map);
	check_eq(0xaaaa, l2_reads(), "value");
	check_exit(vm_run(l2_write_bx), EXIT_REASON_VMCALL, "write");
	check_bits(0, EPT_ACCESSED | EPT_DIRTY, map->pt[0], "PTE");
	check_bits(0, EPT_ACCESSED | EPT_DIRTY, map->pml4[0], "PML4E");
}

/* All of L2's other pages dirty already, its paging structures too: they are not logged. */
static void dirty_before(struct ept_map *map)
{
	for (unsigned int i = 0; i < 3; i++) {
		u64 *pd = (u64 *)(uptr)(map->pdpt[i] & EPT_ADDRESS);

		for (unsigned int n = 0; n < 512; n++)
			pd[n] |= EPT_ACCESSED | EPT_DIRTY;
	}
}

/* Page-modification logging: the address goes to the slot, the index counts down. */
static void modification_log(void)
{
	struct ept_map *map = fresh();
	u64 *log = page_alloc(1);
	struct outcome o;

	if (!case_requires(vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_PML), "no PML"))
		return;
	map->eptp |= EPTP_AD;
	vm_set(VMCS_eptp, map->eptp);
	vm_control(VMX_WORD_PROC2, PROC2_ENABLE_PML, 0);
	vm_set(VMCS_pml_address, (uptr)log);
	vm_set(VMCS_pml_index, 1);
	dirty_before(map);
	ept_map_4k(map, (uptr)page_a | RWX_WB);
	map->pt[1] = (uptr)page_b | RWX_WB;
	ept_flush(map);
	check_exit(vm_run(l2_write_bx), EXIT_REASON_VMCALL, "first write");
	check_eq(0, vm_get(VMCS_pml_index), "index after one dirty page");
	check_eq(EPT_FREE_BASE, log[1], "logged address");
	check_exit(vm_run(l2_write_bx), EXIT_REASON_VMCALL, "the same page again");
	check_eq(0, vm_get(VMCS_pml_index), "no second entry");
	vm_set(VMCS_pml_index, 0xffff);
	vm_self()->regs.rbx = EPT_FREE_BASE + PAGE_SIZE;
	o = vm_run(l2_write_bx);
	check_exit(o, EXIT_REASON_PML_FULL, "full");
	check_bits(0, EPT_DIRTY, map->pt[1], "the page is not dirty yet");
	vm_set(VMCS_pml_index, PML_SLOTS - 1);
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "the write is done again");
	check_eq(EPT_FREE_BASE + PAGE_SIZE, log[PML_SLOTS - 1], "logged address");
	map->eptp &= ~EPTP_AD;
}

/* VMFUNC 0: L2 changes its EPTP by the list; a bad entry exits. */
static void eptp_switching(void)
{
	static const u8 code[] = { 0x0f, 0x01, 0xd4, 0x8b, 0x03, 0x0f, 0x01, 0xc1 };
	struct ept_map *map = fresh();
	u64 *list = page_alloc(1);
	u8 *page = page_alloc(1);

	if (!case_requires(facts.vmfunc & VMFUNC_EPTP_SWITCHING, "no EPTP switching"))
		return;
	memcpy(page, code, sizeof(code));
	ept_map_4k(map, (uptr)page_a | RWX_WB);
	ept_flush(map);
	list[1] = map->eptp;
	vm_control(VMX_WORD_PROC2, PROC2_ENABLE_VM_FUNCTIONS, 0);
	vm_set(VMCS_vm_function_controls, VMFUNC_EPTP_SWITCHING);
	vm_set(VMCS_eptp_list_address, (uptr)list);
	vm_set(VMCS_eptp, ept_identity());
	if (vm_has(VMCS_eptp_index))
		vm_set(VMCS_eptp_index, 5);
	vm_self()->regs.rax = 0;
	vm_self()->regs.rcx = 1;
	check_exit(vm_run(page), EXIT_REASON_VMCALL, "switched");
	check_eq(0xaaaa, (u32)vm_self()->regs.rax, "L2 reads by the new EPT");
	vm_forget(vm_self());
	check_eq(map->eptp, vm_get(VMCS_eptp), "EPTP");
	if (vm_has(VMCS_eptp_index))
		check_eq(1, vm_get(VMCS_eptp_index), "EPTP index, with or without #VE");
	vm_reset(L2_NATIVE);
	vm_control(VMX_WORD_PROC2, PROC2_ENABLE_VM_FUNCTIONS, 0);
	vm_set(VMCS_vm_function_controls, VMFUNC_EPTP_SWITCHING);
	vm_set(VMCS_eptp_list_address, (uptr)list);
	vm_set(VMCS_eptp, ept_identity());
	vm_self()->regs.rax = 0;
	vm_self()->regs.rcx = 2;
	check_exit(vm_run(page), EXIT_REASON_VMFUNC, "entry 0 of the list is no EPTP");
	vm_self()->regs.rax = 0;
	vm_self()->regs.rcx = 512;
	check_exit(vm_run(page), EXIT_REASON_VMFUNC, "beyond the list");
	vm_forget(vm_self());
}

/* A violation that may become #VE is delivered to L2 with its information area. */
static void virtualization_exception(void)
{
	struct ept_map *map = fresh();
	u32 *area = page_alloc(1);

	if (!case_requires(vm_allows(VMX_WORD_PROC2, PROC2_EPT_VIOLATION_VE), "no #VE"))
		return;
	vm_control(VMX_WORD_PROC2, PROC2_EPT_VIOLATION_VE, 0);
	vm_set(VMCS_virtualization_exception_information_address, (uptr)area);
	vm_set(VMCS_eptp_index, 7);
	vm_set(VMCS_exception_bitmap, ~BIT32(VECTOR_VE));
	ept_map_4k(map, 0);
	ept_flush(map);
	check_exit(vm_run(l2_read_bx), EXIT_REASON_VMCALL, "delivered to L2");
	check_eq(VECTOR_VE, *(uptr *)(uptr)vm_get(VMCS_guest_rsp), "vector");
	check_eq(EXIT_REASON_EPT_VIOLATION, area[0], "reason");
	check_eq(0xffffffff, area[1], "busy");
	check_eq(EPT_FREE_BASE, area[6], "guest-physical address");
	check_eq(7, *(u16 *)(void *)&area[8], "EPTP index");
	vm_set(VMCS_guest_rsp, (uptr)vm_self()->stack_top);
	check_exit(vm_run(l2_read_bx), EXIT_REASON_EPT_VIOLATION, "while busy it exits");
	area[1] = 0;
	ept_map_4k(map, EPT_SUPPRESS_VE);
	ept_flush(map);
	check_exit(vm_run(l2_read_bx), EXIT_REASON_EPT_VIOLATION, "suppressed");
}

/* User execution for all that maps the image, and for the way to the free gibibyte. */
static void allow_user_execution(struct ept_map *map, bool on)
{
	u64 *image_pd = (u64 *)(uptr)(map->pdpt[0] & EPT_ADDRESS);
	u64 bit = on ? EPT_USER_EXECUTE : 0;

	for (unsigned int i = 0; i < 32; i++)
		image_pd[i] = (image_pd[i] & ~EPT_USER_EXECUTE) | bit;
	map->pdpt[0] = (map->pdpt[0] & ~EPT_USER_EXECUTE) | bit;
	map->pml4[0] = (map->pml4[0] & ~EPT_USER_EXECUTE) | bit;
	map->pdpt[3] |= bit;
	map->pd[0] |= bit;
}

/* Mode-based execute control: L2's pages are user pages, so bit 10 alone decides. */
static void mode_based_execute(void)
{
	struct ept_map *map = fresh();
	struct outcome o;

	if (!case_requires(vm_allows(VMX_WORD_PROC2, PROC2_MODE_BASED_EXECUTE_CONTROL),
			   "no mode-based execute control"))
		return;
	vm_control(VMX_WORD_PROC2, PROC2_MODE_BASED_EXECUTE_CONTROL, 0);
	*(u8 *)page_a = 0xc3;
	ept_map_4k(map, (uptr)page_a | EPT_READ | WB | EPT_USER_EXECUTE);
	allow_user_execution(map, true);
	ept_flush(map);
	check_exit(vm_run(l2_call_bx), EXIT_REASON_VMCALL, "bit 10 without bit 2");
	map->pt[0] = (uptr)page_a | EPT_READ | WB | EPT_EXECUTE;
	ept_flush(map);
	o = vm_run(l2_call_bx);
	check_exit(o, EXIT_REASON_EPT_VIOLATION, "bit 2 without bit 10");
	check_bits(EPT_VIOLATION_FETCH | 5 << 3, FIELD(6, 0), o.qualification, "qualification");
	allow_user_execution(map, false);
}

/* The APIC-access page: reads and writes exit with their offset and kind. */
static void apic_access(void)
{
	struct ept_map *map = fresh();
	struct outcome o;

	if (!case_requires(vm_allows(VMX_WORD_PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES),
			   "no APIC-access page"))
		return;
	vm_control(VMX_WORD_PROC2, PROC2_VIRTUALIZE_APIC_ACCESSES, 0);
	vm_set(VMCS_apic_access_address, (uptr)page_a);
	ept_map_4k(map, (uptr)page_a | RWX_WB);
	ept_flush(map);
	vm_self()->regs.rbx = EPT_FREE_BASE + 0x20;
	o = vm_run(l2_read_bx);
	check_exit(o, EXIT_REASON_APIC_ACCESS, "read");
	check_bits(0x0020, 0xffff, o.qualification, "read, offset 0x20");
	vm_self()->regs.rbx = EPT_FREE_BASE + 0x300;
	o = vm_run(l2_write_bx);
	check_exit(o, EXIT_REASON_APIC_ACCESS, "write");
	check_bits(0x1300, 0xffff, o.qualification, "write, offset 0x300");
}

/* PAE L2 under EPT: the PDPTEs come from the VMCS, not from memory. */
static void pae_pdptes_of_vmcs(void)
{
	if (!case_requires(vm_reset(L2_PAE), "no PAE"))
		return;
	vm_set(VMCS_guest_cr3, (uptr)page_a); /* its page holds no PDPTEs */
	vm_start_at(L2_PAE, vm_vmcall_of(L2_PAE));
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "enters by the VMCS's PDPTEs");
	for (unsigned int i = 0; i < 4; i++)
		check_eq(l2_pdptes()[i], vm_get(VMCS_guest_pdpte0 + 2 * i), "saved PDPTE");
}

static const struct lhv_case cases[] = {
	{ .name = "paging-structure", .needs = NEEDS_VMX | NEEDS_EPT, .run = paging_structure },
	{ .name = "invept",
	  .needs = NEEDS_VMX | NEEDS_EPT,
	  .run_row = invept_new_mapping,
	  .row_name = invept_name,
	  .rows = 2 },
	{ .name = "more-rights", .needs = NEEDS_VMX | NEEDS_EPT, .run = more_rights },
	{ .name = "two-eptps", .needs = NEEDS_VMX | NEEDS_EPT, .run = two_eptps },
	{ .name = "accessed-dirty", .needs = NEEDS_VMX | NEEDS_EPT, .run = accessed_dirty },
	{ .name = "accessed-dirty/off", .needs = NEEDS_VMX | NEEDS_EPT, .run = accessed_dirty_off },
	{ .name = "modification-log", .needs = NEEDS_VMX | NEEDS_EPT, .run = modification_log },
	{ .name = "eptp-switching", .needs = NEEDS_VMX | NEEDS_EPT, .run = eptp_switching },
	{ .name = "virtualization-exception",
	  .needs = NEEDS_VMX | NEEDS_EPT,
	  .run = virtualization_exception },
	{ .name = "mode-based-execute", .needs = NEEDS_VMX | NEEDS_EPT, .run = mode_based_execute },
	{ .name = "apic-access", .needs = NEEDS_VMX | NEEDS_EPT, .run = apic_access },
	{ .name = "pae-pdptes", .needs = NEEDS_VMX | NEEDS_EPT, .run = pae_pdptes_of_vmcs },
};
LHV_TOPIC("ept", cases);
