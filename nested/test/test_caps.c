/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Capabilities offered to L1: never more than the processor or the implementation has, closed
 * under prerequisites whatever is hidden, and the layout of the MSRs.
 */
/* sources: nested/caps/caps.c nested/caps/msrs.c xmhf/x86/vmcs.c */
#include "nested/caps/caps.h"

#include <string.h>
#include "xmhf/test/random.h"
#include "xmhf/test/tap.h"
#include "xmhf/x86/msr.h"

/* A processor that has everything. */
static struct vmx_caps everything(void)
{
	return (struct vmx_caps){
		.basic = 0x12345678 | 1024ULL << 32 | BIT(49) | 6ULL << 50 | BIT(54) | BIT(55) |
			 BIT(56),
		.misc = 0x7004c1e5ULL | BIT(28) | BIT(15),
		.ept_vpid = 0xf0106f34141ULL | BIT(7) | BIT(22) | BIT(23),
		.vmfunc = 1,
		.vmcs_enum = 0x2e,
		.pin = { 0x16, 0xff },
		.proc1 = { 0x04006172, 0xffffffff },
		.proc2 = { 0, 0xffffffff },
		.exit = { 0x00036dfb, 0xffffffff },
		.entry = { 0x000011fb, 0x007fffff },
		.proc3 = 0xff,
		.exit2 = 8,
		.cr0 = { 0x80000021, 0xffffffff },
		.cr4 = { 0x2000, 0x3767ff },
		.physical_address_width = 39,
		.linear_address_width = 48,
	};
}

static u64 random64(void)
{
	return (u64)random_u32() << 32 | random_u32();
}

static void test_everything(void)
{
	struct vmx_caps hw = everything(), c;

	nested_caps_offer(&hw, NULL, &c);
	is_u64(c.pin.may_be_1, 0xff, "pin");
	is_u64(c.pin.must_be_1, 0x16, "pin forced");
	is_u64(c.proc1.may_be_1 & PROC1_ACTIVATE_TERTIARY_CONTROLS, 0, "no tertiary controls");
	is_u64(c.proc1.may_be_1 | PROC1_ACTIVATE_TERTIARY_CONTROLS, 0xfffbfffe,
	       "other primary controls");
	ok(c.proc2.may_be_1 & PROC2_UNRESTRICTED_GUEST, "unrestricted guest");
	ok(c.proc2.may_be_1 & PROC2_ENABLE_PML, "PML");
	is_u64(c.proc2.may_be_1 & PROC2_SUB_PAGE_WRITE_PERMISSIONS, 0, "no sub-page permissions");
	is_u64(c.proc3, 0, "no tertiary");
	is_u64(c.exit2, 0, "no secondary exit controls");
	is_u64(c.entry.may_be_1 & ENTRY_ENTRY_TO_SMM, 0, "no SMM");
	is_u64(c.ept_vpid & (EPT_CAP_WALK_5 | EPT_CAP_ADVANCED_EXIT_INFO | EPT_CAP_SHADOW_STACK), 0,
	       "no 5-level EPT");
	is_u64(c.ept_vpid, 0xf0106334141ULL, "EPT and VPID");
	is_u64(c.misc & (VMX_MISC_SMM_MONITOR_CTL | VMX_MISC_SMBASE_READ | VMX_MISC_PT_IN_VMX), 0,
	       "misc less what is not there");
	is_u64(field_get(c.misc, VMX_MISC_CR3_TARGETS), 4, "CR3 targets");
	is_u64(field_get(c.misc, VMX_MISC_TIMER_RATE), 5, "timer rate");
	is_u64(c.basic,
	       NESTED_VMCS_REVISION | 4096ULL << 32 | 6ULL << 50 | BIT(54) | BIT(55) | BIT(56),
	       "basic");
	/* Highest index: TSC multiplier is 0x2032, index 25. */
	is_u64(c.vmcs_enum, 25 << 1, "VMCS_ENUM");
	is_u64(c.cr4.may_be_1, hw.cr4.may_be_1, "CR4 is the processor's");
}

/* Which MSRs exist, and the two halves of the control MSRs. */
static void test_msrs(void)
{
	struct vmx_caps hw = everything(), c;
	struct vmxcap_mask hidden = { 0 };
	u64 v, t;

	nested_caps_offer(&hw, NULL, &c);
	for (u32 i = 0x47f; i <= 0x494; i++)
		ok(nested_caps_read_msr(&c, i, &v) == (i >= 0x480 && i <= 0x491), "MSR 0x%x exists",
		   i);
	ok(nested_caps_read_msr(&c, 0x481, &v) && v == (0xffULL << 32 | 0x16), "481");
	nested_caps_read_msr(&c, 0x482, &v);
	nested_caps_read_msr(&c, 0x48e, &t);
	is_u64(v & 0xffffffff, 0x0401e172, "default1 of 482");
	is_u64(t & 0xffffffff, 0x04006172, "true 48e");
	is_u64(v >> 32, t >> 32, "same upper half");
	nested_caps_read_msr(&c, 0x483, &v);
	is_u64(v & 0xffffffff, 0x00036dff, "default1 of 483");
	nested_caps_read_msr(&c, 0x484, &v);
	is_u64(v & 0xffffffff, 0x000011ff, "default1 of 484");
	nested_caps_read_msr(&c, 0x48b, &v);
	is_u64(v & 0xffffffff, 0, "48b forces nothing");
	hidden.hidden[VMXCAP_BASIC] = BIT(55);
	nested_caps_offer(&hw, &hidden, &c);
	ok(!nested_caps_read_msr(&c, 0x48d, &v) && !nested_caps_read_msr(&c, 0x490, &v),
	   "no true MSRs");
	is_u64(c.proc1.must_be_1, 0x0401e172, "then default1 is forced");
	hidden.hidden[VMXCAP_PROC1] = BIT(31);
	nested_caps_offer(&hw, &hidden, &c);
	ok(!nested_caps_read_msr(&c, 0x48b, &v) && !nested_caps_read_msr(&c, 0x48c, &v) &&
		   !nested_caps_read_msr(&c, 0x491, &v),
	   "without secondary controls");
	is_u64(c.proc2.may_be_1 | c.ept_vpid | c.vmfunc, 0, "nothing secondary");
}

/* Prerequisites, spelled out again from the SDM's entry checks: what must hold of any offer. */
static bool is_sane(const struct vmx_caps *c)
{
	u32 p2 = c->proc2.may_be_1, p1 = c->proc1.may_be_1, pin = c->pin.may_be_1;
	bool ept = p2 & BIT(1);

	return IMPLIES(p2, p1 >> 31) && IMPLIES(p2 & (BIT(7) | BIT(17) | BIT(18)), ept) &&
	       IMPLIES(p2 & BIT(17), c->ept_vpid & BIT(21)) && IMPLIES(c->vmfunc, p2 & BIT(13)) &&
	       IMPLIES(p2 & BIT(13), ept) && IMPLIES(c->ept_vpid & 0xffffffff, ept) &&
	       IMPLIES(c->ept_vpid >> 32, p2 & BIT(5)) && IMPLIES(ept, c->ept_vpid & BIT(6)) &&
	       IMPLIES(p2 & (BIT(4) | BIT(8) | BIT(9)), p1 & BIT(21)) &&
	       IMPLIES(p2 & BIT(9), pin & 1) && IMPLIES(pin & BIT(7), p2 & BIT(9)) &&
	       IMPLIES(pin & BIT(7), c->exit.may_be_1 & BIT(15)) &&
	       IMPLIES(pin & BIT(5), pin & BIT(3)) && IMPLIES(p1 & BIT(22), pin & BIT(5)) &&
	       IMPLIES(c->exit.may_be_1 & BIT(22), pin & BIT(6)) &&
	       IMPLIES(c->ept_vpid & (3ULL << 25), c->ept_vpid & BIT(20)) &&
	       IMPLIES(c->ept_vpid & (15ULL << 40), c->ept_vpid & BIT(32));
}

/* Hiding any one bit, any two, and random sets: sane, and exactly the bits hidden or dependent go.
 */
static void test_hiding(void)
{
	struct vmx_caps hw = everything(), full, c;
	struct vmxcap_mask hidden;

	nested_caps_offer(&hw, NULL, &full);
	ok(is_sane(&full), "all is sane");
	for (u32 w = 0; w < VMXCAP_WORD_COUNT; w++)
		for (u32 bit = 0; bit < 64; bit++) {
			hidden = (struct vmxcap_mask){ 0 };
			hidden.hidden[w] = BIT(bit);
			nested_caps_offer(&hw, &hidden, &c);
			ok(is_sane(&c), "word %u bit %u hidden", w, bit);
			ok((c.proc2.may_be_1 & ~full.proc2.may_be_1) == 0, "subset");
		}
	for (u32 n = 0; n < 20000; n++) {
		for (u32 w = 0; w < VMXCAP_WORD_COUNT; w++)
			hidden.hidden[w] = random64() & random64() & random64();
		nested_caps_offer(&hw, &hidden, &c);
		ok(is_sane(&c), "random set %u", n);
		ok((c.proc1.may_be_1 & hidden.hidden[VMXCAP_PROC1] & ~hw.proc1.must_be_1 &
		    ~(c.basic & BIT(55) ? 0 : 0x0401e172u)) == 0 &&
			   (c.proc2.may_be_1 & hidden.hidden[VMXCAP_PROC2]) == 0 &&
			   (c.ept_vpid & hidden.hidden[VMXCAP_EPT]) == 0,
		   "hidden is hidden %u", n);
		hw.proc2.may_be_1 = random_u32() | random_u32();
		hw.ept_vpid = everything().ept_vpid & (random64() | random64());
		nested_caps_offer(&hw, NULL, &c);
		ok(is_sane(&c) && !(c.proc2.may_be_1 & ~hw.proc2.may_be_1) &&
			   !(c.ept_vpid & ~hw.ept_vpid),
		   "random processor %u", n);
		hw = everything();
	}
}

/* Fields exist with their control. */
static void test_fields(void)
{
	struct vmx_caps hw = everything(), c;
	struct vmxcap_mask hidden = { 0 };

	nested_caps_offer(&hw, NULL, &c);
	ok(nested_caps_has_field(&c, VMCS_INDEX_eptp) &&
		   nested_caps_has_field(&c, VMCS_INDEX_eptp_list_address) &&
		   nested_caps_has_field(&c, VMCS_INDEX_guest_rip) &&
		   nested_caps_has_field(&c, VMCS_INDEX_guest_ia32_pat),
	   "fields that exist");
	ok(!nested_caps_has_field(&c, VMCS_INDEX_shared_eptp) &&
		   !nested_caps_has_field(&c, VMCS_INDEX_hlatp) &&
		   !nested_caps_has_field(&c, VMCS_INDEX_guest_ssp) &&
		   !nested_caps_has_field(&c, VMCS_INDEX_guest_ia32_bndcfgs),
	   "fields that do not");
	hidden.hidden[VMXCAP_ENTRY] = ENTRY_LOAD_IA32_PAT;
	nested_caps_offer(&hw, &hidden, &c);
	ok(nested_caps_has_field(&c, VMCS_INDEX_guest_ia32_pat), "guest PAT by the exit control");
	hidden.hidden[VMXCAP_EXIT] = EXIT_SAVE_IA32_PAT;
	nested_caps_offer(&hw, &hidden, &c);
	ok(!nested_caps_has_field(&c, VMCS_INDEX_guest_ia32_pat), "guest PAT by neither");
}

static void test_ibpb(void)
{
	ok(!nested_caps_needs_ibpb(0) && !nested_caps_needs_ibpb(~BIT32(26)),
	   "L1 is not told of IBPB");
	ok(nested_caps_needs_ibpb(BIT32(26)), "L1 is told of it");
}

int main(void)
{
	test_everything();
	test_msrs();
	test_hiding();
	test_fields();
	test_ibpb();
	return tap_end();
}
