/* SPDX-License-Identifier: BSD-2-Clause */
/* sources: xmhf/vmx/vmcs01.c xmhf/memory/mtrr.c */
/* The controls of VMCS01 for processors with and without each feature, and L1's MSR bitmap. */
#include "xmhf/vmx/vmcs01.h"

#include <string.h>

#include "xmhf/lib/bug.h"
#include "xmhf/test/tap.h"
#include "xmhf/vmx/intercepts.h"
#include "xmhf/x86/msr.h"

struct machine machine;
struct intercepts intercepts;

void bug_stop(const char *file, int line, const char *claim)
{
	fprintf(stderr, "%s:%d: %s\n", file, line, claim);
	abort();
}

/* A processor with everything, whose controls may all be 0. */
static struct vmx_caps full_caps(void)
{
	struct vmx_caps caps;

	memset(&caps, 0, sizeof(caps));
	caps.basic = VMX_BASIC_TRUE_CONTROLS;
	caps.pin.may_be_1 = caps.proc1.may_be_1 = caps.proc2.may_be_1 = ~0U;
	caps.exit.may_be_1 = caps.entry.may_be_1 = ~0U;
	caps.ept_vpid = ~0ULL;
	caps.misc = ~0ULL;
	return caps;
}

static void test_full(void)
{
	struct vmx_caps caps = full_caps();
	struct vmcs01_controls c;

	ok(!vmcs01_choose_controls(&caps, &c), "a processor with everything will do");
	is_u64(c.pin, 0, "pin-based controls: L1 gets its interrupts and NMIs");
	is_u64(c.proc1,
	       PROC1_USE_MSR_BITMAPS | PROC1_MONITOR_TRAP_FLAG | PROC1_ACTIVATE_SECONDARY_CONTROLS,
	       "primary processor-based controls");
	is_u64(c.proc2,
	       PROC2_ENABLE_EPT | PROC2_UNRESTRICTED_GUEST | PROC2_ENABLE_RDTSCP |
		       PROC2_ENABLE_VPID | PROC2_ENABLE_INVPCID | PROC2_ENABLE_XSAVES_XRSTORS |
		       PROC2_ENABLE_USER_WAIT_AND_PAUSE | PROC2_ENABLE_PCONFIG,
	       "secondary processor-based controls");
	is_u64(c.exit,
	       EXIT_HOST_ADDRESS_SPACE_SIZE | EXIT_SAVE_DEBUG_CONTROLS | EXIT_SAVE_IA32_PAT |
		       EXIT_LOAD_IA32_PAT | EXIT_SAVE_IA32_EFER | EXIT_LOAD_IA32_EFER,
	       "exit controls");
	is_u64(c.entry, ENTRY_LOAD_DEBUG_CONTROLS | ENTRY_LOAD_IA32_PAT | ENTRY_LOAD_IA32_EFER,
	       "entry controls: L1 starts in real mode");
}

/* Without one needed bit there is a reason, and it is the right one. */
static void test_lack(const char *what, struct vmx_caps caps, const char *word)
{
	struct vmcs01_controls c;
	const char *lack = vmcs01_choose_controls(&caps, &c);

	ok(lack && strstr(lack, word), "without %s: '%s' names %s", what, lack ? lack : "", word);
}

#define LACK(field, bit, word)                                  \
	do {                                                    \
		struct vmx_caps caps_ = full_caps();            \
		caps_.field &= ~(__typeof__(caps_.field))(bit); \
		test_lack(#bit, caps_, word);                   \
	} while (0)

static void test_needs(void)
{
	LACK(proc1.may_be_1, PROC1_USE_MSR_BITMAPS, "MSR_BITMAPS");
	LACK(proc1.may_be_1, PROC1_MONITOR_TRAP_FLAG, "MONITOR_TRAP_FLAG");
	LACK(proc1.may_be_1, PROC1_ACTIVATE_SECONDARY_CONTROLS, "no EPT");
	LACK(proc2.may_be_1, PROC2_ENABLE_EPT, "no EPT");
	LACK(proc2.may_be_1, PROC2_UNRESTRICTED_GUEST, "unrestricted guest");
	LACK(exit.may_be_1, EXIT_HOST_ADDRESS_SPACE_SIZE, "HOST_ADDRESS_SPACE_SIZE");
	LACK(entry.may_be_1, ENTRY_IA32E_MODE_GUEST, "IA32E_MODE_GUEST");
	LACK(ept_vpid, EPT_CAP_WALK_4, "4-level");
	LACK(ept_vpid, EPT_CAP_WB, "write-back");
	LACK(ept_vpid, EPT_CAP_INVEPT, "INVEPT");
	LACK(ept_vpid, EPT_CAP_INVEPT_SINGLE, "INVEPT");
	LACK(misc, VMX_MISC_ACTIVITY_SIPI, "wait-for-SIPI");
	LACK(basic, VMX_BASIC_TRUE_CONTROLS, "true");
}

/* Each control that is only wanted may be missing; controls that must be 1 are 1. */
static void test_allowed(void)
{
	for (unsigned int bit = 0; bit < 32; bit++) {
		struct vmx_caps caps = full_caps();
		struct vmcs01_controls c, all;

		vmcs01_choose_controls(&caps, &all);
		caps.proc2.may_be_1 &= ~BIT32(bit);
		caps.exit.must_be_1 = caps.pin.must_be_1 = BIT32(bit);
		if (!vmcs01_choose_controls(&caps, &c)) {
			ok(!(c.proc2 & BIT32(bit)) &&
				   (c.proc2 | BIT32(bit)) == (all.proc2 | BIT32(bit)),
			   "secondary control %u is left out alone", bit);
			ok((c.exit & BIT32(bit)) && (c.pin & BIT32(bit)), "bit %u must be 1", bit);
		}
	}
}

static bool bitmap_bit(const u8 *bitmap, u32 base, u32 index)
{
	u32 bit = index % MSR_BITMAP_RANGE_COUNT;

	return bitmap[base + bit / 8] >> (bit % 8) & 1;
}

static bool is_mtrr(u32 index)
{
	if (index >= MSR_IA32_MTRR_PHYSBASE0 && index < MSR_IA32_MTRR_FIX64K_00000)
		return true;
	for (unsigned int i = 0; i < MTRR_FIXED_COUNT; i++) {
		if (mtrr_fixed_msr(i) == index)
			return true;
	}
	return index == MSR_IA32_MTRR_DEF_TYPE;
}

static bool is_hidden(u32 index)
{
	return index == MSR_IA32_FEATURE_CONTROL || index == MSR_IA32_MISC_ENABLE ||
	       (index >= MSR_IA32_VMX_BASIC && index <= MSR_IA32_VMX_EXIT_CTLS2) ||
	       (index >= MSR_IA32_RTIT_OUTPUT_BASE && index <= MSR_IA32_RTIT_ADDR3_B);
}

/* An exit of L2 loads them only where L1 has written them since the last one. */
static bool is_loaded_rarely(u32 index)
{
	return index == MSR_IA32_PAT ||
	       (index >= MSR_IA32_SYSENTER_CS && index <= MSR_IA32_SYSENTER_EIP);
}

static void test_msr_bitmap(void)
{
	static u8 bitmap[4096];
	unsigned int wrong = 0;

	memset(bitmap, 0x5a, sizeof(bitmap));
	vmcs01_build_msr_bitmap(bitmap);
	for (u32 index = 0; index < MSR_BITMAP_RANGE_COUNT; index++) {
		bool read = is_hidden(index);
		bool write = read || is_mtrr(index) || index == MSR_IA32_APIC_BASE ||
			     index == MSR_IA32_BIOS_UPDT_TRIG || index == MSR_IA32_PEBS_ENABLE ||
			     is_loaded_rarely(index);

		wrong += bitmap_bit(bitmap, MSR_BITMAP_READ_LOW, index) != read;
		wrong += bitmap_bit(bitmap, MSR_BITMAP_WRITE_LOW, index) != write;
		wrong += bitmap_bit(bitmap, MSR_BITMAP_READ_HIGH, index);
		wrong += bitmap_bit(bitmap, MSR_BITMAP_READ_HIGH + MSR_BITMAP_WRITE_LOW, index);
	}
	is_u64(wrong, 0, "MSRs whose interception is not as planned");
}

int main(void)
{
	test_full();
	test_needs();
	test_allowed();
	test_msr_bitmap();
	return tap_end();
}
