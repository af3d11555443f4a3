/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM "Checks on the Host-State Area": "Checks on Host Control Registers, MSRs, and
 * SSP", "Checks on Host Segment and Descriptor-Table Registers", "Checks Related to
 * Address-Space Size".  One rule broken, VM-instruction error 8.
 */
#include "lhv/suite/rows.h"

#define ROW8 ROW_FAILS_8, 0, 0

// clang-format off
static const struct entry_row rows[] = {
	/* control registers and MSRs */
	{ "cr0/bit-32", ROW8, { OR(host_cr0, BIT(32)) } },
	{ "cr0/bit-63", ROW8, { OR(host_cr0, BIT(63)) } },
	{ "cr0/paging-off", ROW8, { CLEAR(host_cr0, CR0_PG) } },
	{ "cr0/protection-off", ROW8, { CLEAR(host_cr0, CR0_PE) } },
	{ "cr0/ne-off", ROW8, { CLEAR(host_cr0, CR0_NE) } },
	{ "cr4/vmxe-off", ROW8, { CLEAR(host_cr4, CR4_VMXE) } },
	{ "cr4/pae-off", ROW8, { CLEAR(host_cr4, CR4_PAE) } },
	{ "cr4/bit-32", ROW8, { OR(host_cr4, BIT(32)) } },
	{ "cr4/bit-63", ROW8, { OR(host_cr4, BIT(63)) } },
	{ "cr3/beyond-width", ROW8, { BEYOND(host_cr3, 0) } },
	{ "cr3/bit-51", ROW8, { OR(host_cr3, BIT(51)) } },
	{ "cr3/bit-63", ROW8, { OR(host_cr3, BIT(63)) } },
	{ "sysenter-esp/noncanonical", ROW8, { SET(host_ia32_sysenter_esp, NONCANONICAL) } },
	{ "sysenter-eip/noncanonical", ROW8, { SET(host_ia32_sysenter_eip, NONCANONICAL) } },
	{ "sysenter-esp/high-canonical", ROW_ENTERS, 0, 0, { SET(host_ia32_sysenter_esp, 0xffff800000000000) } },
	{ "pat/type-2", ROW8, { ON(EXIT, EXIT_LOAD_IA32_PAT), SET(host_ia32_pat, 0x0007040600070402) } },
	{ "pat/type-3-in-byte-7", ROW8, { ON(EXIT, EXIT_LOAD_IA32_PAT), SET(host_ia32_pat, 0x0307040600070406) } },
	{ "pat/type-8", ROW8, { ON(EXIT, EXIT_LOAD_IA32_PAT), SET(host_ia32_pat, 0x0007080600070406) } },
	{ "pat/off-junk", ROW_ENTERS, 0, 0, { OFF(EXIT, EXIT_LOAD_IA32_PAT), SET(host_ia32_pat, ~0ULL) } },
	{ "efer/reserved-1", ROW8, { ON(EXIT, EXIT_LOAD_IA32_EFER), OR(host_ia32_efer, BIT(1)) } },
	{ "efer/reserved-9", ROW8, { ON(EXIT, EXIT_LOAD_IA32_EFER), OR(host_ia32_efer, BIT(9)) } },
	{ "efer/reserved-63", ROW8, { ON(EXIT, EXIT_LOAD_IA32_EFER), OR(host_ia32_efer, BIT(63)) } },
	{ "efer/lma-wrong", ROW8, { ON(EXIT, EXIT_LOAD_IA32_EFER), XOR(host_ia32_efer, EFER_LMA) } },
	{ "efer/lme-wrong", ROW8, { ON(EXIT, EXIT_LOAD_IA32_EFER), XOR(host_ia32_efer, EFER_LME) } },
	{ "efer/off-junk", ROW_ENTERS, 0, 0, { OFF(EXIT, EXIT_LOAD_IA32_EFER), SET(host_ia32_efer, ~0ULL) } },
	/* segments */
	{ "es/rpl", ROW8, { OR(host_es_selector, 3) } },
	{ "es/ti", ROW8, { OR(host_es_selector, 4) } },
	{ "cs/rpl", ROW8, { OR(host_cs_selector, 3) } },
	{ "cs/ti", ROW8, { OR(host_cs_selector, 4) } },
	{ "cs/null", ROW8, { SET(host_cs_selector, 0) } },
	{ "ss/rpl", ROW8, { OR(host_ss_selector, 1) } },
	{ "ss/ti", ROW8, { OR(host_ss_selector, 4) } },
	{ "ds/rpl", ROW8, { OR(host_ds_selector, 2) } },
	{ "ds/ti", ROW8, { OR(host_ds_selector, 4) } },
	{ "fs/rpl", ROW8, { OR(host_fs_selector, 1) } },
	{ "fs/ti", ROW8, { OR(host_fs_selector, 4) } },
	{ "gs/rpl", ROW8, { OR(host_gs_selector, 3) } },
	{ "gs/ti", ROW8, { OR(host_gs_selector, 4) } },
	{ "tr/rpl", ROW8, { OR(host_tr_selector, 1) } },
	{ "tr/ti", ROW8, { OR(host_tr_selector, 4) } },
	{ "tr/null", ROW8, { SET(host_tr_selector, 0) } },
	{ "data/null-enters", ROW_ENTERS, 0, 0, { SET(host_es_selector, 0), SET(host_fs_selector, 0), SET(host_gs_selector, 0) } },
	{ "fs-base/noncanonical", ROW8, { SET(host_fs_base, NONCANONICAL) } },
	{ "gs-base/noncanonical", ROW8, { SET(host_gs_base, NONCANONICAL) } },
	{ "gdtr-base/noncanonical", ROW8, { OR(host_gdtr_base, NONCANONICAL) } },
	{ "idtr-base/noncanonical", ROW8, { OR(host_idtr_base, NONCANONICAL) } },
	{ "tr-base/noncanonical", ROW8, { OR(host_tr_base, NONCANONICAL) } },
	{ "gs-base/high-canonical", ROW_ENTERS, 0, 0, { SET(host_gs_base, 0xffffffff80000000) } },
	/* address-space size */
	{ "size/rip-noncanonical", ROW_FAILS_7_OR_8, 0, 0, { OR(host_rip, NONCANONICAL) } },
	{ "size/host-32-from-64", ROW_FAILS_7_OR_8, 0, 0, { HAS(ENTRY, ENTRY_IA32E_MODE_GUEST), OFF(EXIT, EXIT_HOST_ADDRESS_SPACE_SIZE) } },
	{ "size/host-32-guest-32-from-64", ROW_FAILS_7_OR_8, 0, L2_PAE, { OFF(EXIT, EXIT_HOST_ADDRESS_SPACE_SIZE) } },
};

/* The 32-bit build's own rules: outside IA-32e mode. */
static const struct entry_row rows32[] = {
	{ "32/host-64", ROW_FAILS_7_OR_8, 0, 0, { ON(EXIT, EXIT_HOST_ADDRESS_SPACE_SIZE) } },
	{ "32/guest-64", ROW_FAILS_7_OR_8, 0, 0, { ON(ENTRY, ENTRY_IA32E_MODE_GUEST) } },
	{ "32/pcide", ROW_FAILS_7_OR_8, 0, 0, { OR(host_cr4, CR4_PCIDE) } },
	{ "32/ss-null", ROW8, { SET(host_ss_selector, 0) } },
	{ "32/cs-null", ROW8, { SET(host_cs_selector, 0) } },
	{ "32/tr-rpl", ROW8, { OR(host_tr_selector, 1) } },
	{ "32/cr0-pe-off", ROW8, { CLEAR(host_cr0, CR0_PE) } },
	{ "32/cr4-vmxe-off", ROW8, { CLEAR(host_cr4, CR4_VMXE) } },
	{ "32/efer-lma", ROW8, { ON(EXIT, EXIT_LOAD_IA32_EFER), OR(host_ia32_efer, EFER_LMA) } },
	{ "32/efer-lme", ROW8, { ON(EXIT, EXIT_LOAD_IA32_EFER), OR(host_ia32_efer, EFER_LME) } },
	{ "32/pat-type-2", ROW8, { ON(EXIT, EXIT_LOAD_IA32_PAT), SET(host_ia32_pat, 2) } },
};
// clang-format on

static void run_row(unsigned int row)
{
	entry_row_run(&rows[row]);
}

static const char *row_name(unsigned int row)
{
	return rows[row].name;
}

static void run_row32(unsigned int row)
{
	if (case_requires(!IS_64BIT, "32-bit build only"))
		entry_row_run(&rows32[row]);
}

static const char *row32_name(unsigned int row)
{
	return rows32[row].name;
}

static void flip_each_bit(u32 encoding, u64 fixed0, u64 fixed1, unsigned int bits)
{
	u64 golden = vm_get(encoding);

	for (unsigned int bit = 0; bit < bits; bit++) {
		u64 b = BIT(bit);

		if ((fixed0 & b) == 0 && (fixed1 & b) != 0)
			continue;
		vm_set(encoding, fixed0 & b ? golden & ~b : golden | b);
		case_step("bit %u", bit);
		check_vmfail(vm_enter(), VMFAIL_ENTRY_INVALID_HOST_STATE, "error 8");
	}
	vm_set(encoding, golden);
	case_step("golden");
	check_eq(VMX_SUCCEED, vm_enter().result, "enters");
}

/* CR0 and CR4 must hold only values that VMX operation supports. */
static void cr0_fixed(void)
{
	flip_each_bit(VMCS_host_cr0, facts.cr0_fixed0, facts.cr0_fixed1, sizeof(uptr) * 8);
}

static void cr4_fixed(void)
{
	flip_each_bit(VMCS_host_cr4, facts.cr4_fixed0, facts.cr4_fixed1, sizeof(uptr) * 8);
}

/* Every bit of the host's CR3 from the physical-address width up. */
static void cr3_width(void)
{
	u64 golden = vm_get(VMCS_host_cr3);

	for (unsigned int bit = facts.physical_bits; bit < 64; bit++) {
		vm_set(VMCS_host_cr3, golden | BIT(bit));
		case_step("bit %u", bit);
		check_vmfail(vm_enter(), VMFAIL_ENTRY_INVALID_HOST_STATE, "error 8");
	}
}

/* Each byte of the PAT takes 0, 1, 4, 5, 6 and 7. */
static void pat_types(void)
{
	u64 golden = vm_get(VMCS_host_ia32_pat);

	if (!case_requires(vm_allows(VMX_WORD_EXIT, EXIT_LOAD_IA32_PAT), "no load IA32_PAT"))
		return;
	for (unsigned int byte = 0; byte < 8; byte++) {
		for (unsigned int type = 2; type < 16; type++) {
			u64 pat = (golden & ~(0xffULL << byte * 8)) | (u64)type << byte * 8;

			if (type >= 4 && type <= 7)
				continue;
			vm_set(VMCS_host_ia32_pat, pat);
			case_step("byte %u type %u", byte, type);
			check_vmfail(vm_enter(), VMFAIL_ENTRY_INVALID_HOST_STATE, "error 8");
		}
	}
}

static const struct lhv_case cases[] = {
	{ .name = "host",
	  .needs = NEEDS_VMX | NEEDS_64BIT,
	  .run_row = run_row,
	  .row_name = row_name,
	  .rows = ARRAY_SIZE(rows) },
	{ .name = "host",
	  .needs = NEEDS_VMX,
	  .run_row = run_row32,
	  .row_name = row32_name,
	  .rows = ARRAY_SIZE(rows32) },
	{ .name = "host/cr0-fixed", .needs = NEEDS_VMX, .run = cr0_fixed },
	{ .name = "host/cr4-fixed", .needs = NEEDS_VMX, .run = cr4_fixed },
	{ .name = "host/cr3-width", .needs = NEEDS_VMX | NEEDS_64BIT, .run = cr3_width },
	{ .name = "host/pat-types", .needs = NEEDS_VMX, .run = pat_types },
};
LHV_TOPIC("entry", cases);
