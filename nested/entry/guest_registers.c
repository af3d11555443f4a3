/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Checks on control registers, DR7 and MSRs of L2.  Pure.
 * SDM "Checks on Guest Control Registers, Debug Registers, and MSRs".
 */
#include "nested/entry/entry_view.h"

#define UINV_RESERVED FIELD(15, 8)

/* CR0 has the fixed bits of VMX operation, of which an unrestricted guest may clear PE and
 * PG.  (NW and CD are never fixed, so they are not looked at.) */
static struct vmx_cr_caps guest_cr0_caps(const struct entry_view *e)
{
	struct vmx_cr_caps cr0 = e->caps->cr0;

	if (e->proc2 & PROC2_UNRESTRICTED_GUEST)
		cr0.must_be_1 &= ~(CR0_PE | CR0_PG);
	return cr0;
}

/*
 * Paging needs protection; CR4 has its fixed bits; CET needs write protection; an IA-32e
 * mode guest pages, with PAE; outside it there are no process contexts.  CR3 has no bits
 * beyond the physical width (unsure, as for the host: linear-address masking).
 */
static bool guest_control_registers(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	const struct vmx_cr_caps cr0 = guest_cr0_caps(e);
	bool ia32e = e->entry & ENTRY_IA32E_MODE_GUEST;

	return MUST(cr_allowed(v->guest_cr0, &cr0)) &&
	       MUST(IMPLIES(v->guest_cr0 & CR0_PG, v->guest_cr0 & CR0_PE)) &&
	       MUST(cr_allowed(v->guest_cr4, &e->caps->cr4)) &&
	       MUST(IMPLIES(v->guest_cr4 & CR4_CET, v->guest_cr0 & CR0_WP)) &&
	       MUST(IMPLIES(ia32e, v->guest_cr0 & CR0_PG)) &&
	       MUST(IMPLIES(ia32e, v->guest_cr4 & CR4_PAE)) &&
	       MUST(IMPLIES(!ia32e, !(v->guest_cr4 & CR4_PCIDE))) &&
	       MUST(fits_physical_width(v->guest_cr3, e->caps));
}

/* Debug controls that the entry loads have only bits that exist; SYSENTER addresses are
 * canonical. */
static bool guest_debug_and_sysenter(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	bool debug = e->entry & ENTRY_LOAD_DEBUG_CONTROLS;

	return MUST(IMPLIES(debug, !(v->guest_ia32_debugctl & ~e->caps->debugctl_valid))) &&
	       MUST(IMPLIES(debug, fits_32_bits(v->guest_dr7))) &&
	       MUST(is_canonical(v->guest_ia32_sysenter_esp, e->caps)) &&
	       MUST(is_canonical(v->guest_ia32_sysenter_eip, e->caps));
}

/*
 * Each MSR that the entry loads has only bits that exist.  EFER.LMA is the IA-32e mode of
 * the guest; LME is the same while paging is on (and free while it is off).
 */
static bool guest_msrs(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	const struct vmx_caps *caps = e->caps;
	bool perf = e->entry & ENTRY_LOAD_IA32_PERF_GLOBAL_CTRL;
	bool efer = e->entry & ENTRY_LOAD_IA32_EFER;
	bool ia32e = e->entry & ENTRY_IA32E_MODE_GUEST;
	bool lma = v->guest_ia32_efer & EFER_LMA, lme = v->guest_ia32_efer & EFER_LME;

	return MUST(IMPLIES(perf,
			    !(v->guest_ia32_perf_global_ctrl & ~caps->perf_global_ctrl_valid))) &&
	       MUST(IMPLIES(e->entry & ENTRY_LOAD_IA32_PAT, pat_is_valid(v->guest_ia32_pat))) &&
	       MUST(IMPLIES(efer, !(v->guest_ia32_efer & ~caps->efer_valid))) &&
	       MUST(IMPLIES(efer, lma == ia32e)) &&
	       MUST(IMPLIES(efer && (v->guest_cr0 & CR0_PG), lme == lma));
}

/*
 * MPX bounds, processor trace, last-branch records and the user-interrupt vector.  Unsure:
 * which trace and branch-record bits exist depends on CPUID; here only bits that no
 * processor defines are refused, and the processor's own check of VMCS02 does the rest.
 */
static bool guest_feature_msrs(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	bool bounds = e->entry & ENTRY_LOAD_IA32_BNDCFGS;

	return MUST(IMPLIES(bounds, !(v->guest_ia32_bndcfgs & BNDCFGS_RESERVED))) &&
	       MUST(IMPLIES(bounds, is_canonical(v->guest_ia32_bndcfgs, e->caps))) &&
	       MUST(IMPLIES(e->entry & ENTRY_LOAD_IA32_RTIT_CTL,
			    !(v->guest_ia32_rtit_ctl & RTIT_CTL_RESERVED))) &&
	       MUST(IMPLIES(e->entry & ENTRY_LOAD_IA32_LBR_CTL,
			    !(v->guest_ia32_lbr_ctl & LBR_CTL_RESERVED))) &&
	       MUST(IMPLIES(e->entry & ENTRY_LOAD_UINV, !(v->guest_uinv & UINV_RESERVED)));
}

/* As for the host: existing bits of S_CET, a tracker not both suppressed and waiting, a
 * canonical SSP table; protection keys are 32 bits.  Unsure: S_CET is taken to be canonical
 * in every mode; for the host the SDM makes it 32 bits outside 64-bit mode. */
static bool guest_cet_and_pkrs(const struct entry_view *e, struct check_failure *why)
{
	const struct vmcs12 *v = e->v;
	bool cet = e->entry & ENTRY_LOAD_CET_STATE;
	u64 s_cet = v->guest_ia32_s_cet;

	return MUST(IMPLIES(cet, !(s_cet & CET_RESERVED))) &&
	       MUST(IMPLIES(cet, is_canonical(s_cet, e->caps))) &&
	       MUST(IMPLIES(cet, !((s_cet & CET_SUPPRESS) && (s_cet & CET_TRACKER)))) &&
	       MUST(IMPLIES(cet, is_canonical(v->guest_ia32_interrupt_ssp_table_addr, e->caps))) &&
	       MUST(IMPLIES(e->entry & ENTRY_LOAD_PKRS, fits_32_bits(v->guest_ia32_pkrs)));
}

bool entry_check_guest_registers(const struct entry_view *e, struct check_failure *why)
{
	return guest_control_registers(e, why) && guest_debug_and_sysenter(e, why) &&
	       guest_msrs(e, why) && guest_feature_msrs(e, why) && guest_cet_and_pkrs(e, why);
}
