/* SPDX-License-Identifier: BSD-2-Clause */
/* Each rule on host state accepts a VMCS12 and refuses it with one thing broken. */
/* sources: nested/entry/entry.c nested/entry/execution_controls.c
 * nested/entry/exit_controls.c nested/entry/entry_controls.c nested/entry/host_registers.c
 * nested/entry/host_segments.c nested/entry/address_space_size.c nested/entry/guest_registers.c
 * nested/entry/guest_segments.c nested/entry/guest_descriptor_tables.c
 * nested/entry/guest_rip_rflags.c nested/entry/guest_activity.c
 * nested/entry/guest_interruptibility.c nested/entry/guest_link_pointer.c
 * nested/entry/guest_pdptes.c
 */
#include "nested/test/entry_trial.h"

#define CANONICAL_LOW_END    0x00007fffffffffffULL
#define CANONICAL_HIGH_START 0xffff800000000000ULL

static void refused_host(const char *rule)
{
	refused(VMFAIL_ENTRY_INVALID_HOST_STATE, rule);
}

/* @field must be canonical by @rule, with 48 and with 57 bits. */
static void canonical(u64 *field, const char *rule)
{
	u64 old = *field;

	*field = CANONICAL_LOW_END;
	accepted();
	*field = CANONICAL_LOW_END + 1;
	refused_host(rule);
	*field = CANONICAL_HIGH_START - 1;
	refused_host(rule);
	*field = BIT(63);
	refused_host(rule);
	*field = CANONICAL_HIGH_START;
	accepted();
	t.caps.linear_address_width = 57;
	*field = FIELD(55, 0);
	accepted();
	*field = BIT(56);
	refused_host(rule);
	*field = FIELD(63, 56);
	accepted();
	t.caps.linear_address_width = 48;
	*field = old;
	accepted();
}

static void test_control_registers(void)
{
	trial_begin();
	t.v.host_cr3 = FIELD(38, 0);
	accepted();
	t.v.host_cr3 = BIT(39);
	refused_host("fits_physical_width(v->host_cr3, e->caps)");
	t.v.host_cr3 = BIT(63);
	refused_host("fits_physical_width(v->host_cr3, e->caps)");
	t.caps.physical_address_width = 52;
	t.v.host_cr3 = BIT(51);
	accepted();
	t.v.host_cr3 = BIT(52);
	refused_host("fits_physical_width(v->host_cr3, e->caps)");

	t.v.host_cr4 |= CR4_CET;
	accepted();
	t.v.host_cr0 &= ~CR0_WP;
	refused_host("IMPLIES(v->host_cr4 & CR4_CET, v->host_cr0 & CR0_WP)");
}

/* Every bit of CR0 and CR4: a bit that must be 1 is refused clear, one that may not be 1 is
 * refused set, any other is free. */
static void fixed_bits(u64 *cr, const struct vmx_cr_caps *caps, u64 entangled, const char *rule)
{
	u64 old = *cr;

	for (unsigned int bit = 0; bit < 64; bit++) {
		u64 mask = BIT(bit);

		if (mask & entangled)
			continue;
		*cr = old & ~mask;
		if (caps->must_be_1 & mask)
			refused_host(rule);
		else
			accepted();
		*cr = old | mask;
		if (caps->may_be_1 & mask)
			accepted();
		else
			refused_host(rule);
		*cr = old;
		accepted();
	}
}

static void test_fixed_bits(void)
{
	trial_begin();
	accepted();
	fixed_bits(&t.v.host_cr0, &t.caps.cr0, 0, "cr_allowed(v->host_cr0, &e->caps->cr0)");
	/* PAE is also ruled by the address-space size. */
	fixed_bits(&t.v.host_cr4, &t.caps.cr4, CR4_PAE, "cr_allowed(v->host_cr4, &e->caps->cr4)");
}

static void test_msrs(void)
{
	trial_begin();
	canonical(&t.v.host_ia32_sysenter_esp, "is_canonical(v->host_ia32_sysenter_esp, caps)");
	canonical(&t.v.host_ia32_sysenter_eip, "is_canonical(v->host_ia32_sysenter_eip, caps)");

	t.v.exit_controls |= EXIT_LOAD_IA32_PERF_GLOBAL_CTRL;
	t.v.host_ia32_perf_global_ctrl = t.caps.perf_global_ctrl_valid;
	accepted();
	t.v.host_ia32_perf_global_ctrl |= BIT(4);
	refused_host("IMPLIES(perf, !(v->host_ia32_perf_global_ctrl & "
		     "~caps->perf_global_ctrl_valid))");
}

static void test_pat(void)
{
	const char *const rule = "IMPLIES(e->exit & EXIT_LOAD_IA32_PAT, "
				 "pat_is_valid(v->host_ia32_pat))";

	trial_begin();
	t.v.exit_controls |= EXIT_LOAD_IA32_PAT;
	t.v.host_ia32_pat = 0x0007040600070406;
	accepted();
	for (unsigned int byte = 0; byte < 8; byte++) {
		for (u64 type = 0; type < 256; type++) {
			t.v.host_ia32_pat = field_set(t.v.host_ia32_pat, 0xffULL << 8 * byte, type);
			if (type == 0 || type == 1 || (type >= 4 && type <= 7))
				accepted();
			else
				refused_host(rule);
		}
	}
}

static void test_efer(void)
{
	trial_begin();
	t.v.exit_controls |= EXIT_LOAD_IA32_EFER;
	t.v.host_ia32_efer = EFER_LMA | EFER_LME | EFER_SCE | EFER_NXE;
	accepted();
	t.v.host_ia32_efer |= BIT(1);
	refused_host("IMPLIES(efer, !(v->host_ia32_efer & ~caps->efer_valid))");
	t.v.host_ia32_efer |= BIT(63);
	refused_host("IMPLIES(efer, !(v->host_ia32_efer & ~caps->efer_valid))");
	t.caps.efer_valid &= ~EFER_NXE;
	refused_host("IMPLIES(efer, !(v->host_ia32_efer & ~caps->efer_valid))");
	t.v.host_ia32_efer &= ~EFER_LMA;
	refused_host("IMPLIES(efer, !!(v->host_ia32_efer & EFER_LMA) == to_64_bit)");
	t.v.host_ia32_efer &= ~EFER_LME;
	refused_host("IMPLIES(efer, !!(v->host_ia32_efer & EFER_LME) == to_64_bit)");
}

static void test_cet_and_pkrs(void)
{
	trial_begin();
	t.v.exit_controls |= EXIT_LOAD_CET_STATE;
	t.v.host_ia32_s_cet = CET_SUPPRESS;
	t.v.host_ssp = t.v.host_ia32_interrupt_ssp_table_addr = 0;
	accepted();
	t.v.host_ia32_s_cet |= CET_TRACKER;
	refused_host("IMPLIES(cet, !((s_cet & CET_SUPPRESS) && (s_cet & CET_TRACKER)))");
	for (unsigned int bit = 6; bit < 10; bit++) {
		t.v.host_ia32_s_cet |= BIT(bit);
		refused_host("IMPLIES(cet, !(s_cet & CET_RESERVED))");
	}
	t.v.host_ssp = 4;
	accepted();
	t.v.host_ssp = 2;
	refused_host("IMPLIES(cet, is_aligned(v->host_ssp, 4))");
	canonical(&t.v.host_ia32_interrupt_ssp_table_addr,
		  "IMPLIES(cet, is_canonical(v->host_ia32_interrupt_ssp_table_addr, e->caps))");
	t.v.host_ssp = 0xfffffffffffffffc;
	accepted();
	t.v.host_ssp = BIT(47);
	refused_host("IMPLIES(cet, is_canonical(v->host_ssp, e->caps))");
	t.v.host_ia32_s_cet = BIT(47);
	refused_host("IMPLIES(cet, is_canonical(v->host_ia32_s_cet, e->caps))");

	t.v.exit_controls |= EXIT_LOAD_PKRS;
	t.v.host_ia32_pkrs = 0xffffffff;
	accepted();
	t.v.host_ia32_pkrs = BIT(32);
	refused_host("IMPLIES(e->exit & EXIT_LOAD_PKRS, fits_32_bits(v->host_ia32_pkrs))");
}

/* RPL and TI of the selector @field are refused by @rule. */
static void selector(u16 *field, const char *rule)
{
	u16 old = *field;

	*field = 0xfff8;
	accepted();
	for (unsigned int bit = 0; bit < 3; bit++) {
		*field = (u16)(0xfff8 | BIT32(bit));
		refused_host(rule);
	}
	*field = old;
	accepted();
}

static void test_segments(void)
{
	trial_begin();
	selector(&t.v.host_cs_selector, "!(v->host_cs_selector & SELECTOR_RPL_AND_TI)");
	selector(&t.v.host_ss_selector, "!(v->host_ss_selector & SELECTOR_RPL_AND_TI)");
	selector(&t.v.host_ds_selector, "!(v->host_ds_selector & SELECTOR_RPL_AND_TI)");
	selector(&t.v.host_es_selector, "!(v->host_es_selector & SELECTOR_RPL_AND_TI)");
	selector(&t.v.host_fs_selector, "!(v->host_fs_selector & SELECTOR_RPL_AND_TI)");
	selector(&t.v.host_gs_selector, "!(v->host_gs_selector & SELECTOR_RPL_AND_TI)");
	selector(&t.v.host_tr_selector, "!(v->host_tr_selector & SELECTOR_RPL_AND_TI)");
	t.v.host_cs_selector = 0;
	refused_host("v->host_cs_selector != 0");
	t.v.host_tr_selector = 0;
	refused_host("v->host_tr_selector != 0");

	canonical(&t.v.host_fs_base, "is_canonical(v->host_fs_base, e->caps)");
	canonical(&t.v.host_gs_base, "is_canonical(v->host_gs_base, e->caps)");
	canonical(&t.v.host_gdtr_base, "is_canonical(v->host_gdtr_base, e->caps)");
	canonical(&t.v.host_idtr_base, "is_canonical(v->host_idtr_base, e->caps)");
	canonical(&t.v.host_tr_base, "is_canonical(v->host_tr_base, e->caps)");
}

/* An L1 outside IA-32e mode, with an L2 like it. */
static void begin_32_bit_host(void)
{
	trial_begin();
	trial_guest_32_bit(CR4_PAE);
	t.in.l1_in_ia32e_mode = false;
	trial_clear(&t.v.exit_controls, EXIT_HOST_ADDRESS_SPACE_SIZE);
	t.v.host_cr4 = CR4_VMXE;
	t.v.host_ss_selector = 0x18;
	t.v.host_rip = 0xffffffff;
}

static void test_32_bit_host(void)
{
	begin_32_bit_host();
	accepted();
	t.v.host_ss_selector = 0;
	refused_host("IMPLIES(!to_64_bit, v->host_ss_selector != 0)");
	t.v.host_cr4 |= CR4_PCIDE;
	refused_host("!(v->host_cr4 & CR4_PCIDE)");
	t.v.host_rip = BIT(32);
	refused_host("fits_32_bits(v->host_rip)");
	t.v.exit_controls |= EXIT_LOAD_CET_STATE;
	t.v.host_ia32_s_cet = 0xfffff000;
	t.v.host_ssp = 0xfffffffc;
	t.v.host_ia32_interrupt_ssp_table_addr = 0;
	accepted();
	t.v.host_ia32_s_cet = BIT(32);
	refused_host("IMPLIES(cet, fits_32_bits(v->host_ia32_s_cet))");
	t.v.host_ssp = BIT(32);
	refused_host("IMPLIES(cet, fits_32_bits(v->host_ssp))");
	t.v.exit_controls |= EXIT_LOAD_IA32_EFER;
	t.v.host_ia32_efer = EFER_NXE;
	accepted();
	t.v.host_ia32_efer |= EFER_LMA;
	refused_host("IMPLIES(efer, !!(v->host_ia32_efer & EFER_LMA) == to_64_bit)");
	t.v.host_ia32_efer |= EFER_LME;
	refused_host("IMPLIES(efer, !!(v->host_ia32_efer & EFER_LME) == to_64_bit)");
}

/* All eight combinations of L1's mode, the host's and the guest's. */
static void test_address_space_size(void)
{
	begin_32_bit_host();
	accepted();
	t.v.entry_controls |= ENTRY_IA32E_MODE_GUEST;
	refused_host("IMPLIES(!e->in->l1_in_ia32e_mode, !ia32e_guest)");
	t.v.exit_controls |= EXIT_HOST_ADDRESS_SPACE_SIZE;
	refused_host("IMPLIES(!e->in->l1_in_ia32e_mode, !ia32e_host)");
	t.v.entry_controls |= ENTRY_IA32E_MODE_GUEST;
	t.v.exit_controls |= EXIT_HOST_ADDRESS_SPACE_SIZE;
	refused_host("IMPLIES(!e->in->l1_in_ia32e_mode, !ia32e_guest)");
	t.in.l1_in_ia32e_mode = true;
	refused_host("IMPLIES(e->in->l1_in_ia32e_mode, ia32e_host)");

	trial_begin();
	t.v.host_ss_selector = 0x18;
	accepted();
	trial_clear(&t.v.exit_controls, EXIT_HOST_ADDRESS_SPACE_SIZE);
	refused_host("IMPLIES(e->in->l1_in_ia32e_mode, ia32e_host)");
	trial_guest_32_bit(CR4_PAE);
	accepted();

	t.v.host_cr4 &= ~CR4_PAE;
	refused_host("v->host_cr4 & CR4_PAE");
	canonical(&t.v.host_rip, "is_canonical(v->host_rip, e->caps)");
}

int main(void)
{
	test_control_registers();
	test_fixed_bits();
	test_msrs();
	test_pat();
	test_efer();
	test_cet_and_pkrs();
	test_segments();
	test_32_bit_host();
	test_address_space_size();
	trial_rules_all_refused("nested/entry/host_registers.c");
	trial_rules_all_refused("nested/entry/host_segments.c");
	trial_rules_all_refused("nested/entry/address_space_size.c");
	return tap_end();
}
