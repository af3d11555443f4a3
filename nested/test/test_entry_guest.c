/* SPDX-License-Identifier: BSD-2-Clause */
/* Each rule on guest registers accepts a VMCS12 and refuses it with one thing broken. */
/* sources: nested/entry/entry.c nested/entry/execution_controls.c
 * nested/entry/exit_controls.c nested/entry/entry_controls.c nested/entry/host_registers.c
 * nested/entry/host_segments.c nested/entry/address_space_size.c nested/entry/guest_registers.c
 * nested/entry/guest_segments.c nested/entry/guest_descriptor_tables.c
 * nested/entry/guest_rip_rflags.c nested/entry/guest_activity.c
 * nested/entry/guest_interruptibility.c nested/entry/guest_link_pointer.c
 * nested/entry/guest_pdptes.c
 */
#include "nested/test/entry_trial.h"

/* @field must be canonical by @rule. */
static void canonical(u64 *field, const char *rule)
{
	u64 old = *field;

	*field = FIELD(46, 0);
	accepted();
	*field = BIT(47);
	refused_guest(rule);
	*field = FIELD(63, 48);
	refused_guest(rule);
	*field = FIELD(63, 47);
	accepted();
	t.caps.linear_address_width = 57;
	*field = FIELD(55, 0);
	accepted();
	*field = FIELD(56, 0);
	refused_guest(rule);
	t.caps.linear_address_width = 48;
	*field = old;
	accepted();
}

/* Every bit of CR0 or CR4, but those in @entangled, which other rules speak of too. */
static void fixed_bits(u64 *cr, u64 must_be_1, u64 may_be_1, u64 entangled, const char *rule)
{
	u64 old = *cr;

	for (unsigned int bit = 0; bit < 64; bit++) {
		u64 mask = BIT(bit);

		if (mask & entangled)
			continue;
		*cr = old & ~mask;
		if (must_be_1 & mask)
			refused_guest(rule);
		else
			accepted();
		*cr = old | mask;
		if (may_be_1 & mask)
			accepted();
		else
			refused_guest(rule);
		*cr = old;
		accepted();
	}
}

static void test_fixed_bits(void)
{
	const char *const cr0 = "cr_allowed(v->guest_cr0, &cr0)";
	const char *const cr4 = "cr_allowed(v->guest_cr4, &e->caps->cr4)";

	trial_begin();
	accepted();
	fixed_bits(&t.v.guest_cr0, CR0_PG | CR0_PE | CR0_NE, 0xffffffff, 0, cr0);
	fixed_bits(&t.v.guest_cr4, CR4_VMXE, t.caps.cr4.may_be_1, CR4_PAE, cr4);

	trial_proc2(PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST);
	trial_guest_32_bit(0);
	accepted();
	fixed_bits(&t.v.guest_cr0, CR0_NE, 0xffffffff, CR0_PE, cr0);
	t.v.guest_cr0 &= ~CR0_PE;
	refused_guest("IMPLIES(v->guest_cr0 & CR0_PG, v->guest_cr0 & CR0_PE)");
	t.v.guest_cr0 &= ~(CR0_PE | CR0_PG);
	accepted();
	fixed_bits(&t.v.guest_cr0, CR0_NE, 0xffffffff & ~CR0_PG, CR0_PG, cr0);
	t.v.guest_cr0 &= ~CR0_NE;
	refused_guest(cr0);
}

static void test_control_registers(void)
{
	trial_begin();
	t.v.guest_cr4 |= CR4_CET | CR4_PCIDE;
	accepted();
	t.v.guest_cr0 &= ~CR0_WP;
	refused_guest("IMPLIES(v->guest_cr4 & CR4_CET, v->guest_cr0 & CR0_WP)");
	t.v.guest_cr4 &= ~CR4_PAE;
	refused_guest("IMPLIES(ia32e, v->guest_cr4 & CR4_PAE)");
	t.v.guest_cr3 = FIELD(38, 0);
	accepted();
	t.v.guest_cr3 = BIT(39);
	refused_guest("fits_physical_width(v->guest_cr3, e->caps)");
	t.v.guest_cr3 = BIT(63);
	refused_guest("fits_physical_width(v->guest_cr3, e->caps)");

	trial_proc2(PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST);
	accepted();
	t.v.guest_cr0 &= ~CR0_PG;
	refused_guest("IMPLIES(ia32e, v->guest_cr0 & CR0_PG)");
	trial_guest_32_bit(0);
	accepted();
	t.v.guest_cr4 |= CR4_PCIDE;
	refused_guest("IMPLIES(!ia32e, !(v->guest_cr4 & CR4_PCIDE))");
}

static void test_debug_and_sysenter(void)
{
	const char *const rule = "IMPLIES(debug, !(v->guest_ia32_debugctl & "
				 "~e->caps->debugctl_valid))";

	trial_begin();
	t.v.entry_controls |= ENTRY_LOAD_DEBUG_CONTROLS;
	t.v.guest_ia32_debugctl = 0;
	t.v.guest_dr7 = 0xffffffff;
	accepted();
	for (unsigned int bit = 0; bit < 64; bit++) {
		t.v.guest_ia32_debugctl = BIT(bit);
		if (t.caps.debugctl_valid & BIT(bit))
			accepted();
		else
			refused_guest(rule);
	}
	for (unsigned int bit = 32; bit < 64; bit++) {
		t.v.guest_dr7 = BIT(bit);
		refused_guest("IMPLIES(debug, fits_32_bits(v->guest_dr7))");
	}
	canonical(&t.v.guest_ia32_sysenter_esp,
		  "is_canonical(v->guest_ia32_sysenter_esp, e->caps)");
	canonical(&t.v.guest_ia32_sysenter_eip,
		  "is_canonical(v->guest_ia32_sysenter_eip, e->caps)");
}

static void test_msrs(void)
{
	trial_begin();
	t.v.entry_controls |= ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL | ENTRY_LOAD_IA32_PAT;
	t.v.guest_ia32_perf_global_ctrl = t.caps.perf_global_ctrl_valid;
	t.v.guest_ia32_pat = 0x0007040600070406;
	accepted();
	t.v.guest_ia32_perf_global_ctrl |= BIT(4);
	refused_guest("IMPLIES(perf, !(v->guest_ia32_perf_global_ctrl & "
		      "~caps->perf_global_ctrl_valid))");
	for (unsigned int byte = 0; byte < 8; byte++) {
		t.v.guest_ia32_pat = field_set(t.v.guest_ia32_pat, 0xffULL << 8 * byte, 2);
		refused_guest("IMPLIES(e->entry & ENTRY_LOAD_IA32_PAT, "
			      "pat_is_valid(v->guest_ia32_pat))");
	}
}

/* LMA and LME against the control and paging: every combination. */
static void test_efer(void)
{
	trial_begin();
	t.v.entry_controls |= ENTRY_LOAD_IA32_EFER;
	t.v.guest_ia32_efer = EFER_LMA | EFER_LME | EFER_NXE;
	accepted();
	t.v.guest_ia32_efer |= BIT(9);
	refused_guest("IMPLIES(efer, !(v->guest_ia32_efer & ~caps->efer_valid))");
	t.v.guest_ia32_efer |= BIT(32);
	refused_guest("IMPLIES(efer, !(v->guest_ia32_efer & ~caps->efer_valid))");
	t.v.guest_ia32_efer = EFER_LME;
	refused_guest("IMPLIES(efer, lma == ia32e)");
	t.v.guest_ia32_efer = EFER_LMA;
	refused_guest("IMPLIES(efer && (v->guest_cr0 & CR0_PG), lme == lma)");

	trial_guest_32_bit(CR4_PAE);
	t.v.guest_ia32_efer = 0;
	accepted();
	t.v.guest_ia32_efer = EFER_LMA | EFER_LME;
	refused_guest("IMPLIES(efer, lma == ia32e)");
	t.v.guest_ia32_efer = EFER_LME;
	refused_guest("IMPLIES(efer && (v->guest_cr0 & CR0_PG), lme == lma)");

	trial_proc2(PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST);
	t.v.guest_cr0 &= ~CR0_PG;
	t.v.guest_ia32_efer = EFER_LME;
	accepted();
	t.v.guest_ia32_efer = EFER_LMA;
	refused_guest("IMPLIES(efer, lma == ia32e)");
}

static void test_feature_msrs(void)
{
	trial_begin();
	t.v.entry_controls |= ENTRY_LOAD_IA32_BNDCFGS | ENTRY_LOAD_IA32_RTIT_CTL |
			      ENTRY_LOAD_IA32_LBR_CTL | ENTRY_LOAD_UINV;
	t.v.guest_ia32_bndcfgs = FIELD(63, 47) | FIELD(1, 0);
	t.v.guest_ia32_rtit_ctl = t.v.guest_ia32_lbr_ctl = 0;
	t.v.guest_uinv = 0xff;
	accepted();
	t.v.guest_ia32_bndcfgs |= BIT(2);
	refused_guest("IMPLIES(bounds, !(v->guest_ia32_bndcfgs & BNDCFGS_RESERVED))");
	t.v.guest_ia32_bndcfgs |= BIT(11);
	refused_guest("IMPLIES(bounds, !(v->guest_ia32_bndcfgs & BNDCFGS_RESERVED))");
	t.v.guest_ia32_bndcfgs = BIT(47);
	refused_guest("IMPLIES(bounds, is_canonical(v->guest_ia32_bndcfgs, e->caps))");
	t.v.guest_ia32_rtit_ctl = BIT(18);
	refused_guest("IMPLIES(e->entry & ENTRY_LOAD_IA32_RTIT_CTL, "
		      "!(v->guest_ia32_rtit_ctl & RTIT_CTL_RESERVED))");
	t.v.guest_ia32_lbr_ctl = BIT(4);
	refused_guest("IMPLIES(e->entry & ENTRY_LOAD_IA32_LBR_CTL, "
		      "!(v->guest_ia32_lbr_ctl & LBR_CTL_RESERVED))");
	for (unsigned int bit = 8; bit < 16; bit++) {
		t.v.guest_uinv = (u16)BIT32(bit);
		refused_guest("IMPLIES(e->entry & ENTRY_LOAD_UINV, "
			      "!(v->guest_uinv & UINV_RESERVED))");
	}
}

static void test_cet_and_pkrs(void)
{
	trial_begin();
	t.v.entry_controls |= ENTRY_LOAD_CET_STATE | ENTRY_LOAD_PKRS;
	t.v.guest_ia32_s_cet = CET_TRACKER;
	t.v.guest_ssp = t.v.guest_ia32_interrupt_ssp_table_addr = 0;
	t.v.guest_ia32_pkrs = 0xffffffff;
	accepted();
	t.v.guest_ia32_s_cet |= CET_SUPPRESS;
	refused_guest("IMPLIES(cet, !((s_cet & CET_SUPPRESS) && (s_cet & CET_TRACKER)))");
	t.v.guest_ia32_s_cet |= BIT(6);
	refused_guest("IMPLIES(cet, !(s_cet & CET_RESERVED))");
	t.v.guest_ia32_s_cet |= BIT(47);
	refused_guest("IMPLIES(cet, is_canonical(s_cet, e->caps))");
	canonical(&t.v.guest_ia32_interrupt_ssp_table_addr,
		  "IMPLIES(cet, is_canonical(v->guest_ia32_interrupt_ssp_table_addr, e->caps))");
	t.v.guest_ia32_pkrs = BIT(32);
	refused_guest("IMPLIES(e->entry & ENTRY_LOAD_PKRS, fits_32_bits(v->guest_ia32_pkrs))");
}

static void test_descriptor_tables(void)
{
	trial_begin();
	canonical(&t.v.guest_gdtr_base, "is_canonical(v->guest_gdtr_base, e->caps)");
	canonical(&t.v.guest_idtr_base, "is_canonical(v->guest_idtr_base, e->caps)");
	for (unsigned int bit = 16; bit < 32; bit++) {
		t.v.guest_gdtr_limit = BIT32(bit);
		refused_guest("!(v->guest_gdtr_limit & TABLE_LIMIT_RESERVED)");
		t.v.guest_idtr_limit = BIT32(bit);
		refused_guest("!(v->guest_idtr_limit & TABLE_LIMIT_RESERVED)");
	}
}

static void test_rip(void)
{
	const char *const wide = "IMPLIES(to_64_bit, fits_linear_width(e->v->guest_rip, e->caps))";
	const char *const narrow = "IMPLIES(!to_64_bit, fits_32_bits(e->v->guest_rip))";

	trial_begin();
	/* Bit 47 is free: RIP need not be canonical. */
	t.v.guest_rip = FIELD(47, 0);
	accepted();
	t.v.guest_rip = FIELD(63, 48);
	accepted();
	t.v.guest_rip = BIT(48);
	refused_guest(wide);
	t.v.guest_rip = FIELD(62, 48);
	refused_guest(wide);
	t.caps.linear_address_width = 57;
	t.v.guest_rip = FIELD(56, 0);
	accepted();
	t.v.guest_rip = BIT(57);
	refused_guest(wide);

	/* Compatibility mode. */
	t.v.guest_cs_access_rights = 0xc09b;
	t.v.guest_rip = 0xffffffff;
	accepted();
	t.v.guest_rip = BIT(32);
	refused_guest(narrow);
	/* The L bit means nothing outside IA-32e mode. */
	trial_guest_32_bit(0);
	t.v.guest_cs_access_rights |= ACCESS_RIGHTS_L;
	accepted();
	t.v.guest_rip = BIT(63);
	refused_guest(narrow);
}

static void test_rflags(void)
{
	trial_begin();
	for (unsigned int bit = 0; bit < 64; bit++) {
		t.v.guest_rflags = RFLAGS_FIXED_1 ^ BIT(bit);
		if (bit == 1)
			refused_guest("rflags & RFLAGS_FIXED_1");
		else if (bit == 3 || bit == 5 || bit == 15 || bit >= 22)
			refused_guest("!(rflags & RFLAGS_RESERVED)");
		else if (bit != 17)
			accepted();
	}
	trial_begin();
	accepted();
	t.v.guest_rflags |= RFLAGS_VM;
	/* The segments are checked before RFLAGS, so they must be right. */
	trial_virtual_8086_segments();
	good = t;
	refused_guest("IMPLIES(ia32e, !(rflags & RFLAGS_VM))");
	trial_clear(&t.v.entry_controls, ENTRY_IA32E_MODE_GUEST);
	t.v.guest_cr4 = CR4_VMXE;
	accepted();
	trial_proc2(PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST);
	accepted();
	t.v.guest_cr0 &= ~(CR0_PE | CR0_PG);
	refused_guest("IMPLIES(!(v->guest_cr0 & CR0_PE), !(rflags & RFLAGS_VM))");

	trial_begin();
	trial_inject(INTR_TYPE_EXTERNAL, 0x20);
	t.v.guest_rflags |= RFLAGS_IF;
	accepted();
	t.v.guest_rflags &= ~RFLAGS_IF;
	refused_guest("IMPLIES(entry_injects(e, INTR_TYPE_EXTERNAL), rflags & RFLAGS_IF)");
}

static void test_ssp(void)
{
	trial_begin();
	t.v.entry_controls |= ENTRY_LOAD_CET_STATE;
	t.v.guest_ia32_s_cet = t.v.guest_ia32_interrupt_ssp_table_addr = 0;
	t.v.guest_ssp = BIT(47);
	accepted();
	t.v.guest_ssp = BIT(48);
	refused_guest("IMPLIES(to_64_bit, fits_linear_width(ssp, e->caps))");
	t.v.guest_ssp = 1;
	refused_guest("is_aligned(ssp, 4)");
	t.v.guest_ssp = 2;
	refused_guest("is_aligned(ssp, 4)");
	t.v.guest_cs_access_rights = 0xc09b;
	t.v.guest_ssp = 0xfffffffc;
	accepted();
	t.v.guest_ssp = BIT(32);
	refused_guest("IMPLIES(!to_64_bit, fits_32_bits(ssp))");
}

static void refused_link(const char *rule)
{
	refused_guest_with(ENTRY_FAILURE_LINK_POINTER, rule);
}

static void test_link_pointer(void)
{
	trial_begin();
	t.v.vmcs_link_pointer = TRIAL_PAGE;
	accepted();
	t.v.vmcs_link_pointer = TRIAL_PAGE + 0x800;
	refused_link("entry_is_structure_address(e, link, PAGE_SIZE)");
	t.v.vmcs_link_pointer = BIT(39);
	refused_link("entry_is_structure_address(e, link, PAGE_SIZE)");
	t.v.vmcs_link_pointer = ~0ULL - 1;
	refused_link("entry_is_structure_address(e, link, PAGE_SIZE)");
	for (unsigned int bit = 0; bit < 31; bit++) {
		t.in.link_revision ^= BIT32(bit);
		refused_link("(revision & REVISION_IDENTIFIER) == "
			     "field_get(e->caps->basic, VMX_BASIC_REVISION)");
	}
	t.in.link_revision |= BIT32(31);
	refused_link("shadow == shadowing");
	t.v.vmcs_link_pointer = TRIAL_VMCS12;
	refused_link("link != e->in->current_vmcs.v");

	trial_proc2(PROC2_VMCS_SHADOWING);
	t.v.vmread_bitmap_address = t.v.vmwrite_bitmap_address = TRIAL_PAGE;
	t.in.link_revision |= BIT32(31);
	accepted();
	t.in.link_revision &= FIELD(30, 0);
	refused_link("shadow == shadowing");
}

static void refused_pdpte(const char *rule)
{
	refused_guest_with(ENTRY_FAILURE_PDPTE, rule);
}

/* @entry is one of the four that the entry looks at. */
static void pdpte(u64 *entry)
{
	u64 reserved = FIELD(2, 1) | FIELD(8, 5);

	for (unsigned int bit = 1; bit < 64; bit++) {
		*entry = PTE_P | BIT(bit);
		if (reserved & BIT(bit))
			refused_pdpte("IMPLIES(present, !(entry & PDPTE_RESERVED))");
		else if (bit >= t.caps.physical_address_width)
			refused_pdpte("IMPLIES(present, fits_physical_width(entry, e->caps))");
		else
			accepted();
	}
	*entry = ~PTE_P;
	accepted();
}

static void test_pdptes(void)
{
	trial_begin();
	trial_guest_32_bit(CR4_PAE);
	accepted();
	for (unsigned int i = 0; i < 4; i++)
		pdpte(&t.in.pdptes[i]);

	/* With EPT the fields count and memory does not. */
	trial_begin();
	trial_guest_32_bit(CR4_PAE);
	trial_proc2(PROC2_ENABLE_EPT);
	memset(t.in.pdptes, 0xff, sizeof(t.in.pdptes));
	t.v.guest_pdpte0 = t.v.guest_pdpte1 = t.v.guest_pdpte2 = t.v.guest_pdpte3 = 0;
	accepted();
	pdpte(&t.v.guest_pdpte0);
	pdpte(&t.v.guest_pdpte1);
	pdpte(&t.v.guest_pdpte2);
	pdpte(&t.v.guest_pdpte3);

	/* Without PAE paging nothing is looked at. */
	trial_guest_32_bit(0);
	t.v.guest_pdpte0 = ~0ULL;
	accepted();
	trial_proc2(PROC2_UNRESTRICTED_GUEST);
	t.v.guest_cr4 |= CR4_PAE;
	t.v.guest_cr0 &= ~CR0_PG;
	accepted();
	t.v.guest_cr0 |= CR0_PG;
	refused_pdpte("IMPLIES(present, !(entry & PDPTE_RESERVED))");
}

int main(void)
{
	test_fixed_bits();
	test_control_registers();
	test_debug_and_sysenter();
	test_msrs();
	test_efer();
	test_feature_msrs();
	test_cet_and_pkrs();
	test_descriptor_tables();
	test_rip();
	test_rflags();
	test_ssp();
	test_link_pointer();
	test_pdptes();
	trial_rules_all_refused("nested/entry/guest_registers.c");
	trial_rules_all_refused("nested/entry/guest_descriptor_tables.c");
	trial_rules_all_refused("nested/entry/guest_rip_rflags.c");
	trial_rules_all_refused("nested/entry/guest_link_pointer.c");
	trial_rules_all_refused("nested/entry/guest_pdptes.c");
	return tap_end();
}
