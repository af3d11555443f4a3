/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM "VMX Instruction Reference": every way a VMX instruction ends without entering
 * L2, one at a time: VMfailInvalid, VMfailValid with its number.
 */
#include "lhv/suite/case.h"

#include "lhv/frame/asm_hw.h"
#include "lhv/frame/cmdline.h"
#include "lhv/frame/machine.h"
#include "lhv/frame/paging.h"
#include "lhv/vm/ept.h"
#include "lhv/vm/programs.h"

#define REVISION ((u32)field_get(facts.basic, VMX_BASIC_REVISION))

static u64 beyond_width(void)
{
	return BIT(facts.physical_bits);
}

static u32 *fresh_region(void)
{
	static u32 *region;

	if (!region)
		region = page_alloc(1);
	*region = REVISION;
	vmclear((uptr)region);
	return region;
}

static void no_current(void)
{
	vmclear((uptr)vm_self()->region);
}

static u64 current_pointer(void)
{
	u64 pointer = 0;

	vmptrst(&pointer);
	return pointer;
}

/* VMXON in VMX root operation: VMfail 15. */
static void vmxon_in_root(void)
{
	check_vmx(VMX_FAIL_VALID, VMFAIL_VMXON_IN_ROOT, vmxon((uptr)vmxon_region()), "again");
	check_vmx(VMX_FAIL_VALID, VMFAIL_VMXON_IN_ROOT, vmxon(1), "with junk");
	no_current();
	check_vmx(VMX_FAIL_INVALID, 0, vmxon((uptr)vmxon_region()), "without a current VMCS");
}

static void outside(u64 pointer, const char *what)
{
	check_vmx(VMX_FAIL_INVALID, 0, vmxon(pointer), what);
}

/* VMXON outside VMX operation: a bad pointer or revision is VMfailInvalid. */
static void vmxon_pointer(void)
{
	u32 *region = vmxon_region();

	vmx_off();
	outside((uptr)region + 1, "unaligned");
	outside((uptr)region + 0x800, "half aligned");
	outside((uptr)region | beyond_width(), "beyond the width");
	outside((uptr)region | BIT(63), "bit 63");
	*region = REVISION + 1;
	outside((uptr)region, "wrong revision");
	*region = REVISION | BIT32(31);
	outside((uptr)region, "bit 31 of the revision");
	*region = REVISION;
	check_vmx(VMX_SUCCEED, 0, vmxon((uptr)region), "good");
	vmx_note_on(true);
	check_eq(~0ULL, current_pointer(), "no current VMCS after VMXON");
}

static void vmptrld_pointer(void)
{
	u32 *region = fresh_region();
	u64 before = current_pointer();

	check_vmx(VMX_FAIL_VALID, VMFAIL_VMPTRLD_INVALID_ADDRESS, vmptrld((uptr)region + 1),
		  "unaligned");
	check_vmx(VMX_FAIL_VALID, VMFAIL_VMPTRLD_INVALID_ADDRESS, vmptrld((uptr)region + 0x800),
		  "half aligned");
	check_vmx(VMX_FAIL_VALID, VMFAIL_VMPTRLD_INVALID_ADDRESS,
		  vmptrld((uptr)region | beyond_width()), "beyond the width");
	check_vmx(VMX_FAIL_VALID, VMFAIL_VMPTRLD_INVALID_ADDRESS, vmptrld(~0ULL), "all ones");
	check_vmx(VMX_FAIL_VALID, VMFAIL_VMPTRLD_VMXON_POINTER, vmptrld((uptr)vmxon_region()),
		  "the VMXON region");
	*region = REVISION + 1;
	check_vmx(VMX_FAIL_VALID, VMFAIL_VMPTRLD_REVISION, vmptrld((uptr)region), "revision");
	check_eq(before, current_pointer(), "the current VMCS stays");
}

/* Bit 31 makes a shadow VMCS, which processors without VMCS shadowing refuse. */
static void vmptrld_shadow(void)
{
	u32 *region = fresh_region();

	*region = REVISION | BIT32(31);
	if (!vm_allows(VMX_WORD_PROC2, PROC2_VMCS_SHADOWING)) {
		check_vmx(VMX_FAIL_VALID, VMFAIL_VMPTRLD_REVISION, vmptrld((uptr)region),
			  "without VMCS shadowing");
		return;
	}
	check_vmx(VMX_SUCCEED, 0, vmptrld((uptr)region), "with VMCS shadowing");
	check_bits(RFLAGS_CF, RFLAGS_CF | RFLAGS_ZF, vmlaunch_flags(), "VMLAUNCH of a shadow VMCS");
	check_bits(RFLAGS_CF, RFLAGS_CF | RFLAGS_ZF, vmresume_flags(), "VMRESUME of a shadow VMCS");
	vmclear((uptr)region);
	*region = REVISION;
}

static void vmclear_pointer(void)
{
	u32 *region = fresh_region();

	check_vmx(VMX_FAIL_VALID, VMFAIL_VMCLEAR_INVALID_ADDRESS, vmclear((uptr)region + 1),
		  "unaligned");
	check_vmx(VMX_FAIL_VALID, VMFAIL_VMCLEAR_INVALID_ADDRESS,
		  vmclear((uptr)region | beyond_width()), "beyond the width");
	check_vmx(VMX_FAIL_VALID, VMFAIL_VMCLEAR_INVALID_ADDRESS, vmclear(~0ULL), "all ones");
	check_vmx(VMX_FAIL_VALID, VMFAIL_VMCLEAR_VMXON_POINTER, vmclear((uptr)vmxon_region()),
		  "the VMXON region");
	check_vmx(VMX_SUCCEED, 0, vmclear((uptr)region), "another region");
	check_eq((uptr)vm_self()->region, current_pointer(), "the current VMCS stays");
	check_vmx(VMX_SUCCEED, 0, vmclear((uptr)vm_self()->region), "the current one");
	check_eq(~0ULL, current_pointer(), "no current VMCS");
	check_vmx(VMX_FAIL_INVALID, 0, vmclear(1), "bad pointer, no current VMCS");
}

/* VMCLEAR does not look at the revision identifier. */
static void vmclear_any_revision(void)
{
	u32 *region = fresh_region();

	*region = 0;
	check_vmx(VMX_SUCCEED, 0, vmclear((uptr)region), "revision 0");
}

static void without_current(void)
{
	uptr value;

	no_current();
	check_vmx(VMX_FAIL_INVALID, 0, vmread_checked(VMCS_guest_rip, &value), "VMREAD");
	check_vmx(VMX_FAIL_INVALID, 0, vmread_checked(0x7ffe, &value), "VMREAD of no field");
	check_vmx(VMX_FAIL_INVALID, 0, vmwrite_checked(VMCS_guest_rip, 0), "VMWRITE");
	check_vmx(VMX_FAIL_INVALID, 0, vmwrite_checked(VMCS_exit_reason, 0), "VMWRITE read-only");
	check_bits(RFLAGS_CF, RFLAGS_CF | RFLAGS_ZF, vmlaunch_flags(), "VMLAUNCH");
	check_bits(RFLAGS_CF, RFLAGS_CF | RFLAGS_ZF, vmresume_flags(), "VMRESUME");
	check_vmx(VMX_FAIL_INVALID, 0, vmptrld(1), "VMPTRLD of a bad pointer");
	if (facts.ept_vpid & EPT_CAP_INVEPT)
		check_vmx(VMX_FAIL_INVALID, 0, invept(0, 0), "INVEPT of type 0");
	check_bits(RFLAGS_CF, RFLAGS_CF | RFLAGS_ZF, vmcall_flags(), "VMCALL");
}

static void vmread_unsupported(void)
{
	static const u32 bad[] = { 0x7ffe,     0x1000, 0x5000, 0x0806 | 0x1000, 0x8000, 0x10000,
				   0x80000000, 0x6c20, 0x4001, 0x0801,		0x6801 };
	uptr value;

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		case_step("0x%x", bad[i]);
		check_vmx(VMX_FAIL_VALID, VMFAIL_UNSUPPORTED_FIELD, vmread_checked(bad[i], &value),
			  "VMREAD");
		check_vmx(VMX_FAIL_VALID, VMFAIL_UNSUPPORTED_FIELD, vmwrite_checked(bad[i], 0),
			  "VMWRITE");
	}
	if (!IS_64BIT)
		return;
	case_step("bit 32 of the register");
	check_vmx(VMX_FAIL_VALID, VMFAIL_UNSUPPORTED_FIELD,
		  vmread_checked((uptr)(BIT(32) | VMCS_guest_rip), &value), "VMREAD");
	check_vmx(VMX_FAIL_VALID, VMFAIL_UNSUPPORTED_FIELD,
		  vmwrite_checked((uptr)(BIT(63) | VMCS_guest_rip), 0), "VMWRITE");
}

/* VMREAD that fails leaves its destination alone. */
static void vmread_keeps_destination(void)
{
	uptr value = 0x1234;

	vmread_checked(0x7ffe, &value);
	check_eq(0, value, "the register stays what vmread_checked() put there");
	vm_set(VMCS_guest_rip, 0x4321);
	check_eq(0x4321, vm_get(VMCS_guest_rip), "the VMCS is readable afterwards");
}

/* The exit-information fields are read-only unless IA32_VMX_MISC bit 29 says otherwise. */
static void vmwrite_read_only(void)
{
	static const u32 fields[] = { VMCS_exit_reason,		 VMCS_vm_instruction_error,
				      VMCS_exit_qualification,	 VMCS_io_rcx,
				      VMCS_guest_linear_address, VMCS_idt_vectoring_information };
	bool any = facts.misc & VMX_MISC_VMWRITE_ANY;

	for (unsigned int i = 0; i < ARRAY_SIZE(fields); i++) {
		case_step("0x%x", fields[i]);
		if (!any) {
			check_vmx(VMX_FAIL_VALID, VMFAIL_VMWRITE_READ_ONLY,
				  vmwrite_checked(fields[i], 0x55), "read-only");
			continue;
		}
		check_vmx(VMX_SUCCEED, 0, vmwrite_checked(fields[i], 0x55), "writable");
		check_eq(0x55, vm_get(fields[i]), "reads back");
	}
}

static void launch_states(void)
{
	vm_set(VMCS_guest_rip, (uptr)l2_vmcall);
	check_bits(RFLAGS_ZF, RFLAGS_CF | RFLAGS_ZF, vmresume_flags(), "VMRESUME of a clear VMCS");
	check_eq(VMFAIL_VMRESUME_NONLAUNCHED, vm_get(VMCS_vm_instruction_error), "error 5");
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "VMLAUNCH");
	check_bits(RFLAGS_ZF, RFLAGS_CF | RFLAGS_ZF, vmlaunch_flags(),
		   "VMLAUNCH of a launched one");
	check_eq(VMFAIL_VMLAUNCH_NONCLEAR, vm_get(VMCS_vm_instruction_error), "error 4");
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "VMRESUME");
	vmclear((uptr)vm_self()->region);
	vmptrld((uptr)vm_self()->region);
	check_bits(RFLAGS_ZF, RFLAGS_CF | RFLAGS_ZF, vmresume_flags(), "VMRESUME after VMCLEAR");
	check_eq(VMFAIL_VMRESUME_NONLAUNCHED, vm_get(VMCS_vm_instruction_error), "error 5 again");
	vm_self()->launched = false;
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "VMLAUNCH, contents kept");
}

/* A failed VMLAUNCH leaves the VMCS clear; only a successful entry launches it. */
static void launched_only_after_success(void)
{
	vm_set(VMCS_guest_rip, (uptr)l2_vmcall);
	vm_set(VMCS_guest_rflags, 0);
	check_entry_failure(vm_enter(), EXIT_REASON_ENTRY_FAILURE_GUEST, 0, "bad RFLAGS");
	check_bits(RFLAGS_ZF, RFLAGS_CF | RFLAGS_ZF, vmresume_flags(), "VMRESUME");
	check_eq(VMFAIL_VMRESUME_NONLAUNCHED, vm_get(VMCS_vm_instruction_error), "error 5");
	vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1);
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "VMLAUNCH");
}

/* VMLAUNCH and VMRESUME right after MOV SS: error 26, before the launch state is looked at. */
static void blocked_by_mov_ss(void)
{
	check_bits(RFLAGS_ZF, RFLAGS_CF | RFLAGS_ZF, vmlaunch_after_mov_ss(), "VMLAUNCH");
	check_eq(VMFAIL_ENTRY_BLOCKED_BY_MOV_SS, vm_get(VMCS_vm_instruction_error), "error 26");
	check_bits(RFLAGS_ZF, RFLAGS_CF | RFLAGS_ZF, vmresume_after_mov_ss(), "VMRESUME");
	check_eq(VMFAIL_ENTRY_BLOCKED_BY_MOV_SS, vm_get(VMCS_vm_instruction_error), "error 26");
}

/* There is no dual-monitor treatment of SMIs, so VMCALL fails whatever the launch state. */
static void vmcall_in_root(void)
{
	vm_set(VMCS_guest_rip, (uptr)l2_vmcall);
	check_exit(vm_enter(), EXIT_REASON_VMCALL, "an entry");
	check_bits(RFLAGS_ZF, RFLAGS_CF | RFLAGS_ZF, vmcall_flags(), "VMCALL");
	check_eq(VMFAIL_VMCALL_IN_ROOT, vm_get(VMCS_vm_instruction_error), "error 1 if launched");
}

/* With a clear VMCS Bochs 3.0 stops with a panic, so it must be asked for: root-vmcall=on. */
static void vmcall_in_root_clear(void)
{
	if (!case_requires(machine_is_on_xmhf() || cmdline_is("root-vmcall", "on"),
			   "the emulator stops; root-vmcall=on"))
		return;
	check_bits(RFLAGS_ZF, RFLAGS_CF | RFLAGS_ZF, vmcall_flags(), "VMCALL");
	check_eq(VMFAIL_VMCALL_IN_ROOT, vm_get(VMCS_vm_instruction_error), "error 1 if clear");
}

/* VMsucceed and VMfail clear the other arithmetic flags. */
static void flags_cleared(void)
{
	u32 all = (u32)(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF);

	write_flags(read_flags() | all);
	check_bits(RFLAGS_ZF, all, vmresume_flags(), "VMfailValid sets only ZF");
	no_current();
	write_flags(read_flags() | all);
	check_bits(RFLAGS_CF, all, vmresume_flags(), "VMfailInvalid sets only CF");
}

static void invept_types(void)
{
	u64 eptp = ept_identity();

	if (!case_requires(facts.ept_vpid & EPT_CAP_INVEPT, "no INVEPT"))
		return;
	for (uptr type = 0; type < 6; type++) {
		bool can = (type == INVEPT_SINGLE_CONTEXT &&
			    (facts.ept_vpid & EPT_CAP_INVEPT_SINGLE)) ||
			   (type == INVEPT_ALL_CONTEXT && (facts.ept_vpid & EPT_CAP_INVEPT_ALL));

		case_step("type %u", (unsigned int)type);
		check_vmx(can ? VMX_SUCCEED : VMX_FAIL_VALID, VMFAIL_INVALID_OPERAND,
			  invept(type, eptp), "INVEPT");
	}
	case_step("type 0x80000001");
	check_vmx(VMX_FAIL_VALID, VMFAIL_INVALID_OPERAND, invept(0x80000001, eptp), "INVEPT");
}

/* SDM "INVEPT", "INVVPID": the type is looked at before the memory operand, here of an absent page.
 */
static void bad_type_invept(void *result)
{
	bool c, z;

	__asm__ volatile("invept %2, %3"
			 : "=@ccc"(c), "=@ccz"(z)
			 : "m"(*(u64 *)window_page(0)), "r"((uptr)9));
	*(enum vmx_result *)result = z ? VMX_FAIL_VALID : c ? VMX_FAIL_INVALID : VMX_SUCCEED;
}

static void bad_type_invvpid(void *result)
{
	bool c, z;

	__asm__ volatile("invvpid %2, %3"
			 : "=@ccc"(c), "=@ccz"(z)
			 : "m"(*(u64 *)window_page(0)), "r"((uptr)9));
	*(enum vmx_result *)result = z ? VMX_FAIL_VALID : c ? VMX_FAIL_INVALID : VMX_SUCCEED;
}

static void bad_type_first(void)
{
	enum vmx_result r = VMX_SUCCEED;
	u64 before = window_get(0);

	window_set(0, 0);
	if (facts.ept_vpid & EPT_CAP_INVEPT) {
		check_no_fault(fault_try(bad_type_invept, &r), "INVEPT");
		check_vmx(VMX_FAIL_VALID, VMFAIL_INVALID_OPERAND, r, "INVEPT fails");
	}
	r = VMX_SUCCEED;
	if (facts.ept_vpid & EPT_CAP_INVVPID) {
		check_no_fault(fault_try(bad_type_invvpid, &r), "INVVPID");
		check_vmx(VMX_FAIL_VALID, VMFAIL_INVALID_OPERAND, r, "INVVPID fails");
	}
	window_set(0, before);
}

/* Single-context INVEPT fails with an EPTP that a VM entry would refuse. */
static void invept_eptp(void)
{
	u64 eptp = ept_identity();
	const u64 bad[] = { eptp | 7,	   (eptp & ~7ULL) | 4, eptp & ~EPTP_WALK_LENGTH,
			    eptp | BIT(8), eptp | BIT(11),     eptp | beyond_width() };

	if (!case_requires(facts.ept_vpid & EPT_CAP_INVEPT_SINGLE, "no single-context INVEPT"))
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		case_step("EPTP 0x%llx", bad[i]);
		check_vmx(VMX_FAIL_VALID, VMFAIL_INVALID_OPERAND,
			  invept(INVEPT_SINGLE_CONTEXT, bad[i]), "single context");
	}
	case_step("all context");
	if (facts.ept_vpid & EPT_CAP_INVEPT_ALL)
		check_vmx(VMX_SUCCEED, 0, invept(INVEPT_ALL_CONTEXT, ~0ULL), "ignores the EPTP");
}

struct invvpid_row {
	const char *name;
	uptr type;
	u16 vpid;
	u64 address;
	u64 cap;
	enum vmx_result expected;
};

static const struct invvpid_row invvpid_rows[] = {
	{ "address/good", 0, 1, 0x1000, EPT_CAP_INVVPID_ADDRESS, VMX_SUCCEED },
	{ "address/vpid-0", 0, 0, 0x1000, EPT_CAP_INVVPID_ADDRESS, VMX_FAIL_VALID },
	{ "address/noncanonical", 0, 1, 0x800000000000, EPT_CAP_INVVPID_ADDRESS, VMX_FAIL_VALID },
	{ "single/good", 1, 1, 0, EPT_CAP_INVVPID_SINGLE, VMX_SUCCEED },
	{ "single/vpid-0", 1, 0, 0, EPT_CAP_INVVPID_SINGLE, VMX_FAIL_VALID },
	{ "single/address-ignored", 1, 1, 0x800000000000, EPT_CAP_INVVPID_SINGLE, VMX_SUCCEED },
	{ "all/good", 2, 1, 0, EPT_CAP_INVVPID_ALL, VMX_SUCCEED },
	{ "all/vpid-0", 2, 0, 0, EPT_CAP_INVVPID_ALL, VMX_SUCCEED },
	{ "globals/good", 3, 1, 0, EPT_CAP_INVVPID_SINGLE_NONGLOBAL, VMX_SUCCEED },
	{ "globals/vpid-0", 3, 0, 0, EPT_CAP_INVVPID_SINGLE_NONGLOBAL, VMX_FAIL_VALID },
	{ "type-4", 4, 1, 0, EPT_CAP_INVVPID, VMX_FAIL_VALID },
	{ "type-80000002", 0x80000002, 1, 0, EPT_CAP_INVVPID, VMX_FAIL_VALID },
};

static void invvpid_row(unsigned int row)
{
	const struct invvpid_row *r = &invvpid_rows[row];

	if (!case_requires((facts.ept_vpid & EPT_CAP_INVVPID) && (facts.ept_vpid & r->cap),
			   "no INVVPID of this type"))
		return;
	if (!IS_64BIT && r->address >> 32 && r->type == 0)
		return (void)case_requires(false, "64-bit build only");
	check_vmx(r->expected, VMFAIL_INVALID_OPERAND, invvpid(r->type, r->vpid, r->address),
		  "INVVPID");
}

static const char *invvpid_name(unsigned int row)
{
	return invvpid_rows[row].name;
}

static const struct lhv_case cases[] = {
	{ .name = "vmxon/in-root", .needs = NEEDS_VMX, .run = vmxon_in_root },
	{ .name = "vmxon/pointer", .needs = NEEDS_VMX, .run = vmxon_pointer },
	{ .name = "vmptrld/pointer", .needs = NEEDS_VMX, .run = vmptrld_pointer },
	{ .name = "vmptrld/shadow-vmcs", .needs = NEEDS_VMX, .run = vmptrld_shadow },
	{ .name = "vmclear/pointer", .needs = NEEDS_VMX, .run = vmclear_pointer },
	{ .name = "vmclear/any-revision", .needs = NEEDS_VMX, .run = vmclear_any_revision },
	{ .name = "no-current-vmcs", .needs = NEEDS_VMX, .run = without_current },
	{ .name = "vmread/unsupported-field", .needs = NEEDS_VMX, .run = vmread_unsupported },
	{ .name = "vmread/failing-keeps-vmcs",
	  .needs = NEEDS_VMX,
	  .run = vmread_keeps_destination },
	{ .name = "vmwrite/read-only", .needs = NEEDS_VMX, .run = vmwrite_read_only },
	{ .name = "launch-states", .needs = NEEDS_VMX, .run = launch_states },
	{ .name = "launched-only-after-success",
	  .needs = NEEDS_VMX,
	  .run = launched_only_after_success },
	{ .name = "blocked-by-mov-ss", .needs = NEEDS_VMX, .run = blocked_by_mov_ss },
	{ .name = "vmcall/in-root", .needs = NEEDS_VMX, .run = vmcall_in_root },
	{ .name = "vmcall/in-root-clear", .needs = NEEDS_VMX, .run = vmcall_in_root_clear },
	{ .name = "flags", .needs = NEEDS_VMX, .run = flags_cleared },
	{ .name = "invept/types", .needs = NEEDS_VMX | NEEDS_EPT, .run = invept_types },
	{ .name = "invept/eptp", .needs = NEEDS_VMX | NEEDS_EPT, .run = invept_eptp },
	{ .name = "invvpid",
	  .needs = NEEDS_VMX,
	  .run_row = invvpid_row,
	  .row_name = invvpid_name,
	  .rows = ARRAY_SIZE(invvpid_rows) },
	{ .name = "operand/bad-type-first", .needs = NEEDS_VMX, .run = bad_type_first },
};
LHV_TOPIC("insn", cases);
