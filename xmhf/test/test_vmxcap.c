/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/vmx/vmxcap.c */
/* Names of VMX capability bits, and hiding them. */
#include "xmhf/vmx/vmxcap.h"

#include <string.h>

#include "xmhf/test/tap.h"

static const struct vmxcap_bit *find(const char *name)
{
	return vmxcap_find(name, strlen(name));
}

static void is_bit(const char *name, enum vmxcap_word word, u64 mask)
{
	const struct vmxcap_bit *bit = find(name);

	ok(bit && bit->word == word && BIT(bit->bit) == mask, "%s is word %u mask %llx", name, word,
	   mask);
}

static void test_names(void)
{
	is_bit("PIN_NMI_EXITING", VMXCAP_PIN, PIN_NMI_EXITING);
	is_bit("PROC1_USE_MSR_BITMAPS", VMXCAP_PROC1, PROC1_USE_MSR_BITMAPS);
	is_bit("proc2_enable_ept", VMXCAP_PROC2, PROC2_ENABLE_EPT);
	is_bit("Proc3_IPI_Virtualization", VMXCAP_PROC3, PROC3_IPI_VIRTUALIZATION);
	is_bit("EXIT_LOAD_IA32_EFER", VMXCAP_EXIT, EXIT_LOAD_IA32_EFER);
	is_bit("EXIT2_PREMATURELY_BUSY_SHADOW_STACK", VMXCAP_EXIT2,
	       EXIT2_PREMATURELY_BUSY_SHADOW_STACK);
	is_bit("ENTRY_LOAD_IA32_EFER", VMXCAP_ENTRY, ENTRY_LOAD_IA32_EFER);
	ok(!find("EXIT_LOAD_IA32_EFE"), "a name cut short");
	ok(!find("EXIT_LOAD_IA32_EFERX"), "a name too long");
	ok(!find("LOAD_IA32_EFER"), "a name without its word");
	ok(!find(""), "no name");
	ok(vmxcap_find("EPT_2Mxyz", 6) == find("EPT_2M"), "the length counts, not a NUL");
}

/* The second table agrees with the constants of vmx.h. */
static void test_capability_table(void)
{
	is_bit("BASIC_DUAL_MONITOR", VMXCAP_BASIC, VMX_BASIC_DUAL_MONITOR);
	is_bit("BASIC_INS_OUTS", VMXCAP_BASIC, VMX_BASIC_INS_OUTS);
	is_bit("BASIC_TRUE_CONTROLS", VMXCAP_BASIC, VMX_BASIC_TRUE_CONTROLS);
	is_bit("BASIC_ANY_ERROR_CODE", VMXCAP_BASIC, VMX_BASIC_ANY_ERROR_CODE);
	is_bit("MISC_STORE_LMA", VMXCAP_MISC, VMX_MISC_STORE_LMA);
	is_bit("MISC_ACTIVITY_HLT", VMXCAP_MISC, VMX_MISC_ACTIVITY_HLT);
	is_bit("MISC_ACTIVITY_SHUTDOWN", VMXCAP_MISC, VMX_MISC_ACTIVITY_SHUTDOWN);
	is_bit("MISC_ACTIVITY_SIPI", VMXCAP_MISC, VMX_MISC_ACTIVITY_SIPI);
	is_bit("MISC_PT_IN_VMX", VMXCAP_MISC, VMX_MISC_PT_IN_VMX);
	is_bit("MISC_SMBASE_READ", VMXCAP_MISC, VMX_MISC_SMBASE_READ);
	is_bit("MISC_SMM_MONITOR_CTL", VMXCAP_MISC, VMX_MISC_SMM_MONITOR_CTL);
	is_bit("MISC_VMWRITE_ANY", VMXCAP_MISC, VMX_MISC_VMWRITE_ANY);
	is_bit("MISC_INJECT_LENGTH_ZERO", VMXCAP_MISC, VMX_MISC_INJECT_LENGTH_ZERO);
	is_bit("EPT_EXECUTE_ONLY", VMXCAP_EPT, EPT_CAP_EXECUTE_ONLY);
	is_bit("EPT_WALK_4", VMXCAP_EPT, EPT_CAP_WALK_4);
	is_bit("EPT_WALK_5", VMXCAP_EPT, EPT_CAP_WALK_5);
	is_bit("EPT_UC", VMXCAP_EPT, EPT_CAP_UC);
	is_bit("EPT_WB", VMXCAP_EPT, EPT_CAP_WB);
	is_bit("EPT_2M", VMXCAP_EPT, EPT_CAP_2M);
	is_bit("EPT_1G", VMXCAP_EPT, EPT_CAP_1G);
	is_bit("EPT_INVEPT", VMXCAP_EPT, EPT_CAP_INVEPT);
	is_bit("EPT_AD", VMXCAP_EPT, EPT_CAP_AD);
	is_bit("EPT_ADVANCED_EXIT_INFO", VMXCAP_EPT, EPT_CAP_ADVANCED_EXIT_INFO);
	is_bit("EPT_SHADOW_STACK", VMXCAP_EPT, EPT_CAP_SHADOW_STACK);
	is_bit("EPT_INVEPT_SINGLE", VMXCAP_EPT, EPT_CAP_INVEPT_SINGLE);
	is_bit("EPT_INVEPT_ALL", VMXCAP_EPT, EPT_CAP_INVEPT_ALL);
	is_bit("EPT_INVVPID", VMXCAP_EPT, EPT_CAP_INVVPID);
	is_bit("EPT_INVVPID_ADDRESS", VMXCAP_EPT, EPT_CAP_INVVPID_ADDRESS);
	is_bit("EPT_INVVPID_SINGLE", VMXCAP_EPT, EPT_CAP_INVVPID_SINGLE);
	is_bit("EPT_INVVPID_ALL", VMXCAP_EPT, EPT_CAP_INVVPID_ALL);
	is_bit("EPT_INVVPID_SINGLE_NONGLOBAL", VMXCAP_EPT, EPT_CAP_INVVPID_SINGLE_NONGLOBAL);
	is_bit("VMFUNC_EPTP_SWITCHING", VMXCAP_VMFUNC, VMFUNC_EPTP_SWITCHING);
}

/* A processor that can do everything, with the mandatory bits of true controls. */
static struct vmx_caps full_caps(void)
{
	struct vmx_caps caps = {
		.basic = ~0ULL,
		.misc = ~0ULL,
		.ept_vpid = ~0ULL,
		.vmfunc = ~0ULL,
		.pin = { 0x16, ~0U },
		.proc1 = { 0x04006172, ~0U },
		.proc2 = { 0, ~0U },
		.proc3 = ~0ULL,
		.exit = { 0x00036dfb, ~0U },
		.exit2 = ~0ULL,
		.entry = { 0x000011fb, ~0U },
	};
	return caps;
}

/* The word that a name of @word is about. */
static u64 caps_word(const struct vmx_caps *caps, enum vmxcap_word word)
{
	switch (word) {
	case VMXCAP_PIN:
		return caps->pin.may_be_1;
	case VMXCAP_PROC1:
		return caps->proc1.may_be_1;
	case VMXCAP_PROC2:
		return caps->proc2.may_be_1;
	case VMXCAP_PROC3:
		return caps->proc3;
	case VMXCAP_EXIT:
		return caps->exit.may_be_1;
	case VMXCAP_EXIT2:
		return caps->exit2;
	case VMXCAP_ENTRY:
		return caps->entry.may_be_1;
	case VMXCAP_BASIC:
		return caps->basic;
	case VMXCAP_MISC:
		return caps->misc;
	case VMXCAP_EPT:
		return caps->ept_vpid;
	case VMXCAP_VMFUNC:
		return caps->vmfunc;
	case VMXCAP_WORD_COUNT:
		break;
	}
	return 0;
}

static struct vmx_caps hide(const char *name, bool accepted)
{
	struct vmx_caps caps = full_caps();
	const struct vmxcap_bit *bit = find(name);
	struct vmxcap_mask mask = { { 0 } }, refused;

	mask.hidden[bit->word] = BIT(bit->bit);
	ok(vmxcap_apply(&caps, &mask, &refused) == accepted, "%s %s be hidden", name,
	   accepted ? "can" : "cannot");
	ok((refused.hidden[bit->word] == BIT(bit->bit)) == !accepted, "%s is reported so", name);
	return caps;
}

static void test_every_bit(void)
{
	for (unsigned int i = 0; i < vmxcap_bit_count; i++) {
		const struct vmxcap_bit *bit = &vmxcap_bits[i];
		struct vmx_caps before = full_caps(), after = hide(bit->name, true);

		is_u64(caps_word(&after, bit->word), caps_word(&before, bit->word) & ~BIT(bit->bit),
		       bit->name);
		if (bit->word != VMXCAP_BASIC)
			ok(after.pin.must_be_1 == before.pin.must_be_1 &&
				   after.proc1.must_be_1 == before.proc1.must_be_1 &&
				   after.exit.must_be_1 == before.exit.must_be_1 &&
				   after.entry.must_be_1 == before.entry.must_be_1,
			   "%s: mandatory bits stay", bit->name);
	}
}

static void test_mandatory(void)
{
	struct vmx_caps caps = full_caps();
	struct vmxcap_mask mask = { { 0 } }, refused;

	caps.exit.must_be_1 |= EXIT_HOST_ADDRESS_SPACE_SIZE;
	mask.hidden[VMXCAP_EXIT] = EXIT_HOST_ADDRESS_SPACE_SIZE | EXIT_LOAD_IA32_PAT;
	ok(!vmxcap_apply(&caps, &mask, &refused), "a mandatory control is refused");
	is_u64(refused.hidden[VMXCAP_EXIT], EXIT_HOST_ADDRESS_SPACE_SIZE, "and named");
	is_u64(caps.exit.may_be_1, (u32)~EXIT_LOAD_IA32_PAT, "the other one is hidden");
}

static void test_dependents(void)
{
	struct vmx_caps caps = hide("PROC1_ACTIVATE_SECONDARY_CONTROLS", true);

	ok(!caps.proc2.may_be_1 && !caps.ept_vpid && !caps.vmfunc, "no secondary controls");
	ok(caps.proc3 && caps.exit2, "tertiary controls stay");
	caps = hide("PROC1_ACTIVATE_TERTIARY_CONTROLS", true);
	ok(!caps.proc3 && caps.proc2.may_be_1, "no tertiary controls");
	caps = hide("EXIT_ACTIVATE_SECONDARY_CONTROLS", true);
	ok(!caps.exit2 && caps.proc2.may_be_1, "no secondary exit controls");
	caps = hide("PROC2_ENABLE_EPT", true);
	ok(caps.ept_vpid && caps.vmfunc, "VPID keeps the EPT and VPID capabilities");
	caps = hide("PROC2_ENABLE_VM_FUNCTIONS", true);
	ok(!caps.vmfunc && caps.ept_vpid, "no VM functions");
	caps = full_caps();
	caps.proc2.may_be_1 &= ~(u32)(PROC2_ENABLE_EPT | PROC2_ENABLE_VPID);
	struct vmxcap_mask none = { { 0 } }, refused;
	vmxcap_apply(&caps, &none, &refused);
	ok(!caps.ept_vpid, "neither EPT nor VPID");
}

static void test_true_controls(void)
{
	struct vmx_caps caps = hide("BASIC_TRUE_CONTROLS", true);
	struct vmxcap_mask mask = { { 0 } }, refused;

	is_u64(caps.pin.must_be_1, 0x16, "default1 pin controls");
	is_u64(caps.proc1.must_be_1, 0x0401e172, "default1 processor controls");
	is_u64(caps.exit.must_be_1, 0x36dff, "default1 exit controls");
	is_u64(caps.entry.must_be_1, 0x11ff, "default1 entry controls");
	caps = full_caps();
	mask.hidden[VMXCAP_BASIC] = VMX_BASIC_TRUE_CONTROLS;
	mask.hidden[VMXCAP_PROC1] = PROC1_CR3_LOAD_EXITING;
	ok(!vmxcap_apply(&caps, &mask, &refused), "default1 controls cannot be hidden then");
	caps = hide("BASIC_INS_OUTS", true);
	is_u64(caps.proc1.must_be_1, 0x04006172, "other bits of IA32_VMX_BASIC change no control");
}

int main(void)
{
	test_names();
	test_capability_table();
	test_every_bit();
	test_mandatory();
	test_dependents();
	test_true_controls();
	return tap_end();
}
