/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which entries of MSR lists are refused: each rule refuses an entry that differs in one
 * thing from an accepted one.
 */
/* sources: nested/entry/entry.c nested/entry/execution_controls.c
 * nested/entry/exit_controls.c nested/entry/entry_controls.c nested/entry/host_registers.c
 * nested/entry/host_segments.c nested/entry/address_space_size.c nested/entry/guest_registers.c
 * nested/entry/guest_segments.c nested/entry/guest_descriptor_tables.c
 * nested/entry/guest_rip_rflags.c nested/entry/guest_activity.c
 * nested/entry/guest_interruptibility.c nested/entry/guest_link_pointer.c
 * nested/entry/guest_pdptes.c nested/entry/entry_msr_load.c xmhf/memory/mtrr.c
 */
#include "nested/test/entry_trial.h"

#include "nested/entry/entry_msr_load.h"
#include "xmhf/lib/bug.h"

void bug_stop(const char *file, int line, const char *claim)
{
	printf("not ok - %s:%d: %s\n", file, line, claim);
	exit(1);
}

static struct mtrr_state mtrrs;
static struct vmx_caps caps;
static struct entry_msr_state state;

static void begin(void)
{
	caps = trial_caps();
	mtrrs = (struct mtrr_state){ .cap = 8 | MTRRCAP_FIX | MTRRCAP_WC,
				     .physical_address_width = 39 };
	state = (struct entry_msr_state){ &caps, &mtrrs, CR0_PG | CR0_PE, EFER_LME | EFER_LMA };
}

static void load_is(u32 index, u64 value, enum entry_msr_verdict expected)
{
	struct vmx_msr_entry entry = { index, 0, value };
	struct check_failure why;
	enum entry_msr_verdict verdict = entry_msr_load_verdict(&entry, &state, &why);

	ok(verdict == expected, "load of 0x%x with 0x%llx: %d, expected %d, %s", index, value,
	   verdict, expected, trial_reason(why));
	ok(!why.rule == (verdict != ENTRY_MSR_REFUSED), "a reason exactly if it is refused");
}

static void store_is(u32 index, enum entry_msr_verdict expected)
{
	struct vmx_msr_entry entry = { index, 0, ~0ULL };
	struct check_failure why;
	enum entry_msr_verdict verdict = entry_msr_store_verdict(&entry, &state, &why);

	ok(verdict == expected, "store of 0x%x: %d, expected %d, %s", index, verdict, expected,
	   trial_reason(why));
}

static void load_refused(struct vmx_msr_entry entry, const char *rule)
{
	struct check_failure why;

	is_u64(entry_msr_load_verdict(&entry, &state, &why), ENTRY_MSR_REFUSED, rule);
	trial_note(why, rule);
}

static void store_refused(struct vmx_msr_entry entry, const char *rule)
{
	struct check_failure why;

	is_u64(entry_msr_store_verdict(&entry, &state, &why), ENTRY_MSR_REFUSED, rule);
	trial_note(why, rule);
}

#define ENTRY(msr, value) ((struct vmx_msr_entry){ MSR_##msr, 0, value })

static void test_index(void)
{
	begin();
	load_refused(ENTRY(IA32_FS_BASE, 0), "index != MSR_IA32_FS_BASE");
	load_refused(ENTRY(IA32_GS_BASE, 0), "index != MSR_IA32_GS_BASE");
	load_refused(ENTRY(IA32_SMM_MONITOR_CTL, 0), "index != MSR_IA32_SMM_MONITOR_CTL");
	load_refused(ENTRY(IA32_SMBASE, 0), "index != MSR_IA32_SMBASE");
	load_refused(ENTRY(IA32_BIOS_UPDT_TRIG, 0), "index != MSR_IA32_BIOS_UPDT_TRIG");
	load_refused(ENTRY(IA32_BIOS_SIGN_ID, 0), "index != MSR_IA32_BIOS_SIGN_ID");
	for (u32 index = 0x700; index < 0xa00; index++) {
		if (index >= 0x800 && index < 0x900)
			load_refused((struct vmx_msr_entry){ index, 0, 0 }, "!is_x2apic(index)");
		else
			load_is(index, 0, ENTRY_MSR_UNKNOWN);
	}
	for (unsigned int bit = 0; bit < 32; bit++)
		load_refused((struct vmx_msr_entry){ MSR_IA32_STAR, BIT32(bit), 0 },
			     "entry->reserved == 0");
}

static void test_efer(void)
{
	const char *const reserved = "!(value & ~(state->caps->efer_valid | EFER_LMA))";

	begin();
	/* What KVM loads for L2: LMA is there, and has no effect. */
	load_is(MSR_IA32_EFER, 0xd01, ENTRY_MSR_ACCEPTED);
	load_is(MSR_IA32_EFER, EFER_LME, ENTRY_MSR_ACCEPTED);
	is_u64(entry_msr_loaded_value(&ENTRY(IA32_EFER, EFER_LME), &state), EFER_LME | EFER_LMA,
	       "LMA stays 1");
	is_u64(entry_msr_loaded_value(&ENTRY(IA32_PAT, EFER_LME), &state), EFER_LME, "another MSR");
	load_refused(ENTRY(IA32_EFER, 0xd01 | BIT(1)), reserved);
	load_refused(ENTRY(IA32_EFER, 0xd01 | BIT(63)), reserved);
	load_refused(ENTRY(IA32_EFER, EFER_SCE), "!(paging && changes_lme)");
	state.efer = 0;
	load_is(MSR_IA32_EFER, EFER_SCE, ENTRY_MSR_ACCEPTED);
	load_refused(ENTRY(IA32_EFER, 0xd01), "!(paging && changes_lme)");
	state.cr0 = CR0_PE;
	load_is(MSR_IA32_EFER, EFER_LME, ENTRY_MSR_ACCEPTED);
	load_is(MSR_IA32_EFER, 0, ENTRY_MSR_ACCEPTED);
	is_u64(entry_msr_loaded_value(&ENTRY(IA32_EFER, EFER_LMA), &state), 0, "LMA stays 0");
}

static void test_canonical(void)
{
	const u32 indexes[] = { MSR_IA32_SYSENTER_ESP, MSR_IA32_SYSENTER_EIP, MSR_IA32_LSTAR,
				MSR_IA32_CSTAR, MSR_IA32_KERNEL_GS_BASE };

	begin();
	for (size_t i = 0; i < ARRAY_SIZE(indexes); i++) {
		load_is(indexes[i], FIELD(63, 47), ENTRY_MSR_ACCEPTED);
		load_is(indexes[i], FIELD(46, 0), ENTRY_MSR_ACCEPTED);
		load_refused((struct vmx_msr_entry){ indexes[i], 0, BIT(47) },
			     "IMPLIES(rule == RULE_CANONICAL, is_canonical(value, caps))");
	}
}

static void test_plain(void)
{
	begin();
	load_is(MSR_IA32_STAR, ~0ULL, ENTRY_MSR_ACCEPTED);
	load_is(MSR_IA32_SYSENTER_CS, ~0ULL, ENTRY_MSR_ACCEPTED);
	load_is(MSR_IA32_TIME_STAMP_COUNTER, ~0ULL, ENTRY_MSR_ACCEPTED);
	load_is(MSR_IA32_FMASK, 0xffffffff, ENTRY_MSR_ACCEPTED);
	load_is(MSR_IA32_FMASK, BIT(32), ENTRY_MSR_UNKNOWN);
	load_is(MSR_IA32_SPEC_CTRL, 1, ENTRY_MSR_UNKNOWN);
	load_is(MSR_IA32_MISC_ENABLE, 1, ENTRY_MSR_UNKNOWN);
	load_is(0xdeadbeef, 0, ENTRY_MSR_UNKNOWN);
	for (u32 index = 0x480; index <= 0x493; index++)
		load_refused((struct vmx_msr_entry){ index, 0, 0 }, "rule != RULE_READ_ONLY");
	load_is(0x494, 0, ENTRY_MSR_UNKNOWN);
	load_refused(ENTRY(IA32_FEATURE_CONTROL, 5), "rule != RULE_READ_ONLY");
	load_is(MSR_IA32_TSC_AUX, 0xffffffff, ENTRY_MSR_UNKNOWN);
	load_refused(ENTRY(IA32_TSC_AUX, BIT(32)),
		     "IMPLIES(rule == RULE_32_BITS, fits_32_bits(value))");
	load_is(MSR_IA32_PAT, 0x0007040600070406, ENTRY_MSR_ACCEPTED);
	load_refused(ENTRY(IA32_PAT, 2), "IMPLIES(rule == RULE_PAT, pat_is_valid(value))");
	load_is(MSR_IA32_DEBUGCTL, caps.debugctl_valid, ENTRY_MSR_ACCEPTED);
	load_refused(ENTRY(IA32_DEBUGCTL, BIT(3)),
		     "IMPLIES(rule == RULE_DEBUGCTL, !(value & ~caps->debugctl_valid))");
	load_is(MSR_IA32_PERF_GLOBAL_CTRL, FIELD(34, 32) | 15, ENTRY_MSR_ACCEPTED);
	load_refused(ENTRY(IA32_PERF_GLOBAL_CTRL, 16),
		     "IMPLIES(perf, !(value & ~caps->perf_global_ctrl_valid))");
	caps.perf_global_ctrl_valid = 0;
	load_refused(ENTRY(IA32_PERF_GLOBAL_CTRL, 0),
		     "IMPLIES(perf, caps->perf_global_ctrl_valid)");
}

static void test_cet_and_pkrs(void)
{
	begin();
	load_is(MSR_IA32_S_CET, FIELD(63, 12) | 0x3f, ENTRY_MSR_UNKNOWN);
	load_is(MSR_IA32_U_CET, CET_SUPPRESS, ENTRY_MSR_UNKNOWN);
	load_is(MSR_IA32_U_CET, CET_TRACKER, ENTRY_MSR_UNKNOWN);
	load_refused(ENTRY(IA32_S_CET, BIT(6)), "IMPLIES(control, !(value & CET_RESERVED))");
	load_refused(ENTRY(IA32_S_CET, CET_SUPPRESS | CET_TRACKER),
		     "IMPLIES(control, !((value & CET_SUPPRESS) && (value & CET_TRACKER)))");
	for (u32 index = MSR_IA32_PL0_SSP; index < MSR_IA32_INTERRUPT_SSP_TABLE_ADDR; index++) {
		load_is(index, 0x1000, ENTRY_MSR_UNKNOWN);
		load_refused((struct vmx_msr_entry){ index, 0, 0x1002 },
			     "IMPLIES(ssp, is_aligned(value, 4))");
	}
	load_is(MSR_IA32_INTERRUPT_SSP_TABLE_ADDR, 1, ENTRY_MSR_UNKNOWN);
	load_refused(ENTRY(IA32_INTERRUPT_SSP_TABLE_ADDR, BIT(47)),
		     "is_canonical(value, state->caps)");
	load_is(MSR_IA32_PKRS, 0xffffffff, ENTRY_MSR_ACCEPTED);
	load_refused(ENTRY(IA32_PKRS, BIT(32)), "fits_32_bits(value)");
	caps.cr4.may_be_1 &= ~(CR4_CET | CR4_PKS);
	load_refused(ENTRY(IA32_PKRS, 0), "state->caps->cr4.may_be_1 & CR4_PKS");
	load_refused(ENTRY(IA32_S_CET, 0), "state->caps->cr4.may_be_1 & CR4_CET");
}

static void test_mtrrs(void)
{
	const char *const rule = "mtrr_write_is_valid(state->mtrrs, entry->index, entry->value)";

	begin();
	load_is(MSR_IA32_MTRR_DEF_TYPE, MTRR_DEF_TYPE_ENABLE | MEMORY_TYPE_WB, ENTRY_MSR_ACCEPTED);
	load_refused(ENTRY(IA32_MTRR_DEF_TYPE, 2), rule);
	load_refused(ENTRY(IA32_MTRRCAP, 0), rule);
	load_is(MSR_IA32_MTRR_FIX64K_00000, 0x0606060606060606, ENTRY_MSR_ACCEPTED);
	load_refused(ENTRY(IA32_MTRR_FIX64K_00000, 0x0607060606060606), rule);
	load_is(MSR_IA32_MTRR_PHYSBASE0 + 14, 6, ENTRY_MSR_ACCEPTED);
	load_refused(ENTRY(IA32_MTRR_PHYSBASE0, BIT(39)), rule);
	load_is(MSR_IA32_MTRR_PHYSBASE0 + 16, 6, ENTRY_MSR_UNKNOWN);
	store_is(MSR_IA32_MTRRCAP, ENTRY_MSR_ACCEPTED);
}

static void test_store(void)
{
	begin();
	store_is(MSR_IA32_FS_BASE, ENTRY_MSR_ACCEPTED);
	store_is(MSR_IA32_GS_BASE, ENTRY_MSR_ACCEPTED);
	store_is(MSR_IA32_EFER, ENTRY_MSR_ACCEPTED);
	store_is(MSR_IA32_STAR, ENTRY_MSR_ACCEPTED);
	store_is(MSR_IA32_VMX_BASIC, ENTRY_MSR_UNKNOWN);
	store_is(0xdeadbeef, ENTRY_MSR_UNKNOWN);
	store_is(MSR_IA32_PERF_GLOBAL_CTRL, ENTRY_MSR_ACCEPTED);
	for (u32 index = 0x800; index < 0x900; index++)
		store_refused((struct vmx_msr_entry){ index, 0, 0 }, "!is_x2apic(index)");
	store_refused(ENTRY(IA32_SMBASE, 0), "index != MSR_IA32_SMBASE");
	store_refused(ENTRY(IA32_BIOS_UPDT_TRIG, 0), "index != MSR_IA32_BIOS_UPDT_TRIG");
	store_refused(ENTRY(IA32_PRED_CMD, 0), "index != MSR_IA32_PRED_CMD");
	store_refused((struct vmx_msr_entry){ MSR_IA32_STAR, 1, 0 }, "entry->reserved == 0");
	caps.perf_global_ctrl_valid = 0;
	store_refused(ENTRY(IA32_PERF_GLOBAL_CTRL, 0), "IMPLIES(perf, has_perf)");
}

int main(void)
{
	test_index();
	test_efer();
	test_canonical();
	test_plain();
	test_cet_and_pkrs();
	test_mtrrs();
	test_store();
	trial_rules_all_refused("nested/entry/entry_msr_load.c");
	return tap_end();
}
