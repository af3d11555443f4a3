/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks on control registers and MSRs of the host-state area, which is L1's own state
 * after a VM exit.  Pure.  SDM "Checks on Host Control Registers, MSRs, and SSP".
 */
#include "nested/entry/entry_view.h"

/*
 * CR0 and CR4 have the fixed bits of VMX operation; CET needs write protection; CR3 has
 * no bits beyond the physical width.  Unsure: a processor with linear-address masking
 * also accepts CR3 bits 62:61; the capabilities here do not describe such a processor.
 */
static bool host_control_registers(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;

	return MUST(cr_allowed(v->host_cr0, &e->caps->cr0)) &&
	       MUST(cr_allowed(v->host_cr4, &e->caps->cr4)) &&
	       MUST(IMPLIES(v->host_cr4 & CR4_CET, v->host_cr0 & CR0_WP)) &&
	       MUST(fits_physical_width(v->host_cr3, e->caps));
}

/* SYSENTER addresses are canonical.  Each MSR that the exit loads has only bits that
 * exist; EFER agrees with the mode that the exit goes to. */
static bool host_msrs(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	const struct vmx_caps *caps = e->caps;
	bool perf = e->exit & EXIT_LOAD_IA32_PERF_GLOBAL_CTRL;
	bool efer = e->exit & EXIT_LOAD_IA32_EFER;
	bool to_64_bit = e->exit & EXIT_HOST_ADDRESS_SPACE_SIZE;

	return MUST(is_canonical(v->host_ia32_sysenter_esp, caps)) &&
	       MUST(is_canonical(v->host_ia32_sysenter_eip, caps)) &&
	       MUST(IMPLIES(perf,
			    !(v->host_ia32_perf_global_ctrl & ~caps->perf_global_ctrl_valid))) &&
	       MUST(IMPLIES(e->exit & EXIT_LOAD_IA32_PAT, pat_is_valid(v->host_ia32_pat))) &&
	       MUST(IMPLIES(efer, !(v->host_ia32_efer & ~caps->efer_valid))) &&
	       MUST(IMPLIES(efer, !!(v->host_ia32_efer & EFER_LMA) == to_64_bit)) &&
	       MUST(IMPLIES(efer, !!(v->host_ia32_efer & EFER_LME) == to_64_bit));
}

/*
 * What the exit loads of CET: S_CET has only bits that exist, and its tracker is not both
 * suppressed and waiting; SSP is 4-byte aligned; the SSP table is at a canonical address.
 * (The width of S_CET and SSP belongs to the address-space size.)  Protection keys are 32
 * bits.
 */
static bool host_cet_and_pkrs(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	bool cet = e->exit & EXIT_LOAD_CET_STATE;
	u64 s_cet = v->host_ia32_s_cet;

	return MUST(IMPLIES(cet, !(s_cet & CET_RESERVED))) &&
	       MUST(IMPLIES(cet, !((s_cet & CET_SUPPRESS) && (s_cet & CET_TRACKER)))) &&
	       MUST(IMPLIES(cet, is_aligned(v->host_ssp, 4))) &&
	       MUST(IMPLIES(cet, is_canonical(v->host_ia32_interrupt_ssp_table_addr, e->caps))) &&
	       MUST(IMPLIES(e->exit & EXIT_LOAD_PKRS, fits_32_bits(v->host_ia32_pkrs)));
}

bool entry_check_host_registers(const struct entry_view *e, struct check_failure *why)
{
	return host_control_registers(e, why) && host_msrs(e, why) && host_cet_and_pkrs(e, why);
}
