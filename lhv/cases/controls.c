/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Controls that change what an instruction does: CR masks and shadows, CR3 targets,
 * TSC offset and scaling, TPR shadow, VPID.  SDM "Changes to Instruction Behavior in
 * VMX Non-Root Operation".
 */
#include "lhv/suite/case.h"

#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"

#define VTPR_WORD (0x80 / 4)

extern const u8 l2_read_crs[], l2_rdtsc[];

/* A read gives the shadow where the mask is 1 and the register elsewhere. */
static void read_shadows(void)
{
	static const u64 masks[] = { 0, CR0_TS, CR0_TS | CR0_EM, CR0_MP | CR0_NE, 0xffffffff };

	for (unsigned int i = 0; i < ARRAY_SIZE(masks); i++) {
		u64 cr0 = vm_get(VMCS_guest_cr0), shadow0 = cr0 ^ (CR0_TS | CR0_EM | CR0_MP);
		u64 cr4 = vm_get(VMCS_guest_cr4), shadow4 = cr4 ^ (CR4_VMXE | CR4_PGE | CR4_TSD);
		u64 mask4 = i & 1 ? CR4_VMXE | CR4_PGE : 0;

		vm_set(VMCS_cr0_guest_host_mask, masks[i]);
		vm_set(VMCS_cr0_read_shadow, shadow0);
		vm_set(VMCS_cr4_guest_host_mask, mask4);
		vm_set(VMCS_cr4_read_shadow, shadow4);
		case_step("mask 0x%llx", masks[i]);
		check_exit(vm_run(l2_read_crs), EXIT_REASON_VMCALL, "reads");
		check_eq((cr0 & ~masks[i]) | (shadow0 & masks[i]), vm_self()->regs.rax, "CR0");
		check_eq((cr4 & ~mask4) | (shadow4 & mask4), vm_self()->regs.rdx, "CR4");
	}
}

/* A write exits only if it changes an owned bit against the shadow. */
static void owned_bits(void)
{
	for (unsigned int i = 0; i < 8; i++) {
		u64 cr0 = (vm_reset(L2_NATIVE), vm_get(VMCS_guest_cr0));
		bool owned = i & 1, shadow = i & 2, written = i & 4;

		vm_set(VMCS_cr0_guest_host_mask, owned ? CR0_TS : 0);
		vm_set(VMCS_cr0_read_shadow, shadow ? CR0_TS : 0);
		vm_self()->regs.rbx = (uptr)(written ? cr0 | CR0_TS : cr0 & ~CR0_TS);
		case_step("owned %u shadow %u written %u", owned, shadow, written);
		if (owned && shadow != written) {
			check_exit(vm_run(l2_cr0_from_bx), EXIT_REASON_CR_ACCESS, "exits");
			continue;
		}
		check_exit(vm_run(l2_cr0_from_bx), EXIT_REASON_VMCALL, "does not exit");
		check_eq(!owned && written, !!(vm_get(VMCS_guest_cr0) & CR0_TS), "CR0.TS");
	}
}

/* A load of a CR3-target value does not exit. */
#define CR_ACCESS_TYPE	  0x30u
#define CR_ACCESS_TO_CR	  0x00u
#define CR_ACCESS_FROM_CR 0x10u

static void cr3_targets(void)
{
	for (u32 count = 0; count <= 4; count++) {
		u64 cr3 = (vm_reset(L2_NATIVE), vm_get(VMCS_guest_cr3));
		bool passes = count > 2;
		struct outcome o;

		vm_control(VMX_WORD_PROC1, PROC1_CR3_LOAD_EXITING, 0);
		vm_set(VMCS_cr3_target_count, count);
		vm_set(VMCS_cr3_target_value2, cr3);
		vm_self()->regs.rbx = (uptr)cr3;
		case_step("count %u", count);
		o = vm_run(l2_cr3_from_bx);
		/* Without the true controls "CR3-store exiting" is always 1: the read exits. */
		if (passes && vm_allows_0(VMX_WORD_PROC1, PROC1_CR3_STORE_EXITING))
			check_exit(o, EXIT_REASON_VMCALL, "value is the third target");
		else if (check_exit(o, EXIT_REASON_CR_ACCESS, "value is the third target"))
			check_bits(passes ? CR_ACCESS_FROM_CR : CR_ACCESS_TO_CR, CR_ACCESS_TYPE,
				   o.qualification, "MOV to or from CR3");
	}
}

/* RDTSC in L2 is the counter plus the offset. */
static void tsc_offset(void)
{
	static const u64 offsets[] = { 0, 1ULL << 40, ~0ULL << 32, 0x123456789abc };

	for (unsigned int i = 0; i < 2 * ARRAY_SIZE(offsets); i++) {
		bool on = i & 1;
		u64 before, in_l2, after, offset = on ? offsets[i / 2] : 0;

		vm_reset(L2_NATIVE);
		vm_control(VMX_WORD_PROC1, on ? PROC1_USE_TSC_OFFSETTING : 0,
			   on ? 0 : PROC1_USE_TSC_OFFSETTING);
		vm_set(VMCS_tsc_offset, offsets[i / 2]);
		vm_set(VMCS_guest_rip, (uptr)l2_rdtsc);
		before = rdtsc();
		check_exit(vm_enter(), EXIT_REASON_VMCALL, "RDTSC");
		after = rdtsc();
		in_l2 = (u64)(u32)vm_self()->regs.rdx << 32 | (u32)vm_self()->regs.rax;
		case_step("offset 0x%llx %s", offsets[i / 2], on ? "on" : "off");
		check_true(in_l2 - offset - before <= after - before, "between L1's two readings");
	}
}

/* Scaling: L2's counter runs at half the speed. */
static void tsc_scaling(void)
{
	u64 before, in_l2, after;

	if (!case_requires(vm_allows(VMX_WORD_PROC2, PROC2_USE_TSC_SCALING), "no TSC scaling"))
		return;
	vm_control(VMX_WORD_PROC1, PROC1_USE_TSC_OFFSETTING, 0);
	vm_control(VMX_WORD_PROC2, PROC2_USE_TSC_SCALING, 0);
	vm_set(VMCS_tsc_multiplier, 1ULL << 47);
	vm_set(VMCS_tsc_offset, 0);
	vm_set(VMCS_guest_rip, (uptr)l2_rdtsc);
	before = rdtsc() / 2;
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "RDTSC");
	after = rdtsc() / 2;
	in_l2 = (u64)(u32)vm_self()->regs.rdx << 32 | (u32)vm_self()->regs.rax;
	check_true(in_l2 >= before && in_l2 <= after + 1, "half of the counter");
}

/* MOV from and to CR8 use the virtual-APIC page; below the threshold it exits. */
static void tpr_shadow(void)
{
	u32 *page = page_alloc(1);

	if (!case_requires(vm_allows(VMX_WORD_PROC1, PROC1_USE_TPR_SHADOW), "no TPR shadow"))
		return;
	vm_control(VMX_WORD_PROC1, PROC1_USE_TPR_SHADOW,
		   PROC1_CR8_LOAD_EXITING | PROC1_CR8_STORE_EXITING);
	vm_set(VMCS_virtual_apic_address, (uptr)page);
	vm_set(VMCS_tpr_threshold, 0);
	page[VTPR_WORD] = 0x50;
	check_exit(vm_run(l2_read_cr8), EXIT_REASON_VMCALL, "read");
	check_eq(5, vm_self()->regs.rax, "CR8 is VTPR bits 7:4");
	vm_self()->regs.rax = 9;
	check_exit(vm_run(l2_write_cr8), EXIT_REASON_VMCALL, "write");
	check_eq(0x90, page[VTPR_WORD], "VTPR");
	vm_set(VMCS_tpr_threshold, 6);
	vm_self()->regs.rax = 6;
	check_exit(vm_run(l2_write_cr8), EXIT_REASON_VMCALL, "at the threshold");
	vm_self()->regs.rax = 5;
	check_exit(vm_run(l2_write_cr8), EXIT_REASON_TPR_BELOW_THRESHOLD, "below it");
	check_eq((uptr)l2_write_cr8 + 4, vm_get(VMCS_guest_rip), "a trap: RIP after the MOV");
}

/* Without EPT: L2's own page tables, changed, INVVPID, and the new translation is seen. */
static void vpid_invvpid(unsigned int type)
{
	static const u64 needed[] = { EPT_CAP_INVVPID_ADDRESS, EPT_CAP_INVVPID_SINGLE,
				      EPT_CAP_INVVPID_ALL, EPT_CAP_INVVPID_SINGLE_NONGLOBAL };
	u64 *page_a = page_alloc(1), *page_b = page_alloc(1);
	u64 bits = PTE_P | PTE_W;

	if (!case_requires(vm_allows(VMX_WORD_PROC2, PROC2_ENABLE_VPID) &&
				   (facts.ept_vpid & needed[type]),
			   "no VPID or INVVPID of this type"))
		return;
	page_a[0] = 0xaaaa;
	page_b[0] = 0xbbbb;
	vm_control(VMX_WORD_PROC2, PROC2_ENABLE_VPID, PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST);
	vm_set(VMCS_vpid, 5);
	vm_set(VMCS_guest_cr3, read_cr3());
	vm_set(VMCS_guest_cr4, vm_get(VMCS_guest_cr4) | (read_cr4() & CR4_PAE));
	vm_self()->regs.rbx = (uptr)window_page(9);
	for (unsigned int i = 0; i < 6; i++) {
		u64 *page = i & 1 ? page_b : page_a;

		window_set(9, (uptr)page | bits);
		invvpid(type, type == INVVPID_ALL_CONTEXT ? 0 : 5, (uptr)window_page(9));
		case_step("turn %u", i);
		check_exit(vm_run(l2_read_bx), EXIT_REASON_VMCALL, "read");
		check_eq(page[0], (u32)vm_self()->regs.rax, "value");
	}
}

static const char *vpid_name(unsigned int type)
{
	static const char *const names[] = { "address", "single", "all", "single-keep-globals" };

	return names[type];
}

/* VPID 0, no VPID: every entry and exit invalidates, so no instruction is needed. */
static void without_vpid(void)
{
	u64 *page_a = page_alloc(1), *page_b = page_alloc(1);

	page_a[0] = 0xaaaa;
	page_b[0] = 0xbbbb;
	vm_control(VMX_WORD_PROC2, 0,
		   PROC2_ENABLE_VPID | PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST);
	vm_set(VMCS_guest_cr3, read_cr3());
	vm_set(VMCS_guest_cr4, vm_get(VMCS_guest_cr4) | (read_cr4() & CR4_PAE));
	vm_self()->regs.rbx = (uptr)window_page(10);
	for (unsigned int i = 0; i < 6; i++) {
		u64 *page = i & 1 ? page_b : page_a;

		window_set(10, (uptr)page | PTE_P | PTE_W);
		case_step("turn %u", i);
		check_exit(vm_run(l2_read_bx), EXIT_REASON_VMCALL, "read");
		check_eq(page[0], (u32)vm_self()->regs.rax, "value");
	}
}

static const struct lhv_case cases[] = {
	{ .name = "cr/read-shadows", .needs = NEEDS_VMX, .run = read_shadows },
	{ .name = "cr/owned-bits", .needs = NEEDS_VMX, .run = owned_bits },
	{ .name = "cr/cr3-targets", .needs = NEEDS_VMX, .run = cr3_targets },
	{ .name = "tsc/offset", .needs = NEEDS_VMX, .run = tsc_offset },
	{ .name = "tsc/scaling", .needs = NEEDS_VMX, .run = tsc_scaling },
	{ .name = "tpr-shadow", .needs = NEEDS_VMX | NEEDS_64BIT, .run = tpr_shadow },
	{ .name = "vpid",
	  .needs = NEEDS_VMX,
	  .run_row = vpid_invvpid,
	  .row_name = vpid_name,
	  .rows = 4 },
	{ .name = "vpid/off", .needs = NEEDS_VMX, .run = without_vpid },
};
LHV_TOPIC("controls", cases);
