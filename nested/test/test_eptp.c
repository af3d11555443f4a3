/* SPDX-License-Identifier: BSD-2-Clause */
/* INVEPT and EPTP switching accept the EPT pointers that VM entry accepts, and no others. */
/* sources: nested/entry/entry.c nested/entry/execution_controls.c
 * nested/entry/exit_controls.c nested/entry/entry_controls.c nested/entry/host_registers.c
 * nested/entry/host_segments.c nested/entry/address_space_size.c nested/entry/guest_registers.c
 * nested/entry/guest_segments.c nested/entry/guest_descriptor_tables.c
 * nested/entry/guest_rip_rflags.c nested/entry/guest_activity.c
 * nested/entry/guest_interruptibility.c nested/entry/guest_link_pointer.c
 * nested/entry/guest_pdptes.c nested/ept02/ept12.c
 */
#include "nested/ept02/ept12.h"
#include "nested/test/entry_trial.h"
#include "nested/test/insn_world.h"

static unsigned int valid_count;

static void compare(u64 eptp)
{
	struct check_failure why;
	bool entry;

	t.v.eptp = eptp;
	entry = entry_check_controls_and_host(&t.in, &why) == VMFAIL_NONE;
	valid_count += entry;
	ok(ept12_eptp_is_valid(&t.caps, eptp) == entry, "EPTP 0x%llx: entry says %s, caps 0x%llx",
	   (unsigned long long)eptp, trial_reason(why), (unsigned long long)t.caps.ept_vpid);
}

/* All settings of the low bits on one page; some of them with each single bit above. */
static void all_pointers(void)
{
	for (u64 low = 0; low < PAGE_SIZE; low++)
		compare(TRIAL_PAGE | low);
	for (unsigned int bit = 12; bit < 64; bit++)
		for (u64 low = 0; low < BIT(7); low++)
			compare(BIT(bit) | low);
}

int main(void)
{
	/* What L1 is never shown: 5 levels, supervisor shadow-stack control. */
	static const u64 shown[] = {
		EPT_CAP_WALK_4 | EPT_CAP_UC | EPT_CAP_WB | EPT_CAP_AD,
		EPT_CAP_WALK_4 | EPT_CAP_WB,
		EPT_CAP_WALK_4 | EPT_CAP_UC,
		EPT_CAP_UC | EPT_CAP_WB | EPT_CAP_AD,
	};

	for (size_t i = 0; i < ARRAY_SIZE(shown); i++) {
		trial_begin();
		trial_proc2(PROC2_ENABLE_EPT);
		t.caps.ept_vpid = shown[i];
		all_pointers();
	}
	ok(valid_count > 100, "%u pointers are valid", valid_count);
	return tap_end();
}
