/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Verdicts on entries of MSR lists.  Pure.  SDM "Loading MSRs" and "Saving MSRs"; the
 * rules for values are those of WRMSR: SDM volume 4.
 *
 * VM entry and VM exit refuse the same entries; the one fails with exit reason 34, the
 * other is a VMX abort.
 */
#include "nested/entry/entry_msr_load.h"

#include "nested/entry/entry_values.h"

/* What WRMSR demands of a value. */
enum value_rule {
	RULE_UNKNOWN,	/* not decided here */
	RULE_READ_ONLY, /* WRMSR always faults */
	RULE_ANY,
	RULE_32_BITS,
	RULE_CANONICAL,
	RULE_PAT,
	RULE_EFER,
	RULE_DEBUGCTL,
	RULE_PERF_GLOBAL_CTRL,
	RULE_CET,
	RULE_SSP,
	RULE_SSP_TABLE,
	RULE_PKRS,
};

struct msr_range {
	u32 first, last;
	u8 rule; /* enum value_rule */
};

/*
 * In the order of the numbers.  IA32_FEATURE_CONTROL is locked before L1 can use VMX, so
 * that a write faults.  An MSR that is not here is unknown.  MTRRs have rules of their own.
 */
// clang-format off
static const struct msr_range ranges[] = {
	{ MSR_IA32_TIME_STAMP_COUNTER,      MSR_IA32_TIME_STAMP_COUNTER,      RULE_ANY },
	{ MSR_IA32_PLATFORM_ID,             MSR_IA32_PLATFORM_ID,             RULE_READ_ONLY },
	{ MSR_IA32_FEATURE_CONTROL,         MSR_IA32_FEATURE_CONTROL,         RULE_READ_ONLY },
	{ MSR_IA32_ARCH_CAPABILITIES,       MSR_IA32_ARCH_CAPABILITIES,       RULE_READ_ONLY },
	{ MSR_IA32_SYSENTER_CS,             MSR_IA32_SYSENTER_CS,             RULE_ANY },
	{ MSR_IA32_SYSENTER_ESP,            MSR_IA32_SYSENTER_EIP,            RULE_CANONICAL },
	{ MSR_IA32_DEBUGCTL,                MSR_IA32_DEBUGCTL,                RULE_DEBUGCTL },
	{ MSR_IA32_PAT,                     MSR_IA32_PAT,                     RULE_PAT },
	{ MSR_IA32_PERF_GLOBAL_CTRL,        MSR_IA32_PERF_GLOBAL_CTRL,        RULE_PERF_GLOBAL_CTRL },
	{ MSR_IA32_VMX_BASIC,               MSR_IA32_VMX_EXIT_CTLS2,          RULE_READ_ONLY },
	{ MSR_IA32_U_CET,                   MSR_IA32_U_CET,                   RULE_CET },
	{ MSR_IA32_S_CET,                   MSR_IA32_S_CET,                   RULE_CET },
	{ MSR_IA32_PL0_SSP,                 MSR_IA32_INTERRUPT_SSP_TABLE_ADDR - 1, RULE_SSP },
	{ MSR_IA32_INTERRUPT_SSP_TABLE_ADDR, MSR_IA32_INTERRUPT_SSP_TABLE_ADDR, RULE_SSP_TABLE },
	{ MSR_IA32_PKRS,                    MSR_IA32_PKRS,                    RULE_PKRS },
	{ MSR_IA32_EFER,                    MSR_IA32_EFER,                    RULE_EFER },
	{ MSR_IA32_STAR,                    MSR_IA32_STAR,                    RULE_ANY },
	{ MSR_IA32_LSTAR,                   MSR_IA32_CSTAR,                   RULE_CANONICAL },
	{ MSR_IA32_FMASK,                   MSR_IA32_FMASK,                   RULE_ANY },
	{ MSR_IA32_KERNEL_GS_BASE,          MSR_IA32_KERNEL_GS_BASE,          RULE_CANONICAL },
	{ MSR_IA32_TSC_AUX,                 MSR_IA32_TSC_AUX,                 RULE_32_BITS },
};
// clang-format on

static enum value_rule rule_of(u32 index)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(ranges); i++) {
		if (index >= ranges[i].first && index <= ranges[i].last)
			return (enum value_rule)ranges[i].rule;
	}
	return RULE_UNKNOWN;
}

/* The APIC's registers in x2APIC mode; refused whether or not the APIC is in that mode. */
static bool is_x2apic(u32 index)
{
	return index >= MSR_IA32_X2APIC_FIRST && index <= MSR_IA32_X2APIC_LAST;
}

/*
 * Indexes that no list loads: the bases that are VMCS fields, the x2APIC registers, what
 * can be written only in SMM, and microcode (a reason of the model: the SDM warns of
 * loading it from a list; KVM refuses both its MSRs).
 */
static bool loadable_index(const struct vmx_msr_entry *entry, struct check_failure *why)
{
	u32 index = entry->index;

	return MUST(index != MSR_IA32_FS_BASE) && MUST(index != MSR_IA32_GS_BASE) &&
	       MUST(!is_x2apic(index)) && MUST(index != MSR_IA32_SMM_MONITOR_CTL) &&
	       MUST(index != MSR_IA32_SMBASE) && MUST(index != MSR_IA32_BIOS_UPDT_TRIG) &&
	       MUST(index != MSR_IA32_BIOS_SIGN_ID) && MUST(entry->reserved == 0);
}

/*
 * WRMSR to EFER refuses bits that do not exist, and a change of LME while paging is on.
 * LMA is not software's: writing it has no effect.
 */
static bool efer_value(const struct entry_msr_state *state, u64 value, struct check_failure *why)
{
	bool paging = state->cr0 & CR0_PG;
	bool changes_lme = (state->efer ^ value) & EFER_LME;

	return MUST(!(value & ~(state->caps->efer_valid | EFER_LMA))) &&
	       MUST(!(paging && changes_lme));
}

/* CET and supervisor protection keys exist where CR4 can enable them. */
static bool cet_value(const struct entry_msr_state *state, enum value_rule rule, u64 value,
		      struct check_failure *why)
{
	bool control = rule == RULE_CET, ssp = rule == RULE_SSP;

	return MUST(state->caps->cr4.may_be_1 & CR4_CET) &&
	       MUST(is_canonical(value, state->caps)) &&
	       MUST(IMPLIES(control, !(value & CET_RESERVED))) &&
	       MUST(IMPLIES(control, !((value & CET_SUPPRESS) && (value & CET_TRACKER)))) &&
	       MUST(IMPLIES(ssp, is_aligned(value, 4)));
}

static bool pkrs_value(const struct entry_msr_state *state, u64 value, struct check_failure *why)
{
	return MUST(state->caps->cr4.may_be_1 & CR4_PKS) && MUST(fits_32_bits(value));
}

static bool plain_value(const struct entry_msr_state *state, enum value_rule rule, u64 value,
			struct check_failure *why)
{
	const struct vmx_caps *caps = state->caps;
	bool perf = rule == RULE_PERF_GLOBAL_CTRL;

	return MUST(rule != RULE_READ_ONLY) &&
	       MUST(IMPLIES(rule == RULE_32_BITS, fits_32_bits(value))) &&
	       MUST(IMPLIES(rule == RULE_CANONICAL, is_canonical(value, caps))) &&
	       MUST(IMPLIES(rule == RULE_PAT, pat_is_valid(value))) &&
	       MUST(IMPLIES(rule == RULE_DEBUGCTL, !(value & ~caps->debugctl_valid))) &&
	       MUST(IMPLIES(perf, caps->perf_global_ctrl_valid)) &&
	       MUST(IMPLIES(perf, !(value & ~caps->perf_global_ctrl_valid)));
}

static bool loadable_value(const struct entry_msr_state *state, enum value_rule rule, u64 value,
			   struct check_failure *why)
{
	switch (rule) {
	case RULE_EFER:
		return efer_value(state, value, why);
	case RULE_CET:
	case RULE_SSP:
	case RULE_SSP_TABLE:
		return cet_value(state, rule, value, why);
	case RULE_PKRS:
		return pkrs_value(state, value, why);
	default:
		return plain_value(state, rule, value, why);
	}
}

static bool loadable_mtrr(const struct vmx_msr_entry *entry, const struct entry_msr_state *state,
			  struct check_failure *why)
{
	return MUST(mtrr_write_is_valid(state->mtrrs, entry->index, entry->value));
}

/*
 * MSRs whose value is right but whose existence or whose bits depend on more than the
 * capabilities: which half of CET there is, whether RDTSCP has its IA32_TSC_AUX, and bits 63:32 of
 * IA32_FMASK, which the SDM reserves without saying that writing them faults.
 */
static bool is_conditional(enum value_rule rule, const struct vmx_msr_entry *entry)
{
	switch (rule) {
	case RULE_UNKNOWN:
	case RULE_32_BITS:
	case RULE_CET:
	case RULE_SSP:
	case RULE_SSP_TABLE:
		return true;
	default:
		return entry->index == MSR_IA32_FMASK && !fits_32_bits(entry->value);
	}
}

enum entry_msr_verdict entry_msr_load_verdict(const struct vmx_msr_entry *entry,
					      const struct entry_msr_state *state,
					      struct check_failure *why)
{
	enum value_rule rule = rule_of(entry->index);

	*why = (struct check_failure){ 0 };
	if (!loadable_index(entry, why))
		return ENTRY_MSR_REFUSED;
	if (mtrr_is_mtrr_msr(state->mtrrs, entry->index))
		return loadable_mtrr(entry, state, why) ? ENTRY_MSR_ACCEPTED : ENTRY_MSR_REFUSED;
	if (!loadable_value(state, rule, entry->value, why))
		return ENTRY_MSR_REFUSED;
	return is_conditional(rule, entry) ? ENTRY_MSR_UNKNOWN : ENTRY_MSR_ACCEPTED;
}

u64 entry_msr_loaded_value(const struct vmx_msr_entry *entry, const struct entry_msr_state *state)
{
	if (entry->index != MSR_IA32_EFER)
		return entry->value;
	return (entry->value & ~EFER_LMA) | (state->efer & EFER_LMA);
}

/* Indexes that no list saves: the x2APIC registers, what can be read only in SMM, and what
 * cannot be read at all.  (FS and GS bases can be saved.) */
static bool storable_index(const struct vmx_msr_entry *entry, const struct entry_msr_state *state,
			   struct check_failure *why)
{
	u32 index = entry->index;
	bool perf = index == MSR_IA32_PERF_GLOBAL_CTRL;
	bool has_perf = state->caps->perf_global_ctrl_valid;

	return MUST(!is_x2apic(index)) && MUST(index != MSR_IA32_SMBASE) &&
	       MUST(index != MSR_IA32_BIOS_UPDT_TRIG) && MUST(index != MSR_IA32_PRED_CMD) &&
	       MUST(IMPLIES(perf, has_perf)) && MUST(entry->reserved == 0);
}

enum entry_msr_verdict entry_msr_store_verdict(const struct vmx_msr_entry *entry,
					       const struct entry_msr_state *state,
					       struct check_failure *why)
{
	enum value_rule rule = rule_of(entry->index);

	*why = (struct check_failure){ 0 };
	if (!storable_index(entry, state, why))
		return ENTRY_MSR_REFUSED;
	if (mtrr_is_mtrr_msr(state->mtrrs, entry->index))
		return ENTRY_MSR_ACCEPTED;
	switch (rule) {
	case RULE_ANY:
	case RULE_32_BITS:
	case RULE_CANONICAL:
	case RULE_PAT:
	case RULE_EFER:
	case RULE_DEBUGCTL:
	case RULE_PERF_GLOBAL_CTRL:
		return ENTRY_MSR_ACCEPTED;
	default:
		return entry->index == MSR_IA32_FS_BASE || entry->index == MSR_IA32_GS_BASE
			       ? ENTRY_MSR_ACCEPTED
			       : ENTRY_MSR_UNKNOWN;
	}
}
