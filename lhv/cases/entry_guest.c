/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SDM "Checking and Loading Guest State": "Checks on Guest Control Registers, Debug
 * Registers, and MSRs", "Checks on Guest RIP, RFLAGS, and SSP", "Checks on Guest
 * Non-Register State", "Checks on Guest Page-Directory-Pointer-Table Entries".
 * One rule broken: exit reason 33 and its qualification.
 */
#include "lhv/suite/rows.h"

#define ROW33(mode)	     ROW_FAILS_33, 0, mode
#define FINE(mode)	     ROW_ENTERS, 0, mode
#define INJECT(type, vector) ((u64)BIT32(31) | (u64)(type) << 8 | (vector))

// clang-format off
static const struct entry_row rows[] = {
	/* control registers */
	{ "cr0/ne-off", ROW33(0), { CLEAR(guest_cr0, CR0_NE) } },
	{ "cr0/pg-without-pe", ROW33(L2_PLAIN), { CLEAR(guest_cr0, CR0_PE) } },
	{ "cr0/pe-off-restricted", ROW33(L2_REAL), { OFF(PROC2, PROC2_UNRESTRICTED_GUEST) } },
	{ "cr0/pg-off-restricted", ROW33(L2_FLAT), { OFF(PROC2, PROC2_UNRESTRICTED_GUEST) } },
	{ "cr0/cd-nw-free", FINE(0), { OR(guest_cr0, CR0_CD | CR0_NW) } },
	{ "cr0/cd-free", FINE(0), { OR(guest_cr0, CR0_CD) } },
	{ "cr4/vmxe-off", ROW33(0), { CLEAR(guest_cr4, CR4_VMXE) } },
	{ "cr4/bit-31", ROW33(0), { OR(guest_cr4, BIT(31)) } },
	{ "cr3/pcd-pwt-free", FINE(0), { OR(guest_cr3, CR3_PCD | CR3_PWT) } },
	/* debug registers and MSRs */
	{ "debugctl/reserved-63", ROW33(0), { ON(ENTRY, ENTRY_LOAD_DEBUG_CONTROLS), OR(guest_ia32_debugctl, BIT(63)) } },
	{ "debugctl/reserved-16", ROW33(0), { ON(ENTRY, ENTRY_LOAD_DEBUG_CONTROLS), OR(guest_ia32_debugctl, BIT(16)) } },
	{ "debugctl/off-junk", FINE(0), { OFF(ENTRY, ENTRY_LOAD_DEBUG_CONTROLS), SET(guest_ia32_debugctl, ~0ULL) } },
	{ "sysenter/cs-any", FINE(0), { SET(guest_ia32_sysenter_cs, 0xffffffff) } },
	{ "pat/type-3", ROW33(0), { ON(ENTRY, ENTRY_LOAD_IA32_PAT), SET(guest_ia32_pat, 3) } },
	{ "pat/type-2-in-byte-7", ROW33(0), { ON(ENTRY, ENTRY_LOAD_IA32_PAT), SET(guest_ia32_pat, 0x0200000000000000) } },
	{ "pat/off-junk", FINE(0), { OFF(ENTRY, ENTRY_LOAD_IA32_PAT), SET(guest_ia32_pat, ~0ULL) } },
	{ "efer/reserved-2", ROW33(0), { ON(ENTRY, ENTRY_LOAD_IA32_EFER), OR(guest_ia32_efer, BIT(2)) } },
	{ "efer/reserved-63", ROW33(0), { ON(ENTRY, ENTRY_LOAD_IA32_EFER), OR(guest_ia32_efer, BIT(63)) } },
	{ "efer/lma-wrong", ROW33(0), { ON(ENTRY, ENTRY_LOAD_IA32_EFER), XOR(guest_ia32_efer, EFER_LMA) } },
	{ "efer/lme-wrong-with-paging", ROW33(0), { ON(ENTRY, ENTRY_LOAD_IA32_EFER), XOR(guest_ia32_efer, EFER_LME) } },
	{ "efer/lme-free-without-paging", FINE(L2_FLAT), { ON(ENTRY, ENTRY_LOAD_IA32_EFER), OR(guest_ia32_efer, EFER_LME) } },
	{ "efer/off-junk", FINE(0), { OFF(ENTRY, ENTRY_LOAD_IA32_EFER), SET(guest_ia32_efer, ~0ULL) } },
	/* RFLAGS */
	{ "rflags/fixed-1", ROW33(0), { CLEAR(guest_rflags, RFLAGS_FIXED_1) } },
	{ "rflags/bit-3", ROW33(0), { OR(guest_rflags, BIT(3)) } },
	{ "rflags/bit-5", ROW33(0), { OR(guest_rflags, BIT(5)) } },
	{ "rflags/bit-15", ROW33(0), { OR(guest_rflags, BIT(15)) } },
	{ "rflags/bit-22", ROW33(0), { OR(guest_rflags, BIT(22)) } },
	{ "rflags/bit-31", ROW33(0), { OR(guest_rflags, BIT(31)) } },
	{ "rflags/vm-in-real-mode", ROW33(L2_REAL), { OR(guest_rflags, RFLAGS_VM) } },
	{ "rflags/external-with-if-0", ROW33(0), { SET(entry_interruption_information, INJECT(0, 32)) } },
	/* activity state */
	{ "activity/4", ROW33(0), { SET(guest_activity_state, 4) } },
	{ "activity/bit-31", ROW33(0), { SET(guest_activity_state, BIT32(31)) } },
	{ "activity/hlt-not-supported", ROW33(0), { NO_MISC(VMX_MISC_ACTIVITY_HLT), SET(guest_activity_state, ACTIVITY_HLT) } },
	{ "activity/hlt-blocked-by-sti", ROW33(0), { OR(guest_rflags, RFLAGS_IF), SET(guest_interruptibility_state, BLOCKING_BY_STI), SET(guest_activity_state, ACTIVITY_HLT) } },
	{ "activity/hlt-blocked-by-mov-ss", ROW33(0), { SET(guest_interruptibility_state, BLOCKING_BY_MOV_SS), SET(guest_activity_state, ACTIVITY_HLT) } },
	{ "activity/shutdown-blocked-by-mov-ss", ROW33(0), { SET(guest_interruptibility_state, BLOCKING_BY_MOV_SS), SET(guest_activity_state, ACTIVITY_SHUTDOWN) } },
	{ "activity/sipi-blocked-by-mov-ss", ROW33(0), { SET(guest_interruptibility_state, BLOCKING_BY_MOV_SS), SET(guest_activity_state, ACTIVITY_WAIT_FOR_SIPI) } },
	{ "activity/hlt-inject-gp", ROW33(0), { MISC(VMX_MISC_ACTIVITY_HLT), SET(guest_activity_state, ACTIVITY_HLT), SET(entry_interruption_information, INJECT(3, VECTOR_GP) | BIT32(11)) } },
	{ "activity/hlt-inject-software", ROW33(0), { MISC(VMX_MISC_ACTIVITY_HLT), SET(guest_activity_state, ACTIVITY_HLT), SET(entry_interruption_information, INJECT(4, 0x80)), SET(entry_instruction_length, 2) } },
	{ "activity/hlt-inject-int3", ROW33(0), { MISC(VMX_MISC_ACTIVITY_HLT), SET(guest_activity_state, ACTIVITY_HLT), SET(entry_interruption_information, INJECT(6, 3)), SET(entry_instruction_length, 1) } },
	{ "activity/shutdown-inject-external", ROW33(0), { MISC(VMX_MISC_ACTIVITY_SHUTDOWN), OR(guest_rflags, RFLAGS_IF), SET(guest_activity_state, ACTIVITY_SHUTDOWN), SET(entry_interruption_information, INJECT(0, 32)) } },
	{ "activity/shutdown-inject-ud", ROW33(0), { MISC(VMX_MISC_ACTIVITY_SHUTDOWN), SET(guest_activity_state, ACTIVITY_SHUTDOWN), SET(entry_interruption_information, INJECT(3, VECTOR_UD)) } },
	{ "activity/sipi-inject-nmi", ROW33(0), { MISC(VMX_MISC_ACTIVITY_SIPI), SET(guest_activity_state, ACTIVITY_WAIT_FOR_SIPI), SET(entry_interruption_information, INJECT(2, 2)) } },
	{ "activity/sipi-inject-external", ROW33(0), { MISC(VMX_MISC_ACTIVITY_SIPI), OR(guest_rflags, RFLAGS_IF), SET(guest_activity_state, ACTIVITY_WAIT_FOR_SIPI), SET(entry_interruption_information, INJECT(0, 33)) } },
	/* interruptibility state */
	{ "blocking/reserved-5", ROW33(0), { SET(guest_interruptibility_state, BIT32(5)) } },
	{ "blocking/reserved-31", ROW33(0), { SET(guest_interruptibility_state, BIT32(31)) } },
	{ "blocking/sti-and-mov-ss", ROW33(0), { OR(guest_rflags, RFLAGS_IF), SET(guest_interruptibility_state, BLOCKING_BY_STI | BLOCKING_BY_MOV_SS) } },
	{ "blocking/sti-with-if-0", ROW33(0), { SET(guest_interruptibility_state, BLOCKING_BY_STI) } },
	{ "blocking/sti-with-if-1", FINE(0), { OR(guest_rflags, RFLAGS_IF), SET(guest_interruptibility_state, BLOCKING_BY_STI) } },
	{ "blocking/mov-ss", FINE(0), { SET(guest_interruptibility_state, BLOCKING_BY_MOV_SS) } },
	{ "blocking/sti-inject-external", ROW33(0), { OR(guest_rflags, RFLAGS_IF), SET(guest_interruptibility_state, BLOCKING_BY_STI), SET(entry_interruption_information, INJECT(0, 32)) } },
	{ "blocking/mov-ss-inject-external", ROW33(0), { OR(guest_rflags, RFLAGS_IF), SET(guest_interruptibility_state, BLOCKING_BY_MOV_SS), SET(entry_interruption_information, INJECT(0, 32)) } },
	{ "blocking/mov-ss-inject-nmi", ROW33(0), { SET(guest_interruptibility_state, BLOCKING_BY_MOV_SS), SET(entry_interruption_information, INJECT(2, 2)) } },
	{ "blocking/smi", ROW33(0), { SET(guest_interruptibility_state, BLOCKING_BY_SMI) } },
	{ "blocking/nmi-inject-virtual-nmi", ROW33(0), { ON(PIN, PIN_VIRTUAL_NMIS), SET(guest_interruptibility_state, BLOCKING_BY_NMI), SET(entry_interruption_information, INJECT(2, 2)) } },
	{ "blocking/nmi", FINE(0), { SET(guest_interruptibility_state, BLOCKING_BY_NMI) } },
	{ "blocking/enclave-with-mov-ss", ROW33(0), { SET(guest_interruptibility_state, ENCLAVE_INTERRUPTION | BLOCKING_BY_MOV_SS) } },
	/* pending debug exceptions */
	{ "pending/reserved-4", ROW33(0), { SET(guest_pending_debug_exceptions, BIT(4)) } },
	{ "pending/reserved-10", ROW33(0), { SET(guest_pending_debug_exceptions, BIT(10)) } },
	{ "pending/reserved-13", ROW33(0), { SET(guest_pending_debug_exceptions, BIT(13)) } },
	{ "pending/reserved-15", ROW33(0), { SET(guest_pending_debug_exceptions, BIT(15)) } },
	{ "pending/reserved-17", ROW33(0), { SET(guest_pending_debug_exceptions, BIT(17)) } },
	{ "pending/reserved-31", ROW33(0), { SET(guest_pending_debug_exceptions, BIT(31)) } },
	{ "pending/bs-without-tf-under-mov-ss", ROW33(0), { SET(guest_interruptibility_state, BLOCKING_BY_MOV_SS), SET(guest_pending_debug_exceptions, PENDING_DEBUG_BS) } },
	{ "pending/no-bs-with-tf-under-mov-ss", ROW33(0), { SET(guest_interruptibility_state, BLOCKING_BY_MOV_SS), OR(guest_rflags, RFLAGS_TF) } },
	{ "pending/bs-with-tf-and-btf", ROW33(0), { ON(ENTRY, ENTRY_LOAD_DEBUG_CONTROLS), SET(guest_ia32_debugctl, DEBUGCTL_BTF), SET(guest_interruptibility_state, BLOCKING_BY_MOV_SS), OR(guest_rflags, RFLAGS_TF), SET(guest_pending_debug_exceptions, PENDING_DEBUG_BS) } },
	{ "pending/bs-without-tf-under-hlt", ROW33(0), { MISC(VMX_MISC_ACTIVITY_HLT), OR(guest_rflags, RFLAGS_IF), SET(guest_activity_state, ACTIVITY_HLT), SET(guest_pending_debug_exceptions, PENDING_DEBUG_BS) } },
	{ "pending/no-bs-with-tf-under-sti", ROW33(0), { OR(guest_rflags, RFLAGS_IF | RFLAGS_TF), SET(guest_interruptibility_state, BLOCKING_BY_STI) } },
	/* VMCS link pointer */
	{ "link/unaligned", ROW_FAILS_33, ENTRY_FAILURE_LINK_POINTER, 0, { PAGE(vmcs_link_pointer, 0x100) } },
	{ "link/beyond-width", ROW_FAILS_33, ENTRY_FAILURE_LINK_POINTER, 0, { SET(vmcs_link_pointer, 0), BEYOND(vmcs_link_pointer, 0) } },
	{ "link/wrong-revision", ROW_FAILS_33, ENTRY_FAILURE_LINK_POINTER, 0, { PAGE(vmcs_link_pointer, 0) } },
	{ "link/low-half-ones", ROW_FAILS_33, ENTRY_FAILURE_LINK_POINTER, 0, { SET(vmcs_link_pointer, 0xffffffff) } },
	/* PDPTEs of the VMCS, with EPT */
	{ "pdpte/0-reserved-1", ROW_FAILS_33, ENTRY_FAILURE_PDPTE, L2_PAE, { ON(PROC2, PROC2_ENABLE_EPT), OR(guest_pdpte0, BIT(1)) } },
	{ "pdpte/1-reserved-5", ROW_FAILS_33, ENTRY_FAILURE_PDPTE, L2_PAE, { ON(PROC2, PROC2_ENABLE_EPT), OR(guest_pdpte1, BIT(5)) } },
	{ "pdpte/2-reserved-8", ROW_FAILS_33, ENTRY_FAILURE_PDPTE, L2_PAE, { ON(PROC2, PROC2_ENABLE_EPT), OR(guest_pdpte2, BIT(8)) } },
	{ "pdpte/3-reserved-63", ROW_FAILS_33, ENTRY_FAILURE_PDPTE, L2_PAE, { ON(PROC2, PROC2_ENABLE_EPT), OR(guest_pdpte3, BIT(63)) } },
	{ "pdpte/3-beyond-width", ROW_FAILS_33, ENTRY_FAILURE_PDPTE, L2_PAE, { ON(PROC2, PROC2_ENABLE_EPT), BEYOND(guest_pdpte3, 0) } },
	{ "pdpte/absent-junk", FINE(L2_PAE), { ON(PROC2, PROC2_ENABLE_EPT), SET(guest_pdpte3, ~1ULL) } },
	{ "pdpte/not-pae-junk", FINE(L2_PLAIN), { ON(PROC2, PROC2_ENABLE_EPT), SET(guest_pdpte0, ~0ULL), SET(guest_pdpte3, ~0ULL) } },
};

static const struct entry_row rows64[] = {
	{ "cr0/bit-32", ROW33(0), { OR(guest_cr0, BIT(32)) } },
	{ "cr0/bit-63", ROW33(0), { OR(guest_cr0, BIT(63)) } },
	{ "cr4/pae-off-in-ia32e", ROW33(0), { CLEAR(guest_cr4, CR4_PAE) } },
	{ "cr4/bit-32", ROW33(0), { OR(guest_cr4, BIT(32)) } },
	{ "cr4/pcide-outside-ia32e", ROW33(L2_PAE), { OR(guest_cr4, CR4_PCIDE) } },
	{ "cr0/pg-off-in-ia32e", ROW33(0), { CLEAR(guest_cr0, CR0_PG) } },
	{ "cr3/beyond-width", ROW33(0), { BEYOND(guest_cr3, 0) } },
	{ "cr3/bit-63", ROW33(0), { OR(guest_cr3, BIT(63)) } },
	{ "dr7/bit-32", ROW33(0), { ON(ENTRY, ENTRY_LOAD_DEBUG_CONTROLS), OR(guest_dr7, BIT(32)) } },
	{ "dr7/bit-63", ROW33(0), { ON(ENTRY, ENTRY_LOAD_DEBUG_CONTROLS), OR(guest_dr7, BIT(63)) } },
	{ "dr7/off-junk", FINE(0), { OFF(ENTRY, ENTRY_LOAD_DEBUG_CONTROLS), OR(guest_dr7, BIT(63)) } },
	{ "sysenter/esp-noncanonical", ROW33(0), { SET(guest_ia32_sysenter_esp, NONCANONICAL) } },
	{ "sysenter/eip-noncanonical", ROW33(0), { SET(guest_ia32_sysenter_eip, NONCANONICAL) } },
	{ "rip/noncanonical", ROW33(0), { OR(guest_rip, NONCANONICAL) } },
	{ "rip/high-in-compat", ROW33(L2_COMPAT), { OR(guest_rip, BIT(32)) } },
	{ "rip/high-in-pae", ROW33(L2_PAE), { OR(guest_rip, BIT(63)) } },
	{ "rflags/bit-63", ROW33(0), { OR(guest_rflags, BIT(63)) } },
	{ "rflags/vm-in-ia32e", ROW33(0), { OR(guest_rflags, RFLAGS_VM) } },
	{ "pending/reserved-63", ROW33(0), { SET(guest_pending_debug_exceptions, BIT(63)) } },
	{ "gdtr/base-noncanonical", ROW33(0), { SET(guest_gdtr_base, NONCANONICAL) } },
	{ "idtr/base-noncanonical", ROW33(0), { SET(guest_idtr_base, NONCANONICAL) } },
	{ "ia32e/efer-from-control", FINE(0), { OFF(ENTRY, ENTRY_LOAD_IA32_EFER) } },
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

static void run_row64(unsigned int row)
{
	entry_row_run(&rows64[row]);
}

static const char *row64_name(unsigned int row)
{
	return rows64[row].name;
}

/* The link pointer must not be the current VMCS. */
static void link_to_current(void)
{
	vm_set(VMCS_vmcs_link_pointer, (uptr)vm_self()->region);
	check_entry_failure(vm_enter(), EXIT_REASON_ENTRY_FAILURE_GUEST, ENTRY_FAILURE_LINK_POINTER,
			    "link to current");
}

/* Without shadowing a link pointer to another VMCS of the right revision is fine. */
static void link_to_other(void)
{
	struct vm *other = vm_new();

	vm_set(VMCS_vmcs_link_pointer, (uptr)other->region);
	vm_set(VMCS_guest_rip, vm_get(VMCS_host_rip));
	check_eq(VMX_SUCCEED, vm_enter().result, "accepted");
	*(u32 *)other->region |= BIT32(31);
	check_entry_failure(vm_enter(), EXIT_REASON_ENTRY_FAILURE_GUEST, ENTRY_FAILURE_LINK_POINTER,
			    "shadow bit without VMCS shadowing");
}

/* RFLAGS: every reserved bit. */
static void rflags_reserved(void)
{
	for (unsigned int bit = 0; bit < sizeof(uptr) * 8; bit++) {
		if (!(RFLAGS_RESERVED & BIT(bit)))
			continue;
		case_step("bit %u", bit);
		vm_reset(L2_NATIVE);
		vm_set(VMCS_guest_rflags, RFLAGS_FIXED_1 | BIT(bit));
		check_entry_failure(vm_enter(), EXIT_REASON_ENTRY_FAILURE_GUEST, 0, "reason 33");
	}
}

static bool is_exempt(u64 bit)
{
	bool unrestricted =
		vm_get(VMCS_secondary_processor_based_controls) & PROC2_UNRESTRICTED_GUEST;

	return unrestricted && (bit & (CR0_PE | CR0_PG));
}

static void flip_each_bit(u32 encoding, u64 fixed0, u64 fixed1, u64 free)
{
	for (unsigned int bit = 0; bit < sizeof(uptr) * 8; bit++) {
		u64 b = BIT(bit);

		if (((fixed0 & b) == 0 && (fixed1 & b) != 0) || (free & b))
			continue;
		vm_reset(L2_NATIVE);
		if (encoding == VMCS_guest_cr0 && is_exempt(b))
			continue;
		vm_set(encoding, fixed0 & b ? vm_get(encoding) & ~b : vm_get(encoding) | b);
		case_step("bit %u", bit);
		check_entry_failure(vm_enter(), EXIT_REASON_ENTRY_FAILURE_GUEST, 0, "reason 33");
	}
}

/* CR0: NW and CD are never checked; PE and PG not with unrestricted guest. */
static void cr0_fixed(void)
{
	flip_each_bit(VMCS_guest_cr0, facts.cr0_fixed0, facts.cr0_fixed1, CR0_NW | CR0_CD);
}

static void cr4_fixed(void)
{
	flip_each_bit(VMCS_guest_cr4, facts.cr4_fixed0, facts.cr4_fixed1, 0);
}

/* Activity states that IA32_VMX_MISC does not offer must not be asked for. */
static void gdtr_idtr_limits(void)
{
	static const u32 encodings[] = { VMCS_guest_gdtr_limit, VMCS_guest_idtr_limit };

	for (unsigned int i = 0; i < 2; i++) {
		for (unsigned int bit = 16; bit < 32; bit++) {
			vm_reset(L2_NATIVE);
			vm_set(encodings[i], 0xffff | BIT32(bit));
			case_step("%s bit %u", i ? "IDTR" : "GDTR", bit);
			check_entry_failure(vm_enter(), EXIT_REASON_ENTRY_FAILURE_GUEST, 0,
					    "limit 31:16");
		}
	}
}

static const struct lhv_case cases[] = {
	{ .name = "guest",
	  .needs = NEEDS_VMX,
	  .run_row = run_row,
	  .row_name = row_name,
	  .rows = ARRAY_SIZE(rows) },
	{ .name = "guest64",
	  .needs = NEEDS_VMX | NEEDS_64BIT,
	  .run_row = run_row64,
	  .row_name = row64_name,
	  .rows = ARRAY_SIZE(rows64) },
	{ .name = "guest/link/current", .needs = NEEDS_VMX, .run = link_to_current },
	{ .name = "guest/link/other", .needs = NEEDS_VMX, .run = link_to_other },
	{ .name = "guest/rflags/every-reserved-bit", .needs = NEEDS_VMX, .run = rflags_reserved },
	{ .name = "guest/cr0-fixed", .needs = NEEDS_VMX, .run = cr0_fixed },
	{ .name = "guest/cr4-fixed", .needs = NEEDS_VMX, .run = cr4_fixed },
	{ .name = "guest/descriptor-table-limits", .needs = NEEDS_VMX, .run = gdtr_idtr_limits },
};
LHV_TOPIC("entry", cases);
